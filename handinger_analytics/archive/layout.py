"""The three tables as they are stored: columns, types, partitions.

Delta Lake knows neither dictionaries nor ``large_string`` nor milliseconds, so categories and texts
are stored as strings and times as microseconds; reading gives back the types of ``schema.py``.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from handinger_analytics.tables.schema import FAILURES, TASKS, TURNS, Column

MONTH = "month"
"""Partition column: the UTC month in which a turn started or a task was created, as ``2026-05``."""

SYNCED_AT = "synced_at"
"""When the row was fetched; a merge never replaces a row by one that was fetched earlier."""

FINISHED_AT = "finished_at"
"""When the task and all its turns were over; null while something is still going on."""

BEGAN_AT = "began_at"
"""The earliest of a task's creation and the starts of its turns: none of its rows lies in a month before.

Null for tasks that were recorded before this column was.
"""

FAILED_AT = "failed_at"
"""When an id failed or was forgotten; null for all others."""

FORGOTTEN = "forgotten"
"""What stands for the stage of a failure where an id is not to be asked for any more."""

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
    extra : tuple of pyarrow.Field
        Columns that only the archive uses.
    time : str or None
        Column whose UTC month partitions the table; None for a table without partitions.
    touch : bool
        Whether a row that did not change takes the time of the fetch all the same.
    """

    name: str
    key: str
    columns: tuple[Column, ...]
    extra: tuple[pa.Field, ...]
    time: str | None
    touch: bool = True

    @property
    def schema(self) -> pa.Schema:
        """Arrow schema of the stored rows."""
        month = () if self.time is None else (pa.field(MONTH, pa.string(), nullable=False),)
        seen = (pa.field(c.name, _stored_type(c.type), c.nullable) for c in self.columns)
        return pa.schema([*seen, *self.extra, *month])

    @property
    def plain(self) -> pa.Schema:
        """Arrow schema of the columns that users see, as in ``schema.py`` with categories as strings."""
        return pa.schema([pa.field(c.name, c.type, c.nullable) for c in self.columns])

    @property
    def partition_by(self) -> list[str]:
        """Partition columns."""
        return [] if self.time is None else [MONTH]

    def stored(self, rows: pa.Table, **extra: pa.Array | pa.Scalar) -> pa.Table:
        """Rows as they are stored, with the month and the ``extra`` columns added."""
        arrays = {name: rows[name] for name in rows.column_names}
        for name, value in extra.items():
            arrays[name] = pa.repeat(value, rows.num_rows) if isinstance(value, pa.Scalar) else value
        if self.time is not None:
            arrays[MONTH] = pc.strftime(rows[self.time], "%Y-%m")
        schema = self.schema
        return pa.table([arrays[field.name].cast(field.type) for field in schema], schema=schema)


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
    """Name the partition of a UTC time; ``strftime`` would leave zeros of early years out."""
    return moment.isoformat()[:7]


def stamp(moment: dt.datetime) -> pa.Scalar:
    """Return a time as it is stored, in whole milliseconds: the statistics of a table know no less."""
    return pa.scalar(moment.replace(microsecond=moment.microsecond // 1000 * 1000), _STORED_TIME)


TURNS_LAYOUT = Layout(
    "turns", "turn_id", TURNS, (pa.field(SYNCED_AT, _STORED_TIME, nullable=False),), "started_at", touch=False
)
TASKS_LAYOUT = Layout(
    "tasks",
    "task_id",
    TASKS,
    (
        pa.field(SYNCED_AT, _STORED_TIME, nullable=False),
        pa.field(FINISHED_AT, _STORED_TIME),
        pa.field(BEGAN_AT, _STORED_TIME),
    ),
    "created_at",
)
_IDS = tuple(dataclasses.replace(column, nullable=column.name != "task_id") for column in FAILURES)
IDS_LAYOUT = Layout("ids", "task_id", _IDS, (pa.field(FAILED_AT, _STORED_TIME),), None)

LAYOUTS = (IDS_LAYOUT, TURNS_LAYOUT, TASKS_LAYOUT)
"""In the order in which they are made: where there is a tasks table, the others are there."""

STATISTICS = {
    "ids": ("failed_at",),
    "turns": ("started_at", "credits", SYNCED_AT),
    "tasks": ("created_at", SYNCED_AT, FINISHED_AT),
}
"""Columns whose least and greatest value the log of a table has for each file; texts stay out of it."""
