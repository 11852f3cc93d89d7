"""What the panels of the widget are made of."""

from __future__ import annotations

from typing import Any

import ipywidgets as w

NARROW = {"description_width": "initial"}
"""Style of a control whose label takes the room it needs."""


def button(description: str, tooltip: str, **options: Any) -> Any:
    """Button with a tooltip."""
    return w.Button(description=description, tooltip=tooltip, **options)


def row(*children: Any, kind: str = "") -> Any:
    """Children side by side, on further lines where the page is narrow."""
    return classed(w.Box(children), "ha-row", kind)


def classed(widget: Any, *names: str) -> Any:
    """Give a widget CSS classes."""
    for name in filter(None, names):
        widget.add_class(name)
    return widget


def shown(widget: Any, visible: bool) -> None:
    """Show a widget, or take it out of the page and the focus order."""
    widget.layout.display = None if visible else "none"


def descendants(widget: Any) -> list[Any]:
    """Widget and all that belongs to it: children, layouts and styles."""
    found = [widget, widget.layout, *([widget.style] if hasattr(widget, "style") else [])]
    for child in getattr(widget, "children", ()):
        found.extend(descendants(child))
    return found
