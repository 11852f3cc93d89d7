"""Reading: a part of a table as a pandas frame, or lazily on another engine."""

from __future__ import annotations

import datetime as dt
import importlib
import warnings
from collections.abc import Sequence
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from handinger_analytics import provenance
from handinger_analytics.archive.layout import Layout
from handinger_analytics.archive.snapshot import Snapshot, dataset
from handinger_analytics.arguments import utc_instant
from handinger_analytics.errors import FrameError, PartialDataWarning
from handinger_analytics.tables.frames import DtypeBackend, encode_categories, to_pandas
from handinger_analytics.tables.schema import TIMESTAMP

Engine = Literal["pandas", "polars", "duckdb", "pyarrow"]
Moment = str | dt.date | dt.datetime | None


def read(
    snapshot: Snapshot,
    layout: Layout,
    columns: Sequence[str] | None,
    since: Moment,
    until: Moment,
    where: pc.Expression | None,
    engine: Engine,
    dtype_backend: DtypeBackend,
) -> Any:
    """Read as `Archive.turns` says."""
    names = _checked_columns(columns, layout)
    start, end = utc_instant(since, "since"), utc_instant(until, "until")
    rows = dataset(snapshot.table(layout), layout, since=start, until=end)
    wanted = _filter(layout, start, end, where)
    scanner = _scanner(rows, names, wanted)
    if engine == "pandas":
        table = scanner.to_table()
        known = [column for column in layout.columns if column.name in names]
        frame = to_pandas(encode_categories(table, known), known, dtype_backend=dtype_backend)
        return provenance.attach(frame, snapshot.attrs)
    if engine not in _LAZY:
        raise FrameError(f"engine is {engine!r}; give 'pandas', 'polars', 'duckdb' or 'pyarrow'")
    if dtype_backend != "numpy":
        raise FrameError("dtype_backend is for engine='pandas'; other engines have dtypes of their own")
    if engine != "pyarrow":
        warn_if_incomplete(snapshot, f"what is computed from a frame of {engine}", stacklevel=5)
    rows = rows.replace_schema(rows.schema.with_metadata(provenance.as_metadata(snapshot.attrs)))
    return _LAZY[engine](rows if wanted is None else rows.filter(wanted), names)


def warn_if_incomplete(snapshot: Snapshot, unmarked: str, *, stacklevel: int) -> None:
    """Warn where known tasks are missing, for what cannot carry that along."""
    attrs = snapshot.attrs
    if not attrs["complete"]:
        message = (
            f"{snapshot.missing:,} of {attrs['requested']:,} known tasks are missing and {attrs['failed']:,} "
            f"failed (see archive.status()); {unmarked} will not say so"
        )
        warnings.warn(message, PartialDataWarning, stacklevel=stacklevel)


def _checked_columns(columns: Sequence[str] | None, layout: Layout) -> list[str]:
    present = layout.plain.names
    if columns is None:
        return list(present)
    if isinstance(columns, str):
        raise FrameError(f"columns is {columns!r}: expected a list of names, such as [{columns!r}]")
    names = list(columns)
    if not names:
        raise FrameError("columns is empty: name one or more, or leave it out for all of them")
    if len(set(names)) < len(names):
        raise FrameError(f"columns names one twice: {', '.join(map(repr, names))}")
    absent = [name for name in names if name not in present]
    if absent:
        raise FrameError(
            f"{layout.name} have no column {', '.join(map(repr, absent))}; they have {', '.join(present)}"
        )
    return names


def _filter(
    layout: Layout, start: dt.datetime | None, end: dt.datetime | None, where: pc.Expression | None
) -> pc.Expression | None:
    if where is not None and not isinstance(where, pc.Expression):
        raise FrameError(
            f"where is {where!r}: expected a pyarrow expression, such as pc.field('worker_id') == 'wrk_1' "
            "(import pyarrow.compute as pc)"
        )
    parts = [] if where is None else [where]
    if start is not None:
        parts.append(pc.field(layout.time) >= pa.scalar(start, TIMESTAMP))
    if end is not None:
        parts.append(pc.field(layout.time) < pa.scalar(end, TIMESTAMP))
    if not parts:
        return None
    whole = parts[0]
    for part in parts[1:]:
        whole = whole & part
    return whole


def _scanner(rows: ds.Dataset, names: list[str], wanted: pc.Expression | None) -> ds.Scanner:
    try:
        return rows.scanner(columns=names, filter=wanted)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
        raise FrameError(f"where cannot be applied: {str(error).splitlines()[0]}") from None


def _polars(rows: ds.Dataset, names: list[str]) -> Any:
    return _engine("polars").scan_pyarrow_dataset(rows).select(names)


def _duckdb(rows: ds.Dataset, names: list[str]) -> Any:
    quoted = ", ".join(f'"{name}"' for name in names)
    return _engine("duckdb").from_arrow(rows).project(quoted)


def _pyarrow(rows: ds.Dataset, names: list[str]) -> ds.Dataset:
    if names != rows.schema.names:
        raise FrameError(
            "columns is not for engine='pyarrow': a dataset takes them when it is read, "
            "archive.turns(engine='pyarrow').to_table(columns=[…])"
        )
    return rows


_LAZY = {"polars": _polars, "duckdb": _duckdb, "pyarrow": _pyarrow}


def _engine(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise FrameError(f"engine={name!r} needs {name}: pip install 'handinger-analytics[{name}]'") from None
