"""What every plot does with its Axes: open it, label it, say what is missing from the data."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.cbook import normalize_kwargs
from matplotlib.collections import PathCollection
from matplotlib.font_manager import FontProperties
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from handinger_analytics import provenance
from handinger_analytics.errors import FrameError
from handinger_analytics.plots.place import GAP, place_of, row_labels_width
from handinger_analytics.text import amount

_WIDER = 1.4
"""A legend beside the data needs so much more width than a plain figure has."""
_ROW_HEIGHT = 0.26
"""Inches for a line of text and a little air."""
_LEGEND_SHARE = 0.5
"""Part of the width of a user's Axes that a legend may take before its text becomes smaller."""
_SMALLEST_TEXT = 5.0
"""Points; smaller text cannot be read."""
_ROW_LABELS_SHARE = 0.4
"""Part of it that the labels of rows may take before."""
_LINE = 1.2
"""Height of a line of text, in ems."""
_BESIDE_A_ROW = 1 / 1.2
"""Size of text beside a row's bar, as a part of that of the row's label: Matplotlib's "small"."""
_COUNT_EMS = 4.5
"""Width of a number at a tick and the space after it."""
_SCALE = ("vmin", "vmax", "bins")

_P = ParamSpec("_P")
_Drawn = TypeVar("_Drawn")


def closed_on_error(plot: Callable[_P, _Drawn]) -> Callable[_P, _Drawn]:
    """Let a plot that fails, whatever the reason, leave no figure of its own behind."""

    @functools.wraps(plot)
    def draw(*args: _P.args, **kwargs: _P.kwargs) -> _Drawn:
        before = set(plt.get_fignums())
        try:
            return plot(*args, **kwargs)
        except BaseException:
            for number in set(plt.get_fignums()) - before:
                plt.close(number)
            raise

    return draw


def styled(
    artist: type[Artist], ours: Mapping[str, Any], theirs: Mapping[str, Any], *, placed: Collection[str] = ()
) -> dict[str, Any]:
    """Merge the user's keywords over ours, by whichever of its names Matplotlib knows each.

    Parameters
    ----------
    artist : type of Artist
        What is drawn: its aliases count, as ``lw`` for ``linewidth``. Only of points, whose ``c`` may be
        numbers, is ``c`` not the same as ``color``.
    ours, theirs : mapping
        Keywords that we set, and the user's, which win.
    placed : collection of str
        Keywords that say what the data are and where they stand, and therefore are not the user's to set.

    Raises
    ------
    FrameError
        The user set one of ``placed``.
    """
    refuse(theirs, placed)
    if artist is not PathCollection and "color" not in theirs:
        theirs = {"color" if name == "c" else name: value for name, value in theirs.items()}
    merged: dict[str, Any] = normalize_kwargs(dict(ours), artist) | normalize_kwargs(dict(theirs), artist)
    if merged.get("norm") is not None:
        # Matplotlib takes a scale or the ways to describe one, not both.
        merged = {name: value for name, value in merged.items() if name not in _SCALE or name in theirs}
    if "c" in merged:
        merged = {name: value for name, value in merged.items() if name != "color" or name in theirs}
    return merged


def refuse(theirs: Mapping[str, Any], placed: Collection[str]) -> None:
    """Raise a `FrameError` if one of the user's keywords is not theirs to set."""
    for name in theirs:
        if name in placed:
            raise FrameError(f"{name}: the data decide it, found {theirs[name]!r}; leave it out")


def open_axes(ax: Axes | None, *, rows: int = 0) -> Axes:
    """Return the user's Axes, or a new one with room for a legend beside it and for labelled rows."""
    if ax is not None:
        return ax
    width, height = mpl.rcParams["figure.figsize"]
    height = max(height, _ROW_HEIGHT * rows + 1)
    _, new = plt.subplots(figsize=(width * _WIDER, height), layout="constrained")
    return new


def count_axis(axis: Axis, *, ticks: int = 9) -> None:
    """Tick an axis at whole numbers, written compactly; below zero lie amounts that are drawn downwards."""

    def write(value: float, _: int | None) -> str:
        return amount(abs(value), largest=float(np.abs(axis.get_view_interval()).max()))

    axis.set_major_locator(_Counts(ticks))
    axis.set_major_formatter(FuncFormatter(write))


class _Counts(MaxNLocator):
    """Ticks at whole numbers, fewer where the axis is short."""

    def __init__(self, most: int) -> None:
        super().__init__(integer=True, steps=[1, 2, 2.5, 5, 10])
        self._most = most

    def tick_values(self, vmin: float, vmax: float) -> Any:
        self.set_params(nbins=min(self._most, steps_along(self.axis, _COUNT_EMS)))
        return super().tick_values(vmin, vmax)


class SpacedLocator(FixedLocator):
    """Ticks at given places, except those too near to the tick before."""

    def tick_values(self, vmin: Any, vmax: Any) -> Any:
        """Return the ticks to draw; how far the axis reaches is asked of itself."""
        axis: Any = self.axis
        ticks = super().tick_values(vmin, vmax)
        low, high, *places = axis.get_transform().transform([*axis.get_view_interval(), *ticks])
        least, kept, last = (high - low) / steps_along(axis), [], -np.inf
        for tick, place in zip(ticks, places, strict=True):
            if low <= place <= high and place - last >= least:
                kept.append(tick)
                last = place
        return kept


def steps_along(axis: Any, ems: float = 3.6) -> int:
    """Return into how many steps an axis may be divided by labels, of so many ems along x."""
    assumed = 3  # by Matplotlib
    fitting: int = axis.get_tick_space()
    return max(1, int(fitting * assumed / ems) if axis.axis_name == "x" else fitting)


def row_axis(ax: Axes, labels: Sequence[str], *, fewest: int = 1) -> float:
    """Give each label a row, the first at the top, with space for the fewest rows there may be.

    In a figure without a layout engine the labels are smaller if they would take most of the place or
    lie over each other.

    Returns
    -------
    float
        Size in points of text that may stand beside a bar.
    """
    ax.set_yticks(range(len(labels)), labels)
    rows = max(len(labels), fewest)
    ax.set_ylim(rows - 0.4, -0.6)
    # Between rows there is nothing to measure; a line would only strike through what stands beside a bar.
    ax.grid(visible=False, axis="y")
    size = float(ax.get_yticklabels()[0].get_fontsize())
    place = place_of(ax)
    if place is not None:
        place.rows = ax.yaxis.get_major_locator()
        room, line = place.whole().transformed(ax.figure.transSubfigure), _LINE * size * ax.figure.dpi / 72
        width = row_labels_width(ax)
        scale = min(room.height / rows / line, _ROW_LABELS_SHARE * room.width / width if width else 1)
        if scale < 1:
            size = max(scale * size, _SMALLEST_TEXT)
            ax.tick_params(axis="y", labelsize=size)
    return size * _BESIDE_A_ROW


def legend_beside(ax: Axes, handles: Sequence[Any], labels: Sequence[str], title: str) -> None:
    """Put the legend to the right of the data, in the order of a stack read from the top.

    In a figure without a layout engine its text is smaller if it would take most of the place.
    """
    style: dict[str, Any] = {
        "title": title,
        "reverse": True,
        "loc": "upper left",
        "bbox_to_anchor": (1 + GAP, 1),
        "borderaxespad": 0,
        "frameon": False,
        "alignment": "left",
    }
    legend = ax.legend(handles, labels, **style)
    place = place_of(ax)
    if place is None:
        return
    room, needed = place(ax, None).transformed(ax.figure.transSubfigure), legend.get_window_extent()
    scale = min(_LEGEND_SHARE * room.width / needed.width, room.height / needed.height)
    if scale < 1:
        usual = FontProperties(size=mpl.rcParams["legend.fontsize"]).get_size_in_points()
        size = max(scale * usual, _SMALLEST_TEXT)
        legend = ax.legend(handles, labels, fontsize=size, title_fontsize=size, **style)
    place.legend = legend


def no_rows(ax: Axes, what: str = "turns") -> None:
    """Say in the middle of an otherwise empty Axes that there is nothing to draw."""
    ax.text(0.5, 0.5, f"no {what}", transform=ax.transAxes, ha="center", va="center")
    ax.set(xticks=[], yticks=[])


def caption(ax: Axes, known: provenance.Provenance) -> None:
    """Say above the data, below the title, that some of it is missing.

    It is the label of a second x axis along the top, so that Matplotlib keeps the title, also one set
    later, clear of it and every layout engine leaves room for it.
    """
    text = provenance.incompleteness(known)
    if text is None:
        return
    top = ax.secondary_xaxis("top")
    top.tick_params(axis="x", which="both", top=False, labeltop=False)
    top.spines["top"].set_visible(False)
    top.set_xlabel(text, fontsize="small", fontstyle="italic", color=mpl.rcParams["text.color"])
    place = place_of(ax)
    if place is not None:
        place.caption = top
