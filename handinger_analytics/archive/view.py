"""An archive to read from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, overload
from urllib.parse import unquote

import pandas as pd
import pyarrow.compute as pc

from handinger_analytics.archive.layout import TASKS_LAYOUT, TURNS_LAYOUT, Layout
from handinger_analytics.archive.reading import Engine, read, warn_if_incomplete
from handinger_analytics.archive.snapshot import Snapshot
from handinger_analytics.archive.status import ArchiveStatus, status
from handinger_analytics.archive.storage import Storage
from handinger_analytics.errors import FrameError
from handinger_analytics.tables.frames import DtypeBackend
from handinger_analytics.times import Moment


class ArchiveView:
    """One state of an archive, to read from; `Archive.as_of` gives those of the past.

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
        return f"<{type(self).__name__} {self.uri}{at}>"

    @property
    def uri(self) -> str:
        """Where it is."""
        return self._storage.uri

    @overload
    def tasks(
        self,
        columns: Sequence[str] | None = ...,
        *,
        since: Moment = ...,
        until: Moment = ...,
        where: pc.Expression | None = ...,
        engine: Literal["pandas"] = ...,
        dtype_backend: DtypeBackend = ...,
    ) -> pd.DataFrame: ...
    @overload
    def tasks(
        self,
        columns: Sequence[str] | None = ...,
        *,
        since: Moment = ...,
        until: Moment = ...,
        where: pc.Expression | None = ...,
        engine: Engine,
        dtype_backend: DtypeBackend = ...,
    ) -> Any: ...
    def tasks(
        self,
        columns: Sequence[str] | None = None,
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
        """
        return self._read(TASKS_LAYOUT, columns, since, until, where, engine, dtype_backend)

    @overload
    def turns(
        self,
        columns: Sequence[str] | None = ...,
        *,
        since: Moment = ...,
        until: Moment = ...,
        where: pc.Expression | None = ...,
        engine: Literal["pandas"] = ...,
        dtype_backend: DtypeBackend = ...,
    ) -> pd.DataFrame: ...
    @overload
    def turns(
        self,
        columns: Sequence[str] | None = ...,
        *,
        since: Moment = ...,
        until: Moment = ...,
        where: pc.Expression | None = ...,
        engine: Engine,
        dtype_backend: DtypeBackend = ...,
    ) -> Any: ...
    def turns(
        self,
        columns: Sequence[str] | None = None,
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
        columns : sequence of str, optional
            Only these, in this order.
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
            DataFrame, and the metadata of a Dataset's schema, say whether all known tasks are there.

        Warns
        -----
        PartialDataWarning
            If they are not, for Polars and DuckDB, whose frames carry nothing along.

        Raises
        ------
        FileError
            If there is no archive or it cannot be read.
        FrameError
            For a column that is not there, a time without an offset, or another engine.

        Examples
        --------
        >>> import tempfile
        >>> from handinger_analytics import Sandbox
        >>> from handinger_analytics.archive import Archive
        >>> archive = Archive(tempfile.mkdtemp())
        >>> with Sandbox(tasks=20) as sandbox:
        ...     report = archive.sync(sandbox.task_ids, client=sandbox.client())
        >>> archive.turns(["credits"], since="2026-06-01").columns.to_list()
        ['credits']
        """
        return self._read(TURNS_LAYOUT, columns, since, until, where, engine, dtype_backend)

    def files(self, table: Literal["tasks", "turns"]) -> list[str]:
        """Parquet files of the present state, for engines that read files.

        Parameters
        ----------
        table : {"tasks", "turns"}
            Which table.

        Returns
        -------
        list of str
            Absolute paths, or addresses in the bucket. They stay until a `vacuum` after they were
            replaced. Besides the columns of ``schema.py`` they hold ``synced_at`` (and those of tasks
            ``finished_at`` and ``began_at``).

        Warns
        -----
        PartialDataWarning
            If known tasks are missing: a list of files cannot say so.

        Examples
        --------
        Spark reads the archive without any Delta package::

            turns = spark.read.parquet(*archive.files("turns"))
            ha.spend(turns, by="worker_id")
        """
        layouts = {"tasks": TASKS_LAYOUT, "turns": TURNS_LAYOUT}
        if table not in layouts:
            raise FrameError(f"table is {table!r}; give 'tasks' or 'turns'")
        snapshot = Snapshot.open(self._storage, self._version)
        with self._storage.errors("read"):
            warn_if_incomplete(snapshot, "what is computed from these files", stacklevel=3)
            uris = snapshot.table(layouts[table]).file_uris()
        return [uri if "://" in uri else unquote(uri) for uri in uris]

    def status(self) -> ArchiveStatus:
        """Tell what is there: rows, period, size, version, unfinished and missing tasks, failures.

        Returns
        -------
        ArchiveStatus
            With these as attributes, and ``.complete``.
        """
        snapshot = Snapshot.open(self._storage, self._version)
        with self._storage.errors("read"):
            return status(snapshot)

    def _read(
        self,
        layout: Layout,
        columns: Sequence[str] | None,
        since: Moment,
        until: Moment,
        where: pc.Expression | None,
        engine: Engine,
        dtype_backend: DtypeBackend,
    ) -> Any:
        snapshot = Snapshot.open(self._storage, self._version)
        with self._storage.errors("read"):
            return read(snapshot, layout, columns, since, until, where, engine, dtype_backend)
