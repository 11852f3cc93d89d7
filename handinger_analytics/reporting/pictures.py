"""Plots as SVG that can stand inside HTML."""

from __future__ import annotations

import io
import re
from collections.abc import Callable

import matplotlib as mpl
from markupsafe import Markup
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

_SIZE = (9.0, 4.2)
_NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))
_OUTSIDE_SVG = re.compile(r"^.*?(?=<svg)|<!--.*?-->|<metadata>.*?</metadata>", re.DOTALL)
_NAME = re.compile(r'(\bid="|href="#|url\(#)')


def picture(name: str, draw: Callable[[Axes], Axes]) -> Markup:
    """Draw a plot as SVG that can stand inside HTML.

    Text becomes shapes, so that no font is needed; names are made unique to the picture, for one page
    holds several.
    """
    with style.context("default"), mpl.rc_context({"svg.fonttype": "path", "svg.hashsalt": name}):
        figure = Figure(figsize=_SIZE, layout="constrained")
        ax = draw(figure.subplots())
        written = io.StringIO()
        figure.savefig(written, format="svg", metadata=_NO_METADATA)
        svg = _OUTSIDE_SVG.sub("", written.getvalue())
        svg = _NAME.sub(rf"\g<1>{name}-", svg)
        label = Markup.escape(ax.get_title().replace(r"\$", "$"))
    labelled = svg.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)
    return Markup(labelled)  # noqa: S704 - shapes drawn by Matplotlib: no text of a task is left in it
