"""Many task ids in, frames and failures out."""

from __future__ import annotations

import threading
from collections.abc import Iterable

import pandas as pd

from handinger_analytics.api.client import Client, client_or_default
from handinger_analytics.fetching.ids import normalize_task_ids
from handinger_analytics.fetching.pool import gather
from handinger_analytics.fetching.progress import Progress, ProgressBar
from handinger_analytics.fetching.result import (
    FetchResult,
    OnError,
    check_options,
    raise_with_result,
    report_failures,
)
from handinger_analytics.tables.frames import DtypeBackend


def fetch(
    task_ids: str | Iterable[str],
    *,
    client: Client | None = None,
    on_error: OnError = "warn",
    progress: Progress = None,
    dtype_backend: DtypeBackend = "numpy",
    cancel: threading.Event | None = None,
) -> FetchResult:
    """Fetch tasks with all their turns.

    Parameters
    ----------
    task_ids : str or iterable of str
        Task ids or dashboard links, in any mixture; order is kept, repeats are fetched once.
    client : Client, optional
        By default one from the environment, closed after use.
    on_error : {"warn", "raise", "collect"}
        What to do about ids that were not fetched: warn (`PartialDataWarning`), raise at the end
        (`IncompleteFetchError`, with what was fetched in ``.result``), or only put them into
        ``.failures``.
    progress : bool or callable, optional
        Show a bar on stderr; by default where that is a terminal or a notebook. A callable is called
        with ``(done, failed, total)`` instead, from the calling thread, whenever one of them has changed.
    dtype_backend : {"numpy", "pyarrow"}
        Dtypes of the frames, as in pandas' own readers.
    cancel : threading.Event, optional
        Set it from another thread to stop early; what was fetched by then comes back, incomplete.

    Returns
    -------
    FetchResult
        ``.tasks``, ``.turns`` and ``.failures`` as DataFrames, ``.complete`` and ``.retry_failed()``.

    Raises
    ------
    TaskIdError
        For something that cannot be a task id.
    ArgumentError
        For another ``on_error``, ``dtype_backend``, ``progress`` or ``cancel``.
    AuthenticationError
        As soon as the server does not accept the key; ``.result`` has what was fetched.
    IncompleteFetchError
        If ids were not fetched and ``on_error="raise"``.
    FetchInterrupted
        On Ctrl-C, within two seconds; ``.result`` has what was fetched.

    Examples
    --------
    >>> with ha.Sandbox(tasks=20, seed=7) as sandbox, sandbox.client() as client:
    ...     result = ha.fetch(sandbox.task_ids, client=client)
    >>> result
    FetchResult
      tasks: 20 of 20 asked for, 1 without turns
      turns: 44
      credits: 5,636
      period: 2026-05-05 20:11 to 2026-06-30 11:59 UTC
      complete: yes
    """
    return _fetch(task_ids, client, on_error, progress, dtype_backend, cancel)


def fetch_tasks(
    task_ids: str | Iterable[str],
    *,
    client: Client | None = None,
    on_error: OnError = "warn",
    progress: Progress = None,
    dtype_backend: DtypeBackend = "numpy",
    cancel: threading.Event | None = None,
) -> pd.DataFrame:
    """Fetch tasks, one row each; parameters and errors as in `fetch`.

    Returns
    -------
    DataFrame
        Columns as in ``schema.TASKS``; ``attrs["handinger"]`` says whether it is complete.

    Examples
    --------
    >>> with ha.Sandbox(tasks=20, seed=7) as sandbox, sandbox.client() as client:
    ...     tasks = ha.fetch_tasks(sandbox.task_ids[:2], client=client)
    >>> tasks[["task_id", "status", "credits"]]
                  task_id   status  credits
    0  tsk_DOgth3V7E-FFsw  aborted       45
    1  tsk_miS4LlkUwYkMbw  aborted     2117
    """
    return _fetch(task_ids, client, on_error, progress, dtype_backend, cancel, with_turns=False).tasks


def fetch_turns(
    task_ids: str | Iterable[str],
    *,
    client: Client | None = None,
    on_error: OnError = "warn",
    progress: Progress = None,
    dtype_backend: DtypeBackend = "numpy",
    cancel: threading.Event | None = None,
) -> pd.DataFrame:
    """Fetch the turns of tasks, one row each; parameters and errors as in `fetch`.

    Returns
    -------
    DataFrame
        Columns as in ``schema.TURNS``; ``attrs["handinger"]`` says whether it is complete.

    Examples
    --------
    >>> with ha.Sandbox(tasks=20, seed=7) as sandbox, sandbox.client() as client:
    ...     turns = ha.fetch_turns(sandbox.task_ids[:2], client=client)
    >>> turns[["task_id", "status", "credits"]]
                  task_id     status  credits
    0  tsk_DOgth3V7E-FFsw  completed       27
    1  tsk_DOgth3V7E-FFsw  completed        7
    2  tsk_DOgth3V7E-FFsw    aborted       11
    3  tsk_miS4LlkUwYkMbw  completed     1730
    4  tsk_miS4LlkUwYkMbw    aborted      387
    """
    return _fetch(task_ids, client, on_error, progress, dtype_backend, cancel).turns


def _fetch(
    task_ids: str | Iterable[str],
    client: Client | None,
    on_error: OnError,
    progress: Progress,
    dtype_backend: DtypeBackend,
    cancel: threading.Event | None,
    *,
    with_turns: bool = True,
) -> FetchResult:
    check_options(on_error, dtype_backend)
    ids = normalize_task_ids(task_ids)
    with client_or_default(client) as used, ProgressBar(len(ids), progress) as bar:
        fetched, error = gather(used, ids, show=bar.show, with_turns=with_turns, cancel=cancel)
    result = FetchResult(fetched, dtype_backend, client)
    if error is not None:
        raise_with_result(error, result)
    return report_failures(result, on_error, stacklevel=4)
