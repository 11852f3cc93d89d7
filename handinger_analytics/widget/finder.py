"""Panel to find a task without its id: filters, and matches to choose from."""

from __future__ import annotations

from collections.abc import Callable
from zoneinfo import ZoneInfo

import ipywidgets as w

from handinger_analytics.widget.markup import moment, plain, titled
from handinger_analytics.widget.parts import NARROW, button, classed, row, shown
from handinger_analytics.widget.search import Match, TaskIndex, day_start

MOST_MATCHES = 8
"""Most matches on offer at once; more words narrow them down."""
_ANY = ("any", "")
"""Choice of no filter; to ipywidgets None would be no choice at all."""


class Finder(w.VBox):  # type: ignore[misc]  # ipywidgets ships no types
    """Offers the tasks of an index that match words and filters; out of sight until it has one.

    Parameters
    ----------
    zone : ZoneInfo
        Zone in which days begin.
    choose : callable
        Called with the id of a match that was chosen.
    refine : callable
        Called when a filter changes.

    Attributes
    ----------
    index : TaskIndex or None
        What is searched.
    """

    def __init__(self, zone: ZoneInfo, choose: Callable[[str], None], refine: Callable[[], None]) -> None:
        self.index: TaskIndex | None = None
        self._zone, self._choose = zone, choose
        self._matches: list[Match] = []
        self._status = w.Dropdown(description="Status", options=[_ANY], style=NARROW)
        self._worker = w.Dropdown(description="Worker", options=[_ANY], style=NARROW)
        self._since = w.DatePicker(description="From", style=NARROW)
        self._until = w.DatePicker(description="To", style=NARROW)
        self._note = w.HTML()
        self._buttons = [classed(button("", "Look this task up"), "ha-match") for _ in range(MOST_MATCHES)]
        self._offers = classed(w.VBox([self._note, *self._buttons]), "ha-matches")
        filters = (self._status, self._worker, self._since, self._until)
        super().__init__([row(*filters, kind="ha-filters"), self._offers])
        self.add_class("ha-panel")
        for control in filters:
            control.observe(lambda _: refine(), "value")
        for position, match_button in enumerate(self._buttons):
            match_button.on_click(lambda _, position=position: self._choose(self._matches[position].task_id))
        shown(self, False)

    def search_in(self, index: TaskIndex) -> None:
        """Search an index from now on."""
        self.index = index
        for control, values in ((self._status, index.statuses), (self._worker, index.workers)):
            control.options = [_ANY, *((plain(value), value) for value in values)]
            shown(control, len(values) > 1)
        shown(self, True)

    def offer(self, words: str) -> int:
        """Show the newest tasks that match, and return how many there are."""
        if self.index is None:
            return 0
        count, self._matches = self.index.search(
            words,
            status=self._status.value or None,
            worker_id=self._worker.value or None,
            since=day_start(self._since.value, self._zone),
            before=day_start(self._until.value, self._zone, days_later=1),
            limit=MOST_MATCHES,
        )
        self._note.value = f'<span class="ha-muted">{_how_many(count, len(self._matches))}</span>'
        for position, match_button in enumerate(self._buttons):
            if position < len(self._matches):
                match_button.description = _line(self._matches[position], self._zone)
            shown(match_button, position < len(self._matches))
        shown(self._offers, True)
        return count

    @property
    def first(self) -> str:
        """Id of the first match on offer."""
        return self._matches[0].task_id

    def withdraw(self) -> None:
        """Take the matches out of sight; the filters stay."""
        shown(self._offers, False)


def _how_many(count: int, offered: int) -> str:
    if count == 0:
        return "No task matches."
    if count == offered:
        return "1 task" if count == 1 else f"{count} tasks"
    return f"The newest {offered} of {count:,} tasks; more words narrow them down"


def _line(match: Match, zone: ZoneInfo) -> str:
    """Match as a button's text, which the page takes literally; the title keeps its direction to itself."""
    parts = (
        f"\u2068{titled(match.title, 80)}\u2069",
        moment(match.at, zone)[:16],
        match.status,
        match.task_id,
    )
    return "  ·  ".join(plain(part) for part in parts if part)
