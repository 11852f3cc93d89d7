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

from handinger_analytics.archive.files import ROWS_PER_FILE, divided, open_files, read_files, replace_files
from handinger_analytics.archive.layout import (
    LAYOUTS,
    MONTH,
    TASKS_LAYOUT,
    TURNS_LAYOUT,
    Layout,
)
from handinger_analytics.archive.recording import publish
from handinger_analytics.archive.snapshot import Snapshot, pairing_of, same_rows
from handinger_analytics.archive.storage import Storage, committed, conflict_error
from handinger_analytics.errors import FrameError

if TYPE_CHECKING:
    from deltalake import DeltaTable

_SMALL = 8_192
_SMALL_BYTES, _BYTES_PER_FILE = 2**24, 2**25  # on disk; in memory texts take several times as much
_SMALL_PER_MONTH = 16
_LONGEST_BATCH = dt.timedelta(days=1)


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
    if layout is TURNS_LAYOUT and not same_rows(table, pairing.turns):
        return 0  # a batch is half written, by a process at work or killed; readers are not to see it
    files = open_files(table, layout)
    parts = (part for group in groups for part in divided(read_files(files, group), layout))
    gone = [path for group in groups for path in group]
    added = replace_files(table, layout, parts, gone, pairing.metadata, change=False)
    if layout is TURNS_LAYOUT:
        publish(storage, turns=table.version() + 1)
    return len(gone) - added


def _small_files(table: DeltaTable, layout: Layout) -> Iterable[list[tuple[str, int, int]]]:
    """Path, rows and bytes of the small files, month by month."""
    files = pa.table(table.get_add_actions(flatten=True))
    months = files[f"partition.{MONTH}"].to_pylist() if layout.time else [""] * files.num_rows
    small: dict[str, list[tuple[str, int, int]]] = defaultdict(list)
    sizes = (files[name].to_pylist() for name in ("path", "num_records", "size_bytes"))
    for month, path, rows, size in zip(months, *sizes, strict=True):
        if rows is not None and rows < _SMALL and size < _SMALL_BYTES:
            small[month].append((path, rows, size))
    return small.values()


def _groups(files: list[tuple[str, int, int]]) -> Iterator[list[str]]:
    """Divide files into groups of several that each make one file."""
    group: list[str] = []
    all_rows = all_bytes = 0
    for path, rows, size in files:
        if all_rows + rows > ROWS_PER_FILE or all_bytes + size > _BYTES_PER_FILE:
            if len(group) > 1:
                yield group
            group, all_rows, all_bytes = [], 0, 0
        group.append(path)
        all_rows, all_bytes = all_rows + rows, all_bytes + size
    if len(group) > 1:
        yield group


def vacuum(storage: Storage, older_than: dt.timedelta) -> int:
    """Delete files that no state younger than ``older_than`` needs; return how many."""
    if not isinstance(older_than, dt.timedelta) or older_than < dt.timedelta(0):
        raise FrameError(
            f"older_than is {older_than!r}: expected a timedelta of 0 or more, such as timedelta(days=7)"
        )
    snapshot = Snapshot.open(storage)
    with storage.errors("write"):
        return sum(
            len(committed(functools.partial(_vacuum, storage, layout, snapshot, span, full)))
            for layout in LAYOUTS
            # Files that no commit names are what a killed writer left behind, or of a batch under way.
            for span, full in ((older_than, False), (max(older_than, _LONGEST_BATCH), True))
        )


def _vacuum(
    storage: Storage, layout: Layout, snapshot: Snapshot, span: dt.timedelta, full: bool
) -> list[str]:
    deleted: list[str] = storage.open(layout).vacuum(
        retention_hours=math.ceil(span / dt.timedelta(hours=1)),
        dry_run=False,
        enforce_retention_duration=False,
        full=full,
        keep_versions=[snapshot.table(layout).version()],
    )
    return deleted
