"""Opening a frame of any engine: check it, compute on its own engine, hand back pandas.

A metric names the columns it needs and gets a narwhals lazy frame with those alone, on the engine
the user chose. Times arrive as an integer, milliseconds since 1970 UTC, so that neither the session
time zone of DuckDB or Spark nor an engine's time zone database can change an answer.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds

from handinger_analytics import provenance
from handinger_analytics.errors import FrameError
from handinger_analytics.metrics.checks import (
    INT64_MAX,
    check_aware,
    check_columns,
    check_group,
    check_integer,
    check_sums,
    grouping,
)
from handinger_analytics.metrics.names import COLUMN, Names, check_names, with_names
from handinger_analytics.tables.schema import TIMESTAMP

MEASURES = ("credits", "input_tokens", "output_tokens", "duration_ms")
"""Columns of the turns frame that add up."""

SUMS = ("credits", "turns", "input_tokens", "output_tokens", "duration_ms")
"""What a group adds up to, in the order of the result."""

STARTED_MS = "_started_ms"
"""Start of the turn as an integer: milliseconds since 1970 UTC."""

STRING = pd.StringDtype(na_value=np.nan)
"""The dtype of text in results."""

_FETCHED_AT, _FETCHED_MS, _MISSING = "fetched_at", "_fetched_ms", "_missing"


@dataclasses.dataclass(frozen=True, slots=True)
class OpenFrame:
    """A checked frame, opened on its own engine.

    Attributes
    ----------
    frame : narwhals LazyFrame
        The needed columns alone, plus `STARTED_MS` when ``started_at`` was asked for.
    by : list of str
        Grouping columns.
    numbers : list of str
        Columns in which a missing value is an error.
    attrs : dict
        Provenance to hand on to the result. Where only the column ``fetched_at`` tells when the rows were
        fetched, `aggregate` adds its last value, which costs no further scan.
    dated : bool
        Whether these are all the rows, and only that column tells it.
    names : mapping, Series or None
        Names of workers to put beside their ids in the result.
    """

    frame: nw.LazyFrame[Any]
    by: list[str]
    numbers: list[str]
    attrs: provenance.Provenance
    dated: bool
    names: Names

    def with_columns(self, **columns: nw.Expr) -> OpenFrame:
        """Return the same frame with columns added, computed on the engine row by row."""
        added = [expr.alias(name) for name, expr in columns.items()]
        return dataclasses.replace(self, frame=self.frame.with_columns(*added))

    def filter(self, *conditions: nw.Expr) -> OpenFrame:
        """Return the rows for which all conditions hold."""
        return dataclasses.replace(self, frame=self.frame.filter(*conditions), dated=False)

    def grouped(self, keys: Sequence[str], **measures: nw.Expr) -> nw.LazyFrame[Any]:
        """Group on the engine without collecting; missing numbers go unnoticed, see `aggregate`."""
        aggregations = [expr.alias(name) for name, expr in measures.items()]
        if not keys:
            return self.frame.select(*aggregations)
        return self.frame.group_by(*keys, drop_null_keys=False).agg(*aggregations)

    def aggregate(self, keys: Sequence[str], **measures: nw.Expr) -> pd.DataFrame:
        """Group on the engine and collect.

        Parameters
        ----------
        keys : sequence of str
            Grouping columns; none gives one row. A missing key is a group of its own.
        **measures : narwhals.Expr
            Simple aggregations, each named by its result.

        Returns
        -------
        pandas.DataFrame
            Keys and measures; rows in no particular order.

        Raises
        ------
        FrameError
            A number or a start is missing in some row.
        """
        grouping(self.by, reserved=measures)
        added = {_MISSING: nw.col(_MISSING).sum()}
        dated = self.dated and provenance.fetched_at(self.attrs) is None
        if dated:
            added[_FETCHED_MS] = nw.col(_FETCHED_MS).max()
        collected = collect(self.grouped(keys, **added, **measures))
        if collected[_MISSING].sum():
            raise self._missing_error()
        if dated:
            provenance.note_fetched(self.attrs, collected[_FETCHED_MS].max())
        return collected.drop(columns=[*added])

    def sums(self, keys: Sequence[str]) -> pd.DataFrame:
        """Group and add up: keys, then `SUMS` as int64, whose totals fit into an int64, too."""
        rows = self.aggregate(keys, **sums())[[*keys, *SUMS]]
        check_sums(MEASURES, nw.from_native(rows), "turns")
        return rows

    def result(
        self, groups: pd.DataFrame, columns: Iterable[str], *, measure: str = "credits"
    ) -> pd.DataFrame:
        """Return the grouping columns and ``columns``, largest ``measure`` first, with provenance."""
        columns = [*columns]
        grouping(self.by, reserved=columns)
        ranked = biggest_first(groups, self.by, measure)[[*self.by, *columns]]
        return provenance.attach(with_names(ranked, self.names), self.attrs)

    def _missing_error(self) -> FrameError:
        counts = collect(self.frame.select(nw.col(*self.numbers).is_null().cast(nw.Int64).sum()))
        counts = counts.rename(columns={STARTED_MS: "started_at"})
        found = ", ".join(f"{name} in {count} row(s)" for name, count in counts.iloc[0].items() if count)
        return FrameError(
            f"missing values: {found}. Sums would silently be too small; "
            "drop those rows or fetch their tasks again."
        )


def open_frame(
    frame: Any,
    columns: Iterable[str],
    *,
    by: str | Iterable[str] | None = None,
    optional: Iterable[str] = (),
    name: str = "turns",
    names: Names = None,
) -> OpenFrame:
    """Check a frame of any engine and open it for a metric.

    Parameters
    ----------
    frame : DataFrame
        pandas, pyarrow (a table, or a dataset, of which the columns are read), Polars (eager or lazy),
        DuckDB relation or PySpark. It is never modified.
    columns : iterable of str
        Columns the metric reads, apart from ``by``.
    by : str or iterable of str, optional
        Grouping columns.
    optional : iterable of str
        Columns included if they are there.
    name : str
        What the argument is called, for messages.
    names : mapping or Series, optional
        Names of workers to put beside their ids in the result.

    Raises
    ------
    ArgumentError
        A ``by`` that is no column name, or the name of a column of results; names that cannot be used.
    FrameError
        Not a frame, a column missing or of the wrong type, or a ``by`` that cannot group.
    """
    check_names(names)
    named = [] if names is None else [COLUMN]
    sums_of_results = [*SUMS, "cost", *(f"wasted_{name}" for name in (*SUMS, "cost"))]
    ours = (*sums_of_results, STARTED_MS, _FETCHED_MS, _MISSING, "currency", "period", *named)
    groups = grouping(by, reserved=ours)
    native = nw.to_native(frame, pass_through=True)
    described = _lazy(native.schema.empty_table() if isinstance(native, ds.Dataset) else native, name)
    present = described.collect_schema().names()
    wanted = dict.fromkeys([*columns, *groups])
    check_columns(wanted, present, name)
    wanted |= dict.fromkeys(column for column in optional if column in present)
    attrs = provenance.of(native)
    # Where attrs know it they know better: an archive looks again at rows that it need not write again.
    fetched = described.collect_schema().get(_FETCHED_AT)
    dated = isinstance(fetched, nw.Datetime) and bool(fetched.time_zone) and not provenance.fetched_at(attrs)
    if dated:
        wanted[_FETCHED_AT] = None
    readable = _readable(native, [*wanted])
    opened = _lazy(readable, name).select(*wanted)
    schema = opened.collect_schema()
    for group in groups:
        check_group(group, schema[group], readable)
    numbers = [column for column in wanted if column in (*MEASURES, "turn_count")]
    for column in numbers:
        check_integer(column, schema[column], name)
    if isinstance(eager := nw.from_native(readable), nw.DataFrame):
        check_sums(numbers, eager, name)
    casts = [nw.col(column).cast(nw.Int64) for column in numbers if schema[column] != nw.Int64]
    if "started_at" in wanted:
        check_aware(schema["started_at"], described.implementation, name)
        opened = _with_milliseconds(opened, "started_at", STARTED_MS)
        numbers.append(STARTED_MS)
    if dated:
        opened = _with_milliseconds(opened, _FETCHED_AT, _FETCHED_MS)
    missing = [nw.col(column).is_null() for column in numbers] or [nw.lit(False)]
    any_missing = nw.any_horizontal(*missing, ignore_nulls=False).cast(nw.Int64).alias(_MISSING)
    return OpenFrame(opened.with_columns(*casts, any_missing), groups, numbers, attrs, dated, names)


def sums() -> dict[str, nw.Expr]:
    """Return the aggregations that make the columns of `SUMS`."""
    return {"turns": nw.len(), **{name: nw.col(name).sum() for name in MEASURES}}


def collect(frame: nw.LazyFrame[Any]) -> pd.DataFrame:
    """Collect a small result as pandas; text is text and a count an int64, whichever engine it came from."""
    table: pa.Table = frame.collect().to_arrow()
    # A filtered pandas frame may bring its index along.
    names = [name for name in table.column_names if not name.startswith("__index_level_")]
    return pd.DataFrame({name: _series(table.column(name), name) for name in names})


def utc_times(instants: pd.Series[Any]) -> pd.Series[Any]:
    """Return milliseconds since 1970 UTC as ``datetime64[ms, UTC]``; missing ones as NaT."""
    # pandas 2 would take the way over nanoseconds, which end in 2262.
    times: pd.Series[Any] = pa.array(instants, pa.int64(), from_pandas=True).cast(TIMESTAMP).to_pandas()
    return times


def _series(column: pa.ChunkedArray, name: str) -> pd.Series[Any]:
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_null(kind) or _is_text(kind):
        return pd.Series(column.to_pylist(), dtype=STRING)
    if pa.types.is_nested(kind):  # whole numbers in it would become floats
        return pd.Series(column.to_pylist(), dtype=object)
    if pa.types.is_integer(kind) or (pa.types.is_decimal(kind) and kind.scale == 0):
        # Polars counts in uint32, DuckDB sums in decimal(38, 0); what is in uint64 is never a sum.
        unsigned = kind == pa.uint64()
        try:
            integers = column.cast(kind if unsigned else pa.int64())
        except pa.ArrowInvalid as error:
            most = f"groups and sums go up to {INT64_MAX:,}"
            raise FrameError(f"a number in {name!r} is too large: {most}") from error
        nullable = pd.UInt64Dtype() if unsigned else pd.Int64Dtype()
        whole = pd.Series(integers.to_pandas(types_mapper=lambda _: nullable))
        return whole if column.null_count else whole.astype("uint64" if unsigned else "int64")
    return pd.Series(column.to_pandas())


def _is_text(kind: pa.DataType) -> bool:
    kinds = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    return any(matches(kind) for matches in kinds)


def biggest_first(groups: pd.DataFrame, by: list[str], measure: str = "credits") -> pd.DataFrame:
    """Sort groups by a measure, largest first; ties in the order of ``by``, missing keys last."""
    ascending = [False, *(True for _ in by)]
    return groups.sort_values([measure, *by], ascending=ascending, na_position="last", ignore_index=True)


def _lazy(native: Any, name: str = "turns") -> nw.LazyFrame[Any]:
    try:
        opened: nw.LazyFrame[Any] = nw.from_native(native).lazy()
    except (TypeError, ValueError) as error:
        raise FrameError(
            f"{name}: expected a DataFrame (pandas, pyarrow, Polars, DuckDB or PySpark) with one row "
            f"per {name.removesuffix('s')}, found {type(native).__name__}: {error}"
        ) from error
    return opened


def _readable(native: Any, columns: list[str]) -> Any:
    """Bring Arrow and pandas frames to columns that narwhals reads, and groups right."""
    if isinstance(native, ds.Dataset):
        native = native.to_table(columns)
    if isinstance(native, pa.Table):
        # Arrow cannot group by dictionaries that differ between chunks, nor take quantiles of groups.
        native = native.select(columns).to_pandas(types_mapper=_pandas_dtype)
    if not isinstance(native, pd.DataFrame):
        return native
    changed: dict[str, Any] = {}
    for column in columns:
        kind = native[column].dtype
        if isinstance(kind, pd.DatetimeTZDtype) and str(kind.tz) != "UTC":
            # narwhals cannot parse the names of most other zones.
            changed[column] = pd.DatetimeTZDtype(kind.unit, "UTC")
        if isinstance(kind, pd.ArrowDtype) and pa.types.is_dictionary(kind.pyarrow_dtype):
            # pandas 2 makes groups of Arrow categories that do not occur.
            changed[column] = "category"
    return native[columns].astype(changed) if changed else native[columns]


def _pandas_dtype(kind: pa.DataType) -> Any:
    # None is pandas' default. It makes floats of text that is all missing, floats or objects of other
    # columns with missing values, and groups Arrow's string views wrongly.
    if _is_text(kind):
        return STRING
    left_to_pandas = (pa.types.is_floating, pa.types.is_timestamp, pa.types.is_dictionary, pa.types.is_null)
    return None if any(matches(kind) for matches in left_to_pandas) else pd.ArrowDtype(kind)


def _with_milliseconds(opened: nw.LazyFrame[Any], column: str, name: str) -> nw.LazyFrame[Any]:
    # narwhals cannot take the milliseconds of a timestamp on SQL engines yet.
    native, engine = opened.to_native(), opened.implementation
    if engine.is_duckdb():
        native = native.project(f"*, epoch_ms({column}) AS {name}")
    elif engine.is_pyspark() or engine.is_pyspark_connect():
        from pyspark.sql import functions

        native = native.withColumn(name, functions.unix_millis(column))
    else:
        return opened.with_columns(nw.col(column).dt.timestamp("ms").alias(name))
    return _lazy(native)
