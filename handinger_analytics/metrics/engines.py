"""What every metric does with the frame it is given: check it, open it on its engine, hand back pandas.

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
    check_bins,
    check_columns,
    check_group,
    check_integer,
    check_sums,
    grouping,
)

MEASURES = ("credits", "input_tokens", "output_tokens", "duration_ms")
"""Columns of the turns frame that add up."""

SUMS = ("credits", "turns", "input_tokens", "output_tokens", "duration_ms")
"""What a group adds up to, in the order of the result."""

STARTED_MS = "_started_ms"
"""Start of the turn as an integer: milliseconds since 1970 UTC."""
_MISSING = "_missing"

TEXT = pd.StringDtype(na_value=np.nan)


@dataclasses.dataclass(frozen=True, slots=True)
class Input:
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
        Provenance to carry into the result.
    """

    frame: nw.LazyFrame[Any]
    by: list[str]
    numbers: list[str]
    attrs: dict[str, Any]

    def with_columns(self, **columns: nw.Expr) -> Input:
        """Return the same input with columns added, computed on the engine row by row."""
        added = [expr.alias(name) for name, expr in columns.items()]
        return dataclasses.replace(self, frame=self.frame.with_columns(*added))

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
        missing = nw.col(_MISSING).sum()
        collected = to_pandas(self.grouped(keys, **{_MISSING: missing}, **measures))
        if collected[_MISSING].sum():
            raise self._missing_error()
        return collected.drop(columns=_MISSING)

    def sums(self, keys: Sequence[str]) -> pd.DataFrame:
        """Group and add up: keys, then `SUMS` as int64, and so can be added up in turn."""
        rows = self.aggregate(keys, **sums())[[*keys, *SUMS]]
        check_sums(MEASURES, nw.from_native(rows), "turns")
        return rows

    def _missing_error(self) -> FrameError:
        counts = to_pandas(self.frame.select(nw.col(*self.numbers).is_null().cast(nw.Int64).sum()))
        counts = counts.rename(columns={STARTED_MS: "started_at"})
        found = ", ".join(f"{name} in {count} row(s)" for name, count in counts.iloc[0].items() if count)
        return FrameError(
            f"missing values: {found}. A sum over them would be too small without saying so; "
            "drop those rows or fetch their tasks again."
        )


def open_frame(
    frame: Any,
    columns: Iterable[str],
    *,
    by: str | Iterable[str] | None = None,
    optional: Iterable[str] = (),
    name: str = "turns",
) -> Input:
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
        Columns taken along if they are there.
    name : str
        What the argument is called, for messages.

    Raises
    ------
    FrameError
        Not a frame, a column missing or of the wrong type, or a ``by`` that cannot group.
    """
    groups = grouping(by, (*SUMS, "cost", "period"))
    wanted = list(dict.fromkeys([*columns, *groups]))
    native = _readable(nw.to_native(frame, pass_through=True), wanted, optional, name)
    opened = _open(native, name)
    schema = opened.collect_schema()
    check_columns(wanted, schema.names(), name)
    for group in groups:
        check_group(group, schema[group])
        check_bins(group, native)
    wanted += [column for column in optional if column in schema.names()]
    numbers = [column for column in wanted if column in (*MEASURES, "turn_count")]
    for column in numbers:
        check_integer(column, schema[column], name)
    if isinstance(eager := nw.from_native(native), nw.DataFrame):
        check_sums(numbers, eager, name)
    if "started_at" in wanted:
        check_aware(schema["started_at"], opened.implementation, name)
        numbers.append(STARTED_MS)
    missing = [nw.col(column).is_null() for column in numbers] or [nw.lit(False)]
    opened = _narrow(native, wanted)
    opened = opened.with_columns(
        *[nw.col(column).cast(nw.Int64) for column in numbers if schema.get(column) not in (None, nw.Int64)],
        nw.any_horizontal(*missing, ignore_nulls=False).cast(nw.Int64).alias(_MISSING),
    )
    return Input(opened, groups, numbers, provenance.of(native))


def sums() -> dict[str, nw.Expr]:
    """Return the aggregations that make the columns of `SUMS`."""
    return {"turns": nw.len(), **{name: nw.col(name).sum() for name in MEASURES}}


def to_pandas(frame: nw.LazyFrame[Any]) -> pd.DataFrame:
    """Collect a small result; text is text and a count an int64, whichever engine it came from."""
    table: pa.Table = frame.collect().to_arrow()
    # A filtered pandas frame may bring its index along.
    names = [name for name in table.column_names if not name.startswith("__index_level_")]
    return pd.DataFrame({name: _series(table.column(name)) for name in names})


def _series(column: pa.ChunkedArray) -> pd.Series[Any]:
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_null(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return pd.Series(column.to_pylist(), dtype=TEXT)
    if pa.types.is_integer(kind) or pa.types.is_decimal(kind):
        # Polars counts in uint32, DuckDB sums in decimal(38, 0).
        try:
            integers = column.cast(pa.int64())
        except pa.ArrowInvalid as error:
            raise FrameError(f"a sum is too large: sums go up to {INT64_MAX:,}") from error
        whole = pd.Series(integers.to_pandas(types_mapper=lambda _: pd.Int64Dtype()))
        return whole if column.null_count else whole.astype("int64")
    return pd.Series(column.to_pandas())


def biggest_first(groups: pd.DataFrame, by: list[str], measure: str = "credits") -> pd.DataFrame:
    """Sort groups by a measure, largest first; ties in the order of ``by``, missing keys last."""
    ascending = [False, *(True for _ in by)]
    return groups.sort_values([measure, *by], ascending=ascending, na_position="last", ignore_index=True)


def _open(native: Any, name: str = "turns") -> nw.LazyFrame[Any]:
    try:
        opened: nw.LazyFrame[Any] = nw.from_native(native).lazy()
    except (TypeError, ValueError) as error:
        raise FrameError(
            f"{name}: expected a DataFrame (pandas, pyarrow, Polars, DuckDB or PySpark) with one row "
            f"each, found {type(native).__name__}: {error}"
        ) from error
    return opened


def _readable(native: Any, wanted: list[str], optional: Iterable[str], name: str) -> Any:
    """Turn what narwhals does not read, in the columns asked for, into what it does."""
    asked = list(dict.fromkeys([*wanted, *optional]))
    if isinstance(native, ds.Dataset):
        check_columns(wanted, native.schema.names, name)
        return native.to_table([column for column in asked if column in native.schema.names])
    return _in_utc(native, asked) if isinstance(native, pd.DataFrame) else native


def _in_utc(frame: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Bring times to UTC; of other zones narwhals reads only names of one plain word."""
    kinds = dict(frame.dtypes) if frame.columns.is_unique else {}
    aware = {column: kind for column in columns if isinstance(kind := kinds.get(column), pd.DatetimeTZDtype)}
    abroad = [column for column, kind in aware.items() if str(kind.tz) != "UTC"]
    if not abroad:
        return frame
    frame = frame.copy(deep=False)
    for column in abroad:
        frame[column] = frame[column].dt.tz_convert("UTC")
    return frame


def _narrow(native: Any, wanted: list[str]) -> nw.LazyFrame[Any]:
    """Keep the wanted columns and, if ``started_at`` is one of them, add it as `STARTED_MS`."""
    if isinstance(native, pa.Table):
        # Arrow cannot group by dictionaries that differ between chunks, nor take quantiles of groups.
        native = _in_utc(native.select(wanted).to_pandas(types_mapper=_keep), wanted)
    if isinstance(native, pd.DataFrame) and (categories := _arrow_categories(native, wanted)):
        # pandas 2 makes groups of Arrow categories that do not occur.
        native = native[wanted].astype(dict.fromkeys(categories, "category"))
    opened = _open(native).select(*wanted)
    if "started_at" not in wanted:
        return opened
    # narwhals has no such function on SQL engines yet.
    narrowed = opened.to_native()
    if opened.implementation.is_duckdb():
        return _open(narrowed.project(f"*, epoch_ms(started_at) AS {STARTED_MS}"))
    if opened.implementation.is_pyspark() or opened.implementation.is_pyspark_connect():
        from pyspark.sql import functions

        return _open(narrowed.withColumn(STARTED_MS, functions.unix_millis("started_at")))
    return opened.with_columns(nw.col("started_at").dt.timestamp("ms").alias(STARTED_MS))


def _keep(kind: pa.DataType) -> Any:
    # Integers with a gap would become floats, and so would text in pandas 2 where all of it is missing.
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return TEXT
    return pd.ArrowDtype(kind) if pa.types.is_integer(kind) else None


def _arrow_categories(frame: pd.DataFrame, columns: list[str]) -> list[str]:
    kinds = {column: frame[column].dtype for column in columns}
    arrow = {column: kind.pyarrow_dtype for column, kind in kinds.items() if isinstance(kind, pd.ArrowDtype)}
    return [column for column, kind in arrow.items() if pa.types.is_dictionary(kind)]
