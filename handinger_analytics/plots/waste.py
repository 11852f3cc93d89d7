"""What went into work that brought nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from handinger_analytics import provenance
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
from handinger_analytics.plots.groups import Groups, groups_of
from handinger_analytics.tables.schema import WASTED

_ORDER = {"error": 0, "aborted": 1, "completed": 3}
"""From the axis outwards, other statuses in between: what was wasted can be compared from zero."""


@closed_on_error
def plot_waste(
    turns: Any,
    *,
    by: str | Iterable[str] = "worker_id",
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Draw the credits of each worker by the status its turns ended in, wasted ones first.

    Beside each bar stands the share that went into turns that ended ``error`` or ``aborted``.

    Parameters
    ----------
    turns : DataFrame
        Turns, one row each: pandas, pyarrow, Polars (eager or lazy), a DuckDB relation or PySpark.
    by : str or list of str
        Column whose groups get a bar each: the eight biggest spenders, and the others as one.
    ax : matplotlib Axes, optional
        Where to draw; by default a new figure.
    **kwargs
        Passed to `matplotlib.axes.Axes.barh`.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    FrameError
        As in `handinger_analytics.waste`.

    Examples
    --------
    >>> plot_waste(turns, by="triggered_by")  # doctest: +SKIP
    """
    columns = grouping(by, reserved=())
    spent = spend(turns, by=[*columns, "status"])
    rows = groups_of(turns, columns)
    statuses = Groups.ranked(spent[["status"]].sort_values("status", key=_order), ["status"])
    matrix = np.zeros((len(statuses.labels), len(rows.labels)), dtype=np.int64)
    np.add.at(matrix, (statuses.positions(spent), rows.positions(spent)), spent["credits"])
    total = matrix.sum(axis=0)
    wasted = matrix[[index for index, key in enumerate(statuses.keys) if key[0] in WASTED]].sum(axis=0)
    ax = open_axes(ax)
    ax.set(xlabel="credits", ylabel=rows.title)
    ax.set_title(f"{wasted.sum():,} of {total.sum():,} credits wasted")
    caption(ax, provenance.of(spent))
    if spent.empty:
        no_rows(ax)
        return ax
    bars, lefts = [], np.cumsum(matrix, axis=0) - matrix
    for widths, left, name, colour in zip(matrix, lefts, statuses.labels, statuses.colours, strict=True):
        style = {"color": colour, "edgecolor": ax.get_facecolor(), "linewidth": 0.5, "label": name}
        look = styled(Rectangle, style, kwargs, placed=["y", "width", "left", "label"])
        bars.append(ax.barh(range(len(rows.labels)), widths, left=left, **look))
    shares = [f"{part / whole:.0%}" if whole else "" for part, whole in zip(wasted, total, strict=True)]
    ax.bar_label(bars[-1], shares, padding=3, fontsize=row_axis(ax, rows.labels))
    ax.set_xlim(0, 1.1 * total.max() or 1)
    count_axis(ax.xaxis, ticks=6)
    legend_beside(ax, bars[::-1], statuses.labels[::-1], "status")
    return ax


def _order(statuses: pd.Series[Any]) -> pd.Series[Any]:
    return statuses.map(_ORDER).fillna(2)
