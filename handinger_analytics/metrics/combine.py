"""Frames of several fetches as one: each turn or task once, as it was when it was fetched last."""

from __future__ import annotations

import itertools
from typing import Any, TypeVar

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds

from handinger_analytics import provenance
from handinger_analytics.errors import ArgumentError, FrameError
from handinger_analytics.metrics.checks import check_aware, check_columns
from handinger_analytics.tables.frames import json_text
from handinger_analytics.tables.selection import rows_of

Frame = TypeVar("Frame")
Positions = np.ndarray[Any, np.dtype[np.int64]]

_ENGINES = "pandas, pyarrow, Polars, DuckDB or PySpark"
_FETCHED_AT = "fetched_at"
_TEXTS = (nw.String, nw.Categorical, nw.Enum)
_UNTYPED = ("object", "float64", "null[pyarrow]", *map("datetime64[{}]".format, ("s", "ms", "us", "ns")))
"""What pandas makes of columns in which it finds no value."""

_FRAME, _POSITION, _INSTANT = (f"__combine_{name}__" for name in ("frame", "position", "instant"))
"""Which of the frames a row is from, where in it, and when it was fetched."""
_FIRST_FRAME, _FIRST_POSITION, _RANK = (f"__combine_{name}__" for name in ("first", "place", "rank"))
"""Where a turn or task is met first, and the place of a row among those of one key, the newest first."""


def combine(*frames: Frame) -> Frame:
    """Combine turns, or tasks, of several fetches, files or archives: each once, the newest row of it.

    The newest row is the one with the latest ``fetched_at``. A row without (it is missing, or the frame
    has no such column) is older than any that has one. Among equals the last counts: the one in the last
    frame given, and within a frame the last one.

    A turn that a later fetch of its task does not bring stays: turns are never deleted at Handinger.

    Parameters
    ----------
    *frames : DataFrame
        Turns (with ``task_id`` and ``turn_id``) or tasks (with ``task_id`` and any of ``title``,
        ``created_at``, ``turn_count`` and ``url``, which turns have not), one frame or more, all of one
        engine: pandas, pyarrow (tables and datasets), Polars (eager and lazy), DuckDB relations of
        one connection, or PySpark. They are not modified.

    Returns
    -------
    DataFrame
        A frame like the first: a DuckDB relation, a Polars LazyFrame and a PySpark DataFrame are not
        computed yet; a dataset gives a table.

        - Columns and dtypes are those of the first; a column that another frame lacks is missing in the
          rows from there, and makes integers nullable (int64 becomes Int64). A column without a value or
          a type of its own (object, float64 and Arrow's null without any value) has that of the next
          frame. Categories are those of all frames.
        - Rows are in the order in which each turn or task is first met. Spark knows an order of
          frames, but within a frame only that of its partitions.
        - Where the frames say where they come from (pandas and pyarrow), so does this:
          ``attrs["handinger"]`` has the sum of ``failed``, in ``requested`` the tasks in these rows and
          those that failed, the latest ``fetched_at``, and ``complete`` if all frames say that they are;
          it lacks ``complete`` if some say nothing, and none says that it is not.

    Raises
    ------
    ArgumentError
        No frame is given.
    FrameError
        Something else than a frame, frames of several engines, turns beside tasks, columns that do not
        tell whether they are turns or tasks, a row without an id (where the engine has computed it), a
        column whose values do not fit the dtype in the first frame, or ``fetched_at`` without a zone.

    Examples
    --------
    >>> yesterday, today = turns.head(300), turns.tail(200)
    >>> len(ha.combine(yesterday, today)), len(turns)
    (383, 383)
    """
    if not frames:
        raise ArgumentError.unexpected("frames", "turns or tasks, one frame or more", frames)
    opened = [_open(nw.to_native(frame, pass_through=True)) for frame in frames]
    engines = {frame.implementation for frame in opened}
    names = " and ".join(sorted(engine.name.lower() for engine in engines))
    if names not in ("pandas", "pyarrow", "polars", "duckdb", "pyspark", "pyspark_connect"):
        advice = "convert them to that of the first, as with Polars' .to_pandas() or DuckDB's .df()"
        raise FrameError(f"frames: expected frames of one engine ({_ENGINES}), found {names}; {advice}")
    keys = _keys([frame.collect_schema().names() for frame in opened])
    for frame, key in itertools.product(opened, keys):
        if isinstance(frame, nw.DataFrame) and (missing := frame[key].null_count()):
            raise FrameError(
                f"frames: expected {key!r} in every row, found {missing} without; drop those rows"
            )
    combine_all = _combined if names in ("pandas", "pyarrow") else _combined_lazily
    combined: Frame = combine_all(opened, keys)
    return combined


def _open(native: Any) -> Any:
    try:
        return nw.from_native(native.to_table() if isinstance(native, ds.Dataset) else native)
    except (TypeError, ValueError) as error:
        found = f"{type(native).__name__}: {error}"
        raise FrameError(f"frames: expected DataFrames one by one ({_ENGINES}), found {found}") from error


def _keys(columns: list[list[str]]) -> list[str]:
    """Return the columns that tell rows apart."""
    kinds = {rows_of(names) for names in columns}
    if len(kinds - {None}) > 1:
        raise FrameError("frames: expected turns alone or tasks alone, found both; combine each for itself")
    keys = ["task_id", "turn_id"] if "turns" in kinds else ["task_id"]
    for names in columns:
        check_columns(keys, names, "turns" if "turns" in kinds else "tasks")
    if None in kinds:
        found = ", ".join(next(names for names in columns if rows_of(names) is None))
        advice = "keep turn_id in turns, and title, created_at, turn_count or url in tasks"
        raise FrameError(f"frames: expected turns or tasks, found only {found}, which tell neither; {advice}")
    return keys


def _combined(opened: list[Any], keys: list[str]) -> Any:
    """Combine pandas frames or Arrow tables; pandas looks at Arrow's memory as it is, so one code does."""
    natives = frames = [frame.to_native() for frame in opened]
    schema = natives[0].schema if isinstance(natives[0], pa.Table) else None
    if schema is not None:
        frames = [table.to_pandas(types_mapper=pd.ArrowDtype, ignore_metadata=True) for table in natives]
    instants = np.concatenate([_instants(frame, opened[0].implementation) for frame in frames])
    columns = {name: _stacked(name, frames) for name in frames[0].columns}
    newest = _newest([columns[key] for key in keys], instants)
    rows = pd.DataFrame(columns, copy=False).take(newest).reset_index(drop=True)
    known = provenance.combined([provenance.of(native) for native in natives], rows["task_id"].nunique())
    if schema is None:
        return provenance.attach(rows, known)
    arrays = [pa.array(rows[name]) for name in schema.names]
    fields = [
        pa.field(field.name, array.type, field.nullable or array.null_count > 0, field.metadata)
        for field, array in zip(schema, arrays, strict=True)
    ]
    # Other metadata need not hold for the whole: pandas keeps the attrs of one frame there.
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields, known and provenance.as_metadata(known)))


def _newest(keys: list[pd.Series[Any]], instants: Positions) -> Positions:
    """Return where the newest row of each key is, in the order in which keys are met."""
    codes = np.zeros(len(instants), np.int64)
    for key in keys:
        each, values = pd.factorize(key, use_na_sentinel=False)
        codes, met = pd.factorize(codes * len(values) + each)
    by_age = np.argsort(instants, kind="stable")
    newest = np.empty(len(met), np.int64)
    newest[codes[by_age]] = by_age  # of several rows with one code the last stays
    return newest


def _instants(frame: pd.DataFrame, engine: nw.Implementation) -> Positions:
    """Return when rows were fetched, in microseconds since 1970 UTC; the least number where it is missing."""
    never, column = np.iinfo(np.int64).min, frame.get(_FETCHED_AT)
    if column is None or column.isna().all():
        return np.full(len(frame), never)
    array = pa.chunked_array([pa.array(column, from_pandas=True)])
    check_aware(nw.from_native(array, series_only=True).dtype, engine, "frames", _FETCHED_AT)
    microseconds = array.cast(pa.timestamp("us", "UTC"), safe=False)  # nanoseconds end in 2262
    instants: Positions = microseconds.cast(pa.int64()).fill_null(never).to_numpy()
    return instants


def _stacked(name: str, frames: list[pd.DataFrame]) -> pd.Series[Any]:
    """Put the parts of a column one below the other, in the dtype of the first."""
    parts = [frame[name] if name in frame else pd.Series(None, frame.index, object) for frame in frames]
    try:
        dtype = exact = _dtype(parts)
        if isinstance(dtype, np.dtype) and dtype.kind in "iub":
            exact = pd.Series([], dtype=dtype).convert_dtypes().dtype  # NumPy's would cut fractions off
        alike = [_cast(part, exact) for part in parts]
    except (TypeError, ValueError, OverflowError, NotImplementedError) as error:  # Arrow's are among them
        raise FrameError(
            f"frames: column {name!r} does not fit its dtype in the first frame: {error}"
        ) from error
    stacked: pd.Series[Any] = pd.concat(alike, ignore_index=True)
    return stacked if stacked.hasnans else stacked.astype(dtype)


def _dtype(parts: list[pd.Series[Any]]) -> Any:
    """Return the dtype of the first part that has one of its own, categories with those of all."""
    typed = [part for part in parts if part.notna().any() or str(part.dtype) not in _UNTYPED]
    dtype: Any = (typed or parts)[0].dtype
    if not isinstance(dtype, pd.CategoricalDtype):
        return dtype
    categories = dtype.categories
    for part in typed:
        found = part.astype("category").cat.categories.astype(categories.dtype)
        categories = categories.union(found, sort=False)
    return pd.CategoricalDtype(categories, dtype.ordered)


def _cast(part: pd.Series[Any], dtype: Any) -> pd.Series[Any]:
    if part.dtype == dtype:
        return part
    empty = pd.Series(None, part.index, dtype)
    if part.isna().all():
        return empty
    if isinstance(dtype, pd.StringDtype):
        objects = part.astype(object)
        if pd.api.types.infer_dtype(objects) == "mixed":  # lists of files, of which pandas shows the repr
            return objects.map(json_text).astype(dtype)
    found, wanted = (nw.from_native(series, series_only=True).dtype for series in (part, empty))
    cast, filled = part.astype(dtype), part == part if found.is_float() else part.notna()
    sure = isinstance(found, _TEXTS) and isinstance(wanted, _TEXTS)
    part, kept = part[filled], cast[filled]
    same = kept.tolist() == part.tolist() if found.is_nested() else kept.astype(part.dtype).equals(part)
    if not (sure or same) or not _alike(found, wanted):  # Arrow would take times without a zone for UTC
        raise ValueError(f"{part.dtype} would not keep its values as {dtype}")
    return cast


def _alike(*kinds: nw.dtypes.DType) -> bool:
    """Tell whether times have a zone, or have not, all of them."""
    return len({kind.time_zone is None for kind in kinds if isinstance(kind, nw.Datetime)}) < 2


def _combined_lazily(opened: list[Any], keys: list[str]) -> Any:
    """Combine frames of an engine that has windows."""
    schemas = [frame.collect_schema() for frame in opened]
    for frame, schema in zip(opened, schemas, strict=True):
        if schema.get(_FETCHED_AT, nw.Unknown) != nw.Unknown:
            check_aware(schema[_FETCHED_AT], frame.implementation, "frames", _FETCHED_AT)
    dtypes: dict[str, Any] = {}
    for name, dtype in itertools.chain.from_iterable(schema.items() for schema in schemas):
        known = dtypes.setdefault(name, dtype)
        if name in schemas[0] or name == _FETCHED_AT:
            dtypes[name] = _common(known, dtype)
            if dtypes[name] is None:
                expected = f"column {name!r} as {known}, as in the frames before"
                raise FrameError(
                    f"frames: expected {expected}, found {dtype}; cast it or leave it out in one of them"
                )
    instant = dtypes.get(_FETCHED_AT, nw.Unknown)
    by_age = [_FRAME, _POSITION] if instant == nw.Unknown else [_INSTANT, _FRAME, _POSITION]
    parts = []
    for number, (frame, schema) in enumerate(zip(opened, schemas, strict=True)):
        columns = [_column(name, schema, dtypes[name]) for name in schemas[0]]
        columns += [_column(_FETCHED_AT, schema, instant).alias(_INSTANT), nw.lit(number).alias(_FRAME)]
        parts.append(_numbered(frame).select(*columns, _POSITION))
    rows: Any = nw.concat(parts)
    rank = nw.col(_FRAME).cum_count(reverse=True).over(*keys, order_by=by_age)
    position = nw.when(nw.col(_FRAME) == nw.col(_FIRST_FRAME)).then(_POSITION)
    rows = rows.with_columns(rank.alias(_RANK), nw.col(_FRAME).min().over(*keys).alias(_FIRST_FRAME))
    rows = rows.with_columns(position.min().over(*keys).alias(_FIRST_POSITION)).filter(nw.col(_RANK) == 1)
    rows = rows.sort(_FIRST_FRAME, _FIRST_POSITION).select(*schemas[0])
    return (rows.collect() if isinstance(opened[0], nw.DataFrame) else rows).to_native()


def _common(one: Any, other: Any) -> Any:
    """Return the dtype that holds the values of both, the first if it does; None if none is sure to."""
    if isinstance(one, nw.Enum) and isinstance(other, nw.Enum):
        return nw.Enum(dict.fromkeys([*one.categories, *other.categories]))
    if one == other or other == nw.Unknown:
        return one
    if one == nw.Unknown:  # Polars' Null, and what DuckDB and Spark make of NULL
        return other
    if isinstance(one, _TEXTS) and isinstance(other, _TEXTS):
        return nw.String() if isinstance(one, nw.Enum) else one
    if one.is_integer() and other.is_integer():
        narrow, wide = sorted((one, other), key=_bits)
        alike = wide.is_signed_integer() == narrow.is_signed_integer()
        return wide if alike or (wide.is_signed_integer() and _bits(narrow) < _bits(wide)) else None
    if one.is_float() and other.is_numeric():
        return nw.Float64()
    if isinstance(one, nw.List) and isinstance(other, nw.List):
        return (inner := _common(one.inner, other.inner)) and nw.List(inner)
    return one if type(one) is type(other) and not one.is_nested() and _alike(one, other) else None


def _bits(integer: nw.dtypes.DType) -> int:
    return int(str(integer).lstrip("UInt"))


def _column(name: str, schema: nw.Schema, dtype: nw.dtypes.DType) -> nw.Expr:
    """Return a column in a dtype, nothing but nulls where there is none of the name."""
    column = nw.col(name) if name in schema else nw.lit(None).alias(name)
    return column if dtype in (schema.get(name), nw.Unknown) else column.cast(dtype)


def _numbered(frame: Any) -> Any:
    """Add where in its frame a row is, as far as the engine knows; narwhals would ask for an order first."""
    native, engine = frame.to_native(), frame.implementation
    if engine.is_polars():
        return nw.from_native(native.lazy().with_row_index(_POSITION))
    if engine.is_duckdb():
        return nw.from_native(native.project(f"*, row_number() OVER () AS {_POSITION}"))
    from pyspark.sql import functions

    return nw.from_native(native.withColumn(_POSITION, functions.monotonically_increasing_id()))
