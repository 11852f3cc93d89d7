"""What the server sends beyond the table, and when it sent it."""

from __future__ import annotations

import datetime as dt
import json
import time

import pandas as pd
import pytest

import handinger_analytics as ha
from tests.samples import body_a, encoded, task_b, task_of, turn_of, turns_b
from tests.scripted import Reply, asked_id

FILE = {"mediaType": "text/csv", "url": "https://handinger.com/files/1"}


def extras(frame):
    """Return what was sent beyond the columns, row by row."""
    return [None if pd.isna(text) else json.loads(text) for text in frame["extra"]]


def parsed(*contents):
    """Parse bodies, all of which must be good."""
    return ha.parse_bodies(map(encoded, contents), on_error="raise")


def body(task_id="tsk_1", *, task=None, turn=None, **beside):
    """Make a body of generation A with more fields in its task, its turn and beside them."""
    return {"task": task_of(task_id, **(task or {})), "turns": [turn_of(task_id, **(turn or {}))], **beside}


def test_todays_bodies_have_nothing_extra():
    """Null, in a column of text, in both generations."""
    result = ha.parse_bodies([body_a("tsk_1"), task_b("tsk_2"), turns_b("tsk_2")])
    assert extras(result.tasks) == extras(result.turns) == [None, None]
    assert result.turns["extra"].dtype == result.turns["structured_output"].dtype


TOTALS = {"credits": 1, "durationMs": 1, "turnCount": 1}
NEW = {"a": [1, {"b": None}], "é": "ü", "c": 1.50}
ADDED = [
    (body(task={"priority": NEW}), {"priority": NEW}, None),
    (body(task={"totals": TOTALS | {"tax": 3}}), {"totals": {"tax": 3}}, None),
    (body(turn={"cachedTokens": 7, "model": "m"}), None, {"cachedTokens": 7, "model": "m"}),
    (body(turn={"files": [FILE, FILE | {"sha": "x"}]}), None, {"files": [{}, {"sha": "x"}]}),
    (body(turn={"extra": {"extra": 1}, "": 0}), None, {"extra": {"extra": 1}, "": 0}),
    (body(billing={"plan": "pro"}), {"billing": {"plan": "pro"}}, None),
    (body(billing=1, task={"billing": 2}), {"billing": 2, "body": {"billing": 1}}, None),
    (body(task={"new": 1}, turn={"new": 2}), {"new": 1}, {"new": 2}),
    (body(task={"new": 1}, turn={"credits": 42.0, "new": 2.0}), {"new": 1}, {"new": 2.0}),
    (body(task={"new": 1, "title": "cut \ud83d"}, turn={"new": "\ud83d"}), {"new": 1}, {"new": "\ufffd"}),
    (body(turn={"fetchedAt": "2020-01-01T00:00:00Z"}), None, {"fetchedAt": "2020-01-01T00:00:00Z"}),
]  # fmt: skip


@pytest.mark.parametrize(("content", "of_task", "of_turn"), ADDED)
def test_fields_that_are_new_are_kept(content, of_task, of_turn):
    """At every place of a body, beside what else makes it unusual."""
    plain = json.loads(json.dumps(content).replace("\\ud83d", "\\ufffd"))
    result = ha.parse_bodies([json.dumps(content).encode()], on_error="raise")
    assert extras(result.tasks) == [of_task]
    assert extras(result.turns) == [of_turn]
    assert result.tasks["title"].tolist() == [plain["task"]["title"]]
    assert result.turns["credits"].tolist() == [42]


def test_any_number_of_new_fields_is_kept():
    """Whatever they are called, and although each body has others."""
    names = [f"new{number}" for number in range(60)] + ['"', "\\", "a\nb", "\x00", " ", "\uffff" * 2, "é"]
    bodies = [body("tsk_1", turn={name: number}) for number, name in enumerate(names)]
    for _ in range(2):
        for number, name in enumerate(names):
            assert extras(parsed(bodies[number]).turns) == [{name: number}]
    several = body("tsk_1", turn={name: [name] for name in names[::2]}, task={"new1": 0})
    result = parsed(several)
    assert extras(result.turns) == [{name: [name] for name in names[::2]}]
    assert extras(result.tasks) == [{"new1": 0}]


@pytest.mark.parametrize("place", ["task", "turn"])
def test_no_field_passes_for_what_is_kept_here(place):
    """A name that stands for no character, by which the records call it, makes a failure, not a row."""
    content = body(**{place: {"\uffff": '{"forged": 1}'}})
    result = ha.parse_bodies([encoded(content)], on_error="collect")
    assert result.failures["error"].tolist() == ["APIResponseValidationError"]


def test_fields_that_are_new_in_generation_b_are_kept():
    """Those beside ``items`` belong to the task, whichever of its bodies comes first."""
    task = {"task": task_of("tsk_1", new=1), "links": []}
    turns = {"taskId": "tsk_1", "items": [turn_of("tsk_1", 0, new=2), turn_of("tsk_1", 1)], "nextPage": "p2"}
    for bodies in ([task, turns], [turns, task]):
        result = parsed(*bodies)
        assert extras(result.tasks) == [{"new": 1, "links": [], "nextPage": "p2"}]
        assert extras(result.turns) == [{"new": 2}, None]


def test_a_field_that_is_new_and_one_that_is_wrong():
    """The error is about the wrong one."""
    content = body(turn={"new": 1, "credits": "many"})
    failures = ha.parse_bodies([encoded(content)], on_error="collect").failures
    assert "turns[0].credits: expected int, found str" in failures["message"][0]


@pytest.mark.parametrize("generation", ["A", "B"])
def test_new_fields_come_over_http(serve, generation):
    """The frames of a fetch have them, and so have the records of the client."""

    def reply(request):
        task_id = asked_id(request)
        task, turn = task_of(task_id, new=1), turn_of(task_id, new=2)
        if generation == "A":
            return Reply(encoded({"task": task, "turns": [turn], "beside": 3}))
        if request.target.endswith("/turns"):
            return Reply(encoded({"items": [turn], "taskId": task_id, "beside": 3}))
        return Reply(encoded({"task": task}))

    with serve(reply).client() as client:
        result = ha.fetch(["tsk_1", "tsk_2"], client=client)
        answer = client.retrieve_task("tsk_1")
    assert extras(result.tasks) == [{"new": 1, "beside": 3}] * 2
    assert extras(result.turns) == [{"new": 2}] * 2
    assert json.loads(answer.task.extra) == {"new": 1, "beside": 3}
    assert [json.loads(turn.extra) for turn in answer.turns] == [{"new": 2}]


def test_fetched_at_is_the_instant_of_the_answer(serve):
    """Not the end of the fetch: an answer that took long does not make the others later."""

    def reply(request):
        if asked_id(request) == "slow":
            time.sleep(0.4)
        return Reply(body_a(asked_id(request)))

    before = dt.datetime.now(dt.UTC).replace(microsecond=0)
    with serve(reply).client(max_connections=2) as client:
        result = ha.fetch(["slow", "quick"], client=client)
    for frame in (result.tasks, result.turns):
        assert frame["fetched_at"].dtype == "datetime64[ms, UTC]"
        slow, quick = frame["fetched_at"]
        assert before <= quick < slow <= dt.datetime.now(dt.UTC)
        assert slow - quick >= dt.timedelta(milliseconds=300)


def test_turns_have_the_instant_of_their_own_answer(serve):
    """Where they come in an answer of their own, which may be long after that about the task."""

    def reply(request):
        if request.target.endswith("/turns"):
            time.sleep(0.3)
            return Reply(turns_b(asked_id(request)))
        return Reply(task_b(asked_id(request)))

    with serve(reply).client() as client:
        result = ha.fetch(["tsk_1"], client=client)
    assert result.turns["fetched_at"][0] - result.tasks["fetched_at"][0] >= dt.timedelta(milliseconds=250)


def test_a_retry_that_asks_for_nothing_makes_nothing_newer(serve):
    """What was parsed from saved bodies is as old as before."""
    with serve(Reply(b"{}", 500)).client() as client:
        again = ha.parse_bodies([body_a("tsk_1")]).retry_failed(client=client)
    assert again.complete
    assert again.turns.attrs["handinger"]["fetched_at"] is None


def test_nobody_knows_when_a_saved_body_was_sent():
    """Neither its rows nor the provenance claim a time."""
    result = ha.parse_bodies([body_a("tsk_1")])
    assert result.tasks["fetched_at"].isna().all()
    assert result.turns["fetched_at"].isna().all()
    assert result.turns.attrs["handinger"]["fetched_at"] is None


def test_a_task_without_its_turns_was_fetched(serve):
    """Its row has its time where only the turns did not come."""

    def reply(request):
        turns = request.target.endswith("/turns")
        return Reply(b"{}", 404) if turns else Reply(task_b(asked_id(request)))

    with serve(reply).client() as client:
        result = ha.fetch(["tsk_1"], client=client, on_error="collect")
    assert result.tasks["fetched_at"].notna().all()
    assert result.failures["stage"].tolist() == ["turns"]


def test_a_result_says_how_many_tasks_have_no_turns():
    """They are fetched and whole, and yet no row of the turns."""
    result = parsed({"task": task_of("tsk_1"), "turns": []}, body("tsk_2"))
    assert result.complete
    assert "tasks: 2 of 2 asked for, 1 without turns" in repr(result)
