"""Frames written and read back: one file, datasets, and what must not be written or trusted."""

import datetime as dt
import json
import os
import re
import shutil
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import handinger_analytics as ha
from handinger_analytics import ArgumentError, FileError, FrameError
from handinger_analytics.tables.schema import TASKS, TURNS
from tests.samples import FILES, TASK, TURN

TEXT = pd.StringDtype(na_value=np.nan)
TEXT_COLUMNS = {"input", "output_text", "structured_output", "task_title", "files", "extra"}


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


SECRETS = {
    "text": pd.Series(["SECRET"], dtype=TEXT),
    "string": pd.Series(["SECRET"], dtype="string[python]"),
    "category": pd.Series(["SECRET"], dtype="category"),
    "object": pd.Series(["SECRET"], dtype=object),
    "arrow": pd.Series(["SECRET"], dtype="string[pyarrow]"),
    "arrow text": pd.Series(["SECRET"], dtype=pd.ArrowDtype(pa.string())),
    "arrow category": pd.Series(["SECRET"], dtype=pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string()))),
    "bytes": pd.Series([b"SECRET"], dtype=object),
    "arrow bytes": pd.Series([b"SECRET"], dtype=pd.ArrowDtype(pa.binary())),
    "list": pd.Series([["SECRET"]], dtype=object),
    "dict": pd.Series([{"a": "SECRET"}], dtype=object),
    "arrow list": pd.Series([["SECRET"]], dtype=pd.ArrowDtype(pa.list_(pa.string()))),
    "arrow struct": pd.Series([{"a": "SECRET"}], dtype=pd.ArrowDtype(pa.struct([("a", pa.string())]))),
    "mixture": pd.Series([[1, "SECRET"]], dtype=object),
    "what Parquet has not": pd.Series([{1, "SECRET"}], dtype=object),
    "worker_name": pd.Series(["SECRET"]),
}
NUMBERS = {
    "int": pd.Series([1]),
    "Int64": pd.Series([1], dtype="Int64"),
    "float": pd.Series([1.5]),
    "Float64": pd.Series([1.5], dtype="Float64"),
    "bool": pd.Series([True]),
    "boolean": pd.Series([True], dtype="boolean"),
    "time": pd.Series(pd.to_datetime(["2026-05-01"], utc=True)),
    "span": pd.Series(pd.to_timedelta([5], unit="s")),
    "month": pd.Series(pd.period_range("2026-05", periods=1, freq="M")),
    "arrow int": pd.Series([1], dtype="int64[pyarrow]"),
    "arrow bool": pd.Series([True], dtype="bool[pyarrow]"),
    "arrow date": pd.Series([dt.date(2026, 5, 1)], dtype=pd.ArrowDtype(pa.date32())),
    "arrow decimal": pd.Series([Decimal("1.5")], dtype=pd.ArrowDtype(pa.decimal128(5, 2))),
}


def test_without_text_other_columns_stay_where_they_cannot_hold_any(tmp_path):
    """Numbers, booleans and times stay beside the table's own columns; all else goes, in attrs as well."""
    turns = parsed()
    own = [name for name in turns if name not in TEXT_COLUMNS]
    turns = turns.assign(**SECRETS, **NUMBERS)
    turns.attrs["handinger"] |= {"note": "SECRET", "folded": ["out.SECRET"], "list": [{"a": "SECRET"}]}
    ha.export_parquet(turns, tmp_path / "turns.parquet", text=False)
    loaded = ha.load_parquet(tmp_path / "turns.parquet")
    assert list(loaded) == [*own, *NUMBERS]
    assert set(loaded.attrs["handinger"]) == {"schema", "requested", "failed", "complete", "fetched_at"}
    assert b"SECRET" not in (tmp_path / "turns.parquet").read_bytes()


def test_without_text_exploded_outputs_keep_their_numbers(result, tmp_path):
    """Of what models put into fields, text goes, and a category stays where it is asked for."""
    outputs = ha.explode_structured_output(result.turns)
    text = [name for name in outputs if str(name).startswith("out") and outputs[name].dtype == TEXT]
    assert "out.reply" in text
    ha.export_parquet(outputs, tmp_path / "outputs.parquet", text=False, keep="out.category")
    loaded = ha.load_parquet(tmp_path / "outputs.parquet")
    assert set(outputs) - set(loaded) == set(text) - {"out.category"}
    same(loaded, outputs[list(loaded)])
    ha.export_parquet(
        result.turns, tmp_path / "turns", text=False, keep=["task_title", "input"], partition_by="day"
    )
    kept = ha.load_parquet(tmp_path / "turns")
    assert TEXT_COLUMNS - {"task_title", "input"} == set(result.turns) - set(kept)


@pytest.mark.parametrize(
    ("keywords", "error", "text"),
    [
        pytest.param({"keep": "input"}, ArgumentError, "keep: expected None with text=True", id="text"),
        pytest.param(
            {"keep": 5, "text": False}, ArgumentError, "keep: expected names of columns", id="no name"
        ),
        pytest.param(
            {"keep": ["input", "inputs"], "text": False},
            FrameError,
            "keep: no column 'inputs'; it has turn_id,",
            id="absent",
        ),
    ],
)
def test_columns_that_cannot_be_kept(tmp_path, keywords, error, text):
    """The error says what is wrong with `keep`, and nothing is written."""
    with pytest.raises(error, match=text):
        ha.export_parquet(parsed(), tmp_path / "turns.parquet", **keywords)
    assert list(tmp_path.iterdir()) == []


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


def test_missing_json_stays_missing(tmp_path):
    """A structured output that a merge or concat left missing is null, not the text NaN."""
    turns = pd.concat([parsed()] * 5, ignore_index=True)
    turns["structured_output"] = pd.Series([{"a": np.nan}, np.nan, pd.NA, None, "[1]"], dtype=object)
    ha.export_parquet(turns, tmp_path / "turns.parquet")
    written = pq.read_table(tmp_path / "turns.parquet")["structured_output"]
    assert written.to_pylist() == ['{"a": null}', None, None, None, "[1]"]
    turns["structured_output"] = pd.Series([{1, 2}, {object()}, None, None, None], dtype=object)
    with pytest.raises(FrameError, match="column 'structured_output' cannot be written: JSON has no object"):
        ha.export_parquet(turns, tmp_path / "turns.parquet")


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


@pytest.mark.parametrize("partition_by", [None, "month"])
@pytest.mark.parametrize("version", [ha.SCHEMA_VERSION + 1, 99])
def test_a_file_of_a_newer_version_is_refused(tmp_path, version, partition_by):
    """A schema version this package does not know is not guessed at."""
    turns = parsed()
    turns.attrs["handinger"]["schema"] = version
    ha.export_parquet(turns, tmp_path / "turns", partition_by=partition_by)
    with pytest.raises(FileError, match=rf"schema version {version}, .*; upgrade handinger-analytics"):
        ha.load_parquet(tmp_path / "turns")


SCHEMA_1 = Path(__file__).parent / "schema1"
"""Files that were written before there were ``fetched_at`` and ``extra``."""
WRITTEN = {
    "schema": 1, "requested": 9, "failed": 1, "complete": False, "fetched_at": "2026-11-25T17:25:42.003+00:00"
}  # fmt: skip


@pytest.mark.parametrize("dtype_backend", ["numpy", "pyarrow"])
@pytest.mark.parametrize(
    ("name", "columns", "rows"),
    [("tasks.parquet", TASKS, 8), ("turns.parquet", TURNS, 10), ("turns-by-month", TURNS, 10)],
)
def test_files_of_schema_1_have_the_columns_of_today(tmp_path, name, columns, rows, dtype_backend):
    """They load with all columns, the new ones null, in the dtypes of today and with their provenance."""
    loaded = ha.load_parquet(SCHEMA_1 / name, dtype_backend=dtype_backend)
    assert (len(loaded), loaded["credits"].sum(), loaded["credits"].dtype.kind) == (rows, 1556, "i")
    assert list(loaded) == [column.name for column in columns]
    assert loaded[["fetched_at", "extra"]].isna().all(axis=None)
    assert loaded.attrs == {"handinger": WRITTEN}
    nothing = ha.parse_bodies([], dtype_backend=dtype_backend)
    today = nothing.tasks if columns == TASKS else nothing.turns
    pd.testing.assert_series_equal(loaded.dtypes, today.dtypes)
    ha.export_parquet(loaded, tmp_path / name)
    same(ha.load_parquet(tmp_path / name, dtype_backend=dtype_backend), loaded)


def test_new_columns_of_schema_1_are_asked_for_like_others():
    """They can be read alone, and beside a span of time."""
    turns = ha.load_parquet(SCHEMA_1 / "turns.parquet", columns="fetched_at")
    assert turns["fetched_at"].tolist() == [pd.NaT] * 10
    june = ha.load_parquet(SCHEMA_1 / "turns-by-month", columns=["extra", "credits"], since="2026-06-01")
    assert 0 < len(june) < 10
    assert list(june) == ["extra", "credits"]
    with pytest.raises(FrameError, match=r"no column 'extras'; it has .*task_title, fetched_at, extra$"):
        ha.load_parquet(SCHEMA_1 / "turns.parquet", columns="extras")


def test_tables_of_schema_1_without_text_or_with_other_columns(tmp_path):
    """Without text there is no extra; columns of one's own come last; a part of a table stays as it is."""
    turns = pq.read_table(SCHEMA_1 / "turns.parquet")
    text = [column.name for column in TURNS if column.text and column.name in turns.column_names]
    pq.write_table(
        turns.drop_columns(text).append_column("team", turns["worker_id"]), tmp_path / "cost.parquet"
    )
    assert list(ha.load_parquet(tmp_path / "cost.parquet"))[-3:] == ["triggered_by", "fetched_at", "team"]
    pq.write_table(turns.append_column("team", turns["worker_id"]), tmp_path / "turns.parquet")
    assert list(ha.load_parquet(tmp_path / "turns.parquet"))[-4:] == [
        "task_title",
        "fetched_at",
        "extra",
        "team",
    ]
    pq.write_table(turns.select(["turn_id", "credits"]), tmp_path / "part.parquet")
    assert list(ha.load_parquet(tmp_path / "part.parquet")) == ["turn_id", "credits"]


def test_files_are_lists_for_other_readers(tmp_path):
    """The files of turns, JSON text in pandas, are lists of structs in the file, from text or from lists."""
    turns = pd.concat([parsed(files=FILES), parsed()], ignore_index=True)
    as_lists = turns.assign(files=pd.Series([FILES_AS_COLUMNS, []], dtype=object))
    for frame in (turns, as_lists):
        ha.export_parquet(frame, tmp_path / "turns.parquet")
        written = pq.read_table(tmp_path / "turns.parquet")["files"]
        assert written.type.value_type == pa.struct(
            [
                pa.field("filename", pa.string()),
                pa.field("media_type", pa.string(), nullable=False),
                pa.field("url", pa.string(), nullable=False),
                pa.field("size", pa.int64()),
            ]
        )
        assert written.to_pylist() == [FILES_AS_COLUMNS, []]
        same(ha.load_parquet(tmp_path / "turns.parquet"), turns)


FILES_AS_COLUMNS = [
    {
        "filename": file["filename"],
        "media_type": file["mediaType"],
        "url": file["url"],
        "size": file.get("size"),
    }
    for file in FILES
]


def test_the_writer_of_pandas_keeps_everything(result, tmp_path):
    """What `to_parquet` writes, `read_parquet` of pandas and ours read, with attrs; JSON text stays text."""
    result.turns.to_parquet(tmp_path / "turns.parquet")
    read = pd.read_parquet(tmp_path / "turns.parquet").astype(result.turns.dtypes)  # pandas 2 has objects
    same(read, result.turns)
    same(ha.load_parquet(tmp_path / "turns.parquet"), result.turns)


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


def utc(*times):
    """Return nanoseconds in UTC."""
    return pd.Series(np.array(times, "M8[ns]")).dt.tz_localize("UTC")


def of_dtype(dtype, *values):
    """Return a column of a dtype, with the values."""
    return pd.Series(values, dtype=dtype)


INDIA = dt.timezone(dt.timedelta(hours=5, minutes=30))
AS_THEY_WERE = {
    "period[M]": pd.Series(pd.PeriodIndex(["2026-05", None, "2026-07"], freq="M")),
    "period[W]": pd.Series(pd.period_range("2026-05-04", periods=3, freq="W-SUN")),
    "interval": pd.Series(pd.interval_range(0, 3, closed="left")),
    "interval with a gap": pd.Series(pd.arrays.IntervalArray.from_tuples([(0.5, 1.5), None])),
    "interval of times": pd.Series(pd.interval_range(pd.Timestamp("2026-05-01"), periods=2)),
    "times, ns": pd.Series(np.array(["2026-05-01T00:00:00.123456789", "NaT"], "M8[ns]")),
    "times, us": pd.Series(np.array(["2026-05-01T00:00:00.123456", "NaT"], "M8[us]")),
    "times, ms": pd.Series(np.array(["2026-05-01", "NaT"], "M8[ms]")),
    "times, s": pd.Series(np.array(["2026-05-01", "NaT"], "M8[s]")),
    "utc, s": utc("2026-05-01", "NaT").dt.as_unit("s"),
    "utc, ns": utc("2026-05-01T00:00:00.123456789", "NaT"),
    "zone": utc("2026-05-01", "NaT").dt.tz_convert("Europe/Madrid"),
    "zone of three words": utc("2026-05-01").dt.tz_convert("America/Argentina/Buenos_Aires"),
    "offset": utc("2026-05-01", "NaT").dt.as_unit("s").dt.tz_convert(INDIA),
    **{f"span, {unit}": pd.Series(np.array([1, "NaT"], f"m8[{unit}]")) for unit in ("ns", "us", "ms", "s")},
    **{name: of_dtype(name, 1, 2) for name in ("int8", "uint16", "int32", "int64", "float16", "float32")},
    **{name: of_dtype(name, 1, None) for name in ("Int8", "UInt16", "Int64", "Float32", "Float64")},
    "uint64": of_dtype("uint64", 2**64 - 1, 1),
    "UInt64": of_dtype("UInt64", 2**64 - 1, None),
    "float64": of_dtype("float64", 1.5, None, np.inf),
    "bool": of_dtype("bool", True, False),
    "boolean": of_dtype("boolean", True, None),
    "str": of_dtype(TEXT, "a", None),
    "string[python]": of_dtype("string[python]", "a", None),
    "string[pyarrow]": of_dtype("string[pyarrow]", "a", None),
    "category": of_dtype("category", "b", None, "a"),
    "unused category": pd.Series(pd.Categorical(["b", None], ["b", "a", "z"])),
    "ordered category": pd.Series(pd.Categorical(["b", None], ["z", "b", "a"], ordered=True)),
    "category of nothing": of_dtype("category", None, None),
    "dates": of_dtype(object, dt.date(2026, 5, 1), None),
    "decimals": of_dtype(object, Decimal("1.10"), Decimal("20.00")),
    "bytes": of_dtype(object, b"a", None),
    "Arrow list": of_dtype(pd.ArrowDtype(pa.list_(pa.int64())), [1], None),
    "Arrow struct": of_dtype(pd.ArrowDtype(pa.struct([("a", pa.int64())])), {"a": 1}, None),
}  # fmt: skip


@pytest.mark.parametrize("name", AS_THEY_WERE)
@pytest.mark.parametrize("partition_by", [None, "part"])
def test_dtypes_that_come_back(tmp_path, name, partition_by):
    """A column of any of these dtypes comes back with the dtype and the values it had."""
    mine = pd.DataFrame({"mine": AS_THEY_WERE[name], "part": 1})
    ha.export_parquet(mine, tmp_path / "mine", partition_by=partition_by)
    same(ha.load_parquet(tmp_path / "mine"), mine)


@pytest.mark.parametrize("name", ["period[M]", "interval", "string[python]", "UInt64", "zone", "times, s"])
def test_partitions_of_these_dtypes_come_back(tmp_path, name):
    """So does a column whose values are the names of folders, unless folders cannot be named after them."""
    mine = pd.DataFrame({"mine": AS_THEY_WERE[name], "number": range(len(AS_THEY_WERE[name]))})
    if name == "interval":
        with pytest.raises(FileError, match="cannot write"):
            ha.export_parquet(mine, tmp_path / "mine", partition_by="mine")
    else:
        ha.export_parquet(mine, tmp_path / "mine", partition_by="mine")
        same(ha.load_parquet(tmp_path / "mine").sort_values("number", ignore_index=True), mine)


def test_partitions_of_categories_come_back(tmp_path):
    """They are categories again, of those values that there are."""
    mine = pd.DataFrame({"mine": AS_THEY_WERE["category"], "number": range(3)})
    ha.export_parquet(mine, tmp_path / "mine", partition_by="mine")
    loaded = ha.load_parquet(tmp_path / "mine").sort_values("number")["mine"]
    assert loaded.cat.categories.tolist() == ["a", "b"]
    assert loaded.isna().tolist() == [False, True, False]


def test_ordered_partitions_are_refused(tmp_path):
    """The names of folders have no order of their own."""
    mine = pd.DataFrame({"mine": AS_THEY_WERE["ordered category"]})
    with pytest.raises(
        FrameError, match="partition_by: folders do not keep the order of 'mine'; partition by"
    ):
        ha.export_parquet(mine, tmp_path / "mine", partition_by="mine")


@pytest.mark.parametrize("name", ["period[M]", "interval"])
def test_dtypes_of_pandas_alone_come_back_beside_those_of_arrow(tmp_path, name):
    """Arrow has no periods and intervals, so with its dtypes too they are those of pandas."""
    mine = pd.DataFrame({"mine": AS_THEY_WERE[name], "number": 1})
    ha.export_parquet(mine, tmp_path / "mine.parquet")
    loaded = ha.load_parquet(tmp_path / "mine.parquet", dtype_backend="pyarrow")
    pd.testing.assert_series_equal(loaded["mine"], mine["mine"])
    assert loaded["number"].dtype == "int64[pyarrow]"


@pytest.mark.parametrize(
    "kind",
    [pa.int64(), pa.uint64(), pa.float64(), pa.bool_(), pa.string(), pa.large_string(), pa.binary(),
     pa.date32(), pa.timestamp("us", "Europe/Madrid"), pa.duration("s"),
     pa.time64("us"), pa.decimal128(10, 2), pa.null()],
    ids=str,
)  # fmt: skip
def test_arrow_dtypes_come_back_where_they_are_asked_for(tmp_path, kind):
    """A column of Arrow has its dtype again on the Arrow backend, and can be read without."""
    mine = pd.DataFrame({"mine": pd.Series([None, None], dtype=pd.ArrowDtype(kind))})
    ha.export_parquet(mine, tmp_path / "mine.parquet")
    same(ha.load_parquet(tmp_path / "mine.parquet", dtype_backend="pyarrow"), mine)
    assert ha.load_parquet(tmp_path / "mine.parquet")["mine"].isna().all()


def test_unsigned_numbers_of_arrow_are_read_exactly(tmp_path):
    """Beyond int64, with a gap, they are nullable numbers without a sign."""
    numbers = of_dtype("uint64[pyarrow]", 2**64 - 1, None)
    ha.export_parquet(pd.DataFrame({"mine": numbers}), tmp_path / "mine.parquet")
    loaded = ha.load_parquet(tmp_path / "mine.parquet")["mine"]
    pd.testing.assert_series_equal(loaded, of_dtype("UInt64", 2**64 - 1, None), check_names=False)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param(["b", None, np.nan, pd.NA], of_dtype(TEXT, "b", None, None, None), id="text"),
        pytest.param([1, 2], of_dtype("int64", 1, 2), id="whole"),
        pytest.param([1, None], of_dtype("Int64", 1, None), id="whole with a gap"),
        pytest.param([1, 1.5], of_dtype("float64", 1, 1.5), id="numbers"),
        pytest.param([True, None], of_dtype("boolean", True, None), id="booleans"),
        pytest.param([{"a": 1}, {"b": [None]}], of_dtype(TEXT, '{"a": 1}', '{"b": [null]}'), id="dicts"),
        pytest.param([[{"a": 1}], None], of_dtype(TEXT, '[{"a": 1}]', None), id="lists of dicts"),
        pytest.param([1, "a", None, np.nan], of_dtype(TEXT, "1", '"a"', None, None), id="mixture"),
        pytest.param([2**70, 1], of_dtype(TEXT, str(2**70), "1"), id="large"),
        pytest.param(
            [{"a": np.nan, "b": np.array([1])}], of_dtype(TEXT, '{"a": null, "b": [1]}'), id="NaN within"
        ),
    ],
)
def test_objects_come_back_as_what_they_are(tmp_path, values, expected):
    """Objects have the dtype of their values; dicts and mixtures are JSON text, to the last digit."""
    ha.export_parquet(pd.DataFrame({"mine": pd.Series(values, dtype=object)}), tmp_path / "mine.parquet")
    pd.testing.assert_series_equal(
        ha.load_parquet(tmp_path / "mine.parquet")["mine"], expected, check_names=False
    )


@pytest.mark.parametrize(
    "column",
    [
        pytest.param(pd.cut(pd.Series([1, 5]), [0, 2, 6]), id="bins"),
        pytest.param(pd.Series(pd.arrays.SparseArray([0, 1])), id="sparse"),
        pytest.param(pd.Series([1 + 2j]), id="complex"),
        pytest.param(of_dtype("int64", 1, 5).astype("category"), id="category of numbers"),
        pytest.param(pd.Series(pd.Categorical(["a", 1])), id="category of anything"),
        pytest.param(utc("2026-05-01").astype("category"), id="category of times"),
        pytest.param(utc("2026-05-01").dt.tz_convert(dt.timezone(dt.timedelta(seconds=7))), id="odd offset"),
        pytest.param(of_dtype(object, {(1, 2): 3}), id="tuple as a key"),
        pytest.param(of_dtype(object, pd.Period("2026-05", "M"), 1), id="periods in a mixture"),
    ],
)
def test_dtypes_that_would_not_come_back(tmp_path, column):
    """They are refused with the name of the column and what to convert it to."""
    with pytest.raises(FrameError, match=r"column 'mine' .*; convert it .*to text or numbers"):
        ha.export_parquet(pd.DataFrame({"mine": column}), tmp_path / "mine.parquet")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_several_exports_says_what_all_say(result, tmp_path):
    """One of them is incomplete, so the whole is; what another tool wrote keeps its provenance, too."""
    for name, complete in (("may", True), ("june", False)):
        turns = result.turns.copy()
        turns.attrs["handinger"] = {
            "schema": 2,
            "requested": 9,
            "failed": 9 * (not complete),
            "complete": complete,
        }
        ha.export_parquet(turns, tmp_path / f"{name}.parquet")
        pq.write_table(pq.read_table(tmp_path / f"{name}.parquet"), tmp_path / f"{name}.parquet")
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["june.parquet", "may.parquet"]
    assert not ha.load_parquet(tmp_path).attrs["handinger"]["complete"]
    (tmp_path / "june.parquet").rename(tmp_path / "older.parquet")
    turns = ha.load_parquet(tmp_path)
    assert not turns.attrs["handinger"]["complete"]
    assert turns.attrs["handinger"]["failed"] == 9
    rows = pq.read_table(tmp_path / "may.parquet")
    bare = rows.replace_schema_metadata({b"handinger": rows.schema.metadata[b"handinger"]})
    pq.write_table(bare, tmp_path / "may.parquet")
    assert ha.load_parquet(tmp_path / "may.parquet").attrs["handinger"]["complete"]


def test_a_folder_of_several_exports_has_the_columns_of_all(result, tmp_path):
    """Also where a file that another tool wrote, or one of schema 1, comes first."""
    turns = result.turns.assign(team="red")
    ha.export_parquet(turns, tmp_path / "b.parquet")
    bare = pq.read_table(SCHEMA_1 / "turns.parquet").replace_schema_metadata(None)
    pq.write_table(bare, tmp_path / "a.parquet")
    for _ in range(2):
        loaded = ha.load_parquet(tmp_path)
        assert loaded["fetched_at"].notna().sum() == loaded["team"].eq("red").sum() == len(turns)
        assert len(loaded) == len(turns) + bare.num_rows
        shutil.copy(SCHEMA_1 / "turns.parquet", tmp_path / "a.parquet")
    assert list(loaded)[-3:] == ["fetched_at", "extra", "team"]


def test_a_folder_with_one_newer_file(result, tmp_path):
    """It is refused as the file alone is, whichever file comes first."""
    ha.export_parquet(result.turns, tmp_path / "a.parquet")
    table = pq.read_table(tmp_path / "a.parquet")
    pq.write_table(table.replace_schema_metadata({b"handinger": b'{"schema": 3}'}), tmp_path / "b.parquet")
    with pytest.raises(FileError, match="schema version 3, this package knows up to 2; upgrade"):
        ha.load_parquet(tmp_path)
    pq.write_table(table.replace_schema_metadata({b"handinger": b"[1]"}), tmp_path / "b.parquet")
    with pytest.raises(FileError, match="its metadata is damaged"):
        ha.load_parquet(tmp_path)


def test_a_folder_of_tasks_and_turns(result, tmp_path):
    """Such a folder, as a fetch writes it, is no one frame."""
    ha.export_parquet(result.tasks, tmp_path / "tasks.parquet")
    ha.export_parquet(result.turns, tmp_path / "turns.parquet")
    with pytest.raises(FileError, match="as one frame: it has files of tasks and of turns; load"):
        ha.load_parquet(tmp_path)
