"""Frames as Parquet: one file, or a partitioned dataset; local or in a bucket.

Files hold the columns in the types of ``schema.py``, and the frame's provenance in their metadata, so
that the file of an incomplete fetch says so. Other readers (pandas, Polars, DuckDB, Spark) read them
as any Parquet.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from handinger_analytics import provenance
from handinger_analytics.arguments import column_names, utc_instant
from handinger_analytics.errors import ArgumentError, FileError, FrameError
from handinger_analytics.locations import Place, file_errors, located, shown_place, written
from handinger_analytics.parquet import datasets
from handinger_analytics.provenance import SCHEMA_VERSION
from handinger_analytics.tables.frames import DtypeBackend, encode_categories, from_pandas, to_pandas
from handinger_analytics.tables.schema import EXTRA, FETCHED_AT, TASKS, TURNS, Column
from handinger_analytics.tables.selection import Columns, row_filter, rows_of, selected_columns
from handinger_analytics.times import Moment

_KNOWN: dict[str, Column] = {column.name: column for column in (*TASKS, *TURNS)}
_NULLABLE = [f"{sign}Int{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)]
_NULLABLE += ["Float32", "Float64", "boolean"]
_OF_PANDAS_ALONE = (pd.PeriodDtype, pd.IntervalDtype)
_SECONDS = "datetime64[s"
"""Parquet has no seconds, but milliseconds."""
_DTYPES_KEY = b"handinger.dtypes"
_KEY = provenance.KEY.encode()


def export_parquet(
    frame: pd.DataFrame,
    path: Place,
    *,
    partition_by: str | Iterable[str] | None = None,
    text: bool = True,
    keep: str | Iterable[str] | None = None,
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
        False leaves out what a person or a model wrote, so that a cost file can be shared. Of the
        columns of turns and tasks, inputs, outputs, structured outputs, files, titles and ``extra``
        go. Of other columns only numbers, booleans and times stay: ``worker_name`` and the text of
        exploded outputs go. ``attrs`` keep the provenance alone. Names of columns are not looked at.
    keep : str or iterable of str, optional
        Columns that stay with ``text=False`` whatever they hold, such as ``worker_name``.

    Raises
    ------
    FrameError
        If a column could not be read back as it is, or the frame lacks a column of ``partition_by``
        or ``keep``; nothing is written.
    ArgumentError
        If ``partition_by`` or ``keep`` is something else than names, or ``keep`` stands without
        ``text=False``.
    FileError
        If the file cannot be written; what was there before is still there.

    Notes
    -----
    Columns of your own come back with their dtype. A column of objects comes back with the dtype of its
    values; dicts and mixed values come back as JSON text, which `explode_structured_output` opens.
    Arrow dtypes come back with ``dtype_backend="pyarrow"``. A column that could not come back is refused:
    categories that are no text, and sparse or complex numbers.

    Examples
    --------
    >>> ha.export_parquet(turns, "turns", partition_by="month")
    >>> len(ha.load_parquet("turns", since="2026-06-01"))
    163

    Outputs without their text, but for a category:

    >>> outputs = ha.explode_structured_output(turns)
    >>> ha.export_parquet(outputs, "outputs.parquet", text=False, keep="out.category")
    >>> list(ha.load_parquet("outputs.parquet").filter(like="out."))[:4]
    ['out.revenue.amount', 'out.change.day', 'out.change.week', 'out.category']
    """
    kept = column_names(keep, "keep")
    if text and kept:
        raise ArgumentError.unexpected("keep", "None with text=True, which keeps all columns", keep)
    table = _table_to_write(frame, text, kept)
    if partition_by is None:
        with written(path) as stream:
            pq.write_table(table, stream, compression="zstd", row_group_size=datasets.ROWS_PER_GROUP)
    else:
        filesystem, target = located(path)
        with file_errors("write", path):
            datasets.write_dataset(table, filesystem, target, column_names(partition_by, "partition_by"))


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
        partition. Turns and tasks that were written before there were ``fetched_at`` and ``extra``
        have them, too, without values. A folder of several exports has the columns of all of them.

    Raises
    ------
    FileError
        If there is no such file, it is not Parquet, a newer version of this package wrote it or one
        file of the folder, or some of these are tasks and some are turns.
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
        dataset, schemas = datasets.open_dataset(filesystem, source)
        _refuse_both_kinds(schemas, source)
        own = [datasets.metadata_entry(schema.metadata, _KEY, dict, source) for schema in schemas]
        versions = [each.get("schema", SCHEMA_VERSION) for each in own]
        _require_known_versions(versions, source)
        if 1 in versions:
            dataset = dataset.replace_schema(_with_new_columns(dataset.schema))
        attrs, dtypes = (
            datasets.metadata_entry(dataset.schema.metadata, key, dict, source)
            for key in (provenance.PANDAS_ATTRS, _DTYPES_KEY)
        )
        present = dataset.schema.names
        wanted = selected_columns(columns, present, repr(shown_place(path)))
        table = dataset.to_table(columns=wanted, filter=row_filter(present, start, end))
        known = [_KNOWN[name] for name in wanted if name in _KNOWN]
        frame = to_pandas(encode_categories(table, known), known, dtype_backend=dtype_backend)
        frame = _with_dtypes(frame, table, dtypes, dtype_backend, source)
    frame.attrs.update(attrs)
    told = provenance.of(dataset)  # of all files in a folder, while attrs are those of the first
    return provenance.attach(frame, told) if told.keys() - {"schema"} else frame


def _table_to_write(frame: pd.DataFrame, text: bool, keep: list[str]) -> pa.Table:
    if not isinstance(frame, pd.DataFrame):
        raise FrameError(
            f"expected a pandas DataFrame, found {type(frame).__name__}; convert it with .to_pandas()"
        )
    if absent := [name for name in keep if name not in frame]:
        there = ", ".join(map(str, frame))
        raise FrameError(f"keep: no column {', '.join(map(repr, absent))}; it has {there}")
    known, attrs = provenance.of(frame) or {"schema": SCHEMA_VERSION}, frame.attrs
    if not text:
        known = {key: known[key] for key in known if key == "fetched_at" or isinstance(known[key], int)}
        attrs = {provenance.KEY: known}
        stays = [name in keep or not _is_text(name, dtype) for name, dtype in frame.dtypes.items()]
        frame = frame.loc[:, stays]
    others = {name: dtype for name, dtype in frame.dtypes.items() if name not in _KNOWN}
    dtypes = {name: note for name, dtype in others.items() if (note := _note(name, dtype))}
    table = from_pandas(frame, _KNOWN)
    try:
        metadata = {provenance.PANDAS_ATTRS: json.dumps(attrs), _DTYPES_KEY: json.dumps(dtypes)}
        return table.replace_schema_metadata(provenance.as_metadata(known) | metadata)
    except TypeError as error:
        raise FrameError(
            f"the attrs of the frame cannot be kept as JSON ({error}): remove what is not plain data"
        ) from None


def _is_text(name: Any, dtype: Any) -> bool:
    """Tell whether a column may hold what a person or a model wrote."""
    if name in _KNOWN:
        return _KNOWN[name].text
    if isinstance(dtype, pd.ArrowDtype):
        kind = dtype.pyarrow_dtype
        return not (pa.types.is_primitive(kind) or pa.types.is_decimal(kind))
    return dtype.kind not in "biufcmM" and not isinstance(dtype, pd.PeriodDtype)


def _note(name: Any, dtype: Any) -> str | None:
    """Name a dtype that Arrow alone would not give back; refuse what cannot come back at all."""
    note, kinds = str(dtype), getattr(dtype, "categories", None)
    if isinstance(dtype, pd.StringDtype):
        return f"string[{dtype.storage}]" if dtype.na_value is pd.NA else None
    if note in _NULLABLE or note.startswith(_SECONDS) or isinstance(dtype, _OF_PANDAS_ALONE):
        return note
    if kinds is not None and (kinds.empty or pd.api.types.is_string_dtype(kinds.dtype)):
        return note
    if isinstance(dtype, np.dtype | pd.ArrowDtype | pd.DatetimeTZDtype):
        return None
    advice = "convert it to text or numbers"
    raise FrameError(f"column {name!r} ({dtype!r}) would not come back from Parquet; {advice}")


def _with_dtypes(
    frame: pd.DataFrame, table: pa.Table, dtypes: dict[str, Any], dtype_backend: DtypeBackend, source: str
) -> pd.DataFrame:
    """Return the frame with the dtypes that were noted, on the Arrow backend those that Arrow has not."""
    series = dict(frame.items())
    try:
        for name in dtypes.keys() & series.keys():
            dtype = pd.api.types.pandas_dtype(dtypes[name])
            if dtypes[name] != "category" and _note(name, dtype) != dtypes[name]:
                raise datasets.damaged(source)
            if dtype_backend == "numpy" or isinstance(dtype, _OF_PANDAS_ALONE):
                of_arrow = getattr(dtype, "__from_arrow__", None) if dtype.kind != "M" else None
                series[name] = pd.Series(of_arrow(table[name])) if of_arrow else series[name].astype(dtype)
    except (TypeError, ValueError, ArithmeticError, AttributeError, pa.ArrowException):
        raise datasets.damaged(source) from None
    return pd.DataFrame(series, copy=False)


def _with_new_columns(schema: pa.Schema) -> pa.Schema:
    """Add to turns or tasks of schema 1 the columns of schema 2, at their place; readers fill in nulls."""
    for columns in (TURNS, TASKS):
        there = [column for column in columns if column.name in schema.names]
        if all(column in there or column.text or column == FETCHED_AT for column in columns):
            place = 1 + max(schema.get_field_index(column.name) for column in there)
            for column in (EXTRA, FETCHED_AT) if any(column.text for column in there) else (FETCHED_AT,):
                schema = schema if column in there else schema.insert(place, column.field)
            break
    return schema


def _refuse_both_kinds(schemas: list[pa.Schema], source: str) -> None:
    """Refuse a folder of turns and tasks, such as one that a fetch wrote, which are no rows of one frame."""
    if len({rows_of(schema.names) for schema in schemas} - {None}) > 1:
        raise FileError(
            f"cannot read {source!r} as one frame: it has files of tasks and of turns; load them one by one"
        )


def _require_known_versions(versions: list[Any], source: str) -> None:
    for version in versions:
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
                f"cannot read {shown_place(path)!r} as Parquet: it is a Delta table, whose files hold "
                f"replaced rows, too. Archive({folder!r}) reads it if it is an archive, deltalake otherwise"
            )
