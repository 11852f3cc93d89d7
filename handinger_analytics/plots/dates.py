"""Instants along an axis, on the clock the user asked for."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from matplotlib import dates
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator
from numpy.typing import NDArray

PERIOD_NAMES = {"h": "hour", "D": "day", "W": "week", "MS": "month", "QS": "quarter", "YS": "year"}

_SINGLE_PERIOD = {"h": "%Y-%m-%d %H:%M", "MS": "%Y-%m", "QS": "%Y-%m", "YS": "%Y"}
_SINGLE_DAY = "%Y-%m-%d"
_MOST_PERIOD_TICKS = 10


def date_numbers(instants: Any) -> NDArray[np.float64]:
    """Return instants as Matplotlib places them: days since its epoch."""
    numbers: NDArray[np.float64] = dates.date2num(instants)  # type: ignore[no-untyped-call]
    return numbers


def date_axis(ax: Axes, zone: ZoneInfo) -> None:
    """Write the dates along x concisely, on the clock of a zone."""
    locator = dates.AutoDateLocator(tz=zone, minticks=3, maxticks=9)  # type: ignore[no-untyped-call]
    formatter = dates.ConciseDateFormatter(locator, tz=zone)  # type: ignore[no-untyped-call]
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
        ax.xaxis.set_major_locator(FixedLocator(date_numbers(starts)))
