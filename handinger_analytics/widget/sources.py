"""Where tasks are searched: a frame, an archive, a file or a webhook log that the person has at hand."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd
import pyarrow as pa

from handinger_analytics.api.client import Client
from handinger_analytics.archive.view import ArchiveView
from handinger_analytics.errors import ArgumentError, FrameError
from handinger_analytics.fetching.discover import discovered, gaps, read_logs
from handinger_analytics.sources import ParquetFiles, kept_at
from handinger_analytics.widget.search import COLUMNS, searched_columns

Source = Any
"""A frame of any engine, an `Archive` or its past, a path or URI, or ids of workers."""


def open_source(source: Source, client: Client | None, cancel: threading.Event | None) -> pd.DataFrame:
    """Read what can be searched of a source, and not the texts of its turns.

    Parameters
    ----------
    source : DataFrame, Archive, str, path or iterable of str
        Tasks or turns (pandas, pyarrow, Polars, DuckDB or PySpark); an archive or what its ``as_of``
        returns; the path or URI of an archive, a folder of ``fetch --out``, a Parquet file or dataset;
        or ids of workers whose webhook log to read. A string is a path where it ends in ``.parquet``,
        has a separator in it or names something on disk, else the id of one worker.
    client : Client or None
        For the webhook log; by default one from the environment.
    cancel : threading.Event or None
        Set it to leave a webhook log after the page under way.

    Returns
    -------
    DataFrame
        Some of `handinger_analytics.widget.search.COLUMNS` at least.

    Raises
    ------
    HandingerError
        FrameError, FileError or an APIError, depending on the source.
    """
    if isinstance(source, os.PathLike) or (isinstance(source, str) and _looks_like_path(source)):
        source = kept_at(source)
    if isinstance(source, ParquetFiles):
        return source.tasks(columns=searched_columns(source.task_columns()))
    if isinstance(source, ArchiveView):
        return source.tasks(columns=list(COLUMNS[0]))
    if isinstance(source, pd.DataFrame):
        return source
    if (frame := _lazy(source)) is not None:
        columns = searched_columns(frame.collect_schema().names())
        table = frame.select(*columns).collect("pyarrow").to_arrow()
        # Polars' categories have unsigned codes, which pandas takes from recent versions of PyArrow only.
        plain = [
            f.with_type(f.type.value_type) if pa.types.is_dictionary(f.type) else f for f in table.schema
        ]
        return pd.DataFrame(table.cast(pa.schema(plain)).to_pandas())
    logs = read_logs(source, client, cancel)
    if (words := list(gaps(logs))) and len(words) == len(logs):
        raise FrameError("; ".join(words))  # a warning in a thread is seen by nobody
    return discovered(logs)


def check_source(source: Source) -> None:
    """Raise `ArgumentError` for something that cannot be a source."""
    if isinstance(source, ArchiveView) or _lazy(source) is not None:
        return
    if not isinstance(source, str | os.PathLike | Iterable) or hasattr(source, "columns"):
        raise ArgumentError.unexpected(
            "source",
            "an archive, a frame of tasks or turns (pandas, pyarrow, Polars, DuckDB or PySpark), "
            "the path of an archive or a Parquet file, or worker ids",
            source,
        )


def _looks_like_path(text: str) -> bool:
    return text.endswith(".parquet") or "/" in text or os.sep in text or os.path.exists(text)


def _lazy(source: Source) -> nw.LazyFrame[Any] | None:
    """Frame of whichever engine, None for what is no frame."""
    try:
        frame: nw.LazyFrame[Any] = nw.from_native(source).lazy()
    except TypeError:
        return None
    return frame
