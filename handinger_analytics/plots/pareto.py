"""Which tasks make up the spend."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from handinger_analytics import provenance
from handinger_analytics.metrics.summarize import summarize
from handinger_analytics.metrics.top_tasks import top_tasks
from handinger_analytics.plots.axes import closed_on_error, no_turns, open_axes, row_axis, styled
from handinger_analytics.plots.groups import OTHER_COLOUR, PALETTE
from handinger_analytics.plots.labels import label
from handinger_analytics.plots.units import Unit
from handinger_analytics.text import count, share


@closed_on_error
def plot_pareto(
    turns: Any,
    *,
    n: int = 20,
    price: float | None = None,
    currency: str | None = None,
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Draw the most expensive tasks as bars, each with the share of the spend down to it.

    The bar of all other tasks comes last and is grey, so that the bars add up to the whole spend.

    Parameters
    ----------
    turns : DataFrame
        Turns, one row each: pandas, pyarrow, Polars (eager or lazy), a DuckDB relation or PySpark.
    n : int
        How many tasks.
    price : float, optional
        Money per credit, to draw what credits cost instead of them.
    currency : str, optional
        Currency of ``price``, an ISO 4217 code such as "EUR".
    ax : matplotlib Axes, optional
        Where to draw; by default a new figure, higher for more tasks.
    **kwargs
        Passed to `matplotlib.axes.Axes.barh`.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ArgumentError, FrameError
        As in `handinger_analytics.top_tasks`.

    Examples
    --------
    >>> ax = ha.plot_pareto(turns, n=10)
    >>> ax.get_title()
    '10 of 198 tasks make up 49% of 54,512 credits'
    """
    unit, top, overview = Unit(price, currency), top_tasks(turns, n=n), summarize(turns)["value"]
    tasks, total = int(overview["tasks"]), int(overview["credits"])
    title = _title(top, tasks, total, unit)
    ax = open_axes(ax, provenance.of(top), rows=len(top) + 1, title=title, xlabel=unit.label)
    if top.empty:
        return no_turns(ax)
    labels = [label(name) for name in top["task_title"].fillna(top["task_id"])]
    credits_, shares = top["credits"].tolist(), top["cumulative_share"].tolist()
    colours = [PALETTE[0]] * len(top)
    if tasks > len(top):
        labels.append(count(tasks - len(top), "other task"))
        credits_.append(total - sum(credits_))
        shares.append(1.0)
        colours.append(OTHER_COLOUR)
    look = styled(Rectangle, {"color": colours}, kwargs, fixed=["y", "width", "left"])
    widths = unit.scaled(np.array(credits_))
    bars = ax.barh(range(len(labels)), widths, **look)
    texts = [share(part) if total else "" for part in shares]
    ax.bar_label(bars, texts, padding=3, fontsize=row_axis(ax, labels))
    ax.set_xlim(0, 1.1 * max(widths) or 1)
    unit.axis(ax.xaxis, ticks=6)
    return ax


def _title(top: pd.DataFrame, tasks: int, total: int, unit: Unit) -> str:
    if not total:
        return f"No credits spent in {count(tasks, 'task')}"
    make = "makes" if len(top) == 1 else "make"
    return (
        f"{len(top):,} of {count(tasks, 'task')} {make} up "
        f"{share(top['share'].sum())} of {unit.words(total, lambda credits_: count(credits_, 'credit'))}"
    )
