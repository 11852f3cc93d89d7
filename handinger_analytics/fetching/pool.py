"""Threads that fetch many tasks over one client."""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Sequence

from handinger_analytics.api import wire
from handinger_analytics.api.client import Client, requester_of
from handinger_analytics.api.pacing import Cancelled
from handinger_analytics.arguments import check_event
from handinger_analytics.errors import APIConnectionError, APIError, AuthenticationError
from handinger_analytics.fetching.fetched import Fetched
from handinger_analytics.fetching.progress import Show
from handinger_analytics.tables.build import Answered, Failure, RowBuilder, Rows
from handinger_analytics.times import now

_POLL_SECONDS = 0.1
_STOP_SECONDS = 1.5


class Collector:
    """Takes tasks and failures from all threads; the calling thread turns them into rows.

    One thread builds them all, because memory that Arrow's allocator hands out in many threads is
    not given back between batches.

    Parameters
    ----------
    task_ids : sequence of str
        Ids by position.
    """

    def __init__(self, task_ids: Sequence[str]) -> None:
        self._task_ids = task_ids
        self._lock = threading.Lock()
        self._builder = RowBuilder()
        self._failures: dict[int, Failure] = {}
        self._closed = False
        self.done = 0

    @property
    def failed(self) -> int:
        """How many ids were not fetched."""
        return len(self._failures)

    def take(
        self,
        position: int,
        task: wire.Task | None = None,
        turns: Sequence[wire.Turn] = (),
        answered: Answered = (None, None),
        failure: Failure | None = None,
    ) -> None:
        """Take a task with its turns, a failure, or both where only the turns are missing."""
        with self._lock:
            if self._closed:
                return
            self.done += 1
            if task is not None:
                self._builder.add(position, task, turns, answered)
            if failure is not None:
                self._failures[position] = failure

    def build(self) -> None:
        """Turn what has come into rows, once it is enough for a batch."""
        with self._lock:
            self._builder.build()

    def close(self) -> tuple[Rows, dict[int, Failure]]:
        """Take nothing more, and return rows, and failures by position."""
        with self._lock:
            self._closed = True
        rows = self._builder.finish()
        for position, error in self._builder.refused.items():
            self._failures[position] = failure_of(self._task_ids[position], "task", error)
        return rows, dict(sorted(self._failures.items()))


class Pool:
    """Threads that fetch tasks until all are done, time is up, one meets a 401, or they are stopped.

    Parameters
    ----------
    client : Client
        Its ``max_connections`` is the number of threads.
    task_ids : sequence of str
        Ids, each once.
    with_turns : bool
        Whether the turns are wanted too; without them generation B needs one request a task.
    seconds : float
        No task is begun later than this; what is under way then is finished.
    """

    def __init__(
        self, client: Client, task_ids: Sequence[str], *, with_turns: bool, seconds: float = math.inf
    ) -> None:
        self.collector = Collector(task_ids)
        self.error: BaseException | None = None
        self._requester = requester_of(client)
        self._with_turns = with_turns
        self._stop = threading.Event()
        self._last_start = time.monotonic() + seconds
        self._any_answer = False
        self._connection_error: APIConnectionError | None = None
        self._todo: queue.SimpleQueue[tuple[int, str]] = queue.SimpleQueue()
        for item in enumerate(task_ids):
            self._todo.put(item)
        count = min(self._requester.settings.max_connections, len(task_ids))
        self._threads = [
            threading.Thread(target=self._work, name=f"handinger-fetch-{number}", daemon=True)
            for number in range(count)
        ]

    def run(self, show: Show, cancel: threading.Event | None = None) -> None:
        """Fetch everything; return early when ``cancel`` is set or a thread met an `error`."""
        try:
            show(0, 0, 0.0)
            for thread in self._threads:
                thread.start()
            for thread in self._threads:
                while thread.is_alive() and not self._stop.is_set():
                    thread.join(_POLL_SECONDS)
                    self.collector.build()
                    show(self.collector.done, self.collector.failed, self._requester.gate.closed_for)
                    if cancel is not None and cancel.is_set():
                        self._stop.set()
        finally:
            self.stop()
            show(self.collector.done, self.collector.failed, 0.0)

    def stop(self) -> None:
        """Stop the threads; one that still waits for an answer is not joined, and its result is dropped."""
        self._stop.set()
        self._requester.gate.wake()
        deadline = time.monotonic() + _STOP_SECONDS
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))

    def _work(self) -> None:
        try:
            while not self._stop.is_set() and time.monotonic() < self._last_start:
                try:
                    position, task_id = self._todo.get_nowait()
                except queue.Empty:
                    return
                self._fetch_one(position, task_id)
        except Cancelled:
            return
        except BaseException as error:  # raised again in the thread that asked
            self.error = error
            self._stop.set()

    def _fetch_one(self, position: int, task_id: str) -> None:
        task = task_at = turns_at = None
        try:
            if self._connection_error is not None and not self._any_answer:
                message = f"task {task_id!r}: skipped, since the server answered no request before: "
                raise type(self._connection_error)(message + str(self._connection_error), attempts=0)
            answer = self._requester.read_task(task_id, self._stop)
            self._any_answer = True
            task, task_at = answer.task, now()
            turns = self._requester.read_turns(task_id, answer, self._stop) if self._with_turns else []
            turns_at = now()
        except (AuthenticationError, Cancelled):
            raise
        except Exception as error:  # whatever goes wrong with one id costs that id alone
            if not isinstance(error, APIConnectionError):
                self._any_answer = True
            elif self._connection_error is None and self.collector.failed >= len(self._threads):
                # There was no answer for an id of each thread: the rest would wait in vain.
                self._connection_error = error
            stage = "task" if task is None else "turns"
            self.collector.take(position, task, (), (task_at, None), failure_of(task_id, stage, error))
        else:
            self.collector.take(position, task, turns, (task_at, turns_at))


def failure_of(task_id: str, stage: str, error: Exception) -> Failure:
    """Make a row of the failures frame, also of an error that nobody foresaw."""
    if not isinstance(error, APIError):
        error = APIError(f"task {task_id!r}: {type(error).__name__}: {error}")
    return Failure.of(task_id, stage, error)


def gather(
    client: Client,
    task_ids: Sequence[str],
    *,
    show: Show,
    with_turns: bool = True,
    cancel: threading.Event | None = None,
    seconds: float = math.inf,
) -> tuple[Fetched, BaseException | None]:
    """Fetch ids; return what came, and what ended it early: a 401, Ctrl-C, or an error of a callback.

    No id is begun after so many ``seconds``: those at the end that were not are neither rows nor failures.
    """
    check_event(cancel, "cancel")
    pool = Pool(client, task_ids, with_turns=with_turns, seconds=seconds)
    interrupt: BaseException | None = None
    try:
        pool.run(show, cancel)
    except BaseException as error:  # whatever ends a callback, such as Streamlit's stop, keeps the rows
        interrupt = error
    rows, failed = pool.collector.close()
    return Fetched(tuple(task_ids), rows, failed, now()), interrupt or pool.error
