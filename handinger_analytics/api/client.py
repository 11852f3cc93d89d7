"""The API client: one method per endpoint."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import NoReturn, Self

from handinger_analytics.api import wire
from handinger_analytics.api.identifiers import id_from, path_segment
from handinger_analytics.api.requester import Requester
from handinger_analytics.api.responses import Record
from handinger_analytics.api.settings import (
    Secret,
    Settings,
    api_key_from,
    base_url_from,
    custom_headers_from_environment,
)
from handinger_analytics.api.transport import Session
from handinger_analytics.arguments import check_whole_number
from handinger_analytics.errors import SettingsError


class Client:
    """Reads from the Handinger API, whichever generation it speaks.

    Parameters
    ----------
    api_key : str, optional
        By default the environment variable ``HANDINGER_API_KEY``.
    base_url : str, optional
        By default ``HANDINGER_BASE_URL``, then ``https://handinger.com``. Plain http is accepted for
        a loopback host only.
    timeout : float, default 30.0
        Seconds to wait for a connection, and for each piece of an answer.
    max_attempts : int, default 6
        How often one request is sent at most.
    max_wait : float, default 300.0
        Seconds one request may wait between its attempts, all told, rate limits included.
    max_connections : int, default 16
        Requests under way at once at most.
    max_answer_seconds : float, default 120.0
        Seconds one answer may take from the request to its last byte.
    max_answer_bytes : int, default 256 * 2**20
        Bytes one answer may have, decompressed.
    session : requests.Session, optional
        Your own (proxy, cache, client certificate, hooks); it is used as it is by then and left open.
        Tools that stand in for a server, such as responses and requests-mock, need one: without it no
        session of requests is involved.

    Raises
    ------
    SettingsError
        Without a key, or for a setting that cannot be used.

    Notes
    -----
    A context manager, and safe to share between threads: they share one pool of connections and one
    gate, so a 429 that one of them meets holds all of them. A forked process opens connections of its
    own. Wherever an id is taken, a dashboard link may stand for it. All methods raise a subclass of
    `APIError` if there is no answer that can be used, `TaskIdError` if an id is invalid, and
    `HandingerError` soon after the ``cancel`` that was given is set from another thread.

    Headers from lines ``Name: value`` in ``HANDINGER_CUSTOM_HEADERS`` go with every request. What is
    tried again, waited for and given up is logged: logger ``handinger_analytics``, INFO and below. The
    key is in no log and no traceback; only what a session of yours prints itself (``debuglevel`` of
    ``http.client``) is out of our hands.

    Generation A of the API has the turns in the answer about the task, generation B at an address of
    their own; the client learns from the answers which one it faces.

    Examples
    --------
    >>> with ha.Sandbox(tasks=1) as sandbox, sandbox.client() as client:
    ...     client.retrieve_task(sandbox.task_ids[0]).task.totals.credits
    81
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        timeout: float = 30.0,
        max_attempts: int = 6,
        max_wait: float = 300.0,
        max_connections: int = 16,
        max_answer_seconds: float = 120.0,
        max_answer_bytes: int = 256 * 2**20,
        session: Session | None = None,
    ) -> None:
        given = None if api_key is None else Secret(api_key)
        api_key = None  # a traceback shows the locals of this frame
        settings = Settings(
            api_key_from(given),
            base_url_from(base_url),
            timeout,
            max_attempts,
            max_wait,
            max_connections,
            max_answer_seconds,
            max_answer_bytes,
            custom_headers_from_environment(),
        )
        self._requester = Requester(settings, session)

    def __repr__(self) -> str:
        requester = getattr(self, "_requester", None)  # a traceback shows a client that was refused, too
        return f"Client({requester.settings.base_url!r})" if requester else "Client()"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Client holds the key and is not pickled or copied: make one in each process")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections, unless the session was given."""
        self._requester.close()

    def retrieve_task(self, task_id: str, *, cancel: threading.Event | None = None) -> wire.TaskWithTurns:
        """Read a task and its turns: one request in generation A, two in B.

        Parameters
        ----------
        task_id : str
            Id of the task, or its dashboard link.
        cancel : threading.Event, optional
            Set it from another thread to stop waiting, as in the other methods.

        Returns
        -------
        TaskWithTurns
            ``.task`` and ``.turns``, the latter a list in execution order.
        """
        task_id = id_from(task_id, "task", "task_id")
        read = partial(self._requester.read_whole_task, task_id)
        return self._requester.cancellable(read, f"task {task_id!r}", cancel)

    def retrieve_worker(
        self, worker_id: str, task_id: str | None = None, *, cancel: threading.Event | None = None
    ) -> wire.Worker:
        """Read the state of a worker, in its most recent task or in the one named."""
        query = "" if task_id is None else f"?taskId={path_segment(id_from(task_id, 'task', 'task_id'))}"
        return self._of_worker(worker_id, query, wire.Worker, "worker {!r}", cancel)

    def retrieve_webhook(self, worker_id: str, *, cancel: threading.Event | None = None) -> wire.Webhook:
        """Read where a worker reports to, without the webhook's token; only the worker's creator may."""
        return self._of_worker(worker_id, "/webhook", wire.Webhook, "webhook of worker {!r}", cancel)

    def retrieve_webhook_executions(
        self, worker_id: str, page: int = 1, *, cancel: threading.Event | None = None
    ) -> wire.ExecutionPage:
        """Read one page of a worker's webhook log, newest first; only the worker's creator may."""
        check_whole_number(page, "page")
        path, what = f"/webhook/executions?page={page}", f"webhook log of worker {{!r}}, page {page}"
        return self._of_worker(worker_id, path, wire.ExecutionPage, what, cancel)

    def retrieve_schedules(
        self, worker_id: str, *, cancel: threading.Event | None = None
    ) -> wire.ScheduleList:
        """Read a worker's planned runs."""
        what = "schedules of worker {!r}"
        return self._of_worker(worker_id, "/schedules", wire.ScheduleList, what, cancel)

    def _of_worker(
        self, worker_id: str, path: str, kind: type[Record], what: str, cancel: threading.Event | None
    ) -> Record:
        """Read what there is under the address of a worker; ``what`` names it in errors."""
        worker_id = id_from(worker_id, "worker", "worker_id")
        path, what = f"/api/workers/{path_segment(worker_id)}{path}", what.format(worker_id)
        return self._requester.cancellable(partial(self._requester.read, path, kind, what), what, cancel)


@contextmanager
def client_or_default(client: Client | None) -> Iterator[Client]:
    """Yield the client that was given, or one from the environment that is closed after use."""
    if client is None:
        with Client() as own:
            yield own
    elif isinstance(client, Client):
        yield client
    else:
        raise SettingsError.unexpected("client", "a Client, or None for one from the environment", client)


def requester_of(client: Client) -> Requester:
    """Return what sends the requests of a client, for code that shares its gate or cancels."""
    return client._requester
