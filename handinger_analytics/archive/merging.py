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
from handinger_analytics.archive.storage import commit_properties

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
        The tasks; rows of theirs that are not in ``rows`` are deleted.
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
        kept, replaced = _kept(whole, layout, rows, task_ids, written)
        changed += replaced
        if not kept.all():
            gone.append(path)
            remaining.append(whole.filter(pa.array(kept)))
    fresh = rows.filter(pa.array(~written))
    if fresh.num_rows or gone or metadata is not None:
        _commit(table, layout, pa.concat_tables([*remaining, fresh]), gone, metadata)
    return Merged(int(table.version()), fresh.num_rows - changed, changed)


def _open(table: DeltaTable, layout: Layout, since: dt.datetime | None) -> ds.FileSystemDataset:
    months = [(MONTH, ">=", f"{since:%Y-%m}")] if since is not None and layout.time is not None else None
    return table.to_pyarrow_dataset(schema=layout.schema, file_pruning_predicate=months)


def _files_with(files: ds.FileSystemDataset, task_ids: pa.Array) -> list[str]:
    """Paths of the files that have rows of these tasks."""
    if not files.files:
        return []
    names = files.to_table(columns={_FILE: pc.field(_FILE)}, filter=pc.field("task_id").isin(task_ids))
    return sorted(pc.unique(names[_FILE]).to_pylist())


def _read(files: ds.FileSystemDataset, path: str) -> pa.Table:
    fragment = next(fragment for fragment in files.get_fragments() if fragment.path == path)
    return ds.FileSystemDataset([fragment], files.schema, files.format, files.filesystem).to_table()


def _kept(
    whole: pa.Table, layout: Layout, rows: pa.Table, task_ids: pa.Array, written: Mask
) -> tuple[Mask, int]:
    """Decide which rows of a file stay.

    Marks in ``written`` the rows whose counterpart stays, and returns how many counterparts go.
    """
    ours = pc.is_in(whole["task_id"], value_set=task_ids).to_numpy()
    counterpart = pc.index_in(whole[layout.key], value_set=rows[layout.key].combine_chunks())
    has_one = ours & counterpart.is_valid().to_numpy()
    theirs = np.flatnonzero(has_one)
    places = counterpart.filter(pa.array(has_one)).to_numpy()
    stays = _same(whole.take(theirs), rows.take(places), layout)
    written[places[stays]] = True
    kept = ~ours
    kept[theirs[stays]] = True
    return kept, int((~stays).sum())


def _same(old: pa.Table, new: pa.Table, layout: Layout) -> Mask:
    """Where the old row is equal to the new one, or was fetched later."""
    same = np.ones(old.num_rows, np.bool_)
    for name in old.column_names:
        if name != SYNCED_AT or layout.touch:
            same &= _equal(old[name], new[name])
    if SYNCED_AT in old.column_names:
        same |= pc.greater(old[SYNCED_AT], new[SYNCED_AT]).to_numpy()
    return same


def _equal(left: pa.ChunkedArray, right: pa.ChunkedArray) -> Mask:
    if pa.types.is_nested(left.type):
        return np.array([a == b for a, b in zip(left.to_pylist(), right.to_pylist(), strict=True)], np.bool_)
    both_missing = pc.and_(left.is_null(), right.is_null())
    return pc.or_(pc.fill_null(pc.equal(left, right), False), both_missing).to_numpy()


def _commit(
    table: DeltaTable, layout: Layout, rows: pa.Table, gone: list[str], metadata: dict[str, int] | None
) -> None:
    """Write rows, one file a month, and put them in the place of files."""
    filesystem = _filesystem(table)
    sizes = pa.table(table.get_add_actions())
    added: list[AddAction] = []
    try:
        for part in _by_month(rows, layout):
            added.append(_write(filesystem, layout, part))
        actions = [*added, *(_remove(path, sizes, layout) for path in gone)]
        table.create_write_transaction(
            actions,
            "append",
            table.schema(),
            layout.partition_by,
            commit_properties=commit_properties(metadata),
        )
    except BaseException:
        for action in added:
            with contextlib.suppress(OSError):
                filesystem.delete_file(action.path)
        raise


def _by_month(rows: pa.Table, layout: Layout) -> list[pa.Table]:
    if layout.time is None:
        return [rows] if rows.num_rows else []
    months = sorted(pc.unique(rows[MONTH]).to_pylist())
    return [rows.filter(pc.equal(rows[MONTH], month)) for month in months]


def _write(filesystem: pafs.FileSystem, layout: Layout, part: pa.Table) -> AddAction:
    from deltalake.transaction import AddAction

    partition = {name: part[name][0].as_py() for name in layout.partition_by}
    folder = "".join(f"{name}={value}/" for name, value in partition.items())
    path = f"{folder}part-{uuid.uuid4().hex}.zstd.parquet"
    sink = pa.BufferOutputStream()
    pq.write_table(part.drop_columns(layout.partition_by), sink, compression="zstd")
    content = sink.getvalue()
    with filesystem.open_output_stream(path) as stream:
        stream.write(content)
    return AddAction(path, content.size, partition, int(time.time() * 1000), True, _statistics(part, layout))


def _remove(path: str, files: pa.Table, layout: Layout) -> RemoveAction:
    from deltalake.transaction import RemoveAction

    place = files["path"].to_pylist().index(path)
    partition = {MONTH: files["partition"][place][MONTH].as_py()} if layout.partition_by else {}
    return RemoveAction(path, True, int(time.time() * 1000), files["size_bytes"][place].as_py(), partition)


def _statistics(part: pa.Table, layout: Layout) -> str:
    """What the log says about a file, so that readers can leave it out."""
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


def _filesystem(table: DeltaTable) -> pafs.FileSystem:
    from deltalake.fs import DeltaStorageHandler

    return pafs.PyFileSystem(DeltaStorageHandler(table.table_uri, table._storage_options))
