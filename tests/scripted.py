"""A loopback server that says word for word what a test tells it to say."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from email.message import Message
from threading import Lock
from typing import Any
from urllib.parse import unquote, urlsplit

from handinger_analytics import Client
from handinger_analytics.sandbox.server import HttpServer, Reply, Request
from tests.samples import body_a

__all__ = ["Reply", "ScriptedServer", "asked_id", "task_asked_for"]


def asked_id(request: Request) -> str:
    """Return the id of the task or worker that a request names."""
    return unquote(urlsplit(request.target).path.split("/")[3])


def task_asked_for(request: Request) -> Reply:
    """Answer with the task that was asked for, in generation A."""
    return Reply(body_a(asked_id(request)))


class ScriptedServer(HttpServer):
    """Gives its replies in turn, then the last one for ever, and remembers what it was asked.

    A reply may be a function of the request.
    """

    def __init__(self, replies: Sequence[Reply | Callable[[Request], Reply]]) -> None:
        self.paths: list[str] = []
        self.headers: list[Message] = []
        self.moments: list[float] = []
        self._replies = list(replies)
        self._lock = Lock()
        super().__init__(self._next_reply)

    def client(self, **options: Any) -> Client:
        """Open a client for this server."""
        return Client(**{"api_key": "hdg_live_scripted", "base_url": self.url, **options})

    def _next_reply(self, request: Request) -> Reply:
        with self._lock:
            self.moments.append(time.monotonic())
            self.paths.append(request.target)
            self.headers.append(request.headers)
            reply = self._replies[min(len(self.paths), len(self._replies)) - 1]
        return reply if isinstance(reply, Reply) else reply(request)
