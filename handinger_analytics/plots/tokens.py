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
from handinger_analytics.arguments import zone_info
from handinger_analytics.errors import FrameError
from handinger_analytics.metrics.checks import grouping
from handinger_analytics.metrics.spend import spend
from handinger_analytics.plots.axes import (
    caption,
    closed_on_error,
    count_axis,
    legend_beside,
    no_rows,
    open_axes,
    row_axis,
    styled,
)
from handinger_analytics.plots.dates import bar_places, period_axis, spend_by_period
from handinger_analytics.plots.groups import PALETTE, Groups
from handinger_analytics.text import amount

INPUT_COLOUR, OUTPUT_COLOUR = PALETTE[3], PALETTE[6]


@closed_on_error
def plot_tokens(
    turns: Any,
    *,
    by: str | Iterable[str] | None = None,
    freq: str | None = None,
    tz: str = "UTC",
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
    ax : matplotlib Axes, optional
        Where to draw; by default a new figure.
    **kwargs
        Passed to `matplotlib.axes.Axes.bar`, to `matplotlib.axes.Axes.barh` with ``by``.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    FrameError
        As in `handinger_analytics.spend`, or for both ``by`` and ``freq``.

    Examples
    --------
    >>> plot_tokens(turns, by="worker_id")  # doctest: +SKIP
    """
    zone, columns = zone_info(tz), grouping(by, reserved=())
    if columns and freq is not None:
        raise FrameError(f"by and freq: rows are groups or periods, not both; found {by!r} and {freq!r}")
    if columns:
        spent = spend(turns, by=columns)
        ax = _by_group(open_axes(ax), spent, columns, kwargs)
    else:
        spent, freq = spend_by_period(turns, columns, freq, tz)
        starts = pd.DatetimeIndex(spent["period"])
        ax = open_axes(ax)
        period_axis(ax, starts, freq, zone)
        ax.set_ylabel("tokens")
        if len(starts):
            left, width = bar_places(starts, freq)
            _back_to_back(ax, ax.bar, left, spent, {"width": width, **kwargs})
            count_axis(ax.yaxis)
    read, written = int(spent["input_tokens"].sum()), int(spent["output_tokens"].sum())
    ax.set_title(f"Tokens: {amount(read)} read, {amount(written)} written")
    caption(ax, provenance.of(spent))
    if spent.empty:
        no_rows(ax)
    return ax


def _by_group(ax: Axes, spent: pd.DataFrame, by: list[str], kwargs: dict[str, Any]) -> Axes:
    groups = Groups.ranked(spent, by)
    ax.set(xlabel="tokens", ylabel=groups.title)
    if spent.empty:
        return ax
    folded = spent[["input_tokens", "output_tokens"]].groupby(groups.positions(spent)).sum()
    _back_to_back(ax, ax.barh, np.arange(len(folded)), folded, kwargs)
    row_axis(ax, groups.labels)
    count_axis(ax.xaxis, ticks=6)
    return ax


def _back_to_back(ax: Axes, draw: Any, places: Any, sums: pd.DataFrame, kwargs: dict[str, Any]) -> None:
    placed = ("label", *(("x", "height", "bottom") if draw == ax.bar else ("y", "width", "left")))
    bars = [
        draw(
            places,
            sign * sums[column].to_numpy(),
            **styled(Rectangle, {"color": colour, "label": name}, kwargs, placed=placed),
        )
        for column, name, sign, colour in (
            ("output_tokens", "written", -1, OUTPUT_COLOUR),
            ("input_tokens", "read", 1, INPUT_COLOUR),
        )
    ]
    zero = ax.axhline if draw == ax.bar else ax.axvline
    zero(0, color=mpl.rcParams["axes.edgecolor"], linewidth=mpl.rcParams["axes.linewidth"])
    legend_beside(ax, bars, ["written", "read"], "tokens")
