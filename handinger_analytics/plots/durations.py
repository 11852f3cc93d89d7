"""How long turns take, on an axis that shows seconds and hours alike."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from handinger_analytics.metrics import durations
from handinger_analytics.metrics.checks import grouping
from handinger_analytics.metrics.inputs import open_frame, to_pandas
from handinger_analytics.plots.axes import (
    caption,
    closed_on_error,
    count_axis,
    no_rows,
    open_axes,
    row_axis,
    styled,
)
from handinger_analytics.plots.groups import PALETTE, Groups, groups_of
from handinger_analytics.schema import METADATA_KEY

_SECOND, _MINUTE, _HOUR, _DAY = 1000, 60_000, 3_600_000, 86_400_000
_TICKS = [
    *(1, 10, 100),
    *(_SECOND, 10 * _SECOND),
    *(_MINUTE, 10 * _MINUTE),
    *(_HOUR, 10 * _HOUR),
    *(_DAY * 10**power for power in range(6)),
]
_BINS_PER_DECADE = 10
_MARKS = {"p50_ms": "-", "p95_ms": "--"}
_MARKED = list(_MARKS)


@closed_on_error
def plot_durations(
    turns: Any,
    *,
    by: str | Iterable[str] | None = None,
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Draw how long turns took, on a logarithmic axis, with median and 95th percentile marked.

    Without ``by`` a histogram; with it a box per group: from the 25th to the 75th percentile, a line
    at the median, whiskers to the shortest and the longest turn, a diamond at the 95th percentile.
    A duration of 0 ms, which a turn still running may report, lies left of all others, at the tick "0".

    Parameters
    ----------
    turns : DataFrame
        Turns, one row each: pandas, pyarrow, Polars (eager or lazy), a DuckDB relation or PySpark.
        The durations of all turns are read into memory.
    by : str or list of str, optional
        Column whose groups get a box each: the eight biggest spenders, and the others as one.
    ax : matplotlib Axes, optional
        Where to draw; by default a new figure.
    **kwargs
        Passed to `matplotlib.axes.Axes.hist`, to `matplotlib.axes.Axes.boxplot` with ``by``.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    FrameError
        As in `handinger_analytics.durations`.

    Examples
    --------
    >>> plot_durations(turns, by="worker_id")  # doctest: +SKIP
    """
    columns = grouping(by, reserved=())
    source = open_frame(turns, ["duration_ms"], by=columns)
    groups = groups_of(turns, columns)
    rows = to_pandas(source.frame.select(*source.by, "duration_ms"))
    took = pd.DataFrame({"group": groups.positions(rows), "duration_ms": rows["duration_ms"]})
    marks = durations(took, by="group" if columns else None)
    ax = open_axes(ax)
    ax.set_title(f"Duration of {len(took):,} turns")
    ax.set_xlabel("duration")
    ax.set_ylabel(groups.title or "turns")
    caption(ax, {METADATA_KEY: source.attrs})
    if took.empty:
        no_rows(ax)
        return ax
    zero = _zero(took["duration_ms"])
    visible = took.assign(duration_ms=took["duration_ms"].clip(lower=zero))
    marks[_MARKED] = marks[_MARKED].clip(lower=zero)
    if columns:
        _boxes(ax, visible, marks, groups, kwargs)
    else:
        _histogram(ax, visible["duration_ms"], marks.iloc[0], kwargs)
    _duration_axis(ax, zero if (took["duration_ms"] == 0).any() else 0)
    return ax


def short_duration(milliseconds: float) -> str:
    """Write a duration with two parts at most.

    Examples
    --------
    >>> [short_duration(ms) for ms in (0, 850, 12_300, 75_000, 3_660_000)]
    ['0 ms', '850 ms', '12 s', '1 min 15 s', '1 h 1 min']
    """
    if milliseconds < _SECOND:
        return f"{milliseconds:.0f} ms"
    seconds = round(milliseconds / 1000)
    units = ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"))
    for size, unit, smaller_size, smaller in units:
        if seconds >= size:
            rest = seconds % size // smaller_size
            return f"{seconds // size:,} {unit} {rest} {smaller}" if rest else f"{seconds // size:,} {unit}"
    return f"{seconds} s"


def _histogram(ax: Axes, visible: pd.Series[Any], marks: pd.Series[Any], kwargs: dict[str, Any]) -> None:
    low, high = np.log10(visible.min()), np.log10(visible.max())
    bins = np.logspace(low - 0.05, high + 0.05, max(2, round((high - low) * _BINS_PER_DECADE)))
    style = {
        "bins": bins,
        "color": PALETTE[0],
        "edgecolor": to_hex(ax.get_facecolor(), keep_alpha=True),
        "linewidth": 0.5,
    }
    ax.hist(visible, **styled(Patch, style, kwargs, placed=["x"]))
    count_axis(ax.yaxis)
    ink = mpl.rcParams["text.color"]
    lines = [ax.axvline(marks[name], color=ink, linestyle=line) for name, line in _MARKS.items()]
    ax.legend(lines, [f"{name[:3]} {short_duration(marks[name])}" for name in _MARKS])


def _boxes(
    ax: Axes, visible: pd.DataFrame, marks: pd.DataFrame, groups: Groups, kwargs: dict[str, Any]
) -> None:
    places = list(range(len(groups.labels)))
    parts = [visible.loc[visible["group"] == place, "duration_ms"] for place in places]
    ink = mpl.rcParams["text.color"]
    lines = ("medianprops", "whiskerprops", "capprops", "boxprops")
    style: dict[str, Any] = {
        "positions": places,
        "widths": 0.6,
        "whis": (0, 100),
        "patch_artist": True,
        "orientation": "horizontal",
        **{line: {"color": ink} for line in lines},
    }
    drawn = ax.boxplot(parts, **{**style, **kwargs})
    for box, colour in zip(drawn["boxes"], groups.colours, strict=True):
        paint = box.set_facecolor if isinstance(box, Patch) else box.set_color
        paint(colour)
    p95 = ax.scatter(marks["p95_ms"], marks["group"], marker="D", s=28, zorder=3, color=ink)
    row_axis(ax, groups.labels)
    ax.legend([drawn["medians"][0], p95], ["p50", "p95"])


def _zero(milliseconds: pd.Series[Any]) -> float:
    """Where to show zero on an axis that has none: left of the shortest duration."""
    positive = milliseconds[milliseconds > 0]
    return float(positive.min()) / 2 if len(positive) else 1.0


def _duration_axis(ax: Axes, zero: float) -> None:
    ax.set_xscale("log")
    ticks = [tick for tick in _TICKS if tick > 2 * zero]
    ax.xaxis.set_major_locator(FixedLocator([zero, *ticks] if zero else ticks))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(
        FuncFormatter(lambda value, _: "0" if value == zero else short_duration(value))
    )
