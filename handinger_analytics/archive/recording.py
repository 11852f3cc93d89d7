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
    FINISHED_AT,
    FORGOTTEN,
    IDS_LAYOUT,
    SYNCED_AT,
    TASKS_LAYOUT,
    TURNS_LAYOUT,
    stamp,
)
from handinger_analytics.archive.merging import is_later, last_of_each, merge
from handinger_analytics.archive.snapshot import dataset, marked_ids, pairing_of, same_rows
from handinger_analytics.archive.storage import Storage, committed
from handinger_analytics.tables.build import Failure, Rows, table
from handinger_analytics.tables.schema import FAILURES, FINAL, UNFINISHED

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


def publish(
    storage: Storage,
    *,
    turns: int = 0,
    ids: int = 0,
    synced: tuple[dt.datetime, dt.datetime] | tuple[()] = (),
) -> None:
    """Point readers of ``tasks`` to later versions of the other tables.

    ``synced`` is when a sync without a batch began, and now.
    """

    def write() -> None:
        tasks = storage.open(TASKS_LAYOUT)
        before = pairing_of(tasks)
        after = before.advanced(turns, ids, *synced)
        if after != before:
            replace_files(tasks, TASKS_LAYOUT, [], [], after.metadata)

    with storage.errors("write"):
        committed(write)


def record_failures(
    storage: Storage, failed: Iterable[Failure], healed: Iterable[str], now: dt.datetime
) -> int:
    """Keep the failures of a batch, and clear those of ids that were fetched this time.

    What was forgotten meanwhile stays so. Returns the version of ``ids`` that says all this, 0 where
    there was nothing to say.
    """
    failures = IDS_LAYOUT.stored(table(FAILURES, list(failed)), **{FAILED_AT: stamp(now)})
    rows = pa.concat_tables([failures, _id_rows(pa.array(list(healed), pa.string()))])

    def write() -> int:
        known = storage.open(IDS_LAYOUT)
        marked = marked_ids(known)
        forgotten = marked.filter(pc.equal(marked["stage"], FORGOTTEN))["task_id"]
        said = rows.filter(pc.invert(pc.is_in(rows["task_id"], value_set=forgotten)))
        return merge(known, IDS_LAYOUT, said, said["task_id"].combine_chunks()).version

    if not rows.num_rows:
        return 0
    with storage.errors("write"):
        return committed(write)


def record_rows(
    storage: Storage, rows: Rows, ids_version: int, fetched_at: dt.datetime, now: dt.datetime
) -> Written:
    """Write tasks and their turns, turns first; not those of which a later fetch is recorded.

    Parameters
    ----------
    storage : Storage
        Where the archive is.
    rows : Rows
        Tasks, each with all of its turns.
    ids_version : int
        Version of ``ids`` that has these tasks.
    fetched_at : datetime
        When their fetch began.
    now : datetime
        What is recorded as fetched after this has the time of a wrong clock, and is no later.

    Returns
    -------
    Written
        How many turns are new and changed.
    """
    later = stamp(fetched_at), stamp(now)
    all_turns = last_of_each(TURNS_LAYOUT.stored(rows.turns, **{SYNCED_AT: later[0]}), TURNS_LAYOUT)
    all_tasks = TASKS_LAYOUT.stored(rows.tasks, **{SYNCED_AT: later[0], **_spans(rows.tasks, rows.turns)})
    new = changed = 0

    def write() -> None:
        nonlocal new, changed
        target, target_turns = storage.open(TASKS_LAYOUT), storage.open(TURNS_LAYOUT)
        recorded = _recorded(
            target, pa.chunked_array([*all_tasks["task_id"].chunks, *all_turns["task_id"].chunks])
        )
        newer = recorded.filter(is_later(recorded, later))["task_id"].combine_chunks()
        tasks, turns = _without(all_tasks, newer), _without(all_turns, newer)
        ids, before = tasks["task_id"].combine_chunks(), pairing_of(target)
        since = _first_start(recorded[BEGAN_AT], all_tasks[BEGAN_AT], all_turns["started_at"])
        # Turns of a writer that died may lie in any month.
        since_of_turns = since if same_rows(target_turns, before.turns) else None
        merged = merge(target_turns, TURNS_LAYOUT, turns, ids, later, since_of_turns)
        new, changed = new + merged.new, changed + merged.changed
        after = before.advanced(merged.version, ids_version, fetched_at, now)
        merge(target, TASKS_LAYOUT, tasks, ids, later, since, after.metadata)

    with storage.errors("write"):
        committed(write)  # again as a whole: what was written of it the first time is found then
    return Written(new, changed)


def forget(storage: Storage, task_ids: Sequence[str], now: dt.datetime) -> None:
    """Mark ids as not to be asked for any more."""
    asked = pa.array(task_ids, pa.string())
    rows = _id_rows(asked, stage=FORGOTTEN, **{FAILED_AT: stamp(now).as_py()})
    _replace_ids(storage, rows)


def revive(storage: Storage, task_ids: pa.Array) -> None:
    """Ask for forgotten ids again."""
    _replace_ids(storage, _id_rows(task_ids))


def _replace_ids(storage: Storage, rows: pa.Table) -> None:
    if not rows.num_rows:
        return
    task_ids = rows["task_id"].combine_chunks()
    with storage.errors("write"):
        version = committed(lambda: merge(storage.open(IDS_LAYOUT), IDS_LAYOUT, rows, task_ids).version)
    publish(storage, ids=version)


def _spans(tasks: pa.Table, turns: pa.Table) -> dict[str, pa.ChunkedArray]:
    """When each task and its turns began, and were over; null where something still goes on."""
    spans = pa.concat_tables([_span(tasks, "created_at"), _span(turns, "started_at")])
    grouped = spans.group_by("task_id").aggregate([("final", "all"), ("begin", "min"), ("end", "max")])
    of_task = grouped.take(pc.index_in(tasks["task_id"], value_set=grouped["task_id"].combine_chunks()))
    unfinished = pa.scalar(None, of_task["end_max"].type)
    finished_at = pc.if_else(of_task["final_all"], of_task["end_max"], unfinished)
    return {BEGAN_AT: of_task["begin_min"], FINISHED_AT: finished_at}


def _span(rows: pa.Table, start: str) -> pa.Table:
    status = rows["status"].cast(pa.string())
    final = pc.and_not(rows["completed_at"].is_valid(), pc.is_in(status, value_set=pa.array(UNFINISHED)))
    final = pc.or_(final, pc.is_in(status, value_set=pa.array(FINAL)))
    end = pc.coalesce(rows["completed_at"], rows[start])
    return pa.table({"task_id": rows["task_id"], "final": final, "begin": rows[start], "end": end})


def _recorded(tasks: DeltaTable, task_ids: pa.ChunkedArray) -> pa.Table:
    """When some tasks were fetched, and when they began, by what is recorded of them."""
    return dataset(tasks, TASKS_LAYOUT, extra=(SYNCED_AT, BEGAN_AT)).to_table(
        columns=["task_id", SYNCED_AT, BEGAN_AT],
        filter=pc.field("task_id").isin(task_ids.unique()),
    )


def _first_start(*begins: pa.ChunkedArray) -> dt.datetime | None:
    """Return the earliest of all times, None if one of them is not known."""
    if any(begin.null_count for begin in begins):
        return None
    first: dt.datetime = min(one for begin in begins if (one := pc.min(begin).as_py()) is not None)
    return first


def _without(rows: pa.Table, task_ids: pa.Array) -> pa.Table:
    return rows.filter(pc.invert(pc.is_in(rows["task_id"], value_set=task_ids))) if len(task_ids) else rows


def _id_rows(task_ids: pa.Array, **marks: object) -> pa.Table:
    """Rows of ``ids``, null in all other columns."""
    schema = IDS_LAYOUT.schema
    values = {field.name: pa.scalar(marks.get(field.name), field.type) for field in schema}
    columns = {name: pa.repeat(value, len(task_ids)) for name, value in values.items()}
    return pa.table({**columns, "task_id": task_ids}, schema=schema)
