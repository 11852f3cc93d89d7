"""The clock of the sandbox."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from handinger_analytics.sandbox import Sandbox


@pytest.fixture
def sandbox():
    """Start a sandbox whose clock may be moved."""
    with Sandbox(tasks=200, seed=7) as running:
        yield running


def tasks_of(sandbox, get, task_path):
    """Return the bodies of the last tasks by status."""
    bodies = [get(sandbox, task_path(task_id)).json for task_id in sandbox.task_ids[-12:]]
    return {
        status: [body["task"]["id"] for body in bodies if body["task"]["status"] == status]
        for status in ("pending", "running")
    }


def test_clock_starts_at_the_given_moment():
    """`now` is the moment asked for, in UTC, to the millisecond."""
    moment = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
    assert Sandbox(tasks=1, now=moment).now == datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)


def test_running_turn_has_used_nothing_yet(sandbox, get, task_path):
    """A running turn has no end, no credits, no tokens and no output so far."""
    running = tasks_of(sandbox, get, task_path)["running"]
    assert running
    for task_id in running:
        turn = get(sandbox, task_path(task_id)).json["turns"][-1]
        assert (turn["status"], turn["completedAt"]) == ("running", None)
        assert (turn["credits"], turn["inputTokens"], turn["outputTokens"]) == (0, 0, 0)
        assert (turn["outputText"], turn["structuredOutput"]) == ("", None)


def test_running_task_finishes_when_the_clock_moves(sandbox, get, task_path):
    """What runs or waits is over a month later, and finished turns stay as they were."""
    before = {task_id: get(sandbox, task_path(task_id)).json["turns"] for task_id in sandbox.task_ids}
    unfinished = tasks_of(sandbox, get, task_path)
    assert unfinished["pending"]
    sandbox.advance(timedelta(days=365))
    for task_id, turns in before.items():
        body = get(sandbox, task_path(task_id)).json
        assert body["task"]["status"] in ("completed", "error", "aborted")
        for then, now in zip(turns, body["turns"], strict=False):
            if then["status"] != "running":
                assert now == then
            assert now["input"] == then["input"]
    for task_id in unfinished["running"]:
        assert get(sandbox, task_path(task_id)).json["task"]["totals"]["credits"] > 0


def test_follow_ups_appear_later(sandbox, get, task_path):
    """Some finished tasks get further turns when time goes by."""
    path = [task_path(task_id) for task_id in sandbox.task_ids[-60:]]
    before = [len(get(sandbox, one).json["turns"]) for one in path]
    sandbox.advance(timedelta(days=30))
    after = [len(get(sandbox, one).json["turns"]) for one in path]
    assert all(now >= then for then, now in zip(before, after, strict=True))
    assert sum(after) > sum(before)


def test_late_follow_ups(sandbox, get, task_path):
    """About one task in 20 gets one more turn within `follow_up_days`, and a delivery of it."""
    with Sandbox(tasks=200, seed=7, follow_up_days=60) as late:
        start, ids = late.now.isoformat(), late.task_ids
        for one in (sandbox, late):
            one.advance(timedelta(days=90))
        more = {}
        for task_id in ids:
            usual, turns = (get(one, task_path(task_id)).json["turns"] for one in (sandbox, late))
            assert turns[: len(usual)] == usual
            if extra := turns[len(usual) :]:
                (more[task_id],) = extra
                assert usual[-1]["completedAt"] < extra[0]["startedAt"]
                assert extra[0]["seq"] == len(usual)
        assert 4 <= len(more) <= 20
        assert 0 < sum(turn["startedAt"] < start for turn in more.values()) < len(more)
        paths = [f"/api/workers/{worker_id}/webhook/executions?page=" for worker_id in late.worker_ids]
        logs = [
            log for path in paths for page in range(1, 12) for log in get(late, f"{path}{page}").json["logs"]
        ]
        for task_id, turn in more.items():
            made = [log["createdAt"] for log in logs if log["taskId"] == task_id]
            assert max(made) > turn["completedAt"]


def test_new_tasks_appear_and_do_not_exist_before(sandbox, get, task_path):
    """A task that is created later is unknown before, and served afterwards."""
    old = sandbox.task_ids
    with Sandbox(tasks=200, seed=7) as later:
        later.advance(timedelta(days=9))
        new = later.task_ids[200:]
        assert later.task_ids[:200] == old
        assert len(new) > 10
        assert [get(sandbox, task_path(task_id)).status for task_id in new] == [404] * len(new)
        assert {get(later, task_path(task_id)).status for task_id in new} == {200}
    sandbox.advance(timedelta(days=9))
    assert sandbox.task_ids[200:] == new
    assert {get(sandbox, task_path(task_id)).status for task_id in new} == {200}


def test_pace_stays_about_the_same(sandbox):
    """In another 60 days about as many tasks appear as in the 60 days before."""
    sandbox.advance(timedelta(days=60))
    assert 380 <= len(sandbox.task_ids) <= 420


def test_small_steps_lead_where_a_large_one_leads(sandbox, get, task_path):
    """The state depends on the moment, not on how the clock got there."""
    with Sandbox(tasks=200, seed=7) as other:
        other.advance(timedelta(hours=50))
        for _ in range(50):
            get(sandbox, task_path(sandbox.task_ids[-1]))
            sandbox.advance(timedelta(hours=1))
        assert sandbox.now == other.now
        assert sandbox.task_ids == other.task_ids
        for task_id in sandbox.task_ids[-20:]:
            path = task_path(task_id)
            assert get(sandbox, path).body == get(other, path).body


def test_webhook_log_grows_with_the_clock(sandbox, get):
    """Deliveries of later turns are not in the log before they happen."""
    path = f"/api/workers/{sandbox.worker_ids[0]}/webhook/executions"
    before = get(sandbox, path).json
    assert all(log["createdAt"] <= "2026-06-30T12:00:00.000Z" for log in before["logs"])
    sandbox.advance(timedelta(days=14))
    assert get(sandbox, path).json["totalCount"] > before["totalCount"]


def test_clock_does_not_go_back(sandbox):
    """A negative step is refused, and so is what is no step at all."""
    for step in (timedelta(seconds=-1), 5):
        with pytest.raises(ValueError, match="only moves forward, found"):
            sandbox.advance(step)
