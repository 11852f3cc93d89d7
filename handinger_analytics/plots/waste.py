"""What went into turns that ended in error or were aborted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from handinger_analytics.metrics.engines import MEASURES, biggest_first, open_frame
from handinger_analytics.metrics.names import Names
from handinger_analytics.plots.axes import (
    closed_on_error,
    legend_beside,
    no_turns,
    open_axes,
    row_axis,
    styled,
)
from handinger_analytics.plots.groups import Groups
from handinger_analytics.plots.units import Unit
from handinger_analytics.tables.schema import WASTED
from handinger_analytics.text import number, share

_ORDER = {"error": 0, "aborted": 1, "completed": 3}
"""From zero outwards, other statuses before the last: bars of what was wasted can be compared."""


@closed_on_error
def plot_waste(
    turns: Any,
    *,
    by: str | Iterable[str] = "worker_id",
    names: Names = None,
    price: float | None = None,
    currency: str | None = None,
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
    names : mapping or Series of str, optional
        Names of workers by their ids, to be shown instead of them.
    price : float, optional
        Money per credit, to draw what credits cost instead of them.
    currency : str, optional
        Currency of ``price``, an ISO 4217 code such as "EUR".
    ax : matplotlib Axes, optional
        Where to draw; by default a new figure.
    **kwargs
        Passed to `matplotlib.axes.Axes.barh`.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ArgumentError, FrameError
        As in `handinger_analytics.waste`; ``names`` that are none.

    Examples
    --------
    >>> ax = ha.plot_waste(turns, by="triggered_by")
    >>> ax.get_title()
    '1,728 of 54,512 credits wasted'
    >>> ax = ha.plot_waste(turns, names={turns["worker_id"].iloc[0]: "Weather"})
    >>> ax.get_ylabel(), ax.get_yticklabels()[1].get_text()
    ('worker', 'Weather')
    """
    unit = Unit(price, currency)
    source = open_frame(turns, (*MEASURES, "status"), by=by)
    keys = list(dict.fromkeys([*source.by, "status"]))
    spent = biggest_first(source.sums(keys), keys)
    rows = Groups.ranked(_ranking(spent, source.by), source.by, names=names)
    by_status = spent.sort_values("status", key=_order, kind="stable")
    statuses = Groups.ranked(by_status, ["status"])
    matrix = np.zeros((len(statuses.labels), len(rows.labels)), dtype=np.int64)
    np.add.at(matrix, (statuses.positions(spent), rows.positions(spent)), spent["credits"])
    total = matrix.sum(axis=0)
    wasted = matrix[[index for index, (status,) in enumerate(statuses.keys) if status in WASTED]].sum(axis=0)
    of_all = unit.words(total.sum(), lambda credits_: f"{number(credits_)} credits")
    title = f"{unit.words(wasted.sum(), number)} of {of_all} wasted"
    ax = open_axes(ax, source.attrs, title=title, xlabel=unit.label, ylabel=rows.title)
    if spent.empty:
        return no_turns(ax)
    bars = []
    parts = unit.scaled(matrix)
    lefts = np.cumsum(parts, axis=0) - parts
    for widths, left, name, colour in zip(parts, lefts, statuses.labels, statuses.colours, strict=True):
        ours = {"color": colour, "edgecolor": ax.get_facecolor(), "linewidth": 0.5, "label": name}
        look = styled(Rectangle, ours, kwargs, fixed=["y", "width", "left", "label"])
        bars.append(ax.barh(range(len(rows.labels)), widths, left=left, **look))
    shares = [share(part / whole) if whole else "" for part, whole in zip(wasted, total, strict=True)]
    ax.bar_label(bars[-1], shares, padding=3, fontsize=row_axis(ax, rows.labels))
    ax.set_xlim(0, 1.1 * unit.scaled(total.max()) or 1)
    unit.axis(ax.xaxis, ticks=6)
    legend_beside(ax, bars[::-1], "status")
    return ax


def _ranking(spent: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    if not by:
        return spent
    return biggest_first(spent.groupby(by, dropna=False, sort=False)["credits"].sum().reset_index(), by)


def _order(statuses: pd.Series[Any]) -> pd.Series[Any]:
    return statuses.map(_ORDER).fillna(2)
