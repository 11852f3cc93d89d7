"""Periods and instants along an axis, on the clock the user asked for."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from matplotlib import dates
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator
from numpy.typing import NDArray

from handinger_analytics.metrics import spend

PERIOD_NAMES = {"h": "hour", "D": "day", "W": "week", "MS": "month", "QS": "quarter", "YS": "year"}

_SINGLE_PERIOD = {"h": "%Y-%m-%d %H:%M", "MS": "%Y-%m", "QS": "%Y-%m", "YS": "%Y"}
_SINGLE_DAY = "%Y-%m-%d"
_MOST_PERIOD_TICKS = 10
_FEW_DAYS, _MANY_DAYS, _MANY_WEEKS = 2, 120, 160
_BAR_WIDTH = 0.85
"""Part of its period that a bar covers."""


def date_numbers(instants: Any) -> NDArray[np.float64]:
    """Return instants as Matplotlib places them: days since its epoch."""
    numbers: NDArray[np.float64] = dates.date2num(instants)  # type: ignore[no-untyped-call]  # Matplotlib's
    return numbers


def date_axis(ax: Axes, zone: ZoneInfo) -> None:
    """Write the dates along x concisely, on the clock of a zone."""
    locator = dates.AutoDateLocator(tz=zone, minticks=3, maxticks=9)  # type: ignore[no-untyped-call]  # Matplotlib's
    formatter = dates.ConciseDateFormatter(locator, tz=zone)  # type: ignore[no-untyped-call]  # Matplotlib's
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(formatter)


def period_axis(ax: Axes, starts: pd.DatetimeIndex, freq: str, zone: ZoneInfo) -> None:
    """Write the dates of periods along x: each start where they are few, else as `date_axis` does."""
    ax.set_xlabel(f"{PERIOD_NAMES[freq]} ({zone.key})")
    if not len(starts):
        return
    date_axis(ax, zone)
    if len(starts) == 1:
        # A concise date says what differs between the ticks, which of one tick is nothing.
        only = starts.strftime(_SINGLE_PERIOD.get(freq, _SINGLE_DAY))
        ax.set_xticks(date_numbers(starts), only)
        ax.margins(x=2)
    elif len(starts) <= _MOST_PERIOD_TICKS:
        ax.xaxis.set_major_locator(FixedLocator(date_numbers(starts).tolist()))


def spend_by_period(turns: Any, by: list[str], freq: str | None, tz: str) -> tuple[pd.DataFrame, str]:
    """Spend by the asked period, by default one of which there are neither two nor two hundred.

    Returns the frame of `handinger_analytics.spend` and the period.
    """
    if freq is not None:
        return spend(turns, by=by, freq=freq, tz=tz), freq
    daily = spend(turns, by=by, freq="D", tz=tz)
    days = daily["period"].nunique()
    if 0 < days <= _FEW_DAYS:
        return spend(turns, by=by, freq="h", tz=tz), "h"
    if days <= _MANY_DAYS:
        return daily, "D"
    longer = "W" if days <= 7 * _MANY_WEEKS else "MS"
    return spend(turns, by=by, freq=longer, tz=tz), longer


def bar_places(starts: pd.DatetimeIndex, freq: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Middle and width of the bars of periods, in days; each as wide as its own month or day."""
    step = pd.tseries.frequencies.to_offset("W-MON" if freq == "W" else freq)
    edges = date_numbers(starts.append(starts[-1:] + step))
    return edges[:-1], np.diff(edges) * _BAR_WIDTH
