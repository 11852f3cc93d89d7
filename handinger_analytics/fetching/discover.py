"""The webhook logs of workers: the deliveries in them, and the ids of tasks that these name.

The API cannot list tasks. The log of a worker's webhook deliveries is the one documented place that
names them. It is recent only, newest first, and empty for a worker without a webhook.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import itertools
import operator
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, overload

import pandas as pd

from handinger_analytics.api import wire
from handinger_analytics.api.client import Client, client_or_default
from handinger_analytics.arguments import warn_caller
from handinger_analytics.errors import (
    APIError,
    APIResponseValidationError,
    AuthenticationError,
    PartialDataWarning,
    PermissionDeniedError,
)
from handinger_analytics.fetching.ids import normalize_worker_ids
from handinger_analytics.tables.build import table
from handinger_analytics.tables.frames import to_pandas
from handinger_analytics.tables.schema import DISCOVERED, EXECUTIONS
from handinger_analytics.times import EPOCH, MILLISECOND, milliseconds, now


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

    Warns
    -----
    PartialDataWarning
        If the log of a worker names no task, with the reason: without a webhook it stays empty.

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
    logs = read_logs(worker_ids, client, cancel)
    warn_of_gaps(logs)
    return discovered(logs) if as_frame else list(latest_deliveries(logs))


def fetch_executions(
    worker_ids: str | Iterable[str],
    *,
    client: Client | None = None,
    cancel: threading.Event | None = None,
) -> pd.DataFrame:
    """Fetch the webhook logs of workers, one row per delivery.

    Parameters
    ----------
    worker_ids : str or iterable of str
        Workers, each once; ids or dashboard links. Only a worker's creator may read its log.
    client : Client, optional
        By default one from the environment, closed after use.
    cancel : threading.Event, optional
        Set it from another thread to stop soon, with an error.

    Returns
    -------
    DataFrame
        Columns as in ``schema.EXECUTIONS``, workers in the order given, of each the newest delivery
        first. The log is recent only: how far back it reaches is up to the server.

    Raises
    ------
    PermissionDeniedError, TaskIdError, HandingerError
        As `discover_task_ids`.

    Warns
    -----
    PartialDataWarning
        If the log of a worker names no task, with the reason.

    Examples
    --------
    The share of deliveries that failed:

    >>> with ha.Sandbox(tasks=50) as sandbox, sandbox.client() as client:
    ...     log = ha.fetch_executions(sandbox.worker_ids, client=client)
    >>> round(float(log["request_status"].eq("error").mean()), 3)
    0.046
    """
    logs = read_logs(worker_ids, client, cancel)
    warn_of_gaps(logs)
    newest_first = functools.partial(sorted, key=operator.attrgetter("created_at"), reverse=True)
    deliveries = itertools.chain.from_iterable(newest_first(log.deliveries) for log in logs)
    return to_pandas(table(EXECUTIONS, list(deliveries)), EXECUTIONS)


@dataclass(frozen=True)
class Log:
    """What a walk through the webhook log of a worker has met.

    Attributes
    ----------
    worker_id : str
        The worker.
    began : datetime
        When the walk began, UTC.
    deliveries : list of Execution
        Those on the pages that were read, each once, as the log has them.
    known : datetime or None
        The newest delivery of the walk before.
    silence : str or None
        Why no delivery names a task, or none is new; None if that is nothing to worry about.
    has_webhook : bool
        Whether the worker is known to have a webhook. If not, its log tells nothing of its tasks.
    """

    worker_id: str
    began: dt.datetime
    deliveries: list[wire.Execution]
    known: dt.datetime | None
    silence: str | None = None
    has_webhook: bool = True

    @property
    def new(self) -> list[wire.Execution]:
        """Deliveries after the newest one that was known; all, where none was."""
        if self.known is None:
            return self.deliveries
        after = EPOCH + (milliseconds(self.known) + 1) * MILLISECOND  # what is known is in milliseconds
        return [each for each in self.deliveries if each.created_at >= after]

    @property
    def reached(self) -> bool:
        """Whether the walk came down to what was known before."""
        return self.known is not None and len(self.new) < len(self.deliveries)

    @property
    def tells_all(self) -> bool:
        """Whether it names each task that has changed since the walk before."""
        return self.reached and self.has_webhook and all(each.task_id for each in self.new)


def read_logs(
    worker_ids: str | Iterable[str], client: Client | None, cancel: threading.Event | None
) -> list[Log]:
    """Read the whole logs of workers."""
    workers = normalize_worker_ids(worker_ids)
    with client_or_default(client) as used:
        return [walk(used, worker_id, cancel) for worker_id in workers]


def warn_of_gaps(logs: Iterable[Log]) -> None:
    """Warn of workers whose log tells nothing, or does not reach back to the walk before."""
    for words in gaps(logs):
        warn_caller(words, PartialDataWarning)


def gaps(logs: Iterable[Log]) -> Iterator[str]:
    """Say what the logs do not tell, and why."""
    for log in logs:
        whose = f"the webhook log of worker {log.worker_id!r}"
        if log.silence:
            names_tasks = any(each.task_id for each in log.deliveries)
            yield f"{whose} {'has nothing new' if names_tasks else 'names no task'}: {log.silence}"
        if log.known is not None and not log.reached:
            yield (
                f"{whose} no longer reaches back to {log.known:%Y-%m-%d %H:%M} UTC, where it was read last: "
                "tasks and follow-ups in between may be missing"
            )


def discovered(logs: Iterable[Log]) -> pd.DataFrame:
    """Return the tasks that logs name, columns as in ``schema.DISCOVERED``."""
    return to_pandas(table(DISCOVERED, list(latest_deliveries(logs).values())), DISCOVERED)


def latest_deliveries(logs: Iterable[Log]) -> dict[str, wire.Execution]:
    """Return the latest delivery of each task."""
    latest: dict[str, wire.Execution] = {}
    for delivery in itertools.chain.from_iterable(log.deliveries for log in logs):
        if delivery.task_id:
            known = latest.get(delivery.task_id)
            if known is None or delivery.created_at > known.created_at:
                latest[delivery.task_id] = delivery
    return latest


def walk(
    client: Client, worker_id: str, cancel: threading.Event | None, known: dt.datetime | None = None
) -> Log:
    """Read a worker's log from its newest page on.

    Parameters
    ----------
    client : Client
        To read with.
    worker_id : str
        The worker.
    cancel : threading.Event or None
        To stop soon, with an error.
    known : datetime, optional
        The newest delivery of the last walk. The walk ends after the page with an older one, if the log
        is newest first; otherwise it goes on to the last page, as without this.

    Raises
    ------
    APIResponseValidationError
        If pages repeat, so that fewer deliveries came than there are.
    """
    began, repeats, total = now(), False, None
    deliveries: dict[object, wire.Execution] = {}
    newest_first, previous = True, None
    for number in itertools.count(1):
        page, before = _page(client, worker_id, number, cancel), len(deliveries)
        for delivery in page.logs:
            key = delivery.id, delivery.task_id, delivery.created_at
            if key not in deliveries:  # pages shift while deliveries are logged
                newest_first &= previous is None or delivery.created_at <= previous
                deliveries[key], previous = delivery, delivery.created_at
        repeats |= number > 1 and len(deliveries) == before
        total = page.total_count if total is None else min(total, page.total_count)  # it may be trimmed, too
        if newest_first and known is not None and previous is not None and previous < known:
            break
        if number >= page.page_count:
            if repeats and len(deliveries) < total:
                raise APIResponseValidationError(
                    f"webhook log of worker {worker_id!r}: pages repeat, {len(deliveries):,} of {total:,} "
                    "deliveries came; something on the way, such as a cache, ignores which page is asked for"
                )
            break
    log = Log(worker_id, began, list(deliveries.values()), known)
    if any(each.task_id for each in log.new):
        return log
    has_webhook, silence = _silence(client, log, cancel)
    return dataclasses.replace(log, has_webhook=has_webhook, silence=silence)


def _page(client: Client, worker_id: str, number: int, cancel: threading.Event | None) -> wire.ExecutionPage:
    try:
        return client.retrieve_webhook_executions(worker_id, number, cancel=cancel)
    except PermissionDeniedError as error:
        raise PermissionDeniedError(
            f"{error}. Only the creator of a worker may read its webhook log: use a key of that user",
            http_status=error.http_status,
            attempts=error.attempts,
        ) from None


def _silence(client: Client, log: Log, cancel: threading.Event | None) -> tuple[bool, str | None]:
    """Tell whether a worker is known to have a webhook, and why its log names no task, or no new one."""
    names_tasks = any(each.task_id for each in log.deliveries)
    try:
        url = client.retrieve_webhook(log.worker_id, cancel=cancel).url
    except AuthenticationError:
        raise
    except APIError as error:
        return False, None if names_tasks else f"whether it has a webhook could not be asked: {error}"
    if not url:
        return False, "it has no webhook, so its tasks are not known"
    if names_tasks:
        return True, None
    what = "no delivery in the log names a task" if log.deliveries else "no delivery is in the log"
    return True, f"it has a webhook, but {what}"
