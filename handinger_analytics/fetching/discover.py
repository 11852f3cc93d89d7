"""Task ids out of the webhook log of a worker.

The API cannot list tasks. The log of a worker's webhook deliveries is the one documented place that
names them.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable, Iterator
from typing import Literal, overload

import pandas as pd

from handinger_analytics.api import wire
from handinger_analytics.api.client import Client, client_or_default
from handinger_analytics.errors import PermissionDeniedError
from handinger_analytics.fetching.ids import normalize_worker_ids
from handinger_analytics.tables.build import table
from handinger_analytics.tables.frames import to_pandas
from handinger_analytics.tables.schema import DISCOVERED


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
        Set it from another thread to stop soon, with an error.

    Returns
    -------
    list of str or DataFrame
        Each task once, by worker in the order given, as the log has them. The frame has the columns
        ``task_id task_title worker_id last_seen`` (the latest delivery, UTC).

    Raises
    ------
    PermissionDeniedError
        If the key's user did not create the worker.
    TaskIdError
        For what cannot be the id of a worker.
    HandingerError
        If a page cannot be read (`APIError`) or ``cancel`` was set: a list with a hole in it would look
        complete.

    Notes
    -----
    Entries move to later pages while new deliveries are logged. Pages are read up to the last one that
    there is by then, so an entry that moved is met on its new page; one met twice counts once.

    Examples
    --------
    >>> with ha.Sandbox(tasks=50) as sandbox, sandbox.client() as client:
    ...     ids = ha.discover_task_ids(sandbox.worker_ids, client=client)
    >>> len(ids), ids[0] in sandbox.task_ids
    (48, True)
    """
    workers = normalize_worker_ids(worker_ids)
    latest: dict[str, wire.Execution] = {}
    with client_or_default(client) as used:
        logs = (_executions(used, worker_id, cancel) for worker_id in workers)
        for execution in itertools.chain.from_iterable(logs):
            if not execution.task_id:
                continue
            known = latest.get(execution.task_id)
            if known is None or execution.created_at > known.created_at:
                latest[execution.task_id] = execution
    if not as_frame:
        return list(latest)
    return to_pandas(table(DISCOVERED, list(latest.values())), DISCOVERED)


def _executions(client: Client, worker_id: str, cancel: threading.Event | None) -> Iterator[wire.Execution]:
    """Yield every entry of a worker's log, page by page to the last one, or until somebody cancels."""
    for page in itertools.count(1):
        try:
            answer = client.retrieve_webhook_executions(worker_id, page, cancel=cancel)
        except PermissionDeniedError as error:
            raise PermissionDeniedError(
                f"{error}. Only the creator of a worker may read its webhook log: use a key of that user",
                http_status=error.http_status,
                attempts=error.attempts,
            ) from None
        yield from answer.logs
        if page >= answer.page_count:
            return
