"""Turns and tasks built by hand, in the columns the package declares."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pyarrow as pa

from handinger_analytics.tables.schema import TASKS, TURNS, Column, arrow_schema

_DEFAULTS: dict[str, Any] = {
    "seq": 0,
    "role": "assistant",
    "status": "completed",
    "duration_ms": 1000,
    "credits": 1,
    "input_tokens": 10,
    "output_tokens": 5,
    "turn_count": 1,
    "input": "Do it",
    "output_text": "Done",
    "structured_output": None,
    "files": [],
    "worker_id": "wrk_a",
    "organization_id": "org_a",
    "created_by_user_id": None,
    "triggered_by": "api",
    "task_title": "Title",
    "title": "Title",
    "completed_at": None,
    "fetched_at": None,
    "extra": None,
    "task_id": "tsk_1",
    "url": "https://v3.handinger.com/worker/wrk_a/task/tsk_1",
    "started_at": dt.datetime(2026, 5, 11, 9, tzinfo=dt.UTC),
    "created_at": dt.datetime(2026, 5, 11, 9, tzinfo=dt.UTC),
}


def turns_table(rows: list[dict[str, Any]]) -> pa.Table:
    """Return turns, one per dict; what a dict leaves out gets a plain value, times may be ISO text."""
    numbered = [{"turn_id": f"trn_{number}", **row} for number, row in enumerate(rows)]
    return _table(numbered, TURNS)


def tasks_table(rows: list[dict[str, Any]]) -> pa.Table:
    """Return tasks, one per dict; what a dict leaves out gets a plain value."""
    return _table(rows, TASKS)


def fetched(table: pa.Table, **known: Any) -> pa.Table:
    """Return a table that says that all tasks are here, and what else is known."""
    return table.replace_schema_metadata({"handinger": json.dumps({"complete": True, **known})})


def _table(rows: list[dict[str, Any]], columns: tuple[Column, ...]) -> pa.Table:
    filled = [{**_DEFAULTS, **row} for row in rows]
    arrays = []
    for column in columns:
        values = [
            _instant(row[column.name]) if column.name.endswith("_at") else row[column.name] for row in filled
        ]
        array = pa.array(values, type=column.type)
        arrays.append(array.dictionary_encode() if column.categories else array)
    return pa.Table.from_arrays(arrays, schema=arrow_schema(columns))


def _instant(value: Any) -> Any:
    return dt.datetime.fromisoformat(value).astimezone(dt.UTC) if isinstance(value, str) else value
