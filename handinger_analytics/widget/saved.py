"""The last answer as text, for wherever the widget itself is not alive."""

from __future__ import annotations

from uuid import uuid4
from zoneinfo import ZoneInfo

import pandas as pd
from IPython.display import HTML, display, update_display

from handinger_analytics.text import count, duration, number, one_line, page_text
from handinger_analytics.widget.cards import overview
from handinger_analytics.widget.conversation import turns_table
from handinger_analytics.widget.markup import moment, titled

MOST_TURNS = 50
"""Most turns in the saved answer; a notebook that is shared stays small."""
_MOST_TASKS = 20

ADVICE = (
    "To use it, open the notebook in JupyterLab, Notebook 7, VS Code or Voilà with ipywidgets installed "
    "(pip install ipywidgets) and run this cell."
)


class StaticCopy:
    """Output beside the widget, hidden where that is alive, which each lookup renews.

    One output for both would have to be drawn anew with each lookup, and would lose the focus.
    """

    def __init__(self) -> None:
        self._id = ""

    def show(self, content: str) -> None:
        """Add the output to the cell that is running."""
        self._id = self._id or f"handinger-{uuid4().hex}"
        display(HTML(content), display_id=self._id)

    def renew(self, content: str) -> None:
        """Replace the output wherever it was shown."""
        if self._id:
            update_display(HTML(content), display_id=self._id)


def static_html(tasks: pd.DataFrame, turns: pd.DataFrame, zone: ZoneInfo) -> str:
    """Write the answer for a saved notebook: no script, no style, excerpts instead of whole texts."""
    shown = "<p>TaskLookup: no task on view.</p>"
    if len(tasks):
        table = turns_table(turns, zone, readable=False, most_turns=MOST_TURNS)
        shown = overview(tasks, turns, zone) + table
    return f'<div class="ha-static">{shown}<p><small>{ADVICE}</small></p></div>'


def static_text(tasks: pd.DataFrame, turns: pd.DataFrame, zone: ZoneInfo) -> str:
    """Write the answer for a terminal: one line for each task and turn."""
    if tasks.empty:
        return f"TaskLookup: no task on view. {ADVICE}"
    lines = ["TaskLookup"]
    for task in tasks.head(_MOST_TASKS).to_dict("records"):
        lines.append(
            f"  {titled(task['title'], 70)} [{page_text(task['task_id'])}] {page_text(task['status'])}, "
            f"{moment(task['created_at'], zone)} {zone.key}, {count(task['credits'], 'credit')}, "
            f"{duration(task['duration_ms'])}"
        )
        its_turns = turns[turns["task_id"] == task["task_id"]].head(_MOST_TASKS)
        for turn in its_turns.to_dict("records"):
            lines.append(
                f"    {number(turn['seq']):>3} {page_text(turn['status']):<9} {moment(turn['started_at'], zone)} "
                f"{duration(turn['duration_ms']):>12} {number(turn['credits']):>8} credits  "
                f"{one_line(turn['input'], 40)}"
            )
    return "\n".join([*lines, ADVICE])
