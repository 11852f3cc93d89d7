"""Tokens read and written, back to back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from handinger_analytics import provenance
from handinger_analytics.arguments import column_names, zone_info
from handinger_analytics.errors import ArgumentError
from handinger_analytics.metrics.names import Names
from handinger_analytics.metrics.spend import spend, spend_by_period
from handinger_analytics.plots.axes import (
    closed_on_error,
    count_axis,
    legend_beside,
    no_turns,
    open_axes,
    row_axis,
    styled,
)
from handinger_analytics.plots.dates import bar_places, period_axis
from handinger_analytics.plots.groups import PALETTE, Groups
from handinger_analytics.text import amount
from handinger_analytics.times import Freq

_BARS = (("output_tokens", "written", -1, PALETTE[6]), ("input_tokens", "read", 1, PALETTE[3]))
"""Column, name in the legend, direction and colour."""


@closed_on_error
def plot_tokens(
    turns: Any,
    *,
    by: str | Iterable[str] | None = None,
    freq: Freq | None = None,
    tz: str = "UTC",
    names: Names = None,
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Draw the tokens read by the model against those it wrote, over time or by worker.

    Over time, bars of input tokens stand above zero and bars of output tokens hang below it. With
    ``by`` each group has a row, input to the right of zero and output to the left.

    Parameters
    ----------
    turns : DataFrame
        Turns, one row each: pandas, pyarrow, Polars (eager or lazy), a DuckDB relation or PySpark.
    by : str or list of str, optional
        Column whose groups get a row each, instead of periods: the eight biggest spenders in order,
        and the others as one.
    freq : {"h", "D", "W", "MS", "QS", "YS"}, optional
        Period of a bar; by default it follows the length of the frame, as in `plot_spend`.
    tz : str
        IANA name of the time zone whose clock decides where a period begins.
    names : mapping or Series of str, optional
        Names of workers by their ids, to be shown instead of them.
    ax : matplotlib Axes, optional
        Where to draw; by default a new figure.
    **kwargs
        Passed to `matplotlib.axes.Axes.bar`, to `matplotlib.axes.Axes.barh` with ``by``.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ArgumentError
        Both ``by`` and ``freq``, an unknown ``freq`` or ``tz``, ``names`` that are none, or a keyword that
        the data decide.
    FrameError
        As in `handinger_analytics.spend`.

    Examples
    --------
    >>> ax = ha.plot_tokens(turns, by="worker_id")
    >>> ax.get_title()
    'Tokens: 3.41M read, 335k written'
    """
    zone, columns = zone_info(tz), column_names(by, "by")
    if not columns:
        spent, chosen = spend_by_period(turns, freq=freq, tz=tz)
    elif freq is None:
        spent = spend(turns, by=columns)
    else:
        what = "None beside by, since rows are groups or periods, not both"
        raise ArgumentError.unexpected("freq", what, freq, "leave one of them out")
    read, written = amount(spent["input_tokens"].sum()), amount(spent["output_tokens"].sum())
    groups = Groups.ranked(spent, columns, names=names)
    ax = open_axes(ax, provenance.of(spent), title=f"Tokens: {read} read, {written} written")
    if columns:
        ax.set(xlabel="tokens", ylabel=groups.title)
    else:
        starts = pd.DatetimeIndex(spent["period"])
        ax.set_ylabel("tokens")
        period_axis(ax, starts, chosen, zone)
    if spent.empty:
        return no_turns(ax)
    if columns:
        sums = spent[["input_tokens", "output_tokens"]].groupby(groups.positions(spent)).sum()
        _back_to_back(ax, ax.barh, np.arange(len(sums)), sums, kwargs)
        row_axis(ax, groups.labels)
        count_axis(ax.xaxis, ticks=6)
    else:
        middles, widths = bar_places(starts, chosen)
        _back_to_back(ax, ax.bar, middles, spent, {"width": widths, **kwargs})
        count_axis(ax.yaxis)
    return ax


def _back_to_back(ax: Axes, draw: Any, places: Any, sums: pd.DataFrame, kwargs: dict[str, Any]) -> None:
    upright = draw == ax.bar
    fixed = ("label", "x", "height", "bottom") if upright else ("label", "y", "width", "left")
    bars = []
    for column, name, sign, colour in _BARS:
        look = styled(Rectangle, {"color": colour, "label": name}, kwargs, fixed=fixed)
        bars.append(draw(places, sign * sums[column].to_numpy(), **look))
    zero = ax.axhline if upright else ax.axvline
    zero(0, color=mpl.rcParams["axes.edgecolor"], linewidth=mpl.rcParams["axes.linewidth"])
    legend_beside(ax, bars, "tokens")
