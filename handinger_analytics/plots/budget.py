"""Whether the limit will hold: spent so far, what is expected, and the limit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from handinger_analytics import provenance, times
from handinger_analytics.arguments import utc_instant, zone_info
from handinger_analytics.budget.days import days_of
from handinger_analytics.budget.history import open_turns, spend_history
from handinger_analytics.budget.status import budget_status
from handinger_analytics.plots.axes import caption, closed_on_error, legend_beside, open_axes, styled
from handinger_analytics.plots.dates import date_axis, date_numbers
from handinger_analytics.plots.groups import OTHER_COLOUR, PALETTE, STATUS_COLOURS
from handinger_analytics.plots.units import Unit
from handinger_analytics.text import share

_COLOUR, _CROSSING_COLOUR = PALETTE[0], STATUS_COLOURS["error"]


@closed_on_error
def plot_budget(
    turns: Any,
    *,
    limit: float,
    period: times.Period = "month",
    tz: str = "UTC",
    schedules: Any = None,
    as_of: times.Moment = None,
    price: float | None = None,
    currency: str | None = None,
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Draw the credits of the period under way against its limit, with what is expected by its end.

    A line is what was spent until today. A dotted line leads to what is expected by the end of the
    period, in a band that holds the total eight times in ten. A cross marks the day on which the limit
    is exceeded. Days of which nothing is known are shaded, and a caption says so where it is not known
    whether all tasks are here.

    Parameters
    ----------
    turns, limit, period, tz, schedules, as_of
        As in `handinger_analytics.budget_status`, which computes the numbers.
    price : float, optional
        Money per credit, to draw what credits cost instead of them; ``limit`` stays a number of credits.
    currency : str, optional
        Currency of ``price``, an ISO 4217 code such as "EUR".
    ax : matplotlib Axes, optional
        Where to draw; by default a new figure.
    **kwargs
        Passed to `matplotlib.axes.Axes.plot` for the line of what was spent.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ArgumentError, FrameError
        As in `handinger_analytics.budget_status`.

    Examples
    --------
    >>> ax = ha.plot_budget(turns, limit=40_000, tz="Europe/Madrid", as_of="2026-06-18T12:00Z")
    >>> ax.get_title()
    'Credits of the month: within the limit'
    """
    unit = Unit(price, currency)
    moment = utc_instant(as_of, "as_of") or times.now()
    table = budget_status(turns, limit=limit, period=period, tz=tz, schedules=schedules, as_of=moment)
    status, known = table["value"], provenance.of(table)
    instants, credits_ = _spent_so_far(turns, status, period, tz)
    title = f"{unit.noun} of the {period}: {status['verdict']}"
    ax = open_axes(ax, known, title=title, ylabel=unit.label)
    if unknown := provenance.doubt(known):
        caption(ax, unknown)
    date_axis(ax, zone_info(tz))
    label, heading, mark = f"spent {unit.words(status['spent'])}", f"{share(status['share'])} spent", "as of"
    if status["as_of"] < moment - times.MILLISECOND:
        mark = "known until"
        if status["as_of"] == status["period_start"]:
            label, heading, mark = "spent: not known", "", "nothing is known from"
    ours = {"color": _COLOUR, "linewidth": 2, "label": label}
    ink = mpl.rcParams["text.color"]
    ends = [status["period_start"], status["as_of"], moment, status["period_end"]]
    start, known_until, asked, end = map(float, date_numbers(ends))
    (spent,) = ax.plot(date_numbers(instants), unit.scaled(credits_), **styled(Line2D, ours, kwargs))
    words = f"limit {unit.words(limit)}"
    line = ax.axhline(unit.scaled(limit), color=ink, linestyle="--", linewidth=1.2, label=words)
    words = f"{mark} {status['as_of']:%Y-%m-%d}"
    today = ax.axvline(known_until, color=ink, linewidth=0.6, label=words)
    handles = [spent, *_expected(ax, status, unit), line, *_crossing(ax, status, unit), today]
    if mark != "as of":
        handles.append(ax.axvspan(known_until, asked, fc=OTHER_COLOUR, alpha=0.25, label="not known"))
    legend_beside(ax, handles, heading)
    ax.set_xlim(start, end)
    ax.set_ylim(0, 1.08 * unit.scaled(np.nanmax([limit, status["spent"], status["high"]])) or 1)
    unit.axis(ax.yaxis)
    return ax


def _spent_so_far(turns: Any, status: pd.Series[Any], period: times.Period, tz: str) -> tuple[list[Any], Any]:
    """Return the starts of the days up to now and now itself, and what was spent by each of them."""
    days = days_of(period, zone_info(tz), status["as_of"])
    by_day = spend_history(open_turns(turns, with_tasks=False), days).this_period
    instants = [*days.starts[days.first : days.today + 1], status["as_of"]]
    return instants, np.append(0, np.cumsum(by_day))


def _expected(ax: Axes, status: pd.Series[Any], unit: Unit) -> Iterator[Any]:
    if pd.isna(status["projected"]):
        return
    ahead = date_numbers([status["as_of"], status["period_end"]])
    ends = ("low", "high", "projected")
    low, high, middle = (unit.scaled(np.array([status["spent"], status[end]])) for end in ends)
    band = f"80%: {unit.words(status['low'])} to {unit.words(status['high'])}"
    yield ax.fill_between(ahead, low, high, color=_COLOUR, alpha=0.35, linewidth=0, label=band)
    line = f"expected {unit.words(status['projected'])}"
    yield ax.plot(ahead, middle, color=_COLOUR, linestyle=":", linewidth=2, label=line)[0]


def _crossing(ax: Axes, status: pd.Series[Any], unit: Unit) -> Iterator[Any]:
    day = status["crosses_on"]
    if pd.notna(day):
        verb = "exceeded" if status["spent"] > status["limit"] else "expected to cross"
        look: dict[str, Any] = {
            "marker": "x",
            "color": _CROSSING_COLOUR,
            "s": 80,
            "linewidths": 2.5,
            "zorder": 4,
        }
        place = date_numbers([day]), [unit.scaled(status["limit"])]
        yield ax.scatter(*place, label=f"{verb} on {day:%Y-%m-%d}", **look)
