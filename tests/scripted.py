"""A loopback server that says word for word what a test tells it to say."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Sequence
from email.message import Message
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Lock, Thread
from typing import Any
from urllib.parse import unquote, urlsplit

from handinger_analytics import Client
from handinger_analytics.sandbox.server import HttpServer, Reply, Request
from tests.samples import body_a, encoded

__all__ = [
    "LogServer",
    "RawServer",
    "Reply",
    "ScriptedServer",
    "asked_id",
    "delivery",
    "framed",
    "task_asked_for",
]


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


def delivery(task_id: str | None, moment: dt.datetime, **changes: Any) -> dict[str, Any]:
    """Return an entry of a webhook log, with some fields changed; its id follows from task and time."""
    return {
        "id": f"whx_{task_id}_{moment.timestamp()}",
        "createdAt": moment.isoformat().replace("+00:00", "Z"),
        "durationMs": 1,
        "errorMessage": None,
        "requestStatus": "success",
        "responseStatus": 200,
        "taskId": task_id,
        "taskTitle": f"title of {task_id}",
        "url": "https://example.com",
        "workerId": "wrk_1",
    } | changes


class LogServer(HttpServer):
    """Serves a webhook log that a test writes and changes, 50 entries a page, and any task that is asked for.

    Attributes
    ----------
    log : list of dict
        The entries, in the order in which they are served.
    webhook : Reply
        The answer to whether there is a webhook.
    before_page : callable
        Called with the number of each page of the log that is asked for.
    paths : list of str
        What was asked for.
    """

    def __init__(self) -> None:
        self.log: list[dict[str, Any]] = []
        self.webhook = Reply(encoded({"url": None, "token": None}))
        self.before_page: Callable[[int], object] = id
        self.paths: list[str] = []
        super().__init__(self._reply)

    def client(self) -> Client:
        """Open a client for this server."""
        return Client("hdg_live_scripted", base_url=self.url, max_attempts=1)

    def pages(self) -> list[int]:
        """Numbers of the pages of the log that were asked for, which are forgotten."""
        numbers = [int(path.rpartition("=")[2]) for path in self.paths if "page=" in path]
        self.paths.clear()
        return numbers

    def _reply(self, request: Request) -> Reply:
        self.paths.append(request.target)
        if request.target.startswith("/api/tasks/"):
            return task_asked_for(request)
        if request.target.endswith("/webhook"):
            return self.webhook
        page = int(request.target.rpartition("=")[2])
        self.before_page(page)
        logs, count = self.log[50 * page - 50 : 50 * page], len(self.log)
        return Reply(encoded({"logs": logs, "page": page, "pageCount": -(-count // 50), "totalCount": count}))


class RawServer(ThreadingTCPServer):
    """Sends byte for byte what a test says: ``answer(send, target)`` for each request on a connection.

    The connection stays open until ``answer`` returns False or sending fails.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, answer: Callable[[Callable[[bytes], object], str], object]) -> None:
        self.answer = answer
        self.targets: list[str] = []
        super().__init__(("127.0.0.1", 0), _RawConnection)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def client(self, **options: Any) -> Client:
        """Open a client for this server."""
        return Client(**{"api_key": "hdg_live_scripted", "base_url": self.url, **options})

    def __exit__(self, *error: object) -> None:
        self.shutdown()
        super().__exit__(*error)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that went away is no error."""


class _RawConnection(StreamRequestHandler):
    server: RawServer

    def handle(self) -> None:
        going_on: object = True
        while going_on is not False and (line := self.rfile.readline()):
            while self.rfile.readline().strip():
                pass
            target = line.split()[1].decode()
            self.server.targets.append(target)
            going_on = self.server.answer(self.request.sendall, target)


def framed(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """Return a whole answer as it stands on the wire."""
    head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""])
    return head.encode() + body
