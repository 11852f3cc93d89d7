"""The tables of a report: what metrics return, written for people to read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import narwhals.stable.v2 as nw
import pandas as pd
from pandas.api.types import is_datetime64_any_dtype, is_numeric_dtype

from handinger_analytics.metrics.engines import collect, open_frame
from handinger_analytics.metrics.names import Names, with_shown_names
from handinger_analytics.metrics.top_tasks import top_tasks
from handinger_analytics.metrics.waste import waste
from handinger_analytics.text import duration, money, number, picture_text, share

_TOP_TASKS = 15
_MOST_ROWS = 30


@dataclass(frozen=True, slots=True)
class Table:
    """A table as text, which the template escapes.

    Attributes
    ----------
    headings : list of str
    numeric : list of bool
        Whether a column holds numbers, which are set to the right.
    rows : list of (str or None, tuple of str)
        Address to which the first cell leads, https only, and the cells.
    left_out : int
        Rows that are not shown.
    """

    headings: list[str]
    numeric: list[bool]
    rows: list[tuple[str | None, tuple[str, ...]]]
    left_out: int


def workers_table(workers: pd.DataFrame, names: Names) -> Table:
    """Tabulate what `handinger_analytics.spend` says of each worker."""
    workers = workers.assign(
        share=workers["credits"] / workers["credits"].sum(),
        tokens=workers["input_tokens"] + workers["output_tokens"],
    )
    headings = {
        "worker_id": "worker",
        "credits": "credits",
        "share": "share",
        "cost": "cost",
        "turns": "turns",
        "tokens": "tokens",
        "duration_ms": "time at work",
    }
    return _table(workers, headings, names)


def top_table(tasks: Any, turns: Any, names: Names, **priced: Any) -> Table:
    """Tabulate the tasks that cost most, each with its page where the address is https."""
    top = top_tasks(turns, n=_TOP_TASKS, **priced)
    links = open_frame(tasks, ["task_id", "url"], name="tasks").frame
    found = collect(links.filter(nw.col("task_id").is_in(top["task_id"].tolist())))
    urls = dict(zip(found["task_id"], found["url"], strict=True))
    headings = {
        "task": "task",
        "worker_id": "worker",
        "credits": "credits",
        "cost": "cost",
        "share": "share",
        "cumulative_share": "cumulative",
        "turns": "turns",
        "duration_ms": "time at work",
    }
    top["task"] = top["task_title"].fillna(top["task_id"])
    return _table(top, headings, names, (_https(urls.get(task_id)) for task_id in top["task_id"]))


def wasted_table(turns: Any, names: Names, **priced: Any) -> Table:
    """Tabulate the workers with turns that failed or were aborted."""
    wasted = waste(turns, by="worker_id", **priced)
    wasted = wasted[wasted["wasted_turns"] > 0]
    headings = {
        "worker_id": "worker",
        "wasted_turns": "turns wasted",
        "wasted_credits": "credits wasted",
        "wasted_cost": "cost",
        "credits_share": "share of its credits",
        "wasted_tokens": "tokens",
        "wasted_duration_ms": "time",
    }
    tokens = wasted["wasted_input_tokens"] + wasted["wasted_output_tokens"]
    return _table(wasted.assign(wasted_tokens=tokens), headings, names)


def anomalies_table(found: pd.DataFrame, names: Names) -> Table:
    """Tabulate what `handinger_analytics.anomalies` found by worker and day."""
    headings = {
        "worker_id": "worker",
        "kind": "finding",
        "period": "day",
        "credits": "credits",
        "share": "share of all",
        "reason": "why",
    }
    return _table(found, headings, names)


def checked_table(checked: pd.DataFrame) -> Table:
    """Tabulate the tasks that `handinger_analytics.check` does not find complete."""
    headings = {
        "task_id": "task",
        "verdict": "verdict",
        "status": "status",
        "credits": "credits reported",
        "credits_of_turns": "of its turns",
        "turn_count": "turns reported",
        "turns": "turns here",
    }
    return _table(checked[~checked["complete"]], headings)


def _table(
    frame: pd.DataFrame, headings: Mapping[str, str], names: Names = None, links: Iterable[str | None] = ()
) -> Table:
    """Write the first rows of those columns that are there; ``links`` has one entry per row, or none."""
    shown = with_shown_names(frame, names).head(_MOST_ROWS)
    currency = next(iter(shown.get("currency", [])), None)
    headings = {name: heading for name, heading in headings.items() if name in shown}
    numeric = [is_numeric_dtype(shown[name]) for name in headings]
    columns = [_written(shown[name], currency) for name in headings]
    cells = list(zip(*columns, strict=True))
    rows = list(zip([*links] or [None] * len(cells), cells, strict=True))
    return Table([*headings.values()], numeric, rows, len(frame) - len(shown))


def _written(values: pd.Series[Any], currency: str | None) -> list[str]:
    """Write a column: what its numbers mean is in its name."""
    name = str(values.name)
    if name.endswith("duration_ms"):
        return [duration(value) for value in values]
    if name.endswith("share"):
        return [share(value, digits=1) for value in values]
    if name.endswith("cost"):
        return [money(value, currency) for value in values]
    if is_numeric_dtype(values):
        return [number(value) for value in values]
    if is_datetime64_any_dtype(values):
        return ["" if pd.isna(value) else f"{value:%Y-%m-%d}" for value in values]
    return [picture_text(value) for value in values]


def _https(url: Any) -> str | None:
    """Return an address that is safe to follow, None for any other."""
    if not isinstance(url, str):
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return url if parts.scheme == "https" and parts.hostname else None
