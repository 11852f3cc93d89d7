"""How rows of one fetch take the place of those of an earlier one."""

from __future__ import annotations

import datetime as dt
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from handinger_analytics.api import wire
from handinger_analytics.archive.files import split_by_file
from handinger_analytics.archive.layout import TURNS_LAYOUT
from handinger_analytics.tables.build import RowBuilder
from tests.archive.conftest import HOUR, NOON, record_built
from tests.samples import FILES, encoded, task_of, turn_of

MAY, JUNE = "2026-05-11T09:14:22.000Z", "2026-06-02T00:00:00.000Z"


def body(task_id: str, *turns: dict) -> bytes:
    """Body of generation A with these turns."""
    return encoded({"task": task_of(task_id), "turns": list(turns)})


def credits_of(archive) -> dict[str, int]:
    """Credits by turn; fails where a turn is there twice."""
    turns = archive.turns(["turn_id", "credits"])
    assert turns["turn_id"].is_unique
    return dict(zip(turns["turn_id"], turns["credits"], strict=True))


def test_changed_turn_is_replaced(archive, record):
    """A turn with another value takes the place of its earlier state, its neighbours stay."""
    record(body("a", turn_of("a", 0), turn_of("a", 1)), body("b", turn_of("b", 0)))
    written = record(body("a", turn_of("a", 0), turn_of("a", 1, credits=50)), at=NOON + HOUR)
    assert (written.new, written.changed) == (0, 1)
    assert credits_of(archive) == {"trn_a_0": 42, "trn_a_1": 50, "trn_b_0": 42}


def test_added_turn_is_added(archive, record):
    """A follow-up adds its turn."""
    record(body("a", turn_of("a", 0)))
    written = record(body("a", turn_of("a", 0), turn_of("a", 1)), at=NOON + HOUR)
    assert (written.new, written.changed) == (1, 0)
    assert credits_of(archive) == {"trn_a_0": 42, "trn_a_1": 42}


def test_vanished_turn_is_deleted(archive, record):
    """A turn that the server does not have any more goes, that of another task stays."""
    record(body("a", turn_of("a", 0), turn_of("a", 1)), body("b", turn_of("b", 0)))
    record(body("a", turn_of("a", 1)), at=NOON + HOUR)
    assert credits_of(archive) == {"trn_a_1": 42, "trn_b_0": 42}


def test_last_turn_of_a_task_can_vanish(archive, record):
    """A task may lose all of its turns."""
    record(body("a", turn_of("a", 0)), body("b", turn_of("b", 0)))
    record(body("a"), at=NOON + HOUR)
    assert credits_of(archive) == {"trn_b_0": 42}


def test_turn_that_moves_to_another_month_is_there_once(archive, record):
    """A turn whose start changes to another month leaves the old one."""
    record(body("a", turn_of("a", 0, startedAt=MAY)))
    written = record(body("a", turn_of("a", 0, startedAt=JUNE)), at=NOON + HOUR)
    assert (written.new, written.changed) == (0, 1)
    assert credits_of(archive) == {"trn_a_0": 42}
    assert len(archive.turns(since="2026-06-01")) == 1
    assert len(archive.turns(until="2026-06-01")) == 0


def test_earlier_fetch_never_wins(archive, record):
    """Rows that were fetched before those in the archive, but come later, change nothing."""
    record(body("a", turn_of("a", 0, credits=50), turn_of("a", 1)), at=NOON)
    written = record(body("a", turn_of("a", 0, credits=42)), at=NOON - HOUR)
    assert (written.new, written.changed) == (0, 0)
    assert credits_of(archive) == {"trn_a_0": 50, "trn_a_1": 42}
    assert archive.tasks().attrs["handinger"]["fetched_at"].startswith("2026-06-01T12:00")


def test_same_rows_write_nothing(archive, record):
    """A fetch that brings what is there already leaves the turns table at its version."""
    bodies = [
        body("a", turn_of("a", 0, files=FILES), turn_of("a", 1, structuredOutput=None, completedAt=None))
    ]
    record(*bodies)
    version = DeltaTable(f"{archive.uri}/turns").version()
    written = record(*bodies, at=NOON + HOUR)
    assert (written.new, written.changed) == (0, 0)
    assert DeltaTable(f"{archive.uri}/turns").version() == version


def test_turn_before_its_task_is_there_once(archive, record):
    """A turn that started months before its task was created is found again and replaced."""
    early = turn_of("a", 0, startedAt="2026-01-01T00:00:00.000Z")
    record(body("a", early))
    record(body("a", early | {"credits": 7}), at=NOON + HOUR)
    assert credits_of(archive) == {"trn_a_0": 7}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("completedAt", None),
        ("structuredOutput", {"a": 1}),
        ("structuredOutput", None),
        ("outputText", ""),
        ("files", FILES[:1]),
        ("status", "aborted"),
        ("status", "never-seen-before"),
    ],
)
def test_every_change_counts(archive, record, field, value):
    """A change of any column, to or from a missing value too, replaces the turn; back again, too."""
    before, after = turn_of("a", 0, files=FILES), turn_of("a", 0, files=FILES) | {field: value}
    record(body("a", before))
    assert record(body("a", after), at=NOON + HOUR).changed == 1
    assert record(body("a", before), at=NOON + 2 * HOUR).changed == 1


def test_only_files_that_change_are_written(archive, record):
    """A change in one month leaves the files of other months alone."""
    record(body("a", turn_of("a", 0, startedAt=MAY)), body("b", turn_of("b", 0, startedAt=JUNE)))
    before = set(archive.files("turns"))
    record(body("a", turn_of("a", 0, startedAt=MAY, credits=1)), at=NOON + HOUR)
    after = set(archive.files("turns"))
    assert [path.split("month=")[1][:7] for path in before - after] == ["2026-05"]
    assert [path.split("month=")[1][:7] for path in after - before] == ["2026-05"]


def test_large_outputs(archive, record):
    """Megabytes of text that do not compress come back as they were."""
    text = random.Random(7).randbytes(3_000_000).hex()
    record(body("a", turn_of("a", 0, outputText=text)))
    assert archive.turns(["output_text"])["output_text"].tolist() == [text]
    record(body("a", turn_of("a", 0, outputText=text), turn_of("a", 1, outputText=text[1:])), at=NOON + HOUR)
    assert set(archive.turns(["output_text"])["output_text"]) == {text, text[1:]}


@pytest.mark.parametrize("task_id", ["o'brien", "a\\b", 'say "hi"', "ünï/cødé 🔎", "a;b--c", "%2F", "NULL"])
def test_any_text_can_be_an_id(archive, record, task_id):
    """Ids are data: quotes, slashes and the like neither break a merge nor reach beyond their task."""
    record(body(task_id, turn_of(task_id, 0), turn_of(task_id, 1)), body("b", turn_of("b", 0)))
    record(body(task_id, turn_of(task_id, 0, credits=7)), at=NOON + HOUR)
    assert credits_of(archive) == {f"trn_{task_id}_0": 7, "trn_b_0": 42}


def test_texts_stay_out_of_the_log(archive, record):
    """The log of a table, which is easily shared, holds no text of a task."""
    record(body("a", turn_of("a", 0, input="CANARY", outputText="CANARY")))
    logs = [path.read_text() for path in Path(archive.uri).rglob("_delta_log/*.json")]
    assert len(logs) >= 5
    assert not any("CANARY" in log or "Barcelona" in log for log in logs)


def test_stored_types_are_those_that_every_engine_knows(archive, record):
    """Data files, compacted ones too, hold plain strings, microseconds and lists; the path has the month."""
    stored = TURNS_LAYOUT.schema
    for task_id in ("a", "b"):
        record(body(task_id, turn_of(task_id, 0, files=FILES)))
        archive.compact()
        [path] = archive.files("turns")
        assert pq.read_schema(path).remove_metadata() == stored.remove(stored.get_field_index("month"))
    assert str(stored.field("input").type) == "string"
    assert str(stored.field("started_at").type) == "timestamp[us, tz=UTC]"


def test_turn_that_comes_twice_is_there_once(archive, record):
    """Of a turn that the server sends twice the last one counts, however often it is fetched."""
    twice = body("a", turn_of("a", 0, credits=1), turn_of("a", 1), turn_of("a", 0, credits=2))
    for hours in range(3):
        record(twice, at=NOON + hours * HOUR)
        assert credits_of(archive) == {"trn_a_0": 2, "trn_a_1": 42}


def test_tasks_may_share_a_turn_id(archive, record):
    """A turn is identified within its task: neither replaces that of another task, nor goes with it."""
    for hours in range(2):
        record(
            body("a", turn_of("a", 0, id="trn_1", credits=1)),
            body("b", turn_of("b", 0, id="trn_1", credits=2)),
        )
        assert archive.turns()["credits"].tolist() == [1, 2]
        assert record(body("b", turn_of("b", 0, id="trn_1", credits=2)), at=NOON + hours * HOUR).changed == 0
    record(body("a"), at=NOON + 3 * HOUR)
    assert archive.turns()["credits"].tolist() == [2]


@pytest.mark.parametrize(("before", "after"), [(MAY, JUNE), (JUNE, MAY)])
def test_task_that_moves_to_another_month_is_there_once(archive, record, before, after):
    """A task whose creation and turns change to another month leaves the old one."""
    for number, moment in enumerate((before, after)):
        task = task_of("a", createdAt=moment, completedAt=moment)
        turn = turn_of("a", 0, startedAt=moment, completedAt=moment)
        record(encoded({"task": task, "turns": [turn]}), at=NOON + number * HOUR)
    assert credits_of(archive) == {"trn_a_0": 42}
    assert archive.tasks()["task_id"].tolist() == ["a"]
    assert archive.status().missing == 0


def test_turn_of_an_early_month_can_move(archive, record):
    """A turn that had started before its task is deleted from that month when it moves."""
    record(body("a", turn_of("a", 0, startedAt="2026-01-01T00:00:00.000Z")))
    record(body("a", turn_of("a", 0, startedAt=JUNE, credits=7)), at=NOON + HOUR)
    assert credits_of(archive) == {"trn_a_0": 7}


def test_earlier_fetch_brings_nothing_back(archive, record):
    """A turn that the server has deleted does not come back with a fetch from before that."""
    record(body("a", turn_of("a", 0)), at=NOON)
    record(body("a", turn_of("a", 0), turn_of("a", 1)), body("b", turn_of("b", 0)), at=NOON - HOUR)
    assert credits_of(archive) == {"trn_a_0": 42, "trn_b_0": 42}


def test_time_of_a_wrong_clock_does_not_win(archive, record):
    """Rows stamped with a future time are replaced by those fetched now."""
    future = dt.datetime.now(dt.UTC) + 365 * 24 * HOUR
    record(body("a", turn_of("a", 0, credits=1), turn_of("a", 1)), at=future)
    assert record(body("a", turn_of("a", 0, credits=2)), at=dt.datetime.now(dt.UTC)).changed == 1
    assert credits_of(archive) == {"trn_a_0": 2}
    assert archive.status().last_sync < future


def test_times_of_early_years(archive, record):
    """A time that some servers send for none is a time like any other."""
    never = "0001-01-01T00:00:00.000Z"
    for hours in range(2):
        record(body("a", turn_of("a", 0, startedAt=never), turn_of("a", 1)), at=NOON + hours * HOUR)
        assert credits_of(archive) == {"trn_a_0": 42, "trn_a_1": 42}
    assert len(archive.turns(since="0001-01-01", until="0999-01-01")) == 1
    assert archive.status().first_turn == dt.datetime(1, 1, 1, tzinfo=dt.UTC)


def test_turn_of_another_task_is_there_once(archive):
    """A turn that names another task than the one it came with, as once could be, is kept, but once."""
    strange = wire.decode(body("a", turn_of("a", 0), turn_of("q", 0, startedAt=JUNE)), wire.TaskWithTurns)
    for hours in range(3):
        builder = RowBuilder()
        builder.add(0, strange.task, strange.turns)
        record_built(archive, builder.finish(), ["a"], at=NOON + hours * HOUR)
        assert credits_of(archive) == {"trn_a_0": 42, "trn_q_0": 42}


def test_files_have_no_more_than_so_many_bytes():
    """Long texts make more files, so that a merge can hold each in memory."""
    texts = pa.chunked_array([pa.array(["x" * 1_000_000] * 30)] * 20)
    rows = pa.table({"month": pa.repeat("2026-05", 600), "input": texts})
    parts = list(split_by_file(rows, TURNS_LAYOUT))
    assert [part.num_rows for part in parts] == [268, 268, 64]


@pytest.mark.parametrize("in_one_file", [False, True])
def test_copies_go_with_the_next_change(archive, record, in_one_file):
    """Of rows that another tool has appended a second time, one stays; the count tells what changed."""
    record(body("a", turn_of("a", 0), turn_of("a", 1)), body("b", turn_of("b", 0)))
    place = f"{archive.uri}/turns"
    write_deltalake(place, DeltaTable(place).to_pyarrow_table(), mode="append")
    if in_one_file:
        archive.compact()
    assert len(archive.turns()) == 6
    written = record(
        body("a", turn_of("a", 0), turn_of("a", 1, credits=50)), body("b", turn_of("b", 0)), at=NOON + HOUR
    )
    assert (written.new, written.changed) == (0, 1)
    assert credits_of(archive) == {"trn_a_0": 42, "trn_a_1": 50, "trn_b_0": 42}
