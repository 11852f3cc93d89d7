"""How long turns take, on an axis that shows seconds and hours alike."""

from __future__ import annotations

from inspect import signature
from itertools import pairwise
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, NullLocator

from handinger_analytics.arguments import column_names
from handinger_analytics.metrics.durations import durations
from handinger_analytics.metrics.engines import MEASURES, biggest_first, collect, open_frame
from handinger_analytics.metrics.names import Names
from handinger_analytics.plots.axes import (
    SpacedLocator,
    closed_on_error,
    count_axis,
    no_turns,
    open_axes,
    refuse,
    row_axis,
    styled,
)
from handinger_analytics.plots.groups import PALETTE, Groups
from handinger_analytics.tables.selection import Columns
from handinger_analytics.text import count, duration

_SECOND, _MINUTE, _HOUR, _DAY = 1000, 60_000, 3_600_000, 86_400_000
_TICKS = [
    *(1, 10, 100),
    *(_SECOND, 10 * _SECOND),
    *(_MINUTE, 10 * _MINUTE),
    *(_HOUR, 10 * _HOUR),
    *(_DAY * 10**power for power in range(6)),
]
_FINER_TICKS = [tick * part for tick, after in pairwise(_TICKS) for part in (1, 2, 5) if tick * part < after]
_BINS_PER_DECADE = 10
_MARKS = {"p50_ms": "-", "p95_ms": "--"}
_LINE_KEYWORDS = ("medianprops", "whiskerprops", "capprops")
_BOXPLOT = signature(Axes.boxplot).parameters


@closed_on_error
def plot_durations(
    turns: Any, *, by: Columns = None, names: Names = None, ax: Axes | None = None, **kwargs: Any
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
    names : mapping or Series of str, optional
        Names of workers by their ids, to be shown instead of them.
    ax : matplotlib Axes, optional
        Where to draw; by default a new figure.
    **kwargs
        Passed to `matplotlib.axes.Axes.hist`, with ``by`` to `matplotlib.axes.Axes.boxplot`; what that does
        not take, such as ``alpha`` or ``hatch``, is set on the boxes, and ``linewidth`` on all their lines.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ArgumentError, FrameError
        As in `handinger_analytics.durations`; ``names`` that are none.

    Examples
    --------
    >>> ax = ha.plot_durations(turns, by="triggered_by")
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['ui', 'api', 'schedule', 'email']
    """
    columns = column_names(by, "by")
    source = open_frame(turns, MEASURES if columns else ["duration_ms"], by=columns)
    spent = biggest_first(source.sums(columns), columns) if columns else pd.DataFrame()
    groups = Groups.ranked(spent, columns, names=names)
    rows = collect(source.frame.select(*columns, "duration_ms"))
    took = pd.DataFrame({"group": groups.positions(rows), "duration_ms": rows["duration_ms"]})
    marks = durations(took, by="group" if columns else None)
    title, ylabel = f"Duration of {count(len(took), 'turn')}", groups.title or "turns"
    ax = open_axes(ax, source.attrs, title=title, xlabel="duration", ylabel=ylabel)
    if took.empty:
        return no_turns(ax)
    zero = _place_of_zero(took["duration_ms"])
    visible = took.assign(duration_ms=took["duration_ms"].clip(lower=zero))
    marks[[*_MARKS]] = marks[[*_MARKS]].clip(lower=zero)
    if columns:
        _boxes(ax, visible, marks, groups, kwargs)
    else:
        _histogram(ax, visible["duration_ms"], marks.iloc[0], kwargs)
    _duration_axis(ax, zero if (took["duration_ms"] == 0).any() else 0)
    return ax


def _histogram(ax: Axes, visible: pd.Series[Any], marks: pd.Series[Any], kwargs: dict[str, Any]) -> None:
    low, high = np.log10(visible.min()), np.log10(visible.max())
    bins = np.logspace(low - 0.05, high + 0.05, max(2, round((high - low) * _BINS_PER_DECADE)))
    style = {
        "bins": bins,
        "color": PALETTE[0],
        "edgecolor": to_hex(ax.get_facecolor(), keep_alpha=True),
        "linewidth": 0.5,
    }
    ax.hist(visible, **styled(Patch, style, kwargs, fixed=["x"]))
    count_axis(ax.yaxis)
    ink = mpl.rcParams["text.color"]
    for name, line in _MARKS.items():
        label = f"{name[:3]} {duration(marks[name])}"
        ax.axvline(marks[name], color=ink, linestyle=line, label=label)
    ax.legend()


def _boxes(
    ax: Axes, visible: pd.DataFrame, marks: pd.DataFrame, groups: Groups, kwargs: dict[str, Any]
) -> None:
    places = list(range(len(groups.labels)))
    parts = [visible.loc[visible["group"] == place, "duration_ms"] for place in places]
    ink = mpl.rcParams["text.color"]
    refuse(kwargs, ["x", "positions", "vert", "orientation"])
    own = {name: value for name, value in kwargs.items() if name in _BOXPLOT}
    look = styled(Patch, {}, {name: value for name, value in kwargs.items() if name not in own})
    filled = own.get("patch_artist", True)
    shape, fill = (Patch, "facecolor") if filled else (Line2D, "color")
    box = styled(shape, {"edgecolor": ink} if filled else {}, own.get("boxprops") or {})
    line = {"color": ink} | {name: look[name] for name in ("linewidth",) if name in look}
    style: dict[str, Any] = {
        "positions": places,
        "widths": 0.6,
        "whis": (0, 100),
        "patch_artist": True,
        "orientation": "horizontal",
        **own,
        "boxprops": dict(box),
        **{name: styled(Line2D, line, own.get(name) or {}) for name in _LINE_KEYWORDS},
    }
    drawn = ax.boxplot(parts, **style)
    for artist, colour in zip(drawn["boxes"], groups.colours, strict="showbox" not in own):
        artist.set(**styled(shape, {fill: box.get(fill, colour)}, look))
    drawn["medians"][0].set_label("p50")
    ax.scatter(marks["p95_ms"], marks["group"], marker="D", s=28, zorder=3, color=ink, label="p95")
    row_axis(ax, groups.labels)
    ax.legend()


def _place_of_zero(milliseconds: pd.Series[Any]) -> float:
    """Return where to show zero on an axis that has none: left of the shortest duration."""
    positive = milliseconds[milliseconds > 0]
    return float(positive.min()) / 2 if len(positive) else 1.0


def _duration_axis(ax: Axes, zero: float) -> None:
    ax.set_xscale("log")
    low, high = ax.get_xlim()
    if high < 10 * low:
        # A decade at least, so that durations that hardly differ do not fill the picture with one bar.
        middle = np.sqrt(low * high)
        low, high = ax.set_xlim(middle / np.sqrt(10), middle * np.sqrt(10))
    few = sum(low <= tick <= high for tick in _TICKS) < 2
    ticks = [tick for tick in (_FINER_TICKS if few else _TICKS) if tick > 2 * zero]
    ax.xaxis.set_major_locator(SpacedLocator([zero, *ticks] if zero else ticks))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: "0" if value == zero else duration(value)))
