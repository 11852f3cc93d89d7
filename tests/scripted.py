"""A loopback server that says word for word what a test tells it to say."""

from __future__ import annotations

import time
from collections.abc import Sequence
from email.message import Message
from threading import Lock
from typing import Any

from handinger_analytics import Client
from handinger_analytics.sandbox.server import HttpServer, Reply, Request

__all__ = ["Reply", "ScriptedServer"]


class ScriptedServer(HttpServer):
    """Gives its replies in turn, then the last one for ever, and remembers what it was asked."""

    def __init__(self, replies: Sequence[Reply]) -> None:
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
            return self._replies[min(len(self.paths), len(self._replies)) - 1]
