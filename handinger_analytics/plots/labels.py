"""Text from tasks, made safe for a picture: taken literally, in the fonts that are there, not too long.

Worker names, titles and ids come from a server and may hold anything. A dollar sign must not start
a formula, and a character that no chosen font can draw becomes a box here instead of a warning for each
drawing later. To see those characters, name a font that has them in
``matplotlib.rcParams["font.family"]``, such as Noto Sans CJK JP after DejaVu Sans.

The words of the caption of an incomplete chart are in `handinger_analytics.provenance`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import matplotlib as mpl
from matplotlib.font_manager import FontProperties, findfont, get_font

from handinger_analytics.text import cut, picture_text

MAX_LENGTH = 40
"""Longest label, in characters."""
_BOX = "\N{WHITE SQUARE}"


def label(value: Any, length: int = MAX_LENGTH) -> str:
    r"""Return a value as it may be handed to any Matplotlib text: what is seen of it, dollars escaped.

    Parameters
    ----------
    value : Any
        A group, a title, an id; a missing value gives "(none)", one without visible text "(empty)".
    length : int
        Most characters; longer text is shortened with an ellipsis.

    Examples
    --------
    >>> print(label("costs $5 to $9"))
    costs \$5 to \$9
    """
    text = cut(seen(value), length)
    # Where the user has switched math off, Matplotlib shows a backslash as it is.
    return text.replace("$", r"\$") if mpl.rcParams["text.parse_math"] else text


def seen(value: Any) -> str:
    """Return what is seen of a value in a picture: without what no font can draw.

    Examples
    --------
    >>> seen("Invoices of May\u200b")
    'Invoices of May'
    """
    drawable = _drawable(tuple(FontProperties().get_family()))
    return "".join(char if ord(char) in drawable else _BOX for char in picture_text(value))


@lru_cache(maxsize=8)
def _drawable(families: tuple[str, ...]) -> frozenset[int]:
    """Return the code points that Matplotlib finds in one of the fonts it would fall back through."""
    drawable: set[int] = set()
    for family in families:
        try:
            path = findfont(FontProperties(family=[family]), fallback_to_default=False)
        except ValueError:
            continue
        drawable.update(get_font(path).get_charmap())
    return frozenset(drawable or get_font(findfont(FontProperties())).get_charmap())
