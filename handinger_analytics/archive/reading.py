"""Reading: a part of a table as a pandas frame, or lazily on another engine."""

from __future__ import annotations

import importlib
import warnings
from typing import Any, Literal, get_args

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from handinger_analytics import provenance
from handinger_analytics.archive.layout import Layout
from handinger_analytics.archive.snapshot import Snapshot, dataset
from handinger_analytics.arguments import check_word, utc_instant
from handinger_analytics.errors import ArgumentError, PartialDataWarning
from handinger_analytics.tables.frames import DtypeBackend, encode_categories, to_pandas
from handinger_analytics.tables.selection import Columns, row_filter, selected_columns
from handinger_analytics.text import count
from handinger_analytics.times import Moment

Engine = Literal["pandas", "polars", "duckdb", "pyarrow"]


def read(
    snapshot: Snapshot,
    layout: Layout,
    columns: Columns,
    since: Moment,
    until: Moment,
    where: pc.Expression | None,
    engine: Engine,
    dtype_backend: DtypeBackend,
) -> Any:
    """Read as `Archive.turns` says."""
    check_word(engine, "engine", get_args(Engine))
    if where is not None and not isinstance(where, pc.Expression):
        expected = "a pyarrow expression, such as pc.field('worker_id') == 'wrk_1'"
        raise ArgumentError.unexpected("where", expected, where, "import pyarrow.compute as pc")
    present = layout.public_schema.names
    names = selected_columns(columns, present, layout.name)
    start, end = utc_instant(since, "since"), utc_instant(until, "until")
    wanted = row_filter(present, start, end, where)
    rows = dataset(snapshot.table(layout), layout, since=start, until=end)
    try:
        scanner = rows.scanner(columns=names, filter=wanted)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
        expected, reason = f"a condition on columns of {layout.name}", str(error).splitlines()[0]
        raise ArgumentError.unexpected("where", expected, where, reason) from None
    if engine == "pandas":
        known = [column for column in layout.columns if column.name in names]
        frame = to_pandas(encode_categories(scanner.to_table(), known), known, dtype_backend=dtype_backend)
        return provenance.attach(frame, snapshot.provenance)
    if dtype_backend != "numpy":
        raise ArgumentError("dtype_backend is for engine='pandas'; other engines have dtypes of their own")
    if engine != "pyarrow":
        warn_if_incomplete(snapshot, f"what is computed from a frame of {engine}", stacklevel=4)
    elif names != present:
        raise ArgumentError(
            "columns is not for engine='pyarrow': a dataset takes them when it is read, "
            "archive.turns(engine='pyarrow').to_table(columns=[…])"
        )
    rows = rows.replace_schema(rows.schema.with_metadata(provenance.as_metadata(snapshot.provenance)))
    return _lazy(rows if wanted is None else rows.filter(wanted), names, engine)


def warn_if_incomplete(snapshot: Snapshot, unmarked: str, *, stacklevel: int) -> None:
    """Warn if tasks are missing, for results that cannot carry provenance."""
    requested = snapshot.provenance["requested"]
    if snapshot.provenance["failed"] or snapshot.silent:
        message = (
            f"{snapshot.missing:,} of {requested:,} known tasks are missing and {len(snapshot.failures):,} "
            "could not be fetched"
        )
        if snapshot.changed:
            message += f", {snapshot.changed:,} changed since they were fetched"
        if snapshot.silent:
            message += f", and nothing is known of the tasks of {count(snapshot.silent, 'worker')}"
        message += f" (see archive.status()); {unmarked} will not say so"
        warnings.warn(message, PartialDataWarning, stacklevel=stacklevel)


def _lazy(rows: ds.Dataset, names: list[str], engine: Engine) -> Any:
    if engine == "pyarrow":
        return rows
    try:
        package = importlib.import_module(engine)
    except ImportError:
        advice = f"pip install 'handinger-analytics[{engine}]'"
        raise ArgumentError.unexpected("engine", "a package that is installed", engine, advice) from None
    if engine == "polars":
        return package.scan_pyarrow_dataset(rows).select(names)
    return package.from_arrow(rows).project(", ".join(f'"{name}"' for name in names))
