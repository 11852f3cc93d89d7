"""Where the credits go: spend by any column and any period."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from zoneinfo import ZoneInfo

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from handinger_analytics import provenance
from handinger_analytics.arguments import check_currency, check_freq, zone_info
from handinger_analytics.errors import FrameError
from handinger_analytics.metrics.engines import (
    MEASURES,
    STARTED_MS,
    SUMS,
    OpenFrame,
    biggest_first,
    open_frame,
)
from handinger_analytics.metrics.names import Names, with_cost, with_names
from handinger_analytics.metrics.periods import DAY_MS, Periods, check_span, no_periods, periods_between
from handinger_analytics.times import Freq

_KEY = "_period_key"
_MAX_ROWS = 20_000_000
_READABLE: tuple[tuple[Freq, int], ...] = (("h", 2), ("D", 120), ("W", 7 * 160))
"""Periods to choose from and the most days for each: never more than 160 bars."""


def spend(
    turns: Any,
    *,
    by: str | Iterable[str] | None = None,
    freq: Freq | None = None,
    tz: str = "UTC",
    names: Names = None,
    price: float | None = None,
    currency: str | None = None,
) -> pd.DataFrame:
    """Credits, turns, tokens and time, by any column and any period.

    The parts add up to the total exactly, whatever the grouping. A sum beyond int64 (9.2e18) is
    refused, except on a lazy Polars frame, where it wraps around silently.

    Parameters
    ----------
    turns : DataFrame
        Turns, one row each: pandas, pyarrow, Polars (eager or lazy), a DuckDB relation or PySpark.
    by : str or list of str, optional
        Columns to group by. A missing value, such as a task without a user, is a group of its own.
    freq : {"h", "D", "W", "MS", "QS", "YS"}, optional
        Period by the start of the turn: hour, day, week from Monday, month, quarter, year.
    tz : str
        IANA name of the time zone whose clock decides where a period begins. Its days are 23 or 25
        hours long where the clocks change.
    names : mapping or Series, optional
        Names of workers by their ids or dashboard links; adds a column ``worker_name`` after
        ``worker_id``.
    price : float, optional
        Money per credit; adds a column ``cost``.
    currency : str, optional
        ISO 4217 code of the currency of ``price``; adds a column ``currency``.

    Returns
    -------
    pandas.DataFrame
        The ``by`` columns, ``period`` (``datetime64[ms, tz]``, first instant of the period) if
        ``freq`` is given, then ``credits``, ``turns``, ``input_tokens``, ``output_tokens`` and
        ``duration_ms`` (milliseconds), all int64, ``cost`` (float64) if ``price`` is given, and
        ``currency`` (str) if that is.
        Biggest spender first, ties in the order of ``by``; within each, periods in order. Every
        group has every period between the first and the last of all turns, with zeros where it
        spent nothing. Without ``by`` and ``freq``: one row.

    Raises
    ------
    ArgumentError
        An unknown ``freq`` or ``tz``; a ``by`` that is not the name of a column, or the name of one of the
        result; names that cannot be used; a price below zero, a currency without a price, or one that
        ISO 4217 does not have.
    FrameError
        Not a frame, a column missing or of the wrong type, times without a time zone, missing
        numbers, or more periods than fit.

    Examples
    --------
    >>> table = ha.spend(turns, by="triggered_by", freq="MS", tz="Europe/Madrid", price=0.01)
    >>> table[["triggered_by", "period", "credits", "cost"]]
      triggered_by                    period  credits    cost
    0           ui 2026-05-01 00:00:00+02:00    11898  118.98
    1           ui 2026-06-01 00:00:00+02:00    12575  125.75
    2          api 2026-05-01 00:00:00+02:00     5730   57.30
    3          api 2026-06-01 00:00:00+02:00     8102   81.02
    4     schedule 2026-05-01 00:00:00+02:00     8260   82.60
    5     schedule 2026-06-01 00:00:00+02:00     2975   29.75
    6        email 2026-05-01 00:00:00+02:00     1907   19.07
    7        email 2026-06-01 00:00:00+02:00     3065   30.65
    """
    currency = check_currency(currency, price)
    if freq is None:
        zone_info(tz)
        source = open_frame(turns, MEASURES, by=by, names=names)
        result = source.result(source.sums(source.by), SUMS)
    else:
        result, _ = spend_by_period(turns, by=by, freq=freq, tz=tz, names=names)
    return with_cost(result, price, currency)


def spend_by_period(
    turns: Any, *, by: str | Iterable[str] | None = None, freq: Freq | None, tz: str, names: Names = None
) -> tuple[pd.DataFrame, Freq]:
    """Spend by a period that, unless given, is chosen to make a readable chart.

    The engine is asked twice: for the first and the last start, then for the sums.

    Returns
    -------
    pandas.DataFrame
        As `spend` returns it for that ``freq``.
    str
        The ``freq``: hours for up to two days, days for up to 120, weeks for up to 160, months beyond.
    """
    zone = zone_info(tz)
    if freq is not None:
        check_freq(freq)
    source = open_frame(turns, (*MEASURES, "started_at"), by=by, names=names)
    start = nw.col(STARTED_MS)
    first, last = source.aggregate([], first=start.min(), last=start.max()).iloc[0]
    if pd.isna(first):
        freq, periods = freq or "D", no_periods(zone)
    else:
        check_span(turns, freq or "MS", zone, int(first), int(last))
        freq = freq or _readable_freq(zone, int(first), int(last))
        periods = periods_between(freq, zone, int(first), int(last))
    return provenance.attach(with_names(_by_period(source, periods), names), source.attrs), freq


def _readable_freq(zone: ZoneInfo, first_ms: int, last_ms: int) -> Freq:
    if last_ms - first_ms > _READABLE[-1][1] * DAY_MS:
        return "MS"
    days = len(periods_between("D", zone, first_ms, last_ms).starts)
    return next((freq for freq, most_days in _READABLE if days <= most_days), "MS")


def _by_period(source: OpenFrame, periods: Periods) -> pd.DataFrame:
    """Sum by group and period, and give every group every period."""
    rows = source.with_columns(**{_KEY: periods.key}).sums([*source.by, _KEY])
    groups, group_of_row = _groups(rows, source.by)
    count = len(periods.starts)
    if len(groups) * count > _MAX_ROWS:
        raise FrameError(
            f"{len(groups):,} groups times {count:,} periods is more than {_MAX_ROWS:,} rows: use a "
            "longer freq, a shorter range, or a by with fewer groups"
        )
    filled = np.zeros((len(groups) * count, len(SUMS)), dtype=np.int64)
    position = group_of_row * count + periods.index(rows[_KEY].to_numpy())
    np.add.at(filled, position, rows[list(SUMS)].to_numpy())
    result = groups.loc[np.repeat(np.arange(len(groups)), count), source.by].reset_index(drop=True)
    result["period"] = periods.starts[np.tile(np.arange(count), len(groups))]
    result[list(SUMS)] = filled
    return result


def _groups(rows: pd.DataFrame, by: list[str]) -> tuple[pd.DataFrame, NDArray[np.intp]]:
    """Return the groups, biggest spender first, and for each row the position of its group."""
    if not by:
        return pd.DataFrame(index=range(min(len(rows), 1))), np.zeros(len(rows), dtype=np.intp)
    code = rows.groupby(by, dropna=False, sort=False).ngroup()
    first = code.drop_duplicates()
    credits = rows["credits"].groupby(code).sum()
    groups = biggest_first(rows.loc[first.index, by].assign(code=first, credits=first.map(credits)), by)
    rank = np.empty(len(groups), dtype=np.intp)
    rank[groups["code"]] = np.arange(len(groups))
    return groups[by], rank[code]
