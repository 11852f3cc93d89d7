"""Workers, their webhook logs and their schedules as the sandbox serves them."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from urllib.parse import quote

import pytest

from handinger_analytics.sandbox import Sandbox

EXAMPLE_ID = "tsk_2Z-YWz3hFq6VlW"
EXAMPLE_WORKER = "wrk_vk81XUHKHG-qr4"
WORKER_FIELDS = {
    "id",
    "created_at",
    "error",
    "files",
    "incomplete_details",
    "messages",
    "metadata",
    "object",
    "output",
    "output_text",
    "running",
    "sources",
    "status",
    "structured_output",
    "url",
    "usage",
}


def whole_log(get, sandbox, worker_id):
    """Return all entries of a webhook log, page after page."""
    path = f"/api/workers/{worker_id}/webhook/executions"
    count = get(sandbox, path).json["pageCount"]
    pages = [get(sandbox, f"{path}?page={number}").json for number in range(1, count + 1)]
    return [entry for page in pages for entry in page["logs"]]


def test_worker_shows_its_most_recent_task(sandbox_a, get, task_path):
    """Without a task id the worker tells of the task it created last."""
    for worker_id in sandbox_a.worker_ids:
        body = get(sandbox_a, f"/api/workers/{worker_id}").json
        assert set(body) == WORKER_FIELDS
        assert (body["id"], body["object"]) == (worker_id, "worker")
        task = get(sandbox_a, task_path(body["metadata"]["taskId"])).json["task"]
        assert task["workerId"] == worker_id
        assert body["running"] == (task["status"] == "running")
        assert body["status"] in ("running", "completed", "pending")


def test_worker_shows_a_named_task(sandbox_a, get, task_path):
    """With a task id, percent-encoded in the query, the worker tells of that task."""
    for task_id in ("100% coverage", "weekly report/2026-06", sandbox_a.task_ids[0]):
        task = get(sandbox_a, task_path(task_id)).json
        path = f"/api/workers/{task['task']['workerId']}?taskId={quote(task_id, safe='')}"
        body = get(sandbox_a, path).json
        assert body["metadata"]["taskId"] == task_id
        assert body["usage"]["credits"] == task["task"]["totals"]["credits"]
        said = [message["parts"][0]["text"] for message in body["messages"]]
        assert said[0] == task["turns"][0]["input"]


def test_usage_differs_between_generations(sandbox_a, sandbox_b, get):
    """Generation B leaves the credits out of a worker's usage."""
    path = f"/api/workers/{EXAMPLE_WORKER}"
    assert get(sandbox_a, path).json["usage"] == {"credits": 42, "durationMs": 25812}
    assert get(sandbox_b, path).json["usage"] == {"durationMs": 25812}


def test_worker_without_tasks(get):
    """A worker that has run nothing has empty lists, no usage and no creation time."""
    with Sandbox(tasks=0) as sandbox:
        body = get(sandbox, f"/api/workers/{sandbox.worker_ids[0]}").json
    assert set(body) == WORKER_FIELDS - {"usage"}
    assert body["created_at"] is None
    assert body["messages"] == body["output"] == body["files"] == []


def test_example_worker_exists(sandbox_a, get):
    """The worker of the documented task exists and its log holds the documented entry."""
    body = get(sandbox_a, f"/api/workers/{EXAMPLE_WORKER}").json
    assert body["url"] == "https://v3.handinger.com/worker/wrk_vk81XUHKHG-qr4"
    assert body["output_text"].startswith("It's currently 21°C")
    log = get(sandbox_a, f"/api/workers/{EXAMPLE_WORKER}/webhook/executions").json
    assert log == {
        "logs": [
            {
                "id": "whx_1",
                "createdAt": "2026-05-11T09:14:49.000Z",
                "durationMs": 182,
                "errorMessage": None,
                "requestStatus": "success",
                "responseStatus": 200,
                "taskId": EXAMPLE_ID,
                "taskTitle": "Weather report for Barcelona",
                "url": "https://example.com/handinger-webhook",
                "workerId": EXAMPLE_WORKER,
            }
        ],
        "page": 1,
        "pageCount": 1,
        "totalCount": 1,
    }


@pytest.mark.parametrize("rest", ["", "/webhook", "/webhook/executions", "/email", "/schedules", "?taskId=x"])
def test_worker_of_another_organization(sandbox_a, get, rest):
    """A worker of another organization is 403 on every route."""
    reply = get(sandbox_a, f"/api/workers/{sandbox_a.forbidden_worker_id}{rest}")
    assert reply.status == 403
    assert sandbox_a.forbidden_worker_id in reply.json["error"]


def test_bad_task_of_a_worker(sandbox_a, get):
    """An empty task id is 422; an unknown one, or another worker's, is 404."""
    path = f"/api/workers/{sandbox_a.worker_ids[0]}"
    assert get(sandbox_a, f"{path}?taskId=").status == 422
    assert get(sandbox_a, f"{path}?taskId=nope").status == 404
    assert get(sandbox_a, f"{path}?taskId={EXAMPLE_ID}").status == 404


@pytest.mark.parametrize("page", ["0", "-1", "1.5", "x", "", "%D9%A1", "9" * 5000])
def test_bad_pages(sandbox_a, get, page):
    """A page that is not a whole number from 1 is 422."""
    path = f"/api/workers/{sandbox_a.worker_ids[0]}/webhook/executions"
    reply = get(sandbox_a, f"{path}?page={page}")
    assert reply.status == 422
    assert reply.json["error"].startswith("page: ")


def test_log_pages_are_complete_and_newest_first(sandbox_a, get):
    """The pages hold every entry once, newest first, and totalCount says how many."""
    for worker_id in sandbox_a.worker_ids:
        path = f"/api/workers/{worker_id}/webhook/executions"
        first = get(sandbox_a, path).json
        logs = whole_log(get, sandbox_a, worker_id)
        times = [entry["createdAt"] for entry in logs]
        assert get(sandbox_a, f"{path}?page=1").json == first
        assert len(logs) == len({entry["id"] for entry in logs}) == first["totalCount"]
        assert times == sorted(times, reverse=True)


def test_log_has_several_pages_and_repeats_tasks(sandbox_a, get):
    """A busy worker's log has several pages, and some tasks are in it more than once."""
    path = f"/api/workers/{sandbox_a.worker_ids[0]}/webhook/executions"
    assert get(sandbox_a, path).json["pageCount"] > 2
    logs = whole_log(get, sandbox_a, sandbox_a.worker_ids[0])
    assert max(Counter(entry["taskId"] for entry in logs).values()) > 1
    assert None in {entry["taskId"] for entry in logs}
    assert {entry["requestStatus"] for entry in logs} == {"success", "error"}
    assert all((entry["errorMessage"] is None) == (entry["requestStatus"] == "success") for entry in logs)


def test_page_past_the_end_is_empty(sandbox_a, get):
    """Past the end there are no entries, and the counts are the same."""
    path = f"/api/workers/{sandbox_a.worker_ids[0]}/webhook/executions"
    first, past = get(sandbox_a, path).json, get(sandbox_a, f"{path}?page=999").json
    assert past == {**first, "logs": [], "page": 999}


def test_logs_name_every_task_with_a_finished_turn(sandbox_a, get, task_path):
    """All logs together name each task whose first turn is over, and only tasks that exist."""
    named = {
        entry["taskId"]
        for worker_id in sandbox_a.worker_ids
        for entry in whole_log(get, sandbox_a, worker_id)
    } - {None}
    unnamed = set(sandbox_a.task_ids) - named
    assert named <= set(sandbox_a.task_ids)
    for task_id in unnamed:
        turns = get(sandbox_a, task_path(task_id)).json["turns"]
        assert not turns or turns[0]["completedAt"] is None


def test_empty_log(get):
    """A log without entries has one empty answer."""
    with Sandbox(tasks=0) as sandbox:
        log = get(sandbox, f"/api/workers/{sandbox.worker_ids[0]}/webhook/executions").json
    assert log == {"logs": [], "page": 1, "pageCount": 0, "totalCount": 0}


def test_webhook_of_a_worker(sandbox_a, get):
    """Every worker reports to the address that its log names."""
    worker_id = sandbox_a.worker_ids[0]
    webhook = get(sandbox_a, f"/api/workers/{worker_id}/webhook").json
    assert sorted(webhook) == ["token", "url"]
    log = get(sandbox_a, f"/api/workers/{worker_id}/webhook/executions").json["logs"]
    assert {entry["url"] for entry in log} == {webhook["url"]}
    with sandbox_a.client() as client:
        assert client.retrieve_webhook(worker_id).url == webhook["url"]


def test_a_page_of_the_log_has_50_entries(sandbox_a, get):
    """Every page but the last has 50 entries."""
    path = f"/api/workers/{sandbox_a.worker_ids[0]}/webhook/executions"
    count = get(sandbox_a, path).json["pageCount"]
    sizes = [len(get(sandbox_a, f"{path}?page={number}").json["logs"]) for number in range(1, count + 1)]
    assert sizes[:-1] == [50] * (count - 1)


def test_worker_without_a_webhook(sandbox_a, get):
    """The silent worker exists, has no webhook, and so an empty log."""
    worker_id = sandbox_a.silent_worker_id
    assert worker_id not in [*sandbox_a.worker_ids, sandbox_a.forbidden_worker_id]
    path = f"/api/workers/{worker_id}"
    assert get(sandbox_a, path).json["id"] == worker_id
    assert get(sandbox_a, f"{path}?taskId={EXAMPLE_ID}").status == 404
    assert get(sandbox_a, f"{path}/webhook").json == {"url": None, "token": None}
    log = get(sandbox_a, f"{path}/webhook/executions").json
    assert log == {"logs": [], "page": 1, "pageCount": 0, "totalCount": 0}
    assert get(sandbox_a, f"{path}/schedules").json == {"schedules": [], "workerId": worker_id}


def test_email_of_a_worker(sandbox_a, get):
    """Each worker has an address of its own that starts tasks."""
    workers = [*sandbox_a.worker_ids, sandbox_a.silent_worker_id]
    bodies = [get(sandbox_a, f"/api/workers/{worker_id}/email").json for worker_id in workers]
    assert all(list(body) == ["email"] and "@" in body["email"] for body in bodies)
    assert len({body["email"] for body in bodies}) == len(workers)


def test_schedules_of_all_types(sandbox_a, sandbox_b, get):
    """Every type of schedule occurs, with the fields of its type and a run ahead."""
    more = {
        "scheduled": set(),
        "delayed": {"delayInSeconds"},
        "cron": {"cron"},
        "interval": {"intervalSeconds"},
    }
    seen = set()
    for worker_id in sandbox_a.worker_ids:
        body = get(sandbox_a, f"/api/workers/{worker_id}/schedules").json
        assert set(body) == {"schedules", "workerId"}
        again = get(sandbox_b, f"/api/workers/{worker_id}/schedules").json
        assert again == {**body, "timezone": "UTC"}
        for entry in body["schedules"]:
            seen.add(entry["type"])
            common = {"id", "budget", "input", "nextRunAt", "type"}
            assert set(entry) == common | more[entry["type"]]
            assert entry["nextRunAt"] > "2026-06-30T12:00:00.000Z"
    assert seen == set(more)


def test_schedules_move_with_the_clock(get):
    """A repeating schedule has its next run ahead of the clock; a single one disappears."""
    with Sandbox(tasks=5) as sandbox:
        sandbox.advance(timedelta(days=10))
        entries = [
            entry
            for worker_id in sandbox.worker_ids
            for entry in get(sandbox, f"/api/workers/{worker_id}/schedules").json["schedules"]
        ]
    assert {entry["type"]: entry["nextRunAt"] for entry in entries} == {
        "cron": "2026-07-11T06:00:00.000Z",
        "interval": "2026-07-10T13:00:00.000Z",
    }
