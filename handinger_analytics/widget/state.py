"""What the widget knows, and the threads that change it, so that a notebook never freezes.

ipykernel sends updates of widgets from its own I/O thread, so any thread may update one. A thread runs
in a copy of the context it was started in: what it changes then counts as the
output of the cell or click that started it.

The threads are daemons, since what they wait for may never come. But a daemon in native code ends the
process with SIGABRT (Matplotlib) or hangs it (PyArrow) where the interpreter ends under it. So they are
cancelled and waited for before that.
"""

from __future__ import annotations

import atexit
import contextvars
import threading
import time
from collections.abc import Callable, Sequence
from typing import Literal

from handinger_analytics.widget.session import empty_session

_TICK = 0.25
_EXIT_SECONDS = 5.0  # for work that cannot be cancelled, such as drawing
_exiting = threading.Event()


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
        """Tell whether a job has neither ended nor been removed; none is while the interpreter ends."""
        return job is not None and self.jobs.get(job.kind) is job and not _exiting.is_set()

    def end(self, job: Job | None) -> bool:
        """Remove a job that is under way; return False if it was not."""
        with self.lock:
            if job is None or not self.under_way(job):
                return False
            del self.jobs[job.kind]
            return True

    def run(self, work: Callable[[], None], job: Job | None = None) -> None:
        """Start work, on a job or without one, in a thread of its own; `wait` waits for it from now on."""

        def counted() -> None:
            try:
                work()
            finally:
                with self.lock:
                    self._threads -= 1
                    self.lock.notify_all()

        with self.lock:
            self._threads += 1
        _Thread(counted, "handinger-widget", job.cancel if job else threading.Event()).start()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until all work has ended; False if ``timeout`` seconds pass before."""
        with self.lock:
            return self.lock.wait_for(lambda: self._threads == 0, timeout)


class _Thread(threading.Thread):
    """A thread that keeps the context it was made in, and soon ends once ``cancel`` is set."""

    def __init__(self, work: Callable[[], None], name: str, cancel: threading.Event) -> None:
        context = contextvars.copy_context()
        super().__init__(target=context.run, args=(work,), name=name, daemon=True)
        self.cancel = cancel


def repeat(tick: Callable[[], bool]) -> threading.Event:
    """Call a function four times a second until it returns False or the event returned here is set."""
    stop = threading.Event()

    def run() -> None:
        while not stop.is_set() and tick():
            stop.wait(_TICK)

    _Thread(run, "handinger-ticker", stop).start()
    return stop


@atexit.register
def _exit() -> None:
    """Cancel what all widgets do, and wait until it has ended."""
    _exiting.set()
    threads = [thread for thread in threading.enumerate() if isinstance(thread, _Thread)]
    for thread in threads:
        thread.cancel.set()
    deadline = time.monotonic() + _EXIT_SECONDS
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
