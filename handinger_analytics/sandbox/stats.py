"""What a sandbox has been asked and what it has answered."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from threading import Lock


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
        Faults by kind; ``"rate-limit"`` counts the answers over the rate limit.
    by_route : dict of str to int
        Requests by endpoint: ``task``, ``turns``, ``worker``, ``webhook`` (its log),
        ``webhook-url``, ``email``, ``schedules``, ``other``.
    connections : int
        Connections accepted so far.
    open_connections, max_open_connections : int
        Connections open now, and the most at any one time.

    Examples
    --------
    >>> with ha.Sandbox(tasks=3) as sandbox, sandbox.client() as client:
    ...     result = ha.fetch(sandbox.task_ids, client=client)
    >>> sandbox.stats.requests, sandbox.stats.by_status
    (3, {200: 3})
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
        self._served = Counter[str]()
        self._by_status = Counter[int]()
        self._by_fault = Counter[str]()
        self._by_route = Counter[str]()
        self._connections = self._open = self._most_open = 0

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
            self._by_route[route] += 1

    def answered(self, status: int | None, fault: str | None, served_task: str | None) -> None:
        """Count what became of a request.

        Parameters
        ----------
        status : int or None
            Status sent; None if nothing was.
        fault : str or None
            Kind of fault.
        served_task : str or None
            The task whose body is about to be sent in full.
        """
        with self._lock:
            if status is not None:
                self._by_status[status] += 1
            if fault is not None:
                self._by_fault[fault] += 1
            if served_task is not None:
                self._served[served_task] += 1

    def snapshot(self) -> Stats:
        """Return the counters as they stand."""
        with self._lock:
            return Stats(
                requests=self._by_route.total(),
                served=self._served.total(),
                distinct_tasks=len(self._served),
                by_status=dict(self._by_status),
                by_fault=dict(self._by_fault),
                by_route=dict(self._by_route),
                connections=self._connections,
                open_connections=self._open,
                max_open_connections=self._most_open,
            )
