"""Row in which somebody types what to look up, starts it, and stops it."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import ipywidgets as w

from handinger_analytics.widget.parts import NARROW, button, classed


class Entry(w.Box):  # type: ignore[misc]  # ipywidgets ships no types
    """A box for ids, links and words, a button to look them up, and one to cancel.

    Parameters
    ----------
    typed : callable
        Called with each key.
    entered : callable
        Called when somebody presses Enter or the button.
    cancelled : callable
        Called when somebody cancels.
    """

    def __init__(
        self, typed: Callable[[], None], entered: Callable[[], None], cancelled: Callable[[], None]
    ) -> None:
        self._box = w.Text(
            description="Task ids, links or words",
            placeholder="tsk_… or https://…, one or many",
            style=NARROW,
        )
        look_up = button("Look up", "Look up what is in the box", button_style="primary")
        self._cancel = button("Cancel", "Stop what is under way", disabled=True)
        super().__init__([classed(self._box, "ha-entry"), look_up, self._cancel])
        self.add_class("ha-row")
        self._box.observe(lambda _: typed(), "value")
        with warnings.catch_warnings():
            # Advised instead is an entry that reports no single keys, and so cannot be searched with each.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._box.on_submit(lambda _: entered())
        look_up.on_click(lambda _: entered())
        self._cancel.on_click(lambda _: cancelled())

    @property
    def text(self) -> str:
        """What is in the box."""
        text: str = self._box.value
        return text

    @text.setter
    def text(self, text: str) -> None:
        self._box.value = text

    def offer_cancel(self, possible: bool) -> None:
        """Offer to cancel, or do not."""
        self._cancel.disabled = not possible
