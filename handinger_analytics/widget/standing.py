"""Panel that says where a lookup stands, and what went wrong."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets as w

from handinger_analytics.widget import notices
from handinger_analytics.widget.parts import button, row, shown


class Standing(w.VBox):  # type: ignore[misc]  # ipywidgets ships no types
    """A sentence that is announced, a clock that is not, problems in full, and a button to try again.

    Parameters
    ----------
    again : callable
        Called when somebody wants to try again.
    """

    def __init__(self, again: Callable[[], None]) -> None:
        self._notice, self._clock, self._problems = w.HTML(), w.HTML(), w.HTML()
        self._again = button("Try again", "Look up once more what failed")
        self._again.on_click(lambda _: again())
        super().__init__([row(self._notice, self._clock, self._again, kind="ha-standing"), self._problems])
        self.add_class("ha-panel")
        shown(self._again, False)

    def say(self, text: str, kind: str = "info") -> None:
        """Say one sentence, see `notice`; the same one again is not announced again."""
        self._notice.value = notices.notice(text, kind)

    def tick(self, text: str) -> None:
        """Show running seconds."""
        self._clock.value = notices.clock(text)

    def report(self, problems: str = "", *, again: bool = False) -> None:
        """Show problems as HTML, and whether trying again may help."""
        self._problems.value = problems
        shown(self._again, again)
