"""Records to tables to DataFrames."""

from __future__ import annotations

import datetime as dt
import json
from unittest.mock import ANY

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from handinger_analytics import (
    APIError,
    APIResponseValidationError,
    ArgumentError,
    discover_task_ids,
    fetch_schedules,
    parse_bodies,
)
from handinger_analytics.api import wire
from handinger_analytics.fetching.result import fetched_of
from handinger_analytics.tables.build import Failure, RowBuilder
from handinger_analytics.tables.frames import failures_frame
from handinger_analytics.tables.schema import TASKS, TURNS, arrow_schema
from tests.samples import FILES, TASK, body_a, encoded, one_turn, task_b, task_of, turn_of, turns_b
from tests.scripted import Reply

UTC = "datetime64[ms, UTC]"
TASK_DTYPES = {
    "task_id": "str", "worker_id": "str", "organization_id": "str", "created_by_user_id": "str",
    "title": "str", "status": "category", "triggered_by": "category", "created_at": UTC,
    "completed_at": UTC, "duration_ms": "int64", "credits": "int64", "turn_count": "int64", "url": "str",
    "fetched_at": UTC, "extra": "str",
}  # fmt: skip
TURN_DTYPES = {
    "turn_id": "str", "task_id": "str", "seq": "int64", "role": "category", "status": "category",
    "started_at": UTC, "completed_at": UTC, "duration_ms": "int64", "credits": "int64",
    "input_tokens": "int64", "output_tokens": "int64", "input": "str", "output_text": "str",
    "structured_output": "str", "files": "str", "worker_id": "str",
    "organization_id": "str", "created_by_user_id": "str", "triggered_by": "category", "task_title": "str",
    "fetched_at": UTC, "extra": "str",
}  # fmt: skip
FAILURE_DTYPES = {
    "task_id": "str", "stage": "str", "error": "str", "http_status": "Int64", "message": "str",
    "attempts": "int64",
}  # fmt: skip


def dtypes(frame):
    """Return the names of a frame's dtypes."""
    return {name: "str" if dtype == "str" else str(dtype) for name, dtype in frame.dtypes.items()}


def turns_with(**changes):
    """Return the turns frame of one turn with some fields changed."""
    return parse_bodies([one_turn(**changes)], on_error="raise").turns


def test_documented_task_becomes_this_row():
    """The documented example, value by value."""
    tasks = parse_bodies([one_turn()]).tasks
    assert dtypes(tasks) == TASK_DTYPES
    assert tasks.to_dict("records") == [
        {
            "task_id": "tsk_2Z-YWz3hFq6VlW",
            "worker_id": "wrk_vk81XUHKHG-qr4",
            "organization_id": "org_8s1Df9aLp-1z",
            "created_by_user_id": "usr_7yh-91XzM2nQ4",
            "title": "Weather report for Barcelona",
            "status": "completed",
            "triggered_by": "api",
            "created_at": pd.Timestamp("2026-05-11 09:14:22", tz="UTC"),
            "completed_at": pd.Timestamp("2026-05-11 09:14:48", tz="UTC"),
            "duration_ms": 25812,
            "credits": 42,
            "turn_count": 1,
            "url": "https://v3.handinger.com/worker/wrk_vk81XUHKHG-qr4/task/tsk_2Z-YWz3hFq6VlW",
            "fetched_at": pd.NaT,
            "extra": ANY,
        }
    ]
    assert tasks["extra"].isna().all()


def test_documented_turn_becomes_this_row():
    """The documented example, value by value, with its task's context."""
    turns = parse_bodies([one_turn(files=FILES)]).turns
    assert dtypes(turns) == TURN_DTYPES
    assert turns.to_dict("records") == [
        {
            "turn_id": "trn_4Hq-9Vk2pLm8Rx",
            "task_id": "tsk_2Z-YWz3hFq6VlW",
            "seq": 0,
            "role": "user",
            "status": "completed",
            "started_at": pd.Timestamp("2026-05-11 09:14:22", tz="UTC"),
            "completed_at": pd.Timestamp("2026-05-11 09:14:48", tz="UTC"),
            "duration_ms": 25812,
            "credits": 42,
            "input_tokens": 1842,
            "output_tokens": 312,
            "input": "What's the weather today in Barcelona?",
            "output_text": "It's currently 21°C and sunny in Barcelona.",
            "structured_output": '{"temperatureCelsius": "bar", "conditions": "bar"}',
            "files": '[{"filename":"a.csv","media_type":"text/csv","url":"https://handinger.com/files/a.csv",'
            '"size":1204},{"filename":null,"media_type":"image/png","url":"https://handinger.com/files/1",'
            '"size":null}]',
            "worker_id": "wrk_vk81XUHKHG-qr4",
            "organization_id": "org_8s1Df9aLp-1z",
            "created_by_user_id": "usr_7yh-91XzM2nQ4",
            "triggered_by": "api",
            "task_title": "Weather report for Barcelona",
            "fetched_at": pd.NaT,
            "extra": ANY,
        }
    ]
    assert turns["extra"].isna().all()


@pytest.mark.parametrize("backend", ["numpy", "pyarrow"])
def test_no_rows_have_the_dtypes_of_many(backend):
    """An empty frame concatenates with a full one without changing its dtypes."""
    full = parse_bodies([body_a("tsk_1", 3)], dtype_backend=backend)
    empty = parse_bodies([], dtype_backend=backend)
    for name in ("tasks", "turns"):
        nothing, something = getattr(empty, name), getattr(full, name)
        assert len(nothing) == 0
        pd.testing.assert_series_equal(nothing.dtypes, something.dtypes)
        assert isinstance(nothing.index, pd.RangeIndex)


def test_empty_frames_have_the_documented_dtypes():
    """Spelled out by hand, for zero rows."""
    empty = parse_bodies([])
    assert dtypes(empty.tasks) == TASK_DTYPES
    assert dtypes(empty.turns) == TURN_DTYPES
    assert dtypes(empty.failures) == FAILURE_DTYPES


def test_arrow_backend_has_the_types_of_the_schema():
    """``dtype_backend="pyarrow"`` gives Arrow dtypes throughout, text for lists."""
    result = parse_bodies([body_a("tsk_1", 2)], dtype_backend="pyarrow")
    for frame, columns in ((result.tasks, TASKS), (result.turns, TURNS)):
        for field in arrow_schema(columns):
            kind = pa.large_string() if field.name == "files" else field.type
            assert frame[field.name].dtype == pd.ArrowDtype(kind), field.name
    assert result.turns["credits"].tolist() == [42, 42]


def test_arrow_backend_reaches_the_failures_too():
    """All three frames of a result follow ``dtype_backend``."""
    failures = parse_bodies([b"?"], on_error="collect", dtype_backend="pyarrow").failures
    assert all(isinstance(dtype, pd.ArrowDtype) for dtype in failures.dtypes)


def test_unknown_backend_is_refused():
    """The error names the two there are."""
    with pytest.raises(ArgumentError, match="dtype_backend: expected 'numpy' or 'pyarrow', found 'polars'"):
        parse_bodies([], dtype_backend="polars").tasks  # noqa: B018 - the frame is made when it is asked for


def test_known_categories_are_always_there_and_unknown_ones_follow():
    """Categories are the same for every frame, and open at their end."""
    turns = parse_bodies([]).turns
    assert turns["status"].cat.categories.tolist() == ["pending", "running", "completed", "error", "aborted"]
    assert turns["triggered_by"].cat.categories.tolist() == ["api", "email", "schedule", "ui"]
    turns = turns_with(status="paused", role="tool")
    assert turns["status"].tolist() == ["paused"]
    assert turns["status"].cat.categories.tolist()[-2:] == ["aborted", "paused"]
    assert turns["role"].tolist() == ["tool"]
    assert not turns["status"].cat.ordered


def test_missing_values_are_missing():
    """Null is NaT in a time, NaN in a text, an empty JSON list in files."""
    tasks = parse_bodies([body_a("tsk_1", completedAt=None, createdByUserId=None, status="running")]).tasks
    assert tasks["completed_at"].isna().all()
    assert tasks["created_by_user_id"].isna().all()
    turns = turns_with(completedAt=None, structuredOutput=None, files=None)
    assert turns["completed_at"].isna().all()
    assert turns["structured_output"].isna().all()
    assert turns["files"].tolist() == ["[]"]


def test_largest_numbers_are_exact():
    """Credits beyond the 53 bits of a float are not rounded."""
    assert turns_with(credits=2**63 - 1)["credits"].tolist() == [9223372036854775807]
    assert turns_with(credits=-(2**63))["credits"].tolist() == [-9223372036854775808]


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("2026-05-11T09:14:22.123Z", "2026-05-11T09:14:22.123+00:00"),
        ("2026-05-11T09:14:22.123999Z", "2026-05-11T09:14:22.123+00:00"),
        ("2026-05-11T09:14:22Z", "2026-05-11T09:14:22+00:00"),
        ("2026-05-11T11:14:22+02:00", "2026-05-11T09:14:22+00:00"),
        ("1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999+00:00"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+00:00"),
        ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999+00:00"),
    ],
)
def test_times_are_utc_milliseconds(sent, kept):
    """Any RFC 3339 time of any offset and year is kept to the millisecond."""
    started = turns_with(startedAt=sent)["started_at"]
    assert str(started.dtype) == UTC
    assert started.astype("int64")[0] == (
        dt.datetime.fromisoformat(kept) - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    ) // (dt.timedelta(milliseconds=1))


@pytest.mark.parametrize("text", ["", "\x00", "a\nb\r", "🙂é", "\u202e<b>$x$", "x" * 100_000])
def test_any_text_is_kept(text):
    """Text from a task is not interpreted, trimmed or shortened."""
    turns = turns_with(input=text, outputText=text)
    assert turns["input"].tolist() == turns["output_text"].tolist() == [text]


def test_structured_output_with_a_bad_byte_costs_that_byte_only():
    """Bytes that are not UTF-8 become the replacement character; the rows around are untouched."""
    bad = one_turn(structuredOutput={"a": "@"}).replace(b"@", b"\xff")
    turns = parse_bodies([body_a("tsk_1"), bad], on_error="raise").turns
    assert turns["structured_output"].tolist() == [
        '{"temperatureCelsius": "bar", "conditions": "bar"}',
        '{"a": "\ufffd"}',
    ]


def test_turns_carry_the_context_of_their_own_task():
    """Each turn gets the worker, trigger and title of its task and of no other."""
    bodies = [
        encoded(
            {
                "task": task_of(f"tsk_{n}", title=f"title {n}", workerId=f"wrk_{n}", triggeredBy=kind),
                "turns": [turn_of(f"tsk_{n}", seq) for seq in range(n)],
            }
        )
        for n, kind in enumerate(["api", "ui", "email", "sms"])
    ]
    turns = parse_bodies(bodies).turns
    assert turns["task_id"].tolist() == ["tsk_1", "tsk_2", "tsk_2", "tsk_3", "tsk_3", "tsk_3"]
    assert turns["task_title"].tolist() == ["title 1", *["title 2"] * 2, *["title 3"] * 3]
    assert turns["worker_id"].tolist() == ["wrk_1", *["wrk_2"] * 2, *["wrk_3"] * 3]
    assert turns["triggered_by"].tolist() == ["ui", *["email"] * 2, *["sms"] * 3]


def test_rows_added_in_any_order_come_out_in_the_callers():
    """Across several batches, tasks and turns stand at their ids' positions, turns in their own order."""
    count, turns_each = 3000, 3
    builder = RowBuilder()
    for position in np.random.default_rng(7).permutation(count).tolist():
        answer = wire.decode(body_a(f"tsk_{position}", turns_each), wire.TaskWithTurns)
        builder.add(position, answer.task, answer.turns)
    rows = builder.finish()
    assert rows.tasks["task_id"].to_pylist() == [f"tsk_{n}" for n in range(count)]
    assert rows.turns["turn_id"].to_pylist() == [
        f"trn_tsk_{n}_{seq}" for n in range(count) for seq in range(turns_each)
    ]
    assert rows.task_positions.tolist() == list(range(count))
    assert rows.turn_positions.tolist() == [n for n in range(count) for _ in range(turns_each)]
    assert rows.tasks.schema == arrow_schema(TASKS)
    assert rows.turns.schema == arrow_schema(TURNS)


def test_replaced_rows_take_the_place_of_the_old_ones():
    """New categories, fewer or more turns and new tasks all fit in between."""

    def rows(*tasks):
        builder = RowBuilder()
        for position, status, turns in tasks:
            record = wire.decode(body_a(f"tsk_{position}", turns, status=status), wire.TaskWithTurns)
            builder.add(position, record.task, record.turns)
        return builder.finish()

    old = rows((0, "completed", 1), (2, "paused", 2), (3, "error", 1))
    new = rows((1, "resumed", 2), (2, "completed", 1))
    merged = old.replaced_by(new)
    assert merged.tasks["task_id"].to_pylist() == ["tsk_0", "tsk_1", "tsk_2", "tsk_3"]
    assert merged.tasks["status"].to_pylist() == ["completed", "resumed", "completed", "error"]
    assert merged.turn_positions.tolist() == [0, 1, 1, 2, 3]


def test_failures_have_their_documented_columns():
    """A status that never came is missing; the count of attempts is a number."""
    frame = failures_frame(
        [
            Failure("tsk_1", "task", "NotFoundError", 404, "no such task", 1),
            Failure("tsk_2", "turns", "APITimeoutError", None, "too late", 6),
        ]
    )
    assert dtypes(frame) == FAILURE_DTYPES
    assert frame["http_status"].tolist() == [404, pd.NA]
    assert frame["attempts"].tolist() == [1, 6]


@pytest.mark.parametrize("backend", ["numpy", "pyarrow"])
def test_frames_can_be_written_to(backend):
    """A user may change any cell: what a frame shows is not Arrow's read-only memory."""
    result = parse_bodies([body_a("tsk_1", 2), b"?"], on_error="collect", dtype_backend=backend)
    moment = pd.Timestamp("2026-01-01", tz="UTC")
    changes = {"credits": 7, "input": "x", "started_at": moment, "completed_at": moment}
    if backend == "numpy":  # pandas does not set single cells of Arrow dictionaries
        changes["status"] = "error"
    for column, value in changes.items():
        result.turns.loc[0, column] = value
        assert result.turns[column].tolist()[0] == value
        assert result.turns[column].tolist()[1] != value
    result.failures.loc[0, "http_status"] = 500
    assert result.failures["http_status"].tolist() == [500]
    assert fetched_of(result).rows.turns["credits"].to_pylist() == [42, 42]


def test_files_of_both_generations_concatenate():
    """Generation A has no files: an empty list."""
    result = parse_bodies([body_a("tsk_1"), encoded({"task": TASK | {"id": "tsk_2"}}), turns_b("tsk_2")])
    assert [len(json.loads(files)) for files in result.turns["files"]] == [0, 2]


@pytest.mark.parametrize("table", ["tasks", "turns"])
def test_pandas_can_do_with_fetched_frames_what_it_does_with_others(tmp_path, table):
    """Counting, converting, describing, and its own Parquet files, which it reads back."""
    frame = getattr(parse_bodies([body_a("tsk_1", 2), task_b("tsk_2"), turns_b("tsk_2")]), table)
    assert frame.nunique()["task_id"] == 2
    assert frame.describe(include="all")["task_id"]["unique"] == 2
    assert frame.convert_dtypes()["credits"].dtype == "Int64"
    assert len(frame.drop_duplicates()) == len(frame) == len(pd.concat([frame, frame]).drop_duplicates())
    frame.to_parquet(tmp_path / "frame.parquet")
    for name, column in pd.read_parquet(tmp_path / "frame.parquet").items():
        assert column.dropna().to_dict() == frame[name].dropna().to_dict()


def test_many_small_turns_are_counted_by_hand():
    """A sum over generated rows is the sum of what was put in."""
    turns = [turn_of(f"t{n}", credits=n * n) for n in range(100)]
    bodies = [encoded({"task": task_of(turn["taskId"]), "turns": [turn]}) for turn in turns]
    assert parse_bodies(bodies).turns["credits"].sum() == 99 * 100 * 199 // 6


EDGES = {"first": "0001-01-01T00:00:00Z", "last": "9999-12-31T23:59:59.999Z"}
BEYOND = {"first": "0001-01-01T00:00:00+14:00", "last": "9999-12-31T23:59:59.999-12:00"}
PLACES = {
    "task.createdAt": ({"createdAt": ...}, {}),
    "task.completedAt": ({"completedAt": ...}, {}),
    "turns[1].startedAt": ({}, {"startedAt": ...}),
    "turns[1].completedAt": ({}, {"completedAt": ...}),
}
"""Where a body has times."""


def answer_at(place, task_id, time):
    """Return the record of a task with two turns and an odd time at one place."""
    task, turn = ({name: time for name in fields} for fields in PLACES[place])
    turns = [turn_of(task_id), turn_of(task_id, 1, **turn)]
    return wire.decode(encoded({"task": task_of(task_id, **task), "turns": turns}), wire.TaskWithTurns)


def built(*answers):
    """Return the builder and the rows of answers, whose positions count from 0."""
    builder = RowBuilder()
    for position, answer in enumerate(answers):
        builder.add(position, answer.task, answer.turns)
    return builder, builder.finish()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("end", BEYOND)
def test_time_outside_the_years_1_to_9999_in_utc_is_refused_for_its_task_only(place, end):
    """The others are rows, it and its turns are not, and the error names task, field and value."""
    names = [f"t{n}" for n in range(60)]
    answers = [answer_at(place, name, (BEYOND if name == "t40" else EDGES)[end]) for name in names]
    builder, rows = built(*answers)
    others = [name for name in names if name != "t40"]
    assert rows.tasks["task_id"].to_pylist() == others
    assert rows.turns["task_id"].to_pylist() == [name for name in others for _ in range(2)]
    assert rows.task_positions.tolist() == [n for n in range(60) if n != 40]
    assert builder.refused.keys() == {40}
    error = builder.refused[40]
    assert isinstance(error, APIResponseValidationError)
    assert str(error).startswith(f"task 't40': the answer is not what the API documents: {place}: ")
    found = BEYOND[end].replace("T", " ").replace(".999", ".999000")
    assert str(error).endswith(f"expected a time within the years 1 to 9999 in UTC, found {found}")


def test_whatever_goes_wrong_with_one_task_is_refused_for_it_alone():
    """An error nobody foresaw takes no other task along; it is told with its type."""
    odd = msgspec.structs.replace(answer_at("task.createdAt", "t1", EDGES["first"]).task, title=5)
    plain = [answer_at("task.createdAt", name, EDGES["last"]) for name in ("t0", "t1", "t2")]
    plain[1] = msgspec.structs.replace(plain[1], task=odd)
    builder, rows = built(*plain)
    assert rows.tasks["task_id"].to_pylist() == ["t0", "t2"]
    assert builder.refused.keys() == {1}
    assert type(builder.refused[1]) is APIError
    assert "task 't1': no row could be made of the answer (Arrow" in str(builder.refused[1])


def test_nothing_but_refused_tasks_make_frames_without_rows():
    """Rows and columns are as of nothing fetched."""
    builder, rows = built(answer_at("turns[1].startedAt", "t0", BEYOND["last"]))
    assert (rows.tasks.num_rows, rows.turns.num_rows, len(builder.refused)) == (0, 0, 1)
    assert rows.tasks.schema == arrow_schema(TASKS)
    assert rows.turns.schema == arrow_schema(TURNS)


def test_planned_run_outside_the_years_1_to_9999_is_no_answer(serve):
    """A schedule's next run, and an entry of the webhook log, are told with their place."""
    schedule = {"id": "sch_1", "budget": "low", "input": "", "type": "cron", "nextRunAt": BEYOND["last"]}
    server = serve(Reply(encoded({"schedules": [schedule], "workerId": "wrk_1"})))
    with server.client() as client, pytest.raises(APIResponseValidationError, match=r"\[0\]\.nextRunAt: "):
        fetch_schedules("wrk_1", client=client)
    entry = {
        "id": "log_1", "createdAt": BEYOND["last"], "durationMs": 1, "requestStatus": "success",
        "url": "https://example.com", "workerId": "wrk_1", "taskId": "tsk_1",
    }  # fmt: skip
    page = {"logs": [entry], "page": 1, "pageCount": 1, "totalCount": 1}
    with serve(Reply(encoded(page))).client() as client:
        assert discover_task_ids("wrk_1", client=client) == ["tsk_1"]
        with pytest.raises(APIResponseValidationError, match=r"\[0\]\.createdAt: expected a time"):
            discover_task_ids("wrk_1", client=client, as_frame=True)
