"""Task ids for somebody who has none: from the webhook log, text, files, columns and links.

The API cannot list tasks. The log of a worker's webhook deliveries is the one documented place that
names them.
"""

from __future__ import annotations

import itertools
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Literal, overload

import pandas as pd

from handinger_analytics import wire
from handinger_analytics.client import Client, opened
from handinger_analytics.errors import FileError, FrameError, HandingerError, PermissionDeniedError
from handinger_analytics.frames import to_pandas
from handinger_analytics.ids import normalize_task_ids, normalize_worker_ids, task_id_in_link
from handinger_analytics.rows import table
from handinger_analytics.schema import DISCOVERED

_IN_TEXT = re.compile(r"https?://[^\s\"'<>]+/task/[^\s\"'<>,;]+|\btsk_[A-Za-z0-9_-]+")


def _read_csv(path: Path) -> pd.DataFrame:
    """Read text as text: an id may look like a number, or like a missing value."""
    return pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""])


_TABLES: dict[str, Callable[[Path], pd.DataFrame]] = {".csv": _read_csv, ".parquet": pd.read_parquet}


@overload
def discover_task_ids(
    worker_ids: str | Iterable[str],
    *,
    client: Client | None = ...,
    as_frame: Literal[False] = ...,
    cancel: threading.Event | None = ...,
) -> list[str]: ...
@overload
def discover_task_ids(
    worker_ids: str | Iterable[str],
    *,
    client: Client | None = ...,
    as_frame: Literal[True],
    cancel: threading.Event | None = ...,
) -> pd.DataFrame: ...
def discover_task_ids(
    worker_ids: str | Iterable[str],
    *,
    client: Client | None = None,
    as_frame: bool = False,
    cancel: threading.Event | None = None,
) -> list[str] | pd.DataFrame:
    """Find the tasks that workers reported to their webhooks.

    Parameters
    ----------
    worker_ids : str or iterable of str
        Workers whose log to read, all pages of it; ids or dashboard links. Only a worker's creator may.
    client : Client, optional
        By default one from the environment, closed after use.
    as_frame : bool, default False
        Return a frame with titles, too.
    cancel : threading.Event, optional
        Set it from another thread to stop after the page under way, with an error.

    Returns
    -------
    list of str or DataFrame
        Each task once, by worker in the order given, as the log has them. The frame has the columns
        ``task_id task_title worker_id last_seen`` (the latest delivery, UTC).

    Raises
    ------
    PermissionDeniedError
        If the key's user did not create the worker.
    HandingerError
        If a page cannot be read (`APIError`) or ``cancel`` was set: a list with a hole in it would look
        complete.

    Notes
    -----
    Pages shift while new deliveries are logged. The walk goes on until it has passed the last page
    there is then, so an entry that moved to a later page is met there; one met twice counts once.

    Examples
    --------
    >>> from handinger_analytics import Sandbox
    >>> with Sandbox(tasks=50) as sandbox:
    ...     ids = discover_task_ids(sandbox.worker_ids, client=sandbox.client())
    >>> len(ids) == len(set(ids))
    True
    """
    workers = normalize_worker_ids(worker_ids)
    latest: dict[str, wire.Execution] = {}
    with opened(client) as one:
        logs = (_executions(one, worker_id, cancel) for worker_id in workers)
        for execution in itertools.chain.from_iterable(logs):
            if not execution.task_id:
                continue
            known = latest.get(execution.task_id)
            if known is None or execution.created_at > known.created_at:
                latest[execution.task_id] = execution
    if not as_frame:
        return list(latest)
    return to_pandas(table(DISCOVERED, list(latest.values())), DISCOVERED)


def task_ids_from(source: object, column: str = "task_id") -> list[str]:
    """Pick task ids out of whatever has them.

    Parameters
    ----------
    source : str, path, Series, DataFrame or iterable of str
        Text with ids (``tsk_…``) or dashboard links in it; the path (``pathlib.Path``) of a text,
        CSV or Parquet file; a column; a frame; or strings that each are an id or a link.
    column : str, default "task_id"
        Column to take from a frame or a CSV or Parquet file.

    Returns
    -------
    list of str
        Each id once, in the order met. Missing values in a column are left out.

    Raises
    ------
    FrameError
        If the frame has no such column.
    FileError
        If the file cannot be read.
    TaskIdError
        For anything else that is not an id.

    Notes
    -----
    In running text only ids that begin with ``tsk_`` can be told from other words. Ids of another
    form are found as dashboard links, in columns and in iterables.

    Examples
    --------
    >>> task_ids_from("see tsk_1 and https://v3.handinger.com/worker/wrk_1/task/my-own-id, tsk_1")
    ['tsk_1', 'my-own-id']
    """
    if isinstance(source, str):
        return normalize_task_ids(_ids_in_text(source))
    if isinstance(source, os.PathLike):
        return _ids_in_file(Path(source), column)
    if isinstance(source, pd.DataFrame):
        if column not in source:
            raise FrameError(
                f"there is no column {column!r}; there are {', '.join(map(str, source.columns))}"
            )
        source = source[column]
    if isinstance(source, pd.Series):
        source = source.dropna()
    return normalize_task_ids(source)  # type: ignore[arg-type]  # it says what it accepts, at run time


def _executions(client: Client, worker_id: str, cancel: threading.Event | None) -> Iterator[wire.Execution]:
    """Every entry of a worker's log, walking pages until there are no more or somebody cancels."""
    for page in itertools.count(1):
        if cancel is not None and cancel.is_set():
            raise HandingerError(f"cancelled before page {page} of the webhook log of worker {worker_id!r}")
        try:
            answer = client.retrieve_webhook_executions(worker_id, page)
        except PermissionDeniedError as error:
            raise PermissionDeniedError(
                f"{error}. Only the creator of a worker may read its webhook log: use a key of that user",
                http_status=error.http_status,
                attempts=error.attempts,
            ) from None
        yield from answer.logs
        if page >= answer.page_count:
            return


def _ids_in_text(text: str) -> list[str]:
    found = (match.rstrip(".)]") for match in _IN_TEXT.findall(text))
    return [task_id_in_link(match) or match for match in found]


def _ids_in_file(path: Path, column: str) -> list[str]:
    try:
        if read := _TABLES.get(path.suffix.lower()):
            return task_ids_from(read(path), column)
        return task_ids_from(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        if isinstance(error, FrameError | FileError):
            raise
        raise FileError(f"cannot read task ids from {str(path)!r}: {error}") from None
