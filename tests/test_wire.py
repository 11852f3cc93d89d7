"""What the server sends, read as records."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handinger_analytics.api import wire
from handinger_analytics.api.wire import (
    ExecutionPage,
    MalformedBody,
    ScheduleList,
    TaskWithTurns,
    TurnList,
    UnexpectedBody,
    Worker,
)
from tests.samples import FILES, TASK, TURN, WORKER, encoded, one_turn, task_b, turns_b


def turn_from(body):
    """Return the one turn of a generation A body."""
    (turn,) = wire.decode(body, TaskWithTurns).turns
    return turn


def test_every_field_of_the_documented_task_is_read():
    """The documented example, field by field."""
    task = wire.decode(one_turn(), TaskWithTurns).task
    assert task.id == "tsk_2Z-YWz3hFq6VlW"
    assert task.completed_at == dt.datetime(2026, 5, 11, 9, 14, 48, tzinfo=dt.UTC)
    assert task.created_at == dt.datetime(2026, 5, 11, 9, 14, 22, tzinfo=dt.UTC)
    assert task.created_by_user_id == "usr_7yh-91XzM2nQ4"
    assert task.organization_id == "org_8s1Df9aLp-1z"
    assert task.status == "completed"
    assert task.title == "Weather report for Barcelona"
    assert (task.totals.credits, task.totals.duration_ms, task.totals.turn_count) == (42, 25812, 1)
    assert task.triggered_by == "api"
    assert task.url == "https://v3.handinger.com/worker/wrk_vk81XUHKHG-qr4/task/tsk_2Z-YWz3hFq6VlW"
    assert task.worker_id == "wrk_vk81XUHKHG-qr4"


def test_every_field_of_the_documented_turn_is_read():
    """The documented example, field by field."""
    turn = turn_from(one_turn())
    assert turn.id == "trn_4Hq-9Vk2pLm8Rx"
    assert turn.completed_at == dt.datetime(2026, 5, 11, 9, 14, 48, tzinfo=dt.UTC)
    assert (turn.credits, turn.duration_ms, turn.input_tokens, turn.output_tokens) == (42, 25812, 1842, 312)
    assert turn.input == "What's the weather today in Barcelona?"
    assert turn.output_text == "It's currently 21°C and sunny in Barcelona."
    assert (turn.role, turn.seq, turn.status) == ("user", 0, "completed")
    assert turn.started_at == dt.datetime(2026, 5, 11, 9, 14, 22, tzinfo=dt.UTC)
    assert bytes(turn.structured_output) == b'{"temperatureCelsius": "bar", "conditions": "bar"}'
    assert turn.task_id == "tsk_2Z-YWz3hFq6VlW"


def test_generation_b_bodies_are_read():
    """The task comes without turns; the turns come in a list of their own, with files."""
    assert not isinstance(wire.decode(task_b(), TaskWithTurns).turns, list)
    turns = wire.decode(turns_b("tsk_1", 2), TurnList)
    assert turns.task_id == "tsk_1"
    assert [turn.seq for turn in turns.items] == [0, 1]
    first, second = turns.items[0].files
    assert (first.filename, first.media_type, first.size) == ("a.csv", "text/csv", 1204)
    assert (second.filename, second.url, second.size) == (None, "https://handinger.com/files/1", None)


def test_documented_worker_is_read():
    """The second seed's fields, in their mixed naming."""
    worker = wire.decode(encoded(WORKER), Worker)
    assert (worker.id, worker.created_at, worker.object, worker.status) == (
        "wrk_1",
        1747000000,
        "worker",
        "completed",
    )
    assert (worker.running, worker.output_text) == (False, "one two")
    assert (worker.usage.credits, worker.usage.duration_ms) == (7, 900)
    assert (
        bytes(worker.structured_output)
        == bytes(worker.metadata).replace(b"metadata", b"")
        == b'{"foo": "bar"}'
    )
    assert [bytes(message) for message in worker.messages] == [b"{}", b'{"role": "user", "content": "Hello"}']
    assert [text.text for text in worker.output[0].content] == ["one", "two"]
    assert (worker.sources[0].id, worker.sources[0].title) == ("src_1", None)
    assert worker.files[1].filename is None


@pytest.mark.parametrize("usage", [{}, {"durationMs": 5}, None])
def test_usage_without_credits_has_none(usage):
    """What the server does not say is missing, not zero."""
    worker = wire.decode(encoded(WORKER | {"usage": usage}), Worker)
    assert worker.usage is None or worker.usage.credits is None


def test_worker_without_usage_has_none():
    """The whole field may be absent."""
    body = {name: value for name, value in WORKER.items() if name != "usage"}
    assert wire.decode(encoded(body), Worker).usage is None


def test_webhook_log_and_schedules_are_read():
    """A page of the log, and schedules of each type with or without a time zone."""
    log = {
        "id": "whx_1",
        "createdAt": "2026-05-11T09:14:49.000Z",
        "durationMs": 182,
        "errorMessage": None,
        "requestStatus": "success",
        "responseStatus": 200,
        "taskId": None,
        "taskTitle": None,
        "url": "https://example.com/hook",
        "workerId": "wrk_1",
    }
    page = wire.decode(encoded({"logs": [log], "page": 1, "pageCount": 3, "totalCount": 9}), ExecutionPage)
    assert (page.page, page.page_count, page.total_count) == (1, 3, 9)
    assert (page.logs[0].id, page.logs[0].task_id, page.logs[0].response_status) == ("whx_1", None, 200)
    one = {
        "id": "sch_1",
        "budget": "low",
        "input": "Go",
        "nextRunAt": "2026-07-01T08:00:00.000Z",
        "type": "cron",
    }
    schedules = wire.decode(
        encoded({"schedules": [one | {"cron": "0 8 * * *"}], "workerId": "wrk_1"}), ScheduleList
    )
    assert (schedules.schedules[0].cron, schedules.timezone) == ("0 8 * * *", None)


def test_unknown_fields_and_values_break_nothing():
    """New fields are ignored, new enumeration values kept as they came."""
    task = TASK | {"status": "queued_for_review", "triggeredBy": "sms", "novelty": {"deep": [1, None]}}
    turn = TURN | {"status": "émigré", "role": "tool", "novelty": 1.5}
    answer = wire.decode(encoded({"task": task, "turns": [turn], "novelty": []}), TaskWithTurns)
    assert (answer.task.status, answer.task.triggered_by) == ("queued_for_review", "sms")
    assert (answer.turns[0].status, answer.turns[0].role) == ("émigré", "tool")


@pytest.mark.parametrize("name", ["credits", "durationMs", "inputTokens", "outputTokens", "seq"])
@pytest.mark.parametrize(
    ("number", "whole"), [("42.0", 42), ("0.0", 0), ("-3.00", -3), ("4.2e1", 42), ("1E2", 100)]
)
def test_whole_number_written_as_a_float_is_accepted(name, number, whole):
    """``42.0`` is 42, in every integer field."""
    body = one_turn(**{name: "@"}).replace(b'"@"', number.encode())
    record = turn_from(body)
    field = {"durationMs": "duration_ms", "inputTokens": "input_tokens", "outputTokens": "output_tokens"}
    value = getattr(record, field.get(name, name))
    assert value == whole
    assert isinstance(value, int)


def test_whole_float_totals_are_accepted():
    """The totals of the task may be floats too."""
    body = encoded(
        {"task": TASK | {"totals": {"credits": 42.0, "durationMs": 1.0, "turnCount": 1.0}}, "turns": []}
    )
    assert wire.decode(body, TaskWithTurns).task.totals.credits == 42


@pytest.mark.parametrize("fraction", ["42.5", "0.1", "9007199254740993.0", "1e400"])
def test_fraction_is_refused_with_its_place(fraction):
    """A fractional credit is never rounded, nor is one too large to be told from its neighbours."""
    body = one_turn(credits="@").replace(b'"@"', fraction.encode())
    with pytest.raises((UnexpectedBody, MalformedBody)) as caught:
        wire.decode(body, TaskWithTurns)
    assert fraction == "1e400" or "turns[0].credits: expected int, found float" in str(caught.value)


@pytest.mark.parametrize("number", [2**63 - 1, -(2**63)])
def test_every_int64_is_read(number):
    """A column holds it, and so a record does, also a correction far below zero."""
    assert turn_from(one_turn(credits=number)).credits == number


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"credits": "42"}, r"turns\[3\]\.credits: expected int, found str"),
        ({"credits": None}, r"turns\[3\]\.credits: expected int, found null"),
        ({"credits": True}, r"turns\[3\]\.credits: expected int, found bool"),
        ({"credits": 2**63}, r"turns\[3\]\.credits: expected int <= 9223372036854775807"),
        ({"input": 5}, r"turns\[3\]\.input: expected str, found int"),
        ({"startedAt": "yesterday"}, r"turns\[3\]\.startedAt: Invalid RFC3339"),
        (
            {"startedAt": "2026-05-11T09:14:22.000"},
            r"turns\[3\]\.startedAt: expected datetime with a timezone",
        ),
        ({"completedAt": 5}, r"turns\[3\]\.completedAt: expected datetime or null, found int"),
        ({"files": [{"url": "u"}]}, r"turns\[3\]\.files\[0\]: .*missing required field mediaType"),
    ],
)
def test_wrong_type_is_named_with_its_path(changes, problem):
    """The error says where in the body, what was expected and what was found."""
    body = encoded({"task": TASK, "turns": [TURN, TURN, TURN, TURN | changes]})
    with pytest.raises(UnexpectedBody, match=f"^{problem}"):
        wire.decode(body, TaskWithTurns)


def test_missing_field_is_named_with_its_path():
    """A required field that is not there is named with the place it should be in."""
    turn = {name: value for name, value in TURN.items() if name != "credits"}
    with pytest.raises(UnexpectedBody, match=r"^turns\[0\]: .*missing required field credits"):
        wire.decode(encoded({"task": TASK, "turns": [turn]}), TaskWithTurns)


@pytest.mark.parametrize("body", [b"[]", b"null", b"7", b'"text"'])
def test_json_of_another_kind_is_unexpected(body):
    """JSON that is no object is not a truncated answer."""
    with pytest.raises(UnexpectedBody, match=r"^body: expected object, found"):
        wire.decode(body, TaskWithTurns)


@pytest.mark.parametrize("body", [b"", b" ", b"<!doctype html>", b"\xff\xfe", one_turn() + b"x"])
def test_what_is_no_json_is_malformed(body):
    """Anything else is a broken answer."""
    with pytest.raises(MalformedBody):
        wire.decode(body, TaskWithTurns)


@pytest.mark.parametrize("credits", [42, 42.0])
def test_body_cut_off_anywhere_is_malformed(credits):
    """A truncated body is told from a wrong one, so that it can be asked for again."""
    body = one_turn(credits=credits)
    for length in range(len(body) - 1):
        with pytest.raises(MalformedBody):
            wire.decode(body[:length], TaskWithTurns)


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1}',
        '{ "b" :\n [1.0, 1e5, -0.0, 1E400, 123456789012345678901234567890] }',
        '{"b":1,"a":2,"b":3}',
        '{"u":"\\u00e9\\/\\ud83d\\ude42 é🙂"}',
        '{"n":null}',
        "{}",
        "[1.50]",
        '"null"',
        "0.10",
        "false",
    ],
)
@pytest.mark.parametrize("credits", [42, 42.0])
def test_structured_output_is_kept_byte_for_byte(text, credits):
    """Spaces, order, repeats, escapes and digits are as sent, also beside a whole float."""
    body = one_turn(structuredOutput="@", credits=credits).replace(b'"@"', text.encode())
    assert bytes(turn_from(body).structured_output) == text.encode()


def test_worker_json_is_kept_byte_for_byte_beside_a_whole_float():
    """Messages, metadata and structured output of a worker keep their digits too."""
    body = encoded(
        WORKER | {"usage": {"credits": 7.0}, "messages": ["@", {}], "structured_output": "@", "metadata": "@"}
    )
    text = b'{"t": 21.0,"e":"\\u00e9"}'
    worker = wire.decode(body.replace(b'"@"', text), Worker)
    assert worker.usage.credits == 7
    assert [bytes(message) for message in worker.messages] == [text, b"{}"]
    assert bytes(worker.structured_output) == bytes(worker.metadata) == text
    assert bytes(worker.error) == b"null"


def test_texts_that_look_like_numbers_stay_text():
    """Only numbers are made whole, not digits inside a text."""
    turn = turn_from(one_turn(credits=42.0, input='costs 42.0 or "42.0"', outputText='"\\"1.0'))
    assert (turn.input, turn.output_text) == ('costs 42.0 or "42.0"', '"\\"1.0')


def test_half_an_emoji_becomes_the_replacement_character():
    """A title cut in the middle of a surrogate pair is kept but for that half; whole pairs stay."""
    body = (
        one_turn(input="@", outputText="#")
        .replace(b"@", rb"a\ud83db\ude42c")
        .replace(b"#", rb"\ud83d\ude42 \\ud83d")
    )
    turn = turn_from(body)
    assert turn.input == "a\ufffdb\ufffdc"
    assert turn.output_text == "🙂 \\ud83d"


def test_bytes_that_are_not_utf_8_become_the_replacement_character():
    """One bad byte in a text costs that character only."""
    assert turn_from(one_turn(input="a@b").replace(b"@", b"\xff")).input == "a\ufffdb"


@pytest.mark.parametrize("place", ["structuredOutput", "novelty"])
@pytest.mark.parametrize("credits", [42, 42.0])
def test_json_nested_beyond_measure_is_an_error_of_ours(place, credits):
    """A hundred thousand brackets neither crash nor escape as a RecursionError."""
    body = one_turn(credits=credits, **{place: "@"}).replace(b'"@"', b"[" * 100_000 + b"]" * 100_000)
    with pytest.raises(UnexpectedBody, match="nested too deeply"):
        wire.decode(body, TaskWithTurns)


def test_number_of_five_thousand_digits_in_a_structured_output_is_kept():
    """JSON knows no largest number, and nothing here needs to count with it."""
    digits = "1" * 5000
    body = one_turn(credits=42.0, structuredOutput="@").replace(b'"@"', digits.encode())
    assert bytes(turn_from(body).structured_output) == digits.encode()


def test_absent_and_null_structured_output_and_files_are_the_same():
    """Generation A has no files; either may also be null."""
    bare = {name: value for name, value in TURN.items() if name != "structuredOutput"}
    for turn in (bare, TURN | {"structuredOutput": None, "files": None}):
        record = turn_from(encoded({"task": TASK, "turns": [turn]}))
        assert bytes(record.structured_output) == b"null"
        assert not record.files


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(value=_JSON, whole=st.booleans())
def test_any_json_survives_as_the_text_it_was(value, whole):
    """Whatever shape a structured output has, it comes out as it went in."""
    text = json.dumps(value)
    body = one_turn(structuredOutput="@", credits=42.0 if whole else 42).replace(b'"@"', text.encode())
    assert bytes(turn_from(body).structured_output) == text.encode()


@given(st.binary(max_size=300))
def test_any_bytes_give_an_error_of_ours_or_a_record(data):
    """Noise never raises anything but the two errors of this module."""
    for body in (data, one_turn()[:100] + data, one_turn(credits=42.0)[:-30] + data):
        try:
            wire.decode(body, TaskWithTurns)
        except (MalformedBody, UnexpectedBody):
            pass


def test_file_without_size_or_name_is_read():
    """Both may be missing altogether."""
    (file,) = turn_from(one_turn(files=[{"mediaType": "text/csv", "url": FILES[0]["url"]}])).files
    assert (file.filename, file.size) == (None, None)


@pytest.mark.slow
def test_many_threads_may_read_the_first_bodies():
    """Sixteen threads that begin at once do not bring the process down, in any of twenty processes."""
    script = (
        "import threading; from handinger_analytics.api import wire; from tests.samples import body_a\n"
        "body, begin = body_a('t'), threading.Barrier(16)\n"
        "def work(): begin.wait(); wire.decode(body, wire.TaskWithTurns)\n"
        "threads = [threading.Thread(target=work) for _ in range(16)]\n"
        "[t.start() for t in threads]; [t.join() for t in threads]"
    )
    for _ in range(20):
        subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
