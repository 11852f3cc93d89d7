"""The one table of columns: what each is called, where it comes from, its type, unit and meaning.

The types are Arrow's; `frames.to_pandas` says which dtypes they become in pandas. Everything else that
needs a column's name or type reads it from here, so a frame with no rows has the same columns and types
as one with a million. When a column is renamed, retyped or removed, ``provenance.SCHEMA_VERSION`` goes
up; files carry it. Version 2 brought ``fetched_at`` and ``extra``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

TIMESTAMP = pa.timestamp("ms", tz="UTC")
TEXT = pa.large_string()
"""Free text; ``large_string`` because one frame may hold more than 2 GiB of it."""

FILE = pa.struct(
    [
        pa.field("filename", pa.string()),
        pa.field("media_type", pa.string(), nullable=False),
        pa.field("url", pa.string(), nullable=False),
        pa.field("size", pa.int64()),
    ]
)

STATUSES = ("pending", "running", "completed", "error", "aborted")
UNFINISHED = ("pending", "running")
"""Statuses of what still goes on. An unknown status counts as finished if ``completed_at`` is set."""
FINAL = ("completed", "error", "aborted")
"""Statuses that only a follow-up message can leave."""
WASTED = ("error", "aborted")
"""Statuses of turns that ended without a result."""
TRIGGERS = ("api", "email", "schedule", "ui")
ROLES = ("user", "assistant")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a frame.

    Attributes
    ----------
    name : str
        Column name as users see it.
    wire : str
        Attribute of the wire record it comes from, dotted where nested.
    type : pyarrow.DataType
        Arrow type; a categorical column is declared by ``categories``, its type is its values'.
    meaning : str
        One line for the documentation, with the unit.
    nullable : bool
        Whether the value may be missing.
    categories : tuple of str or None
        Known values of a categorical column. The set is open: unknown values are kept.
    text : bool
        Whether a person or a model wrote it, so that a cost file can be shared without it.
    json : bool
        Whether it holds JSON as the text that was sent, null for a JSON null.
    """

    name: str
    wire: str
    type: pa.DataType
    meaning: str
    nullable: bool = False
    categories: tuple[str, ...] | None = None
    text: bool = False
    json: bool = False

    @property
    def field(self) -> pa.Field:
        """The Arrow field; a categorical column is dictionary-encoded."""
        kind = self.type if self.categories is None else pa.dictionary(pa.int32(), self.type)
        return pa.field(self.name, kind, nullable=self.nullable)


_STRING = pa.string()
_INT = pa.int64()

_WORKER_ID = Column("worker_id", "worker_id", _STRING, "worker the task belongs to")
_ORGANIZATION_ID = Column("organization_id", "organization_id", _STRING, "organization of the worker")
_CREATED_BY = Column(
    "created_by_user_id", "created_by_user_id", _STRING, "user who started it, if any", nullable=True
)
_TRIGGERED_BY = Column("triggered_by", "triggered_by", _STRING, "what started the task", categories=TRIGGERS)

FETCHED_AT = Column(
    "fetched_at", "", TIMESTAMP, "when the server gave the row, UTC; null where not known", nullable=True
)
"""No field of a record: it is known where the answer came."""

EXTRA = Column(
    "extra",
    "extra",
    TEXT,
    "JSON object of the fields sent that have no column here; null where there are none",
    nullable=True,
    text=True,
    json=True,
)

TASKS_OWN: tuple[Column, ...] = (
    Column("task_id", "id", _STRING, "id of the task"),
    _WORKER_ID,
    _ORGANIZATION_ID,
    _CREATED_BY,
    Column("title", "title", TEXT, "title, written by a model or a person", text=True),
    Column("status", "status", _STRING, "state of the task", categories=STATUSES),
    _TRIGGERED_BY,
    Column("created_at", "created_at", TIMESTAMP, "start, UTC"),
    Column("completed_at", "completed_at", TIMESTAMP, "end, UTC; null while unfinished", nullable=True),
    Column("duration_ms", "totals.duration_ms", _INT, "wall clock over all turns, milliseconds"),
    Column("credits", "totals.credits", _INT, "credits spent over all turns"),
    Column("turn_count", "totals.turn_count", _INT, "number of turns"),
    Column("url", "url", _STRING, "page of the task in the dashboard"),
)
"""Columns that a task carries on the wire, but for what is new there."""

TASKS: tuple[Column, ...] = (*TASKS_OWN, FETCHED_AT, EXTRA)

TURNS_OWN: tuple[Column, ...] = (
    Column("turn_id", "id", _STRING, "id of the turn"),
    Column("task_id", "task_id", _STRING, "task the turn belongs to"),
    Column("seq", "seq", _INT, "position in the task, from 0"),
    Column("role", "role", _STRING, "who spoke", categories=ROLES),
    Column("status", "status", _STRING, "state of the turn", categories=STATUSES),
    Column("started_at", "started_at", TIMESTAMP, "start, UTC"),
    Column("completed_at", "completed_at", TIMESTAMP, "end, UTC; null while unfinished", nullable=True),
    Column("duration_ms", "duration_ms", _INT, "wall clock, milliseconds"),
    Column("credits", "credits", _INT, "credits spent"),
    Column("input_tokens", "input_tokens", _INT, "tokens read by the model"),
    Column("output_tokens", "output_tokens", _INT, "tokens written by the model"),
    Column("input", "input", TEXT, "what the worker was asked", text=True),
    Column("output_text", "output_text", TEXT, "what it answered", text=True),
    Column(
        "structured_output",
        "structured_output",
        TEXT,
        "JSON text as it was sent; null for workers without an output schema",
        nullable=True,
        text=True,
        json=True,
    ),
    Column("files", "files", pa.list_(FILE), "files the turn produced; in pandas as JSON text", text=True),
)
"""Columns that a turn itself carries on the wire, but for what is new there."""

TURNS_CONTEXT: tuple[Column, ...] = (
    _WORKER_ID,
    _ORGANIZATION_ID,
    _CREATED_BY,
    _TRIGGERED_BY,
    Column("task_title", "title", TEXT, "title of its task", text=True),
)
"""Columns that a turn takes from its task, so that the turns frame stands alone."""

TURNS: tuple[Column, ...] = (*TURNS_OWN, *TURNS_CONTEXT, FETCHED_AT, EXTRA)

FAILURES: tuple[Column, ...] = (
    Column("task_id", "task_id", _STRING, "id that was asked for"),
    Column("stage", "stage", _STRING, "request that failed: task or turns"),
    Column("error", "error", _STRING, "name of the error class"),
    Column("http_status", "http_status", _INT, "status of the last answer, if any", nullable=True),
    Column("message", "message", TEXT, "what went wrong"),
    Column("attempts", "attempts", _INT, "how often the request was sent"),
)

WORKER_STATE: tuple[Column, ...] = (
    Column("worker_id", "id", _STRING, "id of the worker"),
    Column("object", "object", _STRING, "kind of record, always worker"),
    Column("status", "status", _STRING, "state of the worker", categories=STATUSES),
    Column("running", "running", pa.bool_(), "whether it works right now"),
    Column("created_at", "created_at", TIMESTAMP, "creation, UTC", nullable=True),
    Column("credits", "usage.credits", _INT, "credits spent, where the server says", nullable=True),
    Column("duration_ms", "usage.duration_ms", _INT, "wall clock, milliseconds", nullable=True),
    Column("output_text", "output_text", TEXT, "what it answered last", text=True),
    Column("structured_output", "structured_output", TEXT, "JSON text", nullable=True, text=True, json=True),
    Column("metadata", "metadata", TEXT, "JSON text", nullable=True, text=True, json=True),
    Column("error", "error", TEXT, "JSON text, null today", nullable=True, text=True, json=True),
    Column(
        "incomplete_details", "incomplete_details", TEXT, "JSON text, null today", nullable=True, json=True
    ),
    Column("url", "url", _STRING, "page of the worker in the dashboard"),
)

WORKER_MESSAGES: tuple[Column, ...] = (
    Column("seq", "seq", _INT, "position, from 0"),
    Column("message", "message", TEXT, "JSON text as it was sent", nullable=True, text=True, json=True),
)

WORKER_FILES: tuple[Column, ...] = (
    Column("filename", "filename", _STRING, "name, if it has one", nullable=True, text=True),
    Column("media_type", "media_type", _STRING, "media type"),
    Column("url", "url", _STRING, "where to get it"),
    Column("size", "size", _INT, "bytes, where known", nullable=True),
)

WORKER_SOURCES: tuple[Column, ...] = (
    Column("source_id", "id", _STRING, "id of the source"),
    Column("title", "title", TEXT, "title, if it has one", nullable=True, text=True),
    Column("type", "type", _STRING, "kind of source, always url"),
    Column("url", "url", _STRING, "address"),
)

WORKER_OUTPUT: tuple[Column, ...] = (
    Column("output_id", "id", _STRING, "id of the output message"),
    Column("role", "role", _STRING, "who spoke, always assistant"),
    Column("status", "status", _STRING, "state of the message"),
    Column("type", "type", _STRING, "kind of message"),
    Column("part", "part", _INT, "position of the text in its message, from 0"),
    Column("text", "text", TEXT, "text", text=True),
)

DISCOVERED: tuple[Column, ...] = (
    Column("task_id", "task_id", _STRING, "task that was reported"),
    Column("task_title", "task_title", TEXT, "its title", nullable=True, text=True),
    Column("worker_id", "worker_id", _STRING, "worker whose log names it"),
    Column("last_seen", "created_at", TIMESTAMP, "latest delivery, UTC"),
)

WORKER_LOGS: tuple[Column, ...] = (
    Column("worker_id", "worker_id", _STRING, "worker whose webhook log was read"),
    Column("known_since", "known_since", TIMESTAMP, "all deliveries since are known, UTC", nullable=True),
    Column("newest_at", "newest_at", TIMESTAMP, "newest delivery, UTC", nullable=True),
    Column("walked_at", "walked_at", TIMESTAMP, "when the log was last read, UTC"),
    Column("silent", "silent", TEXT, "why nothing is known of its tasks, if so", nullable=True),
)

EXECUTIONS: tuple[Column, ...] = (
    Column("execution_id", "id", _STRING, "id of the delivery"),
    Column("worker_id", "worker_id", _STRING, "worker that reported"),
    Column("task_id", "task_id", _STRING, "task that was reported, if any", nullable=True),
    Column("task_title", "task_title", TEXT, "its title", nullable=True, text=True),
    Column("created_at", "created_at", TIMESTAMP, "when it was sent, UTC"),
    Column("duration_ms", "duration_ms", _INT, "how long it took, milliseconds"),
    Column("request_status", "request_status", _STRING, "how it ended", categories=("success", "error")),
    Column("response_status", "response_status", _INT, "HTTP status of the answer, if any", nullable=True),
    Column("error_message", "error_message", TEXT, "what went wrong, if anything", nullable=True),
    Column("url", "url", _STRING, "where it was sent"),
    EXTRA,
)

SCHEDULES: tuple[Column, ...] = (
    Column("schedule_id", "id", _STRING, "id of the schedule"),
    Column("worker_id", "worker_id", _STRING, "worker that will run"),
    Column("type", "type", _STRING, "scheduled, delayed, cron or interval"),
    Column("budget", "budget", _STRING, "low, standard, high or unlimited"),
    Column("next_run_at", "next_run_at", TIMESTAMP, "next run, UTC", nullable=True),
    Column("cron", "cron", _STRING, "cron expression, for cron", nullable=True),
    Column("interval_seconds", "interval_seconds", _INT, "seconds between runs, for interval", nullable=True),
    Column("delay_seconds", "delay_in_seconds", _INT, "delay in seconds, for delayed", nullable=True),
    Column("timezone", "timezone", _STRING, "zone the cron expression is read in", nullable=True),
    Column("input", "input", TEXT, "what the worker will be asked", text=True),
)


def arrow_schema(columns: Sequence[Column]) -> pa.Schema:
    """Arrow schema of a frame.

    Examples
    --------
    >>> arrow_schema(TASKS).names[:2]
    ['task_id', 'worker_id']
    """
    return pa.schema([column.field for column in columns])
