"""Frames written and read back: one file, datasets, and what must not be written or trusted."""

import datetime as dt
import json
import os
import re
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import handinger_analytics as ha
from handinger_analytics import ArgumentError, FileError, FrameError
from tests.samples import TASK, TURN

TEXT_COLUMNS = {"input", "output_text", "structured_output", "task_title", "files"}


@pytest.fixture(scope="module")
def result():
    """Fetch everything once, with an id that cannot be fetched, so that the frames are incomplete."""
    with ha.Sandbox(tasks=120, seed=7) as sandbox, sandbox.client() as client:
        return ha.fetch([*sandbox.task_ids, "tsk_unknown"], client=client, on_error="collect")


def parsed(**turn):
    """Return the turns frame of the documented example with some fields of its turn replaced."""
    return ha.parse_bodies([json.dumps({"task": TASK, "turns": [TURN | turn]})]).turns


def same(left, right):
    """Assert that frames are equal in values, dtypes, order and attrs."""
    pd.testing.assert_frame_equal(left, right)
    assert left.attrs == right.attrs


@pytest.mark.parametrize("frame", ["tasks", "turns"])
@pytest.mark.parametrize("dtype_backend", ["numpy", "pyarrow"])
def test_a_file_gives_the_frame_back(result, tmp_path, frame, dtype_backend):
    """What is loaded equals what was exported, whichever dtypes it had."""
    ha.export_parquet(getattr(result, frame), tmp_path / "a.parquet")
    loaded = ha.load_parquet(tmp_path / "a.parquet", dtype_backend=dtype_backend)
    ha.export_parquet(loaded, tmp_path / "b.parquet")
    same(ha.load_parquet(tmp_path / "b.parquet"), getattr(result, frame))


@pytest.mark.parametrize("partition_by", [None, "month", ["worker_id", "status"]])
def test_an_empty_frame_keeps_its_columns(tmp_path, partition_by):
    """A frame without rows can be written, and comes back with every column and dtype."""
    empty = ha.parse_bodies([]).turns
    ha.export_parquet(empty, tmp_path / "empty", partition_by=partition_by)
    same(ha.load_parquet(tmp_path / "empty"), empty)


@pytest.mark.parametrize(
    "partition_by", ["worker_id", "day", "month", ["status", "month"], "created_by_user_id", "triggered_by"]
)
def test_a_dataset_gives_every_row_back(result, tmp_path, partition_by):
    """A partitioned dataset holds the same rows, columns and dtypes, in another order."""
    ha.export_parquet(result.turns, tmp_path / "turns", partition_by=partition_by)
    loaded = ha.load_parquet(tmp_path / "turns")
    assert list(loaded) == list(result.turns)
    same(
        loaded.sort_values("turn_id", ignore_index=True),
        result.turns.sort_values("turn_id", ignore_index=True),
    )


def test_a_dataset_is_laid_out_by_its_columns(tmp_path):
    """The folders are named after the columns and values, as Hive names them."""
    ha.export_parquet(parsed(), tmp_path / "turns", partition_by=["worker_id", "month"])
    files = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.parquet")]
    assert files == ["turns/worker_id=wrk_vk81XUHKHG-qr4/month=2026-05/part-0.parquet"]


def test_other_readers_see_plain_parquet_and_the_attrs(result, tmp_path):
    """The pandas reader finds the rows and, in the attrs, that the frame is incomplete."""
    ha.export_parquet(result.turns, tmp_path / "turns.parquet")
    loaded = pd.read_parquet(tmp_path / "turns.parquet")
    assert list(loaded["credits"]) == list(result.turns["credits"])
    assert loaded.attrs["handinger"]["complete"] is False
    footer = pq.read_metadata(tmp_path / "turns.parquet")
    assert json.loads(footer.metadata[b"handinger"])["failed"] == 1
    assert footer.row_group(0).column(0).compression == "ZSTD"


@pytest.mark.parametrize(
    ("column", "value"),
    [
        pytest.param("worker_id", "wrk\0a", id="NUL"),
        pytest.param("worker_id", "__HIVE_DEFAULT_PARTITION__", id="what Hive calls missing"),
        pytest.param("mine", Decimal("1.10"), id="decimal"),
        pytest.param("_mine", "a", id="name of hidden folders"),
        pytest.param("mine/yours", "a", id="name with a slash"),
    ],
)
def test_a_partition_that_could_not_be_read_back(tmp_path, column, value):
    """What the name of a folder does not give back is refused, and what was there before stays."""
    ha.export_parquet(parsed(), tmp_path / "turns", partition_by="month")
    turns = pd.concat([parsed(), parsed()], ignore_index=True).astype({"worker_id": object})
    turns[column] = [value, None]
    with pytest.raises(FrameError, match=rf"partition_by: .*{re.escape(repr(column))}.*; partition by"):
        ha.export_parquet(turns, tmp_path / "turns", partition_by=["status", column])
    assert len(ha.load_parquet(tmp_path / "turns")) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["turns"]


def test_odd_partitions_come_back(tmp_path):
    """Values that need escapes in the name of a folder, empty and missing ones too, come back."""
    odd = ["", None, " ", ".", "..", "a/b", "a=b", "%00", "null", "007", "é\n🙂", "_x", "a\\b"]
    mine = pd.DataFrame({"mine": pd.array(odd, pd.StringDtype(na_value=np.nan)), "number": range(len(odd))})
    ha.export_parquet(mine, tmp_path / "mine", partition_by="mine")
    same(ha.load_parquet(tmp_path / "mine").sort_values("number", ignore_index=True), mine)


def test_without_text_nothing_anybody_wrote_is_in_the_file(tmp_path):
    """The columns are gone, and so are their values and further attrs from every byte of the file."""
    turns = parsed(input="SECRET question", outputText="SECRET answer", structuredOutput={"a": "SECRET"})
    turns.attrs["note"] = "SECRET note"
    ha.export_parquet(turns, tmp_path / "turns.parquet", text=False)
    assert set(turns) - set(ha.load_parquet(tmp_path / "turns.parquet")) == TEXT_COLUMNS
    assert b"SECRET" not in (tmp_path / "turns.parquet").read_bytes()
    assert b"Weather report" not in (tmp_path / "turns.parquet").read_bytes()


def test_only_the_asked_columns_and_times_are_loaded(tmp_path):
    """Since is included, until is not, and columns come in the asked order."""
    days = [f"2026-05-{day:02d}T00:00:00.000Z" for day in range(1, 6)]
    turns = pd.concat([parsed(startedAt=day, credits=number) for number, day in enumerate(days)])
    ha.export_parquet(turns, tmp_path / "turns.parquet")
    loaded = ha.load_parquet(
        tmp_path / "turns.parquet",
        columns=["credits", "turn_id"],
        since="2026-05-02",
        until=dt.datetime(2026, 5, 4, tzinfo=dt.UTC),
    )
    assert list(loaded) == ["credits", "turn_id"]
    assert list(loaded["credits"]) == [1, 2]


@pytest.mark.parametrize(
    "value", [{}, {"a": {}}, [], [1, "a", None], {"a": [1, {"b": None}]}, 1.5, "text", {"é": "\u0000"}]
)
def test_any_structured_output_survives(tmp_path, value):
    """Whatever shape a structured output has, the file gives back the text that was sent."""
    turns = parsed(structuredOutput=value)
    ha.export_parquet(turns, tmp_path / "turns.parquet")
    assert json.loads(ha.load_parquet(tmp_path / "turns.parquet")["structured_output"][0]) == value


def test_objects_in_columns_become_json(tmp_path):
    """Columns that Parquet has no type for are written as JSON text rather than refused."""
    turns = pd.concat([parsed(), parsed()], ignore_index=True)
    turns["structured_output"] = [{}, {"a": 1}]
    turns["mine"] = [[1], {}]
    ha.export_parquet(turns, tmp_path / "turns.parquet")
    loaded = ha.load_parquet(tmp_path / "turns.parquet")
    assert list(loaded["structured_output"]) == ["{}", '{"a": 1}']
    assert list(loaded["mine"]) == ["[1]", "{}"]


def test_integers_that_a_merge_made_float_are_whole_again(tmp_path):
    """A float column of whole numbers goes back to the declared integers, gaps stay gaps."""
    turns = pd.concat([parsed(), parsed()], ignore_index=True).astype({"credits": float})
    turns.loc[1, "credits"] = None
    ha.export_parquet(turns, tmp_path / "turns.parquet")
    assert pq.read_table(tmp_path / "turns.parquet")["credits"].to_pylist() == [42, None]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        pytest.param({"credits": 42.5}, "column 'credits'.*cannot be int64", id="fraction"),
        pytest.param({"started_at": pd.Timestamp("2026-05-01")}, "'started_at' has no time zone", id="naive"),
        pytest.param({"mine": object()}, "column 'mine' cannot be written", id="object"),
        pytest.param({1: 1}, "names that are strings", id="name"),
    ],
)
def test_a_frame_that_cannot_be_written_leaves_no_file(tmp_path, change, text):
    """The error names the column, and the folder stays empty."""
    turns = parsed()
    for name, value in change.items():
        turns[name] = value
    with pytest.raises(FrameError, match=text):
        ha.export_parquet(turns, tmp_path / "turns.parquet")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_replaced_stays(tmp_path):
    """A failed export leaves what was there before, and nothing beside it."""
    target = tmp_path / "turns.parquet"
    target.mkdir()
    (target / "mine.txt").write_text("mine")
    with pytest.raises(FileError, match="cannot write"):
        ha.export_parquet(parsed(), target)
    with pytest.raises(FileError, match="has other things in it"):
        ha.export_parquet(parsed(), target, partition_by="month")
    assert [path.name for path in tmp_path.rglob("*")] == ["turns.parquet", "mine.txt"]


@pytest.mark.parametrize("partition_by", [None, "month"])
def test_a_full_disk_leaves_the_old_file(tmp_path, small_files, partition_by):
    """When space runs out the error says so, the old file or dataset is as it was, nothing is left over."""
    target = tmp_path / "turns.parquet"
    ha.export_parquet(parsed(), target, partition_by=partition_by)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    big = parsed(input=os.urandom(200_000).hex())
    with pytest.raises(FileError, match="cannot write"):
        ha.export_parquet(big, target, partition_by=partition_by)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["turns.parquet"]


def test_exporting_again_replaces(result, tmp_path):
    """The second export is what is there: a file, and a dataset without files of the first."""
    for partition_by in (None, "day"):
        target = tmp_path / str(partition_by)
        ha.export_parquet(result.turns, target, partition_by=partition_by)
        ha.export_parquet(parsed(), target, partition_by=partition_by)
        assert len(ha.load_parquet(target)) == 1


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        pytest.param(lambda path: None, FileError, "no such file", id="missing"),
        pytest.param(lambda path: path.write_bytes(b"PAR1 no more"), FileError, "cannot read", id="damaged"),
        pytest.param(lambda path: path.write_bytes(b""), FileError, "cannot read", id="empty"),
    ],
)
def test_a_file_that_is_none(tmp_path, make, error, text):
    """A file that is missing or not Parquet is an error that names it."""
    make(tmp_path / "turns.parquet")
    with pytest.raises(error, match=text) as caught:
        ha.load_parquet(tmp_path / "turns.parquet")
    assert "turns.parquet" in str(caught.value)


def test_a_file_of_a_newer_version_is_refused(tmp_path):
    """A schema version this package does not know is not guessed at."""
    turns = parsed()
    turns.attrs["handinger"]["schema"] = 99
    ha.export_parquet(turns, tmp_path / "turns.parquet")
    with pytest.raises(FileError, match=r"schema version 99.*upgrade"):
        ha.load_parquet(tmp_path / "turns.parquet")


def test_a_column_that_is_not_there(tmp_path):
    """The error names it, and what there is."""
    ha.export_parquet(parsed(), tmp_path / "turns.parquet")
    with pytest.raises(FrameError, match=r"no column 'credit'; it has turn_id, task_id"):
        ha.load_parquet(tmp_path / "turns.parquet", columns=["credit"])
    with pytest.raises(FrameError, match="partition_by names 'week'"):
        ha.export_parquet(parsed(), tmp_path / "turns", partition_by="week")


@pytest.mark.parametrize("columns", ["credits", ["credits"], ("credits", "credits")])
def test_columns_are_one_name_or_several(tmp_path, columns):
    """One column may be given by its name, and a column that is named twice comes once."""
    ha.export_parquet(parsed(), tmp_path / "turns.parquet")
    assert list(ha.load_parquet(tmp_path / "turns.parquet", columns=columns)) == ["credits"]


@pytest.mark.parametrize("columns", [[], 3, [3]])
def test_columns_that_are_no_names(tmp_path, columns):
    """The error says what is expected."""
    ha.export_parquet(parsed(), tmp_path / "turns.parquet")
    with pytest.raises(ArgumentError, match=r"columns: expected (one name|names of columns)"):
        ha.load_parquet(tmp_path / "turns.parquet", columns=columns)


@pytest.mark.parametrize("since", ["2026-05-01T10:00", dt.datetime(2026, 5, 1), "soon", 5])
def test_times_without_a_zone_are_refused(tmp_path, since):
    """A time of day needs an offset, and text must be ISO 8601."""
    ha.export_parquet(parsed(), tmp_path / "turns.parquet")
    with pytest.raises(ArgumentError, match=r"since: expected .*, found"):
        ha.load_parquet(tmp_path / "turns.parquet", since=since)


def test_a_uri_is_a_place_too(tmp_path):
    """URIs that pyarrow knows work like paths, and others are refused by name."""
    ha.export_parquet(parsed(), f"file://{tmp_path}/turns.parquet")
    assert len(ha.load_parquet(f"file://{tmp_path}/turns.parquet")) == 1
    with pytest.raises(FileError, match=r"ftp://host/x"):
        ha.export_parquet(parsed(), "ftp://host/x")


def test_nullable_numbers_stay_exact(tmp_path):
    """Whole numbers with a gap, and those that pandas calls nullable, come back digit by digit."""
    mine = pd.DataFrame(
        {
            "gap": pd.array([2**60 + 1, None], "Int64"),
            "full": pd.array([2**60 + 1, 1], "Int64"),
            "flag": pd.array([True, None], "boolean"),
        }
    )
    ha.export_parquet(mine, tmp_path / "mine.parquet")
    same(ha.load_parquet(tmp_path / "mine.parquet"), mine)
