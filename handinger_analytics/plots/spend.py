"""Credits over time, as stacked bars or cumulative lines."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from numbers import Real
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
from handinger_analytics.arguments import zone_info
from handinger_analytics.errors import FrameError
from handinger_analytics.metrics.checks import grouping
from handinger_analytics.plots.axes import (
    caption,
    closed_on_error,
    count_axis,
    legend_beside,
    no_rows,
    open_axes,
    refuse,
    styled,
)
from handinger_analytics.plots.dates import bar_places, period_axis, spend_by_period
from handinger_analytics.plots.groups import Groups
from handinger_analytics.text import amount
from handinger_analytics.times import FREQS

_MOST_BARS, _MOST_PERIODS = 1000, 200
_Places: TypeAlias = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Middle and width of each bar."""
_PLACED = ("x", "height", "bottom")
_NAME = "credits"
"""In the legend, where there are no groups."""


@closed_on_error
def plot_spend(
    turns: Any,
    *,
    by: str | Iterable[str] | None = None,
    freq: str | None = None,
    tz: str = "UTC",
    cumulative: bool = False,
    limit: float | None = None,
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
    FrameError
        As in `handinger_analytics.spend`, or for a budget that is not a positive number.

    Examples
    --------
    >>> plot_spend(turns, by="worker_id", tz="Europe/Madrid", limit=500)  # doctest: +SKIP
    """
    zone, columns = zone_info(tz), grouping(by, reserved=())
    _check_limit(limit)
    spent, freq = spend_by_period(turns, columns, freq, tz)
    ax = open_axes(ax)
    starts = pd.DatetimeIndex(spent["period"].unique())
    groups = Groups.ranked(spent, columns)
    credits_ = _matrix(spent, groups, len(starts))
    total = f"{credits_.sum():,.0f} in all"
    name = FREQS[freq]
    ax.set_title(f"Credits, cumulative by {name}: {total}" if cumulative else f"Credits per {name}: {total}")
    ax.set_ylabel("credits")
    period_axis(ax, starts, freq, zone)
    caption(ax, provenance.of(spent))
    if not len(starts):
        no_rows(ax)
        return ax
    few = credits_.size <= _MOST_BARS and len(starts) <= _MOST_PERIODS
    draw = _lines if cumulative else _bars if few else _shapes
    if groups.by:
        refuse(kwargs, ["label"])
    handles, labels = draw(ax, bar_places(starts, freq), credits_, groups, kwargs)
    if not groups.by:
        labels = [kwargs.get("label", _NAME)]
    if limit is not None:
        line = ax.axhline(limit, color=mpl.rcParams["text.color"], linestyle="--", linewidth=1.2)
        handles, labels = [*handles, line], [*labels, f"limit {amount(limit)}"]
    if len(labels) > 1 or groups.by:
        legend_beside(ax, handles, labels, groups.title)
    tallest = credits_.sum() if cumulative else credits_.sum(axis=0).max()
    ax.set_ylim(0, 1.05 * max(tallest, limit or 0) or 1)
    count_axis(ax.yaxis)
    return ax


def _check_limit(limit: float | None) -> None:
    if limit is None:
        return
    number = isinstance(limit, Real) and not isinstance(limit, bool)
    if not number or not 0 < limit < math.inf:
        raise FrameError(f"limit: expected credits, a number above 0, found {limit!r}")


def _matrix(spent: pd.DataFrame, groups: Groups, periods: int) -> NDArray[np.int64]:
    """Credits by label and period; each group has every period, in order."""
    matrix = np.zeros((len(groups.labels), periods), dtype=np.int64)
    if periods:
        every = spent["credits"].to_numpy().reshape(-1, periods)
        np.add.at(matrix, groups.positions(spent.iloc[::periods]), every)
    return matrix


def _bars(
    ax: Axes, places: _Places, credits_: NDArray[np.int64], groups: Groups, kwargs: dict[str, Any]
) -> tuple[list[Any], list[str]]:
    middles, widths = places
    style: dict[str, Any] = {"width": widths, "edgecolor": ax.get_facecolor(), "linewidth": 0.3}
    bars = [
        ax.bar(
            middles,
            top - bottom,
            bottom=bottom,
            **styled(Rectangle, {**style, "color": colour, "label": label}, kwargs, placed=_PLACED),
        )
        for bottom, top, label, colour in _stacked(credits_, groups)
    ]
    return bars, groups.labels


def _shapes(
    ax: Axes, places: _Places, credits_: NDArray[np.int64], groups: Groups, kwargs: dict[str, Any]
) -> tuple[list[Any], list[str]]:
    """Draw each group as one shape; Matplotlib takes a second for every thousand bars."""
    middles, widths = places
    lefts = middles - widths / 2
    edges = np.append(lefts, lefts[-1] + widths[-1])
    sides = np.stack([edges[:-1], edges[1:]])
    shapes = []
    for bottom, top, label, colour in _stacked(credits_, groups):
        spent = top > bottom
        (left, right), low, high = sides[:, spent], bottom[spent], top[spent]
        corners = np.array([[left, low], [left, high], [right, high], [right, low]]).transpose(2, 0, 1)
        # Many bars are narrower than a pixel: without an edge they would fade into the ground.
        style: dict[str, Any] = {"facecolor": colour, "edgecolor": colour, "linewidth": 0.8, "label": label}
        shape = PolyCollection(list(corners), **styled(PolyCollection, style, kwargs))
        shapes.append(ax.add_collection(shape))
    # Also periods at the ends in which nothing was spent.
    ax.update_datalim([(edges[0], 0), (edges[-1], 0)])
    ax.autoscale_view()
    return shapes, groups.labels


def _stacked(credits_: NDArray[np.int64], groups: Groups) -> Iterator[tuple[Any, Any, str, str]]:
    """Yield bottom, top, label and colour of each group."""
    tops = np.cumsum(credits_, axis=0)
    return zip(tops - credits_, tops, groups.labels, groups.colours, strict=True)


def _lines(
    ax: Axes, places: _Places, credits_: NDArray[np.int64], groups: Groups, kwargs: dict[str, Any]
) -> tuple[list[Any], list[str]]:
    middles, _ = places
    # A single point has no line to see.
    style: dict[str, Any] = {"marker": "o" if len(middles) == 1 else None}
    labels, colours, spent = groups.labels, groups.colours, credits_
    if len(labels) > 1:
        labels, colours = [*labels, "total"], [*colours, mpl.rcParams["text.color"]]
        spent = np.vstack([credits_, credits_.sum(axis=0)])
    lines = [
        ax.plot(
            middles, np.cumsum(row), **styled(Line2D, {**style, "color": colour, "label": label}, kwargs)
        )[0]
        for row, label, colour in zip(spent, labels, colours, strict=True)
    ]
    return lines, labels
