"""When the turns of a task ran, how each ended, and the gaps between them."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from handinger_analytics.arguments import check_whole_number, zone_info
from handinger_analytics.metrics.engines import STARTED_MS, OpenFrame, collect, open_frame, utc_times
from handinger_analytics.plots.axes import (
    closed_on_error,
    legend_beside,
    no_turns,
    open_axes,
    row_axis,
    styled,
)
from handinger_analytics.plots.dates import date_axis, date_numbers
from handinger_analytics.plots.groups import Groups
from handinger_analytics.plots.labels import label
from handinger_analytics.tables.schema import UNFINISHED
from handinger_analytics.text import duration
from handinger_analytics.times import LAST_MS

_UNFINISHED_LOOK = {"facecolor": "none", "hatch": "////", "linewidth": 1}
_FEWEST_ROWS = 5
"""There is room for so many rows at least: the bar of a single turn must not fill the picture."""
_SHORTEST_SPAN_DAYS = 1 / 86_400
_EDGE_POINTS = 2.0
"""Width of the edge of a bar, so that a turn of seconds shows in a task of weeks."""


@closed_on_error
def plot_timeline(turns: Any, *, n: int = 25, tz: str = "UTC", ax: Axes | None = None, **kwargs: Any) -> Axes:
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
    ArgumentError
        An unknown ``tz``, an ``n`` that is not a whole number from 1, or a keyword that the data decide.
    FrameError
        Not a frame, a column missing or of the wrong type, or times without a time zone.

    Examples
    --------
    >>> ax = ha.plot_timeline(turns, n=10, tz="Europe/Madrid")
    >>> ax.get_title()
    'Turns of the last 10 of 198 tasks'
    """
    zone = zone_info(tz)
    check_whole_number(n, "n", "how many tasks, a whole number from 1")
    columns = ["task_id", "seq", "status", "started_at", "completed_at", "duration_ms"]
    source = open_frame(turns, columns, optional=["task_title"])
    bars, tasks = _latest(source, int(n))
    rows = _rows(bars)
    ax = open_axes(ax, source.attrs, rows=len(rows), title=_title(bars, tasks))
    date_axis(ax, zone)
    if bars.empty:
        return no_turns(ax)
    _draw(ax, bars, rows, kwargs)
    return ax


def _latest(source: OpenFrame, n: int) -> tuple[pd.DataFrame, int]:
    """Return the turns of the ``n`` tasks worked on last, in order, and how many tasks there are."""
    tasks = source.aggregate(["task_id"], last=nw.col(STARTED_MS).max())
    last = tasks.nlargest(n, "last", keep="first")["task_id"].tolist()
    rows = collect(source.frame.filter(nw.col("task_id").is_in(last)))
    rows["title"] = rows.get("task_title", rows["task_id"]).fillna(rows["task_id"])
    rows["start"] = utc_times(rows[STARTED_MS])
    rows["end"] = pd.to_datetime(rows["completed_at"], utc=True)
    rows["unfinished"] = rows["end"].isna() & rows["status"].isin(UNFINISHED)
    after_duration = (rows[STARTED_MS] + rows["duration_ms"].clip(upper=LAST_MS)).clip(upper=LAST_MS)
    rows["end"] = rows["end"].fillna(utc_times(after_duration)).clip(lower=rows["start"])
    rows.loc[rows["unfinished"], "end"] = rows["end"].max()
    return rows.sort_values(["start", "task_id", "seq"], ignore_index=True), len(tasks)


def _rows(bars: pd.DataFrame) -> list[str]:
    """Set the column ``row`` of each bar and return the label of each row."""
    if len(bars["task_id"].unique()) == 1:
        bars["row"] = np.arange(len(bars))
        return [f"turn {seq}" for seq in bars["seq"]]
    bars["row"] = pd.factorize(bars["task_id"])[0]
    return [label(title) for title in bars.drop_duplicates("row")["title"]]


def _title(bars: pd.DataFrame, tasks: int) -> str:
    shown = bars["task_id"].nunique()
    if shown == 1:
        return label(bars["title"].iloc[0], 60)
    return "Turns of the tasks" if shown == tasks else f"Turns of the last {shown:,} of {tasks:,} tasks"


def _draw(ax: Axes, bars: pd.DataFrame, rows: list[str], kwargs: dict[str, Any]) -> None:
    statuses = Groups.ranked(bars.sort_values("status"), ["status"])
    positions = statuses.positions(bars)
    starts, ends = date_numbers(bars["start"]), date_numbers(bars["end"])
    lines = bars.assign(start=starts, end=ends).groupby("row").agg({"start": "min", "end": "max"})
    ink = mpl.rcParams["text.color"]
    ax.hlines(lines.index, lines["start"], lines["end"], color=ink, linewidth=0.6, zorder=0)
    style = {"height": 0.6, "color": np.array(statuses.colours)[positions], "linewidth": _EDGE_POINTS}
    look = styled(Rectangle, style, kwargs, fixed=["y", "width", "left", "label"])
    look.setdefault("edgecolor", look["color"])
    patches = ax.barh(bars["row"], ends - starts, left=starts, **look)
    unfinished = np.flatnonzero(bars["unfinished"])
    for index in unfinished:
        patches[index].set(**styled(Rectangle, _UNFINISHED_LOOK, kwargs))
    arrows = [patches[index].get_edgecolor() for index in unfinished]
    ax.scatter(ends[unfinished], bars["row"].to_numpy()[unfinished], marker=">", color=arrows, s=36, zorder=3)
    size = row_axis(ax, rows, fewest=_FEWEST_ROWS)
    if one_each := len(rows) == len(bars):
        _write_durations(ax, bars, ends, size)
    ax.set_xlim(_limits(starts.min(), ends.max(), for_text=one_each))
    # One bar of each status, which has the look that the user may have asked for.
    handles = [patches[index] for index in np.unique(positions, return_index=True)[1]]
    for handle, name in zip(handles, statuses.labels, strict=True):
        handle.set_label(name)
    legend_beside(ax, handles[::-1], "status")


def _limits(first: float, last: float, *, for_text: bool) -> tuple[float, float]:
    """Return limits of the time axis: no bar at the edge, and room for text beside the last one."""
    span = max(last - first, _SHORTEST_SPAN_DAYS)
    return first - 0.04 * span, last + (0.2 if for_text else 0.04) * span


def _write_durations(ax: Axes, bars: pd.DataFrame, ends: Any, size: float) -> None:
    texts = bars["duration_ms"].map(duration).mask(bars["unfinished"], "still " + bars["status"])
    for row, end, text in zip(bars["row"], ends, texts, strict=True):
        ax.annotate(text, (end, row), xytext=(7, 0), textcoords="offset points", va="center", fontsize=size)
