"""The parts of the widget that a person sees and touches, made and laid out; no behaviour."""

from __future__ import annotations

from typing import Any

import ipywidgets as w

from handinger_analytics.widget.style import CSS

MOST_MATCHES = 8
"""Most matches on offer at once; more words narrow them down."""


class Controls:
    """Every child widget under a name, and `rows`, their arrangement from top to bottom."""

    def __init__(self) -> None:
        self.entry = w.Text(
            description="Task ids, links or words",
            placeholder="tsk_… or https://… – one or many, then Enter",
            style={"description_width": "initial"},
        )
        self.look_up = _button("Look up", "Look up what is in the box", button_style="primary")
        self.cancel = _button("Cancel", "Stop the lookup under way", disabled=True)
        self.status = w.Dropdown(description="Status", options=[("any", None)], style=_narrow())
        self.worker = w.Dropdown(description="Worker", options=[("any", None)], style=_narrow())
        self.since = w.DatePicker(description="From", style=_narrow())
        self.until = w.DatePicker(description="To", style=_narrow())
        self.matches_note = w.HTML()
        self.matches = [_classed(_button("", "Look this task up"), "ha-match") for _ in range(MOST_MATCHES)]
        self.notice, self.clock = w.HTML(), w.HTML()
        self.again = _button("Try again", "Look up once more what failed")
        self.problems, self.card, self.chart, self.turns = w.HTML(), w.HTML(), w.HTML(), w.HTML()
        self.history = w.SelectMultiple(
            description="Looked up (choose several to compare)", rows=4, style={"description_width": "initial"}
        )
        self.clear = _button("Clear", "Forget everything that was looked up")
        self.file_name = w.Text(
            value="turns.parquet", description="File name", continuous_update=True, style=_narrow()
        )
        self.save = _button("Save as Parquet", "Write all turns, and beside them all tasks, to files")

        self.filters = _row(self.status, self.worker, self.since, self.until)
        self.offers = _classed(w.VBox([self.matches_note, *self.matches]), "ha-matches")
        self.keep = w.VBox(
            [_classed(w.VBox([self.history]), "ha-history"), _row(self.clear, self.file_name, self.save)]
        )
        self.rows = [
            w.HTML(f"<style>{CSS}</style>"),
            _row(_classed(self.entry, "ha-entry"), self.look_up, self.cancel),
            self.filters,
            self.offers,
            _classed(_row(self.notice, self.clock, self.again), "ha-standing"),
            self.problems,
            self.card,
            self.chart,
            self.turns,
            self.keep,
        ]
        for part in (self.filters, self.offers, self.again, self.keep):
            shown(part, False)
        self.rows[0].layout.display = "none"
        self.history.layout.width = "100%"


def shown(widget: Any, visible: bool) -> None:
    """Show a widget, or take it out of the page and the focus order."""
    widget.layout.display = None if visible else "none"


def descendants(widget: Any) -> list[Any]:
    """A widget and all that belongs to it: children, layouts and styles."""
    found = [widget, widget.layout] + [widget.style] * hasattr(widget, "style")
    for child in getattr(widget, "children", ()):
        found.extend(descendants(child))
    return found


def _button(description: str, tooltip: str, **options: Any) -> Any:
    return w.Button(description=description, tooltip=tooltip, **options)


def _row(*children: Any) -> Any:
    return _classed(w.Box(children), "ha-row")


def _classed(widget: Any, name: str) -> Any:
    widget.add_class(name)
    return widget


def _narrow() -> dict[str, str]:
    return {"description_width": "initial"}
