"""What can be read from an archive, and on which engines."""

from __future__ import annotations

import functools
import shutil
import sys
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pytest

import handinger_analytics as ha
from handinger_analytics import Archive, ArgumentError, FrameError, PartialDataWarning
from tests.archive.conftest import HOUR, NOON, assert_same_rows, record_bodies
from tests.samples import encoded, task_of, turn_of

STARTS = {
    0: "2026-04-30T23:59:59.999Z",
    1: "2026-05-01T00:00:00.000Z",
    2: "2026-05-31T23:59:59.999Z",
    3: "2026-06-01T00:00:00.000Z",
}


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """Fill an archive with one task whose four turns lie around the ends of May, 1, 2, 4 and 8 credits."""
    archive = Archive(tmp_path_factory.mktemp("filled") / "archive")
    record = functools.partial(record_bodies, archive)
    turns = [turn_of("a", seq, startedAt=start, credits=2**seq) for seq, start in STARTS.items()]
    record(encoded({"task": task_of("a", createdAt=STARTS[0], workerId="wrk_1"), "turns": turns[:2]}))
    record(
        encoded({"task": task_of("a", createdAt=STARTS[0], workerId="wrk_1"), "turns": turns}), at=NOON + HOUR
    )
    record(encoded({"task": task_of("b", workerId="wrk_2"), "turns": []}))
    return archive


def test_only_the_asked_columns(filled):
    """Columns come in the order asked for, with their dtypes."""
    frame = filled.turns(["credits", "status"])
    assert frame.columns.tolist() == ["credits", "status"]
    assert frame["status"].cat.categories.tolist() == ["pending", "running", "completed", "error", "aborted"]
    assert filled.tasks(["task_id"]).columns.tolist() == ["task_id"]


@pytest.mark.parametrize(
    ("since", "until", "credits"),
    [
        (None, None, 15),
        ("2026-05-01", None, 14),
        (None, "2026-05-01", 1),
        ("2026-05-01", "2026-06-01", 6),
        ("2026-05-01T02:00:00+02:00", "2026-05-31T23:59:59.999Z", 2),
        (pd.Timestamp("2026-06-01", tz="UTC"), None, 8),
        ("2027-01-01", None, 0),
    ],
)
def test_time_range(filled, since, until, credits):
    """``since`` belongs to the range, ``until`` does not, to the millisecond, on every engine."""
    part = {"since": since, "until": until}
    assert filled.turns(**part)["credits"].sum() == credits
    lazy = filled.turns(**part, engine="polars")
    assert lazy.select(pl.col("credits").sum()).collect().item() == credits
    relation = filled.turns(**part, engine="duckdb")
    assert relation.aggregate("coalesce(sum(credits), 0)").fetchall() == [(credits,)]
    table = filled.turns(**part, engine="pyarrow").to_table(columns=["credits"])
    assert (pc.sum(table["credits"]).as_py() or 0) == credits


def test_other_months_are_not_touched(filled, tmp_path):
    """A month is read even if the files of all others are gone."""
    archive = Archive(shutil.copytree(filled.uri, tmp_path / "copy"))
    for path in archive.files("turns"):
        if "month=2026-05" not in path:
            Path(path).unlink()
    assert archive.turns(since="2026-05-01", until="2026-05-31T23:59:59.999Z")["credits"].sum() == 2
    lazy = archive.turns(since="2026-05-01", until="2026-05-31T23:59:59.999Z", engine="polars")
    assert lazy.select(pl.col("credits").sum()).collect().item() == 2


@pytest.mark.parametrize(
    ("where", "credits"),
    [
        (pc.field("worker_id") == "wrk_1", 15),
        (pc.field("worker_id") == "wrk_2", 0),
        (pc.field("credits") > 2, 12),
        (pc.field("task_id").isin(["a", "z"]) & (pc.field("seq") == 3), 8),
        (pc.field("status") == "completed", 15),
        (pc.field("created_by_user_id").is_null(), 0),
    ],
)
def test_where(filled, where, credits):
    """Rows can be chosen by any column, whatever else is asked for."""
    assert filled.turns(["credits"], where=where)["credits"].sum() == credits
    lazy = filled.turns(["credits"], where=where, engine="polars")
    assert lazy.select(pl.col("credits").sum()).collect().item() == credits
    relation = filled.turns(["credits"], where=where, engine="duckdb")
    assert relation.aggregate("coalesce(sum(credits), 0)").fetchall() == [(credits,)]


def test_engines_push_their_own_filters_down(filled):
    """Filters on text that an engine adds by itself work, too."""
    lazy = filled.turns(engine="polars").filter(pl.col("worker_id") == "wrk_1", pl.col("role") == "user")
    assert lazy.select(pl.len()).collect().item() == 4
    relation = filled.turns(engine="duckdb").filter(
        "worker_id = 'wrk_1' AND started_at >= '2026-05-01 00:00:00+00'"
    )
    assert relation.aggregate("count(*)").fetchall() == [(3,)]


def test_kinds_of_lazy_frames(filled):
    """Each engine gives what its users expect, with the columns of the schema and no others."""
    names = ha.parse_bodies([]).turns.columns.tolist()
    lazy = filled.turns(engine="polars")
    assert isinstance(lazy, pl.LazyFrame)
    assert lazy.collect_schema().names() == names
    relation = filled.turns(engine="duckdb")
    assert isinstance(relation, duckdb.DuckDBPyRelation)
    assert relation.columns == names
    dataset = filled.turns(engine="pyarrow")
    assert isinstance(dataset, ds.Dataset)
    assert dataset.schema.names == names


@pytest.mark.parametrize("engine", ["polars", "duckdb"])
def test_spend_on_engines(archive, sandbox, client, engine):
    """`spend` takes the lazy frames as they are and gives the same as on pandas."""
    archive.sync(sandbox.task_ids, client=client, batch=30)
    expected = ha.spend(ha.fetch_turns(sandbox.task_ids, client=client), by="worker_id", freq="D")
    expected.attrs = {}
    pd.testing.assert_frame_equal(ha.spend(archive.turns(engine=engine), by="worker_id", freq="D"), expected)


def test_spend_says_what_is_incomplete(archive, sandbox, client):
    """The provenance of a frame from the archive travels on."""
    archive.discover(sandbox.worker_ids[0], client=client)
    archive.sync(sandbox.task_ids[:3], client=client)
    assert ha.spend(archive.turns()).attrs["handinger"]["complete"] is False


@pytest.fixture
def partial(archive, sandbox, client):
    """Fill the archive with three tasks of many that it knows."""
    archive.discover(sandbox.worker_ids[0], client=client)
    archive.sync(sandbox.task_ids[:3], client=client)
    return archive


@pytest.mark.parametrize("engine", ["polars", "duckdb"])
def test_frames_that_carry_nothing_warn(partial, engine):
    """A Polars or DuckDB frame cannot say that it is incomplete, so reading it does."""
    with pytest.warns(
        PartialDataWarning, match=f"known tasks are missing .*frame of {engine} will not"
    ) as seen:
        partial.turns(engine=engine)
    assert seen[0].filename == __file__


def test_files_that_carry_nothing_warn(partial):
    """Nor can a list of files."""
    with pytest.warns(PartialDataWarning, match="what is computed from these files will not say so") as seen:
        partial.files("turns")
    assert seen[0].filename == __file__


def test_dataset_says_what_is_incomplete(partial):
    """The provenance of an Arrow dataset travels on, after a filter and into a table, too."""
    for rows in (partial.turns(engine="pyarrow"), partial.turns(engine="pyarrow", since="2026-05-01")):
        assert ha.spend(rows).attrs["handinger"]["complete"] is False
        assert ha.spend(rows.to_table()).attrs["handinger"]["complete"] is False


def test_folders_of_an_archive_are_not_plain_parquet(archive, record):
    """Their files hold replaced rows, too; the error names the archive."""
    record(encoded({"task": task_of("a"), "turns": [turn_of("a")]}))
    for folder in (archive.uri, f"{archive.uri}/turns", Path(archive.uri, "tasks")):
        with pytest.raises(
            ha.FileError, match="it is a Delta table, whose files hold replaced rows"
        ) as error:
            ha.load_parquet(folder)
        assert f"Archive({archive.uri!r})" in str(error.value)


def test_export_of_an_archive_reads_back(archive, sandbox, client, tmp_path):
    """A frame from the archive can be exported like a fetched one."""
    archive.sync(sandbox.task_ids, client=client)
    ha.export_parquet(archive.turns(), tmp_path / "turns.parquet")
    assert_same_rows(ha.load_parquet(tmp_path / "turns.parquet"), archive.turns())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"columns": []}, r"columns: expected one name or more, found \[\]; leave it out for all"),
        ({"columns": [3]}, "columns: expected names of columns, one or several, found 3"),
        ({"since": "May"}, "since: expected ISO 8601.*, found 'May'"),
        ({"until": pd.Timestamp("2026-05-01").to_pydatetime()}, "until: expected a time with a time zone"),
        ({"where": "credits > 3"}, "where: expected a pyarrow expression.*, found 'credits > 3'"),
        ({"where": pc.field("nothing") == 1}, "where: expected a condition on columns of turns, .*nothing"),
        (
            {"where": pc.field("nothing") == 1, "engine": "polars"},
            "where: expected a condition on columns of turns, .*nothing",
        ),
        (
            {"where": pc.field("credits") == "x", "engine": "duckdb"},
            "where: expected a condition on columns of turns, .*no kernel",
        ),
        ({"engine": "spark"}, "engine: expected 'pandas', 'polars', 'duckdb' or 'pyarrow', found 'spark'"),
        ({"dtype_backend": "arrow"}, "dtype_backend: expected 'numpy' or 'pyarrow', found 'arrow'"),
        ({"engine": "polars", "dtype_backend": "pyarrow"}, "dtype_backend is for engine='pandas'"),
        ({"engine": "pyarrow", "columns": ["credits"]}, "columns is not for engine='pyarrow'"),
    ],
)
def test_unusable_arguments_are_refused(filled, arguments, message):
    """The error says what was wrong, what was found and what to give."""
    with pytest.raises(ArgumentError, match=message):
        filled.turns(**arguments)


@pytest.mark.parametrize("column", ["credit", "synced_at", "month"])
def test_columns_that_are_not_there(filled, column):
    """The error names the column and those there are; columns of the archive's own are not."""
    with pytest.raises(FrameError, match=f"turns: no column '{column}'; it has turn_id, task_id"):
        filled.turns(column)


@pytest.mark.parametrize("engine", ["pandas", "polars"])
@pytest.mark.parametrize("columns", ["credits", ("credits",), ["credits", "credits"]])
def test_columns_are_one_name_or_several(filled, columns, engine):
    """One column may be given by its name, and a column that is named twice comes once."""
    frame = filled.turns(columns, engine=engine)
    names = frame.columns if engine == "pandas" else frame.collect_schema().names()
    assert list(names) == ["credits"]


def test_engine_that_is_not_installed(filled, monkeypatch):
    """The error says what to install."""
    monkeypatch.setitem(sys.modules, "polars", None)  # as Python marks what cannot be imported
    with pytest.raises(ArgumentError, match=r"found 'polars'; pip install 'handinger-analytics\[polars\]'"):
        filled.turns(engine="polars")


def test_unknown_table_has_no_files(filled):
    """Only two tables are for users."""
    with pytest.raises(ArgumentError, match="table: expected 'tasks' or 'turns', found 'ids'"):
        filled.files("ids")
