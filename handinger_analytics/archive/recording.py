"""Writing: ids to remember, and a batch of tasks with their turns."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from handinger_analytics.archive.files import replace_files
from handinger_analytics.archive.layout import (
    BEGAN_AT,
    FAILED_AT,
    FINAL,
    FINISHED_AT,
    FORGOTTEN,
    IDS_LAYOUT,
    SYNCED_AT,
    TASKS_LAYOUT,
    TURNS_LAYOUT,
    stamp,
)
from handinger_analytics.archive.merging import last_of_each, merge
from handinger_analytics.archive.snapshot import dataset, pairing_of
from handinger_analytics.archive.storage import Storage, committed
from handinger_analytics.rows import Failure, Rows, table
from handinger_analytics.schema import FAILURES

if TYPE_CHECKING:
    from deltalake import DeltaTable

_NOTHING = pa.array([], pa.string())


@dataclass(frozen=True)
class Written:
    """What recording a batch changed.

    Attributes
    ----------
    new, changed : int
        Turns that were not there, and turns that took the place of an earlier state of theirs.
    """

    new: int
    changed: int


def remember(storage: Storage, task_ids: Sequence[str]) -> int:
    """Add ids to the known ones; return the version of ``ids`` that has them all."""

    def add() -> int:
        known = storage.open(IDS_LAYOUT)
        asked = pa.array(task_ids, pa.string())
        have = dataset(known, IDS_LAYOUT).to_table(columns=["task_id"])["task_id"]
        fresh = asked.filter(pc.invert(pc.is_in(asked, value_set=have)))
        return merge(known, IDS_LAYOUT, _id_rows(fresh), _NOTHING).version

    with storage.errors("write"):
        return committed(add)


def record_failures(
    storage: Storage, failed: Iterable[Failure], healed: Iterable[str], now: dt.datetime
) -> None:
    """Keep the failures of a batch, and forget those of ids that were fetched this time."""
    failures = IDS_LAYOUT.stored(table(FAILURES, list(failed)), **{FAILED_AT: stamp(now)})
    rows = pa.concat_tables([failures, _id_rows(pa.array(list(healed), pa.string()))])
    if rows.num_rows:
        ids = rows["task_id"].combine_chunks()
        with storage.errors("write"):
            committed(lambda: merge(storage.open(IDS_LAYOUT), IDS_LAYOUT, rows, ids))


def record_rows(storage: Storage, rows: Rows, ids_version: int, now: dt.datetime) -> Written:
    """Write tasks and their turns, turns first.

    Parameters
    ----------
    storage : Storage
        Where the archive is.
    rows : Rows
        Tasks, each with all of its turns.
    ids_version : int
        Version of ``ids`` that has these tasks.
    now : datetime
        When they were fetched.

    Returns
    -------
    Written
        How many turns are new and changed.
    """
    fetched_at = stamp(now)
    turns = last_of_each(TURNS_LAYOUT.stored(rows.turns, **{SYNCED_AT: fetched_at}), TURNS_LAYOUT)
    tasks = TASKS_LAYOUT.stored(rows.tasks, **{SYNCED_AT: fetched_at, **_spans(rows.tasks, rows.turns)})
    ids = tasks["task_id"].combine_chunks()
    new = changed = 0

    def write() -> None:
        nonlocal new, changed
        target = storage.open(TASKS_LAYOUT)
        since = _first_start(target, ids, tasks)
        merged = merge(storage.open(TURNS_LAYOUT), TURNS_LAYOUT, turns, ids, fetched_at, since)
        new, changed = new + merged.new, changed + merged.changed
        pairing = pairing_of(target).at_least(merged.version, ids_version, fetched_at.as_py())
        merge(target, TASKS_LAYOUT, tasks, ids, fetched_at, since, pairing.metadata)

    with storage.errors("write"):
        committed(write)  # again as a whole: what was written of it the first time is found then
    return Written(new, changed)


def record_sync(storage: Storage, now: dt.datetime) -> None:
    """Note that the archive was synced, where no later batch says so."""

    def write() -> None:
        tasks = storage.open(TASKS_LAYOUT)
        before = pairing_of(tasks)
        after = before.at_least(synced_at=now)
        if after != before:
            replace_files(tasks, TASKS_LAYOUT, [], [], after.metadata)

    with storage.errors("write"):
        committed(write)


def forget(storage: Storage, task_ids: Sequence[str], now: dt.datetime) -> None:
    """Mark ids as not to be asked for any more."""
    asked = pa.array(task_ids, pa.string())
    rows = _id_rows(asked, stage=FORGOTTEN, **{FAILED_AT: stamp(now).as_py()})

    def write() -> None:
        merge(storage.open(IDS_LAYOUT), IDS_LAYOUT, rows, asked)

    with storage.errors("write"):
        committed(write)


def _spans(tasks: pa.Table, turns: pa.Table) -> dict[str, pa.ChunkedArray]:
    """When each task and its turns began, and were over; null where something still goes on."""
    spans = pa.concat_tables([_span(tasks, "created_at"), _span(turns, "started_at")])
    grouped = spans.group_by("task_id").aggregate([("final", "all"), ("begin", "min"), ("end", "max")])
    of_task = grouped.take(pc.index_in(tasks["task_id"], value_set=grouped["task_id"].combine_chunks()))
    unfinished = pa.scalar(None, of_task["end_max"].type)
    finished_at = pc.if_else(of_task["final_all"], of_task["end_max"], unfinished)
    return {BEGAN_AT: of_task["begin_min"], FINISHED_AT: finished_at}


def _span(rows: pa.Table, start: str) -> pa.Table:
    final = pc.is_in(rows["status"].cast(pa.string()), value_set=pa.array(FINAL))
    end = pc.coalesce(rows["completed_at"], rows[start])
    return pa.table({"task_id": rows["task_id"], "final": final, "begin": rows[start], "end": end})


def _first_start(recorded: DeltaTable, task_ids: pa.Array, tasks: pa.Table) -> dt.datetime:
    """When the first of some tasks began, by what is recorded of them and by what was fetched."""
    earlier = dataset(recorded, TASKS_LAYOUT, extra=(BEGAN_AT,)).to_table(
        columns=[BEGAN_AT], filter=pc.field("task_id").isin(task_ids)
    )
    begins = pa.concat_tables([earlier, tasks.select([BEGAN_AT])])
    first: dt.datetime = pc.min(begins[BEGAN_AT]).as_py()
    return first


def _id_rows(task_ids: pa.Array, **marks: object) -> pa.Table:
    """Rows of ``ids``, null in all other columns."""
    schema = IDS_LAYOUT.schema
    values = {field.name: pa.scalar(marks.get(field.name), field.type) for field in schema}
    columns = {name: pa.repeat(value, len(task_ids)) for name, value in values.items()}
    return pa.table({**columns, "task_id": task_ids}, schema=schema)
