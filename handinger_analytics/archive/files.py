"""Data files of a table: reading them, and replacing some by new ones in one commit.

That a single file is replaced whole or not at all is the business of `handinger_analytics.locations`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import json
import os
import re
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from handinger_analytics.archive.layout import BATCH, MONTH, TURNS_LAYOUT, Layout, month_of
from handinger_analytics.archive.storage import batch_of, filesystem
from handinger_analytics.locations import fsync
from handinger_analytics.times import milliseconds, now

if TYPE_CHECKING:
    from deltalake import DeltaTable
    from deltalake.transaction import AddAction

_OURS = re.compile(r"part-[0-9a-f]{32}\.zstd\.parquet$")
_READERS = 16
_WITHOUT_VIEWS: set[str] = set()  # files that were looked at: their names are unique, their content is fixed
_BYTES_PER_FILE = 2**28
"""At most, of rows in memory, where a merge holds them; only a single row may have more."""


def open_files(table: DeltaTable, schema: pa.Schema, pruning: Any = None) -> ds.FileSystemDataset:
    """Open the data files of a table, without those that the log lets ``pruning`` leave out."""
    files = table.to_pyarrow_dataset(
        schema=schema, filesystem=filesystem(table), file_pruning_predicate=pruning
    )
    foreign = [
        fragment
        for fragment in files.get_fragments()
        if not _OURS.search(fragment.path) and fragment.path not in _WITHOUT_VIEWS
    ]
    with ThreadPoolExecutor(_READERS) as pool:
        found = zip(foreign, pool.map(_has_views, foreign), strict=True)
        views = {fragment.path for fragment, has_views in found if has_views}
    _WITHOUT_VIEWS.update({fragment.path for fragment in foreign} - views)
    if not views:
        return files
    plain = _plain_filesystem(table)
    fragments = [
        files.format.make_fragment(each.path, plain, each.partition_expression)
        if each.path in views
        else each
        for each in files.get_fragments()
    ]
    return ds.FileSystemDataset(fragments, schema, files.format, files.filesystem)


def _has_views(fragment: ds.ParquetFileFragment) -> bool:
    """Tell whether a file has texts in a type that pyarrow reads and then cannot filter by."""
    fragment.ensure_complete_metadata()
    return any("string_view" in str(column.type) for column in fragment.physical_schema)


def _plain_filesystem(table: DeltaTable) -> pafs.FileSystem:
    """Return a file system whose Parquet files do not say which Arrow types they were written from.

    deltalake notes ``string_view`` there when it deletes or updates rows. Without the note a text is read as
    a plain string. Files are read whole.
    """
    from deltalake.fs import DeltaStorageHandler

    class WithoutTypes(DeltaStorageHandler):
        def open_input_file(self, path: str) -> pa.NativeFile:
            content = super().open_input_file(path).read()
            footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
            return pa.BufferReader(content[:footer] + content[footer:].replace(b"ARROW:schema", b"-" * 12))

    return pafs.PyFileSystem(WithoutTypes(table.table_uri, table._storage_options))


def months(
    layout: Layout, since: dt.datetime | None, until: dt.datetime | None = None
) -> list[tuple[str, str, str]] | None:
    """Return the condition that leaves out the months before ``since`` and after ``until``."""
    bounds = ((">=", since), ("<=", until)) if layout.time is not None else ()
    return [(MONTH, sign, month_of(moment)) for sign, moment in bounds if moment is not None] or None


def newest_first(table: DeltaTable) -> list[str]:
    """Return the URIs of the files, sorted by when they were written."""
    actions = pa.table(table.get_add_actions())
    names = map(os.path.basename, actions["path"].to_pylist())
    written = dict(zip(names, actions["modification_time"].to_pylist(), strict=True))
    return sorted(table.file_uris(), key=lambda uri: written.get(os.path.basename(uri), 0), reverse=True)


def read_files(files: ds.FileSystemDataset, paths: Collection[str]) -> pa.Table:
    """Read some of the files in full."""
    chosen = [fragment for fragment in files.get_fragments() if fragment.path in paths]
    return ds.FileSystemDataset(chosen, files.schema, files.format, files.filesystem).to_table()


def split_by_file(rows: pa.Table, layout: Layout) -> Iterator[pa.Table]:
    """Split rows into the content of files: each of one month, and not too large."""
    names = [] if layout.time is None else sorted(pc.unique(rows[MONTH]).to_pylist())
    parts = [rows] if len(names) < 2 else (rows.filter(pc.equal(rows[MONTH], name)) for name in names)
    for part in parts:
        rows_per_file = max(part.num_rows * _BYTES_PER_FILE // max(part.nbytes, 1), 1)
        for start in range(0, part.num_rows, rows_per_file):
            yield part.slice(start, rows_per_file)


def replace_files(
    table: DeltaTable,
    layout: Layout,
    parts: Iterable[pa.Table],
    replaced: Collection[str],
    transactions: Mapping[str, int] | None,
    *,
    same_rows: bool = False,
) -> None:
    """Write files that replace others in one commit; those of a commit that comes too late are deleted.

    Parameters
    ----------
    table : DeltaTable
        At its latest version; the commit fails if another writer committed first.
    layout : Layout
        Of the table.
    parts : iterable of pyarrow.Table
        Stored rows for one file each, all of one month.
    replaced : collection of str
        Paths of the files that they replace.
    transactions : mapping or None
        Names and numbers that the table notes from now on, see `Pointer`. A change of rows of ``turns``
        counts up `BATCH` there by itself.
    same_rows : bool, default False
        Whether the new files have the rows of the replaced ones, so that no row changes.
    """
    from deltalake import CommitProperties
    from deltalake.exceptions import CommitFailedError
    from deltalake.transaction import RemoveAction, Transaction

    columns = ["path", "size_bytes", *(["partition"] if layout.partition_by else [])]
    present = pa.table(table.get_add_actions()).select(columns)
    files = filesystem(table)
    written = _write_all(files, layout, parts)
    added = [dataclasses.replace(each, data_change=not same_rows) for each in written]
    removed = [
        RemoveAction(path, not same_rows, milliseconds(now()), row["size_bytes"], row.get("partition") or {})
        for row in present.to_pylist()
        if (path := row["path"]) in replaced
    ]
    if layout is TURNS_LAYOUT and not same_rows:
        transactions = {**(transactions or {}), BATCH: batch_of(table) + 1}
    noted = [Transaction(name, number) for name, number in (transactions or {}).items()]
    commit = f"_delta_log/{table.version() + 1:020}.json"
    try:
        table.create_write_transaction(
            [*added, *removed],
            "append",
            table.schema(),
            layout.partition_by,
            commit_properties=CommitProperties(max_commit_retries=0, app_transactions=noted),
        )
    except CommitFailedError:
        _delete_unnamed(files, commit, added)
        raise
    fsync(files, commit, os.path.dirname(commit))


def _delete_unnamed(files: pafs.FileSystem, commit: str, added: list[AddAction]) -> None:
    """Delete files, unless a commit names them: it is ours where only the answer of the storage was lost.

    What cannot be told now, or after another error, is left to a vacuum.
    """
    with contextlib.suppress(OSError):
        with files.open_input_file(commit) as file:
            content = file.read()
        if not any(action.path.encode() in content for action in added):
            _delete(files, added)


def _write_all(files: pafs.FileSystem, layout: Layout, parts: Iterable[pa.Table]) -> list[AddAction]:
    """Write all files; delete those already written if an error comes in between."""
    written: list[AddAction] = []
    try:
        for part in parts:
            written.append(_write(files, layout, part))
    except BaseException:
        _delete(files, written)
        raise
    return written


def _delete(files: pafs.FileSystem, written: list[AddAction]) -> None:
    for action in written:
        with contextlib.suppress(OSError):
            files.delete_file(action.path)


def _write(files: pafs.FileSystem, layout: Layout, part: pa.Table) -> AddAction:
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
    fsync(files, path, os.path.dirname(path))
    return AddAction(path, content.size, partition, milliseconds(now()), True, _statistics(part, layout))


def _statistics(part: pa.Table, layout: Layout) -> str:
    """Return what the log says about a file, so that readers can leave it out."""
    spans = {name: pc.min_max(part[name]) for name in layout.statistics}
    known = {name: span for name, span in spans.items() if span["min"].is_valid}
    return json.dumps(
        {
            "numRecords": part.num_rows,
            "minValues": {name: _json_value(span["min"]) for name, span in known.items()},
            "maxValues": {name: _json_value(span["max"]) for name, span in known.items()},
            "nullCount": {name: part[name].null_count for name in spans},
        }
    )


def _json_value(value: pa.Scalar) -> int | str:
    plain = value.as_py()
    if isinstance(plain, int):
        return plain
    return f"{plain.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"
