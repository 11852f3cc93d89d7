"""Whether the budget will hold: spent so far, what is expected, and the limit."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from handinger_analytics import provenance
from handinger_analytics.arguments import zone_info
from handinger_analytics.budget import budget_status
from handinger_analytics.budget.days import days_of
from handinger_analytics.budget.past import open_turns, spent_by_day
from handinger_analytics.plots.axes import (
    caption,
    closed_on_error,
    count_axis,
    legend_beside,
    open_axes,
    styled,
)
from handinger_analytics.plots.dates import date_axis, date_numbers
from handinger_analytics.plots.groups import PALETTE, STATUS_COLOURS
from handinger_analytics.text import amount
from handinger_analytics.times import Period

_SPENT, _CROSSING = PALETTE[0], STATUS_COLOURS["error"]


@closed_on_error
def plot_budget(
    turns: Any,
    *,
    limit: float,
    period: Period = "month",
    tz: str = "UTC",
    schedules: Any = None,
    as_of: dt.datetime | str | None = None,
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Draw the credits of the period under way against its limit, with what is expected by its end.

    A line is what was spent until today, a dashed line leads to what is expected by the end of the
    period, in a band that holds the total eight times in ten. A cross marks the day on which the limit
    is exceeded.

    Parameters
    ----------
    turns, limit, period, tz, schedules, as_of
        As in `handinger_analytics.budget_status`, which computes the numbers.
    ax : matplotlib Axes, optional
        Where to draw; by default a new figure.
    **kwargs
        Passed to `matplotlib.axes.Axes.plot` for the line of what was spent.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    FrameError
        As in `handinger_analytics.budget_status`.

    Examples
    --------
    >>> plot_budget(turns, 50_000, tz="Europe/Madrid")  # doctest: +SKIP
    """
    table = budget_status(turns, limit=limit, period=period, tz=tz, schedules=schedules, as_of=as_of)
    status = table["value"]
    instants, credits_ = _spent_so_far(turns, status, period, tz)
    ax = open_axes(ax)
    ax.set(title=f"Credits of the {period}: {status['verdict']}", ylabel="credits")
    ax.set_xlabel(f"time ({tz})", loc="left")
    caption(ax, provenance.of(table))
    name = f"spent {amount(status['spent'])}"
    look = styled(Line2D, {"color": _SPENT, "linewidth": 2, "label": name}, kwargs)
    spent = ax.plot(date_numbers(instants), credits_, **look)[0]
    ink = mpl.rcParams["text.color"]
    start, now, end = date_numbers([status["period_start"], status["as_of"], status["period_end"]])
    line = ax.axhline(limit, color=ink, linestyle="--", linewidth=1.2)
    today = ax.axvline(float(now), color=ink, linewidth=0.6)
    parts = [
        (spent, spent.get_label()),
        *_expected(ax, status),
        (line, f"limit {amount(limit)}"),
        *_crossing(ax, status),
        (today, f"as of {status['as_of']:%Y-%m-%d}"),
    ]
    handles, labels = zip(*parts, strict=True)
    legend_beside(ax, handles, labels, f"{status['share']:.0%} spent")
    ax.set_xlim(start, end)
    ax.set_ylim(0, 1.08 * np.nanmax([limit, status["spent"], status["high"]]))
    date_axis(ax, zone_info(tz))
    count_axis(ax.yaxis)
    return ax


def _spent_so_far(turns: Any, status: pd.Series[Any], period: str, tz: str) -> tuple[list[Any], list[int]]:
    """Return the starts of the days up to now and now itself, and what was spent by each of them."""
    days = days_of(period, zone_info(tz), status["as_of"])
    by_day = spent_by_day(open_turns(turns, with_tasks=False), days, []).period
    instants = [*days.starts[days.first : days.today + 1], status["as_of"]]
    return instants, [0, *np.cumsum(by_day).tolist()]


def _expected(ax: Axes, status: pd.Series[Any]) -> Iterator[tuple[Any, str]]:
    if pd.isna(status["projected"]):
        return
    ahead = date_numbers([status["as_of"], status["period_end"]])
    low, high = ([status["spent"], status[bound]] for bound in ("low", "high"))
    band = ax.fill_between(ahead, low, high, color=_SPENT, alpha=0.35, linewidth=0)
    yield band, f"80%: {amount(status['low'])} to {amount(status['high'])}"
    line = ax.plot(ahead, [status["spent"], status["projected"]], color=_SPENT, linestyle=":", linewidth=2)[0]
    yield line, f"expected {amount(status['projected'])}"


def _crossing(ax: Axes, status: pd.Series[Any]) -> Iterator[tuple[Any, str]]:
    day = status["crosses_on"]
    if pd.notna(day):
        look: dict[str, Any] = {"color": _CROSSING, "s": 80, "linewidths": 2.5, "zorder": 4}
        yield (
            ax.scatter(date_numbers([day]), [status["limit"]], marker="x", **look),
            f"{'exceeded' if status['spent'] > status['limit'] else 'expected to cross'} on {day:%Y-%m-%d}",
        )
