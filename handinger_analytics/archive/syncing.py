"""Which tasks are due, and the loop that fetches and records them batch by batch."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from handinger_analytics.api.client import Client, client_or_default
from handinger_analytics.archive.layout import (
    DELIVERED_AT,
    FINISHED_AT,
    IDS_LAYOUT,
    SYNCED_AT,
    TASKS_LAYOUT,
)
from handinger_analytics.archive.recording import (
    erase,
    publish,
    record_failures,
    record_rows,
    remember,
    revive,
    rows_of,
)
from handinger_analytics.archive.snapshot import Snapshot, dataset
from handinger_analytics.archive.storage import Storage
from handinger_analytics.archive.upkeep import compact_if_scattered
from handinger_analytics.arguments import check_span, check_word
from handinger_analytics.errors import FetchInterrupted
from handinger_analytics.fetching.fetched import Fetched
from handinger_analytics.fetching.pool import gather
from handinger_analytics.fetching.progress import Progress, ProgressBar
from handinger_analytics.fetching.result import FetchResult, raise_with_result
from handinger_analytics.tables.build import Failure
from handinger_analytics.tables.frames import failures_frame
from handinger_analytics.text import count, summary_html, summary_text
from handinger_analytics.times import milliseconds, now

Refresh = Literal["unfinished", "all"]

_COMPACT_EVERY = 8
_BATCH_SECONDS = 30.0


@dataclass(frozen=True)
class Policy:
    """When a task that is in the archive is fetched again.

    Attributes
    ----------
    refresh : {"unfinished", "all"}
        Only what was not final when it was last fetched, or everything.
    settle : datetime.timedelta
        A follow-up can reopen a finished task, so it counts as final only when it was fetched that long
        after its end.
    max_age : datetime.timedelta or None
        Fetch also what was last fetched longer ago than this.
    walked : frozenset of str
        Workers whose webhook log was just read down to what was known. It names the follow-ups of their
        tasks, so that ``settle`` is not needed.

    Raises
    ------
    ArgumentError
        For values that cannot be used.
    """

    refresh: Refresh
    settle: dt.timedelta
    max_age: dt.timedelta | None
    walked: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        check_word(self.refresh, "refresh", get_args(Refresh))
        check_span(self.settle, "settle")
        if self.max_age is not None:
            check_span(self.max_age, "max_age")


@dataclass(frozen=True, repr=False)
class SyncReport:
    """What a sync did.

    Attributes
    ----------
    fetched : int
        Tasks that were fetched with all their turns.
    skipped : int
        Tasks that were in the archive already, and final, or that were forgotten or deleted.
    new, changed : int
        Turns that were not in the archive, and turns that replaced an earlier state of theirs (also one
        of schema 1, which lacks ``fetched_at``).
    failed : DataFrame
        One row per task that could not be fetched, columns as in ``schema.FAILURES``. They are kept in
        the archive, too, and the next sync tries them first.
    left : int
        Tasks that are due and were not asked for, since somebody cancelled.
    duration : datetime.timedelta
        How long it took.
    """

    fetched: int
    skipped: int
    new: int
    changed: int
    failed: pd.DataFrame
    left: int
    duration: dt.timedelta

    @property
    def complete(self) -> bool:
        """Whether every task that was asked for is in the archive."""
        return not len(self.failed) and not self.left

    def summary(self) -> Iterator[tuple[str, str]]:
        """Yield what it says, as names and texts."""
        yield "tasks", f"{self.fetched:,} fetched, {self.skipped:,} skipped"
        yield "turns", f"{self.new:,} new, {self.changed:,} changed"
        yield "not fetched", f"{len(self.failed):,}; see .failed" if len(self.failed) else "none"
        if self.left:
            yield "cancelled", f"{count(self.left, 'task')} not asked for; sync again"
        yield "duration", f"{self.duration.total_seconds():.1f} s"

    def __repr__(self) -> str:
        return summary_text("SyncReport", self.summary())

    def _repr_html_(self) -> str:
        return summary_html("SyncReport", self.summary())


@dataclass(frozen=True)
class Plan:
    """What a sync has to do.

    Attributes
    ----------
    due : pyarrow.ChunkedArray of string
        Ids to fetch, beginning with those that could not be fetched before.
    skipped : int
        Ids that were asked for and need not be fetched, or were forgotten or deleted.
    failing : frozenset of str
        Ids with a failure in the archive.
    ids_version : int
        Version of ``ids`` that has them all.
    delivered : pyarrow.Table
        The newest delivery that is known of each known id.
    seen : tuple of int
        The `Pointer.seen` before and after, where the plan is about all known ids.
    """

    due: pa.ChunkedArray
    skipped: int
    failing: frozenset[str]
    ids_version: int
    delivered: pa.Table
    seen: tuple[int, int] | None


def plan(storage: Storage, task_ids: Sequence[str] | None, policy: Policy, moment: dt.datetime) -> Plan:
    """Remember the ids and decide which of them to fetch; None stands for all known ids."""
    ids_version = remember(storage, task_ids or ())
    snapshot = Snapshot.open(storage)
    erase(storage, snapshot.ids)
    with storage.errors("read"):
        failing, forgotten = snapshot.failures["task_id"].combine_chunks(), snapshot.forgotten
        known = dataset(snapshot.ids, IDS_LAYOUT, internal=(DELIVERED_AT,)).to_table(
            columns=["task_id", DELIVERED_AT]
        )
        wanted = known["task_id"].combine_chunks() if task_ids is None else pa.array(task_ids, pa.string())
        internal = (SYNCED_AT, FINISHED_AT, DELIVERED_AT)
        seen = dataset(snapshot.tasks, TASKS_LAYOUT, internal=internal).to_table(
            columns=["task_id", "worker_id", *internal]
        )
    others = pc.invert(pc.is_in(wanted, value_set=failing))
    due = pc.and_(others, _is_due(rows_of(seen, wanted), rows_of(known, wanted), policy, moment))
    if task_ids is not None and policy.refresh == "all":
        revive(storage, forgotten.filter(pc.is_in(forgotten, value_set=wanted)).combine_chunks())
    else:
        due = pc.and_not(due, pc.is_in(wanted, value_set=forgotten))
    due = pc.and_not(due, pc.is_in(wanted, value_set=snapshot.deleted))
    return Plan(
        due=pa.chunked_array([failing, wanted.filter(due)]),
        skipped=others.true_count - due.true_count,
        failing=frozenset(failing.to_pylist()),
        ids_version=ids_version,
        delivered=known,
        seen=(snapshot.pointer.seen, _newest(known)) if task_ids is None else None,
    )


def _newest(known: pa.Table) -> int:
    newest = pc.max(known[DELIVERED_AT]).as_py()
    return 0 if newest is None else milliseconds(newest)


def _is_due(seen: pa.Table, known: pa.Table, policy: Policy, moment: dt.datetime) -> pa.Array:
    """Decide by what was recorded of each task, and what is known of its id now."""
    if policy.refresh == "all":
        return pa.repeat(True, seen.num_rows)
    settled = pc.greater_equal(pc.subtract(seen[SYNCED_AT], seen[FINISHED_AT]), _span(policy.settle))
    was_walked = pc.is_in(seen["worker_id"], value_set=pa.array(policy.walked, pa.string()))
    settled = pc.or_(pc.fill_null(settled, False), pc.and_(was_walked, seen[FINISHED_AT].is_valid()))
    was_delivered = pc.greater(known[DELIVERED_AT], seen[DELIVERED_AT])
    was_delivered = pc.coalesce(was_delivered, known[DELIVERED_AT].is_valid())
    due = pc.or_(pc.invert(settled), was_delivered)
    age = pc.subtract(pa.scalar(moment, seen[SYNCED_AT].type), seen[SYNCED_AT])
    due = pc.or_(due, pc.fill_null(pc.less(age, _span(dt.timedelta(0))), True))  # stamped by a wrong clock
    if policy.max_age is not None:
        due = pc.or_(due, pc.greater(age, _span(policy.max_age)))
    return due.combine_chunks()


def _span(length: dt.timedelta) -> pa.Scalar:
    return pa.scalar(min(length, _LONGEST), pa.duration("us"))


_LONGEST = dt.timedelta(microseconds=2**63 - 1)


class Sync:
    """One run: fetches what is due and records it, a batch at a time.

    Parameters
    ----------
    storage : Storage
        Where the archive is.
    todo : Plan
        What to do.
    moment : datetime or None
        The time to record; None takes it from the clock, batch by batch.
    """

    def __init__(self, storage: Storage, todo: Plan, moment: dt.datetime | None) -> None:
        self._storage = storage
        self._todo = todo
        self._moment = moment
        self._ids_version = todo.ids_version
        self._started = time.monotonic()
        self._fetched = self._recorded = self._done = 0
        self._new = self._changed = 0
        self._failures: list[Failure] = []

    def run(
        self, client: Client | None, batch: int, progress: Progress, cancel: threading.Event | None
    ) -> SyncReport:
        """Work through the plan; what was fetched before an error or Ctrl-C is recorded first."""
        due = self._todo.due
        begun = self._moment or now()
        with ProgressBar(len(due), progress) as bar:
            bar.show(0)
            if len(due):
                with client_or_default(client) as used:
                    self._work(batch, used, bar, cancel)
        left, ended = len(due) - self._done, self._moment or now()
        if not left:
            compact_if_scattered(self._storage, ended)
        sync, seen = (None, None) if left else ((begun, ended), self._todo.seen)
        publish(self._storage, ids=self._ids_version, sync=sync, seen=seen)
        return SyncReport(
            fetched=self._fetched,
            skipped=self._todo.skipped,
            new=self._new,
            changed=self._changed,
            failed=failures_frame(self._failures),
            left=left,
            duration=dt.timedelta(seconds=time.monotonic() - self._started),
        )

    def _work(self, batch: int, client: Client, bar: ProgressBar, cancel: threading.Event | None) -> None:
        # Recording in a thread beside the fetch takes longer: both want the interpreter's lock.
        due = self._todo.due

        def show(done: int, failed: int, pause: float) -> None:
            bar.show(self._done + done, len(self._failures) + failed, pause)

        while self._done < len(due):
            task_ids = due[self._done : self._done + batch].to_pylist()
            begun = self._moment or now()
            fetched, error = gather(client, task_ids, show=show, cancel=cancel, seconds=_BATCH_SECONDS)
            try:
                self._record(fetched, begun)
            except KeyboardInterrupt as interrupt:  # what came is recorded all the same
                self._record(fetched, begun)
                error = interrupt
            if isinstance(error, KeyboardInterrupt):
                raise FetchInterrupted(
                    f"interrupted after {self._fetched:,} of {len(due):,} tasks; they are in the archive",
                    FetchResult(fetched),
                ) from None
            if error is not None:
                raise_with_result(error, FetchResult(fetched))
            if cancel is not None and cancel.is_set():
                return
            if self._recorded % _COMPACT_EVERY == 0:
                compact_if_scattered(self._storage)

    def _record(self, fetched: Fetched, begun: dt.datetime) -> None:
        rows, failures = fetched.whole_tasks(), list(fetched.failed.values())
        healed = self._todo.failing & {*rows.tasks["task_id"].to_pylist()}
        recorded = record_failures(self._storage, failures, healed, begun)
        self._ids_version = max(self._ids_version, recorded)
        if rows.tasks.num_rows:
            present = self._moment or now()
            written = record_rows(
                self._storage, rows, self._ids_version, begun, present, self._moment, self._todo.delivered
            )
            self._new += written.new
            self._changed += written.changed
        self._fetched += rows.tasks.num_rows
        self._done += len({*fetched.failed, *rows.task_positions.tolist()})
        self._failures += failures
        self._recorded += 1
