"""Looking after the tables: what is in them, fewer and larger files, and no files of the past."""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import math

from handinger_analytics.archive.layout import (
    LAYOUTS,
    TASKS_LAYOUT,
    TURNS_LAYOUT,
    Layout,
)
from handinger_analytics.archive.snapshot import Snapshot, pairing_of
from handinger_analytics.archive.storage import Storage, commit_properties, committed, conflict_error
from handinger_analytics.errors import FrameError

_FILES_PER_MONTH = 16


def compact(storage: Storage) -> int:
    """Write many small files as few larger ones; return how many files there are fewer."""
    with storage.errors("write"):
        return sum(committed(functools.partial(_compact, storage, layout)) for layout in LAYOUTS)


def compact_if_scattered(storage: Storage) -> None:
    """Compact a table that has so many files that reading and merging suffer.

    Left to the next time where another process writes at the same moment.
    """
    for layout in LAYOUTS:
        table = storage.open(layout)
        months = len(table.partitions()) if layout.time else 1
        if len(table.file_uris()) > _FILES_PER_MONTH * max(1, months):
            with storage.errors("write"), contextlib.suppress(conflict_error()):
                _compact(storage, layout)


def _compact(storage: Storage, layout: Layout) -> int:
    from deltalake import WriterProperties

    tasks, table = storage.open(TASKS_LAYOUT), storage.open(layout)
    pairing = pairing_of(tasks)
    if layout is TURNS_LAYOUT and table.version() != pairing.turns:
        return 0  # a batch is half written, by a process at work or killed; readers are not to see it
    metrics = table.optimize.compact(
        writer_properties=WriterProperties(compression="ZSTD", max_row_group_size=16384),
        commit_properties=commit_properties(pairing.metadata),
    )
    if metrics["numFilesAdded"] and layout is TURNS_LAYOUT:
        committed(functools.partial(_publish_turns, storage, pairing.turns + 1))
    return int(metrics["numFilesRemoved"]) - int(metrics["numFilesAdded"])


def _publish_turns(storage: Storage, version: int) -> None:
    """Make an empty commit to ``tasks`` that points readers to a version of ``turns``."""
    tasks = storage.open(TASKS_LAYOUT)
    pairing = pairing_of(tasks)
    tasks.create_write_transaction(
        [],
        "append",
        tasks.schema(),
        TASKS_LAYOUT.partition_by,
        commit_properties=commit_properties(pairing.at_least(version, pairing.ids).metadata),
    )


def vacuum(storage: Storage, older_than: dt.timedelta) -> int:
    """Delete files that no state younger than ``older_than`` needs; return how many."""
    if not isinstance(older_than, dt.timedelta) or older_than < dt.timedelta(0):
        raise FrameError(
            f"older_than is {older_than!r}: expected a timedelta of 0 or more, such as timedelta(days=7)"
        )
    snapshot = Snapshot.open(storage)
    deleted = 0
    with storage.errors("write"):
        for layout in LAYOUTS:
            present = storage.open(layout)
            deleted += len(
                present.vacuum(
                    retention_hours=math.ceil(older_than / dt.timedelta(hours=1)),
                    dry_run=False,
                    enforce_retention_duration=False,
                    full=True,  # also what a writer left behind that was killed
                    keep_versions=[snapshot.table(layout).version()],
                )
            )
    return deleted
