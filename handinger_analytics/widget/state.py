"""What the widget knows, and the threads that change it, so that a notebook never freezes.

ipykernel sends updates of widgets from its own I/O thread, so any thread may update one. A thread runs
in a copy of the context it was started in: what it changes then counts as the
output of the cell or click that started it.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Sequence
from typing import Literal

from handinger_analytics.widget.session import empty_session

_TICK = 0.25


class Job:
    """A lookup, or the reading of the source; ``cancel`` is set to stop it."""

    def __init__(self, kind: Literal["lookup", "source"]) -> None:
        self.kind = kind
        self.cancel = threading.Event()


class State:
    """What was looked up and what is under way; changed only under `lock`, from whichever thread.

    Attributes
    ----------
    lock : threading.Condition
        Held by whoever changes anything here, or what the page shows of it.
    session : FetchResult
        All that was looked up.
    retry_ids : sequence of str
        Ids whose lookup may succeed the next time.
    jobs : dict of str to Job
        What is under way, at most one job of each kind.
    """

    def __init__(self) -> None:
        self.lock = threading.Condition()
        self.session = empty_session()
        self.retry_ids: Sequence[str] = ()
        self.jobs: dict[str, Job] = {}
        self._threads = 0

    def under_way(self, job: Job | None) -> bool:
        """Tell whether a job has neither ended nor been removed."""
        return job is not None and self.jobs.get(job.kind) is job

    def end(self, job: Job | None) -> bool:
        """Remove a job that is under way; return False if it was not."""
        with self.lock:
            if job is None or not self.under_way(job):
                return False
            del self.jobs[job.kind]
            return True

    def run(self, work: Callable[[], None]) -> None:
        """Start work in a thread of its own; `wait` waits for it from now on."""

        def counted() -> None:
            try:
                work()
            finally:
                with self.lock:
                    self._threads -= 1
                    self.lock.notify_all()

        with self.lock:
            self._threads += 1
        _start_thread(counted, "handinger-widget")

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until all work has ended; False if ``timeout`` seconds pass before."""
        with self.lock:
            return self.lock.wait_for(lambda: self._threads == 0, timeout)


def repeat(tick: Callable[[], bool]) -> threading.Event:
    """Call a function four times a second until it returns False or the event returned here is set."""
    stop = threading.Event()

    def run() -> None:
        while not stop.is_set() and tick():
            stop.wait(_TICK)

    _start_thread(run, "handinger-ticker")
    return stop


def _start_thread(target: Callable[[], None], name: str) -> None:
    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(target,), name=name, daemon=True).start()
