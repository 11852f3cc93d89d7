"""The days that matter to a budget: those of the history, today, and the rest of the period."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from handinger_analytics.arguments import check_word
from handinger_analytics.errors import ArgumentError
from handinger_analytics.metrics.periods import DAY_MS, Periods, periods_between
from handinger_analytics.times import PERIODS, Period, milliseconds

HISTORY_DAYS = 56
"""Days before today that a forecast rests on: eight weeks, so that outdated spending drops out."""

_LONGER_THAN_A_YEAR_MS = 370 * DAY_MS
_FIRST_YEAR, _LAST_YEAR = 2, 9997
"""Years of ``as_of`` for which period and history are within the range of datetime in every zone."""


@dataclass(frozen=True, slots=True)
class Days:
    """The calendar days from the first that matters to the last of the period.

    Attributes
    ----------
    periods : Periods
        The days, for the engine.
    end : pandas.Timestamp
        First instant after the period.
    as_of : pandas.Timestamp
        Moment of the status, in the same zone.
    first : int
        Position of the first day of the period.
    last_data_day : int
        Position of the last day with data; before ``first`` if the data end before the period.
    today : int
        Position of the day of ``as_of``.
    """

    periods: Periods
    end: pd.Timestamp
    as_of: pd.Timestamp
    first: int
    last_data_day: int
    today: int

    @property
    def known(self) -> bool:
        """Whether any moment of the period is known."""
        return self.last_data_day == self.today

    @property
    def starts(self) -> pd.DatetimeIndex:
        """First instant of each day, ``datetime64[ms, tz]``."""
        return self.periods.starts

    @property
    def bounds_ms(self) -> NDArray[np.int64]:
        """First instants of all days and the end, milliseconds since 1970 UTC."""
        return np.append(self.starts.asi8, milliseconds(self.end))

    @property
    def left(self) -> NDArray[np.float64]:
        """How much of each day from today on is left, 0 to 1; one entry per day."""
        bounds = self.bounds_ms[self.today :]
        left = np.ones(len(bounds) - 1)
        left[0] = (bounds[1] - milliseconds(self.as_of)) / (bounds[1] - bounds[0])
        return left

    @property
    def elapsed(self) -> float:
        """Days of the period that are over, with today's part."""
        return self.today - self.first + 1 - float(self.left[0])

    def weekdays(self, history: int) -> NDArray[np.int64]:
        """Weekdays (Monday is 0) of the ``history`` days before `last_data_day`, then of the days left."""
        weekdays = self.starts.day_of_week.to_numpy().astype(np.int64)
        return np.append(weekdays[self.last_data_day - history : self.last_data_day], weekdays[self.today :])


def days_of(period: Period, zone: ZoneInfo, as_of: datetime, known: datetime | None = None) -> Days:
    """Lay out the days of the period that holds a moment, and of the history before it.

    Parameters
    ----------
    period : str
        One of `handinger_analytics.times.PERIODS`.
    zone : zoneinfo.ZoneInfo
        Whose clock decides where a day begins.
    as_of : datetime
        The moment whose period it is.
    known : datetime, optional
        When the data end, at most ``as_of``, which is the default. The status is of this moment, or of
        the start of the period if that is later.

    Raises
    ------
    ArgumentError
        An unknown period, or a moment too close to the ends of the calendar.
    """
    check_word(period, "period", PERIODS)
    if not _FIRST_YEAR <= as_of.year <= _LAST_YEAR:
        years = f"a moment in the years {_FIRST_YEAR} to {_LAST_YEAR}"
        raise ArgumentError.unexpected("as_of", years, as_of.isoformat())
    # A moment between two milliseconds belongs to the earlier one, as turns do.
    moment = pd.Timestamp(as_of).tz_convert(zone).as_unit("ms")
    moment_ms = milliseconds(moment)
    start, end = periods_between(PERIODS[period], zone, moment_ms, moment_ms + _LONGER_THAN_A_YEAR_MS).starts[
        :2
    ]
    data_end = moment if known is None else pd.Timestamp(known).tz_convert(zone).as_unit("ms")
    status_time = max(start, data_end)
    # A day more than the history: where the clocks change, 56 days are not 56 times 24 hours.
    begin = min(milliseconds(start), milliseconds(status_time) - (HISTORY_DAYS + 1) * DAY_MS)
    periods = periods_between("D", zone, begin, milliseconds(end) - 1)
    positions = periods.starts.searchsorted([start, data_end, status_time], side="right") - 1
    first, last_data_day, today = np.maximum(positions, 0)
    return Days(periods, end, status_time, int(first), int(last_data_day), int(today))
