"""Writing: ids to remember, and a batch of tasks with their turns.

Each function opens its tables anew on every attempt, see `Storage.change`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from handinger_analytics.archive.files import open_files, replace_files
from handinger_analytics.archive.layout import (
    BEGAN_AT,
    DELETED,
    DELETING,
    DELIVERED_AT,
    FAILED_AT,
    FINISHED_AT,
    FORGOTTEN,
    GONE,
    IDS_LAYOUT,
    NOT_FETCHED,
    SYNCED_AT,
    TASKS_LAYOUT,
    TURNS_LAYOUT,
    stamp,
)
from handinger_analytics.archive.merging import FILE, Merged, is_newer, last_of_each, merge
from handinger_analytics.archive.snapshot import Pointer, Snapshot, dataset, marked_ids, pointer_of, staged
from handinger_analytics.archive.storage import CHECKPOINT_EVERY, Storage, batch_of
from handinger_analytics.tables.build import Failure, Rows, table
from handinger_analytics.tables.schema import FAILURES, FETCHED_AT, FINAL, UNFINISHED
from handinger_analytics.times import now as clock

if TYPE_CHECKING:
    from deltalake import DeltaTable


def remember(
    storage: Storage, task_ids: Collection[str], delivered_at: Iterable[dt.datetime] | None = None
) -> int:
    """Add ids to the known ones; return the version of ``ids`` that has them all.

    Parameters
    ----------
    storage : Storage
        Where the archive is.
    task_ids : collection of str
        The ids, each once.
    delivered_at : iterable of datetime, optional
        A delivery of each; the newest that is known is kept.
    """
    asked = pa.array(task_ids, pa.string())
    times = [None] * len(asked) if delivered_at is None else delivered_at
    delivered = pa.array(times, IDS_LAYOUT.schema.field(DELIVERED_AT).type)

    def add() -> int:
        ids = storage.open(IDS_LAYOUT)
        stored = _stored_ids(ids, asked)
        is_newer = pc.coalesce(pc.greater(delivered, stored[DELIVERED_AT]), delivered.is_valid())
        rows = IDS_LAYOUT.stored(stored, **{"task_id": asked, DELIVERED_AT: delivered})
        rows = rows.filter(pc.or_(is_newer, stored["task_id"].is_null()))
        return merge(ids, IDS_LAYOUT, rows, rows["task_id"].combine_chunks()).version

    return storage.change(add)


def publish(
    storage: Storage,
    *,
    turns: int = 0,
    ids: int = 0,
    batch: int = -1,
    sync: tuple[dt.datetime, dt.datetime] | None = None,
    seen: tuple[int, int] | None = None,
) -> None:
    """Let ``tasks`` note a later `Pointer`: versions of the other tables, and the time of a sync.

    Of ``seen`` the second number counts, unless the `Pointer` has another than the first by now.
    """
    note(storage, lambda before: before.advanced(turns, ids, batch, sync, seen))


def note(storage: Storage, change: Callable[[Pointer], Pointer]) -> None:
    """Let ``tasks`` note another `Pointer`, made from the one before."""

    def write() -> None:
        tasks = storage.open(TASKS_LAYOUT)
        before = pointer_of(tasks)
        after = change(before)
        if after != before:
            replace_files(tasks, TASKS_LAYOUT, [], [], after.transactions)
            _shorten_log(storage, before, after)

    storage.change(write)


def _shorten_log(storage: Storage, before: Pointer, after: Pointer) -> None:
    """Make a checkpoint of ``turns`` now and then, and delete commits from before it after 30 days.

    At the version that ``tasks`` names by now, since that is the one that readers need.
    """
    if after.turns // CHECKPOINT_EVERY > before.turns // CHECKPOINT_EVERY:
        turns = storage.open(TURNS_LAYOUT, after.turns)
        turns.create_checkpoint()
        turns.cleanup_metadata()


def record_failures(
    storage: Storage, failed: Iterable[Failure], fetched: Iterable[str], now: dt.datetime
) -> int:
    """Keep the failures of a batch, and delete those of ids that were fetched this time.

    Ids that were forgotten or deleted meanwhile stay so. Returns the version of ``ids`` that has all this,
    0 if there was nothing to record.
    """
    failures = IDS_LAYOUT.stored(table(FAILURES, list(failed)), **{FAILED_AT: stamp(now)})
    rows = pa.concat_tables([failures, _id_rows(pa.array(list(fetched), pa.string()))])

    def write() -> int:
        ids = storage.open(IDS_LAYOUT)
        return _replace_ids(ids, _without(rows, staged(marked_ids(ids), *NOT_FETCHED)))

    return storage.change(write) if rows.num_rows else 0


def record_rows(
    storage: Storage,
    rows: Rows,
    ids_version: int,
    begun: dt.datetime,
    now: dt.datetime,
    moment: dt.datetime | None = None,
    delivered: pa.Table | None = None,
) -> Merged:
    """Write tasks and their turns, turns first; without tasks of which a later fetch is recorded.

    Tasks that were deleted meanwhile are left out, too. Their marks come before the deletion of their rows,
    and are read here after the tables were opened: of the commits to these, one would be in conflict.

    Parameters
    ----------
    storage : Storage
        Where the archive is.
    rows : Rows
        Tasks, each with all of its turns.
    ids_version : int
        Version of ``ids`` that has these tasks.
    begun : datetime
        When their fetch began.
    now : datetime
        Current time. A recorded ``synced_at`` after it comes from a wrong clock and does not count as newer.
    moment : datetime, optional
        What ``fetched_at`` is to say, instead of when each answer came.
    delivered : pyarrow.Table, optional
        Ids and their newest delivery that was known before the fetch.

    Returns
    -------
    Merged
        How many turns are new and changed, and the version of ``turns`` that has them.
    """
    times = stamp(begun), stamp(now)
    stamps = {SYNCED_AT: times[0]} | ({FETCHED_AT.name: stamp(moment)} if moment else {})
    all_turns = last_of_each(TURNS_LAYOUT.stored(rows.turns, **stamps), TURNS_LAYOUT)
    columns = {**stamps, **_spans(rows.tasks, rows.turns)}
    if delivered is not None:
        columns[DELIVERED_AT] = rows_of(delivered, rows.tasks["task_id"])[DELIVERED_AT]
    all_tasks = TASKS_LAYOUT.stored(rows.tasks, **columns)
    new = changed = 0

    def write() -> int:
        nonlocal new, changed
        target, target_turns = storage.open(TASKS_LAYOUT), storage.open(TURNS_LAYOUT)
        recorded = _recorded(
            target, pa.chunked_array([*all_tasks["task_id"].chunks, *all_turns["task_id"].chunks])
        )
        newer = recorded.filter(is_newer(recorded, times))["task_id"]
        deleted = staged(marked_ids(storage.open(IDS_LAYOUT)), *GONE)
        stale = pa.chunked_array([*newer.chunks, *deleted.chunks], pa.string())
        tasks, turns = _without(all_tasks, stale), _without(all_turns, stale)
        ids, before = tasks["task_id"].combine_chunks(), pointer_of(target)
        since = _first_start(recorded[BEGAN_AT], all_tasks[BEGAN_AT], all_turns["started_at"])
        # A writer that was killed after it committed turns may have left some in any month.
        batch = batch_of(target_turns)
        since_of_turns = since if batch == before.batch else None
        merged = merge(target_turns, TURNS_LAYOUT, turns, ids, times, since_of_turns)
        new, changed = new + merged.new, changed + merged.changed
        batch += merged.version > target_turns.version()
        after = before.advanced(merged.version, ids_version, batch, (begun, now))
        paths = pc.unique(recorded[FILE]).to_pylist()
        merge(target, TASKS_LAYOUT, tasks, ids, times, transactions=after.transactions, paths=paths)
        _shorten_log(storage, before, after)
        return merged.version

    version = storage.change(write)  # a second attempt finds the turns that the first one wrote
    return Merged(version, new, changed)


def forget(storage: Storage, task_ids: Sequence[str]) -> None:
    """Mark ids as not to be fetched any more."""
    Snapshot.open(storage)  # an archive of a later schema is refused before anything is changed
    _mark(storage, pa.array(task_ids, pa.string()), FORGOTTEN)


def revive(storage: Storage, task_ids: pa.Array) -> None:
    """Make forgotten ids known again."""
    _mark(storage, task_ids, None)


def delete(storage: Storage, task_ids: Sequence[str]) -> int:
    """Mark ids as never to be fetched again, and delete the rows of their tasks; return of how many."""
    Snapshot.open(storage)  # an archive of a later schema is refused before anything is changed
    marked = pa.chunked_array([task_ids], pa.string())
    _mark(storage, marked.combine_chunks(), DELETING)
    with storage.errors("read"):
        recorded = _recorded(storage.open(TASKS_LAYOUT), marked)
    erase(storage, storage.open(IDS_LAYOUT))
    return len(recorded)


def erase(storage: Storage, ids: DeltaTable) -> None:
    """Delete the rows of all ids that are marked for it, also by a process that was killed then."""
    with storage.errors("read"):
        task_ids = staged(marked_ids(ids), DELETING).combine_chunks()

    def write() -> None:
        tasks, turns = storage.open(TASKS_LAYOUT), storage.open(TURNS_LAYOUT)
        before = pointer_of(tasks)
        version = merge(turns, TURNS_LAYOUT, TURNS_LAYOUT.schema.empty_table(), task_ids).version
        batch = batch_of(turns) + (version > turns.version())
        after = before.advanced(version, ids.version(), batch)
        none = TASKS_LAYOUT.schema.empty_table()
        merge(tasks, TASKS_LAYOUT, none, task_ids, transactions=after.transactions)
        _shorten_log(storage, before, after)

    if len(task_ids):
        storage.change(write)
        _mark(storage, task_ids, DELETED)


def _mark(storage: Storage, task_ids: pa.Array, stage: str | None) -> None:
    """Give ids another stage, None for that of a known id; what is deleted stays so."""
    marks = {} if stage is None else {"stage": pa.scalar(stage), FAILED_AT: stamp(clock())}
    marked = _id_rows(task_ids, **marks)

    def write() -> int:
        ids = storage.open(IDS_LAYOUT)
        rows = marked if stage in GONE else _without(marked, staged(marked_ids(ids), *GONE))
        return _replace_ids(ids, rows)

    if len(task_ids):
        publish(storage, ids=storage.change(write))


def _replace_ids(ids: DeltaTable, rows: pa.Table) -> int:
    """Replace the rows of some ids, which keep what is known of their deliveries; return the version."""
    task_ids = rows["task_id"].combine_chunks()
    rows = IDS_LAYOUT.stored(rows, **{DELIVERED_AT: _stored_ids(ids, task_ids)[DELIVERED_AT]})
    return merge(ids, IDS_LAYOUT, rows, task_ids).version


def _stored_ids(ids: DeltaTable, task_ids: pa.Array) -> pa.Table:
    """Return the stored row of each id, all null for an id that is not known."""
    named = pc.field("task_id").isin(task_ids)
    return rows_of(open_files(ids, IDS_LAYOUT.schema).to_table(filter=named), task_ids)


def rows_of(rows: pa.Table, task_ids: pa.Array | pa.ChunkedArray) -> pa.Table:
    """Return the row of each id, all null for an id without one."""
    return rows.take(pc.index_in(task_ids, value_set=rows["task_id"].combine_chunks()))


def _spans(tasks: pa.Table, turns: pa.Table) -> dict[str, pa.ChunkedArray]:
    """Start and end of each task, its turns included; the end is null while any of them is unfinished."""
    spans = pa.concat_tables([_span(tasks, "created_at"), _span(turns, "started_at")])
    grouped = spans.group_by("task_id").aggregate([("final", "all"), ("begin", "min"), ("end", "max")])
    of_task = rows_of(grouped, tasks["task_id"])
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
    """``synced_at``, ``began_at`` and the file of those of the tasks that are in the archive."""
    return dataset(tasks, TASKS_LAYOUT, internal=(SYNCED_AT, BEGAN_AT)).to_table(
        columns=["task_id", SYNCED_AT, BEGAN_AT, FILE],
        filter=pc.field("task_id").isin(task_ids.unique()),
    )


def _first_start(*begins: pa.ChunkedArray) -> dt.datetime | None:
    """Return the earliest of all times, None if one of them is not known."""
    if any(begin.null_count for begin in begins):
        return None
    first: dt.datetime = min(each for begin in begins if (each := pc.min(begin).as_py()) is not None)
    return first


def _without(rows: pa.Table, task_ids: pa.ChunkedArray) -> pa.Table:
    if not len(task_ids):
        return rows
    return rows.filter(pc.invert(pc.is_in(rows["task_id"], value_set=task_ids.combine_chunks())))


def _id_rows(task_ids: pa.Array, **marks: pa.Scalar) -> pa.Table:
    """Rows for the table ``ids``: the ids, the given ``marks``, null elsewhere."""
    return IDS_LAYOUT.stored(pa.table({"task_id": task_ids}), **marks)
