"""Threads that fetch many tasks over one client, and the place where their answers gather."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Sequence

from msgspec import UnsetType

from handinger_analytics.api import wire
from handinger_analytics.api.client import Client
from handinger_analytics.api.pacing import Cancelled
from handinger_analytics.errors import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    AuthenticationError,
)
from handinger_analytics.fetching.progress import ProgressBar
from handinger_analytics.tables.build import Failure, RowBuilder, Rows

_LOOK_EVERY = 0.1
_STOP_WITHIN = 1.5


class Collector:
    """Where the answers of all threads gather: they put them in, the calling thread builds the rows.

    One thread builds them all, because memory that Arrow's allocator hands out in many threads is
    not given back between batches.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._arrived: list[tuple[int, wire.Task, Sequence[wire.Turn]]] = []
        self._builder = RowBuilder()
        self._failures: dict[int, Failure] = {}
        self._asked_as: dict[str, str] = {}
        self._closed = False
        self.done = 0

    @property
    def failed(self) -> int:
        """How many ids have failed."""
        return len(self._failures)

    def add(self, position: int, task_id: str, task: wire.Task, turns: Sequence[wire.Turn]) -> None:
        """Take a task and its turns, which came for ``task_id``.

        One task that comes for two ids would count twice: the second is a failure.
        """
        with self._lock:
            if self._closed:
                return
            self.done += 1
            asked_as = self._asked_as.setdefault(task.id, task_id)
            if asked_as == task_id:
                self._arrived.append((position, task, turns))
            else:
                message = (
                    f"task {task_id!r}: the answer is task {task.id!r}, which came for {asked_as!r} already"
                )
                error = APIResponseValidationError(message, http_status=200)
                self._failures[position] = failure(task_id, "task", error)

    def fail(self, position: int, failure: Failure, task: wire.Task | None = None) -> None:
        """Take a failure, and the task itself where only its turns are missing."""
        with self._lock:
            if self._closed:
                return
            if task is not None:
                self._arrived.append((position, task, ()))
            self._failures[position] = failure
            self.done += 1

    def build(self) -> None:
        """Turn what has arrived into rows."""
        with self._lock:
            arrived, self._arrived = self._arrived, []
        for position, task, turns in arrived:
            self._builder.add(position, task, turns)

    def close(self) -> tuple[Rows, dict[int, Failure]]:
        """Take nothing more, and return what has gathered: rows, and failures by position."""
        with self._lock:
            self._closed = True
        self.build()
        return self._builder.finish(), dict(sorted(self._failures.items()))


class Pool:
    """Threads that fetch tasks until all are done, one of them meets a 401, or they are stopped.

    Parameters
    ----------
    client : Client
        Its ``max_connections`` is the number of threads.
    task_ids : sequence of (int, str)
        Positions in the caller's order, and ids.
    with_turns : bool
        Whether the turns are wanted too; without them generation B needs one request a task.
    """

    def __init__(self, client: Client, task_ids: Sequence[tuple[int, str]], *, with_turns: bool) -> None:
        self.gathering = Collector()
        self.error: BaseException | None = None
        self._client = client
        self._with_turns = with_turns
        self._stop = threading.Event()
        self._total = len(task_ids)
        self._reached = False
        self._unreachable: APIConnectionError | None = None
        self._todo: queue.SimpleQueue[tuple[int, str]] = queue.SimpleQueue()
        for item in task_ids:
            self._todo.put(item)
        count = min(client.settings.max_connections, self._total)
        self._threads = [
            threading.Thread(target=self._work, name=f"handinger-fetch-{number}", daemon=True)
            for number in range(count)
        ]

    def run(self, progress: bool | None, cancel: threading.Event | None = None) -> None:
        """Fetch everything; return early when ``cancel`` is set or a thread met an `error`."""
        with ProgressBar(self._total, "tasks", progress) as bar:
            try:
                for thread in self._threads:
                    thread.start()
                for thread in self._threads:
                    while thread.is_alive() and not self._stop.is_set():
                        thread.join(_LOOK_EVERY)
                        self.gathering.build()
                        bar.show(self.gathering.done, self.gathering.failed, self._client.gate.closed_for)
                        if cancel is not None and cancel.is_set():
                            self._stop.set()
            finally:
                self.stop()
                bar.show(self.gathering.done, self.gathering.failed)

    def stop(self) -> None:
        """Stop the threads; one that waits for a slow answer is left to end by itself, unheard."""
        self._stop.set()
        self._client.gate.wake()
        deadline = time.monotonic() + _STOP_WITHIN
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))

    def _work(self) -> None:
        try:
            while not self._stop.is_set():
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
        if self._unreachable is not None and not self._reached:
            self.gathering.fail(position, _not_tried(task_id, self._unreachable))
            return
        task: wire.Task | None = None
        try:
            answer = self._client.read_task(task_id, self._stop)
            self._reached = True
            task, turns = answer.task, answer.turns
            if turns is None or isinstance(turns, UnsetType):
                turns = self._client.read_turns(task_id, self._stop) if self._with_turns else []
        except AuthenticationError:
            raise
        except APIError as error:
            if not isinstance(error, APIConnectionError):
                self._reached = True
            elif self.gathering.failed >= len(self._threads):
                self._unreachable = error  # none of the first ids got an answer: the rest would wait in vain
            stage = "task" if task is None else "turns"
            self.gathering.fail(position, failure(task_id, stage, error), task)
        else:
            self.gathering.add(position, task_id, task, turns)


def gather(
    client: Client,
    task_ids: Sequence[tuple[int, str]],
    *,
    with_turns: bool,
    progress: bool | None,
    cancel: threading.Event | None = None,
) -> tuple[Rows, dict[int, Failure], BaseException | None]:
    """Run a pool to its end, or to what ended it early: a 401, or Ctrl-C."""
    pool = Pool(client, task_ids, with_turns=with_turns)
    interrupt: KeyboardInterrupt | None = None
    try:
        pool.run(progress, cancel)
    except KeyboardInterrupt as error:
        interrupt = error
    rows, failed = pool.gathering.close()
    return rows, failed, interrupt or pool.error


def _not_tried(task_id: str, error: APIConnectionError) -> Failure:
    message = f"task {task_id!r}: not tried, since no request before it was answered at all: {error}"
    return Failure(task_id, "task", type(error).__name__, None, message, 0)


def failure(task_id: str, stage: str, error: APIError) -> Failure:
    """Row of the failures frame for an error."""
    return Failure(task_id, stage, type(error).__name__, error.http_status, str(error), error.attempts)
