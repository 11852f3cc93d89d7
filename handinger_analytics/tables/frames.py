"""Arrow rows to DataFrames, mostly without copying, and back; pure, no I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, get_args

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from handinger_analytics.arguments import check_word
from handinger_analytics.errors import FrameError
from handinger_analytics.tables.build import Failure, encoded, table
from handinger_analytics.tables.schema import FAILURES, TEXT, TIMESTAMP, Column

DtypeBackend = Literal["numpy", "pyarrow"]


def failures_frame(failures: Sequence[Failure], *, dtype_backend: DtypeBackend = "numpy") -> pd.DataFrame:
    """Frame with one row per id that was not fetched, columns as ``schema.FAILURES``."""
    return to_pandas(table(FAILURES, failures), FAILURES, dtype_backend=dtype_backend)


def to_pandas(
    rows: pa.Table, columns: Sequence[Column], *, dtype_backend: DtypeBackend = "numpy"
) -> pd.DataFrame:
    """DataFrame of a table.

    Parameters
    ----------
    rows : pyarrow.Table
        Table whose columns are all declared in ``columns``, or others beside them.
    columns : sequence of Column
        Says which integers may be missing (``Int64``).
    dtype_backend : {"numpy", "pyarrow"}
        "numpy" gives ``str``, ``int64``, ``datetime64[ms, UTC]`` and ``category``; "pyarrow" gives
        ``ArrowDtype`` throughout. Lists (``files``) become JSON text with either, since pandas does not
        count, convert or read back nested values.

    Raises
    ------
    ArgumentError
        For another ``dtype_backend``.
    """
    check_word(dtype_backend, "dtype_backend", get_args(DtypeBackend))
    nullable = {column.name for column in columns if column.nullable}
    for column in columns:
        at = rows.schema.get_field_index(column.name)
        if pa.types.is_list(column.type) and at >= 0 and pa.types.is_nested(rows.schema.field(at).type):
            rows = rows.set_column(at, column.name, _as_json(rows[column.name]))
    if dtype_backend == "numpy":
        series = {name: _numpy_series(rows[name], name in nullable) for name in rows.column_names}
    else:
        series = {name: _arrow_series(rows[name]) for name in rows.column_names}
    return pd.DataFrame(series, copy=False)


def from_pandas(frame: pd.DataFrame, known: Mapping[str, Column]) -> pa.Table:
    """Table of a DataFrame, without its index.

    Parameters
    ----------
    frame : DataFrame
        With any columns.
    known : mapping of str to Column
        Columns that get the type declared for their name. Others get the type Arrow finds; dicts,
        and objects of mixed types, become JSON text.

    Raises
    ------
    FrameError
        For column names that are no strings or repeat, and for values that a type cannot hold.
    """
    names = list(frame.columns)
    if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise FrameError(f"the columns are {names}: expected names that are strings and differ")
    arrays = [_from_series(frame[name], known.get(name)) for name in names]
    fields = [pa.field(name, array.type) for name, array in zip(names, arrays, strict=True)]
    return encode_categories(
        pa.Table.from_arrays(arrays, schema=pa.schema(fields)),
        [known[name] for name in names if name in known],
    )


def encode_categories(rows: pa.Table, columns: Sequence[Column]) -> pa.Table:
    """Dictionary-encode the categorical columns: the known values first, then unknown ones as they came."""
    for column in columns:
        if column.categories is not None and column.name in rows.column_names:
            index = rows.column_names.index(column.name)
            rows = rows.set_column(index, column.field, encoded(column, rows[column.name]))
    return rows


def json_text(value: Any) -> str | None:
    """Return JSON text as it is, and lists and dicts as the JSON they are; None where a value is missing.

    Raises
    ------
    TypeError, ValueError, RecursionError
        It is nothing that JSON has.

    Examples
    --------
    >>> json_text('{"a":1}'), json_text({"a": [1, float("nan")]}), json_text(pd.NA)
    ('{"a":1}', '{"a": [1, null]}', None)
    """
    return value if isinstance(value, str) else _json_of(value)


def _json_of(value: Any) -> str | None:
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return None
    return msgspec.json.format(msgspec.json.encode(value, enc_hook=_plain), indent=0).decode()


def _plain(value: Any) -> Any:
    """Make plain what NumPy and pandas have their own types for."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if value is pd.NA:
        return None
    raise TypeError(f"JSON has no {type(value).__name__}")


def _as_json(lists: pa.ChunkedArray) -> pa.Array:
    """JSON text of lists, most of which are empty."""
    empty = pa.repeat(pa.scalar("[]", TEXT), len(lists))
    filled = pc.fill_null(pc.not_equal(pc.list_value_length(lists), 0), True).combine_chunks()
    values = lists.filter(filled).to_pylist()
    texts = [None if value is None else msgspec.json.encode(value).decode() for value in values]
    return pc.replace_with_mask(empty, filled, pa.array(texts, TEXT))


def _lists(series: pd.Series[Any]) -> list[Any]:
    """Read lists from JSON text, or take them as they are."""
    return [
        msgspec.json.decode(value) if isinstance(value, str) else None if value is None else list(value)
        for value in series.astype(object).where(series.notna(), None)
    ]


def _from_series(series: pd.Series[Any], column: Column | None) -> pa.Array:
    if column is None:
        return _inferred(series)
    if pa.types.is_list(column.type):
        try:
            return pa.array(_lists(series), column.type)
        except (msgspec.DecodeError, TypeError, pa.ArrowException) as error:
            expected = "a JSON list of objects, as fetched frames have it"
            raise FrameError(f"column {column.name!r} does not hold {expected}: {error}") from None
    if column.json and series.dtype == object:
        return _texts(series, json_text)
    declared = column.type if series.dtype == object and column.type != TIMESTAMP else None
    try:
        array = _one_array(pa.array(series, declared, from_pandas=True))
        if pa.types.is_timestamp(array.type) and array.type.tz is None:
            raise FrameError(f"column {column.name!r} has no time zone: add it, as in dt.tz_localize('UTC')")
        return array.cast(column.type)
    except (pa.ArrowException, OverflowError) as error:
        raise FrameError(
            f"column {column.name!r} ({series.dtype}) cannot be {column.type}: {error}"
        ) from None


def _inferred(series: pd.Series[Any]) -> pa.Array:
    try:
        array = _one_array(pa.array(series, from_pandas=True))
        if series.dtype != object or not _has_struct(array.type):
            # Periods and intervals have types of their own, which other readers do not know.
            return array.storage if isinstance(array.type, pa.ExtensionType) else array
    except (pa.ArrowException, OverflowError, TypeError) as error:
        if series.dtype != object:
            raise _unwritable(series, error) from None
    return _texts(series, _json_of)


def _texts(series: pd.Series[Any], text_of: Callable[[Any], str | None]) -> pa.Array:
    try:
        return pa.array(map(text_of, series), TEXT)
    except (TypeError, ValueError, RecursionError) as error:
        raise _unwritable(series, error) from None


def _unwritable(series: pd.Series[Any], error: Exception) -> FrameError:
    advice = f"convert it from {series.dtype} to text or numbers"
    return FrameError(f"column {series.name!r} cannot be written: {error}; {advice}")


def _has_struct(kind: pa.DataType) -> bool:
    return pa.types.is_struct(kind) or any(_has_struct(kind.field(n).type) for n in range(kind.num_fields))


def _one_array(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values


def _numpy_series(values: pa.ChunkedArray, nullable: bool) -> pd.Series[Any]:
    kind = values.type
    if pa.types.is_nested(kind):
        return _arrow_series(values)
    dtype: pd.api.extensions.ExtensionDtype | None = None
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        dtype = pd.StringDtype(na_value=np.nan)
    elif pa.types.is_integer(kind) and (nullable or values.null_count):
        dtype = pd.UInt64Dtype() if kind == pa.uint64() else pd.Int64Dtype()
    elif pa.types.is_boolean(kind) and values.null_count:
        dtype = pd.BooleanDtype()
    series: pd.Series[Any] = values.to_pandas(types_mapper=lambda _: dtype)
    return series.copy()  # Arrow's own memory is read-only, and people write to their frames


def _arrow_series(values: pa.ChunkedArray) -> pd.Series[Any]:
    return pd.Series(pd.arrays.ArrowExtensionArray(values))
