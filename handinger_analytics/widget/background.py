"""Work off the main thread, so that a notebook never freezes.

ipykernel sends what a widget changes through a thread of its own, so a widget may be updated from
any thread. A job runs in a copy of the context it was started in: what it changes then counts as the
output of the cell or click that started it.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable

_TICK = 0.25


class Jobs:
    """Daemon threads, and a way to wait until all of them have ended."""

    def __init__(self) -> None:
        self._running = 0
        self._changed = threading.Condition()

    def start(self, job: Callable[[], None]) -> None:
        """Run a job in a thread of its own; it counts as running when this returns."""
        with self._changed:
            self._running += 1
        context = contextvars.copy_context()
        threading.Thread(
            target=context.run, args=(self._run, job), name="handinger-lookup", daemon=True
        ).start()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until no job is running; False if ``timeout`` seconds pass before."""
        with self._changed:
            return self._changed.wait_for(lambda: self._running == 0, timeout)

    def _run(self, job: Callable[[], None]) -> None:
        try:
            job()
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()


class Ticker:
    """Calls a function four times a second, until it says that it is done or somebody stops it."""

    def __init__(self) -> None:
        self._stop = threading.Event()

    def start(self, tick: Callable[[], bool]) -> None:
        """Stop what ticked before, and call ``tick`` now and then until it returns False."""
        self.stop()
        stop = self._stop = threading.Event()

        def run() -> None:
            while not stop.is_set() and tick():
                stop.wait(_TICK)

        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(run,), name="handinger-ticker", daemon=True).start()

    def stop(self) -> None:
        """Stop ticking."""
        self._stop.set()
