"""HTML of tasks: a card for one, a comparison for several."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from handinger_analytics.text import count, duration, number, one_line
from handinger_analytics.widget.markup import NOTHING, badge, escaped, isolated, link, moment, titled

MOST_TASKS = 200
"""Most tasks in a comparison."""
MOST_SIDE_BY_SIDE = 6
"""Most tasks whose turns stand side by side."""
_MOST_STEPS = 50


def overview(tasks: pd.DataFrame, turns: pd.DataFrame, zone: ZoneInfo) -> str:
    """Card of a single task, comparison of several; empty for none.

    Parameters
    ----------
    tasks, turns : DataFrame
        Tasks and all of their turns.
    zone : ZoneInfo
        Zone of the times.
    """
    if tasks.empty:
        return ""
    if len(tasks) == 1:
        return task_card(tasks.iloc[0].to_dict(), turns, zone)
    return comparison(tasks, turns, zone)


def task_card(task: Mapping[Any, Any], turns: pd.DataFrame, zone: ZoneInfo) -> str:
    """Card of one task.

    Parameters
    ----------
    task : mapping
        One row of the tasks frame.
    turns : DataFrame
        Its turns; tokens are added up over them.
    zone : ZoneInfo
        Zone of the times.

    Returns
    -------
    str
        HTML.
    """
    tokens_in, tokens_out = turns["input_tokens"].sum(), turns["output_tokens"].sum()
    figures = (
        ("Credits", number(task["credits"])),
        ("Turns", number(task["turn_count"])),
        ("Tokens in", number(tokens_in)),
        ("Tokens out", number(tokens_out)),
        ("Duration", duration(task["duration_ms"])),
    )
    facts = (
        ("Created", moment(task["created_at"], zone)),
        ("Finished", moment(task["completed_at"], zone)),
        ("Worker", f"<code>{escaped(task['worker_id'])}</code>"),
        ("Trigger", escaped(task["triggered_by"]) or NOTHING),
        ("Started by", escaped(task["created_by_user_id"]) or NOTHING),
    )
    dashboard = link(task["url"], "Open in the dashboard&nbsp;↗")
    return (
        f'<section class="ha-card" aria-label="Task"><header><h3>{isolated(titled(task["title"], 300))}</h3>'
        f"{badge(task['status'])}</header>"
        f'<p class="ha-sub"><code>{escaped(task["task_id"])}</code> {dashboard}</p>'
        f'<dl class="ha-figures">{_pairs(figures)}</dl><dl class="ha-facts">{_pairs(facts)}</dl>'
        f'<p class="ha-muted">Times in {escaped(zone.key)}</p></section>'
    )


def comparison(tasks: pd.DataFrame, turns: pd.DataFrame, zone: ZoneInfo) -> str:
    """Several tasks: one row each, then their turns step by step.

    Parameters
    ----------
    tasks, turns : DataFrame
        Tasks and all of their turns.
    zone : ZoneInfo
        Zone of the times.

    Returns
    -------
    str
        HTML. At most `MOST_TASKS` rows, and the turns of at most `MOST_SIDE_BY_SIDE` tasks.
    """
    tokens = turns.groupby("task_id")[["input_tokens", "output_tokens"]].sum()
    table = tasks.join(tokens, on="task_id").fillna({"input_tokens": 0, "output_tokens": 0})
    table = table.astype({"input_tokens": "int64", "output_tokens": "int64"})
    most = max(1, table["credits"].max())
    rows = "".join(_row(task, most, zone) for task in table.head(MOST_TASKS).to_dict("records"))
    caption = f"{count(len(tasks), 'task')}, times in {escaped(zone.key)}"
    if len(tasks) > MOST_TASKS:
        caption += f"; the first {MOST_TASKS} here, .tasks has them all"
    return (
        '<div class="ha-scroll" tabindex="0" role="region" aria-label="Tasks"><table class="ha-tasks">'
        f"<caption>{caption}</caption>{_head()}<tbody>{rows}</tbody><tfoot>{_totals(table)}</tfoot></table></div>"
        f"{_side_by_side(tasks, turns)}"
    )


def _pairs(pairs: tuple[tuple[str, str], ...]) -> str:
    return "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in pairs)


def _head() -> str:
    words = "".join(f'<th scope="col">{name}</th>' for name in ("Task", "Status", "Worker", "Created"))
    numbers = ("Turns", "Credits", "Tokens in", "Tokens out", "Duration")
    words += "".join(f'<th scope="col" class="ha-num">{name}</th>' for name in numbers)
    return f"<thead><tr>{words}</tr></thead>"


def _row(task: Mapping[Any, Any], most_credits: int, zone: ZoneInfo) -> str:
    title = link(task["url"], isolated(titled(task["title"], 70)))
    share = round(100 * task["credits"] / most_credits)
    return (
        f'<tr><th scope="row">{title}<br><code>{escaped(task["task_id"])}</code></th>'
        f"<td>{badge(task['status'])}</td><td><code>{escaped(one_line(task['worker_id'], 24))}</code></td>"
        f'<td class="ha-when">{moment(task["created_at"], zone)}</td>'
        f'<td class="ha-num">{number(task["turn_count"])}</td>'
        f'<td class="ha-num ha-share" style="--ha-share:{share}%">{number(task["credits"])}</td>'
        f'<td class="ha-num">{number(task["input_tokens"])}</td>'
        f'<td class="ha-num">{number(task["output_tokens"])}</td>'
        f'<td class="ha-num">{duration(task["duration_ms"])}</td></tr>'
    )


def _totals(table: pd.DataFrame) -> str:
    sums = table[["turn_count", "credits", "input_tokens", "output_tokens"]].sum()
    cells = "".join(f'<td class="ha-num">{number(value)}</td>' for value in sums)
    total_ms = duration(table["duration_ms"].sum())
    return f'<tr><th scope="row" colspan="4">All together</th>{cells}<td class="ha-num">{total_ms}</td></tr>'


def _side_by_side(tasks: pd.DataFrame, turns: pd.DataFrame) -> str:
    """Credits and duration of the first, second, … turn of each task."""
    some = tasks.head(MOST_SIDE_BY_SIDE)
    ids = list(some["task_id"])
    cells = {
        (task_id, seq): f"{number(credits)} <small>{duration(milliseconds)}</small>"
        for task_id, seq, credits, milliseconds in zip(
            turns["task_id"], turns["seq"], turns["credits"], turns["duration_ms"], strict=True
        )
    }
    steps = sorted({seq for task_id, seq in cells if task_id in ids})[:_MOST_STEPS]
    if not steps:
        return ""
    titles = "".join(
        f'<th scope="col" class="ha-num">{isolated(titled(title, 28))}</th>' for title in some["title"]
    )
    rows = "".join(
        f'<tr><th scope="row">{seq}</th>'
        + "".join(f'<td class="ha-num">{cells.get((task_id, seq), "")}</td>' for task_id in ids)
        + "</tr>"
        for seq in steps
    )
    left_out = len(tasks) > len(some) or turns["seq"].max() > steps[-1]
    note = "; the first ones only" if left_out else ""
    return (
        '<div class="ha-scroll" tabindex="0" role="region" aria-label="Turn by turn"><table class="ha-steps">'
        f"<caption>Turn by turn: credits and duration{note}</caption>"
        f'<thead><tr><th scope="col">#</th>{titles}</tr></thead><tbody>{rows}</tbody></table></div>'
    )
