"""What an archive holds, at a glance."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from handinger_analytics.archive.layout import FINISHED_AT, LAYOUTS, TASKS_LAYOUT
from handinger_analytics.archive.snapshot import Snapshot, dataset, file_statistics
from handinger_analytics.archive.summary import Summary
from handinger_analytics.tables.frames import to_pandas
from handinger_analytics.tables.schema import FAILURES


@dataclass(frozen=True, repr=False)
class ArchiveStatus(Summary):
    """What an archive holds.

    Attributes
    ----------
    tasks, turns : int
        Rows.
    first_turn, last_turn : datetime.datetime or None
        Earliest and latest start of a turn, UTC.
    last_sync : datetime.datetime or None
        When the archive was last synced, UTC, whether anything was due or not.
    size_bytes, files : int
        Data files of the present state.
    version : int
        Number of the present state, for ``as_of``; each batch makes one.
    unfinished : int
        Tasks in which something was going on when they were last seen.
    missing : int
        Known ids that were not fetched yet or failed.
    forgotten : int
        Ids that are not asked for any more, see `Archive.forget`.
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
    forgotten: int
    failures: pd.DataFrame

    @property
    def complete(self) -> bool:
        """Whether every known task is there, as of the last sync."""
        return not self.missing and not len(self.failures)

    def summary(self) -> Iterator[tuple[str, str]]:
        """Yield the lines that show it."""
        yield "tasks", f"{self.tasks:,}, {self.unfinished:,} of them unfinished"
        yield "turns", f"{self.turns:,}"
        if self.first_turn and self.last_turn:
            yield "period", f"{self.first_turn:%Y-%m-%d %H:%M} to {self.last_turn:%Y-%m-%d %H:%M} UTC"
        if self.last_sync:
            yield "last sync", f"{self.last_sync:%Y-%m-%d %H:%M} UTC"
        yield "size", f"{self.size_bytes / 1e6:,.1f} MB in {self.files:,} files"
        yield "version", f"{self.version}"
        if self.forgotten:
            yield "forgotten", f"{self.forgotten:,}"
        if self.complete:
            yield "complete", "yes"
        else:
            yield (
                "complete",
                f"NO: {self.missing:,} missing, {len(self.failures):,} failed; see .failures",
            )


def status(snapshot: Snapshot) -> ArchiveStatus:
    """Look at a state; sizes, counts and times come from the log, not from the data."""
    turns, tasks = snapshot.turns, snapshot.tasks
    starts = (file_statistics(turns, "min.started_at"), file_statistics(turns, "max.started_at"))
    sizes = [file_statistics(snapshot.table(layout), "size_bytes") for layout in LAYOUTS]
    open_ends = dataset(tasks, TASKS_LAYOUT, extra=(FINISHED_AT,)).count_rows(
        filter=pc.field(FINISHED_AT).is_null()
    )
    return ArchiveStatus(
        tasks=tasks.count(),
        turns=turns.count(),
        first_turn=_moment(pc.min, starts[0]),
        last_turn=_moment(pc.max, starts[1]),
        last_sync=snapshot.synced_at,
        size_bytes=sum(pc.sum(size).as_py() or 0 for size in sizes if size is not None),
        files=sum(len(size) for size in sizes if size is not None),
        version=tasks.version(),
        unfinished=open_ends,
        missing=snapshot.missing,
        forgotten=len(snapshot.forgotten),
        failures=to_pandas(snapshot.failures, FAILURES),
    )


def _moment(
    choose: Callable[[pa.ChunkedArray], pa.Scalar], times: pa.ChunkedArray | None
) -> dt.datetime | None:
    return None if times is None else choose(times).as_py()
