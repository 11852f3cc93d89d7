"""What an archive holds, at a glance."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from handinger_analytics.archive.layout import DELETING, FINISHED_AT, LAYOUTS, TASKS_LAYOUT
from handinger_analytics.archive.snapshot import UNPAIRED, Snapshot, dataset, marked_ids, staged
from handinger_analytics.tables.frames import to_pandas
from handinger_analytics.tables.schema import FAILURES, WORKER_LOGS
from handinger_analytics.text import count, summary_html, summary_text

if TYPE_CHECKING:
    from deltalake import DeltaTable


@dataclass(frozen=True, repr=False)
class ArchiveStatus:
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
        Tasks that were unfinished, or had an unfinished turn, when they were last fetched.
    missing : int
        Known ids without a recorded task, because they were not fetched yet or could not be fetched.
    forgotten : int
        Ids that are not fetched any more, see `Archive.forget`.
    changed : int
        Recorded tasks that a webhook log names as changed since they were last fetched.
    deleted, deleting : int
        Ids whose tasks were deleted, see `Archive.delete`, and where that was cut short; the next sync or
        vacuum completes it.
    failures : DataFrame
        Ids that could not be fetched, columns as in ``schema.FAILURES``.
    logs : DataFrame
        One row per worker whose webhook log was read, columns as in ``schema.WORKER_LOGS``: since when it
        is known (ids before that are not), and why nothing is known of the worker's tasks, if so.
    paired : bool
        False if turns of a batch that was cut short may be shown, or turns be lost; the next sync repairs it.
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
    deleted: int
    changed: int
    failures: pd.DataFrame
    logs: pd.DataFrame
    paired: bool = True
    deleting: int = 0

    @property
    def complete(self) -> bool:
        """Whether every known task is there, as of the last sync, and no worker is silent."""
        return self.paired and not (self.missing or len(self.failures) or self.changed or self._silent)

    @property
    def _silent(self) -> int:
        return int(self.logs["silent"].count())

    def summary(self) -> Iterator[tuple[str, str]]:
        """Yield what it says, as names and texts."""
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
        if self.deleted:
            yield "deleted", f"{self.deleted:,}"
        if self.deleting:
            yield "deleting", f"{self.deleting:,} being deleted; sync or vacuum completes it"
        if len(self.logs):
            since = "what came before known_since is known only where its ids were given"
            yield "webhook logs", f"of {count(len(self.logs), 'worker')}; {since}"
        lacking = []
        if self.missing or len(self.failures):
            lacking = [
                f"{self.missing:,} missing, {len(self.failures):,} could not be fetched; see .failures"
            ]
        if self.changed:
            lacking.append(f"{self.changed:,} changed since they were fetched; sync again")
        if self._silent:
            lacking.append(f"nothing is known of the tasks of {count(self._silent, 'worker')}; see .logs")
        if not self.paired:
            lacking.append(f"{UNPAIRED}; sync again")
        yield "complete", f"NO: {'; '.join(lacking)}" if lacking else "yes"

    def __repr__(self) -> str:
        return summary_text("ArchiveStatus", self.summary())

    def _repr_html_(self) -> str:
        return summary_html("ArchiveStatus", self.summary())


def status(snapshot: Snapshot) -> ArchiveStatus:
    """Look at a state; sizes, counts and times come from the log, not from the data."""
    sizes = [_from_log(snapshot.table(layout), "size_bytes") for layout in LAYOUTS]
    unfinished = dataset(snapshot.tasks, TASKS_LAYOUT, internal=(FINISHED_AT,)).count_rows(
        filter=pc.field(FINISHED_AT).is_null()
    )
    deleting = len(staged(marked_ids(snapshot.ids), DELETING))
    return ArchiveStatus(
        tasks=snapshot.tasks.count(),
        turns=snapshot.turns.count(),
        first_turn=pc.min(_from_log(snapshot.turns, "min.started_at")).as_py(),
        last_turn=pc.max(_from_log(snapshot.turns, "max.started_at")).as_py(),
        last_sync=snapshot.pointer.synced_at,
        size_bytes=sum(pc.sum(each).as_py() or 0 for each in sizes),
        files=sum(map(len, sizes)),
        version=snapshot.tasks.version(),
        unfinished=unfinished,
        missing=snapshot.missing,
        forgotten=len(snapshot.forgotten),
        deleted=len(snapshot.deleted) - deleting,
        deleting=deleting,
        changed=snapshot.changed,
        failures=to_pandas(snapshot.failures, FAILURES),
        logs=to_pandas(snapshot.logs, WORKER_LOGS),
        paired=snapshot.paired,
    )


def _from_log(table: DeltaTable, name: str) -> pa.ChunkedArray:
    """One statistic of every file of a table; empty for a table without files."""
    files = pa.table(table.get_add_actions(flatten=True))
    return files[name] if name in files.column_names else pa.chunked_array([], pa.null())
