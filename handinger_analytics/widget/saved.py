"""The last answer as text, for wherever the widget itself is not alive."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pandas as pd

from handinger_analytics.widget.cards import overview
from handinger_analytics.widget.conversation import turns_table
from handinger_analytics.widget.markup import count, duration, moment, number, one_line, plain, titled

MOST_TURNS = 50
"""Most turns in the saved answer; a notebook that is shared stays small."""
_MOST_TASKS = 20

ADVICE = (
    "To use it, open the notebook in JupyterLab, Notebook 7, VS Code or Voilà with ipywidgets installed "
    "(pip install ipywidgets) and run this cell."
)


def static_html(tasks: pd.DataFrame, turns: pd.DataFrame, zone: ZoneInfo) -> str:
    """The answer for a saved notebook: no scripts, no styles of its own, excerpts instead of whole texts."""
    table = turns_table(turns, zone, readable=False, most_turns=MOST_TURNS)
    shown = f"{overview(tasks, turns, zone)}{table}" if len(tasks) else "<p>Nothing looked up yet.</p>"
    return f'<div class="ha-static">{shown}<p><small>{ADVICE}</small></p></div>'


def static_text(tasks: pd.DataFrame, turns: pd.DataFrame, zone: ZoneInfo) -> str:
    """The answer for a terminal: one line for each task and turn."""
    if tasks.empty:
        return f"TaskLookup: nothing looked up yet. {ADVICE}"
    lines = ["TaskLookup"]
    for task in tasks.head(_MOST_TASKS).to_dict("records"):
        lines.append(
            f"  {titled(task['title'], 70)} [{plain(task['task_id'])}] {plain(task['status'])}, "
            f"{moment(task['created_at'], zone)} {zone.key}, {count(task['credits'], 'credit')}, "
            f"{duration(task['duration_ms'])}"
        )
        its_turns = turns[turns["task_id"] == task["task_id"]].head(_MOST_TASKS)
        for turn in its_turns.to_dict("records"):
            lines.append(
                f"    {number(turn['seq']):>3} {plain(turn['status']):<9} {moment(turn['started_at'], zone)} "
                f"{duration(turn['duration_ms']):>12} {number(turn['credits']):>8} credits  {one_line(turn['input'], 40)}"
            )
    return "\n".join([*lines, ADVICE])

