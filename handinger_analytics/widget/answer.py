"""Panel with the tasks on view: card or comparison, chart, turns, and the copy that is saved."""

from __future__ import annotations

import threading
from zoneinfo import ZoneInfo

import ipywidgets as w
import pandas as pd

from handinger_analytics.widget.cards import overview
from handinger_analytics.widget.chart import timeline_image
from handinger_analytics.widget.conversation import turns_table
from handinger_analytics.widget.saved import StaticCopy, static_html, static_text
from handinger_analytics.widget.session import empty_session


class Answer(w.VBox):  # type: ignore[misc]  # ipywidgets ships no types
    """Shows tasks with their turns.

    Parameters
    ----------
    zone : ZoneInfo
        Zone of all times.

    Attributes
    ----------
    tasks, turns : DataFrame
        What is on view.
    """

    def __init__(self, zone: ZoneInfo) -> None:
        self.tasks, self.turns = empty_session().tasks, empty_session().turns
        self._zone, self._copy, self._lock = zone, StaticCopy(), threading.RLock()
        self._card, self._chart, self._table = w.HTML(), w.HTML(), w.HTML()
        super().__init__([self._card, self._chart, self._table])
        self.add_class("ha-panel")

    def show(self, tasks: pd.DataFrame, turns: pd.DataFrame) -> None:
        """Show tasks, without their chart yet."""
        with self._lock:
            self.tasks, self.turns = tasks, turns
            self._card.value = overview(tasks, turns, self._zone)
            self._table.value = turns_table(turns, self._zone) if len(tasks) else ""
            self._chart.value = ""
            self._copy.renew(self.as_html())

    def draw(self) -> None:
        """Add the chart, which takes longer, unless something else is on view by then."""
        turns = self.turns
        picture = timeline_image(turns, self._zone)
        with self._lock:
            if turns is self.turns:
                self._chart.value = picture

    def as_html(self) -> str:
        """Write what is on view as HTML that needs no widget."""
        return static_html(self.tasks, self.turns, self._zone)

    def as_text(self) -> str:
        """Write what is on view as plain text."""
        return static_text(self.tasks, self.turns, self._zone)

    def leave_copy(self) -> None:
        """Put a copy of what is on view into the output of the cell; `show` keeps it up to date."""
        self._copy.show(self.as_html())
