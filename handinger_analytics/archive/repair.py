"""Making an archive, and making one whole again of which a table or a state was lost."""

from __future__ import annotations

import dataclasses
import warnings
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from handinger_analytics.archive.files import open_files, replace_files
from handinger_analytics.archive.layout import (
    SYNCED_AT,
    TASKS_LAYOUT,
    TURNS_LAYOUT,
    WORKERS_LAYOUT,
    Layout,
)
from handinger_analytics.archive.recording import note, publish, record_failures, remember
from handinger_analytics.archive.snapshot import Snapshot, dataset
from handinger_analytics.archive.storage import Storage, batch_of
from handinger_analytics.errors import PartialDataWarning
from handinger_analytics.tables.build import Failure
from handinger_analytics.times import now

if TYPE_CHECKING:
    from deltalake import DeltaTable


def prepare(storage: Storage) -> None:
    """Make an archive, or make one whole of which a table, or the state that ``tasks`` names, was lost.

    Warns
    -----
    PartialDataWarning
        If ``ids`` was lost: ids without rows are not known any more.
    """
    found = storage.create()
    if TASKS_LAYOUT.name not in found and (turns := found.get(TURNS_LAYOUT.name)) is not None:
        ids = remember(storage, _synced(turns, TURNS_LAYOUT)["task_id"].unique().to_pylist())
        publish(storage, turns=turns.version(), ids=ids, batch=batch_of(turns))
    if not found:
        return
    snapshot = Snapshot.open(storage)
    if not snapshot.paired:
        _repair(storage, snapshot)
    elif snapshot.turns.version() > snapshot.pointer.turns:  # other tools changed it: this is to be kept
        publish(storage, turns=snapshot.turns.version())


def _repair(storage: Storage, snapshot: Snapshot) -> None:
    """Mark tasks whose turns are lost, or of another fetch, and let ``tasks`` name the tables as they are."""
    tasks, turns = _synced(snapshot.tasks, TASKS_LAYOUT, "turn_count"), _synced(snapshot.turns, TURNS_LAYOUT)
    of_task = turns.group_by("task_id").aggregate([(SYNCED_AT, "count"), (SYNCED_AT, "max")])
    of_task = of_task.take(pc.index_in(tasks["task_id"], value_set=of_task["task_id"].combine_chunks()))
    too_few = pc.not_equal(pc.fill_null(of_task[f"{SYNCED_AT}_count"], 0), tasks["turn_count"])
    too_new = pc.fill_null(pc.greater(of_task[f"{SYNCED_AT}_max"], tasks[SYNCED_AT]), False)
    if snapshot.ids.version() < snapshot.pointer.ids:
        message = "ids that were not fetched, forgotten or deleted are not known any more"
        warnings.warn(
            f"the archive {storage.shown!r} has lost its table ids: {message}",
            PartialDataWarning,
            stacklevel=4,
        )
        if (workers := storage.find(WORKERS_LAYOUT)) is not None:  # their logs are read anew
            replace_files(workers, WORKERS_LAYOUT, [], open_files(workers, WORKERS_LAYOUT.schema).files, None)
    remember(storage, tasks["task_id"].to_pylist())
    ids = remember(storage, turns["task_id"].unique().to_pylist())
    reason = "its turns were lost, or their batch was cut short; the next sync fetches them again"
    damaged = tasks["task_id"].filter(pc.or_(too_few, too_new)).to_pylist()
    failures = [Failure(task_id, "turns", "FileError", None, reason, 0) for task_id in damaged]
    ids = max(ids, record_failures(storage, failures, (), now()))
    state = {"turns": snapshot.turns.version(), "ids": ids, "batch": batch_of(snapshot.turns)}
    note(storage, lambda before: dataclasses.replace(before, **state))


def _synced(table: DeltaTable, layout: Layout, *columns: str) -> pa.Table:
    """Read ids with their ``synced_at``, and these columns."""
    rows = dataset(table, layout, internal=(SYNCED_AT,))
    return rows.to_table(columns=["task_id", SYNCED_AT, *columns])
