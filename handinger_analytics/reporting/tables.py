"""The tables of a report: what metrics return, written for people to read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import narwhals.stable.v2 as nw
import pandas as pd

from handinger_analytics.metrics.engines import open_frame, to_pandas
from handinger_analytics.metrics.top_tasks import top_tasks
from handinger_analytics.metrics.waste import waste
from handinger_analytics.plots.labels import EMPTY, NONE
from handinger_analytics.text import duration, picture_text

UNKNOWN = "n/a"
_TOP_TASKS = 15
_MOST_ROWS = 30


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table.

    Attributes
    ----------
    text : str
        What it says; escaped by the template.
    href : str or None
        Where it leads, https only.
    number : bool
        Whether it is set to the right.
    """

    text: str
    href: str | None = None
    number: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its headings, its rows, and how many rows were left out."""

    headings: list[str]
    rows: list[list[Cell]]
    left_out: int = 0


def workers_table(workers: pd.DataFrame) -> Table:
    """Tabulate what `handinger_analytics.spend` says of each worker."""
    total = workers["credits"].sum()
    with_cost = "cost" in workers
    headings = [
        "worker",
        "credits",
        "share",
        *(["cost"] if with_cost else []),
        "turns",
        "tokens",
        "time at work",
    ]
    rows = [
        [
            _text(row["worker_id"]),
            _count(row["credits"]),
            _share(row["credits"] / total if total else None),
            *([_number(f"{row['cost']:,.2f}")] if with_cost else []),
            _count(row["turns"]),
            _count(row["input_tokens"] + row["output_tokens"]),
            _number(duration(row["duration_ms"])),
        ]
        for row in workers.head(_MOST_ROWS).to_dict("records")
    ]
    return Table(headings, rows, len(workers) - len(rows))


def top_table(tasks: Any, turns: Any) -> Table:
    """Tabulate the tasks that cost most, each with its page where the address is https."""
    top = top_tasks(turns, n=_TOP_TASKS)
    links = open_frame(tasks, ["task_id", "url"], name="tasks").frame
    found = to_pandas(links.filter(nw.col("task_id").is_in(top["task_id"].tolist())))
    url = dict(zip(found["task_id"], found["url"], strict=True))
    rows = [
        [
            _text(
                row["task_id"] if pd.isna(row["task_title"]) else row["task_title"], url.get(row["task_id"])
            ),
            _text(row["worker_id"]),
            _count(row["credits"]),
            _share(row["share"]),
            _share(row["cumulative_share"]),
            _count(row["turns"]),
            _number(duration(row["duration_ms"])),
        ]
        for row in top.to_dict("records")
    ]
    headings = ["task", "worker", "credits", "share", "cumulative", "turns", "time at work"]
    return Table(headings, rows)


def wasted_table(turns: Any) -> Table:
    """Tabulate the workers with turns that failed or were aborted."""
    wasted = waste(turns, by="worker_id")
    wasted = wasted[wasted["wasted_turns"] > 0]
    rows = [
        [
            _text(row["worker_id"]),
            _count(row["wasted_turns"]),
            _count(row["wasted_credits"]),
            _share(row["credits_share"]),
            _count(row["wasted_input_tokens"] + row["wasted_output_tokens"]),
            _number(duration(row["wasted_duration_ms"])),
        ]
        for row in wasted.head(_MOST_ROWS).to_dict("records")
    ]
    headings = ["worker", "turns wasted", "credits wasted", "share of its credits", "tokens", "time"]
    return Table(headings, rows, len(wasted) - len(rows))


def anomalies_table(found: pd.DataFrame) -> Table:
    """Tabulate what `handinger_analytics.anomalies` found by worker and day."""
    rows = [
        [
            _text(row["worker_id"]),
            _text(row["kind"]),
            Cell("" if pd.isna(row["period"]) else f"{row['period']:%Y-%m-%d}"),
            _count(row["credits"]),
            _share(row["share"]),
            _text(row["reason"]),
        ]
        for row in found.head(_MOST_ROWS).to_dict("records")
    ]
    headings = ["worker", "finding", "day", "credits", "share of all", "why"]
    return Table(headings, rows, len(found) - len(rows))


def checked_table(checked: pd.DataFrame) -> Table:
    """Tabulate the tasks that `handinger_analytics.check` does not find complete."""
    wrong = checked[~checked["complete"]]
    rows = [
        [
            _text(row["task_id"]),
            _text(row["verdict"]),
            _text(row["status"]),
            *(
                _count(value)
                for value in (row["credits"], row["credits_of_turns"], row["turn_count"], row["turns"])
            ),
        ]
        for row in wrong.head(_MOST_ROWS).to_dict("records")
    ]
    headings = [
        "task",
        "verdict",
        "status",
        "credits reported",
        "of its turns",
        "turns reported",
        "turns here",
    ]
    return Table(headings, rows, len(wrong) - len(rows))


def _text(value: Any, url: Any = None) -> Cell:
    text = NONE if pd.isna(value) else picture_text(str(value)) or EMPTY
    return Cell(text, _https(url))


def _number(text: str) -> Cell:
    return Cell(text, number=True)


def _count(value: Any) -> Cell:
    return _number(UNKNOWN if pd.isna(value) else f"{value:,}")


def _share(value: float | None) -> Cell:
    return _number(percent(value))


def percent(value: float | None) -> str:
    """Write a share of 0 to 1."""
    return UNKNOWN if value is None or pd.isna(value) else f"{value:.1%}"


def _https(url: Any) -> str | None:
    """Return an address that is safe to follow, None for any other."""
    if not isinstance(url, str):
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return url if parts.scheme == "https" and parts.hostname else None
