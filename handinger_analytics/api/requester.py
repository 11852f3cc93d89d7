"""The requests of one client: each is sent again where that may help, and is about what was asked."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from handinger_analytics.api import wire
from handinger_analytics.api.identifiers import path_segment
from handinger_analytics.api.pacing import Cancelled, Gate, WaitBudget, WaitTooLong, backoff
from handinger_analytics.api.records import add_extra
from handinger_analytics.api.responses import Record, Rejection, check_about, read_answer
from handinger_analytics.api.settings import Settings
from handinger_analytics.api.transport import Session, Transport
from handinger_analytics.api.waiting import awaited
from handinger_analytics.arguments import check_event
from handinger_analytics.errors import APIError, RateLimitError

Result = TypeVar("Result")

_log = logging.getLogger("handinger_analytics")


@dataclass(frozen=True, slots=True)
class _Opened:
    """What one process has open; a forked one must not use the connections and locks of its parent."""

    process: int
    gate: Gate
    transport: Transport


class Requester:
    """Sends the requests of one client, each again where that may help; for internal use.

    Parameters
    ----------
    settings : Settings
        Settings of the client.
    session : requests.Session, optional
        As in `Client`.

    """

    def __init__(self, settings: Settings, session: Session | None = None) -> None:
        self.settings = settings
        self._session = session
        self._opened = self._open()

    @property
    def gate(self) -> Gate:
        """All requests of this process pass it."""
        return self._of_this_process().gate

    def close(self) -> None:
        """Close the connections, unless the session was given."""
        self._of_this_process().transport.close()

    def cancellable(
        self, read: Callable[[threading.Event], Result], what: str, cancel: threading.Event | None
    ) -> Result:
        """Call a method that takes ``cancel``, and stop waiting for it as soon as that is set."""
        check_event(cancel, "cancel")
        abandoned = threading.Event()
        if cancel is None:
            return read(abandoned)
        if cancel.is_set():
            raise Cancelled(f"{what}: cancelled")
        try:
            return awaited(partial(read, abandoned), cancel=cancel)
        except Cancelled:
            raise Cancelled(f"{what}: cancelled") from None
        finally:
            abandoned.set()
            self.gate.wake()

    def read_whole_task(self, task_id: str, cancel: threading.Event) -> wire.TaskWithTurns:
        """Read a task with its turns, whichever generation has them where."""
        answer = self.read_task(task_id, cancel)
        answer.turns = self.read_turns(task_id, answer, cancel)
        return answer

    def read_task(self, task_id: str, cancel: threading.Event) -> wire.TaskWithTurns:
        """Read the task endpoint alone: its ``turns`` are not checked, and unset in generation B."""
        what = f"task {task_id!r}"
        answer = self.read(f"/api/tasks/{path_segment(task_id)}", wire.TaskWithTurns, what, cancel)
        check_about(what, task_id, [answer.task.id])
        if answer.extra is not None:
            add_extra(answer.task, answer.extra)
        return answer

    def read_turns(
        self, task_id: str, answer: wire.TaskWithTurns, cancel: threading.Event
    ) -> list[wire.Turn]:
        """Return the turns in the answer about a task, in generation B those of their own endpoint."""
        what, turns = f"turns of task {task_id!r}", answer.turns
        if not isinstance(turns, list):
            body = self.read(f"/api/tasks/{path_segment(task_id)}/turns", wire.TurnList, what, cancel)
            check_about(what, task_id, [body.task_id or task_id])
            if body.extra is not None:
                add_extra(answer.task, body.extra)
            turns = body.items
        check_about(what, task_id, (turn.task_id for turn in turns))
        return turns

    def read(self, path: str, kind: type[Record], what: str, cancel: threading.Event) -> Record:
        """Send a request, and retry it until it is answered or not worth another attempt.

        Parameters
        ----------
        path : str
            Below the base URL, percent-encoded, with its query.
        kind : type
            Record that the answer holds.
        what : str
            Names it in errors.
        cancel : threading.Event
            When set, nobody waits for the answer any more.

        Raises
        ------
        APIError
            One of its subclasses, see `handinger_analytics.errors`.
        Cancelled
            ``cancel`` was set.
        """
        budget = WaitBudget(self.settings.max_wait, cancel)
        opened = self._of_this_process()
        gate = opened.gate
        # Reported if another thread's 429 keeps the gate closed for longer than we may wait to send at all.
        rejection = Rejection("rate limited", RateLimitError, 429)
        sent = 0
        for attempt in range(1, self.settings.max_attempts + 1):
            try:
                with gate.passage(attempt, budget):
                    sent = attempt
                    answer = opened.transport.send(path, cancel)
                outcome = read_answer(answer, kind, self.settings)
                if not isinstance(outcome, Rejection):
                    gate.succeeded()
                    return outcome
                rejection = outcome
                # A wait of 0, as in `Retry-After: 0`, counts as none asked for: the server still refuses.
                wait = rejection.wait or backoff(attempt)
                if rejection.status == 429:
                    gate.close_for(wait)
                    _log.info("%s: rate limited; no request goes out for %.1f s", what, gate.closed_for)
                if not rejection.worth_another_attempt or attempt == self.settings.max_attempts:
                    break
                _log.info("%s: attempt %d brought nothing: %s", what, attempt, rejection.message)
                if rejection.status != 429:
                    budget.wait(wait)
            except WaitTooLong as too_long:
                raise self._error(what, rejection, sent, too_long.seconds) from None
            except Cancelled:
                raise Cancelled(f"{what}: cancelled") from None
        raise self._error(what, rejection, sent)

    def _open(self) -> _Opened:
        return _Opened(
            os.getpid(), Gate(self.settings.max_connections), Transport(self.settings, self._session)
        )

    def _of_this_process(self) -> _Opened:
        if self._opened.process != os.getpid():
            self._opened = self._open()
        return self._opened

    def _error(self, what: str, rejection: Rejection, sent: int, wait: float | None = None) -> APIError:
        message = f"{what}: {rejection.message}"
        if wait is not None:
            message += (
                f"; the next attempt would have to wait {wait:,.0f} s, more than is left of "
                f"max_wait={self.settings.max_wait:g}. Try again later, or with a larger max_wait"
            )
        elif sent > 1:
            message += f" (after {sent} attempts)"
        _log.info("given up: %s", message)
        return rejection.error(message, http_status=rejection.status, attempts=sent)
