"""What a turn cost against the tokens it used."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import PathCollection, PolyCollection
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from numpy.typing import NDArray

from handinger_analytics.metrics.engines import MEASURES, biggest_first, collect, open_frame
from handinger_analytics.metrics.names import Names
from handinger_analytics.plots.axes import (
    SpacedLocator,
    closed_on_error,
    legend_beside,
    no_turns,
    open_axes,
    styled,
)
from handinger_analytics.plots.groups import COLOUR_MAP, Groups
from handinger_analytics.tables.selection import Columns
from handinger_analytics.text import amount, count

_Numbers: TypeAlias = NDArray[np.float64]
_MOST_POINTS = 5000
"""More turns than this are counted in hexagons instead."""

_ZERO = 0.5
"""Where a logarithmic axis of whole numbers shows zero."""


@closed_on_error
def plot_credits_vs_tokens(
    turns: Any, *, by: Columns = None, names: Names = None, ax: Axes | None = None, **kwargs: Any
) -> Axes:
    """Draw the credits of each turn against its tokens, read and written, on logarithmic axes.

    Up to 5,000 turns are points. More are counted in hexagons, unless ``by`` asks for colours. Turns
    without credits or tokens lie on the axis, at the tick "0".

    Parameters
    ----------
    turns : DataFrame
        Turns, one row each: pandas, pyarrow, Polars (eager or lazy), a DuckDB relation or PySpark.
        The numbers of all turns are read into memory.
    by : str or list of str, optional
        Column to colour by: the eight biggest spenders, and the others in grey.
    names : mapping or Series of str, optional
        Names of workers by their ids, to be shown instead of them.
    ax : matplotlib Axes, optional
        Where to draw; by default a new figure.
    **kwargs
        Passed to `matplotlib.axes.Axes.scatter`, to `matplotlib.axes.Axes.hexbin` where hexagons are
        drawn.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ArgumentError, FrameError
        As in `handinger_analytics.tokens`; ``names`` that are none.

    Examples
    --------
    >>> ax = ha.plot_credits_vs_tokens(turns, by="triggered_by")
    >>> [points.get_label() for points in ax.collections]
    ['email', 'schedule', 'api', 'ui']
    """
    source = open_frame(turns, MEASURES, by=by)
    groups = Groups.ranked(biggest_first(source.sums(source.by), source.by), source.by, names=names)
    rows = collect(source.frame.select(*source.by, "credits", "input_tokens", "output_tokens"))
    tokens, credits_ = _visible(rows["input_tokens"] + rows["output_tokens"]), _visible(rows["credits"])
    title = f"Credits against tokens, {count(len(rows), 'turn')}"
    ax = open_axes(ax, source.attrs, title=title, xlabel="tokens, read and written", ylabel="credits")
    if rows.empty:
        return no_turns(ax)
    ax.set(xscale="log", yscale="log")
    if len(rows) > _MOST_POINTS and not source.by:
        _hexagons(ax, tokens, credits_, kwargs)
    else:
        _points(ax, tokens, credits_, groups, rows, kwargs)
    _count_axis_from_zero(ax.xaxis, tokens)
    _count_axis_from_zero(ax.yaxis, credits_)
    return ax


def _visible(counts: pd.Series[Any]) -> _Numbers:
    visible: _Numbers = np.maximum(counts.to_numpy(), _ZERO)
    return visible


def _points(
    ax: Axes, tokens: _Numbers, credits_: _Numbers, groups: Groups, rows: pd.DataFrame, kwargs: dict[str, Any]
) -> None:
    many, positions = len(tokens) > _MOST_POINTS, groups.positions(rows)
    style = {"s": 6 if many else 18, "alpha": 0.5 if many else 0.7, "linewidths": 0, "rasterized": many}
    fixed = ["x", "y", "label"] if groups.by else ["x", "y"]
    handles = []
    # The biggest spender last, over the others.
    for position in reversed(range(len(groups.labels))):
        ours = {**style, "color": groups.colours[position], "label": groups.labels[position]}
        look, within = styled(PathCollection, ours, kwargs, fixed=fixed), positions == position
        handles.append(ax.scatter(tokens[within], credits_[within], **look))
    if groups.by:
        legend_beside(ax, handles, groups.title)


def _hexagons(ax: Axes, tokens: _Numbers, credits_: _Numbers, kwargs: dict[str, Any]) -> None:
    style = {
        "cmap": COLOUR_MAP,
        "gridsize": 45,
        "bins": "log",
        "mincnt": 1,
        "linewidths": 0.2,
        "xscale": "log",
        "yscale": "log",
    }
    hexagons = ax.hexbin(tokens, credits_, **styled(PolyCollection, style, kwargs, fixed=["x", "y"]))
    scale = ax.figure.colorbar(hexagons, ax=ax, label="turns")
    scale.ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    scale.ax.yaxis.set_minor_locator(NullLocator())
    scale.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: amount(value)))


def _count_axis_from_zero(axis: Axis, values: _Numbers) -> None:
    """Tick a logarithmic axis at powers of ten, and at zero if it is there."""
    low, high = values.min(), max(values.max(), 10)
    first = int(np.log10(max(low, 1)))
    powers = [10**exponent for exponent in range(first, max(int(np.ceil(np.log10(high))), first + 1) + 1)]
    if sum(low <= power <= high for power in powers) + (low == _ZERO) < 2:
        low, high = min(low, powers[0]), powers[-1]
    # One would crowd the zero beside it.
    axis.set_major_locator(SpacedLocator([_ZERO, *(p for p in powers if p > 1)] if low == _ZERO else powers))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: _power_of_ten(value)))
    axis.set_view_interval(low * 0.7, high * 1.4, ignore=True)


def _power_of_ten(value: float) -> str:
    for unit, name in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:,.0f}{name}"
    return "0" if value == _ZERO else f"{value:.0f}"
