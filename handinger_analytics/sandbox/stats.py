"""What a sandbox has been asked and what it has answered."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from threading import Lock

__all__ = ["Stats", "Tally"]


@dataclass(frozen=True, slots=True)
class Stats:
    """A snapshot of the counters of a sandbox.

    Parameters
    ----------
    requests : int
        Requests that were read.
    served : int
        Task bodies (``GET /api/tasks/{taskId}``) sent in full with status 200.
    distinct_tasks : int
        How many different tasks those were.
    by_status : dict of int to int
        Answers by HTTP status. A connection that was reset before the answer has none.
    by_fault : dict of str to int
        Misbehaviour by kind; ``"rate-limit"`` counts the answers over the rate limit.
    by_route : dict of str to int
        Requests by endpoint: ``task``, ``turns``, ``worker``, ``webhook``, ``schedules``,
        ``other``.
    connections : int
        Connections accepted so far.
    open_connections, max_open_connections : int
        Connections open now, and the most at any one time.
    """

    requests: int
    served: int
    distinct_tasks: int
    by_status: dict[int, int]
    by_fault: dict[str, int]
    by_route: dict[str, int]
    connections: int
    open_connections: int
    max_open_connections: int


class Tally:
    """The running counters behind :class:`Stats`, shared by all connections."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._requests = 0
        self._served = 0
        self._tasks: set[str] = set()
        self._by_status: Counter[int] = Counter()
        self._by_fault: Counter[str] = Counter()
        self._by_route: Counter[str] = Counter()
        self._connections = 0
        self._open = 0
        self._most_open = 0

    def opened(self) -> None:
        """Count a new connection."""
        with self._lock:
            self._connections += 1
            self._open += 1
            self._most_open = max(self._most_open, self._open)

    def closed(self) -> None:
        """Count a connection that has ended."""
        with self._lock:
            self._open -= 1

    def asked(self, route: str) -> None:
        """Count a request that was read."""
        with self._lock:
            self._requests += 1
            self._by_route[route] += 1

    def answered(self, status: int | None, fault: str | None, served_task: str | None) -> None:
        """Count what became of a request.

        Parameters
        ----------
        status : int or None
            Status sent; None if nothing was.
        fault : str or None
            Kind of misbehaviour.
        served_task : str or None
            The task whose body is about to be sent in full.
        """
        with self._lock:
            if status is not None:
                self._by_status[status] += 1
            if fault is not None:
                self._by_fault[fault] += 1
            if served_task is not None:
                self._served += 1
                self._tasks.add(served_task)

    def snapshot(self) -> Stats:
        """Return the counters as they stand."""
        with self._lock:
            return Stats(
                requests=self._requests,
                served=self._served,
                distinct_tasks=len(self._tasks),
                by_status=dict(self._by_status),
                by_fault=dict(self._by_fault),
                by_route=dict(self._by_route),
                connections=self._connections,
                open_connections=self._open,
                max_open_connections=self._most_open,
            )
