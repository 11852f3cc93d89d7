"""An archive to read from."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any, Literal, TypedDict, Unpack, get_args, overload
from urllib.parse import unquote

import pandas as pd
import pyarrow.compute as pc

from handinger_analytics.archive.files import newest_first, open_files
from handinger_analytics.archive.layout import IDS_LAYOUT, TASKS_LAYOUT, TURNS_LAYOUT
from handinger_analytics.archive.reading import Engine, read, warn_if_incomplete
from handinger_analytics.archive.snapshot import UNPAIRED, Snapshot, known_ids
from handinger_analytics.archive.status import ArchiveStatus, status
from handinger_analytics.archive.storage import Storage
from handinger_analytics.arguments import check_word
from handinger_analytics.errors import PartialDataWarning
from handinger_analytics.tables.frames import DtypeBackend
from handinger_analytics.tables.selection import Columns
from handinger_analytics.times import Moment

TableName = Literal["tasks", "turns"]


class Options(TypedDict, total=False):
    """Options of `ArchiveView.tasks` and `ArchiveView.turns`, for type checkers."""

    since: Moment
    until: Moment
    where: pc.Expression | None
    dtype_backend: DtypeBackend


class ArchiveView:
    """One state of an archive, to read from; `Archive.as_of` returns those of the past.

    Parameters
    ----------
    storage : Storage
        Where the archive is.
    version : int or None
        Which state; None is the latest, whenever it is read.
    """

    def __init__(self, storage: Storage, version: int | None = None) -> None:
        self._storage = storage
        self._version = version

    def __repr__(self) -> str:
        at = "" if self._version is None else f" as of version {self._version}"
        return f"<{type(self).__name__} {self._storage.shown}{at}>"

    @property
    def uri(self) -> str:
        """Where it is, as it was given; ``repr`` shows it without secrets."""
        return self._storage.uri

    @overload
    def tasks(
        self, columns: Columns = ..., *, engine: Literal["pandas"] = ..., **options: Unpack[Options]
    ) -> pd.DataFrame: ...
    @overload
    def tasks(self, columns: Columns = ..., *, engine: Engine, **options: Unpack[Options]) -> Any: ...
    def tasks(
        self,
        columns: Columns = None,
        *,
        since: Moment = None,
        until: Moment = None,
        where: pc.Expression | None = None,
        engine: Engine = "pandas",
        dtype_backend: DtypeBackend = "numpy",
    ) -> Any:
        """Read tasks, one row each; parameters as in `turns`, times are those of ``created_at``.

        Returns
        -------
        DataFrame, LazyFrame, DuckDBPyRelation or Dataset
            Columns as in ``schema.TASKS``.

        Raises
        ------
        FileError, FrameError, ArgumentError
            As `turns`.

        Examples
        --------
        >>> archive = ha.Archive("archive")
        >>> with ha.Sandbox(tasks=20) as sandbox, sandbox.client() as client:
        ...     report = archive.sync(sandbox.task_ids, client=client)
        >>> archive.tasks(["task_id", "credits"]).shape
        (20, 2)
        """
        with self._opened() as snapshot:
            return read(snapshot, TASKS_LAYOUT, columns, since, until, where, engine, dtype_backend)

    @overload
    def turns(
        self, columns: Columns = ..., *, engine: Literal["pandas"] = ..., **options: Unpack[Options]
    ) -> pd.DataFrame: ...
    @overload
    def turns(self, columns: Columns = ..., *, engine: Engine, **options: Unpack[Options]) -> Any: ...
    def turns(
        self,
        columns: Columns = None,
        *,
        since: Moment = None,
        until: Moment = None,
        where: pc.Expression | None = None,
        engine: Engine = "pandas",
        dtype_backend: DtypeBackend = "numpy",
    ) -> Any:
        """Read turns, one row each; only the columns and months that are asked for are read.

        Parameters
        ----------
        columns : str or iterable of str, optional
            Only these, one or several, in this order.
        since, until : str, date or aware datetime, optional
            Only turns that started at ``since`` or later, and before ``until``. A date means its first
            instant in UTC.
        where : pyarrow.compute.Expression, optional
            Only rows for which it is true, such as ``pc.field("worker_id") == "wrk_1"``. Months are left
            out by ``since`` and ``until`` alone.
        engine : {"pandas", "polars", "duckdb", "pyarrow"}
            "polars" gives a LazyFrame, "duckdb" a relation, "pyarrow" a Dataset (which takes its columns
            when it is read). They read when they are used, and `spend` and the others take them.
        dtype_backend : {"numpy", "pyarrow"}
            Dtypes of the pandas frame.

        Returns
        -------
        DataFrame, LazyFrame, DuckDBPyRelation or Dataset
            Columns as in ``schema.TURNS``, rows in no particular order. ``attrs["handinger"]`` of a
            DataFrame, and the metadata of a Dataset's schema, say whether all known tasks are there, and
            as ``fetched_at`` when the last sync was. In the column ``fetched_at`` a turn that has not
            changed keeps the time of the sync that brought it; it is null for rows of schema 1.

        Warns
        -----
        PartialDataWarning
            If they are not, for Polars and DuckDB, whose frames carry no metadata. On every engine if the
            tables do not belong together, which `sync` repairs: another tool deleted a state from the log.

        Raises
        ------
        FileError
            If there is no archive or it cannot be read.
        FrameError
            For a column that is not there.
        ArgumentError
            For a time without an offset, an unknown engine or one that is not installed, or a ``where``
            that cannot be applied.

        Examples
        --------
        >>> archive = ha.Archive("archive")
        >>> with ha.Sandbox(tasks=20) as sandbox, sandbox.client() as client:
        ...     report = archive.sync(sandbox.task_ids, client=client)
        >>> archive.turns("credits", since="2026-06-01").columns.to_list()
        ['credits']
        """
        with self._opened() as snapshot:
            return read(snapshot, TURNS_LAYOUT, columns, since, until, where, engine, dtype_backend)

    def files(self, table: TableName) -> list[str]:
        """Return the Parquet files of the present state, for engines that read files.

        Parameters
        ----------
        table : {"tasks", "turns"}
            Which table.

        Returns
        -------
        list of str
            Absolute paths, or addresses in the bucket, the newest first. They stay until a `vacuum` after
            they were replaced. Besides the columns of ``schema.py`` they hold ``synced_at`` (and those of
            tasks ``finished_at``, ``began_at`` and ``delivered_at``). Files of schema 1 lack
            ``fetched_at`` and ``extra``. Beside newer ones they are read with nulls by pandas, by Polars
            with ``missing_columns="insert"``, DuckDB with ``union_by_name`` and Spark with
            ``mergeSchema``.

        Warns
        -----
        PartialDataWarning
            If known tasks are missing: a list of files cannot say so.

        Raises
        ------
        FileError
            If there is no archive or it cannot be read.
        ArgumentError
            For another table.

        Examples
        --------
        Spark reads the archive without any Delta package, ``spark.read.parquet(*archive.files("turns"))``:

        >>> archive = ha.Archive("archive")
        >>> with ha.Sandbox(tasks=20) as sandbox, sandbox.client() as client:
        ...     report = archive.sync(sandbox.task_ids, client=client)
        >>> len(pd.read_parquet(archive.files("tasks")))
        20
        """
        check_word(table, "table", get_args(TableName))
        with self._opened() as snapshot:
            warn_if_incomplete(snapshot, "what is computed from these files", stacklevel=3)
            uris = newest_first(getattr(snapshot, table))
        return [uri if "://" in uri else unquote(uri) for uri in uris]

    def known_ids(self) -> list[str]:
        """Return the ids of all tasks that it knows, fetched or not, but not those forgotten or deleted.

        Only the table of ids is read: they are given out also if the rest is damaged or of a later schema,
        so that another archive can be synced with them. Where that table is lost, the tasks are read.

        Returns
        -------
        list of str
            Sorted.

        Warns
        -----
        PartialDataWarning
            If the table of ids is lost: ids that were not fetched are missing.

        Raises
        ------
        FileError
            If there is no archive or its ids cannot be read.

        Examples
        --------
        >>> archive = ha.Archive("archive")
        >>> with ha.Sandbox(tasks=20) as sandbox, sandbox.client() as client:
        ...     report = archive.sync(sandbox.task_ids, client=client)
        >>> archive.known_ids() == sorted(sandbox.task_ids)
        True
        """
        with self._storage.errors("read"):
            if self._version is not None:
                ids = known_ids(Snapshot.open(self._storage, self._version).ids)
            elif (table := self._storage.find(IDS_LAYOUT)) is not None:
                ids = known_ids(table)
            else:
                tasks = self._storage.open_any(TASKS_LAYOUT)
                ids = open_files(tasks, TASKS_LAYOUT.schema).to_table(columns=["task_id"])["task_id"]
                reason = "has lost its table ids; these are the ids of its tasks"
                message = f"the archive {self._storage.shown!r} {reason}"
                warnings.warn(message, PartialDataWarning, stacklevel=2)
            return sorted(ids.to_pylist())

    def status(self) -> ArchiveStatus:
        """Count rows, files and bytes, and what is unfinished, missing or could not be fetched.

        Returns
        -------
        ArchiveStatus
            With these as attributes, and ``.complete``.

        Raises
        ------
        FileError
            If there is no archive or it cannot be read.

        Examples
        --------
        >>> archive = ha.Archive("archive")
        >>> with ha.Sandbox(tasks=20) as sandbox, sandbox.client() as client:
        ...     report = archive.sync(sandbox.task_ids, client=client)
        >>> archive.status().complete
        True
        """
        with self._opened() as snapshot:
            return status(snapshot)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[Snapshot]:
        snapshot = Snapshot.open(self._storage, self._version)
        with self._storage.errors("read"):
            if not snapshot.paired:
                message = f"the archive {self._storage.shown!r} is not whole: {UNPAIRED}; sync repairs it"
                warnings.warn(message, PartialDataWarning, stacklevel=4)
            yield snapshot
