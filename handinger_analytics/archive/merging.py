"""One merge: new rows of some tasks take the place of what a table has of them, in one commit.

Files with rows that change are written again without these rows, others stay as they are. It is the
copy-on-write MERGE of Delta Lake, written here because that of delta-rs stores texts in a type that
pyarrow cannot filter (``string_view``), and because it cannot delete rows of some tasks only.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from handinger_analytics.archive.layout import MONTH, STATISTICS, SYNCED_AT, Layout
from handinger_analytics.archive.storage import commit_properties, filesystem

if TYPE_CHECKING:
    from deltalake import DeltaTable
    from deltalake.transaction import AddAction, RemoveAction

Mask = np.ndarray[Any, np.dtype[np.bool_]]

_FILE = "__filename"


@dataclass(frozen=True)
class Merged:
    """What a merge did.

    Attributes
    ----------
    version : int
        Version of the table that has the rows.
    new, changed : int
        Rows that were not there, and rows that took the place of others.
    """

    version: int
    new: int
    changed: int


def merge(
    table: DeltaTable,
    layout: Layout,
    rows: pa.Table,
    task_ids: pa.Array,
    fetched_at: pa.Scalar | None = None,
    since: dt.datetime | None = None,
    metadata: dict[str, int] | None = None,
) -> Merged:
    """Make ``rows`` all that a table has of some tasks.

    Parameters
    ----------
    table : DeltaTable
        At its latest version; the commit fails where another writer was faster.
    layout : Layout
        Of the table.
    rows : pyarrow.Table
        Stored rows, of ``task_ids`` only. Where the table has a row with the same key that is equal or
        was fetched later, that one stays.
    task_ids : pyarrow.Array of string
        The tasks; rows of theirs that are not in ``rows`` are deleted, unless fetched later.
    fetched_at : pyarrow.Scalar, optional
        When ``rows`` were fetched.
    since : datetime, optional
        The table has no rows of these tasks before this.
    metadata : dict, optional
        To write into the commit, even if no row changes.

    Returns
    -------
    Merged
        The version and how many rows changed.
    """
    files = _open(table, layout, since)
    written: Mask = np.zeros(rows.num_rows, np.bool_)
    remaining: list[pa.Table] = []
    gone: list[str] = []
    changed = 0
    for path in _files_with(files, task_ids):
        whole = _read(files, path)
        later = _is_later(whole, fetched_at)
        kept, replaced = _kept(whole, later, layout, rows, task_ids, written)
        changed += replaced
        if not kept.all():
            gone.append(path)
            remaining.append(whole.filter(pa.array(kept)))
    fresh = rows.filter(pa.array(~written))
    version = int(table.version())
    if fresh.num_rows or gone or metadata is not None:
        _commit(table, layout, pa.concat_tables([*remaining, fresh]), gone, metadata)
        version += 1  # a commit follows the version it was based on, or fails
    return Merged(version, fresh.num_rows - changed, changed)


def _open(table: DeltaTable, layout: Layout, since: dt.datetime | None) -> ds.FileSystemDataset:
    months = [(MONTH, ">=", f"{since:%Y-%m}")] if since is not None and layout.time is not None else None
    return table.to_pyarrow_dataset(schema=layout.schema, file_pruning_predicate=months)


def _files_with(files: ds.FileSystemDataset, task_ids: pa.Array) -> list[str]:
    """Paths of the files that have rows of these tasks."""
    if not files.files:
        return []
    names = files.to_table(columns=[_FILE], filter=pc.field("task_id").isin(task_ids))
    return sorted(pc.unique(names[_FILE]).to_pylist())


def _read(files: ds.FileSystemDataset, path: str) -> pa.Table:
    fragment = next(fragment for fragment in files.get_fragments() if fragment.path == path)
    return ds.FileSystemDataset([fragment], files.schema, files.format, files.filesystem).to_table()


def _is_later(whole: pa.Table, fetched_at: pa.Scalar | None) -> Mask:
    if fetched_at is None:
        return np.zeros(whole.num_rows, np.bool_)
    return _mask(pc.greater(whole[SYNCED_AT], fetched_at))


def _kept(
    whole: pa.Table, later: Mask, layout: Layout, rows: pa.Table, task_ids: pa.Array, written: Mask
) -> tuple[Mask, int]:
    """Decide which rows of a file stay.

    Marks in ``written`` the rows whose counterpart stays, and returns how many counterparts go.
    """
    kept = later | ~_mask(pc.is_in(whole["task_id"], value_set=task_ids))
    counterpart = pc.index_in(whole[layout.key], value_set=rows[layout.key].combine_chunks())
    there = np.flatnonzero(_mask(counterpart.is_valid()))
    here = counterpart.drop_null().to_numpy()
    stays = later[there] | _same(whole.take(there), rows.take(here), layout)
    kept[there[stays]] = True
    written[here[stays]] = True
    return kept, int((~stays).sum())


def _same(old: pa.Table, new: pa.Table, layout: Layout) -> Mask:
    same = np.ones(old.num_rows, np.bool_)
    for name in old.column_names:
        if name != SYNCED_AT or layout.touch:
            same &= _equal(old[name], new[name])
    return same


def _equal(left: pa.ChunkedArray, right: pa.ChunkedArray) -> Mask:
    if pa.types.is_nested(left.type):
        return np.array([a == b for a, b in zip(left.to_pylist(), right.to_pylist(), strict=True)], np.bool_)
    both_missing = pc.and_(left.is_null(), right.is_null())
    return _mask(pc.or_(pc.fill_null(pc.equal(left, right), False), both_missing))


def _mask(values: pa.ChunkedArray) -> Mask:
    mask: Mask = values.to_numpy()
    return mask


def _commit(
    table: DeltaTable, layout: Layout, rows: pa.Table, gone: list[str], metadata: dict[str, int] | None
) -> None:
    """Write rows, one file a month, and put them in the place of files."""
    present = pa.table(table.get_add_actions())
    added = _write(filesystem(table), layout, rows)
    removed = [_remove(path, present, layout) for path in gone]
    # Files of a commit that fails are left to a vacuum: where an answer of the storage was lost, the
    # commit may be there all the same.
    table.create_write_transaction(
        [*added, *removed],
        "append",
        table.schema(),
        layout.partition_by,
        commit_properties=commit_properties(metadata),
    )


def _write(files: pafs.FileSystem, layout: Layout, rows: pa.Table) -> list[AddAction]:
    """Write all files or, as far as that is in our hands, none."""
    written: list[AddAction] = []
    try:
        for part in _by_month(rows, layout):
            written.append(_write_one(files, layout, part))
    except BaseException:
        for action in written:
            with contextlib.suppress(OSError):
                files.delete_file(action.path)
        raise
    return written


def _by_month(rows: pa.Table, layout: Layout) -> list[pa.Table]:
    if layout.time is None:
        return [rows] if rows.num_rows else []
    months = sorted(pc.unique(rows[MONTH]).to_pylist())
    return [rows.filter(pc.equal(rows[MONTH], month)) for month in months]


def _write_one(files: pafs.FileSystem, layout: Layout, part: pa.Table) -> AddAction:
    from deltalake.transaction import AddAction

    partition = {name: part[name][0].as_py() for name in layout.partition_by}
    folder = "".join(f"{name}={value}/" for name, value in partition.items())
    path = f"{folder}part-{uuid.uuid4().hex}.zstd.parquet"
    sink = pa.BufferOutputStream()
    pq.write_table(part.drop_columns(layout.partition_by), sink, compression="zstd")
    content = sink.getvalue()
    # The stream of deltalake takes bytes only. pyarrow hands it bytes when it empties a buffer of its own,
    # and its own Buffer when something larger than that is written.
    with files.open_output_stream(path, buffer_size=content.size + 1) as stream:
        stream.write(content)
    return AddAction(path, content.size, partition, int(time.time() * 1000), True, _statistics(part, layout))


def _remove(path: str, present: pa.Table, layout: Layout) -> RemoveAction:
    from deltalake.transaction import RemoveAction

    place = present["path"].to_pylist().index(path)
    partition = {MONTH: present["partition"][place][MONTH].as_py()} if layout.partition_by else {}
    return RemoveAction(path, True, int(time.time() * 1000), present["size_bytes"][place].as_py(), partition)


def _statistics(part: pa.Table, layout: Layout) -> str:
    """Return what the log says about a file, so that readers can leave it out."""
    low, high = {}, {}
    for name in STATISTICS[layout.name]:
        span = pc.min_max(part[name])
        if span["min"].is_valid:
            low[name], high[name] = _json_value(span["min"]), _json_value(span["max"])
    missing = {name: part[name].null_count for name in STATISTICS[layout.name]}
    return json.dumps(
        {"numRecords": part.num_rows, "minValues": low, "maxValues": high, "nullCount": missing}
    )


def _json_value(value: pa.Scalar) -> int | str:
    plain = value.as_py()
    if isinstance(plain, int):
        return plain
    return f"{plain:%Y-%m-%dT%H:%M:%S}.{plain.microsecond // 1000:03d}Z"
