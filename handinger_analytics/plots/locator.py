"""Axes that keep what is written around their data within their own cell of the figure.

A layout engine makes room for row labels, legends and captions. In a figure without one they would lie
over a neighbour or be cut off; there the data area shrinks instead.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.legend import Legend
from matplotlib.ticker import Locator
from matplotlib.transforms import Bbox

GAP = 0.01
"""Between data and legend, as a share of the width of the data."""
_LEAST_DATA = 0.25
"""Share of the width of the cell that the data keep in any case."""
_OVERHANG_EMS = 3
"""How far a row label may reach out of the cell on the left, where other Axes have their tick labels."""


@dataclass(slots=True)
class ShrinkingLocator:
    """Axes locator that makes room for row labels, legend and caption beside the data.

    A legend, caption or row labels that no longer belong to the Axes, after it was cleared, take no room.

    Attributes
    ----------
    axes : Axes
    previous : callable or None
        Locator that the Axes had before, as an inset has one.
    legend : Legend, optional
        On the right.
    rows : Locator, optional
        Tick locator of labelled rows; the labels stand on the left.
    caption : Axes, optional
        Has the caption above the data, as the label of its x axis.
    centre : float
        Where title and caption are centred, as a share of the width of the data.
    """

    axes: Axes
    previous: Callable[[Any, Any], Bbox] | None
    legend: Legend | None = None
    rows: Locator | None = None
    caption: Any = None
    centre: float = 0.5

    def __call__(self, ax: Any, renderer: Any) -> Bbox:
        """Return where the data are drawn, in figure coordinates."""
        cell, figure = self.cell(renderer), ax.figure.bbox
        left, right, top = (pixels / figure.width for pixels in self._needed_pixels(renderer))
        gap = 1 + GAP if right else 1
        width = max((cell.width - left - right) / gap, _LEAST_DATA * cell.width)
        first = max(cell.x0, cell.x1 - right - gap * width)
        self._centre_texts((cell.x0 + cell.width / 2 - first) / width)
        return Bbox.from_bounds(first, cell.y0, width, cell.height - top * figure.width / figure.height)

    def cell(self, renderer: Any = None) -> Bbox:
        """Return the box of the data and what is written around them, in figure coordinates."""
        if self.previous:
            return self.previous(self.axes, renderer)
        return self.axes.get_position(original=True)

    def _needed_pixels(self, renderer: Any) -> tuple[float, float, float]:
        """Return the pixels for row labels, legend and caption."""
        rows, legend, caption = 0.0, 0.0, 0.0
        if self.rows is self.axes.yaxis.get_major_locator():
            rows = row_labels_width(self.axes, renderer)
        if self.legend is not None and self.legend is self.axes.get_legend():
            legend = self.legend.get_window_extent(renderer).width
        if self.caption in self.axes.child_axes:
            axis = self.caption.xaxis
            pad = axis.labelpad * self.axes.figure.dpi / 72
            caption = axis.label.get_window_extent(renderer).height + pad
        return rows, legend, caption

    def _centre_texts(self, centre: float) -> None:
        """Keep title and caption over the middle of the cell, unless the user moved them."""
        captions = [self.caption.xaxis.label] if self.caption in self.axes.child_axes else []
        for text in (self.axes.title, *captions):
            if text.get_position()[0] in (0.5, self.centre):
                text.set_x(centre)
        self.centre = centre

    def get_subplotspec(self) -> Any:
        """Return the place of the Axes in a grid, which Matplotlib's tight layout asks a locator for."""
        return self.axes.get_subplotspec()


def shrinking_locator(ax: Axes) -> ShrinkingLocator | None:
    """Return the locator that keeps an Axes within its cell, None if a layout engine does."""
    if ax.figure.get_layout_engine() is not None:
        return None
    previous: Any = ax.get_axes_locator()
    if isinstance(previous, ShrinkingLocator):
        return previous
    locator = ShrinkingLocator(ax, previous)
    ax.set_axes_locator(locator)
    return locator


def row_labels_width(ax: Axes, renderer: Any = None) -> float:
    """Return the pixels that row labels need within the cell of their Axes."""
    labels = ax.get_yticklabels()
    widest = max((label.get_window_extent(renderer).width for label in labels), default=0)
    overhang = _OVERHANG_EMS * float(labels[0].get_fontsize()) * ax.figure.dpi / 72 if labels else 0
    return max(widest - overhang, 0)
