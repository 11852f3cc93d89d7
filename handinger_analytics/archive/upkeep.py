"""Upkeep of the tables: fewer and larger files, and deleting files that only earlier states need."""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import pyarrow as pa

from handinger_analytics.archive.files import (
    ROWS_PER_FILE,
    open_files,
    read_files,
    replace_files,
    split_by_file,
)
from handinger_analytics.archive.layout import LAYOUTS, MONTH, TASKS_LAYOUT, TURNS_LAYOUT, Layout
from handinger_analytics.archive.recording import publish
from handinger_analytics.archive.snapshot import Snapshot, pointer_of
from handinger_analytics.archive.storage import Storage, batch_of

if TYPE_CHECKING:
    from deltalake import DeltaTable

_SMALL = 8_192
_SMALL_BYTES, _BYTES_PER_FILE = 2**24, 2**25  # on disk; in memory texts take several times as much
_SMALL_PER_MONTH = 16
_LONGEST_BATCH = dt.timedelta(days=1)


def compact(storage: Storage) -> int:
    """Rewrite many small files as few larger ones; return how many files there are fewer."""
    Snapshot.open(storage)  # an archive of a later schema is refused before anything is changed
    return sum(storage.change(functools.partial(_compact, storage, layout, 2)) for layout in LAYOUTS)


def compact_if_scattered(storage: Storage) -> None:
    """Compact the months that have so many small files that reading and merging get slow.

    A table to which another process commits meanwhile is left to the next call.
    """
    for layout in LAYOUTS:
        with (
            storage.errors("write") as deltalake,
            contextlib.suppress(deltalake.exceptions.CommitFailedError),
        ):
            _compact(storage, layout, _SMALL_PER_MONTH)


def _compact(storage: Storage, layout: Layout, least: int) -> int:
    """Compact the months of a table that have ``least`` small files or more."""
    table = storage.open(layout)
    groups = [
        group for files in _small_files(table, layout) if len(files) >= least for group in _groups(files)
    ]
    if not groups:
        return 0
    if layout is TURNS_LAYOUT and batch_of(table) != pointer_of(storage.open(TASKS_LAYOUT)).batch:
        return 0  # a batch is half written, by a process at work or killed: readers must not see it
    files = open_files(table, layout.schema)
    parts = (part for group in groups for part in split_by_file(read_files(files, group), layout))
    replaced = {path for group in groups for path in group}
    added = replace_files(table, layout, parts, replaced, None, change=False)
    if layout is TURNS_LAYOUT:
        publish(storage, turns=table.version() + 1)
    return len(replaced) - added


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
    """Divide files into groups of several that make one file each."""
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
    snapshot = Snapshot.open(storage)
    return sum(
        len(storage.change(functools.partial(_vacuum, storage, layout, snapshot, span, full)))
        for layout in LAYOUTS
        # Files that no commit names were left by a killed writer, or belong to a batch under way.
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
