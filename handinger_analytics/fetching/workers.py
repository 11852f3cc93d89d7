"""One worker's state, and what it plans to do, as frames."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, get_args

import msgspec
import pandas as pd

from handinger_analytics.api import wire
from handinger_analytics.api.client import Client, client_or_default
from handinger_analytics.arguments import check_word
from handinger_analytics.errors import APIResponseValidationError
from handinger_analytics.fetching.ids import normalize_worker_ids
from handinger_analytics.tables.build import table
from handinger_analytics.tables.frames import DtypeBackend, to_pandas
from handinger_analytics.tables.schema import (
    SCHEDULES,
    WORKER_FILES,
    WORKER_MESSAGES,
    WORKER_OUTPUT,
    WORKER_SOURCES,
    WORKER_STATE,
    Column,
)
from handinger_analytics.times import EPOCH

_LATEST_SECONDS = 1e11  # in seconds the year 5138, in milliseconds 1973


@dataclass(frozen=True, eq=False)
class WorkerState:
    """A worker in its most recent task, or in the one asked for.

    Attributes
    ----------
    state : DataFrame
        One row, columns as in ``schema.WORKER_STATE``; ``credits`` is missing where the server does
        not say (generation B).
    messages, files, sources, output : DataFrame
        One row each, in the order sent; columns as in ``schema.WORKER_MESSAGES`` and so on.
    """

    state: pd.DataFrame
    messages: pd.DataFrame
    files: pd.DataFrame
    sources: pd.DataFrame
    output: pd.DataFrame

    def __repr__(self) -> str:
        row = self.state.iloc[0]
        counts = ", ".join(
            f"{len(getattr(self, name))} {name}" for name in ("messages", "files", "sources", "output")
        )
        return f"WorkerState({row['worker_id']!r}, {row['status']!r}: {counts})"


def fetch_worker(
    worker_id: str,
    task_id: str | None = None,
    *,
    client: Client | None = None,
    dtype_backend: DtypeBackend = "numpy",
    cancel: threading.Event | None = None,
) -> WorkerState:
    """Fetch a worker's state, messages, files, sources and output.

    Parameters
    ----------
    worker_id : str
        Id of the worker, or a dashboard link.
    task_id : str, optional
        Id or dashboard link of the task; by default the worker's most recent one.
    client : Client, optional
        By default one from the environment, closed after use.
    dtype_backend : {"numpy", "pyarrow"}
        Dtypes of the frames.
    cancel : threading.Event, optional
        Set it from another thread to stop soon, with a `HandingerError`.

    Returns
    -------
    WorkerState
        ``.state``, a frame of one row, and the frames ``.messages .files .sources .output``.

    Raises
    ------
    APIError
        One of its subclasses, for example `NotFoundError`.
    ArgumentError
        For what cannot be an id (`TaskIdError`), and for another ``dtype_backend``.

    Examples
    --------
    >>> with ha.Sandbox(tasks=5) as sandbox, sandbox.client() as client:
    ...     worker = ha.fetch_worker(sandbox.worker_ids[0], client=client)
    >>> worker
    WorkerState('wrk_8Vo8zGRVLK1ZBg', 'completed': 4 messages, 0 files, 0 sources, 2 output)
    """
    check_word(dtype_backend, "dtype_backend", get_args(DtypeBackend))
    with client_or_default(client) as used:
        worker = used.retrieve_worker(worker_id, task_id, cancel=cancel)

    def frame(columns: tuple[Column, ...], records: list[Any]) -> pd.DataFrame:
        return to_pandas(table(columns, records), columns, dtype_backend=dtype_backend)

    return WorkerState(
        state=frame(WORKER_STATE, [_state(worker)]),
        messages=frame(WORKER_MESSAGES, _numbered(worker.messages)),
        files=frame(WORKER_FILES, worker.files),
        sources=frame(WORKER_SOURCES, worker.sources),
        output=frame(WORKER_OUTPUT, [part for message in worker.output for part in _parts(message)]),
    )


def fetch_schedules(
    worker_ids: str | Iterable[str],
    *,
    client: Client | None = None,
    dtype_backend: DtypeBackend = "numpy",
    cancel: threading.Event | None = None,
) -> pd.DataFrame:
    """Fetch what workers plan to run, one row per schedule.

    Parameters
    ----------
    worker_ids : str or iterable of str
        Workers, each once; ids or dashboard links.
    client : Client, optional
        By default one from the environment, closed after use.
    dtype_backend : {"numpy", "pyarrow"}
        Dtypes of the frame.
    cancel : threading.Event, optional
        Set it from another thread to stop soon, with a `HandingerError`.

    Returns
    -------
    DataFrame
        Columns as in ``schema.SCHEDULES``, workers in the order given.

    Raises
    ------
    APIError
        One of its subclasses, at the first worker that cannot be read.
    ArgumentError
        For what cannot be an id (`TaskIdError`), and for another ``dtype_backend``.

    Examples
    --------
    >>> with ha.Sandbox(tasks=5) as sandbox, sandbox.client() as client:
    ...     plans = ha.fetch_schedules(sandbox.worker_ids, client=client)
    >>> plans[["worker_id", "type", "budget", "cron"]].head(3)
                worker_id       type     budget       cron
    0  wrk_ZHRJ6UGUl3ZQig  scheduled  unlimited        NaN
    1  wrk_INnTYUaCt-FccQ       cron   standard  0 6 * * *
    2  wrk_INnTYUaCt-FccQ   interval        low        NaN
    """
    check_word(dtype_backend, "dtype_backend", get_args(DtypeBackend))
    workers = normalize_worker_ids(worker_ids)
    with client_or_default(client) as used:
        lists = [used.retrieve_schedules(worker_id, cancel=cancel) for worker_id in workers]
    records = [
        SimpleNamespace(**msgspec.structs.asdict(schedule), worker_id=its.worker_id, timezone=its.timezone)
        for its in lists
        for schedule in its.schedules
    ]
    return to_pandas(table(SCHEDULES, records), SCHEDULES, dtype_backend=dtype_backend)


def _state(worker: wire.Worker) -> SimpleNamespace:
    fields = msgspec.structs.asdict(worker)
    return SimpleNamespace(
        **fields | {"created_at": _created_at(worker), "usage": worker.usage or wire.Usage()}
    )


def _created_at(worker: wire.Worker) -> dt.datetime | None:
    """Read an epoch whose unit is not documented: seconds, unless that is thousands of years ahead."""
    epoch = worker.created_at
    if epoch is None:
        return None
    try:
        seconds = epoch if abs(epoch) < _LATEST_SECONDS else epoch / 1000
        return EPOCH + dt.timedelta(seconds=seconds)
    except OverflowError:
        message = (
            f"worker {worker.id!r}: created_at: expected an epoch in seconds or milliseconds, found {epoch}"
        )
        raise APIResponseValidationError(message, http_status=200) from None


def _numbered(messages: list[msgspec.Raw]) -> list[SimpleNamespace]:
    return [SimpleNamespace(seq=seq, message=message) for seq, message in enumerate(messages)]


def _parts(message: wire.Output) -> list[SimpleNamespace]:
    """One record per text of an output message; one without any text where it has none."""
    texts = [content.text for content in message.content] or [""]
    fields = msgspec.structs.asdict(message)
    return [SimpleNamespace(**fields, part=part, text=text) for part, text in enumerate(texts)]
