"""Panel to find a task without its id: filters, and matches to choose from."""

from __future__ import annotations

from collections.abc import Callable
from zoneinfo import ZoneInfo

import ipywidgets as w

from handinger_analytics.text import count, page_text
from handinger_analytics.widget.markup import moment, titled
from handinger_analytics.widget.parts import NARROW, button, classed, row, shown
from handinger_analytics.widget.search import Match, TaskIndex, day_start, entered_ids

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
        self._count = 0
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
            control.options = [_ANY, *((page_text(value), value) for value in values)]
            shown(control, len(values) > 1)
        shown(self, True)

    def follow(self, entered: str) -> None:
        """Offer what matches the text in the box so far; ids that are whole, or elsewhere, are no search."""
        if self.index is None:
            return
        ids = entered_ids(entered, self.index.ids)
        self._offer(self.index, entered)
        if ids and (self._count == 0 or self.index.ids.issuperset(ids)):
            self.withdraw()

    def wanted(self, entered: str) -> list[str]:
        """Task ids that a person means who presses Enter.

        Parameters
        ----------
        entered : str
            What is in the box: ids and links, or words, or the beginning of an id.

        Returns
        -------
        list of str
            Ids of the index, or of the only match, or of what is nowhere in the index and can be ids.
            Empty for a search that needs more words or other ones; its matches are on offer.
        """
        if self.index is None:
            return entered_ids(entered)
        ids = entered_ids(entered, self.index.ids)
        if ids and self.index.ids.issuperset(ids):
            return ids
        self._offer(self.index, entered)
        if self._count:
            return [self._matches[0].task_id] if self._count == 1 else []
        if self.index.search(entered, limit=0)[0]:
            return []  # the filters hide what matches
        words = entered_ids(entered)
        return ids or (words if len(words) == 1 else [])

    @property
    def advice(self) -> tuple[str, str]:
        """What to do about several matches, or none, as plain text; and of which kind it is, see `notice`."""
        if self._count:
            return f"{count(self._count, 'task')} match: choose one, or type more words.", "info"
        return "No task matches these words. Try fewer of them or other filters, or paste an id.", "bad"

    def withdraw(self) -> None:
        """Take the matches out of sight; the filters stay."""
        shown(self._offers, False)

    def _offer(self, index: TaskIndex, words: str) -> None:
        """Show the newest tasks that match, and keep how many there are."""
        self._count, self._matches = index.search(
            words,
            status=self._status.value or None,
            worker_id=self._worker.value or None,
            since=day_start(self._since.value, self._zone),
            before=day_start(self._until.value, self._zone, days_later=1),
            limit=MOST_MATCHES,
        )
        self._note.value = f'<span class="ha-muted">{_how_many(self._count, len(self._matches))}</span>'
        for position, match_button in enumerate(self._buttons):
            if position < len(self._matches):
                match_button.description = _line(self._matches[position], self._zone)
            shown(match_button, position < len(self._matches))
        shown(self._offers, True)


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
    return "  ·  ".join(page_text(part) for part in parts if part)
