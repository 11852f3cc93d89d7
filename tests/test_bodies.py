"""Saved response bodies to frames, without a network."""

from __future__ import annotations

import itertools
import warnings

import pandas as pd
import pytest

from handinger_analytics import ArgumentError, IncompleteFetchError, PartialDataWarning, parse_bodies
from handinger_analytics.fetching.result import fetched_of
from tests.samples import body_a, encoded, one_turn, task_b, turn_of, turns_b
from tests.scripted import Reply


def brief(result):
    """Return ids and credits of tasks, and ids of turns."""
    return (
        list(zip(result.tasks["task_id"], result.tasks["credits"], strict=True)),
        result.turns["turn_id"].tolist(),
    )


def totals(credits):
    """Return the totals of a task."""
    return {"credits": credits, "durationMs": 1, "turnCount": 1}


def test_both_generations_give_the_same_frames():
    """A task saved in one body or in two is the same task."""
    one = parse_bodies([body_a("t1")])
    two = parse_bodies([task_b("t1"), encoded({"items": [turn_of("t1")], "taskId": "t1"})])
    pd.testing.assert_frame_equal(one.tasks, two.tasks, check_flags=False)
    pd.testing.assert_frame_equal(one.turns, two.turns, check_flags=False)
    assert one.complete
    assert two.complete


PARTS = [task_b("t1"), turns_b("t1", 2), task_b("t2"), turns_b("t2", 1), body_a("t3", 1)]


@pytest.mark.parametrize("order", list(itertools.permutations(range(5))))
def test_bodies_come_in_any_order(order):
    """Tasks stand in the order in which they were first met, turns with their task, nothing is lost."""
    result = parse_bodies([PARTS[n] for n in order], on_error="raise")
    met = list(dict.fromkeys(("t1", "t1", "t2", "t2", "t3")[n] for n in order))
    assert result.tasks["task_id"].tolist() == met
    count = {"t1": 2, "t2": 1, "t3": 1}
    assert result.turns["turn_id"].tolist() == [f"trn_{task}_{n}" for task in met for n in range(count[task])]
    assert result.complete
    assert fetched_of(result).task_ids == tuple(met)


@pytest.mark.parametrize("kind", [bytes, lambda body: body.decode()])
def test_text_and_bytes_are_the_same(kind):
    """A body may be text; one alone need not be in a list."""
    body = kind(body_a("t1", title="é🙂"))
    for given in (body, [body], iter([body])):
        assert parse_bodies(given).tasks["title"].tolist() == ["é🙂"]


def test_no_bodies_are_complete():
    """Nothing asked, nothing missing."""
    result = parse_bodies([])
    assert result.complete
    assert len(result.tasks) == len(result.turns) == len(result.failures) == 0


def test_turns_of_a_finished_task_may_be_none():
    """A task without turns is whole when the server says so in either generation."""
    result = parse_bodies([body_a("t1", 0), task_b("t2"), turns_b("t2", 0)], on_error="raise")
    assert result.complete
    assert brief(result) == ([("t1", 42), ("t2", 42)], [])


def test_without_its_turns_a_task_is_kept_and_named():
    """The row is there, and the failure says what is missing."""
    result = parse_bodies([body_a("t0"), task_b("t1")], on_error="collect")
    assert result.tasks["task_id"].tolist() == ["t0", "t1"]
    assert not result.complete
    (row,) = result.failures.to_dict("records")
    assert (row["task_id"], row["stage"]) == ("t1", "turns")
    assert "its turns are not among the bodies" in row["message"]


def test_turns_without_their_task_are_named():
    """Turns alone have no context, so they are a failure."""
    result = parse_bodies([turns_b("t1")], on_error="collect")
    assert len(result.tasks) == len(result.turns) == 0
    (row,) = result.failures.to_dict("records")
    assert (row["task_id"], row["stage"]) == ("t1", "task")
    assert "the task is not" in row["message"]


def test_turns_say_themselves_whose_they_are():
    """A list of turns without ``taskId`` belongs to the task its turns name."""
    result = parse_bodies([task_b("t1"), encoded({"items": [turn_of("t1")]})], on_error="raise")
    assert result.complete


@pytest.mark.parametrize(
    ("body", "task_id", "stage", "message"),
    [
        (b"<html>", "bodies[1]", "task", r"bodies\[1\]: JSON is malformed"),
        (b"", "bodies[1]", "task", r"bodies\[1\]: Input data was truncated"),
        (b"[]", "bodies[1]", "task", r"bodies\[1\]: body: expected object, found array"),
        (b'{"error": "Unknown task"}', "bodies[1]", "task", "neither a task nor the turns of one"),
        (b'{"items": []}', "bodies[1]", "turns", "neither a task nor the turns of one"),
        (task_b("t9", title=5), "t9", "task", r"task\.title: expected str, found int"),
        (turns_b("t9", 1, credits=0.5), "t9", "turns", r"items\[0\]\.credits: expected int, found float"),
        (b'{"task": ' + b"[" * 200_000, "bodies[1]", "task", "nested too deeply|truncated|expected object"),
    ],
)
def test_unreadable_body_is_a_failure_and_the_rest_stays(body, task_id, stage, message):
    """It is named by its id or its number, and says what is wrong."""
    result = parse_bodies([body_a("t1"), body, body_a("t2")], on_error="collect")
    assert brief(result)[0] == [("t1", 42), ("t2", 42)]
    (row,) = result.failures.to_dict("records")
    assert (row["task_id"], row["stage"], row["error"]) == (task_id, stage, "APIResponseValidationError")
    assert pd.Series([row["message"]]).str.contains(message).all(), row["message"]
    attrs = result.tasks.attrs["handinger"]
    assert attrs == {**attrs, "requested": 3, "failed": 1, "complete": False}


def test_broken_turns_leave_their_task():
    """The task's own row is not lost with its turns."""
    result = parse_bodies([task_b("t1"), turns_b("t1", 1, credits="x")], on_error="collect")
    assert result.tasks["task_id"].tolist() == ["t1"]
    assert result.failures["stage"].tolist() == ["turns"]


def test_readable_copy_heals_a_broken_one():
    """A task that came broken and whole is whole."""
    result = parse_bodies([body_a("t1", title=5), body_a("t1")], on_error="raise")
    assert result.complete


def test_of_two_whole_bodies_the_later_counts():
    """A task saved twice is one row, in its first place."""
    bodies = [body_a("t1", 1, totals=totals(1)), body_a("t2"), body_a("t1", 2, totals=totals(2))]
    assert brief(parse_bodies(bodies)) == ([("t1", 2), ("t2", 42)], ["trn_t1_0", "trn_t1_1", "trn_t2_0"])


OLD, NEW = task_b("t1", totals=totals(1)), task_b("t1", totals=totals(2))
FEW, MANY = turns_b("t1", 1), turns_b("t1", 2)


@pytest.mark.parametrize(
    "bodies",
    [
        pytest.param([OLD, FEW, NEW, MANY], id="pair-pair"),
        pytest.param([OLD, NEW, FEW, MANY], id="tasks-turns"),
        pytest.param([FEW, MANY, OLD, NEW], id="turns-tasks"),
        pytest.param([OLD, FEW, MANY, NEW], id="inside-out"),
        pytest.param([OLD, MANY, NEW], id="task-alone"),
        pytest.param([NEW, FEW, MANY], id="turns-alone"),
        pytest.param([body_a("t1", 1, totals=totals(1)), NEW, MANY], id="a-then-b"),
        pytest.param([OLD, FEW, body_a("t1", 2, totals=totals(2))], id="b-then-a"),
    ],
)
def test_of_two_halves_the_later_counts(bodies):
    """The latest task and the latest turns belong together, whichever came in what order."""
    assert brief(parse_bodies(bodies)) == ([("t1", 2)], ["trn_t1_0", "trn_t1_1"])


def test_on_error_warns_by_default_where_the_user_stands():
    """The warning names count and cause, and points to the calling line."""
    with pytest.warns(PartialDataWarning, match=r"1 of 1 task could not be fetched, .*bodies\[0\]") as caught:
        parse_bodies([b"?"])
    assert caught[0].filename == __file__


def test_on_error_raises_with_what_could_be_read():
    """The error carries the result."""
    with pytest.raises(IncompleteFetchError, match="1 of 2 tasks could not be fetched") as caught:
        parse_bodies([b"?", body_a("t1")], on_error="raise")
    assert caught.value.result.tasks["task_id"].tolist() == ["t1"]


def test_on_error_collects_silently():
    """No warning, only the failures frame."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert len(parse_bodies([b"?"], on_error="collect").failures) == 1
    assert caught == []


def test_unknown_on_error_is_refused_before_anything_is_read():
    """The error names the three words."""
    with pytest.raises(ArgumentError, match="expected 'warn', 'raise' or 'collect', found 'ignore'"):
        parse_bodies([one_turn()], on_error="ignore")


@pytest.mark.parametrize("body", [{"task": {}}, 5, None])
def test_what_is_no_body_is_refused(body):
    """Decoded JSON, or anything else than text, is an error that says what to give."""
    with pytest.raises(ValueError, match=r"^bodies\[0\]: expected bytes or str, found .*response\.content"):
        parse_bodies([body])


def test_a_body_saved_by_an_editor_is_read():
    """A byte order mark in front is no part of the JSON."""
    assert parse_bodies([b"\xef\xbb\xbf" + body_a("t1"), bytearray(body_a("t2"))]).complete


def test_nobody_is_asked_for_a_body_without_an_id(serve):
    """Retrying asks for ids only, not for the names that unreadable bodies got."""
    server = serve(Reply(body_a("t1")))
    result = parse_bodies([b"no json"], on_error="collect")
    assert not result.retry_failed(client=server.client()).complete
    assert server.paths == []
