"""Looking after the tables: what is in them, fewer and larger files, and no files of the past."""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import pyarrow as pa

from handinger_analytics.archive.files import ROWS_PER_FILE, open_files, read_files, replace_files
from handinger_analytics.archive.layout import (
    LAYOUTS,
    MONTH,
    TASKS_LAYOUT,
    TURNS_LAYOUT,
    Layout,
)
from handinger_analytics.archive.snapshot import Snapshot, pairing_of
from handinger_analytics.archive.storage import Storage, committed, conflict_error
from handinger_analytics.errors import FrameError

if TYPE_CHECKING:
    from deltalake import DeltaTable

_SMALL = 16_384
_SMALL_PER_MONTH = 16


def compact(storage: Storage) -> int:
    """Write many small files as few larger ones; return how many files there are fewer."""
    with storage.errors("write"):
        return sum(committed(functools.partial(_compact, storage, layout, 2)) for layout in LAYOUTS)


def compact_if_scattered(storage: Storage) -> None:
    """Compact the months that have so many small files that reading and merging suffer.

    Left to the next time where another process writes at the same moment.
    """
    for layout in LAYOUTS:
        with storage.errors("write"), contextlib.suppress(conflict_error()):
            _compact(storage, layout, _SMALL_PER_MONTH)


def _compact(storage: Storage, layout: Layout, least: int) -> int:
    """Compact the months of a table that have ``least`` small files or more."""
    table = storage.open(layout)
    groups = [
        group for files in _small_files(table, layout) if len(files) >= least for group in _groups(files)
    ]
    if not groups:
        return 0
    pairing = pairing_of(storage.open(TASKS_LAYOUT))
    if layout is TURNS_LAYOUT and table.version() != pairing.turns:
        return 0  # a batch is half written, by a process at work or killed; readers are not to see it
    files = open_files(table, layout)
    parts = (read_files(files, group) for group in groups)
    gone = [path for group in groups for path in group]
    replace_files(table, layout, parts, gone, pairing.metadata, change=False)
    if layout is TURNS_LAYOUT:
        committed(functools.partial(_publish_turns, storage, pairing.turns + 1))
    return len(gone) - len(groups)


def _small_files(table: DeltaTable, layout: Layout) -> Iterable[list[tuple[str, int]]]:
    """Path and rows of the small files, month by month."""
    files = pa.table(table.get_add_actions(flatten=True))
    months = files[f"partition.{MONTH}"].to_pylist() if layout.time else [""] * files.num_rows
    small: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for month, path, rows in zip(
        months, files["path"].to_pylist(), files["num_records"].to_pylist(), strict=True
    ):
        if rows is not None and rows < _SMALL:
            small[month].append((path, rows))
    return small.values()


def _groups(files: list[tuple[str, int]]) -> Iterator[list[str]]:
    """Divide files into groups that each make one file."""
    group: list[str] = []
    size = 0
    for path, rows in files:
        if size + rows > ROWS_PER_FILE:
            yield group
            group, size = [], 0
        group.append(path)
        size += rows
    if len(group) > 1:
        yield group


def _publish_turns(storage: Storage, version: int) -> None:
    """Make an empty commit to ``tasks`` that points readers to a version of ``turns``."""
    tasks = storage.open(TASKS_LAYOUT)
    pairing = pairing_of(tasks)
    replace_files(tasks, TASKS_LAYOUT, [], [], pairing.at_least(version, pairing.ids).metadata)


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
