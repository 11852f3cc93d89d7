"""Datasets: a folder of Parquet files, one level of folders for each column they are divided by."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from handinger_analytics.errors import FileError, FrameError

ROWS_PER_GROUP = 65_536

_TIME_COLUMNS = ("started_at", "created_at")
_PERIODS = {"day": "%Y-%m-%d", "month": "%Y-%m"}
_PARTITIONS_KEY = b"handinger.partition_by"
_SCHEMA_FILE = "_common_metadata"


def write_dataset(table: pa.Table, filesystem: pafs.FileSystem, target: str, names: list[str]) -> None:
    """Write a dataset divided by the columns or periods in ``names``; a local one in one step."""
    complete_schema = table.schema
    table = _with_periods(table, names)
    partitioning = _partitioning(table.schema, names)
    _require_round_trip(table, partitioning)
    local = isinstance(filesystem, pafs.LocalFileSystem)
    folder, _, name = target.rpartition("/")
    place = f"{folder}/.{name}.{uuid.uuid4().hex}.tmp" if local else target
    _require_replaceable(filesystem, target, local)
    try:
        ds.write_dataset(
            table,
            place,
            filesystem=filesystem,
            format="parquet",
            file_options=ds.ParquetFileFormat().make_write_options(compression="zstd"),
            partitioning=partitioning,
            basename_template="part-{i}.parquet",
            max_partitions=max(1, table.select(names).group_by(names).aggregate([]).num_rows),
            max_rows_per_group=ROWS_PER_GROUP,
        )
        filesystem.create_dir(place, recursive=True)
        with filesystem.open_output_stream(f"{place}/{_SCHEMA_FILE}") as stream:
            pq.write_metadata(_with_partitions_noted(complete_schema, names), stream)
        if local:
            _swap_in(place, target)
    finally:
        if local:
            shutil.rmtree(place, ignore_errors=True)


def _with_periods(table: pa.Table, names: list[str]) -> pa.Table:
    """Add the month or day columns that are asked for, and refuse names that are neither."""
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
    """Refuse columns and values that could not be told again from the name of a folder."""
    for field in partitioning.schema:
        if field.name.startswith(("_", ".")):
            raise FrameError(
                f"partition_by: readers overlook folders named like {field.name!r}; partition by another "
                "column, or rename it"
            )
        for value in pc.unique(table[field.name].cast(field.type)).drop_null():
            condition = pc.field(field.name) == value
            folder, _ = partitioning.format(condition)
            try:
                legible = condition.equals(partitioning.parse(f"{folder}/part-0.parquet"))
            except pa.ArrowException:
                legible = False
            if not legible:
                raise FrameError(
                    f"partition_by: {value.as_py()!r} in column {field.name!r} could not be read back from "
                    "the name of a folder; partition by another column, or replace it"
                )


def _with_partitions_noted(schema: pa.Schema, names: list[str]) -> pa.Schema:
    return schema.with_metadata({**schema.metadata, _PARTITIONS_KEY: json.dumps(names)})


def _require_replaceable(filesystem: pafs.FileSystem, target: str, local: bool) -> None:
    """Refuse to write a dataset over anything but an earlier one."""
    info = filesystem.get_file_info(target)
    if info.type == pafs.FileType.NotFound:
        return
    if info.type == pafs.FileType.File:
        raise FileError(f"cannot write a dataset to {target!r}: a file is there; choose another name")
    entries = filesystem.get_file_info(pafs.FileSelector(target))
    if entries and not (local and any(entry.base_name == _SCHEMA_FILE for entry in entries)):
        raise FileError(
            f"cannot write a dataset to {target!r}: the folder has other things in it; "
            "choose an empty or new one"
        )


def _swap_in(place: str, target: str) -> None:
    """Put a finished folder in place of an older one."""
    if not os.path.exists(target):
        os.rename(place, target)
        return
    old = f"{place}.old"
    os.rename(target, old)
    try:
        os.rename(place, target)
    except OSError:
        os.rename(old, target)
        raise
    shutil.rmtree(old)


def opened_dataset(filesystem: pafs.FileSystem, source: str) -> ds.Dataset:
    """Open a file or dataset, with the columns in the types and order they were written in."""
    schema_file = f"{source}/{_SCHEMA_FILE}"
    if filesystem.get_file_info(schema_file).type == pafs.FileType.NotFound:
        return ds.dataset(source, filesystem=filesystem, format="parquet")
    with filesystem.open_input_file(schema_file) as stream:
        schema = pq.read_schema(stream)
    names = json.loads(schema.metadata[_PARTITIONS_KEY])
    levels = [name for name in names if name in schema.names]
    periods = [pa.field(name, pa.string()) for name in names if name not in schema.names]
    partitioning = _partitioning(pa.schema([*schema, *periods]), names)
    for name in levels:
        index, field = schema.get_field_index(name), schema.field(name)
        if pa.types.is_dictionary(field.type):
            schema = schema.set(index, field.with_type(field.type.value_type))
    return ds.dataset(
        source, schema=schema, filesystem=filesystem, format="parquet", partitioning=partitioning
    )


def time_column(names: Sequence[str]) -> str:
    """Name the column that says when a turn or task began."""
    for name in _TIME_COLUMNS:
        if name in names:
            return name
    raise FrameError(f"there is no time column ({' or '.join(_TIME_COLUMNS)}); there are {', '.join(names)}")
