"""One consistent state of the three tables, the latest or an earlier one."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from handinger_analytics.archive.layout import (
    FAILED_AT,
    IDS_LAYOUT,
    MONTH,
    SYNCED_AT,
    TASKS_LAYOUT,
    TURNS_LAYOUT,
    Layout,
)
from handinger_analytics.archive.storage import Storage, filesystem
from handinger_analytics.errors import FileError
from handinger_analytics.schema import METADATA_KEY, SCHEMA_VERSION

if TYPE_CHECKING:
    from deltalake import DeltaTable


@dataclass(frozen=True)
class Pairing:
    """Versions of the other tables that go with a version of ``tasks``."""

    turns: int = 0
    ids: int = 0

    def at_least(self, turns: int, ids: int) -> Pairing:
        """Return the later version of each: a task that is recorded keeps its turns."""
        return Pairing(max(self.turns, turns), max(self.ids, ids))

    @property
    def metadata(self) -> dict[str, int]:
        """As it is written into a commit."""
        return {"turns": self.turns, "ids": self.ids}


def pairing_of(tasks: DeltaTable) -> Pairing:
    """Return the versions named by the latest commit of ours up to this version of ``tasks``.

    Commits of others, such as an OPTIMIZE by Spark, name none and change no rows. The log is read
    here because ``DeltaTable.history`` counts from the latest commit, whichever version is open.
    """
    log = filesystem(tasks)
    for version in range(tasks.version(), 0, -1):
        with log.open_input_file(f"_delta_log/{version:020}.json") as file:
            actions = [json.loads(line) for line in file.read().splitlines()]
        for action in actions:
            found = action.get("commitInfo", {}).get(METADATA_KEY)
            if isinstance(found, dict):
                return Pairing(int(found["turns"]), int(found["ids"]))
    return Pairing()


@dataclass(frozen=True)
class Snapshot:
    """Tables of one state.

    Attributes
    ----------
    ids, turns, tasks : DeltaTable
        Opened at versions that belong together.
    """

    ids: DeltaTable
    turns: DeltaTable
    tasks: DeltaTable

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
        tasks = storage.open(TASKS_LAYOUT, version)
        with storage.errors("read"):
            pairing = pairing_of(tasks)
        ids = storage.open(IDS_LAYOUT, None if version is None else pairing.ids)
        return cls(ids, storage.open(TURNS_LAYOUT, pairing.turns), tasks)

    def table(self, layout: Layout) -> DeltaTable:
        """Table of a layout."""
        tables: dict[str, DeltaTable] = {"ids": self.ids, "turns": self.turns, "tasks": self.tasks}
        return tables[layout.name]

    @cached_property
    def failures(self) -> pa.Table:
        """Failures that are still open, columns as in ``schema.FAILURES``."""
        files = self.ids.to_pyarrow_dataset(
            schema=IDS_LAYOUT.schema,
            filesystem=filesystem(self.ids),
            file_pruning_predicate=f"{FAILED_AT} IS NOT NULL",  # mostly no file has any
        )
        return files.to_table(columns=IDS_LAYOUT.plain.names, filter=pc.field(FAILED_AT).is_valid())

    @property
    def attrs(self) -> dict[str, Any]:
        """Provenance of the frames that are read from this state."""
        known, failed = self.ids.count(), self.failures.num_rows
        synced = file_statistics(self.tasks, f"max.{SYNCED_AT}")
        fetched_at = pc.max(synced).as_py() if synced is not None else None
        return {
            "schema": SCHEMA_VERSION,
            "requested": known,
            "failed": failed,
            "complete": failed == 0 and self.tasks.count() == known,
            "fetched_at": None if fetched_at is None else fetched_at.isoformat(timespec="milliseconds"),
        }


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
    months = [(MONTH, ">=", f"{since:%Y-%m}")] if since else []
    months += [(MONTH, "<=", f"{until:%Y-%m}")] if until else []
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
