"""Archives of an earlier schema are read and synced on; of a later one, the ids are given out."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable, Schema

from handinger_analytics import Archive, FileError, Sandbox, TaskLookup
from handinger_analytics.archive.layout import LAYOUTS
from handinger_analytics.sources import kept_at
from handinger_analytics.tables.build import Rows
from tests.archive.conftest import HOUR, KNOWN, NOON, TABLES, noted, record_built
from tests.commands import run
from tests.samples import encoded, task_of, turn_of
from tests.scripted import Reply, task_asked_for

LAST_SYNC = dt.datetime(2026, 6, 30, 13, tzinfo=dt.UTC)
LATER = LAST_SYNC + HOUR


def content(archive: Archive) -> dict[str, bytes]:
    """Every file of an archive."""
    return {str(path): path.read_bytes() for path in Path(archive.uri).rglob("*") if path.is_file()}


def note(archive: Archive, name: str, version: int) -> None:
    """Note a version of the columns in one of the tables."""
    properties = {"handinger.schema": str(version)}
    DeltaTable(f"{archive.uri}/{name}").alter.set_table_properties(properties, raise_if_not_exists=False)


def add_columns(archive: Archive, name: str) -> None:
    """Add the columns of schema 2 to one of the tables."""
    later = pa.schema([pa.field("fetched_at", pa.timestamp("us", "UTC")), pa.field("extra", pa.string())])
    DeltaTable(f"{archive.uri}/{name}").alter.add_columns(Schema.from_arrow(later).fields)


READERS = {
    "pandas": lambda read: read(),
    "pandas-arrow": lambda read: read(dtype_backend="pyarrow"),
    "polars": lambda read: read(engine="polars").collect().to_pandas(),
    "duckdb": lambda read: read(engine="duckdb").df(),
    "dataset": lambda read: read(engine="pyarrow").to_table().to_pandas(),
    "span": lambda read: read(since="2026-01-01", until="2027-01-01"),
    "condition": lambda read: read(where=pc.field("fetched_at").is_null() & pc.field("extra").is_null()),
}


@pytest.mark.filterwarnings("ignore::handinger_analytics.PartialDataWarning")
@pytest.mark.parametrize("reader", READERS)
def test_every_reader_reads_schema_1(old, reader):
    """The columns that came later are there, last and null, and reading writes nothing."""
    before = content(old)
    for state in (old, old.as_of(2)):
        turns, tasks = READERS[reader](state.turns), READERS[reader](state.tasks)
        assert (len(tasks), len(turns), turns["credits"].sum()) == (8, 10, 1556)
        for frame in (tasks, turns):
            assert frame.columns[-2:].tolist() == ["fetched_at", "extra"]
            assert frame[["fetched_at", "extra"]].isna().all(axis=None)
    assert content(old) == before


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::handinger_analytics.PartialDataWarning")
def test_all_else_reads_schema_1(old):
    """Status, files, ids, single columns, earlier states, the command line and the widget do, too."""
    before = content(old)
    status = old.status()
    assert (status.tasks, status.turns, status.missing, status.last_sync) == (8, 10, 1, LAST_SYNC)
    assert old.turns().attrs["handinger"]["schema"] == 2
    assert old.known_ids() == KNOWN
    assert old.turns(columns=["extra", "credits"]).columns.tolist() == ["extra", "credits"]
    assert len(old.as_of(1).turns()) < 10
    for rows in (pd.read_parquet, pl.read_parquet, duckdb.read_parquet):
        assert rows(old.files("turns")).shape[0] == 10
    assert len(kept_at(old.uri).turns()) == 10
    assert "incomplete: 1 of 9 tasks not fetched" in run("spend", old.uri).output
    TaskLookup(source=old.uri)
    assert content(old) == before


def test_a_sync_brings_the_columns(old):
    """All three tables note schema 2, other tools see the columns, and only new rows have values there."""
    with Sandbox(tasks=20, seed=3) as sandbox, sandbox.client() as client:
        new = sorted({*sandbox.task_ids} - {*KNOWN})
        assert old.sync(new, client=client, now=LATER).fetched == len(new) == 19
    assert noted(old) == ["2", "2", "2"]
    for name, frame in (("tasks", old.tasks()), ("turns", old.turns())):
        known = frame["task_id"].isin(KNOWN)
        assert frame.loc[known, "fetched_at"].isna().all()
        assert (frame.loc[~known, "fetched_at"] == LATER).all()
        stored = DeltaTable(f"{old.uri}/{name}").to_pyarrow_table(columns=["fetched_at", "extra"])
        assert stored["fetched_at"].null_count == known.sum() > 0
    assert old.known_ids() == sorted([*KNOWN, *new])
    before, after = old.as_of(2), old.as_of(old.status().version)
    assert (len(before.tasks()), len(before.turns()), before.known_ids()) == (8, 10, KNOWN)
    assert (len(after.tasks()), after.known_ids()) == (27, old.known_ids())


@pytest.mark.slow
def test_old_tasks_are_fetched_again(old, serve):
    """What was unfinished is fetched on, into files that lack the columns."""
    with serve(task_asked_for).client() as client:
        report = old.sync(client=client, settle=dt.timedelta(0), now=LATER)
    assert (report.fetched, report.skipped, old.status().complete) == (4, 5, True)
    tasks = old.tasks().set_index("task_id")["fetched_at"]
    assert (tasks == LATER).sum() == 4
    assert tasks.isna().sum() == 5
    assert old.turns()["turn_id"].is_unique


@pytest.mark.slow
@pytest.mark.parametrize("done", range(6))
def test_upgrades_that_were_cut_short(old, done):
    """After each commit of an upgrade that is killed there, the archive is readable, and goes on."""
    steps = [
        lambda: note(old, "ids", 2),
        lambda: add_columns(old, "turns"),
        lambda: note(old, "turns", 2),
        lambda: add_columns(old, "tasks"),
        lambda: note(old, "tasks", 2),
    ]
    for step in steps[:done]:
        step()
    assert (len(old.tasks()), len(old.turns()), old.status().missing) == (8, 10, 1)
    with Sandbox(tasks=1, seed=7) as sandbox, sandbox.client() as client:
        old.sync(sandbox.task_ids, client=client)
    assert noted(old) == ["2", "2", "2"]
    assert old.turns()["fetched_at"].isna().sum() == 10
    assert old.turns()["turn_id"].is_unique


def test_a_column_that_came_earlier_comes_along(old):
    """A table that lacks an earlier addition, too, one that only the archive uses, gets all of them."""
    for log in Path(old.uri, "tasks/_delta_log").glob("*.json"):
        actions = [json.loads(line) for line in log.read_text().splitlines()]
        for metadata in (action["metaData"] for action in actions if "metaData" in action):
            schema = json.loads(metadata["schemaString"])
            schema["fields"] = [field for field in schema["fields"] if field["name"] != "began_at"]
            metadata["schemaString"] = json.dumps(schema)
        log.write_text("\n".join(map(json.dumps, actions)))
    with Sandbox(tasks=3, seed=7) as sandbox, sandbox.client() as client:
        old.sync(sandbox.task_ids, client=client)
    names = [field.name for field in DeltaTable(f"{old.uri}/tasks").schema().fields]
    assert names[-4:] == ["fetched_at", "extra", "began_at", "delivered_at"]


@pytest.mark.slow
def test_upkeep_of_old_and_mixed_tables(old):
    """Forgetting, discovering, compacting and vacuuming work before the first sync and after it."""
    with Sandbox(tasks=6, seed=7) as sandbox, sandbox.client() as client:
        for _ in range(2):
            old.forget("tsk_gone")
            assert old.compact() > 0
            old.vacuum(dt.timedelta(0))
            assert old.turns().loc[lambda turns: turns["task_id"].isin(KNOWN), "credits"].sum() == 1556
            found = old.discover(sandbox.worker_ids[:1], client=client)
            old.sync(sandbox.task_ids, client=client)
    assert noted(old) == ["2", "2", "2"]
    assert old.status().complete
    assert set(found) < set(old.known_ids())
    assert "tsk_gone" not in old.known_ids()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::handinger_analytics.PartialDataWarning")
def test_files_of_both_schemas(old):
    """The newest file, from which pandas takes the columns, comes first; other engines have a word for it."""
    names = {Path(path).name for path in old.files("turns")}
    with Sandbox(tasks=20, seed=3) as sandbox, sandbox.client() as client:
        old.sync(sandbox.task_ids[:19], client=client, batch=2)  # more commits than a checkpoint takes
        old.forget("tsk_gone")
    files = old.files("turns")
    kept = [Path(path).name in names for path in files]
    assert kept == sorted(kept)
    turns = old.turns()
    by_engine = [
        pd.read_parquet(files),
        duckdb.read_parquet(files, union_by_name=True).df(),
        pl.read_parquet(files, missing_columns="insert").to_pandas(),
    ]
    for frame in by_engine:
        assert len(frame) == len(turns)
        assert frame["fetched_at"].isna().sum() == 10
        assert frame["extra"].isna().all()


@pytest.mark.slow
@pytest.mark.parametrize("name", TABLES)
def test_later_schemas_are_refused(old, client, sandbox, name):
    """No reader and no writer touches an archive that any table says is of a later schema; ids come out."""
    note(old, name, 3)
    before = content(old)
    message = (
        r"has columns of version 3, this package knows 2: upgrade handinger-analytics, or .*known_ids\(\)"
    )
    uses = (
        old.tasks,
        old.turns,
        old.status,
        lambda: old.files("tasks"),
        lambda: old.turns(engine="polars"),
        lambda: old.sync(["a"], client=client),
        lambda: old.discover(sandbox.worker_ids[:1], client=client),
        lambda: old.forget("tsk_gone"),
        old.compact,
        old.vacuum,
    )
    for use in uses:
        with pytest.raises(FileError, match=message):
            use()
    assert content(old) == before
    assert old.known_ids() == KNOWN
    done = run("spend", old.uri)
    assert (done.exit_code, "version 3" in done.output) == (1, True)


def test_ids_of_an_archive_that_cannot_be_read(old):
    """They are given out also where the other tables are damaged or gone, of any later schema."""
    for name in TABLES:
        note(old, name, 9)
    for log in Path(old.uri, "turns/_delta_log").iterdir():
        log.write_text("damaged")
    shutil.rmtree(f"{old.uri}/tasks")
    assert old.known_ids() == KNOWN
    with pytest.raises(FileError, match="there is no archive at"):
        Archive(f"{old.uri}/nowhere").known_ids()


def test_known_ids_are_without_forgotten_ones(old):
    """Those that were forgotten are not given out, though their rows stay; earlier states have them."""
    old.forget(KNOWN[:1])
    assert old.known_ids() == KNOWN[1:]
    assert old.as_of(2).known_ids() == KNOWN
    assert len(old.tasks()) == 8


def test_rows_say_when_they_were_fetched(archive):
    """Without a time to record, each row has the instant of its answer, after that of its batch."""
    before = pd.Timestamp.now("UTC").floor("ms")
    with Sandbox(tasks=3, seed=7, latency=0.02) as sandbox, sandbox.client(max_connections=1) as client:
        archive.sync(sandbox.task_ids, client=client)
    for frame in (archive.tasks(), archive.turns()):
        assert frame["fetched_at"].between(before, pd.Timestamp.now("UTC")).all()
        assert frame["fetched_at"].nunique() == 3
        assert (frame["fetched_at"] > archive.status().last_sync).all()


def test_unchanged_turns_are_not_written_again(archive, serve):
    """A later look renews the time of the task alone; the turn keeps that of the look that brought it."""
    body, more = (encoded({"task": task_of("a"), "turns": [turn_of("a", **new)]}) for new in ({}, {"a": 1}))
    with serve(Reply(body), Reply(body), Reply(more)).client() as client:
        archive.sync("a", client=client, now=NOON)
        files = archive.files("turns")
        report = archive.sync("a", client=client, now=NOON + HOUR, refresh="all")
        assert (report.new, report.changed, archive.files("turns")) == (0, 0, files)
        assert archive.turns()["fetched_at"].tolist() == [NOON]
        assert archive.tasks()["fetched_at"].tolist() == [NOON + HOUR]
        assert archive.turns().attrs["handinger"]["fetched_at"] == "2026-06-01T13:00:00.000+00:00"
        report = archive.sync("a", client=client, now=NOON + 2 * HOUR, refresh="all")
    assert (report.new, report.changed) == (0, 1)
    assert archive.turns()[["fetched_at", "extra"]].to_numpy().tolist() == [[NOON + 2 * HOUR, '{"a":1}']]


def test_a_time_that_was_not_known_is_recorded(old):
    """Rows of schema 1 that are fetched again and have not changed say when from then on."""
    tables = [read(engine="pyarrow").to_table() for read in (old.tasks, old.turns)]
    again = [
        rows.set_column(
            rows.column_names.index("fetched_at"),
            "fetched_at",
            pa.repeat(pa.scalar(LATER, pa.timestamp("ms", "UTC")), rows.num_rows),
        )
        for rows in tables
    ]
    ids = again[0]["task_id"].to_pylist()
    places = [pc.index_in(rows["task_id"], pa.array(ids)).to_numpy() for rows in again]
    written = [record_built(old, Rows(*again, *places), ids, at=LATER + n * HOUR) for n in range(2)]
    assert [(each.new, each.changed) for each in written] == [(0, 10), (0, 0)]
    assert (old.turns()["fetched_at"] == LATER).all()
    assert old.turns()["credits"].sum() == 1556


def test_files_are_lists_in_the_tables(archive):
    """Stored files of a turn are a list of struct; pandas frames have the same as JSON text."""
    with Sandbox(tasks=30, seed=7, generation="B") as sandbox, sandbox.client() as client:
        archive.sync(sandbox.task_ids, client=client)
    in_arrow = archive.turns(engine="pyarrow").to_table(columns=["turn_id", "files"]).to_pylist()
    texts = archive.turns(["turn_id", "files"]).set_index("turn_id")["files"]
    assert any(row["files"] for row in in_arrow)
    for row in in_arrow:
        assert json.loads(texts[row["turn_id"]]) == row["files"]


def test_tables_are_upgraded_in_the_order_that_stops_earlier_writers():
    """Every writer opens the ids first, so they are the first to say that it is too old."""
    assert tuple(layout.name for layout in LAYOUTS) == TABLES
