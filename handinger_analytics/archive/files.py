"""Data files of a table: reading them, and putting new ones in the place of others in one commit."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import time
import uuid
from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from handinger_analytics.archive.layout import MONTH, STATISTICS, Layout, month_of
from handinger_analytics.archive.storage import commit_properties, filesystem
from handinger_analytics.locations import fsync

if TYPE_CHECKING:
    from deltalake import DeltaTable
    from deltalake.transaction import AddAction, RemoveAction


ROWS_PER_FILE = 16_384
"""At most; what a merge or a compaction holds in memory does not grow with the archive."""
_BYTES_PER_FILE = 2**28
"""At most, of rows in memory; only a single row may have more."""


def open_files(table: DeltaTable, layout: Layout, since: dt.datetime | None = None) -> ds.FileSystemDataset:
    """Open the stored rows of a table, without the months before ``since``."""
    months = [(MONTH, ">=", month_of(since))] if since is not None and layout.time is not None else None
    return table.to_pyarrow_dataset(
        schema=layout.schema, filesystem=filesystem(table), file_pruning_predicate=months
    )


def read_files(files: ds.FileSystemDataset, paths: Collection[str]) -> pa.Table:
    """Read some of the files in full."""
    chosen = [fragment for fragment in files.get_fragments() if fragment.path in paths]
    return ds.FileSystemDataset(chosen, files.schema, files.format, files.filesystem).to_table()


def divided(rows: pa.Table, layout: Layout) -> Iterator[pa.Table]:
    """Divide rows into what goes into one file each: rows of one month, and not too many."""
    names = [] if layout.time is None else sorted(pc.unique(rows[MONTH]).to_pylist())
    parts = [rows] if len(names) < 2 else (rows.filter(pc.equal(rows[MONTH], name)) for name in names)
    for part in parts:
        fitting = part.num_rows * _BYTES_PER_FILE // max(part.nbytes, 1)
        rows_per_file = min(max(fitting, 1), ROWS_PER_FILE)
        for start in range(0, part.num_rows, rows_per_file):
            yield part.slice(start, rows_per_file)


def replace_files(
    table: DeltaTable,
    layout: Layout,
    parts: Iterable[pa.Table],
    gone: Iterable[str],
    metadata: dict[str, int] | None,
    *,
    change: bool = True,
) -> int:
    """Write files and put them in the place of others; return how many were written.

    Parameters
    ----------
    table : DeltaTable
        At its latest version; the commit fails where another writer was faster.
    layout : Layout
        Of the table.
    parts : iterable of pyarrow.Table
        Stored rows for one file each, all of one month.
    gone : iterable of str
        Paths of the files that they replace.
    metadata : dict or None
        To write into the commit.
    change : bool
        False where the rows stay the same.
    """
    present = pa.table(table.get_add_actions())
    files = filesystem(table)
    added = _write_all(files, layout, parts, change)
    removed = [_remove(path, present, layout, change) for path in gone]
    # Files of a commit that fails are left to a vacuum: where an answer of the storage was lost, the
    # commit may be there all the same.
    table.create_write_transaction(
        [*added, *removed],
        "append",
        table.schema(),
        layout.partition_by,
        commit_properties=commit_properties(metadata),
    )
    _make_durable(files, f"_delta_log/{table.version() + 1:020}.json")
    return len(added)


def _write_all(
    files: pafs.FileSystem, layout: Layout, parts: Iterable[pa.Table], change: bool
) -> list[AddAction]:
    """Write all files or, as far as that is in our hands, none."""
    written: list[AddAction] = []
    try:
        for part in parts:
            written.append(_write(files, layout, part, change))
    except BaseException:
        for action in written:
            with contextlib.suppress(OSError):
                files.delete_file(action.path)
        raise
    return written


def _write(files: pafs.FileSystem, layout: Layout, part: pa.Table, change: bool) -> AddAction:
    from deltalake.transaction import AddAction

    partition = {name: part[name][0].as_py() for name in layout.partition_by}
    folder = "".join(f"{name}={value}/" for name, value in partition.items())
    path = f"{folder}part-{uuid.uuid4().hex}.zstd.parquet"
    sink = pa.BufferOutputStream()
    pq.write_table(part.drop_columns(layout.partition_by), sink, compression="zstd")
    content = sink.getvalue()
    # The stream of deltalake takes bytes only. pyarrow hands it bytes when it empties a buffer of its own,
    # and its own Buffer when something larger than that is written.
    files.create_dir(folder or ".", recursive=True)
    with files.open_output_stream(path, buffer_size=content.size + 1) as stream:
        stream.write(content)
    _make_durable(files, path)
    return AddAction(path, content.size, partition, _milliseconds(), change, _statistics(part, layout))


def _make_durable(files: pafs.FileSystem, path: str) -> None:
    """Make a file survive a power cut; in a bucket the service does."""
    if isinstance(files, pafs.SubTreeFileSystem):
        for one in (path, os.path.dirname(path)):
            fsync(files.base_fs, f"{files.base_path}{one}")


def _remove(path: str, present: pa.Table, layout: Layout, change: bool) -> RemoveAction:
    from deltalake.transaction import RemoveAction

    place = present["path"].to_pylist().index(path)
    partition = {MONTH: present["partition"][place][MONTH].as_py()} if layout.partition_by else {}
    return RemoveAction(path, change, _milliseconds(), present["size_bytes"][place].as_py(), partition)


def _milliseconds() -> int:
    return int(time.time() * 1000)


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
    return f"{plain.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"
