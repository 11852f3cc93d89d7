"""Panel to find a task without its id: filters, and matches to choose from."""

from __future__ import annotations

from collections.abc import Callable
from zoneinfo import ZoneInfo

import ipywidgets as w

from handinger_analytics.metrics.names import Names
from handinger_analytics.text import count, page_text
from handinger_analytics.widget.controls import NARROW, button, classed, row, set_visible
from handinger_analytics.widget.rendering import moment, render, shown_workers, titled
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
    names : mapping or Series of str, optional
        Names of workers by their ids.

    Attributes
    ----------
    index : TaskIndex or None
        What is searched.
    """

    def __init__(self, zone: ZoneInfo, names: Names = None) -> None:
        self.index: TaskIndex | None = None
        self._zone, self._names = zone, names
        self._matches: list[Match] = []
        self._count = 0
        self._status = w.Dropdown(description="Status", options=[_ANY], style=NARROW)
        self._worker = w.Dropdown(description="Worker", options=[_ANY], style=NARROW)
        self._since = w.DatePicker(description="From", style=NARROW)
        self._until = w.DatePicker(description="To", style=NARROW)
        self._filters = (self._status, self._worker, self._since, self._until)
        self._note = w.HTML()
        self._buttons = [classed(button("", "Look this task up"), "ha-match") for _ in range(MOST_MATCHES)]
        self._offers = classed(w.VBox([self._note, *self._buttons]), "ha-matches")
        super().__init__([row(*self._filters, kind="ha-filters"), self._offers])
        self.add_class("ha-panel")
        set_visible(self, False)

    def on_choice(self, chosen: Callable[[str], None]) -> None:
        """Call a function with the id of each match that somebody chooses."""
        for position, match_button in enumerate(self._buttons):
            match_button.on_click(lambda _, position=position: chosen(self._matches[position].task_id))

    def on_filter(self, changed: Callable[[], None]) -> None:
        """Call a function when somebody changes a filter."""
        for control in self._filters:
            control.observe(lambda _: changed(), "value")

    def search_in(self, index: TaskIndex) -> None:
        """Search an index from now on."""
        self.index = index
        statuses = {status: status for status in index.statuses}
        workers = shown_workers(index.workers, self._names)
        for control, shown in ((self._status, statuses), (self._worker, workers)):
            control.options = [_ANY, *((page_text(text), value) for value, text in shown.items())]
            set_visible(control, len(shown) > 1)
        set_visible(self, True)

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
        """What to do about several matches, or none, and the kind of sentence for `StatusBar.say`."""
        if self._count:
            return f"{count(self._count, 'task')} match: choose one, or type more words.", "info"
        return "No task matches these words. Try fewer of them or other filters, or paste an id.", "bad"

    def withdraw(self) -> None:
        """Take the matches out of sight; the filters stay."""
        set_visible(self._offers, False)

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
        self._note.value = render("muted", _how_many(self._count, len(self._matches)))
        for position, match_button in enumerate(self._buttons):
            if position < len(self._matches):
                match_button.description = _line(self._matches[position], self._zone)
            set_visible(match_button, position < len(self._matches))
        set_visible(self._offers, True)


def _how_many(matching: int, offered: int) -> str:
    if matching > offered:
        return f"The newest {offered} of {count(matching, 'task')}; more words narrow them down"
    return count(matching, "task") if matching else "No task matches."


def _line(match: Match, zone: ZoneInfo) -> str:
    """Match as a button's text, which the page takes literally; the title keeps its direction to itself."""
    parts = (
        f"\u2068{titled(match.title, 80)}\u2069",
        moment(match.at, zone)[:16],
        match.status,
        match.task_id,
    )
    return "  ·  ".join(page_text(part) for part in parts if part)
