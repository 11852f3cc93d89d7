"""Use the widget as a person does: find a control by its label, use it, read the page."""

from __future__ import annotations

import html
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import ipywidgets as w

TIMEOUT = 30.0


def parts(widget: Any) -> Iterator[Any]:
    """Walk a widget and everything in it, in the order of the page."""
    yield widget
    for child in getattr(widget, "children", ()):
        yield from parts(child)


def visible(widget: Any) -> Iterator[Any]:
    """Walk what is not taken out of the page."""
    if widget.layout.display != "none":
        yield widget
        for child in getattr(widget, "children", ()):
            yield from visible(child)


def entry(lookup: Any) -> Any:
    """Return the first text box."""
    return next(part for part in parts(lookup) if isinstance(part, w.Text | w.Textarea))


def control(lookup: Any, description: str) -> Any:
    """Return the control whose description begins so."""
    return next(part for part in parts(lookup) if getattr(part, "description", "").startswith(description))


def matches(lookup: Any) -> list[Any]:
    """Return the buttons of the matches on offer."""
    return [part for part in visible(lookup) if "ha-match" in part._dom_classes]


def enter(lookup: Any, text: str) -> None:
    """Type a text and press Enter, as the front end reports it, and wait for the answer."""
    entry(lookup).value = text
    entry(lookup)._handle_custom_msg({"event": "submit"}, [])
    assert lookup.wait(TIMEOUT)


def click(lookup: Any, description: str) -> None:
    """Click a button and wait for what it started."""
    control(lookup, description).click()
    assert lookup.wait(TIMEOUT)


def markup(lookup: Any) -> str:
    """Return the HTML on the page, without the style sheet and pictures."""
    pieces = [part.value for part in visible(lookup) if isinstance(part, w.HTML)]
    return re.sub(r"<figure>.*?</figure>", "", "\n".join(pieces), flags=re.DOTALL)


def page(lookup: Any) -> str:
    """Return the words on the page, on one line."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", markup(lookup))).split())


def eventually(condition: Callable[[], Any], timeout: float = TIMEOUT) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.02)
