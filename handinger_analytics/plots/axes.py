"""What every plot does with its Axes: open it, style what is drawn, tick it, label it."""

from __future__ import annotations

import functools
import math
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
from matplotlib.ticker import FixedLocator, Formatter, MaxNLocator
from matplotlib.transforms import Bbox

from handinger_analytics.errors import ArgumentError
from handinger_analytics.plots.locator import GAP, row_labels_width, shrinking_locator
from handinger_analytics.provenance import Provenance, incompleteness
from handinger_analytics.text import amount

_WIDENING = 1.4
"""A new figure is so much wider than the style's, since a legend stands beside the data."""
_ROW_INCHES = 0.26
"""Height of a labelled row: a line of text and a little air."""
_LEGEND_SHARE = 0.5
"""Share of the width a legend may take before its text shrinks."""
_ROW_LABELS_SHARE = 0.4
"""Share of the width row labels may take before they shrink."""
_SMALLEST_POINTS = 5.0
"""Smaller text cannot be read."""
_LINE_EMS = 1.2
_BAR_TEXT_SCALE = 1 / 1.2
"""Size of text beside a bar relative to the label of its row: Matplotlib's "small"."""
_NUMBER_EMS, _DATE_EMS = 4.5, 3.6
"""Width of a tick label and the space after it."""
_ASSUMED_EMS = 3
"""Width that `Axis.get_tick_space` assumes of a label along x."""
_DIGIT_EMS = 0.7
_MOST_DECIMALS = 20
_COLOUR_SCALE = ("vmin", "vmax", "bins")

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
    artist: type[Artist], ours: Mapping[str, Any], theirs: Mapping[str, Any], *, fixed: Collection[str] = ()
) -> dict[str, Any]:
    """Merge keywords; the user's override ours, and aliases such as ``lw`` count as the same keyword.

    Parameters
    ----------
    artist : type of Artist
        What is drawn; its aliases count, as ``lw`` for ``linewidth``. ``c`` means ``color``, except for
        points, whose ``c`` may be numbers.
    ours, theirs : mapping
        Keywords that we set, and the user's, which win.
    fixed : collection of str
        Keywords that the data decide.

    Raises
    ------
    ArgumentError
        The user set one of ``fixed``.
    """
    refuse(theirs, fixed)
    if artist is not PathCollection and "color" not in theirs:
        theirs = {"color" if name == "c" else name: value for name, value in theirs.items()}
    merged: dict[str, Any] = normalize_kwargs(dict(ours), artist) | normalize_kwargs(dict(theirs), artist)
    # Matplotlib refuses a norm beside the keywords that describe one, and c beside color.
    ruled_out = set(_COLOUR_SCALE) if merged.get("norm") is not None else set()
    if "c" in merged:
        ruled_out.add("color")
    return {name: value for name, value in merged.items() if name not in ruled_out or name in theirs}


def refuse(theirs: Mapping[str, Any], fixed: Collection[str]) -> None:
    """Raise an `ArgumentError` if one of the user's keywords is decided by the data."""
    for name in theirs:
        if name in fixed:
            expected = "no value, since the plot takes it from the data"
            raise ArgumentError.unexpected(name, expected, theirs[name], "leave it out")


def open_axes(ax: Axes | None, known: Provenance, *, rows: int = 0, **texts: str) -> Axes:
    """Return the user's Axes or a new one, with its texts and, where rows are missing, a caption.

    Parameters
    ----------
    ax : Axes or None
        The user's.
    known : dict
        Provenance of what is drawn.
    rows : int
        Number of labelled rows that a new figure must be tall enough for.
    **texts : str
        ``title``, ``xlabel``, ``ylabel``.
    """
    if ax is None:
        width, height = mpl.rcParams["figure.figsize"]
        size = (width * _WIDENING, max(height, _ROW_INCHES * rows + 1))
        _, ax = plt.subplots(figsize=size, layout="constrained")
    ax.set(**texts)
    if missing := incompleteness(known):
        caption(ax, missing)
    return ax


def caption(ax: Axes, text: str) -> None:
    """Write between title and data.

    It is the label of a second x axis along the top, so that Matplotlib keeps the title, also one set
    later, clear of it and every layout engine leaves room for it.
    """
    top = ax.secondary_xaxis("top")
    top.tick_params(axis="x", which="both", top=False, labeltop=False)
    top.spines["top"].set_visible(False)
    top.set_xlabel(text, fontsize="small", fontstyle="italic", color=mpl.rcParams["text.color"])
    if locator := shrinking_locator(ax):
        locator.caption = top


def no_turns(ax: Axes) -> Axes:
    """Say in the middle of an otherwise empty Axes that there is nothing to draw, and return it."""
    ax.text(0.5, 0.5, "no turns", transform=ax.transAxes, ha="center", va="center")
    ax.set(xticks=[], yticks=[])
    return ax


def count_axis(axis: Axis, *, ticks: int = 9, decimals: int = 0) -> None:
    """Tick an axis at whole numbers, written compactly; negative positions are amounts drawn downwards.

    With ``decimals``, as money has them, ticks are at multiples of the last one. An axis too short for
    such ticks has finer ones.
    """
    axis.set_major_locator(_AmountLocator(ticks, decimals))
    axis.set_major_formatter(_AmountFormatter(decimals))


class _AmountLocator(MaxNLocator):
    """Ticks at round amounts, fewer where the axis is short."""

    def __init__(self, most: int, decimals: int) -> None:
        super().__init__(integer=True, steps=[1, 2, 2.5, 5, 10])
        self._most, self._smallest = most, 10**decimals

    def tick_values(self, vmin: float, vmax: float) -> Any:
        # A step is at least a hundredth of the largest number, which says how many decimals it may have.
        decimals = 2 - math.floor(math.log10(max(abs(vmin), abs(vmax), 10**-_MOST_DECIMALS)))
        ems = max(_NUMBER_EMS, _DIGIT_EMS * (decimals + len("0.")))
        self.set_params(nbins=min(self._most, labels_that_fit(self.axis, ems)))
        return super().tick_values(vmin * self._smallest, vmax * self._smallest) / self._smallest


class _AmountFormatter(Formatter):
    """Amounts with as many decimals as tell the ticks apart; if there are any, at least those of money."""

    def __init__(self, decimals: int) -> None:
        self._decimals, self._shown = decimals, 0

    def set_locs(self, locs: Any) -> None:
        super().set_locs(locs)
        # Ticks are sums of floating-point steps: they need not be round to the last bit.
        near = np.diff(locs).min(initial=np.inf) / 100
        errors = (np.abs(np.round(locs, digits) - locs).max(initial=0) for digits in range(_MOST_DECIMALS))
        needed = next((digits for digits, error in enumerate(errors) if error <= near), _MOST_DECIMALS)
        self._shown = needed and max(needed, self._decimals)

    def __call__(self, value: float, pos: int | None = None) -> str:
        if self._shown:
            return f"{abs(value):,.{self._shown}f}"
        axis: Any = self.axis
        return amount(abs(value), largest=float(np.abs(axis.get_view_interval()).max()))


class SpacedLocator(FixedLocator):
    """Ticks at given places, except those too near to the tick before."""

    def tick_values(self, vmin: Any, vmax: Any) -> Any:
        """Return the ticks to draw; the limits are read from the axis, not from the arguments."""
        axis: Any = self.axis
        ticks = super().tick_values(vmin, vmax)
        low, high, *places = axis.get_transform().transform([*axis.get_view_interval(), *ticks])
        least, kept, last = (high - low) / labels_that_fit(axis), [], -np.inf
        for tick, place in zip(ticks, places, strict=True):
            if low <= place <= high and place - last >= least:
                kept.append(tick)
                last = place
        return kept


def labels_that_fit(axis: Any, ems: float = _DATE_EMS) -> int:
    """Return how many tick labels have room side by side, each so many ems wide if along x."""
    fitting: int = axis.get_tick_space()
    return max(1, int(fitting * _ASSUMED_EMS / ems) if axis.axis_name == "x" else fitting)


def row_axis(ax: Axes, labels: Sequence[str], *, fewest: int = 1) -> float:
    """Give each label a row, the first at the top; the axis is at least ``fewest`` rows tall.

    The labels shrink if they would take most of the width or, in a figure without a layout engine, lie over
    each other.

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
    room, width = _room(ax), row_labels_width(ax)
    scale = _ROW_LABELS_SHARE * room.width / width if width else 1
    if locator := shrinking_locator(ax):
        locator.rows = ax.yaxis.get_major_locator()
        line = _LINE_EMS * size * ax.figure.dpi / 72
        scale = min(room.height / rows / line, scale)
    if scale < 1:
        size = max(scale * size, _SMALLEST_POINTS)
        ax.tick_params(axis="y", labelsize=size)
    return size * _BAR_TEXT_SCALE


def legend_beside(ax: Axes, handles: Sequence[Any], title: str) -> None:
    """Put the legend of labelled artists to the right of the data, in the order of a stack from the top.

    Its text shrinks if it would take most of the width or, in a figure without a layout engine, be taller.
    """
    style: dict[str, Any] = {
        "handles": handles,
        "labels": [handle.get_label() for handle in handles],
        "title": title,
        "reverse": True,
        "loc": "upper left",
        "bbox_to_anchor": (1 + GAP, 1),
        "borderaxespad": 0,
        "frameon": False,
        "alignment": "left",
    }
    legend = ax.legend(**style)
    locator, room, needed = shrinking_locator(ax), _room(ax), legend.get_window_extent()
    if locator:
        room = locator(ax, None).transformed(ax.figure.transSubfigure)
    scale = _LEGEND_SHARE * room.width / needed.width
    if locator:
        scale = min(room.height / needed.height, scale)
    if scale < 1:
        usual = FontProperties(size=mpl.rcParams["legend.fontsize"]).get_size_in_points()
        size = max(scale * usual, _SMALLEST_POINTS)
        legend = ax.legend(fontsize=size, title_fontsize=size, **style)
    if locator:
        locator.legend = legend


def _room(ax: Axes) -> Bbox:
    """Return the pixels of the data and what is written around them, before a layout engine moves them."""
    locator = shrinking_locator(ax)
    cell = locator.cell() if locator else ax.get_position(original=True)
    return cell.transformed(ax.figure.transSubfigure)
