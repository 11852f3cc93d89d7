"""Frames of several fetches become one, in which each turn is as it was when it was fetched last."""

from __future__ import annotations

import copy
import datetime as dt
import json
import math
import random
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import handinger_analytics as ha
from handinger_analytics.tables.frames import to_pandas
from handinger_analytics.tables.schema import TURNS
from tests.metrics.turns_by_hand import tasks_table, turns_table

TEXT = pd.StringDtype(na_value=np.nan)
MAY = dt.datetime(2026, 5, 31, tzinfo=dt.UTC)
JUNE = dt.datetime(2026, 6, 30, tzinfo=dt.UTC)


def turns_of(*rows: dict[str, Any]) -> pa.Table:
    """Build turns by hand."""
    return turns_table(list(rows))


def frame_of(*rows: dict[str, Any]) -> pd.DataFrame:
    """Build turns by hand, as pandas has them."""
    return to_pandas(turns_of(*rows), TURNS)


def credits_of(frame: Any) -> list[tuple[str, int]]:
    """Return id and credits of each turn, in the order of the rows."""
    table = nw.from_native(frame).lazy().collect().to_arrow()
    return list(zip(table["turn_id"].to_pylist(), table["credits"].to_pylist(), strict=True))


def dtypes_of(frame: Any) -> Any:
    """Return the columns and dtypes, as the engine has them."""
    return (
        frame.dtypes.astype(str).to_dict()
        if isinstance(frame, pd.DataFrame)
        else nw.from_native(frame).collect_schema()
    )


Reader = Callable[[pa.Table], Any]


@pytest.fixture
def engine(read: Callable[[Path], Any], tmp_path: Path) -> Reader:
    """Give a function that brings a table to the engine."""
    written = iter(range(100))

    def bring(table: pa.Table) -> Any:
        path = tmp_path / f"{next(written)}.parquet"
        pq.write_table(table, path)
        return read(path)

    return bring


A, B, C = ({"turn_id": f"trn_{letter}"} for letter in "abc")

HISTORIES: dict[str, tuple[list[list[dict[str, Any]]], list[tuple[str, int]]]] = {
    "newer frame last": (
        [
            [A | {"fetched_at": MAY, "credits": 0}, B | {"fetched_at": MAY}],
            [A | {"fetched_at": JUNE, "credits": 7}],
        ],
        [("trn_a", 7), ("trn_b", 1)],
    ),
    "newer frame first": (
        [
            [A | {"fetched_at": JUNE, "credits": 7}],
            [B | {"fetched_at": MAY}, A | {"fetched_at": MAY, "credits": 0}],
        ],
        [("trn_a", 7), ("trn_b", 1)],
    ),
    "a row that says nothing is older": (
        [[B, A | {"fetched_at": MAY, "credits": 7}], [A | {"credits": 0}, B | {"credits": 2}]],
        [("trn_b", 2), ("trn_a", 7)],
    ),
    "equally new: the last frame": (
        [
            [A | {"fetched_at": MAY}],
            [A | {"fetched_at": MAY, "credits": 5}],
            [A | {"fetched_at": MAY, "credits": 3}],
        ],
        [("trn_a", 3)],
    ),
    "repeats within a frame": (
        [[C, A | {"fetched_at": JUNE}, A | {"fetched_at": MAY, "credits": 9}, C | {"credits": 4}], [B]],
        [("trn_c", 4), ("trn_a", 1), ("trn_b", 1)],
    ),
    "one turn id in two tasks": (
        [[A | {"fetched_at": JUNE}], [A | {"fetched_at": MAY, "task_id": "tsk_2", "credits": 2}]],
        [("trn_a", 1), ("trn_a", 2)],
    ),
    "one frame": ([[B, A, B | {"credits": 2}]], [("trn_b", 2), ("trn_a", 1)]),
    "no rows": ([[], [A], []], [("trn_a", 1)]),
    "none at all": ([[], []], []),
}


@pytest.mark.parametrize("history", HISTORIES)
def test_newest_row_of_each_turn(engine: Reader, history: str) -> None:
    """Each turn is as it was when fetched last, in the order in which turns are met, lazily if asked."""
    parts, expected = HISTORIES[history]
    frames = [engine(turns_of(*rows)) for rows in parts]
    found = ha.combine(*frames)
    assert type(found) is type(frames[0])
    assert dtypes_of(found) == dtypes_of(frames[0])
    assert credits_of(found) == expected


def test_tasks(engine: Reader) -> None:
    """Tasks are told apart by their id alone."""
    older, newer = (
        engine(tasks_table(rows))
        for rows in (
            [{"task_id": "tsk_1", "fetched_at": MAY, "status": "running"}, {"task_id": "tsk_2"}],
            [{"task_id": "tsk_1", "fetched_at": JUNE, "credits": 5}],
        )
    )
    table = nw.from_native(ha.combine(newer, older)).lazy().collect().to_arrow()
    assert table["task_id"].to_pylist() == ["tsk_1", "tsk_2"]
    assert table["status"].to_pylist() == ["completed", "completed"]
    assert table["credits"].to_pylist() == [5, 1]


def test_columns_of_the_first(engine: Reader) -> None:
    """What the first frame lacks is left out but decides by its time; what another lacks is missing there."""
    first = engine(turns_of(A, B).drop_columns("fetched_at"))
    second = engine(
        turns_of(A | {"fetched_at": JUNE, "credits": 7})
        .drop_columns(["input_tokens", "output_text"])
        .append_column("team", pa.array(["red"]))
    )
    third = engine(turns_of(A | {"fetched_at": MAY, "credits": 3}))
    found = ha.combine(first, second, third)
    assert nw.from_native(found).collect_schema().names() == nw.from_native(first).collect_schema().names()
    assert credits_of(found) == [("trn_a", 7), ("trn_b", 1)]
    table = nw.from_native(found).lazy().collect().to_arrow()
    assert table["input_tokens"].to_pylist() == [None, 10]
    assert table["output_text"].to_pylist() == [None, "Done"]


def test_no_frame_says_when(engine: Reader) -> None:
    """Without any times the last frame has the last word."""
    frames = [engine(turns_of(A | {"credits": n}).drop_columns("fetched_at")) for n in (3, 9, 5)]
    assert credits_of(ha.combine(*frames)) == [("trn_a", 5)]


def test_units_and_texts_of_the_first(engine: Reader) -> None:
    """Times in other units and texts of other types are compared, and become those of the first."""
    first = turns_of(A | {"fetched_at": JUNE, "credits": 7}, B | {"fetched_at": MAY})
    other = turns_of(A | {"fetched_at": MAY}, B | {"fetched_at": JUNE, "credits": 8})
    for name, kind in (
        ("fetched_at", pa.timestamp("us", "UTC")),
        ("status", pa.string()),
        ("credits", pa.int32()),
        ("output_text", pa.string()),
    ):
        at = other.schema.get_field_index(name)
        other = other.set_column(at, name, other[name].cast(kind))
    first_here = engine(first)
    found = ha.combine(first_here, engine(other))
    assert credits_of(found) == [("trn_a", 7), ("trn_b", 8)]
    assert dtypes_of(found) == dtypes_of(first_here)


def test_times_without_a_zone(engine: Reader) -> None:
    """When rows were fetched must be an instant, or nobody knows which is newer."""
    naive = turns_of(A | {"fetched_at": MAY})
    at = naive.schema.get_field_index("fetched_at")
    naive = naive.set_column(at, "fetched_at", naive["fetched_at"].cast("timestamp[us]"))
    with pytest.raises(ha.FrameError, match="frames: column 'fetched_at' has no time zone"):
        ha.combine(engine(turns_of(A)), engine(naive))


NAIVE = pa.array([dt.datetime(2026, 5, 1)], pa.timestamp("ms"))
AWARE = NAIVE.cast(pa.timestamp("ms", "UTC"))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(pa.array([1]), pa.array([1.5]), id="integers, then fractions"),
        pytest.param(pa.array([1]), pa.array([Decimal("1.5")]), id="integers, then decimals"),
        pytest.param(pa.array([1]), pa.array(["1.50"]), id="integers, then text"),
        pytest.param(pa.array([1.0]), pa.array(["1.50"]), id="floats, then text"),
        pytest.param(pa.array([True]), pa.array([2]), id="booleans, then integers"),
        pytest.param(AWARE, NAIVE, id="instants, then times without a zone"),
        pytest.param(NAIVE, AWARE, id="times without a zone, then instants"),
    ],
)
def test_dtypes_that_do_not_fit(engine: Reader, first: pa.Array, second: pa.Array) -> None:
    """A column that would lose or change values in the dtype of the first is refused on every engine."""
    one, other = (turns_of(row).append_column("own", own) for row, own in ((A, first), (B, second)))
    with pytest.raises(ha.FrameError, match=r"frames: .*column 'own'"):
        ha.combine(engine(one), engine(other))


def test_names_of_the_users(engine: Reader) -> None:
    """Columns may have any names, also such as a program would choose."""
    names = ["_position", "_frame", "_instant", "_rank", "_first_frame", "_first_position"]
    one, other = (turns_of(row).select(["turn_id", "task_id", "credits"]) for row in (A, B))
    for name in names:
        one, other = one.append_column(name, pa.array([1])), other.append_column(name, pa.array([2]))
    table = nw.from_native(ha.combine(engine(one), engine(other))).lazy().collect().to_arrow()
    assert [table[name].to_pylist() for name in names] == [[1, 2]] * 6


@pytest.mark.parametrize("kind", ["polars", "duckdb"])
def test_wider_numbers_and_nested_values(kind: str) -> None:
    """Numbers become the wider of two types; nested values and text are refused, not shown as a repr."""
    bring = pytest.importorskip(kind).from_arrow

    def own(first: pa.Array, second: pa.Array) -> list[Any]:
        parts = [turns_of(row).append_column("own", values) for row, values in ((A, first), (B, second))]
        found = nw.from_native(ha.combine(*map(bring, parts))).lazy().collect().to_arrow()
        values: list[Any] = found["own"].to_pylist()
        return values

    assert own(pa.array([1], "int16"), pa.array([2**40])) == [1, 2**40]
    assert own(pa.array([1]), pa.array([2], "uint8")) == [1, 2]
    if kind == "polars":  # DuckDB takes a list of nothing for one of numbers
        assert own(pa.array([[]], pa.list_(pa.null())), pa.array([[{"a": 1}]])) == [[], [{"a": 1}]]
    assert own(pa.array([1], "float"), pa.array([16777217.0])) == [1, 16777217]
    for first, second in (
        (pa.array([["a"]]), pa.array(["a"])),
        (pa.array(["a"]), pa.array([["a"]])),
        (pa.array([["a"]]), pa.array([[1]])),
        (pa.array([[{"a": 1}]]), pa.array([[{"a": 1, "b": 2}]])),
        (pa.array([1], "uint64"), pa.array([-1])),
    ):
        with pytest.raises(
            ha.FrameError, match=r"column 'own' as .* found .*; cast it or leave it out in one"
        ):
            own(first, second)


def test_nested_values_and_gaps_of_arrow() -> None:
    """A list without values fits any, a list of other values none, and NaN is no value that could change."""

    def own(first: pa.Array, second: pa.Array) -> str:
        parts = [turns_of(row).append_column("own", values) for row, values in ((A, first), (B, second))]
        return str(ha.combine(*parts)["own"].to_pylist())

    assert own(pa.array([[{"a": 1}]]), pa.array([[]], pa.list_(pa.null()))) == "[[{'a': 1}], []]"
    assert own(pa.array([1.5]), pa.array([math.nan], "float")) == "[1.5, nan]"
    for first, second in ((["a"], [1]), ([{"a": 1}], [{"a": 1, "b": 2}])):
        with pytest.raises(ha.FrameError, match=r"'own' does not fit .* would not keep its values"):
            own(pa.array([first]), pa.array([second]))


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow"])
@pytest.mark.parametrize("key", ["turn_id", "task_id"])
def test_rows_without_an_id(kind: str, key: str) -> None:
    """Rows of which nobody knows which turn they are do not become one."""
    table = pa.table({"turn_id": ["a", "b"], "task_id": ["a", "b"]} | {key: pa.array([None, None], "string")})
    frame = {"pandas": table.to_pandas, "polars": lambda: polars_of(table), "pyarrow": lambda: table}[kind]()
    with pytest.raises(ha.FrameError, match=f"frames: expected '{key}' in every row, found 2 without; drop"):
        ha.combine(frame)


def test_many_rows_of_one_instant() -> None:
    """The last of many rows counts, times finer than a microsecond are cut off, and rows count from 0."""
    later = pd.Timestamp("2026-06-30T00:00:00.000000001Z")
    instants = random.Random(0).choices([later, MAY], k=1000)
    found = ha.combine(frame_of(*[A, B] * 500).assign(credits=range(1000), fetched_at=instants))
    last = [max(number for number in range(start, 1000, 2) if instants[number] == later) for start in (0, 1)]
    assert credits_of(found) == [("trn_a", last[0]), ("trn_b", last[1])]
    assert found.index.equals(pd.RangeIndex(2))


def test_turn_that_a_later_fetch_lacks() -> None:
    """Turns are never deleted at Handinger, so that one which a later fetch lacks stays."""
    older = frame_of(A | {"fetched_at": MAY}, B | {"fetched_at": MAY})
    newer = frame_of(A | {"fetched_at": JUNE, "credits": 7})
    assert credits_of(ha.combine(older, newer)) == [("trn_a", 7), ("trn_b", 1)]


@pytest.mark.parametrize("backend", ["numpy", "pyarrow"])
def test_pandas_dtypes(backend: Any) -> None:
    """The dtypes are those of fetched frames, whatever their backend, and rows are numbered from 0."""
    rows = [A | {"fetched_at": MAY, "status": "running"}, B | {"status": "not yet known", "files": [FILE]}]
    one, other = (to_pandas(turns_of(row), TURNS, dtype_backend=backend) for row in rows)
    expected = to_pandas(turns_of(*rows), TURNS, dtype_backend=backend)
    found = ha.combine(one.set_axis([5]), other.set_axis([5]))
    pd.testing.assert_frame_equal(found, expected, check_categorical=False)


FILE = {"filename": "a.pdf", "media_type": "application/pdf", "url": "https://example.com/a.pdf", "size": 1}


@pytest.mark.parametrize("mapper", [None, pd.ArrowDtype], ids=["objects", "Arrow lists"])
def test_files_as_pandas_reads_them(tmp_path: Path, mapper: Any) -> None:
    """Lists of files, which other readers of Parquet give, become JSON beside the JSON of fetched frames."""
    ha.export_parquet(frame_of(B | {"files": [FILE]}, C), tmp_path / "turns.parquet")
    read = pq.read_table(tmp_path / "turns.parquet").to_pandas(types_mapper=mapper)
    found = ha.combine(frame_of(A), read)["files"]
    assert [json.loads(files) for files in found] == [[], [FILE], []]


@pytest.mark.parametrize(("backend", "other"), [("numpy", "pyarrow"), ("pyarrow", "numpy")])
def test_mixed_backends(backend: Any, other: Any) -> None:
    """A frame of another backend takes the dtypes of the first."""
    rows = [A | {"status": "running"}, B | {"created_by_user_id": "usr_1"}]
    first = to_pandas(turns_of(rows[0]), TURNS, dtype_backend=backend)
    found = ha.combine(first, to_pandas(turns_of(rows[1]), TURNS, dtype_backend=other))
    expected = to_pandas(turns_of(*rows), TURNS, dtype_backend=backend)
    pd.testing.assert_frame_equal(found, expected, check_categorical=False)


@pytest.mark.parametrize(
    ("first", "second", "dtype", "values"),
    [
        pytest.param([1], None, "Int64", [1, pd.NA], id="integers and nothing"),
        pytest.param([2**53 + 1], [2.0], "int64", [2**53 + 1, 2], id="integers and whole floats"),
        pytest.param([1], [np.nan], "Int64", [1, pd.NA], id="integers and a missing one"),
        pytest.param([True], None, "boolean", [True, pd.NA], id="booleans and nothing"),
        pytest.param([True], [False], "bool", [True, False], id="booleans"),
        pytest.param(np.array([1], "uint8"), None, "UInt8", [1, pd.NA], id="small integers"),
        pytest.param([1.5], [2], "float64", [1.5, 2.0], id="floats and integers"),
        pytest.param([np.nan], pd.array(["red"], TEXT), TEXT, [None, "red"], id="an empty CSV column"),
        pytest.param(
            pd.Series([None], dtype=object), [3], "Int64", [pd.NA, 3], id="objects that are missing"
        ),
        pytest.param(pd.Series([["a"]]), pd.Series([{"b": 1}]), object, [["a"], {"b": 1}], id="objects"),
        pytest.param(pd.Series([None], dtype=object), None, object, [None, np.nan], id="nothing at all"),
        pytest.param(
            pd.Categorical(["low"], ["low", "high"], ordered=True),
            ["high"],
            pd.CategoricalDtype(["low", "high"], ordered=True),
            ["low", "high"],
            id="ordered categories and text",
        ),
        pytest.param(
            pd.Categorical(["b"], ["b", "a"]),
            pd.Categorical(["c"], ["c", "a"]),
            pd.CategoricalDtype(["b", "a", "c"]),
            ["b", "c"],
            id="categories of both",
        ),
        pytest.param(
            pd.to_datetime(["2026-05-01T10:00Z"]).as_unit("ms"),
            pd.to_datetime(["2026-05-01T10:00Z"]).tz_convert("Asia/Kathmandu"),
            "datetime64[ms, UTC]",
            [pd.Timestamp("2026-05-01T10:00Z")] * 2,
            id="zones",
        ),
    ],
)
def test_column_of_the_users(first: Any, second: Any, dtype: Any, values: list[Any]) -> None:
    """A column keeps the dtype of the first frame, made nullable where it has to be."""
    one, other = frame_of(A).assign(own=first), frame_of(B)
    found = ha.combine(one, other if second is None else other.assign(own=second))["own"]
    pd.testing.assert_series_equal(found, pd.Series(values, dtype=dtype, name="own"))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param([1], [1.5], id="fractions"),
        pytest.param([1], ["red"], id="text"),
        pytest.param([1.5], ["1.50"], id="text of a number"),
        pytest.param([1.5], [2**53 + 1], id="more digits than a float has"),
        pytest.param(np.array([1], "float32"), [16777217.0], id="short floats"),
        pytest.param(pd.to_datetime(["2026-05-01T10:00Z"]), [True], id="no times"),
        pytest.param(
            pd.to_datetime(["2026-05-01T10:00Z"]).as_unit("s"),
            pd.to_datetime(["2026-05-01T10:00:00.123Z"]).as_unit("ms"),
            id="parts of a second",
        ),
    ],
)
def test_values_that_do_not_fit(first: Any, second: Any) -> None:
    """A value that the dtype of the first frame cannot hold is refused, never rounded."""
    with pytest.raises(
        ha.FrameError, match="frames: column 'own' does not fit its dtype in the first frame: "
    ):
        ha.combine(frame_of(A).assign(own=first), frame_of(B).assign(own=second))


def test_frame_that_was_only_begun() -> None:
    """A frame with columns and no rows, to which fetches are added, takes their dtypes."""
    turns = frame_of(A, B)
    pd.testing.assert_frame_equal(ha.combine(pd.DataFrame(columns=turns.columns), turns), turns)
    pd.testing.assert_frame_equal(ha.combine(turns, pd.DataFrame(columns=turns.columns)), turns)


def test_csv_and_back(tmp_path: Path) -> None:
    """A frame combines with one that went through CSV, where a column without values has no dtype."""
    older = frame_of(A | {"fetched_at": MAY}, B | {"fetched_at": MAY})
    older.to_csv(tmp_path / "turns.csv", index=False)
    times = ["started_at", "completed_at", "fetched_at"]
    read = pd.read_csv(tmp_path / "turns.csv", parse_dates=times)
    newer = frame_of(A | {"fetched_at": JUNE, "credits": 7, "created_by_user_id": "usr_1"})
    assert credits_of(ha.combine(read, newer)) == [("trn_a", 7), ("trn_b", 1)]
    assert credits_of(ha.combine(newer, read)) == [("trn_a", 7), ("trn_b", 1)]
    with pytest.raises(ha.FrameError, match=r"'fetched_at' must hold times.*pd.to_datetime"):
        ha.combine(newer, pd.read_csv(tmp_path / "turns.csv"))


def test_input_untouched() -> None:
    """Frames stay as they were, also when the result is changed."""
    frames = [
        frame_of(A | {"fetched_at": MAY}),
        frame_of(A, B | {"status": "paused"}).drop(columns="credits"),
    ]
    for frame in frames:
        frame.attrs["handinger"] = {"complete": True, "failed": 1}
    before = copy.deepcopy(frames)
    found = ha.combine(*frames)
    found.loc[:, "output_text"] = "changed"
    found.attrs["handinger"]["failed"] = 99
    for frame, old in zip(frames, before, strict=True):
        pd.testing.assert_frame_equal(frame, old)
        assert frame.attrs == old.attrs


def test_arrow_keeps_its_schema(tmp_path: Path) -> None:
    """Tables and datasets give a table with the schema of the first, nullable where there are gaps."""
    older = turns_of(A | {"fetched_at": MAY}, B | {"status": "paused"})
    newer = turns_of(A | {"fetched_at": JUNE, "credits": 7})
    pq.write_table(newer, tmp_path / "turns.parquet")
    found = ha.combine(older, ds.dataset(tmp_path / "turns.parquet"))
    assert found.schema.equals(older.schema)
    assert found["credits"].to_pylist() == [7, 1]
    assert found["status"].to_pylist() == ["completed", "paused"]
    assert credits_of(ha.combine(ds.dataset(tmp_path / "turns.parquet"), older)) == [
        ("trn_a", 7),
        ("trn_b", 1),
    ]
    assert not older.schema.field("seq").nullable
    assert ha.combine(older, newer.drop_columns("seq")).schema.field("seq").nullable


def test_polars_eager_and_lazy() -> None:
    """They are one engine, and what comes back is as the first."""
    polars = pytest.importorskip("polars", reason="needs the extra [polars]")
    eager = polars.from_arrow(turns_of(A | {"credits": 3}))
    lazy = polars.from_arrow(turns_of(A | {"credits": 7}, B)).lazy()
    assert isinstance(ha.combine(eager, lazy), polars.DataFrame)
    found = ha.combine(lazy, eager)
    assert isinstance(found, polars.LazyFrame)
    assert credits_of(found) == [("trn_a", 3), ("trn_b", 1)]


def test_categories_of_other_engines() -> None:
    """Enums grow by the values of the others."""
    polars = pytest.importorskip("polars", reason="needs the extra [polars]")
    duckdb = pytest.importorskip("duckdb", reason="needs the extra [duckdb]")

    def in_polars(task_id: str, status: str) -> Any:
        enum = polars.Series([status], dtype=polars.Enum([status, "error"]))
        return polars.DataFrame({"task_id": [task_id], "url": "u", "status": enum})

    def in_duckdb(task_id: str, status: str) -> Any:
        enum = f"'{status}'::ENUM('{status}', 'error') AS status"
        return duckdb.sql(f"SELECT '{task_id}' AS task_id, 'u' AS url, {enum}")

    for one in (in_polars, in_duckdb):
        found = nw.from_native(ha.combine(one("tsk_1", "running"), one("tsk_2", "paused"))).lazy()
        assert found.collect_schema()["status"] == nw.Enum(["running", "error", "paused"])
        assert found.collect().to_arrow()["status"].to_pylist() == ["running", "paused"]


def test_nothing_in_a_column_of_polars() -> None:
    """A column without a value or a type takes the type of the next frame."""
    polars = pytest.importorskip("polars", reason="needs the extra [polars]")
    older = polars.DataFrame({"task_id": ["tsk_1"], "title": [None], "fetched_at": [None]})
    newer = polars.DataFrame(
        {"task_id": ["tsk_2", "tsk_1"], "title": ["ours", "b"], "fetched_at": [JUNE, MAY]}
    )
    found = ha.combine(older, newer)
    assert found.schema == newer.schema
    assert found.rows() == [("tsk_1", "b", MAY), ("tsk_2", "ours", JUNE)]


SAYS: dict[str, Any] = {
    "schema": 1,
    "requested": 9,
    "failed": 0,
    "complete": True,
    "fetched_at": "2026-05-31",
}


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        pytest.param(
            SAYS,
            SAYS | {"fetched_at": "2026-06-30"},
            {"requested": 2, "failed": 0, "complete": True, "fetched_at": "2026-06-30"},
            id="both complete",
        ),
        pytest.param(
            SAYS | {"failed": 2, "complete": False},
            SAYS | {"failed": 1, "complete": False, "reason": "of one frame alone", "fetched_at": None},
            {"requested": 5, "failed": 3, "complete": False, "fetched_at": "2026-05-31"},
            id="both incomplete",
        ),
        pytest.param(
            SAYS,
            None,
            {"requested": 2, "failed": 0, "fetched_at": "2026-05-31"},
            id="one says nothing",
        ),
        pytest.param(
            {"complete": False},
            None,
            {"requested": 2, "failed": 0, "complete": False, "fetched_at": None},
            id="one says nothing and the other is incomplete",
        ),
        pytest.param(
            SAYS | {"fetched_at": "2026-06-09T23:00:00.000-05:00"},
            SAYS | {"fetched_at": "2026-06-10T00:00:00.000+00:00"},
            {"requested": 2, "failed": 0, "complete": True, "fetched_at": "2026-06-09T23:00:00.000-05:00"},
            id="the later instant",
        ),
        pytest.param(
            SAYS | {"failed": "x", "complete": [1], "fetched_at": 5},
            SAYS,
            {"requested": 2, "failed": 0, "fetched_at": "2026-05-31"},
            id="values of other types",
        ),
        pytest.param(None, None, None, id="none says anything"),
    ],
)
@pytest.mark.parametrize("kind", ["frames", "tables"])
def test_provenance(tmp_path: Path, kind: str, one: Any, other: Any, expected: Any) -> None:
    """What frames say of themselves is added up, and the whole is complete only if each part says so."""
    frames: list[Any] = [frame_of(A, B), frame_of(A, C | {"task_id": "tsk_2"})]
    for number, says in enumerate((one, other)):
        frames[number].attrs |= {"handinger": says} if says else {}
        if kind == "tables":
            ha.export_parquet(frames[number], tmp_path / "turns.parquet")
            frames[number] = pq.read_table(tmp_path / "turns.parquet")
    found = ha.combine(*frames)
    known = ha.spend(found).attrs.get("handinger")
    assert known == (expected and {"schema": ha.SCHEMA_VERSION, **expected})


def test_an_instant_that_is_no_text() -> None:
    """What pandas' ``attrs`` can hold and JSON cannot is left out, and the rest is handed on."""
    one, other = frame_of(A), frame_of(B)
    one.attrs["handinger"] = {"complete": False, "fetched_at": pd.Timestamp(MAY)}
    other.attrs["handinger"] = SAYS
    assert ha.combine(one, other).attrs["handinger"]["fetched_at"] == "2026-05-31"


def test_forecast_of_what_is_not_known_to_be_complete() -> None:
    """Metrics hand on that a part is incomplete."""
    one, other = frame_of(A), frame_of(B)
    one.attrs["handinger"] = {"failed": 1, "complete": False}
    other.attrs["handinger"] = {"failed": 0, "complete": True}
    assert ha.spend(ha.combine(one, other)).attrs["handinger"]["complete"] is False


def polars_of(table: pa.Table) -> Any:
    """Bring a table to Polars."""
    return pytest.importorskip("polars", reason="needs the extra [polars]").from_arrow(table)


TURN = turns_of(A)


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        pytest.param(
            [TURN, tasks_table([{}])], "frames: expected turns alone or tasks alone, found both", id="both"
        ),
        pytest.param(
            [TURN, TURN.to_pandas()], "frames of one engine .*found pandas and pyarrow; convert", id="two"
        ),
        pytest.param([TURN, polars_of], "found polars and pyarrow", id="Polars, too"),
        pytest.param([[TURN, TURN]], "frames: expected DataFrames one by one .*found list", id="a list"),
        pytest.param([TURN, None], "found NoneType", id="None"),
        pytest.param([TURN["credits"]], "found ChunkedArray", id="a column"),
        pytest.param(
            [TURN.drop_columns("turn_id")], "turns: no column 'turn_id'; it has", id="turns without ids"
        ),
        pytest.param(
            [TURN, pa.table({"turn_id": ["a"]})], "turns: no column 'task_id'; it has", id="no tasks"
        ),
        pytest.param(
            [TURN, TURN.select(["task_id", "credits"])], "turns: no column 'turn_id'", id="part of turns"
        ),
        pytest.param(
            [TURN.select(["task_id", "credits"])],
            r"frames: expected turns or tasks, found only task_id, credits, .* neither; keep turn_id in",
            id="tasks or turns",
        ),
        pytest.param([pd.DataFrame()], "tasks: no column 'task_id'; it has no columns", id="no columns"),
    ],
)
def test_what_cannot_be_combined(frames: list[Any], message: str) -> None:
    """What is no frame, or is not like the first, is refused in words."""
    with pytest.raises(ha.FrameError, match=message):
        ha.combine(*(frame(TURN) if callable(frame) else frame for frame in frames))


def test_nothing_to_combine() -> None:
    """There is no frame of no engine."""
    with pytest.raises(ha.ArgumentError, match="frames: expected turns or tasks, one frame or more, found"):
        ha.combine()


@st.composite
def fetches(draw: st.DrawFn) -> tuple[list[pa.Table], pa.Table]:
    """Draw tasks whose turns start and end, fetches of some at some times, and one of all at the end."""
    turn = st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 100))
    tasks = draw(st.lists(st.lists(turn, min_size=1, max_size=3), min_size=1, max_size=4))

    def fetched(numbers: list[int], hour: int) -> pa.Table:
        rows = []
        for number in numbers:
            for seq, (starts, lasts, spent) in enumerate(tasks[number]):
                ended = starts + lasts <= hour
                row = {"task_id": f"tsk_{number}", "turn_id": f"trn_{number}_{seq}", "seq": seq}
                row |= {"status": "completed" if ended else "running", "credits": spent if ended else 0}
                row |= {"fetched_at": MAY + hour * dt.timedelta(hours=1)}
                rows += [row] if starts <= hour else []
        return turns_of(*rows).select(["task_id", "turn_id", "status", "credits", "fetched_at"])

    everything = range(len(tasks))
    early = draw(st.lists(st.tuples(st.lists(st.sampled_from(everything), unique=True), st.integers(0, 17))))
    last = draw(st.lists(st.integers(18, 30), min_size=len(tasks), max_size=len(tasks)))
    parts = [fetched(numbers, hour) for numbers, hour in [*early, *(([n], last[n]) for n in everything)]]
    return draw(st.permutations(parts)), fetched([*everything], 99)


@settings(max_examples=25)
@pytest.mark.parametrize("kind", ["numpy", pytest.param("polars", marks=pytest.mark.slow),
                                  pytest.param("duckdb", marks=pytest.mark.slow)])  # fmt: skip
@given(drawn=fetches())
def test_any_split_equals_one_fetch_at_the_end(kind: str, drawn: tuple[list[pa.Table], pa.Table]) -> None:
    """Overlapping fetches in any order, combined, are what one fetch of everything at the end is."""
    parts, end = drawn
    if kind == "numpy":
        found, expected = ha.combine(*(to_pandas(part, TURNS) for part in parts)), to_pandas(end, TURNS)
    else:
        module = pytest.importorskip(kind)
        found = nw.from_native(ha.combine(*map(module.from_arrow, parts))).lazy().collect().to_pandas()
        expected = nw.from_native(module.from_arrow(end)).lazy().collect().to_pandas()
    found, expected = (
        frame.drop(columns="fetched_at").sort_values(["task_id", "turn_id"], ignore_index=True)
        for frame in (found, expected)
    )
    pd.testing.assert_frame_equal(found, expected, check_categorical=False)


def test_fetches_while_tasks_run() -> None:
    """Fetches of a server at work, over HTTP, come to what one fetch at the end says."""
    pick, parts, keys = random.Random(1), [], ["task_id", "turn_id"]
    with ha.Sandbox(tasks=60, seed=3, days=1) as sandbox, sandbox.client() as client:
        ids = sandbox.task_ids
        for hours, some in ((0, ids), (1, pick.sample(ids, 30)), (1, ids[30:]), (0, ids[:40])):
            sandbox.advance(dt.timedelta(hours=hours))
            parts.append(ha.fetch_turns(some, client=client))
        end = ha.fetch_turns(ids, client=client)
    first_rows = pd.concat(parts).drop_duplicates(keys)
    pick.shuffle(parts)
    found, end = (
        turns.drop(columns="fetched_at").sort_values(keys, ignore_index=True)
        for turns in (ha.combine(*parts), end)
    )
    pd.testing.assert_frame_equal(found, end, check_categorical=False)
    assert found["credits"].sum() > first_rows["credits"].sum()
