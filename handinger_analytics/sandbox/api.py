"""From a path to a reply: the routes of the API, over the generated organization."""

from __future__ import annotations

from dataclasses import dataclass
from hmac import compare_digest
from threading import Lock
from typing import Final, Literal
from urllib.parse import parse_qs, unquote

from handinger_analytics.sandbox.content import JsonObject
from handinger_analytics.sandbox.example import EXAMPLE_LOG, EXAMPLE_TASK_ID, EXAMPLE_WORKER_ID
from handinger_analytics.sandbox.server import Reply, error, json_reply
from handinger_analytics.sandbox.workers import HOOK, WebhookLog, schedules, worker_state
from handinger_analytics.sandbox.world import World

Generation = Literal["A", "A+files", "B"]
"""Which shape of the API is spoken: in A a task comes with its turns, in B they have a path of their own.

Turns have had `files` since the last weeks of A, which are `A+files`.
"""

_CACHE_BYTES: Final = 128 * 1024 * 1024
_ENDPOINTS: Final = {
    ("tasks",): "task",
    ("tasks", "turns"): "turns",
    ("workers",): "worker",
    ("workers", "webhook"): "webhook-url",
    ("workers", "webhook", "executions"): "webhook",
    ("workers", "email"): "email",
    ("workers", "schedules"): "schedules",
}


@dataclass(frozen=True, slots=True)
class Route:
    """What a request asks for.

    Parameters
    ----------
    name : {"task", "turns", "worker", "webhook", "webhook-url", "email", "schedules", "other"}
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

    def asked(self, name: str) -> str | None:
        """Return the last value of a query parameter, None if it was not sent.

        Examples
        --------
        >>> route_of("/api/workers/x?taskId=a%2Fb").asked("taskId")
        'a/b'
        """
        values = parse_qs(self.query, keep_blank_values=True).get(name)
        return values[-1] if values else None


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


class Api:
    """Answers GET requests from a :class:`~handinger_analytics.sandbox.world.World`.

    Parameters
    ----------
    world : World
        The generated organization.
    api_key : str
        The one accepted key.
    generation : {"A", "A+files", "B"}
        Which shape of the task endpoints to speak.
    start : int
        The initial moment, milliseconds since 1970.
    """

    def __init__(self, world: World, *, api_key: str, generation: Generation, start: int) -> None:
        self._world, self._generation, self._start = world, generation, start
        self._api_key = api_key.encode()
        self._workers = {worker_id: place for place, worker_id in enumerate(world.worker_ids)}
        self._logs = [WebhookLog(world, place) for place in self._workers.values()]
        self._cache: dict[tuple[str, str], tuple[Reply, int]] = {}
        self._cached_bytes = 0
        self._cache_lock = Lock()

    def refusal(self, authorization: str | None) -> Reply | None:
        """Return the 401 for a missing, malformed or unknown key, None for the right one."""
        if not authorization:
            return error(401, "Missing Authorization header. Send 'Authorization: Bearer <key>'.")
        scheme, _, key = authorization.partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            return error(401, "Malformed Authorization header. Send 'Authorization: Bearer <key>'.")
        if not compare_digest(key.strip().encode("latin-1"), self._api_key):
            return error(401, "Unknown or revoked API key.")
        return None

    def reply(self, route: Route, now: int, *, repeat_entries: bool = False) -> Reply:
        """Return the reply to an authorized GET.

        Parameters
        ----------
        route : Route
            What is asked for.
        now : int
            The present moment, milliseconds since 1970.
        repeat_entries : bool
            Whether a page of the webhook log repeats entries of the page before.
        """
        if route.name == "other" or (route.name == "turns" and self._generation != "B"):
            return error(404, f"No such route: {route.path!r}")
        if route.name in ("task", "turns"):
            return self._task(route, now)
        if route.id == self._world.forbidden_worker_id:
            return error(403, f"You do not have access to worker {route.id!r}")
        silent = route.id == self._world.silent_worker_id
        if not (silent or route.id in self._workers or route.id == EXAMPLE_WORKER_ID):
            return error(404, f"Worker {route.id!r} not found")
        if route.name == "worker":
            return self._worker(route, now)
        if route.name == "webhook-url":
            hook: JsonObject = {"url": HOOK, "token": "whsec_sandbox"}
            return json_reply(dict.fromkeys(hook) if silent else hook)
        if route.name == "email":
            return json_reply({"email": f"{route.id}@mail.example.com"})
        if route.name == "webhook":
            return self._webhook(route, now, repeat_entries)
        return self._schedules(route, now)

    def _task(self, route: Route, now: int) -> Reply:
        """Reply with a task or with its turns; the bodies are kept for as long as they hold."""
        known = self._cache.get((route.name, route.id))
        if known and now < known[1]:
            return known[0]
        view = self._world.view(route.id, now)
        if view is None:
            return error(404, f"Task {route.id!r} not found")
        if self._generation == "B":
            turns: JsonObject = {"items": view.turns, "taskId": view.task["id"]}
            replies = {"task": json_reply({"task": view.task}), "turns": json_reply(turns)}
        else:
            if self._generation == "A":
                for turn in view.turns:
                    del turn["files"]
            replies = {"task": json_reply({"task": view.task, "turns": view.turns})}
        with self._cache_lock:
            self._cached_bytes += sum(len(reply.body) for reply in replies.values())
            if self._cached_bytes > _CACHE_BYTES:
                self._cache.clear()
                self._cached_bytes = 0
            self._cache.update({(name, route.id): (reply, view.until) for name, reply in replies.items()})
        return replies[route.name]

    def _worker(self, route: Route, now: int) -> Reply:
        asked = route.asked("taskId")
        if asked == "":
            return error(422, "taskId: expected at least 1 character, received ''")
        task_id = asked
        if task_id is None and route.id == EXAMPLE_WORKER_ID:
            task_id = EXAMPLE_TASK_ID
        elif task_id is None and route.id in self._workers:
            task_id = self._world.latest_task(self._workers[route.id], now)
        view = self._world.view(task_id, now) if task_id else None
        if asked and (view is None or view.task["workerId"] != route.id):
            return error(404, f"Task {asked!r} not found for worker {route.id!r}")
        return json_reply(worker_state(route.id, view, generation=self._generation))

    def _webhook(self, route: Route, now: int, repeat_entries: bool) -> Reply:
        page = route.asked("page")
        asked = "1" if page is None else page
        number = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 10 else 0
        if number < 1:
            return error(422, f"page: expected a whole number from 1, received {asked!r}")
        if route.id == EXAMPLE_WORKER_ID:
            logs = [EXAMPLE_LOG] if number == 1 else []
            return json_reply({"logs": logs, "page": number, "pageCount": 1, "totalCount": 1})
        if route.id == self._world.silent_worker_id:
            return json_reply({"logs": [], "page": number, "pageCount": 0, "totalCount": 0})
        log = self._logs[self._workers[route.id]]
        return json_reply(log.page(number, now, repeat=repeat_entries))

    def _schedules(self, route: Route, now: int) -> Reply:
        place = self._workers.get(route.id)
        entries = [] if place is None else schedules(place, self._start, now)
        body: JsonObject = {"schedules": entries, "workerId": route.id}
        if self._generation == "B":
            body["timezone"] = "UTC"
        return json_reply(body)
