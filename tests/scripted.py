"""A loopback server that says word for word what a test tells it to say."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from handinger_analytics import Client


@dataclass(frozen=True)
class Reply:
    """One answer: body, status and headers."""

    body: bytes = b"{}"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class ScriptedServer:
    """Gives its replies in turn, then the last one for ever, and remembers what it was asked."""

    def __init__(self, replies: Sequence[Reply]) -> None:
        self.paths: list[str] = []
        self.headers: list[Message] = []
        self.moments: list[float] = []
        self._replies = list(replies)
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Base URL."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def client(self, **options: Any) -> Client:
        """Open a client for this server."""
        return Client(**{"api_key": "hdg_live_scripted", "base_url": self.url, **options})

    def stop(self) -> None:
        """Close the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def next_reply(self, path: str, headers: Message) -> Reply:
        """Note a request and return what to answer it with."""
        with self._lock:
            self.moments.append(time.monotonic())
            self.paths.append(path)
            self.headers.append(headers)
            return self._replies[min(len(self.paths), len(self._replies)) - 1]


def _handler(server: ScriptedServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            reply = server.next_reply(self.path, self.headers)
            self.send_response_only(reply.status)
            for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, *_: Any) -> None:
            """Keep quiet."""

    return Handler
