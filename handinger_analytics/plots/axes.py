"""What every plot does with its Axes: open it, label it, say what is missing from the data."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.cbook import normalize_kwargs
from matplotlib.font_manager import FontProperties
from matplotlib.legend import Legend
from matplotlib.ticker import FuncFormatter, MaxNLocator
from matplotlib.transforms import Bbox

from handinger_analytics.errors import FrameError
from handinger_analytics.schema import METADATA_KEY

_WIDER = 1.4
"""A legend beside the data needs so much more width than a plain figure has."""
_UNITS = ((2e9, 1e9, "B"), (2e6, 1e6, "M"), (2e5, 1e3, "k"))
"""From which size on a unit is used, the unit, its name."""
_ROW_HEIGHT = 0.26
"""Inches for a line of text and a little air."""
_LEGEND_SHARE = 0.5
"""Part of the width of a user's Axes that a legend may take before its text becomes smaller."""
_SMALLEST_TEXT = 5.0
"""Points; smaller text cannot be read."""
_GAP = 0.01
"""Between data and legend, as a part of the width of the data."""
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
        What is drawn: its aliases count, as ``lw`` for ``linewidth``.
    ours, theirs : mapping
        Keywords that we set, and the user's, which win.
    placed : collection of str
        Keywords that say where the data stand, and therefore are not the user's to set.

    Raises
    ------
    FrameError
        The user set one of ``placed``.
    """
    for name in theirs:
        if name in placed:
            raise FrameError(f"{name}: the data decide it, found {theirs[name]!r}; leave it out")
    merged: dict[str, Any] = normalize_kwargs(dict(ours), artist) | normalize_kwargs(dict(theirs), artist)
    if merged.get("norm") is not None:
        # Matplotlib takes a scale or the ways to describe one, not both.
        merged = {name: value for name, value in merged.items() if name not in _SCALE or name in theirs}
    if "c" in merged:
        merged = {name: value for name, value in merged.items() if name != "color" or name in theirs}
    return merged


def open_axes(ax: Axes | None, *, rows: int = 0) -> Axes:
    """Return the user's Axes, or a new one with room for a legend beside it and for labelled rows."""
    if ax is not None:
        return ax
    width, height = mpl.rcParams["figure.figsize"]
    height = max(height, _ROW_HEIGHT * rows + 1)
    _, new = plt.subplots(figsize=(width * _WIDER, height), layout="constrained")
    return new


def compact(value: float, largest: float | None = None) -> str:
    """Write a number of credits, tokens or turns: short, and thousands apart.

    Parameters
    ----------
    value : float
        The number.
    largest : float, optional
        Largest number beside which it will stand, so that all of them have the same unit.

    Examples
    --------
    >>> compact(12_000), compact(335_086), compact(2_500_000), compact(50_000, largest=400_000)
    ('12,000', '335k', '2.5M', '50k')
    """
    largest = abs(value) if largest is None else largest
    for size, unit, name in _UNITS:
        if value and largest >= size:
            return f"{value / unit:,.3g}{name}" if abs(value) < 1000 * unit else f"{value / unit:,.0f}{name}"
    return f"{value:,.0f}"


def count_axis(axis: Axis, *, ticks: int = 9) -> None:
    """Tick an axis at whole numbers, written compactly; below zero lie amounts that are drawn downwards."""

    def write(value: float, _: int | None) -> str:
        return compact(abs(value), largest=float(np.abs(axis.get_view_interval()).max()))

    axis.set_major_locator(MaxNLocator(nbins=ticks, integer=True, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(FuncFormatter(write))


def row_axis(ax: Axes, labels: Sequence[str], *, fewest: int = 1) -> None:
    """Give each label a row, the first at the top, with space for the fewest rows there may be."""
    ax.set_yticks(range(len(labels)), labels)
    ax.set_ylim(max(len(labels), fewest) - 0.4, -0.6)
    # Between rows there is nothing to measure; a line would only strike through what stands beside a bar.
    ax.grid(visible=False, axis="y")


def legend_beside(ax: Axes, handles: Sequence[Any], labels: Sequence[str], title: str) -> None:
    """Put the legend to the right of the data, in the order of a stack read from the top.

    A layout engine makes room for it. In a figure without one the data give way: the legend stands
    inside the place of the Axes, in smaller text if it would take most of it.
    """
    style: dict[str, Any] = {
        "title": title,
        "reverse": True,
        "loc": "upper left",
        "bbox_to_anchor": (1 + _GAP, 1),
        "borderaxespad": 0,
        "frameon": False,
        "alignment": "left",
    }
    legend = ax.legend(handles, labels, **style)
    if ax.figure.get_layout_engine() is not None:
        return
    beneath: Callable[[Any, Any], Bbox] | None = ax.get_axes_locator()
    if isinstance(beneath, _BesideLegend):
        beneath = beneath.beneath
    place, needed = _whole(ax, beneath).transformed(ax.figure.transSubfigure), legend.get_window_extent()
    scale = min(_LEGEND_SHARE * place.width / needed.width, place.height / needed.height)
    if scale < 1:
        usual = FontProperties(size=mpl.rcParams["legend.fontsize"]).get_size_in_points()
        size = max(scale * usual, _SMALLEST_TEXT)
        legend = ax.legend(handles, labels, fontsize=size, title_fontsize=size, **style)
    ax.set_axes_locator(_BesideLegend(legend, beneath))


def _whole(ax: Any, beneath: Callable[[Any, Any], Bbox] | None, renderer: Any = None) -> Bbox:
    """Return the place of data and legend together, in parts of the figure."""
    place: Bbox = beneath(ax, renderer) if beneath else ax.get_position(original=True)
    return place


@dataclass(frozen=True, slots=True)
class _BesideLegend:
    """Place of the data in an Axes that keeps some of its width for its legend.

    Attributes
    ----------
    legend : Legend
        Once the Axes has another legend, or none, the data get the whole width.
    beneath : callable or None
        What placed the Axes before, if its figure does not.
    """

    legend: Legend
    beneath: Callable[[Any, Any], Bbox] | None

    def __call__(self, ax: Any, renderer: Any) -> Bbox:
        whole = _whole(ax, self.beneath, renderer)
        if ax.get_legend() is not self.legend:
            return whole
        taken = self.legend.get_window_extent(renderer).width / ax.figure.bbox.width
        width = max(whole.width - taken, 0.1 * whole.width) / (1 + _GAP)
        return Bbox.from_bounds(whole.x0, whole.y0, width, whole.height)

    def get_subplotspec(self) -> Any:
        """Say where in a grid the Axes stands, as Matplotlib's tight layout asks of what places one."""
        return self.legend.axes.get_subplotspec()


def no_rows(ax: Axes, what: str = "turns") -> None:
    """Say in the middle of an otherwise empty Axes that there is nothing to draw."""
    ax.text(0.5, 0.5, f"no {what}", transform=ax.transAxes, ha="center", va="center")
    ax.set(xticks=[], yticks=[])


def caption(ax: Axes, attrs: dict[Any, Any]) -> None:
    """Say above the data, below the title, that some of it is missing.

    It is the label of a second x axis along the top, so that Matplotlib keeps the title, also one set
    later, clear of it and every layout engine leaves room for it.
    """
    text = incompleteness(attrs)
    if text is None:
        return
    top = ax.secondary_xaxis("top")
    top.tick_params(axis="x", which="both", top=False, labeltop=False)
    top.spines["top"].set_visible(False)
    top.set_xlabel(text, fontsize="small", fontstyle="italic", color=mpl.rcParams["text.color"])


def incompleteness(attrs: dict[Any, Any]) -> str | None:
    """Return what a frame lacks according to its ``attrs``, None if nothing."""
    provenance = attrs.get(METADATA_KEY, {})
    if provenance.get("complete", True):
        return None
    failed, requested = provenance.get("failed", 0), provenance.get("requested")
    if failed and requested:
        return f"incomplete: {failed:,} of {requested:,} tasks failed"
    return "incomplete: not all of the tasks were fetched"
