"""Waiting that ends: for an action, for a time, or until somebody cancels."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from handinger_analytics.api.pacing import Cancelled

Result = TypeVar("Result")

_POLL_SECONDS = 0.1


def awaited(
    action: Callable[[], Result], *, seconds: float = math.inf, cancel: threading.Event | None = None
) -> Result:
    """Run an action in a thread of its own, and return or raise what comes of it.

    A thread that waits for the network cannot be woken. It is left behind when the time is up, when
    somebody cancels and on Ctrl-C, and what it brings then is dropped.

    Parameters
    ----------
    action : callable
        Called without arguments.
    seconds : float
        How long to wait at most.
    cancel : threading.Event, optional
        When set, waiting ends.

    Raises
    ------
    TimeoutError
        The time is up.
    Cancelled
        ``cancel`` was set.

    Examples
    --------
    >>> awaited(lambda: 6 * 7, seconds=10)
    42
    """
    results: list[Result] = []
    errors: list[BaseException] = []
    ended = threading.Event()

    def run() -> None:
        try:
            results.append(action())
        except BaseException as error:  # raised again in the thread that waits
            errors.append(error)
        finally:
            ended.set()

    deadline = time.monotonic() + seconds
    threading.Thread(target=run, name="handinger-request", daemon=True).start()
    while not ended.wait(_next_look(deadline, cancel)):
        if cancel is not None and cancel.is_set():
            raise Cancelled
        if time.monotonic() >= deadline:
            raise TimeoutError
    if errors:
        raise errors.pop()
    return results[0]


def _next_look(deadline: float, cancel: threading.Event | None) -> float | None:
    """Seconds until there may be something to see; None without an end, where only Ctrl-C can come."""
    left = max(0.0, deadline - time.monotonic())
    if cancel is not None:
        return min(_POLL_SECONDS, left)
    return min(left, threading.TIMEOUT_MAX)
