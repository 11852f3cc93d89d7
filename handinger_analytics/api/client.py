"""The API client: one method per endpoint, and the loop that retries a request."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from handinger_analytics.api import wire
from handinger_analytics.api.identifiers import id_from, path_segment
from handinger_analytics.api.pacing import Gate, WaitBudget, WaitTooLong, backoff
from handinger_analytics.api.responses import Record, Rejection, read_answer
from handinger_analytics.api.settings import Secret, Settings, api_key_from, base_url_from
from handinger_analytics.api.transport import Session, Transport
from handinger_analytics.arguments import check_whole_number
from handinger_analytics.errors import APIError, RateLimitError, SettingsError


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
    gate, so a 429 that one of them meets holds all of them. Wherever an id is taken, a dashboard link
    may stand for it. All methods raise a subclass of `APIError` if the request fails, and
    `TaskIdError` if an id is invalid.

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
        session: Session | None = None,
    ) -> None:
        given = None if api_key is None else Secret(api_key)
        api_key = None  # a traceback shows the locals of this frame
        secret = api_key_from(given)
        settings = Settings(secret, base_url_from(base_url), timeout, max_attempts, max_wait, max_connections)
        self._requester = Requester(settings, session)

    def __repr__(self) -> str:
        return f"Client({self._requester.settings.base_url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections, unless the session was given."""
        self._requester.close()

    def retrieve_task(self, task_id: str) -> wire.TaskWithTurns:
        """Read a task and its turns: one request in generation A, two in B.

        Parameters
        ----------
        task_id : str
            Id of the task, or its dashboard link.

        Returns
        -------
        TaskWithTurns
            ``.task`` and ``.turns``, the latter a list in execution order.
        """
        task_id = id_from(task_id, "task", "task_id")
        answer = self._requester.read_task(task_id)
        if not isinstance(answer.turns, list):
            answer.turns = self._requester.read_turns(task_id)
        return answer

    def retrieve_worker(self, worker_id: str, task_id: str | None = None) -> wire.Worker:
        """Read the state of a worker, in its most recent task or in the one named."""
        query = "" if task_id is None else f"?taskId={path_segment(id_from(task_id, 'task', 'task_id'))}"
        return self._of_worker(worker_id, query, wire.Worker, "worker {!r}")

    def retrieve_webhook(self, worker_id: str) -> wire.Webhook:
        """Read where a worker reports to, without the webhook's token; only the worker's creator may."""
        return self._of_worker(worker_id, "/webhook", wire.Webhook, "webhook of worker {!r}")

    def retrieve_webhook_executions(self, worker_id: str, page: int = 1) -> wire.ExecutionPage:
        """Read one page of a worker's webhook log, newest first; only the worker's creator may."""
        check_whole_number(page, "page")
        path, what = f"/webhook/executions?page={page}", f"webhook log of worker {{!r}}, page {page}"
        return self._of_worker(worker_id, path, wire.ExecutionPage, what)

    def retrieve_schedules(self, worker_id: str) -> wire.ScheduleList:
        """Read a worker's planned runs."""
        return self._of_worker(worker_id, "/schedules", wire.ScheduleList, "schedules of worker {!r}")

    def _of_worker(self, worker_id: str, path: str, kind: type[Record], what: str) -> Record:
        """Read what there is under the address of a worker; ``what`` names it in errors."""
        worker_id = id_from(worker_id, "worker", "worker_id")
        return self._requester.read(
            f"/api/workers/{path_segment(worker_id)}{path}", kind, what.format(worker_id)
        )


class Requester:
    """Sends the requests of one client, each again where that may help; for internal use.

    Parameters
    ----------
    settings : Settings
        Settings of the client.
    session : requests.Session, optional
        As in `Client`.

    Attributes
    ----------
    gate : Gate
        All requests pass it.
    """

    def __init__(self, settings: Settings, session: Session | None = None) -> None:
        self.settings = settings
        self.gate = Gate(settings.max_connections)
        self._transport = Transport(settings, session)

    def close(self) -> None:
        """Close the connections, unless the session was given."""
        self._transport.close()

    def read_task(self, task_id: str, cancel: threading.Event | None = None) -> wire.TaskWithTurns:
        """Read the task endpoint alone: its ``turns`` are unset in generation B."""
        path, what = f"/api/tasks/{path_segment(task_id)}", f"task {task_id!r}"
        return self.read(path, wire.TaskWithTurns, what, cancel)

    def read_turns(self, task_id: str, cancel: threading.Event | None = None) -> list[wire.Turn]:
        """Read the turns endpoint of generation B."""
        path, what = f"/api/tasks/{path_segment(task_id)}/turns", f"turns of task {task_id!r}"
        return self.read(path, wire.TurnList, what, cancel).items

    def read(self, path: str, kind: type[Record], what: str, cancel: threading.Event | None = None) -> Record:
        """Send a request, and retry it until it is answered or not worth another attempt.

        Parameters
        ----------
        path : str
            Below the base URL, percent-encoded, with its query.
        kind : type
            Record that the answer holds.
        what : str
            Names it in errors.
        cancel : threading.Event, optional
            When set, waiting ends with `handinger_analytics.api.pacing.Cancelled`.

        Raises
        ------
        APIError
            One of its subclasses, see `handinger_analytics.errors`.
        """
        budget = WaitBudget(self.settings.max_wait, cancel)
        # Reported if another thread's 429 keeps the gate closed for longer than we may wait to send at all.
        rejection = Rejection("rate limited", RateLimitError, 429)
        sent = 0
        for attempt in range(1, self.settings.max_attempts + 1):
            try:
                with self.gate.passage(attempt, budget):
                    sent = attempt
                    answer = self._transport.send(path)
                outcome = read_answer(answer, kind, self.settings.api_key)
                if not isinstance(outcome, Rejection):
                    self.gate.succeeded()
                    return outcome
                rejection = outcome
                # A wait of 0, as in `Retry-After: 0`, counts as none asked for: the server still refuses.
                wait = rejection.wait or backoff(attempt)
                if rejection.status == 429:
                    self.gate.close_for(wait)
                if not rejection.worth_another_attempt or attempt == self.settings.max_attempts:
                    break
                if rejection.status != 429:
                    budget.wait(wait)
            except WaitTooLong as too_long:
                raise self._error(what, rejection, sent, too_long.seconds) from None
        raise self._error(what, rejection, sent)

    def _error(self, what: str, rejection: Rejection, sent: int, wait: float | None = None) -> APIError:
        message = f"{what}: {rejection.message}"
        if wait is not None:
            message += (
                f"; the next attempt would have to wait {wait:,.0f} s, more than is left of "
                f"max_wait={self.settings.max_wait:g}. Try again later, or with a larger max_wait"
            )
        elif sent > 1:
            message += f" (after {sent} attempts)"
        return rejection.error(message, http_status=rejection.status, attempts=sent)


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
