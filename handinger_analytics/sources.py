"""What is kept at a place: an archive, a folder of ``fetch --out``, or Parquet; one rule for all readers."""

from __future__ import annotations

import importlib.util
from typing import Literal

import pandas as pd
import pyarrow.fs as pafs

from handinger_analytics.archive.archive import Archive
from handinger_analytics.errors import FileError
from handinger_analytics.locations import Place, file_errors, located, place_text
from handinger_analytics.parquet.datasets import open_dataset
from handinger_analytics.parquet.files import load_parquet
from handinger_analytics.tables.selection import Columns


class ParquetFiles:
    """Tasks and turns as Parquet: a folder of ``fetch --out``, or one file or dataset of either.

    Parameters
    ----------
    place : str or path
        Path or URI of the folder or file.
    """

    def __init__(self, place: Place) -> None:
        self.place = place_text(place, "place")

    def tasks(self, columns: Columns = None) -> pd.DataFrame:
        """Read tasks, all columns or only these; errors as in `load_parquet`."""
        return load_parquet(self._path("tasks"), columns=columns)

    def turns(self, columns: Columns = None) -> pd.DataFrame:
        """Read turns, all columns or only these; errors as in `load_parquet`."""
        return load_parquet(self._path("turns"), columns=columns)

    def task_columns(self) -> list[str]:
        """Names of the columns that `tasks` would read."""
        path = self._path("tasks")
        with file_errors("read", path):
            names: list[str] = open_dataset(*located(path))[0].schema.names
        return names

    def _path(self, table: Literal["tasks", "turns"]) -> str:
        """Path of a table within a folder of ``fetch --out``; anything else is one table by itself."""
        path = f"{self.place.rstrip('/')}/{table}.parquet"
        return path if _type_at(path) != pafs.FileType.NotFound else self.place


def kept_at(place: Place) -> Archive | ParquetFiles:
    """Find out what is kept at a place; either answer has ``tasks(columns)`` and ``turns(columns)``.

    Parameters
    ----------
    place : str or path
        Path, or a URI such as ``s3://…``, of an archive, a folder of ``fetch --out``, a Parquet file or
        a dataset. Whether anything is there at all, reading tells.

    Raises
    ------
    FileError
        If the place cannot be looked at, or holds an archive and deltalake is not installed.

    Examples
    --------
    >>> ha.export_parquet(turns, "turns.parquet")
    >>> kept_at("turns.parquet").turns(columns="credits").shape
    (383, 1)
    """
    return Archive(place) if _is_archive(place_text(place, "place")) else ParquetFiles(place)


def _is_archive(place: str) -> bool:
    try:
        folder = place.rstrip("/")
        logs = (f"{folder}/{table}/_delta_log" for table in ("tasks", "turns", "ids"))  # one may be lost
        return any(_type_at(log) == pafs.FileType.Directory for log in logs)
    except FileError:
        # deltalake knows schemes (az://) and environment variables of object stores that Arrow does not.
        if "://" not in place or importlib.util.find_spec("deltalake") is None:
            raise
        return Archive(place).exists()


def _type_at(place: str) -> pafs.FileType:
    filesystem, within = located(place)
    with file_errors("read", place):
        return filesystem.get_file_info(within).type
