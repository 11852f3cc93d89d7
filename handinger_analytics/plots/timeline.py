"""When the turns of a task ran, how each ended, and the gaps between them."""

from __future__ import annotations

from numbers import Integral
from typing import Any
from zoneinfo import ZoneInfo

import matplotlib as mpl
import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from handinger_analytics.arguments import zone_info
from handinger_analytics.errors import FrameError
from handinger_analytics.metrics.engines import STARTED_MS, Input, open_frame, to_pandas
from handinger_analytics.plots.axes import (
    caption,
    closed_on_error,
    legend_beside,
    no_rows,
    open_axes,
    row_axis,
    styled,
)
from handinger_analytics.plots.dates import date_axis, date_numbers
from handinger_analytics.plots.groups import Groups
from handinger_analytics.plots.labels import label
from handinger_analytics.text import duration

_OPEN = ("pending", "running")
_BAR_HEIGHT = 0.6
_PLACED = ("y", "width", "left", "label")
_OPEN_LOOK = {"facecolor": "none", "hatch": "////", "linewidth": 1}
_FEWEST_ROWS = 5
"""Rows that there is place for at least, so that a bar never becomes a wall."""
_SHORTEST_SPAN = 1 / 86_400
"""Days along the axis at least: a second."""
_HAIRLINE = 2.0
"""Points that a bar is wide at least, so that a turn of seconds shows in a task of weeks."""


@closed_on_error
def plot_timeline(
    turns: Any,
    *,
    n: int = 25,
    tz: str = "UTC",
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Draw each turn as a bar from start to end, coloured by status.

    The turns of one task get a row each, with their duration; of several tasks, each task gets a row,
    the turns of which are joined by a thin line, so that follow-ups days later stand apart. A turn
    without an end is hatched up to the last moment known in the frame and ends in an arrow.

    Parameters
    ----------
    turns : DataFrame
        Turns, one row each: pandas, pyarrow, Polars (eager or lazy), a DuckDB relation or PySpark.
    n : int
        How many tasks at most: those in which a turn started last.
    tz : str
        IANA name of the time zone of the axis.
    ax : matplotlib Axes, optional
        Where to draw; by default a new figure, higher for more rows.
    **kwargs
        Passed to `matplotlib.axes.Axes.barh`.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    FrameError
        Not a frame, a column missing or of the wrong type, times without a time zone, an unknown
        ``tz``, or an ``n`` that is not a whole number from 1.

    Examples
    --------
    >>> plot_timeline(turns[turns["task_id"] == "tsk_2Z-YWz3hFq6VlW"], tz="Europe/Madrid")  # doctest: +SKIP
    """
    zone = zone_info(tz)
    if isinstance(n, bool) or not isinstance(n, Integral) or n < 1:
        raise FrameError(f"n: expected how many tasks, a whole number from 1, found {n!r}")
    source = open_frame(
        turns,
        ["task_id", "seq", "status", "started_at", "completed_at", "duration_ms"],
        optional=["task_title"],
    )
    bars, tasks = _latest(source, int(n))
    rows = _rows(bars)
    ax = open_axes(ax, rows=len(rows))
    ax.set_title(_title(bars, tasks))
    ax.set_xlabel(f"time ({zone.key})", loc="left")
    caption(ax, source.attrs)
    if bars.empty:
        no_rows(ax)
        return ax
    _draw(ax, bars, rows, zone, kwargs)
    return ax


def _latest(source: Input, n: int) -> tuple[pd.DataFrame, int]:
    """Return the turns of the ``n`` tasks worked on last, in order, and how many tasks there are."""
    tasks = source.aggregate(["task_id"], last=nw.col(STARTED_MS).max())
    last = tasks.nlargest(n, "last", keep="first")["task_id"].tolist()
    rows = to_pandas(source.frame.filter(nw.col("task_id").is_in(last)))
    rows["start"] = pd.to_datetime(rows[STARTED_MS], unit="ms", utc=True)
    rows["end"] = pd.to_datetime(rows["completed_at"], utc=True)
    rows["open"] = rows["end"].isna() & rows["status"].isin(_OPEN)
    known = rows["start"] + pd.to_timedelta(rows["duration_ms"], unit="ms")
    rows["end"] = rows["end"].fillna(known).clip(lower=rows["start"])
    rows.loc[rows["open"], "end"] = rows["end"].max()
    return rows.sort_values(["start", "task_id", "seq"], ignore_index=True), len(tasks)


def _rows(bars: pd.DataFrame) -> list[str]:
    """Label of each row, and the column ``row`` of each bar."""
    one = len(bars["task_id"].unique()) == 1
    bars["row"] = np.arange(len(bars)) if one else pd.factorize(bars["task_id"])[0]
    if one:
        return [f"turn {seq}" for seq in bars["seq"]]
    first = bars.drop_duplicates("row")
    titles = first.get("task_title", first["task_id"]).fillna(first["task_id"])
    return [label(title) for title in titles]


def _title(bars: pd.DataFrame, tasks: int) -> str:
    shown = bars["task_id"].nunique()
    if shown != 1:
        return "Turns of the tasks" if shown == tasks else f"Turns of the last {shown:,} of {tasks:,} tasks"
    title = bars.get("task_title", bars["task_id"]).iloc[0]
    return label(bars["task_id"].iloc[0] if pd.isna(title) else title, 60)


def _draw(ax: Axes, bars: pd.DataFrame, rows: list[str], zone: ZoneInfo, kwargs: dict[str, Any]) -> None:
    groups = Groups.ranked(bars[["status"]].sort_values("status"), ["status"])
    positions = groups.positions(bars)
    starts, ends = date_numbers(bars["start"]), date_numbers(bars["end"])
    lines = bars.assign(start=starts, end=ends).groupby("row").agg({"start": "min", "end": "max"})
    ax.hlines(
        lines.index, lines["start"], lines["end"], color=mpl.rcParams["text.color"], linewidth=0.6, zorder=0
    )
    colours = np.array(groups.colours)[positions]
    style = {"height": _BAR_HEIGHT, "color": colours, "linewidth": _HAIRLINE}
    look = styled(Rectangle, style, kwargs, placed=_PLACED)
    look.setdefault("edgecolor", look["color"])
    patches = ax.barh(bars["row"], ends - starts, left=starts, **look)
    theirs = styled(Rectangle, {}, kwargs)
    still = np.flatnonzero(bars["open"])
    for index in still:
        patches[index].set(**{name: value for name, value in _OPEN_LOOK.items() if name not in theirs})
    arrows = [patches[index].get_edgecolor() for index in still]
    ax.scatter(ends[still], bars["row"].to_numpy()[still], marker=">", color=arrows, s=36, zorder=3)
    date_axis(ax, zone)
    size = row_axis(ax, rows, fewest=_FEWEST_ROWS)
    if len(rows) == len(bars):
        _write_durations(ax, bars, ends, size)
    ax.set_xlim(_room(starts.min(), ends.max(), for_text=len(rows) == len(bars)))
    # One bar of each status, which has the look that the user may have asked for.
    handles = [patches[index] for index in np.unique(positions, return_index=True)[1]]
    legend_beside(ax, handles[::-1], groups.labels[::-1], "status")


def _room(first: float, last: float, *, for_text: bool) -> tuple[float, float]:
    """Limits of the time axis: no bar at the edge, and place for what is written beside the last one."""
    span = max(last - first, _SHORTEST_SPAN)
    return first - 0.04 * span, last + (0.2 if for_text else 0.04) * span


def _write_durations(ax: Axes, bars: pd.DataFrame, ends: Any, size: float) -> None:
    texts = bars["duration_ms"].map(duration).mask(bars["open"], "still " + bars["status"])
    for row, end, text in zip(bars["row"], ends, texts, strict=True):
        ax.annotate(text, (end, row), xytext=(7, 0), textcoords="offset points", va="center", fontsize=size)
