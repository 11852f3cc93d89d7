"""One merge: new rows of some tasks take the place of what a table has of them, in one commit.

Files with rows that change are written again without these rows, others stay as they are. It is the
copy-on-write MERGE of Delta Lake, written here because that of delta-rs stores texts in a type that
pyarrow cannot filter (``string_view``), and because it cannot delete rows of some tasks only.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from handinger_analytics.archive.files import divided, open_files, read_files, replace_files
from handinger_analytics.archive.layout import SYNCED_AT, Layout

if TYPE_CHECKING:
    from deltalake import DeltaTable

Mask = np.ndarray[Any, np.dtype[np.bool_]]
Places = np.ndarray[Any, np.dtype[np.int64]]

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
    later: tuple[pa.Scalar, pa.Scalar] | None = None,
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
        Stored rows, one of each task and key. Where the table has one that is equal or was fetched
        later, that one stays.
    task_ids : pyarrow.Array of string
        The tasks of which the table may have rows; those that are not in ``rows`` are deleted, unless
        fetched later.
    later : tuple of pyarrow.Scalar, optional
        When ``rows`` were fetched, and now. Rows that claim to come from after now have the time of a
        wrong clock, and are no later.
    since : datetime, optional
        The table has no rows of these tasks before this.
    metadata : dict, optional
        To write into the commit, even if no row changes.

    Returns
    -------
    Merged
        The version and how many rows changed.
    """
    files = open_files(table, layout, since)
    written: Mask = np.zeros(rows.num_rows, np.bool_)
    remaining: list[pa.Table] = []
    gone: list[str] = []
    changed = 0
    for path in _files_with(files, pa.chunked_array([task_ids, *rows["task_id"].chunks])):
        whole = read_files(files, [path])
        kept, replaced = _kept(whole, is_later(whole, later), layout, rows, task_ids, written)
        changed += replaced
        if not kept.all():
            gone.append(path)
            remaining.append(whole.filter(pa.array(kept)))
    fresh = rows.filter(pa.array(~written))
    version = int(table.version())
    if fresh.num_rows or gone or metadata is not None:
        parts = divided(pa.concat_tables([*remaining, fresh]), layout)
        replace_files(table, layout, parts, gone, metadata)
        version += 1  # a commit follows the version it was based on, or fails
    return Merged(version, fresh.num_rows - changed, changed)


def last_of_each(rows: pa.Table, layout: Layout) -> pa.Table:
    """Leave out rows that another with the same task and key comes after."""
    numbered = pa.table({"key": _keys(rows, layout), "row": np.arange(rows.num_rows)})
    last = numbered.group_by("key").aggregate([("row", "max")])["row_max"]
    return rows if len(last) == rows.num_rows else rows.take(last.sort())


def _files_with(files: ds.FileSystemDataset, task_ids: pa.ChunkedArray) -> list[str]:
    """Paths of the files that have rows of these tasks."""
    if not files.files or not len(task_ids):
        return []
    names = files.to_table(columns=[_FILE], filter=pc.field("task_id").isin(task_ids.combine_chunks()))
    return sorted(pc.unique(names[_FILE]).to_pylist())


def is_later(whole: pa.Table, later: tuple[pa.Scalar, pa.Scalar] | None) -> Mask:
    """Which rows were fetched later, see `merge`."""
    if later is None:
        return np.zeros(whole.num_rows, np.bool_)
    fetched_at, now = later
    return _mask(pc.and_(pc.greater(whole[SYNCED_AT], fetched_at), pc.less_equal(whole[SYNCED_AT], now)))


def _kept(
    whole: pa.Table, later: Mask, layout: Layout, rows: pa.Table, task_ids: pa.Array, written: Mask
) -> tuple[Mask, int]:
    """Decide which rows of a file stay.

    Marks in ``written`` the rows whose counterpart stays, and returns how many counterparts go.
    """
    kept = later | ~_mask(pc.is_in(whole["task_id"], value_set=task_ids))
    counterpart = pc.index_in(_keys(whole, layout), value_set=_keys(rows, layout).combine_chunks())
    there = np.flatnonzero(_mask(counterpart.is_valid()))
    here = counterpart.drop_null().to_numpy()
    stays = later[there] | _same(whole.filter(counterpart.is_valid()), rows, here, layout)
    kept[there[stays]] = True
    written[here[stays]] = True
    return kept, int((~stays).sum())


def _keys(rows: pa.Table, layout: Layout) -> pa.ChunkedArray:
    """One text per row that no row of another task or with another key has."""
    task_id = rows["task_id"]
    if layout.key == "task_id":
        return task_id
    length = pc.binary_length(task_id).cast(pa.string())
    return pc.binary_join_element_wise(length, task_id, rows[layout.key], " ")


def _same(old: pa.Table, rows: pa.Table, here: Places, layout: Layout) -> Mask:
    """Whether each old row equals the one of ``rows`` at its place in ``here``."""
    same = np.ones(old.num_rows, np.bool_)
    for name in old.column_names:
        if name != SYNCED_AT or layout.touch:
            same &= _equal(_wide(old[name]), _wide(rows[name]).take(here))
    return same


def _wide(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Texts that can be put together although they have more than 2 GiB."""
    return column.cast(pa.large_string()) if pa.types.is_string(column.type) else column


def _equal(left: pa.ChunkedArray, right: pa.ChunkedArray) -> Mask:
    if pa.types.is_nested(left.type):
        return np.array([a == b for a, b in zip(left.to_pylist(), right.to_pylist(), strict=True)], np.bool_)
    both_missing = pc.and_(left.is_null(), right.is_null())
    return _mask(pc.or_(pc.fill_null(pc.equal(left, right), False), both_missing))


def _mask(values: pa.ChunkedArray) -> Mask:
    mask: Mask = values.to_numpy()
    return mask
