"""Saved response bodies to frames, without a network."""

from __future__ import annotations

import codecs
import gzip
import itertools
import json
import re
import warnings
from urllib.parse import quote

import handinger
import pandas as pd
import pytest

from handinger_analytics import (
    ArgumentError,
    FileError,
    IncompleteFetchError,
    PartialDataWarning,
    fetch,
    parse_bodies,
)
from handinger_analytics.fetching.result import fetched_of
from tests.samples import FILES, TASK, TURN, body_a, encoded, one_turn, task_b, task_of, turn_of, turns_b
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


def without(record, *names):
    """Return a record without some fields."""
    return {name: value for name, value in record.items() if name not in names}


@pytest.mark.parametrize(
    ("task", "turn"),
    [
        pytest.param(
            without(TASK, "url") | {"totals": {"credits": 42.0, "durationMs": 25812.0, "turnCount": 1.0}},
            without(TURN, "structuredOutput") | {"credits": 42.0},
            id="at first",
        ),
        pytest.param(without(TASK, "url"), TURN, id="structured output"),
        pytest.param(TASK, TURN, id="address, whole numbers"),
        pytest.param(TASK, TURN | {"files": [without(FILES[0], "size")]}, id="files without sizes"),
        pytest.param(TASK, TURN | {"files": FILES}, id="files"),
    ],
)
def test_every_step_of_generation_a_is_read(serve, task, turn):
    """Bodies of each step, saved or fetched, are rows: what was not sent is empty, and nothing is made up."""
    body = encoded({"task": task, "turns": [turn]})
    with serve(Reply(body)).client() as client:
        results = [parse_bodies([body]), fetch(TASK["id"], client=client)]
    for result in results:
        assert result.complete
        assert result.tasks[["url", "credits", "turn_count"]].values.tolist() == [
            [task.get("url", ""), 42, 1]
        ]
        (row,) = result.turns.to_dict("records")
        assert row["credits"] == 42
        assert pd.isna(row["structured_output"]) == ("structuredOutput" not in turn)
        assert [file["size"] for file in json.loads(row["files"])] == [
            file.get("size") for file in turn.get("files", [])
        ]
        assert pd.isna(row["extra"])


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
    with pytest.warns(PartialDataWarning, match=r"1 of 1 task not fetched, .*bodies\[0\]") as caught:
        parse_bodies([b"?"])
    assert caught[0].filename == __file__


def test_on_error_raises_with_what_could_be_read():
    """The error carries the result."""
    with pytest.raises(IncompleteFetchError, match="1 of 2 tasks not fetched") as caught:
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


@pytest.mark.parametrize("body", [5, None, [], float("nan"), object(), pd.DataFrame, {("a",): 1}])
def test_what_is_no_body_is_refused(body):
    """Anything else is an error that says what to give, wherever it stands."""
    message = r"^bodies\[1\]: expected a body \(bytes, str, dict or object of an SDK\), .*response\.content"
    with pytest.raises(ArgumentError, match=message):
        parse_bodies([body_a("t1"), body])


@pytest.mark.parametrize("bodies", [None, 5])
def test_what_is_neither_a_body_nor_several_is_refused(bodies):
    """The error says what to give."""
    with pytest.raises(ArgumentError, match=r"^bodies\[0\]: expected a body .*, found (None|5); give"):
        parse_bodies(bodies)


def frames_of(*bodies):
    """Return the frames of bodies as the API sends them."""
    result = parse_bodies(bodies, on_error="raise")
    return result.tasks, result.turns


def assert_same(result, frames):
    """Compare a result with frames."""
    assert result.complete
    for frame, expected in zip((result.tasks, result.turns), frames, strict=True):
        pd.testing.assert_frame_equal(frame, expected, check_flags=False)


def test_a_decoded_body_is_a_body():
    """What ``response.json()`` gives, alone or among others, half a surrogate pair included."""
    bodies = [body_a("t1", title="HALF é").replace(b"HALF", b"\\ud83d"), task_b("t2"), turns_b("t2")]
    bodies = [body.replace(b'": ', b'":').replace(b', "', b',"') for body in bodies]
    assert_same(parse_bodies(map(json.loads, bodies)), frames_of(*bodies))
    assert_same(parse_bodies(json.loads(bodies[0])), frames_of(bodies[0]))


def test_objects_of_the_official_sdk_are_bodies(sandbox, generation):
    """What the SDK reads from a server is what we read from it."""
    ids = sandbox.task_ids[:9]
    with (
        handinger.Handinger(api_key=sandbox.api_key, base_url=sandbox.url) as sdk,
        sandbox.client() as client,
    ):
        bodies = [sdk.tasks.retrieve(task_id) for task_id in ids]
        if generation == "B":
            paths = [f"/api/tasks/{quote(task_id, '')}/turns" for task_id in ids]
            bodies += [sdk.get(path, cast_to=handinger.BaseModel) for path in paths]
        expected = fetch(ids, client=client)
    frames = [frame.assign(fetched_at=NEVER) for frame in (expected.tasks, expected.turns)]
    assert_same(parse_bodies(bodies), frames)
    assert parse_bodies(bodies[0], on_error="collect").tasks["task_id"].tolist() == ids[:1]


NEVER = pd.Series(dtype="datetime64[ms, UTC]")
LINES = b"\n\n".join([body_a("t1"), b" \t", task_b("t2"), turns_b("t2")])
INDENTED = json.dumps(json.loads(body_a("t1")), indent=2).encode()
LISTED = b"[" + b",\n".join([body_a("t1"), task_b("t2"), turns_b("t2")]) + b"]"
T1, BOTH = frames_of(body_a("t1")), frames_of(body_a("t1"), task_b("t2"), turns_b("t2"))


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        pytest.param("saved.jsonl", LINES, BOTH, id="lines"),
        pytest.param("saved.NDJSON", LINES.replace(b"\n", b"\r\n"), BOTH, id="windows"),
        pytest.param("saved.jsonl.gz", gzip.compress(LINES), BOTH, id="gzip"),
        pytest.param("saved.json", INDENTED, frames_of(INDENTED), id="indented"),
        pytest.param("saved.json", body_a("t1"), T1, id="one line"),
        pytest.param("saved.json", LISTED, BOTH, id="list"),
        pytest.param("saved.json", codecs.BOM_UTF8 + INDENTED, frames_of(INDENTED), id="byte order mark"),
        pytest.param("saved.json", LINES.decode().encode("utf-16"), BOTH, id="utf-16"),
    ],
)
def test_files_of_bodies(tmp_path, name, content, expected):
    """A path, its text, several of them and an open file are the bodies in it, however they were saved."""
    path = tmp_path / name
    path.write_bytes(content)
    for given in (path, str(path), [path], iter([str(path)])):
        assert_same(parse_bodies(given), expected)
    if name == "saved.json" and not content.startswith(codecs.BOM_UTF16):
        with path.open("rb") as binary, path.open(encoding="utf-8-sig") as text:
            assert_same(parse_bodies(binary), expected)
            assert_same(parse_bodies([text]), expected)
            assert not binary.closed


def test_files_and_bodies_mix(tmp_path):
    """A folder of files is what its names are."""
    for name, body in (("1.json", task_b("t2")), ("2.json", turns_b("t2"))):
        (tmp_path / name).write_bytes(body)
    assert_same(parse_bodies([body_a("t1"), *sorted(tmp_path.iterdir())]), BOTH)


def test_a_broken_line_is_named_and_the_rest_stays(tmp_path):
    """The failure has the name of the file and the number of the line."""
    path = tmp_path / "saved.jsonl"
    path.write_bytes(b'{"task": {"id"\n\n' + body_a("t1") + b"\n<html>\n")
    result = parse_bodies(path, on_error="collect")
    assert result.tasks["task_id"].tolist() == ["t1"]
    assert result.failures["task_id"].tolist() == [f"{path}:1", f"{path}:4"]
    assert result.failures["message"].str.startswith(f"{path}:").all()


@pytest.mark.parametrize(
    ("name", "content"),
    [("nowhere.jsonl", None), ("cut.json.gz", gzip.compress(LINES, mtime=0)[:-9]), ("bad.json.gz", b"{}")],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path, name, content):
    """It is an error, not a result with a hole in it."""
    if content is not None:
        (tmp_path / name).write_bytes(content)
    for given in (tmp_path / name, str(tmp_path / name)):
        with pytest.raises(FileError, match=name):
            parse_bodies(given, on_error="collect")


def foreign_a(task_id, other):
    """Body of generation A whose second turn is of another task."""
    return encoded({"task": task_of(task_id), "turns": [turn_of(task_id), turn_of(other, 1)]})


def foreign_b(task_id, other, **fields):
    """Body of the turns endpoint whose second turn is of another task."""
    return encoded({"items": [turn_of(task_id), turn_of(other, 1)]} | fields)


@pytest.mark.parametrize(
    ("bodies", "place"),
    [
        ([foreign_a("t1", "t9")], r"bodies\[1\]: turns\[1\]"),
        ([task_b("t1"), foreign_b("t1", "t9", taskId="t1")], r"bodies\[2\]: items\[1\]"),
        ([foreign_b("t1", "t9"), task_b("t1")], r"bodies\[1\]: items\[1\]"),
    ],
)
def test_turns_of_another_task_are_not_filed_under_this_one(bodies, place):
    """The task's row stays, no turn of the body is taken, and the failure names both tasks."""
    result = parse_bodies([body_a("t0"), *bodies, body_a("t2")], on_error="collect")
    assert brief(result) == ([("t0", 42), ("t1", 42), ("t2", 42)], ["trn_t0_0", "trn_t2_0"])
    (row,) = result.failures.to_dict("records")
    assert (row["task_id"], row["stage"]) == ("t1", "turns")
    assert re.match(rf"{place}\.taskId: expected 't1', found 't9'", row["message"])


def test_a_whole_copy_heals_one_with_turns_of_another_task():
    """In either order."""
    for bodies in itertools.permutations([foreign_a("t1", "t9"), body_a("t1")]):
        assert brief(parse_bodies(bodies)) == ([("t1", 42)], ["trn_t1_0"])


TOO_EARLY = {"createdAt": "0001-01-01T00:00:00+01:00"}


def test_a_task_that_no_row_can_hold_is_a_failure_and_the_rest_stays():
    """A time outside the years 1 to 9999 in UTC costs its task alone, and names it."""
    result = parse_bodies([body_a("t0"), body_a("t1", **TOO_EARLY), b"?", body_a("t2")], on_error="collect")
    assert brief(result) == ([("t0", 42), ("t2", 42)], ["trn_t0_0", "trn_t2_0"])
    assert result.failures["task_id"].tolist() == ["t1", "bodies[2]"]
    assert "the years 1 to 9999" in result.failures["message"][0]


def test_a_copy_that_a_row_can_hold_counts():
    """In either order."""
    for bodies in itertools.permutations([body_a("t1"), body_a("t1", **TOO_EARLY)]):
        assert brief(parse_bodies(bodies)) == ([("t1", 42)], ["trn_t1_0"])


def test_a_body_saved_by_an_editor_is_read():
    """A byte order mark in front is no part of the JSON."""
    assert parse_bodies([b"\xef\xbb\xbf" + body_a("t1"), bytearray(body_a("t2"))]).complete


def test_nobody_is_asked_for_a_body_without_an_id(serve):
    """Retrying asks for ids only, not for the names that unreadable bodies got."""
    server = serve(Reply(body_a("t1")))
    result = parse_bodies([b"no json"], on_error="collect")
    assert not result.retry_failed(client=server.client()).complete
    assert server.paths == []
