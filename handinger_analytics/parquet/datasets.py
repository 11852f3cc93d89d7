"""Partitioned datasets: a folder of Parquet files with one level of folders for each partition column.

Beside the data lies the schema of the frame (``_common_metadata``), because the names of folders keep
neither the types of the partition columns nor their order.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from handinger_analytics.errors import FileError, FrameError
from handinger_analytics.locations import replaced_folder
from handinger_analytics.tables.selection import time_column

T = TypeVar("T")

ROWS_PER_GROUP = 65_536

_PERIODS = {"day": "%Y-%m-%d", "month": "%Y-%m"}
_PARTITIONS_KEY = b"handinger.partition_by"
_SCHEMA_FILE = "_common_metadata"


def write_dataset(table: pa.Table, filesystem: pafs.FileSystem, target: str, names: list[str]) -> None:
    """Write a dataset partitioned by the columns or periods in ``names``; a local one in one step."""
    complete_schema = table.schema
    table = _with_periods(table, names)
    partitioning = _partitioning(table.schema, names)
    _require_round_trip(table, partitioning)
    _require_replaceable(filesystem, target)
    with replaced_folder(filesystem, target) as folder:
        ds.write_dataset(
            table,
            folder,
            filesystem=filesystem,
            format="parquet",
            file_options=ds.ParquetFileFormat().make_write_options(compression="zstd"),
            partitioning=partitioning,
            basename_template="part-{i}.parquet",
            max_partitions=max(1, table.select(names).group_by(names).aggregate([]).num_rows),
            max_rows_per_group=ROWS_PER_GROUP,
        )
        filesystem.create_dir(folder, recursive=True)
        noted = {**complete_schema.metadata, _PARTITIONS_KEY: json.dumps(names)}
        with filesystem.open_output_stream(f"{folder}/{_SCHEMA_FILE}") as stream:
            pq.write_metadata(complete_schema.with_metadata(noted), stream)


def _with_periods(table: pa.Table, names: list[str]) -> pa.Table:
    """Add the columns ``month`` and ``day`` where asked for, and refuse names that are no columns."""
    for name in names:
        if name in table.column_names:
            continue
        if name not in _PERIODS:
            raise FrameError(
                f"partition_by names {name!r}, which is no column of the frame; it has "
                f"{', '.join(table.column_names)}, and 'month' and 'day' can be made"
            )
        instants = table[time_column(table.column_names)]
        table = table.append_column(name, pc.strftime(instants, format=_PERIODS[name]))
    return table


def _partitioning(schema: pa.Schema, names: list[str]) -> ds.Partitioning:
    fields = [schema.field(name) for name in names]
    plain = [
        pa.field(f.name, f.type.value_type if pa.types.is_dictionary(f.type) else f.type) for f in fields
    ]
    return ds.partitioning(pa.schema(plain), flavor="hive")


def _require_round_trip(table: pa.Table, partitioning: ds.Partitioning) -> None:
    """Refuse columns and values that could not be read back from the name of a folder."""
    for field in partitioning.schema:
        if field.name.startswith(("_", ".")):
            raise _unfit(f"readers overlook folders named like {field.name!r}", "rename it")
        kind = table.schema.field(field.name).type
        if pa.types.is_dictionary(kind) and kind.ordered:
            raise _unfit(f"folders do not keep the order of {field.name!r}", "make it text")
        for value in pc.unique(table[field.name].cast(field.type)).drop_null():
            condition = pc.field(field.name) == value
            folder, _ = partitioning.format(condition)
            try:
                legible = condition.equals(partitioning.parse(f"{folder}/part-0.parquet"))
            except pa.ArrowException:
                legible = False
            if not legible:
                found = f"{value.as_py()!r} in column {field.name!r}"
                raise _unfit(f"{found} could not be read back from the name of a folder", "replace it")


def _unfit(reason: str, remedy: str) -> FrameError:
    return FrameError(f"partition_by: {reason}; partition by another column, or {remedy}")


def _require_replaceable(filesystem: pafs.FileSystem, target: str) -> None:
    """Refuse to write a dataset over anything but an earlier one, or in a bucket over anything."""
    info = filesystem.get_file_info(target)
    if info.type == pafs.FileType.NotFound:
        return
    if info.type != pafs.FileType.Directory:
        raise FileError(f"cannot write a dataset to {target!r}: a file is there; choose another name")
    entries = [entry.base_name for entry in filesystem.get_file_info(pafs.FileSelector(target))]
    if entries and not (isinstance(filesystem, pafs.LocalFileSystem) and _SCHEMA_FILE in entries):
        raise FileError(
            f"cannot write a dataset to {target!r}: the folder has other things in it; "
            "choose an empty or new one"
        )


def open_dataset(filesystem: pafs.FileSystem, source: str) -> tuple[ds.Dataset, list[pa.Schema]]:
    """Open a file or dataset, with the columns in the types and order they were written in.

    Beside it stand the schemas of its files, or the one that was noted for all. In a folder of several
    exports a column of one file is a column of all, as in the first that has it.
    """
    schema_file = f"{source}/{_SCHEMA_FILE}"
    schema = pa.schema([])
    if filesystem.get_file_info(schema_file).type != pafs.FileType.NotFound:
        with filesystem.open_input_file(schema_file) as stream:
            schema = pq.read_schema(stream)
    if _PARTITIONS_KEY not in (schema.metadata or {}):  # another program's dataset may have such a file
        dataset = ds.dataset(source, filesystem=filesystem, format="parquet")
        schemas, whole = [file.physical_schema for file in dataset.get_fragments()], dataset.schema
        for field in itertools.chain.from_iterable(schemas):
            if field.name not in whole.names:
                whole = whole.append(field.with_nullable(True))
        return dataset.replace_schema(whole), schemas
    names = metadata_entry(schema.metadata, _PARTITIONS_KEY, list, source)
    if not all(isinstance(name, str) for name in names):
        raise damaged(source)
    periods = [pa.field(name, pa.string()) for name in names if name not in schema.names]
    partitioning = _partitioning(pa.schema([*schema, *periods]), names)
    for field in partitioning.schema:
        if field.name in schema.names:
            index = schema.get_field_index(field.name)
            schema = schema.set(index, schema.field(index).with_type(field.type))
    opened = ds.dataset(
        source, schema=schema, filesystem=filesystem, format="parquet", partitioning=partitioning
    )
    return opened, [schema]


def metadata_entry(metadata: Mapping[bytes, bytes] | None, key: bytes, kind: type[T], source: str) -> T:
    """Read an entry of a schema's metadata from JSON; an empty ``kind`` where there is none.

    Raises
    ------
    FileError
        It is something else.
    """
    try:
        found = json.loads(metadata[key]) if metadata and key in metadata else kind()
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, kind):
        raise damaged(source)
    return found


def damaged(source: str) -> FileError:
    """Make the error for a file whose metadata is not what `export_parquet` writes."""
    return FileError(f"cannot read {source!r}: its metadata is damaged; export it again")
