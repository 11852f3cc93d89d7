"""Periods and instants along an axis, on the clock the user asked for."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from matplotlib import dates
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator
from numpy.typing import NDArray

from handinger_analytics.metrics.periods import DAY_MS
from handinger_analytics.plots.axes import labels_that_fit
from handinger_analytics.times import FIRST_MS, FREQS, LAST_MS

_SINGLE_PERIOD = {"h": "%Y-%m-%d %H:%M", "MS": "%Y-%m", "QS": "%Y-%m", "YS": "%Y"}
_SINGLE_DAY = "%Y-%m-%d"
_MOST_TICKS, _MOST_PERIOD_TICKS = 9, 10
_CALENDAR = np.array([FIRST_MS + DAY_MS, LAST_MS - DAY_MS]) / DAY_MS
"""A day in from either end, in Matplotlib's days: what a datetime holds in every time zone."""
_SHORTEST_DAY = 22.9 / 24
"""Ticks at least so many days apart are all midnights, also where a clock is put forward."""
_BAR_WIDTH = 0.85
"""Share of its period that a bar covers."""


class _DateLocator(dates.AutoDateLocator):
    """Ticks at round dates, fewer where the axis is short, and none outside the calendar."""

    def __call__(self) -> Any:
        axis: Any = self.axis
        ends = np.clip(sorted(axis.get_view_interval()), *_CALENDAR)
        first, last = dates.num2date(ends, tz=self.tz)
        try:
            ticks = np.asarray(self.get_locator(first, last).tick_values(first, last))
        except OverflowError:  # the first round date is before the year 1 in UTC
            return ends
        return ticks[(ticks >= _CALENDAR[0]) & (ticks <= _CALENDAR[1])]

    def get_locator(self, dmin: dt.datetime, dmax: dt.datetime) -> Any:
        most = min(_MOST_TICKS, 1 + max(2, labels_that_fit(self.axis)))
        self.maxticks = dict.fromkeys(self.maxticks, most)
        # The fewest are at most half of the most, or none of Matplotlib's intervals might fit between.
        self.minticks = min(3, (most - 1) // 2)
        return super().get_locator(dmin, dmax)  # type: ignore[no-untyped-call]  # Matplotlib has no types for it


class _PeriodLocator(FixedLocator):
    """Ticks at the starts of periods, at every second or third of them where the axis is short."""

    def tick_values(self, vmin: Any, vmax: Any) -> Any:
        starts = super().tick_values(vmin, vmax)
        return starts[:: math.ceil(len(starts) / labels_that_fit(self.axis))]


class _ClockFormatter(dates.ConciseDateFormatter):
    """Concise dates; in the hour that is repeated when clocks go back, with the zone's abbreviation."""

    def format_ticks(self, values: Sequence[float]) -> list[str]:
        if not len(values):
            return []  # Matplotlib's own fails without ticks
        labels: list[str] = super().format_ticks(values)  # type: ignore[no-untyped-call]  # Matplotlib has no types for it
        if len(values) > 1 and np.diff(values).min() > _SHORTEST_DAY:
            return labels
        instants = dates.num2date(values, tz=self._tz)
        return [text + _zone_if_repeated(instant) for text, instant in zip(labels, instants, strict=True)]


def _zone_if_repeated(instant: dt.datetime) -> str:
    """Return a line with the zone's abbreviation at a time that its clock shows twice, else nothing."""
    twice = instant.replace(fold=0).utcoffset() != instant.replace(fold=1).utcoffset()
    return f"\n{instant:%Z}" if twice else ""


def date_numbers(instants: Any) -> NDArray[np.float64]:
    """Return instants as Matplotlib places them: days since its epoch."""
    numbers: NDArray[np.float64] = dates.date2num(instants)
    return numbers


def date_axis(ax: Axes, zone: ZoneInfo, name: str = "time") -> None:
    """Write dates along x concisely, on the clock of a zone, and what they are below."""
    locator = _DateLocator(tz=zone)  # type: ignore[no-untyped-call]  # Matplotlib has no types for it
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(_ClockFormatter(locator, tz=zone))  # type: ignore[no-untyped-call]  # Matplotlib has no types for it
    # On the right a concise date has its year.
    ax.set_xlabel(f"{name} ({zone.key})", loc="left")


def period_axis(ax: Axes, starts: pd.DatetimeIndex, freq: str, zone: ZoneInfo) -> None:
    """Write the dates of periods along x: each start where they are few, else as `date_axis` does."""
    date_axis(ax, zone, FREQS[freq])
    if len(starts) == 1:
        # A concise date says what differs between the ticks, which of one tick is nothing.
        only = starts[0].strftime(_SINGLE_PERIOD.get(freq, _SINGLE_DAY))
        if freq == "h":
            only += _zone_if_repeated(starts[0].to_pydatetime())
        ax.set_xticks(date_numbers(starts), [only])
        ax.margins(x=2)
    elif 0 < len(starts) <= _MOST_PERIOD_TICKS:
        ax.xaxis.set_major_locator(_PeriodLocator(date_numbers(starts).tolist()))


def bar_places(starts: pd.DatetimeIndex, freq: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return middle and width of the bars of periods, in days; each is as wide as its own month or day."""
    step = pd.tseries.frequencies.to_offset("W-MON" if freq == "W" else freq)
    edges = date_numbers(starts.append(starts[-1:] + step))
    return edges[:-1], np.diff(edges) * _BAR_WIDTH
