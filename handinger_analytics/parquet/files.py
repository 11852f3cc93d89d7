"""Frames as Parquet: one file, or a partitioned dataset; local or in a bucket.

Files hold the columns in the types of ``schema.py``, and the frame's provenance in their metadata, so
that the file of an incomplete fetch says so. Other readers (pandas, Polars, DuckDB, Spark) read them
as any Parquet.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from handinger_analytics import provenance
from handinger_analytics.arguments import column_names, utc_instant
from handinger_analytics.errors import FileError, FrameError
from handinger_analytics.locations import Place, file_errors, located, written
from handinger_analytics.parquet.datasets import (
    ROWS_PER_GROUP,
    damaged,
    metadata_entry,
    open_dataset,
    write_dataset,
)
from handinger_analytics.provenance import SCHEMA_VERSION
from handinger_analytics.tables.frames import DtypeBackend, encode_categories, from_pandas, to_pandas
from handinger_analytics.tables.schema import TASKS, TURNS, Column
from handinger_analytics.tables.selection import Columns, row_filter, selected_columns
from handinger_analytics.times import Moment

_KNOWN: dict[str, Column] = {column.name: column for column in (*TASKS, *TURNS)}
_NULLABLE = ("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64", "boolean")
_DTYPES_KEY = b"handinger.dtypes"
_ATTRS_KEY = b"PANDAS_ATTRS"  # where pandas' own reader looks for attrs
_METADATA_KEYS = (provenance.KEY.encode(), _ATTRS_KEY, _DTYPES_KEY)


def export_parquet(
    frame: pd.DataFrame,
    path: Place,
    *,
    partition_by: str | Iterable[str] | None = None,
    text: bool = True,
) -> None:
    """Write a frame as Parquet, all of it or nothing.

    Parameters
    ----------
    frame : DataFrame
        Tasks or turns, with further columns if you added some.
    path : str or path
        File to write, or folder with ``partition_by``; or a URI that ``pyarrow.fs`` knows
        (``s3://…``, ``gs://…``). A file that is there is replaced and its permissions are kept; so is a
        local folder if an earlier export made it. Links are followed, pipes and devices written to.
    partition_by : str or iterable of str, optional
        Columns that become a level of folders each (``worker_id=…/``), or ``"month"`` or ``"day"`` for
        the UTC month or day in which a turn started or a task was created.
    text : bool, default True
        False leaves out everything a person or a model wrote (inputs, outputs, structured outputs,
        files, titles), so that a cost file can be shared.

    Raises
    ------
    FrameError
        If the frame cannot be written as it is, or lacks a column of ``partition_by``; nothing is
        written.
    ArgumentError
        If ``partition_by`` is something else than names.
    FileError
        If the file cannot be written; what was there before is still there.

    Examples
    --------
    >>> ha.export_parquet(turns, "turns", partition_by="month")
    >>> len(ha.load_parquet("turns", since="2026-06-01"))
    163
    """
    table = _table_to_write(frame, text)
    if partition_by is None:
        with written(path) as stream:
            pq.write_table(table, stream, compression="zstd", row_group_size=ROWS_PER_GROUP)
    else:
        filesystem, target = located(path)
        with file_errors("write", path):
            write_dataset(table, filesystem, target, column_names(partition_by, "partition_by"))


def load_parquet(
    path: Place,
    *,
    columns: Columns = None,
    since: Moment = None,
    until: Moment = None,
    dtype_backend: DtypeBackend = "numpy",
) -> pd.DataFrame:
    """Read a file or dataset that `export_parquet` wrote.

    Parameters
    ----------
    path : str or path
        File, folder or URI.
    columns : str or iterable of str, optional
        Only these, one or several, in this order.
    since, until : str, date or aware datetime, optional
        Only turns started (tasks created) at ``since`` or later, and before ``until``. A date means
        its first instant in UTC. Only the parts of the file that can hold such rows are read.
    dtype_backend : {"numpy", "pyarrow"}
        Dtypes of the frame.

    Returns
    -------
    DataFrame
        With the dtypes and ``attrs`` of the frame that was written. Rows of a dataset come by
        partition.

    Raises
    ------
    FileError
        If there is no such file, it is not Parquet, or a newer version of this package wrote it.
    FrameError
        For a column that is not there.
    ArgumentError
        For a time without an offset, or a ``dtype_backend`` that is not known.

    Examples
    --------
    >>> ha.export_parquet(turns, "turns.parquet")
    >>> ha.load_parquet("turns.parquet").equals(turns)
    True
    >>> int(ha.load_parquet("turns.parquet", columns="credits")["credits"].sum())
    54512
    """
    start, end = utc_instant(since, "since"), utc_instant(until, "until")
    filesystem, source = located(path)
    with file_errors("read", path):
        _refuse_archive(filesystem, source, path)
        dataset = open_dataset(filesystem, source)
        present, metadata = dataset.schema.names, dataset.schema.metadata
        own, attrs, dtypes = (metadata_entry(metadata, key, dict, source) for key in _METADATA_KEYS)
        _require_known_version(own.get("schema", SCHEMA_VERSION), source)
        wanted = selected_columns(columns, present, repr(os.fspath(path)))
        table = dataset.to_table(columns=wanted, filter=row_filter(present, start, end))
        known = [_KNOWN[name] for name in wanted if name in _KNOWN]
        frame = to_pandas(encode_categories(table, known), known, dtype_backend=dtype_backend)
    if dtype_backend == "numpy":
        frame = _with_dtypes(frame, dtypes, source)
    frame.attrs.update(attrs)
    return frame


def _table_to_write(frame: pd.DataFrame, text: bool) -> pa.Table:
    if not isinstance(frame, pd.DataFrame):
        raise FrameError(
            f"expected a pandas DataFrame, found {type(frame).__name__}; convert it with .to_pandas()"
        )
    if not text:
        frame = frame.drop(columns=[name for name in frame if name in _KNOWN and _KNOWN[name].text])
    table = from_pandas(frame, _KNOWN)
    known = provenance.of(frame) or {"schema": SCHEMA_VERSION}
    attrs: Mapping[Any, Any] = frame.attrs if text else {provenance.KEY: known}
    try:
        metadata = {
            **provenance.as_metadata(known),
            _ATTRS_KEY: json.dumps(attrs),
            _DTYPES_KEY: json.dumps(_nullable_dtypes(frame)),
        }
    except TypeError as error:
        raise FrameError(
            f"the attrs of the frame cannot be kept as JSON ({error}): remove what is not plain data"
        ) from None
    return table.replace_schema_metadata(metadata)


def _nullable_dtypes(frame: pd.DataFrame) -> dict[str, str]:
    """Names and dtypes of columns with pandas' nullable dtypes, for which Arrow has no types of its own."""
    return {
        name: str(dtype)
        for name, dtype in frame.dtypes.items()
        if isinstance(name, str) and str(dtype) in _NULLABLE and name not in _KNOWN
    }


def _with_dtypes(frame: pd.DataFrame, dtypes: dict[str, Any], source: str) -> pd.DataFrame:
    if any(dtype not in _NULLABLE for dtype in dtypes.values()):
        raise damaged(source)
    try:
        return frame.astype({name: dtype for name, dtype in dtypes.items() if name in frame})
    except (TypeError, ValueError):
        raise damaged(source) from None


def _require_known_version(version: object, source: str) -> None:
    if not isinstance(version, int) or version > SCHEMA_VERSION:
        raise FileError(
            f"cannot read {source!r}: it has schema version {version}, this package knows up to "
            f"{SCHEMA_VERSION}; upgrade handinger-analytics"
        )


def _refuse_archive(filesystem: pafs.FileSystem, source: str, path: Place) -> None:
    """Refuse folders of Delta tables: rows that were replaced are in their files until a vacuum."""
    logs = filesystem.get_file_info([f"{source}/_delta_log", f"{source}/turns/_delta_log"])
    for log, folder in zip(logs, (os.path.dirname(source), source), strict=True):
        if log.type != pafs.FileType.NotFound:
            raise FileError(
                f"cannot read {os.fspath(path)!r} as Parquet: it is a Delta table, whose files hold replaced "
                f"rows, too. Archive({folder!r}) reads it if it is an archive, deltalake if it is not"
            )
