"""Frames as Parquet: one file, or a partitioned dataset; local or in a bucket.

Files hold the columns in the types of ``schema.py``, and in their metadata the frame's provenance,
so that a file of a half-fetched week says so. Other readers (pandas, Polars, DuckDB, Spark) read
them as any Parquet.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import json
import operator
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from handinger_analytics.errors import FileError, FrameError
from handinger_analytics.frames import DtypeBackend, encode_categories, from_pandas, to_pandas
from handinger_analytics.schema import METADATA_KEY, SCHEMA_VERSION, TASKS, TIMESTAMP, TURNS, Column
from handinger_analytics.times import utc_instant

_KNOWN: dict[str, Column] = {column.name: column for column in (*TASKS, *TURNS)}
_TIME_COLUMNS = ("started_at", "created_at")
_PERIODS = {"day": "%Y-%m-%d", "month": "%Y-%m"}
_ATTRS_KEY = b"PANDAS_ATTRS"  # where pandas' own reader looks for attrs
_PARTITIONS_KEY = b"handinger.partition_by"
_SCHEMA_FILE = "_common_metadata"
_ROWS_PER_GROUP = 65_536


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
    filesystem, target = _located(path)
    with _file_errors("write", path):
        if partition_by is None:
            _write_file(table, filesystem, target)
        else:
            names = [partition_by] if isinstance(partition_by, str) else list(partition_by)
            _write_dataset(table, filesystem, target, names)


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
    filesystem, source = _located(path)
    with _file_errors("read", path):
        dataset = _opened_dataset(filesystem, source)
        attrs = _attrs_in(dataset.schema.metadata, path)
        wanted = _wanted(columns, dataset.schema.names, path)
        table = dataset.to_table(columns=wanted, filter=_time_filter(dataset.schema.names, since, until))
    known = [_KNOWN[name] for name in wanted if name in _KNOWN]
    frame = to_pandas(encode_categories(table, known), known, dtype_backend=dtype_backend)
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
    provenance = frame.attrs.get(METADATA_KEY, {"schema": SCHEMA_VERSION})
    attrs: Mapping[Any, Any] = frame.attrs if text else {METADATA_KEY: provenance}
    try:
        metadata = {METADATA_KEY.encode(): json.dumps(provenance), _ATTRS_KEY: json.dumps(attrs)}
    except TypeError as error:
        raise FrameError(
            f"the attrs of the frame cannot be kept as JSON ({error}): remove what is not plain data"
        ) from None
    return table.replace_schema_metadata(metadata)


def _located(path: str | os.PathLike[str]) -> tuple[pafs.FileSystem, str]:
    """File system and the path within it."""
    text = os.fspath(path)
    if "://" in text:
        try:
            filesystem, within = pafs.FileSystem.from_uri(text)
        except (pa.ArrowInvalid, OSError) as error:
            raise FileError(f"{text!r} is not a URI that can be used: {error}") from None
        return filesystem, within
    return pafs.LocalFileSystem(), str(Path(text).expanduser().absolute())


@contextlib.contextmanager
def _file_errors(verb: str, path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn what goes wrong with a file into a `FileError`."""
    try:
        yield
    except (FileError, FrameError):
        raise
    except FileNotFoundError as error:
        raise FileError(f"cannot {verb} {os.fspath(path)!r}: no such file or folder ({error})") from None
    except (OSError, pa.ArrowException) as error:
        raise FileError(f"cannot {verb} {os.fspath(path)!r}: {error}") from error


def _write_file(table: pa.Table, filesystem: pafs.FileSystem, target: str) -> None:
    """Write beside the target, then put it in place in one step."""
    folder, _, name = target.rpartition("/")
    temporary = f"{folder}/.{name}.{uuid.uuid4().hex}.tmp"
    try:
        with filesystem.open_output_stream(temporary) as stream:
            pq.write_table(table, stream, compression="zstd", row_group_size=_ROWS_PER_GROUP)
        _sync(filesystem, temporary)
        filesystem.move(temporary, target)
        _sync(filesystem, folder)
    except BaseException:
        with contextlib.suppress(OSError):
            filesystem.delete_file(temporary)
        raise


def _sync(filesystem: pafs.FileSystem, path: str) -> None:
    """Make a local file or folder survive a power cut; elsewhere the service does."""
    if isinstance(filesystem, pafs.LocalFileSystem):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _write_dataset(table: pa.Table, filesystem: pafs.FileSystem, target: str, names: list[str]) -> None:
    complete_schema = table.schema
    table = _with_periods(table, names)
    local = isinstance(filesystem, pafs.LocalFileSystem)
    folder, _, name = target.rpartition("/")
    place = f"{folder}/.{name}.{uuid.uuid4().hex}.tmp" if local else target
    _require_replaceable(filesystem, target, local)
    try:
        ds.write_dataset(
            table,
            place,
            filesystem=filesystem,
            format="parquet",
            file_options=ds.ParquetFileFormat().make_write_options(compression="zstd"),
            partitioning=_partitioning(table.schema, names),
            basename_template="part-{i}.parquet",
            max_partitions=max(1, table.select(names).group_by(names).aggregate([]).num_rows),
            max_rows_per_group=_ROWS_PER_GROUP,
        )
        filesystem.create_dir(place, recursive=True)
        with filesystem.open_output_stream(f"{place}/{_SCHEMA_FILE}") as stream:
            pq.write_metadata(_with_partitions_noted(complete_schema, names), stream)
        if local:
            _swap_in(place, target)
    finally:
        if local:
            shutil.rmtree(place, ignore_errors=True)


def _with_periods(table: pa.Table, names: list[str]) -> pa.Table:
    """Add the month or day columns that are asked for, and refuse names that are neither."""
    for name in names:
        if name in table.column_names:
            continue
        if name not in _PERIODS:
            raise FrameError(
                f"partition_by names {name!r}, which is no column of the frame; it has "
                f"{', '.join(table.column_names)}, and 'month' and 'day' can be made"
            )
        instants = table[_time_column(table.column_names)]
        table = table.append_column(name, pc.strftime(instants, format=_PERIODS[name]))
    return table


def _partitioning(schema: pa.Schema, names: list[str]) -> ds.Partitioning:
    fields = [schema.field(name) for name in names]
    plain = [
        pa.field(f.name, f.type.value_type if pa.types.is_dictionary(f.type) else f.type) for f in fields
    ]
    return ds.partitioning(pa.schema(plain), flavor="hive")


def _with_partitions_noted(schema: pa.Schema, names: list[str]) -> pa.Schema:
    return schema.with_metadata({**schema.metadata, _PARTITIONS_KEY: json.dumps(names)})


def _require_replaceable(filesystem: pafs.FileSystem, target: str, local: bool) -> None:
    """Refuse to write a dataset over anything but an earlier one."""
    info = filesystem.get_file_info(target)
    if info.type == pafs.FileType.NotFound:
        return
    if info.type == pafs.FileType.File:
        raise FileError(f"cannot write a dataset to {target!r}: a file is there; choose another name")
    entries = filesystem.get_file_info(pafs.FileSelector(target))
    if entries and not (local and any(entry.base_name == _SCHEMA_FILE for entry in entries)):
        raise FileError(
            f"cannot write a dataset to {target!r}: the folder has other things in it; "
            "choose an empty or new one"
        )


def _swap_in(place: str, target: str) -> None:
    """Put a finished folder in place of an older one."""
    if not os.path.exists(target):
        os.rename(place, target)
        return
    old = f"{place}.old"
    os.rename(target, old)
    try:
        os.rename(place, target)
    except OSError:
        os.rename(old, target)
        raise
    shutil.rmtree(old)


def _opened_dataset(filesystem: pafs.FileSystem, source: str) -> ds.Dataset:
    schema_file = f"{source}/{_SCHEMA_FILE}"
    if filesystem.get_file_info(schema_file).type == pafs.FileType.NotFound:
        return ds.dataset(source, filesystem=filesystem, format="parquet")
    with filesystem.open_input_file(schema_file) as stream:
        schema = pq.read_schema(stream)
    names = json.loads(schema.metadata[_PARTITIONS_KEY])
    levels = [name for name in names if name in schema.names]
    periods = [pa.field(name, pa.string()) for name in names if name not in schema.names]
    partitioning = _partitioning(pa.schema([*schema, *periods]), names)
    for name in levels:
        index, field = schema.get_field_index(name), schema.field(name)
        if pa.types.is_dictionary(field.type):
            schema = schema.set(index, field.with_type(field.type.value_type))
    return ds.dataset(
        source, schema=schema, filesystem=filesystem, format="parquet", partitioning=partitioning
    )


def _attrs_in(metadata: dict[bytes, bytes] | None, path: str | os.PathLike[str]) -> dict[str, Any]:
    """Attrs of the frame that was written; none for a file that came from elsewhere."""
    metadata = metadata or {}
    try:
        provenance = json.loads(metadata.get(METADATA_KEY.encode(), b"{}"))
        attrs: dict[str, Any] = json.loads(metadata.get(_ATTRS_KEY, b"{}"))
        version = provenance.get("schema", SCHEMA_VERSION)
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


def _wanted(columns: Sequence[str] | None, present: list[str], path: str | os.PathLike[str]) -> list[str]:
    if columns is None:
        return present
    wanted = [columns] if isinstance(columns, str) else list(columns)
    if missing := [name for name in wanted if name not in present]:
        raise FrameError(f"{os.fspath(path)!r} has no column {missing[0]!r}; it has {', '.join(present)}")
    return wanted


def _time_column(names: Sequence[str]) -> str:
    for name in _TIME_COLUMNS:
        if name in names:
            return name
    raise FrameError(f"there is no time column ({' or '.join(_TIME_COLUMNS)}); there are {', '.join(names)}")


def _time_filter(
    names: Sequence[str], since: str | dt.date | None, until: str | dt.date | None
) -> pc.Expression | None:
    first, end = utc_instant(since, "since"), utc_instant(until, "until")
    if first is None and end is None:
        return None
    instant = pc.field(_time_column(names))
    conditions = [instant >= pa.scalar(first, TIMESTAMP)] if first else []
    conditions += [instant < pa.scalar(end, TIMESTAMP)] if end else []
    return functools.reduce(operator.and_, conditions)
