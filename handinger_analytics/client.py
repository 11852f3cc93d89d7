"""The only module that speaks HTTP: one pooled session, authentication, retries and errors.

It sends GET and nothing else, so it can neither spend credits nor change anything.
"""

from __future__ import annotations

import datetime as dt
import http.cookiejar
import math
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import quote

import msgspec
import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

from handinger_analytics import wire
from handinger_analytics.errors import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    APITimeoutError,
    RateLimitError,
    TaskIdError,
    status_error_class,
)
from handinger_analytics.pacing import Gate, Patience, WaitTooLong, backoff
from handinger_analytics.settings import Secret, Settings, api_key_from, base_url_from

Record = TypeVar("Record", bound=msgspec.Struct)

_WORTH_ANOTHER_ATTEMPT = frozenset({408, 409, 425, 429})
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_EXCERPT = 200

_MEANING = {
    401: "the API key was not accepted; check HANDINGER_API_KEY, or make a new key in the dashboard",
    403: "this key has no access to it; use a key of the organization it belongs to",
    404: "not found; check the id, and that the key belongs to the same organization",
    422: "the server refused the request as malformed",
    429: "rate limited",
}


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
        secret = api_key_from(api_key)
        api_key = "***"  # a traceback shows the locals of this frame
        self.settings = Settings(
            secret, base_url_from(base_url), timeout, max_attempts, max_wait, max_connections
        )
        self.gate = Gate(max_connections)
        self._own_session = session is None
        self._session = session or _pooled_session(max_connections)
        self._template = self._session.prepare_request(
            requests.Request(
                "GET",
                self.settings.base_url,
                headers={"Accept": "application/json", "User-Agent": _user_agent()},
                auth=_BearerAuth(secret),
            )
        )
        self._send_options = self._session.merge_environment_settings(
            self.settings.base_url, {}, False, None, None
        )
        if self.settings.base_url.startswith("http:"):
            self._send_options["proxies"] = {}  # a loopback host is never reached through a proxy

    def __repr__(self) -> str:
        return f"Client({self.settings.base_url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
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
            f"/api/workers/{_escaped(worker_id)}/schedules", wire.ScheduleList, f"schedules of worker {worker_id!r}"
        )

    def read_task(self, task_id: str, cancel: threading.Event | None = None) -> wire.TaskWithTurns:
        """Read the task endpoint alone: its ``turns`` are unset in generation B."""
        return self._read(f"/api/tasks/{_escaped(task_id)}", wire.TaskWithTurns, f"task {task_id!r}", cancel)

    def read_turns(self, task_id: str, cancel: threading.Event | None = None) -> list[wire.Turn]:
        """Read the turns endpoint of generation B."""
        path, what = f"/api/tasks/{_escaped(task_id)}/turns", f"turns of task {task_id!r}"
        return self._read(path, wire.TurnList, what, cancel).items

    def _read(
        self, path: str, kind: type[Record], what: str, cancel: threading.Event | None = None
    ) -> Record:
        """Send a request until it is answered, or not worth another attempt."""
        patience = Patience(self.settings.max_wait, cancel)
        for attempt in range(1, self.settings.max_attempts + 1):
            try:
                with self.gate.passage(attempt, patience):
                    answer = self._send(path)
            except WaitTooLong as wait:
                problem = _Problem("rate limited", RateLimitError, 429, wait=wait.seconds)
                raise self._error(what, problem, attempt - 1, wait) from None
            outcome = _read_answer(answer, kind)
            if not isinstance(outcome, _Problem):
                self.gate.succeeded()
                return outcome
            wait_seconds = backoff(attempt) if outcome.wait is None else outcome.wait
            if outcome.status == 429:
                self.gate.close_for(wait_seconds)
            if not outcome.worth_another_attempt or attempt == self.settings.max_attempts:
                break
            if outcome.status != 429:
                try:
                    patience.wait(wait_seconds)
                except WaitTooLong as wait:
                    raise self._error(what, outcome, attempt, wait) from None
        raise self._error(what, outcome, attempt)

    def _send(self, path: str) -> requests.Response | requests.RequestException | urllib3.exceptions.HTTPError:
        """Send once. A failure is returned, not raised: the cause of an error of ours would hold the key."""
        request = self._template.copy()
        request.url = self.settings.base_url + path
        try:
            return self._session.send(
                request, timeout=self.settings.timeout, allow_redirects=False, **self._send_options
            )
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            return error

    def _error(self, what: str, problem: _Problem, attempts: int, wait: WaitTooLong | None = None) -> APIError:
        message = f"{what}: {problem.message}"
        if wait is not None:
            message += (
                f"; the wait of {wait.seconds:,.0f} s that is due is more than max_wait={self.settings.max_wait:g} leaves. "
                "Try again later, or with a larger max_wait"
            )
        elif attempts > 1:
            message += f" (after {attempts} attempts)"
        message = message.replace(self.settings.api_key.reveal(), "***")
        return problem.error(message, http_status=problem.status, attempts=attempts)


@contextmanager
def opened(client: Client | None) -> Iterator[Client]:
    """Yield the client that was given, or one from the environment that is closed after use."""
    if client is not None:
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


@dataclass(frozen=True, slots=True)
class _Problem:
    """Why an answer cannot be used, and what to do about it."""

    message: str
    error: type[APIError]
    status: int | None = None
    worth_another_attempt: bool = True
    wait: float | None = None


def _pooled_session(connections: int) -> requests.Session:
    session = requests.Session()
    session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
    adapter = HTTPAdapter(pool_connections=1, pool_maxsize=connections, max_retries=0)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def _user_agent() -> str:
    return f"handinger-analytics/{version('handinger-analytics')}"


def _escaped(identifier: str) -> str:
    """Percent-encode an id into one path segment; dots too where they alone would climb the path."""
    if not isinstance(identifier, str) or not identifier:
        raise TaskIdError(f"{identifier!r} cannot be an id: expected a non-empty string")
    escaped = quote(identifier, safe="", errors="replace")
    return escaped.replace(".", "%2E") if set(escaped) == {"."} else escaped


def _read_answer(
    answer: requests.Response | requests.RequestException | urllib3.exceptions.HTTPError, kind: type[Record]
) -> Record | _Problem:
    if not isinstance(answer, requests.Response):
        if isinstance(answer, requests.Timeout):
            return _Problem(f"no answer in time ({_cleaned(str(answer))})", APITimeoutError)
        return _Problem(f"no complete answer ({_cleaned(str(answer))})", APIConnectionError)
    if answer.status_code != 200:
        return _status_problem(answer)
    try:
        return wire.decode(answer.content, kind)
    except wire.MalformedBody as error:
        excerpt = _cleaned(answer.content[: 4 * _EXCERPT].decode("utf-8", "replace"))
        message = f"the answer is not JSON ({error}); it begins with {excerpt!r}"
        return _Problem(message, APIResponseValidationError, 200)
    except wire.UnexpectedBody as error:
        message = f"the answer is not what the API documents: {error}"
        return _Problem(message, APIResponseValidationError, 200, worth_another_attempt=False)


def _status_problem(answer: requests.Response) -> _Problem:
    status = answer.status_code
    meaning = _MEANING.get(status, "the server failed" if status >= 500 else "unexpected answer")
    if 300 <= status < 400:
        meaning = (
            f"the server redirects to {_cleaned(answer.headers.get('Location', ''))!r}, where the key is not "
            "sent; check HANDINGER_BASE_URL"
        )
    said = _server_text(answer.content)
    return _Problem(
        message=f"{meaning} (status {status}" + (f', the server says "{said}")' if said else ")"),
        error=status_error_class(status),
        status=status,
        worth_another_attempt=_worth_another_attempt(answer),
        wait=_asked_wait(answer),
    )


def _worth_another_attempt(answer: requests.Response) -> bool:
    asked = answer.headers.get("x-should-retry")
    if asked in ("true", "false"):
        return asked == "true"
    return answer.status_code in _WORTH_ANOTHER_ATTEMPT or answer.status_code >= 500


def _asked_wait(answer: requests.Response) -> float | None:
    """Seconds the server asks to wait: ``retry-after-ms``, or ``Retry-After`` in seconds or as a date."""
    milliseconds = _number(answer.headers.get("retry-after-ms"))
    if milliseconds is not None:
        return max(0.0, milliseconds / 1000)
    header = answer.headers.get("Retry-After")
    seconds = _number(header)
    if seconds is not None:
        return max(0.0, seconds)
    until = _http_date(header)
    if until is None:
        return None
    now = _http_date(answer.headers.get("Date")) or dt.datetime.now(dt.UTC)
    return max(0.0, (until - now).total_seconds())


def _number(header: str | None) -> float | None:
    try:
        number = float(header or "")
    except ValueError:
        return None
    return None if math.isnan(number) else number


def _http_date(header: str | None) -> dt.datetime | None:
    try:
        date = parsedate_to_datetime(header or "")
    except ValueError:
        return None
    return date if date.tzinfo else date.replace(tzinfo=dt.UTC)


def _server_text(body: bytes) -> str:
    """The text of the documented error body, or the beginning of whatever came."""
    try:
        said = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        said = body[: 4 * _EXCERPT].decode("utf-8", "replace")
    if isinstance(said, dict) and isinstance(said.get("error"), str):
        said = said["error"]
    return _cleaned(str(said))


def _cleaned(text: str) -> str:
    """One short line without control characters."""
    return _CONTROL.sub(" ", text)[:_EXCERPT].strip()
