"""One consistent state of the three tables, the latest or an earlier one."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from handinger_analytics import provenance
from handinger_analytics.archive.layout import (
    FAILED_AT,
    FORGOTTEN,
    IDS_LAYOUT,
    MONTH,
    TASKS_LAYOUT,
    TURNS_LAYOUT,
    Layout,
    month_of,
)
from handinger_analytics.archive.storage import Storage, filesystem
from handinger_analytics.errors import FileError
from handinger_analytics.provenance import SCHEMA_VERSION

if TYPE_CHECKING:
    from deltalake import DeltaTable


_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_LAST = dt.datetime.max.replace(tzinfo=dt.UTC)
_MILLISECOND = dt.timedelta(milliseconds=1)


@dataclass(frozen=True)
class Pairing:
    """What goes with a version of ``tasks``.

    Attributes
    ----------
    turns, ids : int
        Versions of the other tables.
    synced : int
        When the archive was last synced, in milliseconds since 1970 UTC; 0 for never.
    """

    turns: int = 0
    ids: int = 0
    synced: int = 0

    def advanced(
        self, turns: int = 0, ids: int = 0, synced_at: dt.datetime = _EPOCH, now: dt.datetime = _LAST
    ) -> Pairing:
        """Return the later of each, so that a recorded task keeps its turns.

        A sync that claims to be from after ``now`` had a wrong clock, and is no later.
        """
        synced, most = ((moment - _EPOCH) // _MILLISECOND for moment in (synced_at, now))
        before = self.synced if self.synced <= most else 0
        return Pairing(max(self.turns, turns), max(self.ids, ids), max(before, synced))

    @property
    def synced_at(self) -> dt.datetime | None:
        """When the archive was last synced, UTC; None for never."""
        return _EPOCH + dt.timedelta(milliseconds=self.synced) if self.synced else None

    @property
    def metadata(self) -> dict[str, int]:
        """As it is written into a commit."""
        return dataclasses.asdict(self)


def pairing_of(tasks: DeltaTable) -> Pairing:
    """Return the versions named by the latest commit of ours up to this version of ``tasks``.

    Commits of others, such as an OPTIMIZE by Spark, name none and change no rows. The log is read
    here because ``DeltaTable.history`` counts from the latest commit, whichever version is open.
    """
    for version in range(tasks.version(), 0, -1):
        for action in _actions(tasks, version):
            found = action.get("commitInfo", {}).get(provenance.KEY)
            if isinstance(found, dict):
                return Pairing(**found)
    return Pairing()


def same_rows(table: DeltaTable, version: int) -> bool:
    """Whether a table has the rows of an earlier version: what came since was the upkeep of files."""
    since = (action for later in range(version + 1, table.version() + 1) for action in _actions(table, later))
    moved = (action.get("add") or action.get("remove") for action in since)
    return not any(file["dataChange"] for file in moved if file)


def _actions(table: DeltaTable, version: int) -> list[dict[str, Any]]:
    with filesystem(table).open_input_file(f"_delta_log/{version:020}.json") as file:
        return [json.loads(line) for line in file.read().splitlines()]


@dataclass(frozen=True)
class Snapshot:
    """Tables of one state.

    Attributes
    ----------
    ids, turns, tasks : DeltaTable
        Opened at versions that belong together.
    synced_at : datetime or None
        When the archive was last synced, UTC.
    """

    ids: DeltaTable
    turns: DeltaTable
    tasks: DeltaTable
    synced_at: dt.datetime | None

    @classmethod
    def open(cls, storage: Storage, version: int | None = None) -> Snapshot:
        """Open the state after the last batch that was written in full, or an earlier one.

        Parameters
        ----------
        storage : Storage
            Where the archive is.
        version : int, optional
            Version of ``tasks``. The latest state comes with the latest ``ids``, which may know more
            tasks than were fetched.
        """
        with ThreadPoolExecutor(2) as pool:  # opening is mostly waiting for the storage
            opened = [pool.submit(storage.open, layout) for layout in (IDS_LAYOUT, TURNS_LAYOUT)]
            tasks = storage.open(TASKS_LAYOUT, version)
        ids, turns = (one.result() for one in opened)
        with storage.errors("read"):
            pairing = pairing_of(tasks)
            half_written = not same_rows(turns, pairing.turns)
        if version is not None or half_written or turns.version() < pairing.turns:
            turns = storage.open(TURNS_LAYOUT, pairing.turns)
        if version is not None or ids.version() < pairing.ids:
            ids = storage.open(IDS_LAYOUT, pairing.ids)
        return cls(ids, turns, tasks, pairing.synced_at)

    def table(self, layout: Layout) -> DeltaTable:
        """Table of a layout."""
        tables: dict[str, DeltaTable] = {"ids": self.ids, "turns": self.turns, "tasks": self.tasks}
        return tables[layout.name]

    @property
    def failures(self) -> pa.Table:
        """Failures that are still open, columns as in ``schema.FAILURES``."""
        return self._marked.filter(pc.not_equal(self._marked["stage"], FORGOTTEN))

    @property
    def forgotten(self) -> pa.ChunkedArray:
        """Ids that are not to be asked for any more."""
        return self._marked.filter(pc.equal(self._marked["stage"], FORGOTTEN))["task_id"]

    @cached_property
    def _marked(self) -> pa.Table:
        return marked_ids(self.ids)

    @cached_property
    def missing(self) -> int:
        """How many known tasks are not there and not forgotten."""
        forgotten = len(self.forgotten) - self._recorded(self.forgotten)
        return int(self.ids.count() - self.tasks.count() - forgotten)

    def _recorded(self, task_ids: pa.ChunkedArray) -> int:
        """How many of a few ids have their task there."""
        if not len(task_ids):
            return 0
        named = pc.field("task_id").isin(task_ids.combine_chunks())
        return int(dataset(self.tasks, TASKS_LAYOUT).count_rows(filter=named))

    @property
    def attrs(self) -> dict[str, Any]:
        """Provenance of the frames that are read from this state."""
        failed = self.missing + self._recorded(self.failures["task_id"])
        return {
            "schema": SCHEMA_VERSION,
            "requested": self.tasks.count() + self.missing,
            "failed": failed,
            "complete": failed == 0,
            "fetched_at": self.synced_at and self.synced_at.isoformat(timespec="milliseconds"),
        }


def marked_ids(ids: DeltaTable) -> pa.Table:
    """Rows of ``ids`` with a failure or forgotten, columns as in ``schema.FAILURES``."""
    files = ids.to_pyarrow_dataset(
        schema=IDS_LAYOUT.schema,
        filesystem=filesystem(ids),
        file_pruning_predicate=f"{FAILED_AT} IS NOT NULL",  # mostly no file has any
    )
    return files.to_table(columns=IDS_LAYOUT.plain.names, filter=pc.field(FAILED_AT).is_valid())


def dataset(
    table: DeltaTable,
    layout: Layout,
    *,
    extra: tuple[str, ...] = (),
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
) -> ds.Dataset:
    """Rows of a table with the types of ``schema.py`` (categories as strings).

    Parameters
    ----------
    table : DeltaTable
        Opened at the version to read.
    layout : Layout
        Of that table.
    extra : tuple of str
        Columns that only the archive uses, to read them too.
    since, until : datetime, optional
        Leave out months that lie before or after; rows are not filtered.
    """
    months = [(MONTH, ">=", month_of(since))] if since else []
    months += [(MONTH, "<=", month_of(until))] if until else []
    wanted = pa.schema([*layout.plain, *(layout.schema.field(name) for name in extra)])
    month = [layout.schema.field(MONTH)] if layout.time is not None and MONTH not in extra else []
    opened = table.to_pyarrow_dataset(
        schema=pa.schema([*wanted, *month]),
        filesystem=filesystem(table),
        file_pruning_predicate=months or None,
    )
    return opened.replace_schema(wanted)


def file_statistics(table: DeltaTable, name: str) -> pa.ChunkedArray | None:
    """One statistic of every file of a table, from its log; None for a table without files."""
    files = pa.table(table.get_add_actions(flatten=True))
    return files[name] if name in files.column_names else None


def version_at(storage: Storage, moment: dt.datetime) -> int:
    """Version of ``tasks`` that was the latest at a moment.

    Raises
    ------
    FileError
        If the log does not reach back that far.
    """
    tasks = storage.open(TASKS_LAYOUT)
    milliseconds = moment.timestamp() * 1000
    with storage.errors("read"):
        commits = tasks.history()
    for commit in commits:
        if commit["timestamp"] <= milliseconds:
            return int(commit["version"])
    first = dt.datetime.fromtimestamp(commits[-1]["timestamp"] / 1000, dt.UTC)
    raise FileError(
        f"the archive {storage.uri!r} has no state at {moment.isoformat()}: its log begins at "
        f"{first.isoformat(timespec='seconds')}"
    )
