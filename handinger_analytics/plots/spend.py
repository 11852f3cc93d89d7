"""Credits over time, as stacked bars or cumulative lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from handinger_analytics import provenance
from handinger_analytics.arguments import check_number, column_names, zone_info
from handinger_analytics.metrics.names import Names
from handinger_analytics.metrics.spend import spend_by_period
from handinger_analytics.plots.axes import closed_on_error, legend_beside, no_turns, open_axes, refuse, styled
from handinger_analytics.plots.dates import bar_places, period_axis
from handinger_analytics.plots.groups import Groups
from handinger_analytics.plots.units import Unit
from handinger_analytics.text import number
from handinger_analytics.times import FREQS, Freq

_MOST_BARS, _MOST_PERIODS = 1000, 200
_Places: TypeAlias = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Middle and width of each bar."""
_Amounts: TypeAlias = NDArray[Any]
"""Credits or money, by label and period."""


@closed_on_error
def plot_spend(
    turns: Any,
    *,
    by: str | Iterable[str] | None = None,
    freq: Freq | None = None,
    tz: str = "UTC",
    cumulative: bool = False,
    limit: float | None = None,
    names: Names = None,
    price: float | None = None,
    currency: str | None = None,
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Draw the credits of each period as bars, stacked by a column, or their running sum as lines.

    Parameters
    ----------
    turns : DataFrame
        Turns, one row each: pandas, pyarrow, Polars (eager or lazy), a DuckDB relation or PySpark.
    by : str or list of str, optional
        Column to stack by. The eight biggest spenders are shown, the others as one grey "other".
    freq : {"h", "D", "W", "MS", "QS", "YS"}, optional
        Period of a bar. By default hours for up to two days, days up to four months, weeks up to
        three years, months beyond.
    tz : str
        IANA name of the time zone whose clock decides where a period begins.
    cumulative : bool
        Draw the credits spent since the first period instead: a line per group and their total.
    limit : float, optional
        Credits that may be spent, as a line: per period, or in all if ``cumulative``.
    names : mapping or Series of str, optional
        Names of workers by their ids, to be shown instead of them.
    price : float, optional
        Money per credit, to draw what credits cost instead of them; ``limit`` stays a number of credits.
    currency : str, optional
        Currency of ``price``, an ISO 4217 code such as "EUR".
    ax : matplotlib Axes, optional
        Where to draw; by default a new figure.
    **kwargs
        Passed to `matplotlib.axes.Axes.bar`, to `matplotlib.axes.Axes.plot` if ``cumulative``. More than
        200 periods or 1,000 bars, too fine to see apart, are one shape per group: passed to
        `matplotlib.collections.PolyCollection`.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ArgumentError
        An unknown ``freq``, ``tz`` or ``currency``, a ``limit`` that is no number above 0, a ``price``
        below 0, ``names`` that are none, or a keyword that the data decide.
    FrameError
        As in `handinger_analytics.spend`.

    Examples
    --------
    >>> ax = ha.plot_spend(turns, by="worker_id", tz="Europe/Madrid", limit=500)
    >>> ax.get_title()
    'Credits per day: 54,512 in all'
    >>> ax = ha.plot_spend(turns, by="triggered_by", freq="MS", price=0.012, currency="EUR")
    >>> ax.get_title()
    'Cost per month: 654.14 EUR in all'
    """
    zone, columns, unit = zone_info(tz), column_names(by, "by"), Unit(price, currency)
    if limit is not None:
        check_number(limit, "limit", "credits, a number above 0", above=0)
    if columns:
        refuse(kwargs, ["label"])
    spent, chosen = spend_by_period(turns, by=columns, freq=freq, tz=tz)
    starts = pd.DatetimeIndex(spent["period"].unique())
    groups = Groups.ranked(spent, columns, names=names, everything=unit.label)
    credits_ = _matrix(spent, groups, len(starts))
    per = ", cumulative by" if cumulative else " per"
    title = f"{unit.noun}{per} {FREQS[chosen]}: {unit.words(credits_.sum(), number)} in all"
    ax = open_axes(ax, provenance.of(spent), title=title, ylabel=unit.label)
    period_axis(ax, starts, chosen, zone)
    if not len(starts):
        return no_turns(ax)
    few = credits_.size <= _MOST_BARS and len(starts) <= _MOST_PERIODS
    draw = _lines if cumulative else _bars if few else _shapes
    handles = draw(ax, bar_places(starts, chosen), unit.scaled(credits_), groups, kwargs)
    if limit is not None:
        look: dict[str, Any] = {"color": mpl.rcParams["text.color"], "linestyle": "--", "linewidth": 1.2}
        handles.append(ax.axhline(unit.scaled(limit), label=f"limit {unit.words(limit)}", **look))
    if len(handles) > 1 or columns:
        legend_beside(ax, handles, groups.title)
    tallest = credits_.sum() if cumulative else credits_.sum(axis=0).max()
    ax.set_ylim(0, 1.05 * unit.scaled(max(tallest, limit or 0)) or 1)
    unit.axis(ax.yaxis)
    return ax


def _matrix(spent: pd.DataFrame, groups: Groups, periods: int) -> NDArray[np.int64]:
    """Return credits by label and period; in the frame each group has every period, in order."""
    matrix = np.zeros((len(groups.labels), periods), dtype=np.int64)
    if periods:
        by_group = spent["credits"].to_numpy().reshape(-1, periods)
        np.add.at(matrix, groups.positions(spent.iloc[::periods]), by_group)
    return matrix


def _bars(ax: Axes, places: _Places, amounts: _Amounts, groups: Groups, kwargs: dict[str, Any]) -> list[Any]:
    middles, widths = places
    style: dict[str, Any] = {"width": widths, "edgecolor": ax.get_facecolor(), "linewidth": 0.3}
    bars = []
    for bottom, top, label, colour in _stacked(amounts, groups):
        ours = {**style, "color": colour, "label": label}
        look = styled(Rectangle, ours, kwargs, fixed=["x", "height", "bottom"])
        bars.append(ax.bar(middles, top - bottom, bottom=bottom, **look))
    return bars


def _shapes(
    ax: Axes, places: _Places, amounts: _Amounts, groups: Groups, kwargs: dict[str, Any]
) -> list[Any]:
    """Draw each group as one shape; Matplotlib takes a second for every thousand bars."""
    middles, widths = places
    lefts = middles - widths / 2
    edges = np.append(lefts, lefts[-1] + widths[-1])
    shapes = []
    for bottom, top, label, colour in _stacked(amounts, groups):
        spent = top > bottom
        left, right, low, high = edges[:-1][spent], edges[1:][spent], bottom[spent], top[spent]
        corners = np.array([[left, low], [left, high], [right, high], [right, low]]).transpose(2, 0, 1)
        # Many bars are narrower than a pixel: without an edge they would fade into the ground.
        ours = {"facecolor": colour, "edgecolor": colour, "linewidth": 0.8, "label": label}
        shape = PolyCollection(list(corners), **styled(PolyCollection, ours, kwargs))
        shapes.append(ax.add_collection(shape))
    # Also periods at the ends in which nothing was spent.
    ax.update_datalim([(edges[0], 0), (edges[-1], 0)])
    ax.autoscale_view()
    return shapes


def _stacked(amounts: _Amounts, groups: Groups) -> Iterator[tuple[Any, Any, str, str]]:
    """Return bottom, top, label and colour of each group."""
    tops = np.cumsum(amounts, axis=0)
    return zip(tops - amounts, tops, groups.labels, groups.colours, strict=True)


def _lines(ax: Axes, places: _Places, amounts: _Amounts, groups: Groups, kwargs: dict[str, Any]) -> list[Any]:
    middles, _ = places
    labels, colours = groups.labels, groups.colours
    if len(labels) > 1:
        labels, colours = [*labels, "total"], [*colours, mpl.rcParams["text.color"]]
        amounts = np.vstack([amounts, amounts.sum(axis=0)])
    lines = []
    for row, label, colour in zip(np.cumsum(amounts, axis=1), labels, colours, strict=True):
        # A single point has no line to see.
        ours = {"marker": "o" if len(middles) == 1 else None, "color": colour, "label": label}
        lines += ax.plot(middles, row, **styled(Line2D, ours, kwargs))
    return lines
