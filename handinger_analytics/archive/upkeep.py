"""Looking after the tables: what is in them, fewer and larger files, and no files of the past."""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import html
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from handinger_analytics.archive.layout import (
    FINISHED_AT,
    IDS_LAYOUT,
    LAYOUTS,
    MONTH,
    SYNCED_AT,
    TASKS_LAYOUT,
    TURNS_LAYOUT,
    Layout,
)
from handinger_analytics.archive.snapshot import Snapshot, dataset, file_statistics, pairing_of
from handinger_analytics.archive.storage import Storage, commit_properties, committed, conflict_error
from handinger_analytics.errors import FrameError
from handinger_analytics.frames import to_pandas
from handinger_analytics.schema import FAILURES

_FILES_PER_MONTH = 16


@dataclass(frozen=True)
class ArchiveStatus:
    """What an archive holds.

    Attributes
    ----------
    tasks, turns : int
        Rows.
    first_turn, last_turn : datetime.datetime or None
        Earliest and latest start of a turn, UTC.
    last_sync : datetime.datetime or None
        When a task was last fetched, UTC.
    size_bytes, files : int
        Data files of the present state.
    version : int
        Number of the present state, for ``as_of``; each batch makes one.
    unfinished : int
        Tasks in which something was going on when they were last seen.
    missing : int
        Known ids that were not fetched yet or failed.
    failures : DataFrame
        Failures that are still open, columns as in ``schema.FAILURES``.
    """

    tasks: int
    turns: int
    first_turn: dt.datetime | None
    last_turn: dt.datetime | None
    last_sync: dt.datetime | None
    size_bytes: int
    files: int
    version: int
    unfinished: int
    missing: int
    failures: pd.DataFrame = field(repr=False)

    @property
    def complete(self) -> bool:
        """Whether every known task is there, as of the last sync."""
        return not self.missing and not len(self.failures)

    def summary(self) -> list[tuple[str, str]]:
        """Lines to show, each with a name and a text."""
        return list(self._summary())

    def __repr__(self) -> str:
        return "ArchiveStatus\n  " + "\n  ".join(f"{name}: {value}" for name, value in self._summary())

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{name}</th><td style='text-align:left'>{html.escape(value)}</td></tr>"
            for name, value in self._summary()
        )
        return f"<table><caption>ArchiveStatus</caption>{rows}</table>"

    def _summary(self) -> Iterator[tuple[str, str]]:
        yield "tasks", f"{self.tasks:,}, {self.unfinished:,} of them unfinished"
        yield "turns", f"{self.turns:,}"
        if self.first_turn and self.last_turn:
            yield "period", f"{self.first_turn:%Y-%m-%d %H:%M} to {self.last_turn:%Y-%m-%d %H:%M} UTC"
        if self.last_sync:
            yield "last sync", f"{self.last_sync:%Y-%m-%d %H:%M} UTC"
        yield "size", f"{self.size_bytes / 1e6:,.1f} MB in {self.files:,} files"
        yield "version", f"{self.version}"
        if self.complete:
            yield "complete", "yes"
        else:
            yield "complete", f"NO: {self.missing:,} tasks missing, {len(self.failures):,} failed; see .failures"


def status(snapshot: Snapshot) -> ArchiveStatus:
    """Look at a state; sizes, counts and times come from the log, not from the data."""
    turns, tasks = snapshot.turns, snapshot.tasks
    starts = (file_statistics(turns, "min.started_at"), file_statistics(turns, "max.started_at"))
    synced = file_statistics(tasks, f"max.{SYNCED_AT}")
    sizes = [file_statistics(snapshot.table(layout), "size_bytes") for layout in LAYOUTS]
    open_ends = dataset(tasks, TASKS_LAYOUT, extra=(FINISHED_AT,)).count_rows(
        filter=pc.field(FINISHED_AT).is_null()
    )
    return ArchiveStatus(
        tasks=tasks.count(),
        turns=turns.count(),
        first_turn=_moment(pc.min, starts[0]),
        last_turn=_moment(pc.max, starts[1]),
        last_sync=_moment(pc.max, synced),
        size_bytes=sum(pc.sum(size).as_py() or 0 for size in sizes if size is not None),
        files=sum(len(size) for size in sizes if size is not None),
        version=tasks.version(),
        unfinished=open_ends,
        missing=snapshot.ids.count() - tasks.count(),
        failures=to_pandas(snapshot.failures, FAILURES),
    )


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
    tasks, table = storage.open(TASKS_LAYOUT), storage.open(layout)
    pairing = pairing_of(tasks)
    if layout is TURNS_LAYOUT and table.version() != pairing.turns:
        return 0  # a batch is half written, by a process at work or killed; readers are not to see it
    metrics = table.optimize.compact(
        writer_properties=writer_properties(), commit_properties=commit_properties(pairing.metadata)
    )
    fewer = int(metrics["numFilesRemoved"]) - int(metrics["numFilesAdded"])
    if fewer and layout is TURNS_LAYOUT:
        committed(functools.partial(_publish_turns, storage, table.version()))
    return fewer


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
        raise FrameError(f"older_than is {older_than!r}: expected a timedelta of 0 or more, such as timedelta(days=7)")
    snapshot = Snapshot.latest(storage)
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


def _moment(choose: Callable[[pa.ChunkedArray], pa.Scalar], times: pa.ChunkedArray | None) -> dt.datetime | None:
    return None if times is None else choose(times).as_py()
