"""Tables that other Delta tools changed are read by every engine, and synced on."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable, Field, write_deltalake
from deltalake.schema import PrimitiveType

import handinger_analytics as ha
from handinger_analytics import Archive, FileError
from tests.archive.conftest import TABLES, assert_same_rows

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::handinger_analytics.PartialDataWarning"),
]


@pytest.fixture(scope="module")
def ids(sandbox) -> list[str]:
    """Name the tasks that are archived."""
    return sandbox.task_ids[:30]


@pytest.fixture(scope="module")
def fetched(sandbox, ids) -> ha.FetchResult:
    """Fetch what is archived, without an archive."""
    with sandbox.client() as client:
        return ha.fetch(ids, client=client, progress=False)


@pytest.fixture(scope="module")
def synced(tmp_path_factory, sandbox, ids) -> str:
    """Make an archive of three batches."""
    place = tmp_path_factory.mktemp("tools") / "archive"
    with sandbox.client() as client:
        Archive(place).sync(ids, client=client, batch=10, progress=False)
    return str(place)


@pytest.fixture
def archive(tmp_path, synced) -> Archive:
    """Return a copy of that archive."""
    return Archive(shutil.copytree(synced, tmp_path / "archive"))


def write_again(table: DeltaTable, text: pa.DataType) -> None:
    """Write the rows of a table again, texts in the type that a tool has."""
    rows = table.to_pyarrow_table()
    fields = [field.with_type(text) if pa.types.is_string(field.type) else field for field in rows.schema]
    write_deltalake(table, rows.cast(pa.schema(fields)), mode="overwrite")


def restore(table: DeltaTable) -> None:
    """Delete all rows, and go back to before."""
    version = table.version()
    table.delete()
    table.restore(version)


def merge_nothing(table: DeltaTable) -> None:
    """Merge rows of which none matches into a table, which writes those of the table again."""
    rows = table.to_pyarrow_table().slice(0, 1)
    matching = table.merge(rows, "t.task_id = s.task_id", source_alias="s", target_alias="t")
    matching.when_matched_update({"task_id": "s.task_id"}).execute()


SAME_ROWS = {
    "compact": lambda table: table.optimize.compact(),
    "z-order": lambda table: table.optimize.z_order(["task_id"]),
    "update": lambda table: table.update({"task_id": "task_id"}),
    "merge": merge_nothing,
    "restore": restore,
    "string": lambda table: write_again(table, pa.string()),
    "large_string": lambda table: write_again(table, pa.large_string()),
    "repair": lambda table: table.repair(),
    "property": lambda table: table.alter.set_table_properties({"delta.checkpointInterval": "5"}),
    "column": lambda table: table.alter.add_columns([Field("note", PrimitiveType("string"))]),
    "checkpoint": lambda table: (table.create_checkpoint(), table.cleanup_metadata()),
    "vacuum": lambda table: table.vacuum(0, dry_run=False, enforce_retention_duration=False),
}


def assert_read(archive: Archive, tasks: pd.DataFrame, turns: pd.DataFrame) -> None:
    """Assert that every engine finds these rows, filtered or not, and that all else can be read."""
    assert_same_rows(archive.tasks(), tasks)
    assert_same_rows(archive.turns(), turns)
    for read, rows in ((archive.tasks, tasks), (archive.turns, turns)):
        one = rows["task_id"].iloc[-1]
        expected = (rows["task_id"] == one).sum()
        named = pc.field("task_id").isin([one])
        assert len(read(where=named)) == expected
        assert read(engine="pyarrow").count_rows(filter=named) == expected
        assert read(engine="polars").filter(pl.col("task_id") == one).collect().height == expected
        assert len(read(engine="duckdb").filter(f"task_id = '{one}'")) == expected
        assert len(read("credits", since="2020-01-01")) == len(rows)
    assert archive.status().turns == len(turns)
    assert len(pd.read_parquet(archive.files("tasks"), columns=["credits"])) == len(tasks)


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("change", SAME_ROWS)
def test_tables_that_were_written_again(archive, client, ids, fetched, name, change):
    """What moves rows, or adds to a table, changes nothing for a reader; a sync goes on from there."""
    SAME_ROWS[change](DeltaTable(f"{archive.uri}/{name}"))
    assert_read(archive, fetched.tasks, fetched.turns)
    assert archive.known_ids() == sorted(ids)
    archive.vacuum(dt.timedelta(0))
    assert archive.sync(client=client, refresh="all", progress=False).complete
    assert_read(archive, fetched.tasks, fetched.turns)


@pytest.mark.parametrize("change", ["delete", "update"])
def test_turns_that_were_changed(archive, client, fetched, change):
    """A row that another tool deletes or changes is gone or changed at once; a fetch of its task mends it."""
    one = fetched.turns["task_id"].iloc[0]
    table, named = DeltaTable(f"{archive.uri}/turns"), f"task_id = '{one}'"
    expected = fetched.turns.copy()
    if change == "delete":
        table.delete(named)
        expected = expected[expected["task_id"] != one]
    else:
        table.update({"credits": "credits + 1"}, predicate=named)
        expected.loc[expected["task_id"] == one, "credits"] += 1
    assert_read(archive, fetched.tasks, expected)
    archive.sync(one, client=client, refresh="all", progress=False)
    assert_read(archive, fetched.tasks, fetched.turns)


def test_tasks_that_were_deleted(archive, client, ids, fetched):
    """A task that another tool deletes is missing, its turns stay, and the next sync fetches it."""
    DeltaTable(f"{archive.uri}/tasks").delete(f"task_id = '{ids[0]}'")
    assert_read(archive, fetched.tasks[fetched.tasks["task_id"] != ids[0]], fetched.turns)
    assert (archive.status().missing, archive.known_ids()) == (1, sorted(ids))
    assert archive.sync(client=client, progress=False).fetched >= 1
    assert_read(archive, fetched.tasks, fetched.turns)


def test_ids_that_were_deleted(archive, client, ids, fetched):
    """An id that another tool deletes is not known any more until somebody asks for it; its rows stay."""
    DeltaTable(f"{archive.uri}/ids").delete(f"task_id = '{ids[0]}'")
    assert_read(archive, fetched.tasks, fetched.turns)
    assert archive.known_ids() == sorted(ids[1:])
    archive.sync(ids, client=client, progress=False)
    assert archive.known_ids() == sorted(ids)


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("feature", ["deletionVectors", "columnMapping"])
def test_features_that_cannot_be_read(archive, client, name, feature):
    """A table that would be read wrong is an error that names the feature, and is left alone."""
    log = Path(archive.uri, name, "_delta_log")
    features = {"readerFeatures": [feature], "writerFeatures": [feature]}
    protocol = {"minReaderVersion": 3, "minWriterVersion": 7, **features}
    Path(log, f"{len(list(log.glob('*.json'))):020}.json").write_text(json.dumps({"protocol": protocol}))
    for use in (archive.turns, archive.status, archive.vacuum, lambda: archive.sync(client=client)):
        with pytest.raises(
            FileError, match=f"another tool gave its table {name} the feature {feature} of Delta"
        ):
            use()
