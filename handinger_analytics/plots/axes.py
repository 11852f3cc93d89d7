"""What every plot does with its Axes: open it, label it, say what is missing from the data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, MaxNLocator

from handinger_analytics.schema import METADATA_KEY

_WIDER = 1.4
"""A legend beside the data needs so much more width than a plain figure has."""
_UNITS = ((2e9, 1e9, "B"), (2e6, 1e6, "M"), (2e5, 1e3, "k"))
"""From which size on a unit is used, the unit, its name."""
_ROW_HEIGHT = 0.26
"""Inches for a line of text and a little air."""


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
    """Put the legend to the right of the data, in the order of a stack read from the top."""
    ax.legend(
        handles,
        labels,
        title=title,
        reverse=True,
        loc="upper left",
        bbox_to_anchor=(1.01, 1),
        borderaxespad=0,
        frameon=False,
        alignment="left",
    )


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
