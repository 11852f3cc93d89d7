"""Many task ids in, frames and failures out."""

from __future__ import annotations

import threading
from collections.abc import Iterable

import pandas as pd

from handinger_analytics.api.client import Client, client_or_default
from handinger_analytics.fetching.ids import normalize_task_ids
from handinger_analytics.fetching.pool import gather
from handinger_analytics.fetching.result import FetchResult, OnError, check_options
from handinger_analytics.tables.frames import DtypeBackend
from handinger_analytics.times import now


def fetch(
    task_ids: str | Iterable[str],
    *,
    client: Client | None = None,
    on_error: OnError = "warn",
    progress: bool | None = None,
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
        What to do about ids that fail: warn (`PartialDataWarning`), raise at the end
        (`IncompleteFetchError`, with what was fetched in ``.result``), or only put them into
        ``.failures``.
    progress : bool, optional
        Show a bar on stderr; by default where that is a terminal or a notebook.
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
    AuthenticationError
        As soon as the server does not accept the key; ``.result`` has what was fetched.
    IncompleteFetchError
        If ids failed and ``on_error="raise"``.
    FetchInterrupted
        On Ctrl-C, within two seconds; ``.result`` has what was fetched.

    Examples
    --------
    >>> from handinger_analytics import Sandbox
    >>> with Sandbox(tasks=20, seed=7) as sandbox:
    ...     result = fetch(sandbox.task_ids, client=sandbox.client())
    >>> len(result.tasks), result.complete
    (20, True)
    """
    return _fetch(task_ids, client, on_error, progress, dtype_backend, cancel=cancel)


def fetch_tasks(
    task_ids: str | Iterable[str],
    *,
    client: Client | None = None,
    on_error: OnError = "warn",
    progress: bool | None = None,
    dtype_backend: DtypeBackend = "numpy",
) -> pd.DataFrame:
    """Fetch tasks, one row each; parameters and errors as in `fetch`.

    Returns
    -------
    DataFrame
        Columns as in ``schema.TASKS``; ``attrs["handinger"]`` says whether it is complete.
    """
    return _fetch(task_ids, client, on_error, progress, dtype_backend, with_turns=False).tasks


def fetch_turns(
    task_ids: str | Iterable[str],
    *,
    client: Client | None = None,
    on_error: OnError = "warn",
    progress: bool | None = None,
    dtype_backend: DtypeBackend = "numpy",
) -> pd.DataFrame:
    """Fetch the turns of tasks, one row each; parameters and errors as in `fetch`.

    Returns
    -------
    DataFrame
        Columns as in ``schema.TURNS``; ``attrs["handinger"]`` says whether it is complete.
    """
    return _fetch(task_ids, client, on_error, progress, dtype_backend).turns


def _fetch(
    task_ids: str | Iterable[str],
    client: Client | None,
    on_error: OnError,
    progress: bool | None,
    dtype_backend: DtypeBackend,
    *,
    with_turns: bool = True,
    cancel: threading.Event | None = None,
) -> FetchResult:
    check_options(on_error, dtype_backend)
    ids = normalize_task_ids(task_ids)
    with client_or_default(client) as one:
        rows, failed, error = gather(
            one, list(enumerate(ids)), with_turns=with_turns, progress=progress, cancel=cancel
        )
    result = FetchResult(tuple(ids), rows, failed, now(), dtype_backend, client)
    if error is not None:
        result.raise_error(error)
    return result.settled(on_error, stacklevel=4)
