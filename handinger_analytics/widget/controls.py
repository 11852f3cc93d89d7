"""What the panels of the widget are made of, and the two small ones: what is typed, and how it stands."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import ipywidgets as w

from handinger_analytics.widget.rendering import render

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


def set_visible(widget: Any, visible: bool) -> None:
    """Show a widget, or take it out of the page and the focus order."""
    widget.layout.display = None if visible else "none"


def descendants(widget: Any) -> list[Any]:
    """Widget and all that belongs to it: children, layouts and styles."""
    found = [widget, widget.layout, *([widget.style] if hasattr(widget, "style") else [])]
    for child in getattr(widget, "children", ()):
        found.extend(descendants(child))
    return found


class InputRow(w.Box):  # type: ignore[misc]  # ipywidgets ships no types
    """A box for ids, links and words, a button to look them up, and one to cancel."""

    def __init__(self) -> None:
        self.box = w.Text(
            description="Task ids, links or words",
            placeholder="tsk_… or https://…, one or many",
            style=NARROW,
        )
        self.look_up = button("Look up", "Look up what is in the box", button_style="primary")
        self.cancel = button("Cancel", "Stop what is under way", disabled=True)
        super().__init__([classed(self.box, "ha-entry"), self.look_up, self.cancel])
        self.add_class("ha-row")

    def on_enter(self, entered: Callable[[], None]) -> None:
        """Call a function when somebody presses Enter or the button."""
        with warnings.catch_warnings():
            # What ipywidgets advises instead, continuous_update=False, would report no single keys, and
            # so nothing could be searched while somebody types.
            warnings.simplefilter("ignore", DeprecationWarning)
            self.box.on_submit(lambda _: entered())
        self.look_up.on_click(lambda _: entered())


class StatusBar(w.VBox):  # type: ignore[misc]  # ipywidgets ships no types
    """A sentence that is announced, a clock that is not, problems in full, and a button to try again."""

    def __init__(self) -> None:
        self._notice, self._clock, self._problems = w.HTML(), w.HTML(), w.HTML()
        self.again = button("Try again", "Look up once more what was not fetched")
        super().__init__([row(self._notice, self._clock, self.again, kind="ha-standing"), self._problems])
        self.add_class("ha-panel")
        set_visible(self.again, False)

    def say(self, text: str, kind: str = "info") -> None:
        """Say one sentence that is "info", "busy", "good" or "bad".

        A screen reader announces it, but not again while it stays the same.
        """
        self._notice.value = render("notice", text, kind)

    def tick(self, text: str) -> None:
        """Show running seconds, which a screen reader leaves alone."""
        self._clock.value = render("clock", text) if text else ""

    def report(self, problems: str = "", *, again: bool = False) -> None:
        """Show problems as HTML, and whether trying again may help."""
        self._problems.value = problems
        set_visible(self.again, again)
