"""Tasks and turns as the sandbox serves them."""

from __future__ import annotations

from collections import Counter
from urllib.parse import quote

import pytest
import requests

from handinger_analytics.sandbox import Sandbox

EXAMPLE_ID = "tsk_2Z-YWz3hFq6VlW"
EXAMPLE_TASK = {
    "id": "tsk_2Z-YWz3hFq6VlW",
    "completedAt": "2026-05-11T09:14:48.000Z",
    "createdAt": "2026-05-11T09:14:22.000Z",
    "createdByUserId": "usr_7yh-91XzM2nQ4",
    "organizationId": "org_8s1Df9aLp-1z",
    "status": "completed",
    "title": "Weather report for Barcelona",
    "totals": {"credits": 42, "durationMs": 25812, "turnCount": 1},
    "triggeredBy": "api",
    "url": "https://v3.handinger.com/worker/wrk_vk81XUHKHG-qr4/task/tsk_2Z-YWz3hFq6VlW",
    "workerId": "wrk_vk81XUHKHG-qr4",
}
EXAMPLE_TURN = {
    "id": "trn_4Hq-9Vk2pLm8Rx",
    "completedAt": "2026-05-11T09:14:48.000Z",
    "credits": 42,
    "durationMs": 25812,
    "input": "What's the weather today in Barcelona?",
    "inputTokens": 1842,
    "outputText": ("It's currently 21°C and sunny in Barcelona with a light breeze from the south-east."),
    "outputTokens": 312,
    "role": "user",
    "seq": 0,
    "startedAt": "2026-05-11T09:14:22.000Z",
    "status": "completed",
    "structuredOutput": {"temperatureCelsius": "bar", "conditions": "bar"},
    "taskId": "tsk_2Z-YWz3hFq6VlW",
}
EXAMPLE_FILES = [
    {
        "filename": "barcelona.csv",
        "mediaType": "text/csv",
        "url": "https://handinger.com/files/barcelona.csv",
        "size": 1204,
    },
    {"filename": None, "mediaType": "image/png", "url": "https://handinger.com/files/1"},
]


@pytest.fixture(scope="module")
def bodies(sandbox_a):
    """Every task body of the generation A sandbox, read over one connection."""
    with requests.Session() as session:
        session.trust_env = False
        session.headers["Authorization"] = f"Bearer {sandbox_a.api_key}"
        return [
            session.get(f"{sandbox_a.url}/api/tasks/{quote(task_id, safe='')}", timeout=20).json()
            for task_id in sandbox_a.task_ids
        ]


def test_documented_example_in_generation_a(sandbox_a, get, task_path):
    """The documented task is served under its documented id, turns included."""
    reply = get(sandbox_a, task_path(EXAMPLE_ID))
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("application/json")
    assert reply.json == {"task": EXAMPLE_TASK, "turns": [EXAMPLE_TURN]}
    assert list(reply.json["turns"][0]) == list(EXAMPLE_TURN)
    assert EXAMPLE_ID not in sandbox_a.task_ids


def test_documented_example_in_generation_b(sandbox_b, get, task_path):
    """In generation B the task comes alone, and its turns with their files from a second path."""
    assert get(sandbox_b, task_path(EXAMPLE_ID)).json == {"task": EXAMPLE_TASK}
    turns = get(sandbox_b, task_path(EXAMPLE_ID) + "/turns").json
    assert turns == {"items": [{**EXAMPLE_TURN, "files": EXAMPLE_FILES}], "taskId": EXAMPLE_ID}


def test_generation_a_has_no_turns_endpoint(sandbox_a, get, task_path):
    """The turns endpoint answers 404 in generation A, for tasks that exist too."""
    reply = get(sandbox_a, task_path(EXAMPLE_ID) + "/turns")
    assert reply.status == 404
    assert set(reply.json) == {"error"}


def test_generation_a_with_files(sandbox_a, sandbox_b, get, task_path):
    """The last step of generation A has the turns in the task, with their files, and knows the credits."""
    with Sandbox(tasks=200, seed=7, generation="A+files") as sandbox:
        for task_id in [EXAMPLE_ID, *sandbox.task_ids[::5]]:
            path = task_path(task_id)
            task = get(sandbox_a, path).json["task"]
            items = get(sandbox_b, f"{path}/turns").json["items"]
            assert get(sandbox, path).json == {"task": task, "turns": items}
            assert get(sandbox, f"{path}/turns").status == 404
        worker = f"/api/workers/{sandbox.worker_ids[0]}"
        assert get(sandbox, worker).body == get(sandbox_a, worker).body


def test_generations_tell_the_same_story(sandbox_a, sandbox_b, get, task_path):
    """Both generations serve the same tasks and turns, the files aside."""
    assert sandbox_a.task_ids == sandbox_b.task_ids
    files = 0
    for task_id in sandbox_a.task_ids[::5]:
        a = get(sandbox_a, task_path(task_id)).json
        assert get(sandbox_b, task_path(task_id)).json == {"task": a["task"]}
        items = get(sandbox_b, task_path(task_id) + "/turns").json["items"]
        files += sum(len(item.pop("files")) for item in items)
        assert items == a["turns"]
    assert files > 0


def test_exact_number_of_tasks_in_order_of_creation(sandbox_a, bodies):
    """As many tasks exist as were asked for, oldest first, all created by now."""
    created = [body["task"]["createdAt"] for body in bodies]
    assert len(sandbox_a.task_ids) == len(set(sandbox_a.task_ids)) == 200
    assert created == sorted(created)
    assert "2026-05-01T12:00" <= created[0]
    assert created[-1] < "2026-06-30T12:00:00.000Z"


def test_totals_are_the_sums_of_the_turns(bodies):
    """Credits, durations and turn counts add up for every task, running ones included."""
    for body in bodies:
        turns = body["turns"]
        assert body["task"]["totals"] == {
            "credits": sum(turn["credits"] for turn in turns),
            "durationMs": sum(turn["durationMs"] for turn in turns),
            "turnCount": len(turns),
        }
        assert [turn["seq"] for turn in turns] == list(range(len(turns)))
        assert {turn["taskId"] for turn in turns} <= {body["task"]["id"]}


def test_task_status_follows_the_last_turn(bodies):
    """A task without turns is pending; any other has the status and the end of its last turn."""
    for body in bodies:
        task, turns = body["task"], body["turns"]
        last = turns[-1] if turns else {"status": "pending", "completedAt": None}
        assert (task["status"], task["completedAt"]) == (last["status"], last["completedAt"])


def test_turns_are_in_order_and_do_not_overlap(bodies):
    """A turn starts after the task was created and after the turn before has ended."""
    for body in bodies:
        moment = body["task"]["createdAt"]
        for turn in body["turns"]:
            assert turn["startedAt"] >= moment
            moment = turn["completedAt"] or "9"
            assert moment >= turn["startedAt"]


def test_data_is_varied(bodies):
    """All statuses, triggers and several structured-output shapes occur, some users are null."""
    tasks = [body["task"] for body in bodies]
    turns = [turn for body in bodies for turn in body["turns"]]
    assert {task["status"] for task in tasks} == {
        "pending",
        "running",
        "completed",
        "error",
        "aborted",
    }
    assert {task["triggeredBy"] for task in tasks} == {"api", "email", "schedule", "ui"}
    assert None in {task["createdByUserId"] for task in tasks}
    shapes = {tuple(turn["structuredOutput"]) for turn in turns if turn["structuredOutput"]}
    assert len(shapes) >= 4
    assert {} in [turn["structuredOutput"] for turn in turns]
    assert None in [turn["structuredOutput"] for turn in turns]
    counts = Counter(len(body["turns"]) for body in bodies)
    assert counts[1] + counts[2] + counts[3] > 150
    assert max(counts) <= 20


def test_titles_include_awkward_ones(bodies):
    """Titles hold markup, mathematics, escapes, emptiness and several scripts."""
    titles = [body["task"]["title"] for body in bodies]
    assert "<script>alert(1)</script>" in titles
    assert '<img src=x onerror="window.__pwned=1">' in titles
    assert "" in titles
    assert any(title.startswith(r"$\frac{a}{b}$") for title in titles)
    assert any("\x1b[31m" in title and "\n" in title for title in titles)
    assert max(map(len, titles)) >= 300
    assert any("東京" in title for title in titles)
    assert any("القاهرة" in title for title in titles)


def test_odd_ids_are_reachable_percent_encoded(sandbox_a, get, task_path):
    """Ids with a slash, a space, a percent sign or other scripts work when encoded."""
    odd = [task_id for task_id in sandbox_a.task_ids if not task_id.startswith("tsk_")]
    text = "".join(odd)
    assert all(character in text for character in "/ %?é東🙂")
    for task_id in odd:
        body = get(sandbox_a, task_path(task_id)).json
        assert body["task"]["id"] == task_id
        assert all(turn["taskId"] == task_id for turn in body["turns"])


def test_same_arguments_same_bytes(sandbox_a, get, task_path):
    """Two sandboxes with one seed send the same bytes; another seed sends others."""
    with Sandbox(tasks=200, seed=7) as again, Sandbox(tasks=200, seed=8) as other:
        assert again.task_ids == sandbox_a.task_ids
        assert set(other.task_ids) & set(again.task_ids) <= {
            task_id for task_id in again.task_ids if not task_id.startswith("tsk_")
        }
        for task_id in again.task_ids[::20]:
            path = task_path(task_id)
            assert get(again, path).body == get(sandbox_a, path).body


@pytest.mark.parametrize("generation", ["A", "B"])
def test_forced_number_of_turns(get, task_path, generation):
    """`turns_per_task` gives every task exactly that many turns, all over by now."""
    with Sandbox(tasks=30, seed=1, generation=generation, turns_per_task=5) as sandbox:
        for task_id in sandbox.task_ids:
            path = task_path(task_id)
            task = get(sandbox, path).json["task"]
            turns = (
                get(sandbox, path).json["turns"]
                if generation == "A"
                else get(sandbox, path + "/turns").json["items"]
            )
            assert task["totals"]["turnCount"] == len(turns) == 5
            assert task["totals"]["durationMs"] == sum(turn["durationMs"] for turn in turns)
            assert all(turn["completedAt"] <= "2026-06-30T12:00:00.000Z" for turn in turns)


@pytest.mark.parametrize("tasks", [0, 1, 2, 9])
def test_few_tasks(get, task_path, tasks):
    """A sandbox may hold very few tasks or none; the documented one is always there."""
    with Sandbox(tasks=tasks) as sandbox:
        assert len(sandbox.task_ids) == tasks
        for task_id in [*sandbox.task_ids, EXAMPLE_ID]:
            assert get(sandbox, task_path(task_id)).status == 200
        for worker_id in sandbox.worker_ids:
            assert get(sandbox, f"/api/workers/{worker_id}").status == 200
            assert get(sandbox, f"/api/workers/{worker_id}/webhook/executions").status == 200
