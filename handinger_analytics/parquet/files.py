"""Frames as Parquet: one file, or a partitioned dataset; local or in a bucket.

Files hold the columns in the types of ``schema.py``, and in their metadata the frame's provenance,
so that a file of a half-fetched week says so. Other readers (pandas, Polars, DuckDB, Spark) read
them as any Parquet.
"""

from __future__ import annotations

import datetime as dt
import functools
import json
import operator
import os
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from handinger_analytics import provenance
from handinger_analytics.arguments import utc_instant
from handinger_analytics.errors import FileError, FrameError
from handinger_analytics.locations import file_errors, located, replaced
from handinger_analytics.parquet.datasets import ROWS_PER_GROUP, opened_dataset, time_column, write_dataset
from handinger_analytics.provenance import SCHEMA_VERSION
from handinger_analytics.tables.frames import DtypeBackend, encode_categories, from_pandas, to_pandas
from handinger_analytics.tables.schema import TASKS, TIMESTAMP, TURNS, Column

_KNOWN: dict[str, Column] = {column.name: column for column in (*TASKS, *TURNS)}
_NULLABLE = ("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64", "boolean")
_DTYPES_KEY = b"handinger.dtypes"
_ATTRS_KEY = b"PANDAS_ATTRS"  # where pandas' own reader looks for attrs


def export_parquet(
    frame: pd.DataFrame,
    path: str | os.PathLike[str],
    *,
    partition_by: str | Sequence[str] | None = None,
    text: bool = True,
) -> None:
    """Write a frame as Parquet, all of it or nothing.

    Parameters
    ----------
    frame : DataFrame
        Tasks or turns, with further columns if you added some.
    path : str or path
        File to write, or folder with ``partition_by``; or a URI that ``pyarrow.fs`` knows
        (``s3://…``, ``gs://…``). What is there is replaced, a folder only if it is such a dataset.
    partition_by : str or sequence of str, optional
        Columns to make a folder level of (``worker_id=…/``), or ``"month"`` or ``"day"`` for the UTC
        month or day in which a turn started or a task was created.
    text : bool, default True
        False leaves out everything a person or a model wrote (inputs, outputs, structured outputs,
        files, titles), so that a cost file can be shared.

    Raises
    ------
    FrameError
        If the frame cannot be written as it is; nothing is written.
    FileError
        If the file cannot be written; what was there before is still there.

    Examples
    --------
    >>> import handinger_analytics as ha, tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp(), "turns.parquet")
    >>> turns = ha.parse_bodies([]).turns
    >>> ha.export_parquet(turns, path)
    >>> ha.load_parquet(path).equals(turns)
    True
    """
    table = _table_to_write(frame, text)
    filesystem, target = located(path)
    with file_errors("write", path):
        if partition_by is None:
            _write_file(table, filesystem, target)
        else:
            names = [partition_by] if isinstance(partition_by, str) else list(partition_by)
            write_dataset(table, filesystem, target, names)


def load_parquet(
    path: str | os.PathLike[str],
    *,
    columns: Sequence[str] | None = None,
    since: str | dt.date | None = None,
    until: str | dt.date | None = None,
    dtype_backend: DtypeBackend = "numpy",
) -> pd.DataFrame:
    """Read a file or dataset that `export_parquet` wrote.

    Parameters
    ----------
    path : str or path
        File, folder or URI.
    columns : sequence of str, optional
        Only these, in this order.
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
        For a column that is not there, or a time without an offset.
    """
    filesystem, source = located(path)
    with file_errors("read", path):
        _refuse_archive(filesystem, source, path)
        dataset = opened_dataset(filesystem, source)
        attrs = _attrs_in(dataset.schema.metadata, path)
        wanted = _wanted(columns, dataset.schema.names, path)
        table = dataset.to_table(columns=wanted, filter=_time_filter(dataset.schema.names, since, until))
    known = [_KNOWN[name] for name in wanted if name in _KNOWN]
    frame = to_pandas(encode_categories(table, known), known, dtype_backend=dtype_backend)
    if dtype_backend == "numpy":
        dtypes = json.loads((dataset.schema.metadata or {}).get(_DTYPES_KEY, b"{}"))
        frame = frame.astype({name: dtype for name, dtype in dtypes.items() if name in wanted})
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


def _write_file(table: pa.Table, filesystem: pafs.FileSystem, target: str) -> None:
    with replaced(filesystem, target) as stream:
        pq.write_table(table, stream, compression="zstd", row_group_size=ROWS_PER_GROUP)


def _nullable_dtypes(frame: pd.DataFrame) -> dict[str, str]:
    """Columns of pandas' nullable numbers and booleans, which Arrow does not tell from plain ones."""
    return {
        name: str(dtype)
        for name, dtype in frame.dtypes.items()
        if isinstance(name, str) and str(dtype) in _NULLABLE and name not in _KNOWN
    }


def _attrs_in(metadata: dict[bytes, bytes] | None, path: str | os.PathLike[str]) -> dict[str, Any]:
    """Attrs of the frame that was written; none for a file that came from elsewhere."""
    try:
        attrs: dict[str, Any] = json.loads((metadata or {}).get(_ATTRS_KEY, b"{}"))
        version = provenance.in_metadata(metadata).get("schema", SCHEMA_VERSION)
    except (ValueError, AttributeError):
        raise FileError(
            f"cannot read {os.fspath(path)!r}: its metadata is damaged; export it again"
        ) from None
    if not isinstance(version, int) or version > SCHEMA_VERSION:
        raise FileError(
            f"cannot read {os.fspath(path)!r}: it has schema version {version}, this package knows up to "
            f"{SCHEMA_VERSION}; upgrade handinger-analytics"
        )
    return attrs


def _refuse_archive(filesystem: pafs.FileSystem, source: str, path: str | os.PathLike[str]) -> None:
    """Refuse the folders of a Delta table, whose files hold replaced rows, too."""
    logs = filesystem.get_file_info([f"{source}/_delta_log", f"{source}/turns/_delta_log"])
    for log, folder in zip(logs, (os.path.dirname(source), source), strict=True):
        if log.type != pafs.FileType.NotFound:
            raise FileError(
                f"cannot read {os.fspath(path)!r} as Parquet: it is a Delta table, whose files hold replaced "
                f"rows, too. Archive({folder!r}) reads it if it is an archive, deltalake if it is not"
            )


def _wanted(columns: Sequence[str] | None, present: list[str], path: str | os.PathLike[str]) -> list[str]:
    if columns is None:
        return present
    wanted = [columns] if isinstance(columns, str) else list(dict.fromkeys(columns))
    if missing := [name for name in wanted if name not in present]:
        raise FrameError(f"{os.fspath(path)!r} has no column {missing[0]!r}; it has {', '.join(present)}")
    return wanted


def _time_filter(
    names: Sequence[str], since: str | dt.date | None, until: str | dt.date | None
) -> pc.Expression | None:
    first, end = utc_instant(since, "since"), utc_instant(until, "until")
    if first is None and end is None:
        return None
    instant = pc.field(time_column(names))
    conditions = [instant >= pa.scalar(first, TIMESTAMP)] if first else []
    conditions += [instant < pa.scalar(end, TIMESTAMP)] if end else []
    return functools.reduce(operator.and_, conditions)
