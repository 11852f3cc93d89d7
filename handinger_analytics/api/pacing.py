"""How fast we may ask: one gate that all threads of a client pass for each request.

A 429 closes the gate for everybody until the server's ``Retry-After`` has passed and halves the
number of requests that may be under way at once; each success raises it a little. This is
additive increase, multiplicative decrease, as TCP does it (Chiu and Jain, 1989), with a small
increase, since the price of finding the limit again is another 429. The loop that retries the request
itself is `requester.Requester.read`.
"""

from __future__ import annotations

import bisect
import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from handinger_analytics.errors import HandingerError

BACKOFF_BASE = 0.5
BACKOFF_CAP = 30.0
_INCREASE = 0.01


def backoff(attempt: int) -> float:
    """Seconds to wait after a failed attempt: exponential, with full jitter.

    The formula is "Full Jitter" of Brooker, *Exponential Backoff and Jitter* (2015): uniform between
    zero and ``min(cap, base * 2 ** (attempt - 1))``.

    Examples
    --------
    >>> 0 <= backoff(3) <= 2
    True
    """
    # The cap is reached long before attempt 64; a power much larger than that is no float any more.
    return random.uniform(0, min(BACKOFF_CAP, BACKOFF_BASE * 2.0 ** min(attempt - 1, 64)))


class Cancelled(HandingerError):
    """The request was cancelled by whoever started it."""


class WaitTooLong(Exception):
    """The wait that is due is longer than what is left of the budget."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class WaitBudget:
    """How long one request may still wait, over all of its attempts.

    Parameters
    ----------
    seconds : float
        Waiting allowed, all told.
    cancel : threading.Event, optional
        When set, waiting ends with `Cancelled`.
    """

    def __init__(self, seconds: float, cancel: threading.Event | None = None) -> None:
        self._left = seconds
        self._cancel = cancel or threading.Event()

    def wait(self, seconds: float) -> None:
        """Sleep, or raise `WaitTooLong` or `Cancelled`."""
        self.require(seconds)
        started = time.monotonic()
        self._cancel.wait(seconds)
        self.spend(time.monotonic() - started)
        self.check()

    def require(self, seconds: float) -> None:
        """Raise `WaitTooLong` where ``seconds`` is more than what is left."""
        if seconds > self._left:
            raise WaitTooLong(seconds)

    def spend(self, seconds: float) -> None:
        """Count a wait that has happened."""
        self._left -= seconds

    @property
    def cancelled(self) -> bool:
        """Whether nobody waits for the request any more."""
        return self._cancel.is_set()

    def check(self) -> None:
        """Raise `Cancelled` where that was asked for."""
        if self.cancelled:
            raise Cancelled


class Gate:
    """Lets requests through, as many at once as the server seems to bear.

    Parameters
    ----------
    most : int
        Requests under way at once at most.
    clock : callable, optional
        Gives the seconds that pass.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._allowed = float(most)
        self._under_way: set[WaitBudget] = set()
        self._closed_until = 0.0
        self._refusals = 0  # times it was closed since the last success
        self._waiting: list[tuple[int, int]] = []
        self._tickets = itertools.count()
        self._changed = threading.Condition()

    @property
    def closed_for(self) -> float:
        """Seconds until requests go out again; 0 while the gate is open."""
        return max(0.0, self._closed_until - self._clock())

    @contextmanager
    def passage(self, attempt: int, budget: WaitBudget) -> Iterator[None]:
        """Wait for the gate to open and for room, and take it up for the length of the block.

        Requests that have failed before go first, so that under a tight limit none fails for good
        while newer ones get through.

        Raises
        ------
        WaitTooLong
            If the gate stays closed for longer than ``budget`` allows.
        Cancelled
            If ``budget`` was cancelled.
        """
        with self._changed:
            self._wait_for_room(attempt, budget)
            self._under_way.add(budget)
        try:
            yield
        finally:
            with self._changed:
                self._under_way.discard(budget)
                if self._waiting:
                    self._changed.notify_all()

    def close_for(self, seconds: float) -> None:
        """Hold everybody back: the server answered 429."""
        with self._changed:
            now = self._clock()
            if now >= self._closed_until:  # the first 429 of a burst; the rest tell nothing new
                self._allowed = max(1.0, self._allowed / 2)
                self._refusals += 1
            if self._refusals > 1:  # a server that asks too early again: each pause is twice the last
                seconds = max(seconds, min(BACKOFF_CAP, 2.0 ** (self._refusals - 2)))
            self._closed_until = max(self._closed_until, now + seconds)
            self._changed.notify_all()

    def succeeded(self) -> None:
        """Allow a little more: the server answered."""
        self._refusals = 0
        if self._allowed < self._most:
            with self._changed:
                self._allowed = min(self._most, self._allowed + _INCREASE)

    def wake(self) -> None:
        """Let every waiting request look whether it was cancelled, and take the room of those that were.

        A cancelled request that waits for its answer cannot be woken, and nobody waits for it any more.
        """
        with self._changed:
            self._under_way = {budget for budget in self._under_way if not budget.cancelled}
            self._changed.notify_all()

    def _wait_for_room(self, attempt: int, budget: WaitBudget) -> None:
        ticket = (-attempt, next(self._tickets))
        bisect.insort(self._waiting, ticket)
        try:
            while True:
                budget.check()
                if (closed_for := self.closed_for) > 0:
                    budget.require(closed_for)
                    started = time.monotonic()
                    self._changed.wait(closed_for)
                    budget.spend(time.monotonic() - started)
                elif len(self._under_way) < int(self._allowed) and self._waiting[0] == ticket:
                    return
                else:
                    self._changed.wait()
        finally:
            self._waiting.remove(ticket)
            if self._waiting:
                self._changed.notify_all()
