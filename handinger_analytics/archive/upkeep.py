"""Upkeep of the tables: fewer and larger files, and deleting files that only earlier states need."""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import logging
import math
from typing import Any

import pandas as pd
import pyarrow as pa

from handinger_analytics.archive.files import open_files, read_files, replace_files
from handinger_analytics.archive.layout import (
    IDS_LAYOUT,
    LAYOUTS,
    MONTH,
    TASKS_LAYOUT,
    TURNS_LAYOUT,
    WORKERS_LAYOUT,
    Layout,
    month_of,
)
from handinger_analytics.archive.recording import erase, publish
from handinger_analytics.archive.repair import prepare
from handinger_analytics.archive.snapshot import Snapshot, pointer_of
from handinger_analytics.archive.storage import Storage, batch_of
from handinger_analytics.errors import FileError

_log = logging.getLogger(__name__)

_WHOLE_ROWS, _WHOLE_BYTES = 2**13, 2**22  # of a file; in memory texts take many times as much
_SMALL, _MANY = 1 / 16, 16
_LONGEST_BATCH = dt.timedelta(days=1)


def compact(storage: Storage) -> int:
    """Rewrite many small files as few larger ones; return how many files there are fewer."""
    Snapshot.open(storage)  # an archive of a later schema is refused before anything is changed
    return sum(storage.change(functools.partial(_compact, storage, layout)) for layout in LAYOUTS)


def compact_if_scattered(storage: Storage, over: dt.datetime | None = None) -> None:
    """Compact the months that have so many small files that reading and merging get slow.

    Those before the month of ``over`` get as few files as can be: they hardly change any more. A table to
    which another process commits meanwhile is left to the next call. What goes wrong is logged only: no row
    depends on it.
    """
    for layout in LAYOUTS:
        try:
            with (
                storage.errors("write") as deltalake,
                contextlib.suppress(deltalake.exceptions.CommitFailedError),
            ):
                # Larger files are left alone: a month under way is not written again and again.
                _compact(storage, layout, _SMALL, _MANY)
                if over is not None and layout.time is not None:
                    _compact(storage, layout, before=month_of(over))
        except FileError as error:
            _log.warning("small files of %s stay as they are: %s", layout.name, error)


def _compact(
    storage: Storage, layout: Layout, part: float = 1, least: int = 2, before: str | None = None
) -> int:
    """Put files smaller than that ``part`` of a whole one together, up to it.

    In months that have ``least`` of them or more, and, where it is given, are ``before`` another.
    """
    table = storage.open(layout)
    files = pa.table(table.get_add_actions(flatten=True))
    columns = ["path", "num_records", "size_bytes", *(f"partition.{name}" for name in layout.partition_by)]
    small = files.select(columns).to_pandas()
    size = small[["num_records", "size_bytes"]].div([_WHOLE_ROWS, _WHOLE_BYTES]).max(axis=1)
    small, size = small[size < part], size[size < part]
    month = small.get(f"partition.{MONTH}", pd.Series("", small.index))
    chosen = month.map(month.value_counts()).ge(least) & ((before is None) | (month < str(before)))
    nth = size[chosen].groupby(month).cumsum() // part  # of the files that these become
    groups = [list(group) for _, group in small["path"].groupby([month, nth]) if len(group) > 1]
    if not groups:
        return 0
    if layout is TURNS_LAYOUT and batch_of(table) != pointer_of(storage.open(TASKS_LAYOUT)).batch:
        return 0  # a batch is half written, by a process at work or killed: readers must not see it
    opened = open_files(table, layout.schema)
    parts = (read_files(opened, group) for group in groups)
    version = table.version() + 1
    replaced = [path for group in groups for path in group]
    replace_files(table, layout, parts, replaced, None, same_rows=True)
    if layout is TURNS_LAYOUT:
        publish(storage, turns=version)
    return len(replaced) - len(groups)


def vacuum(storage: Storage, older_than: dt.timedelta) -> int:
    """Delete files that no state younger than ``older_than`` needs; return how many."""
    Snapshot.open(storage)  # where there is no archive, none is made
    prepare(storage)
    erase(storage, storage.open(IDS_LAYOUT))
    snapshot = Snapshot.open(storage)
    kept = [(layout, snapshot.table(layout).version()) for layout in LAYOUTS]
    if workers := storage.find(WORKERS_LAYOUT):
        kept.append((WORKERS_LAYOUT, workers.version()))
    return sum(
        len(storage.change(functools.partial(_vacuum, storage, layout, version, span, full)))
        for layout, version in kept
        # Files that no commit names were left by a killed writer, or belong to a batch under way.
        for span, full in ((older_than, False), (max(older_than, _LONGEST_BATCH), True))
    )


def _vacuum(storage: Storage, layout: Layout, version: int, span: dt.timedelta, full: bool) -> list[str]:
    options: dict[str, Any] = {
        "retention_hours": math.ceil(span / dt.timedelta(hours=1)),
        "enforce_retention_duration": False,
        "full": full,
        "keep_versions": [version] if layout is TURNS_LAYOUT else None,
    }
    if not storage.open(layout).vacuum(dry_run=True, **options):
        return []  # a commit that deletes nothing would lengthen the log
    deleted: list[str] = storage.open(layout).vacuum(dry_run=False, **options)
    return deleted
