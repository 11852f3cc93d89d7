"""Panel with the tasks on view: card or comparison, chart, turns, and the copy that is saved."""

from __future__ import annotations

from uuid import uuid4
from zoneinfo import ZoneInfo

import ipywidgets as w
import pandas as pd
from IPython.display import HTML, display, update_display

from handinger_analytics.metrics.names import Names
from handinger_analytics.widget.rendering import overview, saved_html, saved_text, turns_table
from handinger_analytics.widget.session import empty_session


class AnswerPanel(w.VBox):  # type: ignore[misc]  # ipywidgets ships no types
    """Shows tasks with their turns.

    The copy is an output beside the widget, hidden where that is alive. One output for both would have
    to be drawn anew with each lookup, and would lose the focus.

    Parameters
    ----------
    zone : ZoneInfo
        Zone of all times.
    names : mapping or Series of str, optional
        Names of workers by their ids.

    Attributes
    ----------
    tasks, turns : DataFrame
        What is on view.
    chart : HTML
        The picture between card and turns, which takes longer than they do.
    """

    def __init__(self, zone: ZoneInfo, names: Names = None) -> None:
        self.tasks, self.turns = empty_session().tasks, empty_session().turns
        self._zone, self._names, self._copy_id = zone, names, ""
        self._card, self.chart, self._table = w.HTML(), w.HTML(), w.HTML()
        super().__init__([self._card, self.chart, self._table])
        self.add_class("ha-panel")

    def show(self, tasks: pd.DataFrame, turns: pd.DataFrame) -> None:
        """Show tasks, without their chart, and renew the copy."""
        self.tasks, self.turns = tasks, turns
        self._card.value = overview(tasks, turns, self._zone, self._names)
        self._table.value = turns_table(turns, self._zone) if len(tasks) else ""
        self.chart.value = ""
        if self._copy_id:
            update_display(HTML(self.as_html()), display_id=self._copy_id)

    def leave_copy(self) -> None:
        """Put a copy of what is on view into the output of the cell; `show` keeps it up to date."""
        self._copy_id = self._copy_id or f"handinger-{uuid4().hex}"
        display(HTML(self.as_html()), display_id=self._copy_id)

    def as_html(self) -> str:
        """Write what is on view as HTML that needs no widget."""
        return saved_html(self.tasks, self.turns, self._zone, self._names)

    def as_text(self) -> str:
        """Write what is on view as plain text."""
        return saved_text(self.tasks, self.turns, self._zone)
