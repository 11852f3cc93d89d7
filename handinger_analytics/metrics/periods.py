"""Hours, days, weeks, months, quarters and years on the clock of a time zone.

A day is 23, 24 or 25 hours long, as its time zone has it. The engine groups by one integer that is
cheap and exact everywhere (`Periods.key`); the few integers that come back are assigned to
periods here, with the calendar of the zone (`Periods.index`).
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from math import gcd
from typing import Any
from zoneinfo import ZoneInfo

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from handinger_analytics.errors import FrameError
from handinger_analytics.metrics.engines import STARTED_MS, collect, open_frame
from handinger_analytics.times import EPOCH, FIRST_MS, LAST_MS, Freq, milliseconds, now

_MOST_HOURS = 1_000_000
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
_DAY_S = 86_400
_FIRST_MS, _LAST_MS = FIRST_MS + 2 * 365 * DAY_MS, LAST_MS - 2 * 365 * DAY_MS
"""Years 3 to 9997: in every time zone a datetime holds their periods, and those before and after."""
_YEAR_1800_S = -5_364_662_400
"""Before the first change of any clock in the time zone database."""


@dataclass(frozen=True, slots=True)
class Periods:
    """The periods between two instants, without gaps.

    Attributes
    ----------
    starts : pandas.DatetimeIndex
        First instant of each period, ``datetime64[ms, tz]``.
    key : narwhals.Expr
        Integer of a row by which the engine groups.
    keys : numpy.ndarray
        Smallest key of each period.
    """

    starts: pd.DatetimeIndex
    key: nw.Expr
    keys: NDArray[np.int64]

    def index(self, keys: NDArray[np.int64]) -> NDArray[np.intp]:
        """Position in ``starts`` of the period each key falls in."""
        return np.searchsorted(self.keys, keys, side="right") - 1


def no_periods(zone: ZoneInfo) -> Periods:
    """Return the periods of a frame without rows."""
    nothing = np.array([], dtype=np.int64)
    return Periods(_instants(nothing, zone), nw.col(STARTED_MS), nothing)


def check_span(turns: Any, freq: Freq, zone: ZoneInfo, first_ms: int, last_ms: int) -> None:
    """Refuse turns that are too far from each other for periods, or too close to the ends of the calendar.

    Years may span more than a million hours where the clock never changes.

    Raises
    ------
    FrameError
        Names the turn farthest from now, since such turns come from a wrong clock or unit.
    """
    if first_ms < _FIRST_MS or last_ms > _LAST_MS:
        problem = "started_at: periods need turns of the years 3 to 9997;"
    elif last_ms - first_ms > _MOST_HOURS * HOUR_MS and not (freq == "YS" and _is_fixed(zone)):
        longer = "use a longer freq ('YS' with tz='UTC'), or"
        problem = f"freq {freq!r}: the turns span more than {_MOST_HOURS:,} hours; {longer}"
    else:
        return
    present = milliseconds(now())
    outermost = max(first_ms, last_ms, key=lambda instant: abs(instant - present))
    source = open_frame(turns, ["started_at"], optional=["turn_id", "task_id"])
    turn = collect(source.frame.filter(nw.col(STARTED_MS) == outermost).head(1)).iloc[0]
    named = " of ".join(f"{each[:4]} {turn[each]!r}" for each in ("turn_id", "task_id") if each in turn)
    raise FrameError(
        f"{problem} leave out turns of a wrong time: "
        f"{named or 'one'} starts at {np.datetime64(outermost, 'ms')} UTC"
    )


def periods_between(freq: Freq, zone: ZoneInfo, first_ms: int, last_ms: int) -> Periods:
    """Cut the time between two instants, for which `check_span` holds, into periods.

    Parameters
    ----------
    freq : str
        One of `handinger_analytics.times.FREQS`.
    zone : zoneinfo.ZoneInfo
        Whose clock decides where a period begins.
    first_ms, last_ms : int
        First and last instant, milliseconds since 1970 UTC.
    """
    if freq == "h":
        return _hours(zone, first_ms, last_ms)
    segments = utc_offsets(zone, first_ms, last_ms)
    first_day = (first_ms + segments[0][1]) // DAY_MS
    last_day = (last_ms + segments[-1][1]) // DAY_MS
    days = _calendar(freq, first_day, last_day)
    starts = _first_instants(days * DAY_MS, utc_offsets(zone, (int(days[0]) - 2) * DAY_MS, last_ms))
    # A zone that moved across the date line skipped a day, which would start when the next one does.
    exists = np.append(starts[:-1] < starts[1:], True)
    return Periods(_instants(starts[exists], zone), _local_ms(segments) // DAY_MS, days[exists])


def utc_offsets(zone: ZoneInfo, first_ms: int, last_ms: int) -> list[tuple[int, int]]:
    """UTC offset of a zone as a step function.

    Returns
    -------
    list of (int, int)
        Instant from which it holds and offset, both in milliseconds; the first instant is ``first_ms``.

    Examples
    --------
    >>> utc_offsets(ZoneInfo("Europe/Madrid"), 1_774_656_000_000, 1_774_828_800_000)
    [(1774656000000, 3600000), (1774746000000, 7200000)]
    """
    segments = [(first_ms, _offset_s(zone, first_ms // 1000) * 1000)]
    if _is_fixed(zone):
        return segments
    low, end = max(first_ms // 1000, _YEAR_1800_S), last_ms // 1000
    while low < end:
        high = min(low + _DAY_S, end)
        if _offset_s(zone, high) != _offset_s(zone, low):
            change = _change_between(zone, low, high)
            segments.append((change * 1000, _offset_s(zone, change) * 1000))
        low = high
    return segments


def _is_fixed(zone: ZoneInfo) -> bool:
    """Whether the clock never changes, as of UTC."""
    return zone.utcoffset(None) is not None


def _change_between(zone: ZoneInfo, low: int, high: int) -> int:
    """First second in ``(low, high]`` with another offset than ``low``."""
    before = _offset_s(zone, low)
    return low + bisect_left(range(low, high), True, key=lambda at: _offset_s(zone, at) != before)


def _offset_s(zone: ZoneInfo, instant_s: int) -> int:
    offset = (EPOCH + timedelta(seconds=instant_s)).astimezone(zone).utcoffset()
    return round(offset.total_seconds()) if offset else 0


def _local_ms(segments: list[tuple[int, int]]) -> nw.Expr:
    instant: nw.Expr = nw.col(STARTED_MS)
    local = instant + segments[0][1]
    for (_, before), (change, after) in pairwise(segments):
        local = local + (instant >= change).cast(nw.Int64) * (after - before)
    return local


def _calendar(freq: Freq, first_day: int, last_day: int) -> NDArray[np.int64]:
    """First days of the periods that hold two days and all between, as days since 1970-01-01."""
    if freq == "D":
        return np.arange(first_day, last_day + 1, dtype=np.int64)
    if freq == "W":
        # 1970-01-01 was a Thursday.
        return np.arange(first_day - (first_day + 3) % 7, last_day + 1, 7, dtype=np.int64)
    months = {"MS": 1, "QS": 3, "YS": 12}[freq]
    first, last = np.array([first_day, last_day], "datetime64[D]").astype("datetime64[M]").astype(np.int64)
    begins = np.arange(first - first % months, last + 1, months).astype("datetime64[M]")
    return begins.astype("datetime64[D]").astype(np.int64)


def _first_instants(local: NDArray[np.int64], segments: list[tuple[int, int]]) -> NDArray[np.int64]:
    """When the clock first shows each local time or, where it skips it, a later one."""
    found = np.full(len(local), np.iinfo(np.int64).max)
    ends = [*(start for start, _ in segments[1:]), np.iinfo(np.int64).max]
    for (start, offset), end in zip(segments, ends, strict=True):
        shown = np.maximum(local - offset, start)
        found = np.minimum(found, np.where(shown < end, shown, found))
    return found


def _instants(instants: NDArray[np.int64], zone: ZoneInfo) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(instants.astype("datetime64[ms]")).tz_localize("UTC").tz_convert(zone)


def _hours(zone: ZoneInfo, first_ms: int, last_ms: int) -> Periods:
    """Cut at every full hour of the local clock and at every change of it.

    Both 02:00 hours of an autumn night are hours of their own. The engine groups by the coarsest
    grain that divides all cuts: an hour in most zones, 15 minutes in Kathmandu.
    """
    begin = first_ms - 2 * HOUR_MS
    segments = utc_offsets(zone, begin, last_ms)
    cuts: list[NDArray[np.int64]] = []
    for (start, offset), end in zip(segments, [*(s for s, _ in segments[1:]), last_ms + 1], strict=True):
        first_full = -(-(start + offset) // HOUR_MS) * HOUR_MS - offset
        full = np.arange(first_full, end, HOUR_MS, dtype=np.int64)
        cuts.append(full if start == begin else np.union1d([start], full))
    instants = np.concatenate(cuts)
    instants = instants[np.searchsorted(instants, first_ms, side="right") - 1 :]
    grain = gcd(HOUR_MS, *(offset for _, offset in segments), *(start for start, _ in segments[1:]))
    return Periods(_instants(instants, zone), nw.col(STARTED_MS) // grain, instants // grain)
