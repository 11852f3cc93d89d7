from __future__ import annotations

import pytest

from handinger_analytics.errors import FrameError
from handinger_analytics.metrics.check import check
from tests.metrics.turns_by_hand import fetched, tasks_table, turns_table


def verdict_of(task: dict, *turns: dict) -> str:
    """Return the verdict on one task."""
    result = check(tasks_table([task]), turns_table(list(turns)))
    assert len(result) == 1
    return result["verdict"].iloc[0]


@pytest.mark.parametrize(
    ("task", "turns", "expected"),
    [
        ({"credits": 3, "turn_count": 2}, [{"credits": 1}, {"credits": 2}], "complete"),
        ({"credits": 0, "turn_count": 0, "status": "aborted"}, [], "no turns"),
        ({"credits": 0, "turn_count": 0, "status": "pending"}, [], "still running"),
        ({"status": "running"}, [{}], "still running"),
        ({"turn_count": 2}, [{}, {"status": "running", "credits": 0}], "still running"),
        ({"turn_count": 2}, [{}], "turns missing"),
        ({"turn_count": 1}, [], "turns missing"),
        ({"turn_count": 1}, [{"credits": 1}, {"credits": 0}], "more turns than reported"),
        ({"credits": 2}, [{"credits": 1}], "credits differ"),
        ({"turn_count": 2, "credits": 2}, [{"turn_id": "trn_x"}, {"turn_id": "trn_x"}], "turns repeated"),
        ({"duration_ms": 1}, [{"duration_ms": 1000}], "complete"),
    ],
)
def test_verdict(task: dict, turns: list[dict], expected: str):
    """Each way in which a task and its turns can stand to each other has its own word."""
    assert verdict_of(task, *turns) == expected


def test_differences():
    """What the turns add up to stands beside what the task reports, duration apart from credits."""
    task = {"credits": 10, "turn_count": 3, "duration_ms": 9000, "task_id": "tsk_1"}
    turns = turns_table([{"credits": 4, "duration_ms": 4000}, {"credits": 5, "duration_ms": 5500}])
    row = check(tasks_table([task]), turns).iloc[0]
    assert row[["credits", "credits_of_turns", "credits_difference"]].tolist() == [10, 9, -1]
    assert row[["turn_count", "turns", "turns_difference"]].tolist() == [3, 2, -1]
    assert row[["duration_ms", "duration_ms_of_turns", "duration_difference_ms"]].tolist() == [
        9000,
        9500,
        500,
    ]


def test_turns_without_their_task():
    """Turns whose task is not there are a row of their own, with nothing reported."""
    result = check(tasks_table([{"task_id": "tsk_1"}]), turns_table([{}, {"task_id": "tsk_2", "credits": 7}]))
    assert result["task_id"].tolist() == ["tsk_2", "tsk_1"]
    assert result["verdict"].tolist() == ["task missing", "complete"]
    assert result["credits"].isna().tolist() == [True, False]
    assert result["credits_of_turns"].tolist() == [7, 1]


def test_everything_agrees():
    """When all tasks agree the result says that it is complete, and why."""
    result = check(
        fetched(tasks_table([{"task_id": "tsk_1"}, {"task_id": "tsk_2", "turn_count": 0, "credits": 0}])),
        fetched(turns_table([{}])),
    )
    assert result.attrs["handinger"] == {"complete": True, "reason": "all 2 tasks agree with their turns"}


def test_reason():
    """When some do not, the result counts them by verdict."""
    tasks = tasks_table(
        [
            {"task_id": "a", "status": "running"},
            {"task_id": "b", "turn_count": 2},
            {"task_id": "c"},
            {"task_id": "d"},
        ]
    )
    turns = turns_table([{"task_id": "b"}, {"task_id": "c"}])
    assert check(fetched(tasks), fetched(turns)).attrs["handinger"] == {
        "complete": False,
        "reason": "3 of 4 tasks are not complete: 1 still running, 2 turns missing",
    }


def test_incomplete_frames():
    """Agreement among the tasks that were fetched does not hide those that were not."""
    tasks, turns = tasks_table([{}]).to_pandas(), turns_table([{}]).to_pandas()
    tasks.attrs["handinger"] = {"complete": False, "failed": 1}
    turns.attrs["handinger"] = {"complete": True, "failed": 1}
    result = check(tasks, turns)
    assert result["complete"].all()
    assert result.attrs["handinger"]["complete"] is False
    assert "incomplete: not all of the tasks were fetched" in result.attrs["handinger"]["reason"]


@pytest.mark.parametrize("sure", ["tasks", "turns", "neither"])
def test_frames_that_do_not_say_whether_all_is_here(sure):
    """Agreement does not make frames complete that lost where they come from; a gap is one all the same."""
    tasks, turns = tasks_table([{}]), turns_table([{}])
    tasks = fetched(tasks) if sure == "tasks" else tasks
    turns = fetched(turns) if sure == "turns" else turns
    result = check(tasks, turns)
    assert result["complete"].all()
    assert result.attrs["handinger"] == {
        "reason": "all 1 tasks agree with their turns; not known whether all tasks are here"
    }
    assert check(tasks, turns.slice(0, 0)).attrs["handinger"] == {
        "complete": False,
        "reason": "1 of 1 tasks are not complete: 1 turns missing; not known whether all tasks are here",
    }


def test_nothing_to_check():
    """No tasks and no turns are complete, in the same columns and dtypes as many."""
    empty = check(fetched(tasks_table([])), fetched(turns_table([])))
    full = check(tasks_table([{}]), turns_table([{}]))
    assert empty.attrs["handinger"]["complete"] is True
    assert empty.dtypes.to_dict() == full.dtypes.to_dict()


def test_task_in_two_rows():
    """Two rows of one task leave open which of them is right."""
    with pytest.raises(FrameError, match="tasks: task 'tsk_1' has several rows"):
        check(tasks_table([{}, {"status": "running"}]), turns_table([{}]))
