"""What every metric does with the frame it is given: check it, open it on its engine, hand back pandas.

A metric names the columns it needs and gets a narwhals lazy frame with those alone, on the engine
the user chose. Times arrive as an integer, milliseconds since 1970 UTC, so that the session time zone of DuckDB or Spark nor an engine's time zone database can change an answer.
"""

from __future__ import annotations

import copy
import dataclasses
import difflib
from collections.abc import Iterable, Sequence
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import narwhals.stable.v2 as nw
import pandas as pd
import pyarrow as pa

from handinger_analytics.errors import FrameError
from handinger_analytics.schema import METADATA_KEY

MEASURES = ("credits", "input_tokens", "output_tokens", "duration_ms")
"""Columns of the turns frame that add up."""

SUMS = ("credits", "turns", "input_tokens", "output_tokens", "duration_ms")
"""What a group adds up to, in the order of the result."""

STARTED_MS = "_started_ms"
"""Start of the turn as an integer: milliseconds since 1970 UTC."""
_MISSING = "_missing"

TEXT_DTYPE = pd.Series(["text"]).dtype
"""What this pandas uses for text: ``str`` since 3.0, ``object`` before."""

_NOT_A_GROUP = (nw.Datetime, nw.Duration, nw.List, nw.Array, nw.Struct, nw.Object)


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
        missing = nw.col(_MISSING).sum().alias(_MISSING)
        aggregations = [expr.alias(name) for name, expr in measures.items()]
        if keys:
            result = self.frame.group_by(*keys, drop_null_keys=False).agg(missing, *aggregations)
        else:
            result = self.frame.select(missing, *aggregations)
        collected = to_pandas(result)
        if collected[_MISSING].sum():
            raise self._missing_error()
        return collected.drop(columns=_MISSING)

    def sums(self, keys: Sequence[str]) -> pd.DataFrame:
        """Group and add up: keys, then `SUMS` as int64."""
        sums = {name: nw.col(name).sum() for name in MEASURES}
        collected = self.aggregate(keys, turns=nw.len(), **sums)
        return collected[[*keys, *SUMS]]

    def _missing_error(self) -> FrameError:
        counts = to_pandas(self.frame.select(nw.col(*self.numbers).is_null().cast(nw.Int64).sum()))
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
    name: str = "turns",
) -> Input:
    """Check a frame of any engine and open it for a metric.

    Parameters
    ----------
    frame : DataFrame
        pandas, pyarrow, Polars (eager or lazy), DuckDB relation or PySpark. It is never modified.
    columns : iterable of str
        Columns the metric reads, apart from ``by``.
    by : str or iterable of str, optional
        Grouping columns.
    name : str
        What the argument is called, for messages.

    Raises
    ------
    FrameError
        Not a frame, a column missing or of the wrong type, or a ``by`` that cannot group.
    """
    native = _to_native(frame, name)
    opened = nw.from_native(native).lazy()
    schema = opened.collect_schema()
    groups = _grouping(by)
    wanted = list(dict.fromkeys([*columns, *groups]))
    _require(wanted, schema.names(), name)
    for group in groups:
        _check_group(group, schema[group])
    numbers = [column for column in wanted if column in (*MEASURES, "turn_count")]
    for column in numbers:
        _check_integer(column, schema[column], name)
    if "started_at" in wanted:
        _check_aware(schema["started_at"], opened.implementation, name)
        opened = _with_started_ms(native, wanted)
        wanted = [*wanted, STARTED_MS]
        numbers = [*numbers, STARTED_MS]
    missing = nw.lit(False)
    if numbers:
        missing = nw.any_horizontal(*[nw.col(c).is_null() for c in numbers], ignore_nulls=False)
    opened = opened.select(*wanted, missing.cast(nw.Int64).alias(_MISSING))
    return Input(opened, groups, numbers, _attrs(native))


def to_pandas(frame: nw.LazyFrame[Any]) -> pd.DataFrame:
    """Collect a small result; text is text and a count an int64, whichever engine it came from."""
    table: pa.Table = frame.collect().to_arrow()
    columns = {}
    for field_ in table.schema:
        column = table.column(field_.name)
        kind = field_.type.value_type if pa.types.is_dictionary(field_.type) else field_.type
        if pa.types.is_null(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind):
            columns[field_.name] = pd.Series(column.to_pylist(), dtype=TEXT_DTYPE)
        else:
            columns[field_.name] = column.to_pandas()
    return pd.DataFrame(columns)


def carry_attrs(result: pd.DataFrame, *attrs: dict[str, Any]) -> pd.DataFrame:
    """Give a result the provenance of the frames it came from; incomplete if any of them was."""
    merged: dict[str, Any] = {}
    for one in attrs:
        merged |= one
    if any(one.get("complete") is False for one in attrs):
        merged["complete"] = False
    if merged:
        result.attrs[METADATA_KEY] = merged
    return result


def zone_info(tz: str) -> ZoneInfo:
    """Return the time zone of an IANA name.

    Examples
    --------
    >>> zone_info("Europe/Madrid").key
    'Europe/Madrid'
    """
    try:
        return ZoneInfo(tz)
    except (KeyError, ValueError, TypeError, OSError):
        close = difflib.get_close_matches(str(tz), available_timezones(), n=3)
        hint = f"did you mean {' or '.join(map(repr, close))}?" if close else "try 'UTC' or 'Europe/Madrid'."
        raise FrameError(f"unknown time zone {tz!r}: tz takes an IANA name; {hint}") from None


def _to_native(frame: Any, name: str) -> Any:
    native = nw.to_native(frame, pass_through=True)
    if isinstance(native, pa.Table):
        native = native.to_pandas(types_mapper=_keep_integers)
    try:
        nw.from_native(native)
    except (TypeError, ValueError) as error:
        raise FrameError(
            f"{name}: expected a DataFrame (pandas, pyarrow, Polars, DuckDB or PySpark) with one row "
            f"each, found {type(frame).__name__}: {error}"
        ) from error
    return native


def _keep_integers(kind: pa.DataType) -> Any:
    # Integers with a gap would become floats.
    return pd.ArrowDtype(kind) if pa.types.is_integer(kind) else None


def _grouping(by: str | Iterable[str] | None) -> list[str]:
    if by is None:
        return []
    groups = [by] if isinstance(by, str) else list(by)
    reserved = (*MEASURES, "turns", "cost", "period")
    for group in groups:
        if not isinstance(group, str):
            raise FrameError(f"by: expected column names, found {group!r} ({type(group).__name__})")
        if group in reserved:
            raise FrameError(f"by: {group!r} is a column of the result; group by another one or rename it")
    return list(dict.fromkeys(groups))


def _require(wanted: Sequence[str], present: Sequence[str], name: str) -> None:
    absent = [column for column in wanted if column not in present]
    if absent:
        raise FrameError(
            f"{name}: no column {', '.join(map(repr, absent))}; it has {', '.join(present) or 'no columns'}"
        )


def _check_group(column: str, dtype: nw.dtypes.DType) -> None:
    if isinstance(dtype, _NOT_A_GROUP):
        hint = "use freq= for periods" if isinstance(dtype, nw.Datetime) else "group by text or a whole number"
        raise FrameError(f"by: cannot group by {column!r} of type {dtype}; {hint}")


def _check_integer(column: str, dtype: nw.dtypes.DType, name: str) -> None:
    if not dtype.is_integer():
        raise FrameError(
            f"{name}: column {column!r} must hold whole numbers (int64), found {dtype}; a missing value "
            "turns pandas integers into floats: drop those rows, then .astype('int64')"
        )


def _check_aware(dtype: nw.dtypes.DType, engine: nw.Implementation, name: str) -> None:
    if isinstance(dtype, nw.Datetime) and dtype.time_zone is not None:
        return
    if not isinstance(dtype, nw.Datetime):
        raise FrameError(
            f"{name}: column 'started_at' must hold times with a time zone, found {dtype}; "
            "in pandas: pd.to_datetime(turns['started_at'], utc=True)"
        )
    raise FrameError(
        f"{name}: column 'started_at' has no time zone, so its days are unknown. If it is in UTC: "
        f"{_LOCALIZE.get(str(engine), _LOCALIZE['pandas'])}"
    )


_LOCALIZE = {
    "pandas": "turns['started_at'].dt.tz_localize('UTC')",
    "polars": "pl.col('started_at').dt.replace_time_zone('UTC')",
    "duckdb": "started_at AT TIME ZONE 'UTC' (type TIMESTAMPTZ)",
    "pyspark": (
        "set spark.sql.session.timeZone to UTC and cast started_at to TIMESTAMP (it is TIMESTAMP_NTZ)"
    ),
}


def _with_started_ms(native: Any, wanted: Sequence[str]) -> nw.LazyFrame[Any]:
    """Add the instant as an integer; narwhals has no such function on SQL engines yet."""
    frame = nw.from_native(native).lazy()
    if frame.implementation.is_duckdb():
        columns = ", ".join('"' + column.replace('"', '""') + '"' for column in wanted)
        return nw.from_native(native.project(f"{columns}, epoch_ms(started_at) AS {STARTED_MS}"))
    if frame.implementation.is_pyspark():
        from pyspark.sql import functions

        started_ms = functions.unix_millis("started_at").alias(STARTED_MS)
        return nw.from_native(native.select(*wanted, started_ms))
    return frame.select(*wanted, nw.col("started_at").dt.timestamp("ms").alias(STARTED_MS))


def _attrs(native: Any) -> dict[str, Any]:
    found = native.attrs.get(METADATA_KEY) if isinstance(native, pd.DataFrame) else None
    return copy.deepcopy(found) if isinstance(found, dict) else {}
