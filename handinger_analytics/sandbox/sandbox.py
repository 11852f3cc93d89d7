"""The sandbox itself: a generated organization behind a local HTTP server, with a clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Event, Lock
from typing import TYPE_CHECKING, Any, Final, Self, get_args

from handinger_analytics.errors import ArgumentError
from handinger_analytics.sandbox.api import Api, Generation, Route, route_of
from handinger_analytics.sandbox.checks import check_number, check_word
from handinger_analytics.sandbox.faults import NOT_SERVED, FaultDrawer, Faults, RateLimit, with_fault
from handinger_analytics.sandbox.server import HttpServer, Reply, Request, error
from handinger_analytics.sandbox.stats import Stats, Tally
from handinger_analytics.sandbox.timeline import Planner
from handinger_analytics.sandbox.world import World

if TYPE_CHECKING:
    from handinger_analytics.api.client import Client

_DEFAULT_NOW: Final = datetime(2026, 6, 30, 12, tzinfo=UTC)
_DEFAULT_KEY: Final = "hdg_live_sandbox0000000000000000"
_MILLISECOND: Final = timedelta(milliseconds=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


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
    generation : {"A", "A+files", "B"}
        ``"A"``: a task comes with its turns; ``"A+files"``: and these with their files; ``"B"``: the
        turns, with their files, have an endpoint of their own.
    turns_per_task : int, optional
        Exact number of turns of each task, from 1; a realistic mix when left out.
    days : int
        The tasks were created within so many days before `now`.
    follow_up_days : int
        About one task in 20 gets one more turn up to so many days after its last one, also when the
        clock has moved on; 0 for none.
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
    ArgumentError
        If an argument is out of its range.

    Examples
    --------
    >>> with ha.Sandbox(tasks=3) as sandbox, sandbox.client() as client:
    ...     turns = ha.fetch_turns(sandbox.task_ids, client=client)
    >>> turns["task_id"].nunique()
    3
    """

    def __init__(
        self,
        tasks: int = 200,
        seed: int = 7,
        generation: Generation = "A",
        *,
        turns_per_task: int | None = None,
        days: int = 60,
        follow_up_days: int = 0,
        now: datetime = _DEFAULT_NOW,
        api_key: str = _DEFAULT_KEY,
        faults: Faults | float | None = None,
        rate_limit: float | None = None,
        latency: float = 0.0,
        port: int = 0,
    ) -> None:
        check_number(tasks, "tasks", "a whole number from 0", least=0, whole=True)
        check_number(seed, "seed", "a whole number", whole=True)
        check_word(generation, "generation", get_args(Generation))
        if turns_per_task is not None:
            check_number(turns_per_task, "turns_per_task", "a whole number from 1", least=1, whole=True)
        check_number(days, "days", "a whole number from 1", least=1, whole=True)
        check_number(follow_up_days, "follow_up_days", "a whole number from 0", least=0, whole=True)
        if not isinstance(now, datetime) or now.utcoffset() is None:
            raise ArgumentError.unexpected("now", "a timezone-aware datetime", now)
        if not (api_key and api_key.isascii() and api_key.isprintable() and " " not in api_key):
            raise ArgumentError("api_key: expected visible ASCII characters without spaces")
        if rate_limit is not None:
            check_number(rate_limit, "rate_limit", "requests per second above 0", above=0)
        check_number(latency, "latency", "seconds, 0 or more", least=0)
        check_number(port, "port", "a whole number from 0 to 65535", least=0, most=65535, whole=True)
        self._api_key, self._port, self._latency = api_key, port, latency
        if not isinstance(faults, Faults):
            faults = Faults(rate=faults or 0.0)
        self._faults = faults
        self._drawer = FaultDrawer(faults)
        self._limit = RateLimit(rate_limit) if rate_limit is not None else None
        self._now = (now - _EPOCH) // _MILLISECOND
        planner = Planner(seed, self._now, turns_per_task, follow_up_days)
        self._world = World(planner, tasks, days)
        self._api = Api(self._world, api_key=api_key, generation=generation, start=self._now)
        self._tally = Tally()
        self._server: HttpServer | None = None
        self._lock = Lock()
        self._stopped = Event()

    def __repr__(self) -> str:
        """Tell where it listens; the key stays out of it."""
        return f"<Sandbox {self._server.url if self._server else 'not running'}>"

    def __enter__(self) -> Self:
        """Start the server."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
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
        return self._running().url

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
    def silent_worker_id(self) -> str:
        """Identifier of a worker without a webhook: its log stays empty."""
        return self._world.silent_worker_id

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
        ArgumentError
            If `delta` is negative or no timedelta.

        Examples
        --------
        >>> from datetime import timedelta
        >>> sandbox = ha.Sandbox(tasks=200)
        >>> sandbox.advance(timedelta(days=7))
        >>> f"{sandbox.now:%Y-%m-%d}", len(sandbox.task_ids)
        ('2026-07-07', 223)
        """
        if not isinstance(delta, timedelta) or delta < timedelta(0):
            expected = "a timedelta of 0 or more, since the clock only moves forward"
            raise ArgumentError.unexpected("delta", expected, delta)
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

        Examples
        --------
        >>> with ha.Sandbox(tasks=3) as sandbox, sandbox.client(max_attempts=1) as client:
        ...     client.retrieve_task("tsk_2Z-YWz3hFq6VlW").task.title
        'Weather report for Barcelona'
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
            self._server = HttpServer(self._respond, port=self._port, tally=self._tally)
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
        self._running()
        try:
            self._stopped.wait()
        except KeyboardInterrupt:
            # Ctrl-C is how a person ends a sandbox in a terminal: no traceback for it.
            pass

    def _running(self) -> HttpServer:
        server = self._server
        if server is None:
            raise RuntimeError("The sandbox is not running: call start() or use `with`.")
        return server

    def _respond(self, request: Request) -> Reply:
        route = route_of(request.target)
        self._tally.asked(route.name)
        fault: str | None = None
        reply = self._refusal(request)
        if reply is None and self._limit is not None:
            reply = self._limit.refusal()
            fault = "rate-limit" if reply else None
        if reply is None:
            drawn = fault = self._drawer.draw(route)
            reply = self._api.reply(route, self._now, repeat_entries=fault == "duplicate-log-pages")
            foreign = drawn in ("foreign-task", "foreign-turns")
            reply = with_fault(reply, drawn, self._faults, self._foreign(route) if foreign else None)
        sent = None if reply.broken == "reset-before-body" else reply.status
        whole = reply.broken is None and fault not in NOT_SERVED
        served = route.name == "task" and reply.status == 200 and whole
        self._tally.answered(sent, fault, route.id if served else None)
        return replace(reply, wait=reply.wait + self._latency)

    def _foreign(self, route: Route) -> Reply:
        """Return the reply to the same question about the next task."""
        ids = self.task_ids
        at = ids.index(route.id) + 1 if route.id in ids else 0
        other = ids[at % len(ids)] if ids else route.id
        return self._api.reply(replace(route, id=other), self._now)

    def _refusal(self, request: Request) -> Reply | None:
        if request.method != "GET":
            return error(405, f"Method {request.method} is not allowed; the sandbox reads.", {"Allow": "GET"})
        return self._api.refusal(request.headers["Authorization"])
