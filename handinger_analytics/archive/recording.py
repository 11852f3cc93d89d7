"""Writing: ids to remember, and a batch of tasks with their turns."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from handinger_analytics.archive.layout import (
    FAILED_AT,
    FINAL,
    FINISHED_AT,
    IDS_LAYOUT,
    SYNCED_AT,
    TASKS_LAYOUT,
    TURNS_LAYOUT,
    stamp,
)
from handinger_analytics.archive.merging import merge
from handinger_analytics.archive.snapshot import dataset, pairing_of
from handinger_analytics.archive.storage import Storage, committed
from handinger_analytics.rows import Failure, Rows, table
from handinger_analytics.schema import FAILURES

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
        return merge(known, IDS_LAYOUT, _without_failure(fresh), _NOTHING).version

    with storage.errors("write"):
        return committed(add)


def record_failures(
    storage: Storage, failed: Iterable[Failure], healed: Iterable[str], now: dt.datetime
) -> None:
    """Keep the failures of a batch, and forget those of ids that were fetched this time."""
    failures = IDS_LAYOUT.stored(table(FAILURES, list(failed)), **{FAILED_AT: stamp(now)})
    rows = pa.concat_tables([failures, _without_failure(pa.array(list(healed), pa.string()))])
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
    turns = TURNS_LAYOUT.stored(rows.turns, **{SYNCED_AT: fetched_at})
    finished = _finished_at(rows.tasks, rows.turns)
    tasks = TASKS_LAYOUT.stored(rows.tasks, **{SYNCED_AT: fetched_at, FINISHED_AT: finished})
    ids = tasks["task_id"].combine_chunks()
    starts = [pc.min(rows.tasks["created_at"]).as_py(), pc.min(rows.turns["started_at"]).as_py()]
    since = min(start for start in starts if start is not None)
    new = changed = 0

    def write() -> None:
        nonlocal new, changed
        merged = merge(storage.open(TURNS_LAYOUT), TURNS_LAYOUT, turns, ids, fetched_at, since)
        new, changed = new + merged.new, changed + merged.changed
        target = storage.open(TASKS_LAYOUT)
        pairing = pairing_of(target).at_least(merged.version, ids_version)
        merge(target, TASKS_LAYOUT, tasks, ids, fetched_at, since, pairing.metadata)

    with storage.errors("write"):
        committed(write)  # again as a whole: what was written of it the first time is found then
    return Written(new, changed)


def _finished_at(tasks: pa.Table, turns: pa.Table) -> pa.Array:
    """When each task and its turns were over; null where something still goes on."""
    ends = pa.concat_tables([_ends(tasks, "created_at"), _ends(turns, "started_at")])
    grouped = ends.group_by("task_id").aggregate([("final", "all"), ("end", "max")])
    of_task = grouped.take(pc.index_in(tasks["task_id"], value_set=grouped["task_id"].combine_chunks()))
    return pc.if_else(of_task["final_all"], of_task["end_max"], pa.scalar(None, of_task["end_max"].type))


def _ends(rows: pa.Table, start: str) -> pa.Table:
    final = pc.is_in(rows["status"].cast(pa.string()), value_set=pa.array(FINAL))
    end = pc.coalesce(rows["completed_at"], rows[start])
    return pa.table({"task_id": rows["task_id"], "final": final, "end": end})


def _without_failure(task_ids: pa.Array) -> pa.Table:
    """Rows of ``ids``."""
    schema = IDS_LAYOUT.schema
    empty = {field.name: pa.nulls(len(task_ids), field.type) for field in schema}
    return pa.table({**empty, "task_id": task_ids}, schema=schema)
