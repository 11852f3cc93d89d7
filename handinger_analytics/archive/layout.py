"""The tables as they are stored: columns, types, partitions.

Delta Lake has no dictionaries, no ``large_string`` and no milliseconds: categories and texts are stored
as strings and times as microseconds. Reading gives back the types of ``schema.py``.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from handinger_analytics.tables.schema import FAILURES, FETCHED_AT, TASKS, TURNS, WORKER_LOGS, Column

MONTH = "month"
"""Partition column: the UTC month in which a turn started or a task was created, as ``2026-05``."""

SYNCED_AT = "synced_at"
"""When the fetch of the row's batch began; a merge never replaces a row by one of an earlier fetch."""

STAMPS = (SYNCED_AT, FETCHED_AT.name)
"""Columns that tell when a row was fetched, and nothing of the turn or task."""

FINISHED_AT = "finished_at"
"""When the task and all of its turns had ended; null while any of them is unfinished."""

BEGAN_AT = "began_at"
"""The earliest of a task's creation and the starts of its turns: no row of it lies in an earlier month.

Null for tasks that were recorded before this column existed.
"""

FAILED_AT = "failed_at"
"""When an id could not be fetched, was forgotten or deleted; null for all others."""

DELIVERED_AT = "delivered_at"
"""The newest delivery of a task in its worker's webhook log, in the server's time; null for none.

Of a recorded task: the newest that was known when the task was last looked at.
"""

FORGOTTEN = "forgotten"
"""Value of ``stage`` for an id that is not to be fetched any more."""

DELETING, DELETED = "deleting", "deleted"
"""Values of ``stage`` for an id that is never fetched again: its rows are to be deleted, or they are."""

GONE = (DELETING, DELETED)
NOT_FETCHED = (FORGOTTEN, *GONE)
"""Values of ``stage`` that stand for no failure."""

BATCH = "handinger.batch"
"""Application transaction of ``turns`` that counts the commits of this package which change rows."""

_STORED_TIME = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True)
class Layout:
    """How one of the tables is stored.

    Attributes
    ----------
    name : str
        Folder of the table within the archive.
    key : str
        Column that identifies a row among those of its task.
    columns : tuple of Column
        Columns that users see.
    internal : tuple of pyarrow.Field
        Columns that only the archive uses.
    statistics : tuple of str
        Columns whose least and greatest value the log has for each file. Texts stay out of the log.
    time : str or None
        Column whose UTC month partitions the table; None for a table without partitions.
    restamp : bool
        Whether the `STAMPS` of an equal row are renewed by a later fetch. If not, such a row is not
        written again, unless it has none.
    """

    name: str
    key: str
    columns: tuple[Column, ...]
    internal: tuple[pa.Field, ...]
    statistics: tuple[str, ...]
    time: str | None = None
    restamp: bool = True

    @property
    def schema(self) -> pa.Schema:
        """Arrow schema of the stored rows."""
        month = [pa.field(name, pa.string(), nullable=False) for name in self.partition_by]
        public = [pa.field(each.name, _stored_type(each.type), each.nullable) for each in self.columns]
        return pa.schema([*public, *self.internal, *month])

    @property
    def public_schema(self) -> pa.Schema:
        """Arrow schema of the columns that users see, as in ``schema.py`` with categories as strings."""
        return pa.schema([pa.field(each.name, each.type, each.nullable) for each in self.columns])

    @property
    def partition_by(self) -> list[str]:
        """Partition columns."""
        return [] if self.time is None else [MONTH]

    def stored(self, rows: pa.Table, **columns: pa.Array | pa.Scalar) -> pa.Table:
        """Return rows as they are stored, with the month and these ``columns``; null where there is none."""
        arrays = {name: rows[name] for name in rows.column_names}
        for name, value in columns.items():
            arrays[name] = pa.repeat(value, rows.num_rows) if isinstance(value, pa.Scalar) else value
        if self.time is not None:
            arrays[MONTH] = pc.strftime(rows[self.time], "%Y-%m")
        schema, nulls = self.schema, pa.nulls(rows.num_rows)
        return pa.table([arrays.get(field.name, nulls).cast(field.type) for field in schema], schema=schema)


def _stored_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_timestamp(kind):
        return _STORED_TIME
    if pa.types.is_large_string(kind):
        return pa.string()
    if pa.types.is_list(kind):
        # Delta Lake writers disagree on required fields within lists; ours are checked when fetched.
        return pa.list_(pa.struct([pa.field(field.name, field.type) for field in kind.value_type]))
    return kind


def month_of(moment: dt.datetime) -> str:
    """Return the name of the month of a time in UTC."""
    return moment.isoformat()[:7]  # strftime would leave out the zeros of early years


def stamp(moment: dt.datetime) -> pa.Scalar:
    """Return a time as it is stored, cut to milliseconds, the unit of the statistics in the log."""
    return pa.scalar(moment.replace(microsecond=moment.microsecond // 1000 * 1000), _STORED_TIME)


_SYNCED_AT = pa.field(SYNCED_AT, _STORED_TIME, nullable=False)

TURNS_LAYOUT = Layout(
    name="turns",
    key="turn_id",
    columns=TURNS,
    internal=(_SYNCED_AT,),
    statistics=("started_at", "credits", SYNCED_AT),
    time="started_at",
    restamp=False,
)
TASKS_LAYOUT = Layout(
    name="tasks",
    key="task_id",
    columns=TASKS,
    internal=(
        _SYNCED_AT,
        *(pa.field(name, _STORED_TIME) for name in (FINISHED_AT, BEGAN_AT, DELIVERED_AT)),
    ),
    statistics=("created_at", SYNCED_AT, FINISHED_AT),
    time="created_at",
)
IDS_LAYOUT = Layout(
    name="ids",
    key="task_id",
    columns=tuple(dataclasses.replace(column, nullable=column.name != "task_id") for column in FAILURES),
    internal=(pa.field(FAILED_AT, _STORED_TIME), pa.field(DELIVERED_AT, _STORED_TIME)),
    statistics=(FAILED_AT, DELIVERED_AT),
)
WORKERS_LAYOUT = Layout(name="workers", key="worker_id", columns=WORKER_LOGS, internal=(), statistics=())
"""Made by the first discovery; tasks and turns are read without it, too."""

LAYOUTS = (IDS_LAYOUT, TURNS_LAYOUT, TASKS_LAYOUT)
"""In the order in which they are made: where there is a tasks table, the others are there."""
