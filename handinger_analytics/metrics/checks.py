"""Frames that are refused before any work begins, with a message that says what would do."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd

from handinger_analytics.arguments import column_names
from handinger_analytics.errors import ArgumentError, FrameError

INT64_MAX = 2**63 - 1
"""The largest sum that an int64 holds."""

_NESTED = (nw.List, nw.Array, nw.Struct, nw.Object)

_LOCALIZE = {
    nw.Implementation.PANDAS: "turns['{column}'].dt.tz_localize('UTC')",
    nw.Implementation.PYARROW: "pyarrow.compute.assume_timezone(turns['{column}'], 'UTC')",
    nw.Implementation.POLARS: "pl.col('{column}').dt.replace_time_zone('UTC')",
    nw.Implementation.DUCKDB: "{column} AT TIME ZONE 'UTC', which is a TIMESTAMPTZ",
    nw.Implementation.PYSPARK: (
        "set spark.sql.session.timeZone to UTC, then cast it from TIMESTAMP_NTZ to TIMESTAMP"
    ),
}
"""How to declare naive times as UTC, by engine."""


def check_columns(wanted: Iterable[str], present: Sequence[str], name: str) -> None:
    """Refuse a frame without the wanted columns; the message lists what it has."""
    absent = [column for column in wanted if column not in present]
    if absent:
        there = ", ".join(map(str, present)) or "no columns"
        raise FrameError(f"{name}: no column {', '.join(map(repr, absent))}; it has {there}")


def check_group(column: str, dtype: nw.dtypes.DType, native: Any) -> None:
    """Refuse to group by times, nested values, and the intervals of `pandas.cut`."""
    if isinstance(dtype, (nw.Datetime, nw.Duration, nw.Time)):
        raise FrameError(f"by: {column!r} holds times ({dtype}); use freq= for periods")
    if isinstance(dtype, _NESTED):
        raise FrameError(f"by: cannot group by {column!r} of type {dtype}; use text or whole numbers")
    # narwhals takes intervals for any other categories, but Arrow, in which results are collected, has none.
    kind = native[column].dtype if isinstance(native, pd.DataFrame) else None
    if isinstance(kind, pd.CategoricalDtype) and isinstance(kind.categories.dtype, pd.IntervalDtype):
        raise FrameError(
            f"by: cannot group by {column!r}, whose categories are intervals; "
            f"make them text: turns[{column!r}].astype(str)"
        )


def check_integer(column: str, dtype: nw.dtypes.DType, name: str) -> None:
    """Refuse anything but whole numbers where sums must be exact."""
    if not dtype.is_integer():
        raise FrameError(
            f"{name}: column {column!r} must hold whole numbers (int64), found {dtype}; a missing value "
            "turns pandas integers into floats: drop those rows, then .astype('int64')"
        )


def check_sums(columns: Iterable[str], frame: nw.DataFrame[Any], name: str) -> None:
    """Refuse numbers whose sum an int64 does not hold: in NumPy and Polars it would wrap around silently."""
    for column in columns:
        largest = frame[column].max()
        if pd.notna(largest) and int(largest) * len(frame) > INT64_MAX:
            total = sum(map(int, frame[column].drop_nulls()))
            if total > INT64_MAX:
                raise FrameError(
                    f"{name}: column {column!r} adds up to {total:,}; sums go up to {INT64_MAX:,}"
                )


def check_aware(
    dtype: nw.dtypes.DType, engine: nw.Implementation, name: str, column: str = "started_at"
) -> None:
    """Refuse times that are not instants; the message says what to do on this engine."""
    if not isinstance(dtype, nw.Datetime):
        raise FrameError(
            f"{name}: column {column!r} must hold times with a time zone, found {dtype}; "
            f"in pandas: pd.to_datetime(turns[{column!r}], utc=True)"
        )
    if dtype.time_zone is None:
        advice = _LOCALIZE.get(engine, _LOCALIZE[nw.Implementation.PANDAS])
        raise FrameError(
            f"{name}: column {column!r} has no time zone, so its days are unknown; "
            f"if it is in UTC: {advice.format(column=column)}"
        )


def grouping(by: str | Iterable[str] | None, reserved: Collection[str]) -> list[str]:
    """Return the grouping columns as a list, each once.

    Parameters
    ----------
    by : str or iterable of str, optional
        What the user gave.
    reserved : collection of str
        Names that the result uses itself.

    Raises
    ------
    ArgumentError
        Not a name, or a reserved one.

    Examples
    --------
    >>> grouping("worker_id", reserved=["credits"])
    ['worker_id']
    """
    groups = column_names(by, "by")
    for group in groups:
        if group in reserved:
            raise ArgumentError.unexpected(
                "by", "columns with other names than those of the result", group, "rename it in the frame"
            )
    return groups
