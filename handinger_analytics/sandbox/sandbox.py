"""The sandbox itself: a generated organization behind a local HTTP server, with a clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import isfinite
from threading import Event, Lock
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from handinger_analytics.sandbox.api import Answer, Api, error, route_of
from handinger_analytics.sandbox.data import World
from handinger_analytics.sandbox.faults import (
    DISTURBED_LOG,
    FaultDrawer,
    Faults,
    RateLimit,
    disturbed,
)
from handinger_analytics.sandbox.server import HttpServer, Reply, Request
from handinger_analytics.sandbox.stats import Stats, Tally

if TYPE_CHECKING:
    from handinger_analytics.api.client import Client

__all__ = ["Sandbox"]

_DEFAULT_NOW: Final = datetime(2026, 6, 30, 12, tzinfo=UTC)
_DEFAULT_KEY: Final = "hdg_live_sandbox0000000000000000"
_MILLISECOND: Final = timedelta(milliseconds=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MANNERS: Final = ("reset-before-body", "reset-mid-body", "short-body", "slow-body")
_ALTERED: Final = (
    "truncated-json",
    "html-200",
    "short-body",
    "reset-before-body",
    "reset-mid-body",
)


class Sandbox:
    """A local stand-in for the Handinger API, with generated data and no key to lose.

    Everything served is a pure function of the arguments and of :attr:`now`: two sandboxes with
    the same ones send the same bytes. The server listens on 127.0.0.1 only and answers GET only.

    Parameters
    ----------
    tasks : int
        How many tasks exist at `now`. More appear at the same pace when the clock moves on.
    seed : int
        Another seed, another organization.
    generation : {"A", "B"}
        ``"A"``: a task comes with its turns; ``"B"``: the turns have an endpoint of their own.
    turns_per_task : int, optional
        Exact number of turns of each task, from 1; a realistic mix when left out.
    days : int
        The tasks were created within so many days before `now`.
    now : datetime
        The initial moment, timezone-aware.
    api_key : str
        The one key that is accepted.
    faults : Faults or float, optional
        What goes wrong. A number is the rate, with faults of all kinds.
    rate_limit : float, optional
        Requests per second; more are answered with 429 and ``Retry-After: 1``.
    latency : float
        Seconds that every answer waits.
    port : int
        0 lets the operating system choose.

    Raises
    ------
    ValueError
        If an argument is out of its range.

    Examples
    --------
    >>> with Sandbox(tasks=3) as sandbox:
    ...     len(sandbox.task_ids)
    3
    """

    def __init__(
        self,
        tasks: int = 200,
        seed: int = 7,
        generation: str = "A",
        *,
        turns_per_task: int | None = None,
        days: int = 60,
        now: datetime = _DEFAULT_NOW,
        api_key: str = _DEFAULT_KEY,
        faults: Faults | float | None = None,
        rate_limit: float | None = None,
        latency: float = 0.0,
        port: int = 0,
    ) -> None:
        _check_numbers(tasks=tasks, seed=seed, days=days, port=port, turns_per_task=turns_per_task)
        _check_texts(generation, now, api_key)
        _check_pace(rate_limit, latency)
        self._api_key, self._port, self._latency = api_key, port, latency
        self._faults = _faults(faults)
        self._drawer = FaultDrawer(self._faults)
        self._limit = RateLimit(rate_limit) if rate_limit is not None else None
        self._now = (now - _EPOCH) // _MILLISECOND
        self._world = World(tasks=tasks, seed=seed, days=days, now=self._now, turns_per_task=turns_per_task)
        self._world.grow(self._now)
        self._api = Api(self._world, api_key=api_key, generation=generation, start=self._now)
        self._tally = Tally()
        self._server: HttpServer | None = None
        self._lock = Lock()
        self._stopped = Event()

    def __repr__(self) -> str:
        """Tell where it listens; the key stays out of it."""
        where = self._server.server_address[1] if self._server else "not running"
        return f"<Sandbox {where}>"

    def __enter__(self) -> Self:
        """Start the server."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop the server."""
        self.stop()

    @property
    def url(self) -> str:
        """Base URL of the running server, without a slash at the end.

        Raises
        ------
        RuntimeError
            If the sandbox is not running.
        """
        server = self._server
        if server is None:
            raise RuntimeError("The sandbox is not running: call start() or use `with`.")
        return f"http://127.0.0.1:{server.server_address[1]}"

    @property
    def api_key(self) -> str:
        """The one key that is accepted."""
        return self._api_key

    @property
    def task_ids(self) -> list[str]:
        """Identifiers of the tasks that exist at :attr:`now`, oldest first."""
        return self._world.task_ids(self._now)

    @property
    def worker_ids(self) -> list[str]:
        """Identifiers of the generated workers."""
        return list(self._world.worker_ids)

    @property
    def forbidden_worker_id(self) -> str:
        """Identifier of a worker of another organization: it is answered with 403."""
        return self._world.forbidden_worker_id

    @property
    def stats(self) -> Stats:
        """Counters of what was asked and answered so far."""
        return self._tally.snapshot()

    @property
    def now(self) -> datetime:
        """The present moment of the sandbox, in UTC."""
        return _EPOCH + self._now * _MILLISECOND

    def advance(self, delta: timedelta) -> None:
        """Move the clock on: running turns finish, follow-ups and new tasks appear.

        Parameters
        ----------
        delta : timedelta
            How far; the clock does not go back.

        Raises
        ------
        ValueError
            If `delta` is negative.
        """
        if delta < timedelta(0):
            raise ValueError(f"delta: the clock only moves forward, got {delta!r}")
        with self._lock:
            moment = self._now + delta // _MILLISECOND
            self._world.grow(moment)
            self._now = moment

    def client(self, **options: Any) -> Client:
        """Return a :class:`~handinger_analytics.api.client.Client` for this sandbox.

        Parameters
        ----------
        **options
            Passed on to the client.
        """
        from handinger_analytics.api.client import Client

        return Client(**{"api_key": self.api_key, "base_url": self.url, **options})

    def start(self) -> Self:
        """Start the server and return it; :attr:`url` is valid when this returns.

        Raises
        ------
        RuntimeError
            If it is running already.
        OSError
            If the port is taken.
        """
        with self._lock:
            if self._server is not None:
                raise RuntimeError(f"The sandbox is already running at {self.url}.")
            self._server = HttpServer(self._port, self._respond, self._tally)
            self._stopped.clear()
        return self

    def stop(self) -> None:
        """Close the port and every connection; nothing happens if the sandbox is not running."""
        with self._lock:
            server, self._server = self._server, None
        if server is not None:
            server.stop()
            self._stopped.set()

    def wait(self) -> None:
        """Block until :meth:`stop` is called or the user presses Ctrl-C.

        Raises
        ------
        RuntimeError
            If the sandbox is not running.
        """
        if self._server is None:
            raise RuntimeError("The sandbox is not running: call start() or use `with`.")
        try:
            self._stopped.wait()
        except KeyboardInterrupt:
            # Ctrl-C is how a person ends a sandbox in a terminal: no traceback for it.
            pass

    def _respond(self, request: Request) -> Reply:
        route = route_of(request.target)
        self._tally.asked(route.name)
        answer, fault = self._refusal(request), None
        if answer is None and self._limit is not None:
            answer = self._limit.refusal()
            fault = "rate-limit" if answer else None
        if answer is not None:
            self._tally.answered(answer.status, fault, None)
            return Reply(answer, wait=self._latency)
        fault = self._drawer.draw(route)
        answer = self._api.answer(route, self._now, repeat_entries=fault == DISTURBED_LOG)
        answer = disturbed(answer, fault, self._faults)
        complete = route.name == "task" and answer.status == 200 and fault not in _ALTERED
        status = None if fault == "reset-before-body" else answer.status
        self._tally.answered(status, fault, route.id if complete else None)
        slow = self._faults.slow
        return Reply(
            answer,
            manner=fault if fault in _MANNERS else None,
            wait=self._latency + (slow if fault == "slow-first-byte" else 0.0),
            pause=slow,
        )

    def _refusal(self, request: Request) -> Answer | None:
        if request.method != "GET":
            allow = {"Allow": "GET"}
            return error(405, f"Method {request.method} is not allowed; the sandbox reads.", allow)
        return self._api.refusal(request.authorization)


def _check_numbers(**numbers: int | None) -> None:
    least = {"tasks": 0, "days": 1, "port": 0, "turns_per_task": 1}
    for name, value in numbers.items():
        if value is None and name == "turns_per_task":
            continue
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValueError(f"{name}: expected a whole number, got {value!r}")
        if name in least and value < least[name]:
            raise ValueError(f"{name}: expected {least[name]} or more, got {value!r}")


def _check_texts(generation: str, now: datetime, api_key: str) -> None:
    if generation not in ("A", "B"):
        raise ValueError(f"generation: expected 'A' or 'B', got {generation!r}")
    if now.utcoffset() is None:
        raise ValueError(f"now: expected a timezone-aware datetime, got {now!r}")
    if not (api_key and api_key.isascii() and api_key.isprintable() and " " not in api_key):
        raise ValueError("api_key: expected visible ASCII characters without spaces")


def _check_pace(rate_limit: float | None, latency: float) -> None:
    if rate_limit is not None and not (isfinite(rate_limit) and rate_limit > 0):
        raise ValueError(f"rate_limit: expected requests per second above 0, got {rate_limit!r}")
    if not (isfinite(latency) and latency >= 0):
        raise ValueError(f"latency: expected seconds, 0 or more, got {latency!r}")


def _faults(faults: Faults | float | None) -> Faults:
    if faults is None:
        return Faults(rate=0.0)
    return faults if isinstance(faults, Faults) else Faults(rate=faults)
