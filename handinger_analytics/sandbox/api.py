"""From a path to an answer: the routes of the API, over the generated organization."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hmac import compare_digest
from json import JSONEncoder
from threading import Lock
from typing import Final
from urllib.parse import parse_qs, unquote

from handinger_analytics.sandbox.content import JsonObject
from handinger_analytics.sandbox.data import TaskView, World
from handinger_analytics.sandbox.example import EXAMPLE_LOG, EXAMPLE_TASK_ID, EXAMPLE_WORKER_ID
from handinger_analytics.sandbox.workers import WebhookLog, schedules, worker_state

__all__ = ["Answer", "Api", "Route", "error", "route_of"]

JSON_TYPE: Final = "application/json; charset=utf-8"
_CACHE_BYTES: Final = 128 * 1024 * 1024
_encode = JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer before it is written out.

    Parameters
    ----------
    status : int
        HTTP status.
    body : bytes
        The whole body.
    content_type : str
        Value of ``Content-Type``.
    headers : mapping
        Further headers.
    """

    status: int
    body: bytes
    content_type: str = JSON_TYPE
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Route:
    """What a request asks for.

    Parameters
    ----------
    name : {"task", "turns", "worker", "webhook", "schedules", "other"}
        Which endpoint.
    id : str
        The decoded task or worker identifier; empty for ``other``.
    path : str
        The path as it was sent, without the query.
    query : str
        The query as it was sent.
    """

    name: str
    id: str
    path: str
    query: str


_ENDPOINTS: Final = {
    ("tasks",): "task",
    ("tasks", "turns"): "turns",
    ("workers",): "worker",
    ("workers", "webhook", "executions"): "webhook",
    ("workers", "schedules"): "schedules",
}


def route_of(target: str) -> Route:
    """Return what a request target asks for; identifiers are percent-decoded.

    Examples
    --------
    >>> route_of("/api/tasks/a%2Fb/turns").id
    'a/b'
    """
    path, _, query = target.partition("?")
    match path.split("/"):
        case ["", "api", family, identifier, *rest] if identifier:
            name = _ENDPOINTS.get((family, *rest))
            if name:
                return Route(name, unquote(identifier), path, query)
    return Route("other", "", path, query)


def error(status: int, message: str, headers: Mapping[str, str] | None = None) -> Answer:
    """Return an answer with the documented error body."""
    return Answer(status, _encode({"error": message}).encode(), headers=headers or {})


class Api:
    """Answers GET requests from a :class:`~handinger_analytics.sandbox.data.World`.

    Parameters
    ----------
    world : World
        The generated organization.
    api_key : str
        The one accepted key.
    generation : {"A", "B"}
        Which shape of the task endpoints to speak.
    start : int
        The initial moment, milliseconds since 1970.
    """

    def __init__(self, world: World, *, api_key: str, generation: str, start: int) -> None:
        self._world, self._generation, self._start = world, generation, start
        self._api_key = api_key.encode()
        self._workers = {worker_id: place for place, worker_id in enumerate(world.worker_ids)}
        self._logs = [WebhookLog(world, place) for place in self._workers.values()]
        self._cache: dict[tuple[str, str], tuple[bytes, int]] = {}
        self._cached_bytes = 0
        self._cache_lock = Lock()
        self._endpoints: dict[str, Callable[[Route, int, bool], Answer]] = {
            "task": self._task,
            "turns": self._turns,
            "worker": self._worker,
            "webhook": self._webhook,
            "schedules": self._schedules,
        }

    def refusal(self, authorization: str | None) -> Answer | None:
        """Return the 401 for a missing, malformed or unknown key, None for the right one."""
        if not authorization:
            return error(401, "Missing Authorization header. Send 'Authorization: Bearer <key>'.")
        scheme, _, key = authorization.partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            return error(401, "Malformed Authorization header. Send 'Authorization: Bearer <key>'.")
        if not compare_digest(key.strip().encode("latin-1"), self._api_key):
            return error(401, "Unknown or revoked API key.")
        return None

    def answer(self, route: Route, now: int, *, repeat_entries: bool = False) -> Answer:
        """Return the answer to an authorized GET.

        Parameters
        ----------
        route : Route
            What is asked for.
        now : int
            The present moment, milliseconds since 1970.
        repeat_entries : bool
            Whether a page of the webhook log repeats entries of the page before.
        """
        endpoint = self._endpoints.get(route.name)
        if endpoint is None:
            return error(404, f"No such route: {route.path!r}")
        return endpoint(route, now, repeat_entries)

    def _task(self, route: Route, now: int, _: bool) -> Answer:
        return self._cached(route, now) or error(404, f"Task {route.id!r} not found")

    def _turns(self, route: Route, now: int, _: bool) -> Answer:
        if self._generation == "A":
            return error(404, f"No such route: {route.path!r}")
        return self._cached(route, now) or error(404, f"Task {route.id!r} not found")

    def _cached(self, route: Route, now: int) -> Answer | None:
        """Return the body of a task or of its turns, kept for as long as it holds."""
        known = self._cache.get((route.name, route.id))
        if known and now < known[1]:
            return Answer(200, known[0])
        view = self._world.view(route.id, now)
        if view is None:
            return None
        for name, content in self._bodies(view).items():
            body = _encode(content).encode()
            with self._cache_lock:
                self._cached_bytes += len(body)
                if self._cached_bytes > _CACHE_BYTES:
                    self._cache.clear()
                    self._cached_bytes = len(body)
                self._cache[name, route.id] = body, view.until
            if name == route.name:
                answer = Answer(200, body)
        return answer

    def _bodies(self, view: TaskView) -> dict[str, JsonObject]:
        if self._generation == "B":
            turns: JsonObject = {"items": view.turns, "taskId": view.task["id"]}
            return {"task": {"task": view.task}, "turns": turns}
        for turn in view.turns:
            del turn["files"]
        return {"task": {"task": view.task, "turns": view.turns}}

    def _worker(self, route: Route, now: int, _: bool) -> Answer:
        place = self._workers.get(route.id, -1)
        if refused := self._refused_worker(route):
            return refused
        asked = parse_qs(route.query, keep_blank_values=True).get("taskId")
        if asked and not asked[-1]:
            return error(422, "taskId: expected at least 1 character, received ''")
        if asked:
            task_id: str | None = asked[-1]
        elif route.id == EXAMPLE_WORKER_ID:
            task_id = EXAMPLE_TASK_ID
        else:
            task_id = self._world.latest_task(place, now)
        view = self._world.view(task_id, now) if task_id else None
        if asked and (view is None or view.task["workerId"] != route.id):
            return error(404, f"Task {asked[-1]!r} not found for worker {route.id!r}")
        return _ok(worker_state(route.id, view, generation=self._generation))

    def _webhook(self, route: Route, now: int, repeat_entries: bool) -> Answer:
        if refused := self._refused_worker(route):
            return refused
        asked = parse_qs(route.query, keep_blank_values=True).get("page", ["1"])[-1]
        number = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 10 else 0
        if number < 1:
            return error(422, f"page: expected a whole number from 1, received {asked!r}")
        if route.id == EXAMPLE_WORKER_ID:
            logs = [EXAMPLE_LOG] if number == 1 else []
            return _ok({"logs": logs, "page": number, "pageCount": 1, "totalCount": 1})
        log = self._logs[self._workers[route.id]]
        return _ok(log.page(number, now, repeat=repeat_entries))

    def _schedules(self, route: Route, now: int, _: bool) -> Answer:
        if refused := self._refused_worker(route):
            return refused
        place = self._workers.get(route.id)
        entries = [] if place is None else schedules(place, self._start, now)
        body: JsonObject = {"schedules": entries, "workerId": route.id}
        if self._generation == "B":
            body["timezone"] = "UTC"
        return _ok(body)

    def _refused_worker(self, route: Route) -> Answer | None:
        if route.id == self._world.forbidden_worker_id:
            return error(403, f"You do not have access to worker {route.id!r}")
        if route.id not in self._workers and route.id != EXAMPLE_WORKER_ID:
            return error(404, f"Worker {route.id!r} not found")
        return None


def _ok(content: JsonObject) -> Answer:
    return Answer(200, _encode(content).encode())
