"""Which tasks make up the spend."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from handinger_analytics import provenance
from handinger_analytics.metrics.summarize import summarize
from handinger_analytics.metrics.top_tasks import top_tasks
from handinger_analytics.plots.axes import (
    caption,
    closed_on_error,
    count_axis,
    no_rows,
    open_axes,
    row_axis,
    styled,
)
from handinger_analytics.plots.groups import OTHER_COLOUR, PALETTE
from handinger_analytics.plots.labels import label
from handinger_analytics.text import count


@closed_on_error
def plot_pareto(turns: Any, *, n: int = 20, ax: Axes | None = None, **kwargs: Any) -> Axes:
    """Draw the most expensive tasks as bars, each with the share of the spend down to it.

    The bar of all other tasks comes last and is grey, so that the bars add up to the whole spend.

    Parameters
    ----------
    turns : DataFrame
        Turns, one row each: pandas, pyarrow, Polars (eager or lazy), a DuckDB relation or PySpark.
    n : int
        How many tasks.
    ax : matplotlib Axes, optional
        Where to draw; by default a new figure, higher for more tasks.
    **kwargs
        Passed to `matplotlib.axes.Axes.barh`.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    FrameError
        As in `handinger_analytics.top_tasks`.

    Examples
    --------
    >>> plot_pareto(turns, n=10)  # doctest: +SKIP
    """
    top, overview = top_tasks(turns, n=n), summarize(turns)["value"]
    tasks, total = int(overview["tasks"]), int(overview["credits"])
    ax = open_axes(ax, rows=len(top) + 1)
    ax.set(title=_title(top, tasks, total), xlabel="credits")
    caption(ax, provenance.of(top))
    if top.empty:
        no_rows(ax)
        return ax
    labels = [label(title) for title in top["task_title"].fillna(top["task_id"])]
    credits_, shares = top["credits"].tolist(), top["cumulative_share"].tolist()
    colours = [PALETTE[0]] * len(top)
    if tasks > len(top):
        labels.append(count(tasks - len(top), "other task"))
        credits_.append(total - sum(credits_))
        shares.append(1.0 if total else float("nan"))
        colours.append(OTHER_COLOUR)
    look = styled(Rectangle, {"color": colours}, kwargs, placed=["y", "width", "left"])
    bars = ax.barh(range(len(labels)), credits_, **look)
    texts = [f"{share:.0%}" if pd.notna(share) else "" for share in shares]
    ax.bar_label(bars, texts, padding=3, fontsize=row_axis(ax, labels))
    ax.set_xlim(0, 1.1 * max(credits_) or 1)
    count_axis(ax.xaxis, ticks=6)
    return ax


def _title(top: pd.DataFrame, tasks: int, total: int) -> str:
    if not total:
        return f"No credits spent in {count(tasks, 'task')}"
    make = "makes" if len(top) == 1 else "make"
    share = f"{top['share'].sum():.0%} of {count(total, 'credit')}"
    return f"{len(top):,} of {count(tasks, 'task')} {make} up {share}"
