"""One consistent state of the three tables, the latest or an earlier one."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from handinger_analytics.archive.files import months, open_files
from handinger_analytics.archive.layout import (
    DELIVERED_AT,
    FAILED_AT,
    FORGOTTEN,
    GONE,
    IDS_LAYOUT,
    NOT_FETCHED,
    TASKS_LAYOUT,
    TURNS_LAYOUT,
    WORKERS_LAYOUT,
    Layout,
    stamp,
)
from handinger_analytics.archive.storage import Storage, batch_of, filesystem
from handinger_analytics.errors import FileError
from handinger_analytics.provenance import KEY, Provenance, made
from handinger_analytics.times import EPOCH, MILLISECOND, milliseconds

if TYPE_CHECKING:
    from deltalake import DeltaTable


UNPAIRED = "turns of a batch that was cut short may be shown, or turns be lost"
"""What it means for readers that a `Snapshot` is not paired."""

_ATTEMPTS = 3
_UNKNOWN = 2**62  # no table has such a version


@dataclass(frozen=True)
class Pointer:
    """What ``tasks`` notes, as application transactions of Delta Lake, about the tables it belongs with.

    Attributes
    ----------
    turns, ids : int
        Versions of the other tables that belong to this one.
    synced : int
        When the archive was last synced, in milliseconds since 1970 UTC; 0 for never.
    batch : int
        The `BATCH` of ``turns`` that was recorded last; -1 where ``turns`` did not count them yet. A higher
        number there is a batch whose tasks are not recorded.
    seen : int
        Of tasks with a delivery up to then, milliseconds since 1970 UTC, the change was fetched.
    """

    turns: int = 0
    ids: int = 0
    synced: int = 0
    batch: int = 0
    seen: int = 0

    def advanced(
        self,
        turns: int = 0,
        ids: int = 0,
        batch: int = -1,
        sync: tuple[dt.datetime, dt.datetime] | None = None,
        seen: tuple[int, int] | None = None,
    ) -> Pointer:
        """Return a pointer to the later version of each table: versions never go back.

        ``seen`` is its value when a sync began, and what it is to be unless a discovery lowered it since.
        ``sync`` is when a sync began, and the current time. A recorded time of a sync that is in the
        future comes from a wrong clock and is dropped.
        """
        began, now = map(milliseconds, sync) if sync else (0, self.synced)  # without a sync it stays
        synced = max(began, self.synced if self.synced <= now else 0)
        newest = seen[1] if seen and seen[0] == self.seen else self.seen
        return Pointer(max(self.turns, turns), max(self.ids, ids), synced, max(self.batch, batch), newest)

    @property
    def synced_at(self) -> dt.datetime | None:
        """When the archive was last synced, UTC; None for never."""
        return EPOCH + self.synced * MILLISECOND if self.synced else None

    @property
    def transactions(self) -> dict[str, int]:
        """The pointer as ``tasks`` notes it."""
        return {f"{KEY}.{name}": number for name, number in dataclasses.asdict(self).items()}


def pointer_of(tasks: DeltaTable) -> Pointer:
    """Return the pointer that ``tasks`` noted last, up to this version.

    It survives checkpoints, the cleanup of the log, and whatever other tools do to the table.
    """
    noted = [tasks.transaction_version(name) for name in Pointer().transactions]
    if None in noted[:-1]:  # what was seen came later
        return _earlier_pointer(tasks)
    return Pointer(*(number or 0 for number in noted))


def _earlier_pointer(tasks: DeltaTable) -> Pointer:
    """Look in the commits, where earlier versions of this package noted it."""
    files = filesystem(tasks)
    for version in range(tasks.version(), 0, -1):
        try:
            with files.open_input_file(f"_delta_log/{version:020}.json") as file:
                actions = [json.loads(line) for line in file.read().splitlines()]
        except FileNotFoundError:
            return Pointer(turns=_UNKNOWN, batch=-1)
        for action in actions:
            found = action.get("commitInfo", {}).get(KEY)
            if isinstance(found, dict):
                return Pointer(**found, batch=-1)
    return Pointer()


@dataclass(frozen=True)
class Snapshot:
    """The tables of one state.

    Attributes
    ----------
    storage : Storage
        Where the archive is.
    ids, turns, tasks : DeltaTable
        Opened at versions that belong together.
    pointer : Pointer
        What ``tasks`` notes about them.
    paired : bool
        False if the state that ``tasks`` names cannot be opened: the tables are at their latest versions,
        so turns may be of a batch whose tasks are not recorded.
    latest : bool
        Whether it is the latest state, of which webhook logs tell.
    """

    storage: Storage
    ids: DeltaTable
    turns: DeltaTable
    tasks: DeltaTable
    pointer: Pointer
    paired: bool = True
    latest: bool = True

    @classmethod
    def open(cls, storage: Storage, version: int | None = None, attempts: int = _ATTEMPTS) -> Snapshot:
        """Open the state after the last batch that was written in full, or an earlier one.

        Parameters
        ----------
        storage : Storage
            Where the archive is.
        version : int, optional
            Version of ``tasks``. The latest state comes with the latest ``ids``, which may know more
            tasks than were fetched.
        attempts : int
            How often to try. Writers may move on while a reader opens one table after the other, and
            delete from the log what it wants to open next.
        """
        with ThreadPoolExecutor(2) as pool:  # opening is mostly waiting for the storage
            opened = [pool.submit(storage.open, layout) for layout in (IDS_LAYOUT, TURNS_LAYOUT)]
            tasks = storage.open(TASKS_LAYOUT, version)
        ids, turns = (each.result() for each in opened)
        try:
            with storage.errors("read"):
                pointer = pointer_of(tasks)
                recorded = turns.version() >= pointer.turns and batch_of(turns) <= pointer.batch
            if pointer.turns == _UNKNOWN:  # to look for it would take for ever
                raise FileError(
                    f"cannot read the archive {storage.shown!r}: its log does not say any more which turns "
                    "belong to this state; read a later one"
                )
            if turns.version() != pointer.turns and (version is not None or not recorded):
                turns = storage.open(TURNS_LAYOUT, pointer.turns)
            if version is not None:
                ids = storage.open(IDS_LAYOUT, pointer.ids)
            elif ids.version() < pointer.ids:
                ids = storage.open(IDS_LAYOUT)
            whole = ids.version() >= pointer.ids and batch_of(turns) >= pointer.batch
            return cls(storage, ids, turns, tasks, pointer, whole, version is None)
        except FileError:
            if version is not None:
                raise
        if attempts > 1:
            return cls.open(storage, attempts=attempts - 1)
        with storage.errors("read"):
            return cls(storage, ids, turns, tasks, pointer_of(tasks), paired=False)

    def table(self, layout: Layout) -> DeltaTable:
        """Return the table of a layout."""
        tables: dict[str, DeltaTable] = {"ids": self.ids, "turns": self.turns, "tasks": self.tasks}
        return tables[layout.name]

    @property
    def failures(self) -> pa.Table:
        """Ids that could not be fetched, columns as in ``schema.FAILURES``."""
        others = pa.array(NOT_FETCHED)
        return self._marked.filter(pc.invert(pc.is_in(self._marked["stage"], value_set=others)))

    @property
    def forgotten(self) -> pa.ChunkedArray:
        """Ids that are not to be fetched any more."""
        return staged(self._marked, FORGOTTEN)

    @property
    def deleted(self) -> pa.ChunkedArray:
        """Ids that are never fetched again."""
        return staged(self._marked, *GONE)

    @cached_property
    def _marked(self) -> pa.Table:
        return marked_ids(self.ids)

    @cached_property
    def missing(self) -> int:
        """How many known tasks are not recorded, and neither forgotten nor deleted."""
        others = staged(self._marked, *NOT_FETCHED)
        unrecorded = len(others) - self._recorded(others)
        return max(0, int(self.ids.count() - self.tasks.count() - unrecorded))  # ids may have been lost

    def _recorded(self, task_ids: pa.ChunkedArray) -> int:
        """How many of a few ids have their task recorded."""
        if not len(task_ids):
            return 0
        named = pc.field("task_id").isin(task_ids.combine_chunks())
        return int(dataset(self.tasks, TASKS_LAYOUT).count_rows(filter=named))

    @cached_property
    def logs(self) -> pa.Table:
        """How far the webhook logs of workers are known; none of a past state."""
        return known_logs(self.storage if self.latest else None)

    @property
    def silent(self) -> int:
        """How many workers have a log that tells nothing of their tasks."""
        return int(pc.count(self.logs["silent"]).as_py())

    @cached_property
    def changed(self) -> int:
        """How many recorded tasks have a later delivery than the newest known when they were fetched."""
        if not self.logs.num_rows:
            return 0
        unseen = EPOCH + (self.pointer.seen + 1) * MILLISECOND
        pruning = [(DELIVERED_AT, ">=", unseen)]  # mostly no file has any
        later = (pc.field(DELIVERED_AT) >= stamp(unseen)) & pc.field(FAILED_AT).is_null()
        known = open_files(self.ids, IDS_LAYOUT.schema, pruning).to_table(
            columns=["task_id", DELIVERED_AT], filter=later
        )
        if not known.num_rows:
            return 0
        recorded = dataset(self.tasks, TASKS_LAYOUT, internal=(DELIVERED_AT,)).to_table(
            columns=["task_id", DELIVERED_AT], filter=pc.field("task_id").isin(known["task_id"].unique())
        )
        positions = pc.index_in(recorded["task_id"], value_set=known["task_id"].combine_chunks())
        is_later = pc.greater(known[DELIVERED_AT].take(positions), recorded[DELIVERED_AT])
        return int(pc.sum(pc.fill_null(is_later, True)).as_py() or 0)

    @property
    def provenance(self) -> Provenance:
        """Provenance of the frames that are read from this state."""
        failed = self.missing + self._recorded(self.failures["task_id"]) + self.changed
        requested = self.tasks.count() + self.missing
        complete = failed == 0 and self.paired and not self.silent
        return made(requested, failed, complete, self.pointer.synced_at)


def marked_ids(ids: DeltaTable) -> pa.Table:
    """Return the ids that could not be fetched, were forgotten or deleted, as in ``schema.FAILURES``."""
    pruning = f"{FAILED_AT} IS NOT NULL"  # mostly no file has any
    return open_files(ids, IDS_LAYOUT.schema, pruning).to_table(
        columns=IDS_LAYOUT.public_schema.names, filter=pc.field(FAILED_AT).is_valid()
    )


def staged(marked: pa.Table, *stages: str) -> pa.ChunkedArray:
    """Return those of the `marked_ids` that have one of these stages."""
    return marked.filter(pc.is_in(marked["stage"], value_set=pa.array(stages)))["task_id"]


def known_ids(ids: DeltaTable) -> pa.ChunkedArray:
    """Return all ids but those that are forgotten or deleted."""
    rows = open_files(ids, IDS_LAYOUT.schema).to_table(columns=["task_id", "stage"])
    return rows.filter(pc.invert(pc.is_in(rows["stage"], value_set=pa.array(NOT_FETCHED))))["task_id"]


def known_logs(storage: Storage | None) -> pa.Table:
    """Return how far the webhook logs of workers are known, columns as in ``schema.WORKER_LOGS``."""
    if storage is None or (workers := storage.find(WORKERS_LAYOUT)) is None:  # nothing was discovered yet
        return WORKERS_LAYOUT.public_schema.empty_table()
    return dataset(workers, WORKERS_LAYOUT).to_table().sort_by("worker_id")


def dataset(
    table: DeltaTable,
    layout: Layout,
    *,
    internal: tuple[str, ...] = (),
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
) -> ds.Dataset:
    """Open the rows of a table with the types of ``schema.py`` (categories as strings).

    Parameters
    ----------
    table : DeltaTable
        Opened at the version to read.
    layout : Layout
        Of that table.
    internal : tuple of str
        Columns that only the archive uses, to read them too.
    since, until : datetime, optional
        Leave out the months before and after; rows are not filtered.
    """
    stored = layout.schema
    wanted = [*layout.public_schema, *map(stored.field, internal)]
    partition = map(stored.field, layout.partition_by)
    opened = open_files(table, pa.schema([*wanted, *partition]), months(layout, since, until))
    return opened.replace_schema(pa.schema(wanted))


def version_at(storage: Storage, moment: dt.datetime) -> int:
    """Return the version of ``tasks`` that was the latest at a moment.

    Raises
    ------
    FileError
        If the log does not reach back that far.
    """
    with storage.errors("read"):
        commits = storage.open(TASKS_LAYOUT).history()
    for commit in commits:
        if commit["timestamp"] <= milliseconds(moment):
            return int(commit["version"])
    begin = "later"  # another tool may have deleted all commits, and left a checkpoint
    if commits:
        first = EPOCH + commits[-1]["timestamp"] * MILLISECOND
        begin = f"at {first.isoformat(timespec='seconds')}"
    raise FileError(
        f"the archive {storage.shown!r} has no state at {moment.isoformat()}: its log begins {begin}"
    )
