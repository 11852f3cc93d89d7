"""The only module that speaks HTTP: one pooled session, authentication, retries and errors.

It sends GET and nothing else, so it can neither spend credits nor change anything.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any, Self
from urllib.parse import quote, urlsplit

import msgspec
import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from requests.structures import CaseInsensitiveDict

from handinger_analytics.api import wire
from handinger_analytics.api.pacing import Gate, WaitBudget, WaitTooLong, backoff
from handinger_analytics.api.responses import Answer, Record, Rejection, read_answer
from handinger_analytics.api.settings import Secret, Settings, api_key_from, base_url_from
from handinger_analytics.errors import APIError, RateLimitError, SettingsError, TaskIdError


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
    session : requests.Session, optional
        Your own (proxy, cache, client certificate); it is used as it is and left open.

    Raises
    ------
    SettingsError
        Without a key, or for a setting that cannot be used.

    Notes
    -----
    A context manager, and safe to share between threads: they share one pool of connections and one
    gate, so a 429 that one of them meets holds all of them.

    Examples
    --------
    >>> from handinger_analytics import Sandbox
    >>> with Sandbox(tasks=1) as sandbox, sandbox.client() as client:
    ...     client.retrieve_task(sandbox.task_ids[0]).task.id == sandbox.task_ids[0]
    True
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
        session: requests.Session | None = None,
    ) -> None:
        given = None if api_key is None else Secret(api_key)
        api_key = None  # a traceback shows the locals of this frame
        secret = api_key_from(given)
        self.settings = Settings(
            secret, base_url_from(base_url), timeout, max_attempts, max_wait, max_connections
        )
        self.gate = Gate(max_connections)
        self._own_session = session is None
        self._session = session or _DirectSession(self.settings.base_url, max_connections)
        self._template = self._prepared(secret)
        self._send_options = self._session.merge_environment_settings(
            self.settings.base_url, {}, False, None, None
        )
        if self.settings.base_url.startswith("http:"):
            self._send_options["proxies"] = {}  # a loopback host is never reached through a proxy

    def __repr__(self) -> str:
        return f"Client({self.settings.base_url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections, unless the session was given."""
        if self._own_session:
            self._session.close()

    def retrieve_task(self, task_id: str) -> wire.TaskWithTurns:
        """Read a task and its turns: one request in generation A, two in B.

        Parameters
        ----------
        task_id : str
            Any non-empty string.

        Returns
        -------
        TaskWithTurns
            ``.task`` and ``.turns``, the latter a list in execution order.

        Raises
        ------
        APIError
            One of its subclasses, see `handinger_analytics.errors`.
        """
        answer = self.read_task(task_id)
        if answer.turns is None or isinstance(answer.turns, msgspec.UnsetType):
            answer.turns = self.read_turns(task_id)
        return answer

    def retrieve_worker(self, worker_id: str, task_id: str | None = None) -> wire.Worker:
        """Read the state of a worker, in its most recent task or in the one named.

        Raises
        ------
        APIError
            One of its subclasses, see `handinger_analytics.errors`.
        """
        query = "" if task_id is None else f"?taskId={_escaped(task_id)}"
        return self._read(f"/api/workers/{_escaped(worker_id)}{query}", wire.Worker, f"worker {worker_id!r}")

    def retrieve_webhook_executions(self, worker_id: str, page: int = 1) -> wire.ExecutionPage:
        """Read one page of a worker's webhook log; only the worker's creator may.

        Raises
        ------
        APIError
            One of its subclasses, see `handinger_analytics.errors`.
        """
        return self._read(
            f"/api/workers/{_escaped(worker_id)}/webhook/executions?page={page:d}",
            wire.ExecutionPage,
            f"webhook log of worker {worker_id!r}, page {page}",
        )

    def retrieve_schedules(self, worker_id: str) -> wire.ScheduleList:
        """Read a worker's planned runs.

        Raises
        ------
        APIError
            One of its subclasses, see `handinger_analytics.errors`.
        """
        return self._read(
            f"/api/workers/{_escaped(worker_id)}/schedules",
            wire.ScheduleList,
            f"schedules of worker {worker_id!r}",
        )

    def read_task(self, task_id: str, cancel: threading.Event | None = None) -> wire.TaskWithTurns:
        """Read the task endpoint alone: its ``turns`` are unset in generation B."""
        return self._read(f"/api/tasks/{_escaped(task_id)}", wire.TaskWithTurns, f"task {task_id!r}", cancel)

    def read_turns(self, task_id: str, cancel: threading.Event | None = None) -> list[wire.Turn]:
        """Read the turns endpoint of generation B."""
        path, what = f"/api/tasks/{_escaped(task_id)}/turns", f"turns of task {task_id!r}"
        return self._read(path, wire.TurnList, what, cancel).items

    def _prepared(self, secret: Secret) -> requests.PreparedRequest:
        headers = {"Accept": "application/json", "User-Agent": _user_agent()}
        request = requests.Request("GET", self.settings.base_url, headers=headers, auth=_BearerAuth(secret))
        try:
            return self._session.prepare_request(request)
        except requests.exceptions.InvalidURL as error:
            raise SettingsError(f"the base URL is {self.settings.base_url!r}: {error}") from None

    def _read(
        self, path: str, kind: type[Record], what: str, cancel: threading.Event | None = None
    ) -> Record:
        """Send a request until it is answered, or not worth another attempt."""
        patience = WaitBudget(self.settings.max_wait, cancel)
        problem = Rejection("rate limited", RateLimitError, 429)  # somebody else's, until there is an own one
        sent = 0
        for attempt in range(1, self.settings.max_attempts + 1):
            try:
                with self.gate.passage(attempt, patience):
                    sent = attempt
                    answer = self._send(path)
                outcome = read_answer(answer, kind, self.settings.api_key)
                if not isinstance(outcome, Rejection):
                    self.gate.succeeded()
                    return outcome
                problem = outcome
                wait = problem.wait or backoff(attempt)  # asked to wait no time at all, it is still refusing
                if problem.status == 429:
                    self.gate.close_for(wait)
                if not problem.worth_another_attempt or attempt == self.settings.max_attempts:
                    break
                if problem.status != 429:
                    patience.wait(wait)
            except WaitTooLong as too_long:
                raise self._error(what, problem, sent, too_long.seconds) from None
        raise self._error(what, problem, sent)

    def _send(self, path: str) -> Answer:
        """Send once. A failure is returned, not raised: the cause of an error of ours would hold the key."""
        request = self._template.copy()
        request.url = self.settings.base_url + path
        try:
            return self._session.send(
                request, timeout=self.settings.timeout, allow_redirects=False, **self._send_options
            )
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            return error

    def _error(self, what: str, problem: Rejection, attempts: int, wait: float | None = None) -> APIError:
        message = f"{what}: {problem.message}"
        if wait is not None:
            message += (
                f"; the wait of {wait:,.0f} s that is due is more than max_wait={self.settings.max_wait:g} "
                "leaves. Try again later, or with a larger max_wait"
            )
        elif attempts > 1:
            message += f" (after {attempts} attempts)"
        return problem.error(message, http_status=problem.status, attempts=attempts)


@contextmanager
def client_or_default(client: Client | None) -> Iterator[Client]:
    """Yield the client that was given, or one from the environment that is closed after use."""
    if client is not None:
        if not isinstance(client, Client):
            raise SettingsError(
                f"client is {client!r}: expected a Client, or None for one from the environment"
            )
        yield client
    else:
        with Client() as own:
            yield own


class _BearerAuth(AuthBase):
    """Sets the key on a request; as an explicit auth it also keeps ``.netrc`` from replacing it."""

    def __init__(self, key: Secret) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._key.reveal()}"
        return request


class _DirectSession(requests.Session):
    """Sends prepared requests straight through the connection pool of the one host they go to.

    For each request, requests looks up the pool, keeps cookies, runs hooks and prepares for
    redirects; for small answers that takes as long as the exchange itself, and this API needs none
    of it. TLS, certificates, proxies and authentication remain those of requests.
    """

    def __init__(self, base_url: str, connections: int) -> None:
        super().__init__()
        parts = urlsplit(base_url)
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._adapter = HTTPAdapter(pool_connections=1, pool_maxsize=connections, max_retries=0)
        self._pool: Any = None
        self.mount("https://", self._adapter)
        self.mount("http://", self._adapter)

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        """Send a request below the base URL; answers are read to their end, redirects are not followed."""
        pool = self._pool or self._connected(request, options)
        answer = pool.urlopen(
            "GET",
            str(request.url)[len(self._origin) :],
            headers=request.headers,
            timeout=options["timeout"],
            retries=False,
            redirect=False,
        )
        response = requests.Response()
        response.status_code = answer.status
        response.headers = CaseInsensitiveDict(answer.headers)
        response._content = answer.data
        return response

    def close(self) -> None:
        """Close the connections; the next request opens new ones."""
        self._pool = None
        super().close()

    def _connected(self, request: requests.PreparedRequest, options: dict[str, Any]) -> Any:
        tls = (options["verify"], options["cert"])
        pool: Any = self._adapter.get_connection_with_tls_context(request, tls[0], options["proxies"], tls[1])
        self._adapter.cert_verify(pool, request.url, *tls)
        self._pool = pool
        return pool


def _user_agent() -> str:
    return f"handinger-analytics/{version('handinger-analytics')}"


def _escaped(identifier: str) -> str:
    """Percent-encode an id into one path segment; dots too where they alone would climb the path."""
    if not isinstance(identifier, str) or not identifier:
        raise TaskIdError(f"{identifier!r} cannot be an id: expected a non-empty string")
    try:
        escaped = quote(identifier, safe="")
    except UnicodeEncodeError:
        raise TaskIdError(f"{identifier!r} cannot be an id: it is not valid Unicode") from None
    return escaped.replace(".", "%2E") if set(escaped) == {"."} else escaped
