"""Axes that keep what is written around their data to their own place, in a figure that lays nothing out.

A layout engine makes room for row labels, legends and captions. Without one they would lie over a
neighbour or be cut off; instead the data give way.
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
"""Between data and legend, as a part of the width of the data."""
_LEAST_DATA = 0.25
"""Part of the width of the place that the data have at least."""
_OVERHANG = 3
"""Ems of a row label that may stand out on the left, where other Axes have the labels of their numbers."""


@dataclass(slots=True)
class Place:
    """Locator of the data within the place of an Axes.

    What is no longer part of the Axes, as after it was cleared or given another legend, takes no room.

    Attributes
    ----------
    axes : Axes
    beneath : callable or None
        What placed the Axes before, if its figure does not.
    legend : Legend, optional
        Stands on the right.
    rows : Locator, optional
        Ticks of the rows, whose labels stand on the left.
    caption : Axes, optional
        Has a line of text above the data as the label of its x axis.
    middle : float
        Where title and caption are centred, in parts of the width of the data.
    """

    axes: Axes
    beneath: Callable[[Any, Any], Bbox] | None
    legend: Legend | None = None
    rows: Locator | None = None
    caption: Any = None
    middle: float = 0.5

    def __call__(self, ax: Any, renderer: Any) -> Bbox:
        """Return where the data are drawn, in parts of the figure."""
        whole, figure = self.whole(renderer), ax.figure.bbox
        left, right, top = (part / figure.width for part in self._taken(renderer))
        gap = 1 + GAP if right else 1
        width = max((whole.width - left - right) / gap, _LEAST_DATA * whole.width)
        first = max(whole.x0, whole.x1 - right - gap * width)
        self._centre((whole.x0 + whole.width / 2 - first) / width)
        return Bbox.from_bounds(first, whole.y0, width, whole.height - top * figure.width / figure.height)

    def whole(self, renderer: Any = None) -> Bbox:
        """Return the place of the data and what is around them, in parts of the figure."""
        if self.beneath:
            return self.beneath(self.axes, renderer)
        return self.axes.get_position(original=True)

    def _taken(self, renderer: Any) -> tuple[float, float, float]:
        """Pixels that row labels, legend and caption need."""
        rows, legend, caption = 0.0, 0.0, 0.0
        if self.rows is self.axes.yaxis.get_major_locator():
            rows = row_labels_width(self.axes, renderer)
        if self.legend is not None and self.legend is self.axes.get_legend():
            legend = self.legend.get_window_extent(renderer).width
        if self.caption in self.axes.child_axes:
            above = self.caption.xaxis
            caption = (
                above.label.get_window_extent(renderer).height + above.labelpad * self.axes.figure.dpi / 72
            )
        return rows, legend, caption

    def _centre(self, middle: float) -> None:
        """Keep title and caption over the middle of the place, unless the user moved them."""
        shown = [self.caption.xaxis.label] if self.caption in self.axes.child_axes else []
        for text in (self.axes.title, *shown):
            if text.get_position()[0] in (0.5, self.middle):
                text.set_x(middle)
        self.middle = middle

    def get_subplotspec(self) -> Any:
        """Say where in a grid the Axes stands, as Matplotlib's tight layout asks of what places one."""
        return self.axes.get_subplotspec()


def place_of(ax: Axes) -> Place | None:
    """Return what places the data of an Axes, None if a layout engine does."""
    if ax.figure.get_layout_engine() is not None:
        return None
    locator: Any = ax.get_axes_locator()
    if isinstance(locator, Place):
        return locator
    place = Place(ax, locator)
    ax.set_axes_locator(place)
    return place


def row_labels_width(ax: Axes, renderer: Any = None) -> float:
    """Return the pixels that the labels of rows need within the place of their Axes."""
    labels = ax.get_yticklabels()
    widest = max((label.get_window_extent(renderer).width for label in labels), default=0)
    overhang = _OVERHANG * float(labels[0].get_fontsize()) * ax.figure.dpi / 72 if labels else 0
    return max(widest - overhang, 0)
