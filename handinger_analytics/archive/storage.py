"""Where an archive is: opening, making and changing its tables, and the errors of the storage in words."""

from __future__ import annotations

import contextlib
import functools
import os
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import pyarrow as pa
import pyarrow.fs as pafs

from handinger_analytics import provenance
from handinger_analytics.archive.hints import hint_for, without_backtrace
from handinger_analytics.archive.layout import BATCH, LAYOUTS, TURNS_LAYOUT, Layout
from handinger_analytics.errors import ArgumentError, FileError
from handinger_analytics.locations import Place, located, place_text, shown_place
from handinger_analytics.provenance import SCHEMA_VERSION
from handinger_analytics.text import SECRET_NAME, masked, message_text

if TYPE_CHECKING:
    from deltalake import DeltaTable

T = TypeVar("T")

_SCHEMA_KEY = f"{provenance.KEY}.schema"
CHECKPOINT_EVERY = 10
"""Versions; opening a table reads the commits since the last checkpoint."""
_FILE_SIZE = 32 * 2**20  # for other tools that compact: a merge holds the files it changes in memory
_ATTEMPTS = 30
_LONGEST_PAUSE = 2.0
_UNUSABLE = re.compile(r"%[0-9A-Fa-f]{2}|[][|^\\\x01-\x1f\x7f]")  # deltalake misreads or crashes


@dataclass(frozen=True)
class Storage:
    """A folder, or a prefix in a bucket, that holds the tables of an archive.

    Attributes
    ----------
    uri : str
        Folder, or ``s3://…``, ``gs://…``, ``abfss://…``; not shown by ``repr``, as it may hold secrets.
    options : mapping of str to str
        Credentials and settings of the bucket, as ``deltalake`` takes them; not shown by ``repr``.
    shown : str
        The address as people may see it.
    """

    uri: str = field(repr=False)
    options: Mapping[str, str] = field(default_factory=dict, repr=False)
    shown: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "shown", shown_place(self.uri))

    @classmethod
    def at(cls, uri: Place, options: Mapping[str, str] | None = None) -> Storage:
        """Check where a user says an archive is.

        Raises
        ------
        ArgumentError
            ``uri`` or ``storage_options`` is of a wrong type.
        FileError
            ``uri`` cannot be used.
        """
        text = os.fspath(uri) if isinstance(uri, str | os.PathLike) else None
        if not isinstance(text, str) or not text.strip():
            raise ArgumentError.unexpected("uri", "a folder, or an address such as s3://bucket/prefix", uri)
        text = place_text(text, "uri")
        if "://" not in text or text.startswith("file://"):
            text = located(text, "uri")[1]
            if found := _UNUSABLE.search(text):
                raise FileError(
                    f"deltalake cannot use a path with {found[0]!r} in it: choose another than {text!r}"
                )
        return cls(text, _checked_options(options))

    def exists(self) -> bool:
        """Tell whether there is an archive."""
        *others, tasks = map(self.find, LAYOUTS)
        return tasks is not None or any(table is not None and table.version() for table in others)

    def create(self, layouts: Sequence[Layout] = LAYOUTS) -> dict[str, DeltaTable]:
        """Make the tables that are not there yet, and add to the others the columns that they lack.

        Parameters
        ----------
        layouts : sequence of Layout
            Of these tables.

        Returns
        -------
        dict of str to DeltaTable
            The tables that were there, by name.
        """
        with self.errors("write") as deltalake:
            found = {layout.name: table for layout in layouts if (table := self.find(layout)) is not None}
            for table in found.values():  # a later schema is refused before anything is changed
                self._check_schema(table)
            for layout in layouts:
                if (table := found.get(layout.name)) is None:
                    self.change(functools.partial(self._create, deltalake, layout))
                elif _lacking(table, layout) or _unnoted(table, layout):
                    self.change(functools.partial(self._upgrade, deltalake, layout))
        return found

    def _create(self, deltalake: Any, layout: Layout) -> None:
        # "ignore", because another process may have made the table in the meantime.
        deltalake.DeltaTable.create(
            self._uri(layout),
            schema=layout.schema,
            mode="ignore",
            partition_by=layout.partition_by,
            name=f"handinger {layout.name}",
            configuration={
                **_properties(layout),
                "delta.targetFileSize": str(_FILE_SIZE),
                "delta.deletedFileRetentionDuration": "interval 30 days",  # as long as the log
                "delta.checkpointInterval": str(CHECKPOINT_EVERY),
                "delta.dataSkippingStatsColumns": ",".join(layout.statistics),
            },
            raise_if_key_not_exists=False,
            storage_options=self._options,
        )

    def _upgrade(self, deltalake: Any, layout: Layout) -> None:
        """Add the columns that came later, then note the schema.

        In between, as before and after, the table is one that this version reads and writes. Rows that it
        has, and files of writers that did not know the columns, have nulls there.
        """
        table = self.open(layout)
        once = {
            "commit_properties": deltalake.CommitProperties(max_commit_retries=0),
            "post_commithook_properties": deltalake.PostCommitHookProperties(False, False),
        }
        if later := _lacking(table, layout):
            fields = deltalake.Schema.from_arrow(pa.schema(later)).fields
            table.alter.add_columns(fields, **once)
        if noted := _unnoted(table, layout):
            table.alter.set_table_properties(noted, raise_if_not_exists=False, **once)

    def open(self, layout: Layout, version: int | None = None) -> DeltaTable:
        """Open a table, the latest version of it by default.

        Raises
        ------
        FileError
            If it is not there, or its columns are of a later schema than this package knows.
        """
        table = self.open_any(layout, version)
        self._check_schema(table)
        return table

    def open_any(self, layout: Layout, version: int | None = None) -> DeltaTable:
        """Open a table like `open`, of a later schema, too."""
        if (table := self.find(layout, version)) is None:
            raise FileError(self._absence(layout, version))
        return table

    def find(self, layout: Layout, version: int | None = None) -> DeltaTable | None:
        """Open a table; None if it is not there.

        ``DeltaTable.is_deltatable`` would keep the interpreter's lock while it waits for the storage.
        """
        with self.errors("read") as deltalake:
            try:
                table: DeltaTable = deltalake.DeltaTable(
                    self._uri(layout), version=version, storage_options=self._options
                )
            except deltalake.exceptions.TableNotFoundError:
                return None
            if not _noted_schema(table):
                raise FileError(
                    f"{self.shown!r} holds Delta tables that this package did not write; "
                    "choose another folder"
                )
        if feature := _unreadable(table):
            raise FileError(
                f"cannot read the archive {self.shown!r}: another tool gave its table {layout.name} the "
                f"feature {feature} of Delta Lake; let that tool write it again without"
            )
        return table

    def _absence(self, layout: Layout, version: int | None) -> str:
        """Say what it means that a table, or a version of it, is not there."""
        present = [other.name for other in LAYOUTS if self.find(other) is not None]
        if layout.name in present:
            return (
                f"cannot read the archive {self.shown!r}: version {version} of its table {layout.name} is "
                "gone from the log, which is kept for 30 days; read a later state"
            )
        if present:
            advice = "sync() makes it again and fetches what was lost with it"
            return f"the archive {self.shown!r} lacks its table {layout.name}: its folder is gone; {advice}"
        maker = "Archive(…).sync(task_ids) makes one, and so does `handinger-analytics sync`"
        return f"there is no archive at {self.shown!r}; {maker}"

    def _check_schema(self, table: DeltaTable) -> None:
        if (found := _noted_schema(table)) > SCHEMA_VERSION:
            advice = "upgrade handinger-analytics, or sync its known_ids() into a new archive"
            raise FileError(
                f"the archive {self.shown!r} has columns of version {found}, this package knows "
                f"{SCHEMA_VERSION}: {advice}"
            )

    def change(self, change: Callable[[], T]) -> T:
        """Make a change, again while other writers commit first.

        ``change`` opens its tables anew, so that each attempt builds on what the others wrote. Pauses grow
        exponentially with full jitter (Brooker, *Exponential Backoff and Jitter*, 2015).
        """
        with self.errors("write") as deltalake:
            for attempt in range(1, _ATTEMPTS):
                try:
                    return change()
                except deltalake.exceptions.CommitFailedError:
                    time.sleep(random.uniform(0, min(_LONGEST_PAUSE, 0.05 * 2 ** (attempt - 1))))
            return change()

    @contextlib.contextmanager
    def errors(self, verb: Literal["read", "write"]) -> Iterator[Any]:
        """Turn errors of the storage into a `FileError` that says what to try; yields ``deltalake``."""
        try:
            import deltalake
            import deltalake.exceptions
        except ImportError:
            raise FileError(
                "an archive needs deltalake: pip install 'handinger-analytics[archive]'"
            ) from None
        try:
            yield deltalake
        except FileError:
            raise
        except (deltalake.exceptions.DeltaError, OSError, pa.ArrowException) as error:
            conflict = isinstance(error, deltalake.exceptions.CommitFailedError)
            raise FileError(self._message(verb, str(error), conflict)) from None

    def _message(self, verb: Literal["read", "write"], text: str, conflict: bool) -> str:
        for name, value in self.options.items():
            if SECRET_NAME.search(name) and value:
                text = text.replace(value, "***")
        text = message_text(masked(without_backtrace(text), self.uri), 500)
        hint = hint_for(text, verb, conflict)
        if verb == "read":
            return f"cannot read the archive {self.shown!r}: {hint}. ({text})"
        hint = f"{hint}. What was in the archive is as it was."
        return f"cannot write the archive {self.shown!r}: {hint} ({text})"

    def _uri(self, layout: Layout) -> str:
        return f"{self.uri.rstrip('/')}/{layout.name}"

    @property
    def _options(self) -> dict[str, str] | None:
        return dict(self.options) or None


def _noted_schema(table: DeltaTable) -> int:
    """Return the version of the columns that a table notes; 0 for a table of others."""
    found = table.metadata().configuration.get(_SCHEMA_KEY, "")
    return int(found) if found.isdecimal() else 0


def _unreadable(table: DeltaTable) -> str | None:
    """Return a feature of a table without which its rows would be read wrong."""
    found = {"deletionVectors", "columnMapping"}.intersection(table.protocol().reader_features or ())
    mapped = table.metadata().configuration.get("delta.columnMapping.mode", "none") != "none"
    return min(found, default="columnMapping" if mapped else None)


def _properties(layout: Layout) -> dict[str, str]:
    """Return the properties that a table must have.

    By default a commit to every tenth version deletes commits older than 30 days. After a quiet month the
    state of ``turns`` that ``tasks`` still names would be among them; its log is shortened by `note`.
    """
    kept = {"delta.enableExpiredLogCleanup": "false"} if layout is TURNS_LAYOUT else {}
    return {_SCHEMA_KEY: str(SCHEMA_VERSION), **kept}


def _unnoted(table: DeltaTable, layout: Layout) -> dict[str, str]:
    """Return the properties that a table was made without."""
    return dict(_properties(layout).items() - table.metadata().configuration.items())


def _lacking(table: DeltaTable, layout: Layout) -> list[pa.Field]:
    """Columns of a layout that a table was made without."""
    present = {field.name for field in table.schema().fields}
    return [field for field in layout.schema if field.name not in present]


def _checked_options(options: Mapping[str, str] | None) -> dict[str, str]:
    """Return a copy of the options; a message names types alone, since a value may be a secret."""
    if options is None:
        return {}
    found: object = type(options)
    if isinstance(options, Mapping):
        texts = {name for name, value in options.items() if isinstance(name, str) and isinstance(value, str)}
        found = {name: type(value) for name, value in options.items() if name not in texts}
    if found:
        raise ArgumentError.unexpected("storage_options", "a mapping of str to str", found)
    return dict(options)


def batch_of(turns: DeltaTable) -> int:
    """Return the number of the last batch that changed rows of ``turns``."""
    return turns.transaction_version(BATCH) or 0


def filesystem(table: DeltaTable) -> pafs.FileSystem:
    """Return the file system of a table, whose root is the folder of the table."""
    if table.table_uri.startswith("file://"):
        # Without Python in between, which would wait for its turn among the threads that fetch.
        local, folder = pafs.FileSystem.from_uri(table.table_uri)
        return pafs.SubTreeFileSystem(folder, local)
    from deltalake.fs import DeltaStorageHandler

    return pafs.PyFileSystem(DeltaStorageHandler(table.table_uri, table._storage_options))
