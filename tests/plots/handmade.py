"""Turns written by hand, and what to look for in a picture of them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pandas as pd
import pyarrow as pa
from matplotlib.axes import Axes

from handinger_analytics.tables.frames import to_pandas
from handinger_analytics.tables.schema import TASKS, TURNS, Column, arrow_schema

_PLAIN: dict[str, Any] = {
    "seq": 0,
    "duration_ms": 1000,
    "credits": 1,
    "input_tokens": 10,
    "output_tokens": 5,
    "turn_count": 1,
    "task_id": "tsk_1",
    "role": "assistant",
    "status": "completed",
    "input": "Do it",
    "output_text": "Done",
    "worker_id": "wrk_a",
    "organization_id": "org_a",
    "triggered_by": "api",
    "task_title": "Title",
    "title": "Title",
    "started_at": "2026-05-11T09:00+00:00",
    "created_at": "2026-05-11T09:00+00:00",
    "url": "https://v3.handinger.com/worker/wrk_a/task/tsk_1",
    "files": [],
}

AWKWARD = (
    r"$\frac{a}{b}$",
    "one $ only",
    "x" * 300,
    "تقرير الطقس",
    "🤖 robot 👩‍👩‍👧",
    "天気レポート",
    "",
    "_hidden",
    "bell\x07 and \u202eoverride",
    "%s {} <b>",
    "line\nbreak\ttab",
    "\\$escaped\\$ and 100%",
)
"""Texts that have broken pictures before."""


def turns_of(*rows: dict[str, Any]) -> pd.DataFrame:
    """Return a turns frame with one row per dict; what a dict leaves out gets a plain value."""
    return _frame([{"turn_id": f"trn_{number}", **row} for number, row in enumerate(rows)], TURNS)


def tasks_of(*rows: dict[str, Any]) -> pd.DataFrame:
    """Return a tasks frame with one row per dict; what a dict leaves out gets a plain value."""
    return _frame(list(rows), TASKS)


def _frame(rows: list[dict[str, Any]], columns: tuple[Column, ...]) -> pd.DataFrame:
    schema = arrow_schema(columns)
    values = [[_value({**_PLAIN, **row}.get(name)) for row in rows] for name in schema.names]
    arrays = [
        pa.array(cells, column.type).cast(field.type)
        for cells, column, field in zip(values, columns, schema, strict=True)
    ]
    return to_pandas(pa.Table.from_arrays(arrays, schema=schema), columns)


def _value(cell: Any) -> Any:
    is_instant = isinstance(cell, str) and cell.endswith("+00:00")
    return dt.datetime.fromisoformat(cell) if is_instant else cell


def drawn(ax: Axes) -> Axes:
    """Lay the figure out without pixels, so that artists know their places and what warns does so here."""
    ax.figure.draw_without_rendering()
    return ax


def legend_labels(ax: Axes) -> list[str]:
    """Texts of the legend, from the top."""
    legend = ax.get_legend()
    return [] if legend is None else [text.get_text() for text in legend.get_texts()]


def captions(ax: Axes) -> list[str]:
    """Texts between title and data."""
    return [child.get_xlabel() for child in ax.child_axes if child.get_xlabel()]
