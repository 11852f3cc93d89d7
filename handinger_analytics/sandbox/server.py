"""A small HTTP/1.1 server: one thread for each connection, GET only, loopback only.

The standard library's own request handler spends most of its time in the e-mail parser, so this
one reads requests itself: the request line, and the few headers that matter.
"""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from socketserver import BaseRequestHandler, TCPServer
from threading import Event, Lock, Thread, current_thread
from time import time
from typing import Any, Final

from handinger_analytics.sandbox.api import Answer, error
from handinger_analytics.sandbox.stats import Tally

__all__ = ["HttpServer", "Reply", "Request"]

_MAX_HEAD: Final = 65_536
_MAX_IGNORED_BODY: Final = 1_048_576
_REASONS: Final = {status.value: status.phrase for status in HTTPStatus}
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@dataclass(frozen=True, slots=True)
class Request:
    """What the server reads of a request.

    Parameters
    ----------
    method, target : str
        From the request line, as they were sent.
    authorization : str or None
        Value of that header.
    keep_alive : bool
        Whether the client wants to go on using the connection.
    ignored : int
        Bytes of body to skip; -1 if their number cannot be told.
    """

    method: str
    target: str
    authorization: str | None
    keep_alive: bool
    ignored: int


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, and how to deliver it.

    Parameters
    ----------
    answer : Answer
        What to send.
    manner : str or None
        ``reset-before-body``, ``reset-mid-body``, ``short-body`` or ``slow-body``.
    wait : float
        Seconds before the first byte.
    pause : float
        Seconds in the middle of the body, for ``slow-body``.
    """

    answer: Answer
    manner: str | None = None
    wait: float = 0.0
    pause: float = 0.0


def parse_request(head: str) -> Request | None:
    r"""Return the request in the text before the empty line, None if it is malformed.

    Examples
    --------
    >>> parse_request("GET /api/tasks/x HTTP/1.1\r\nHost: localhost").target
    '/api/tasks/x'
    """
    line, *lines = head.split("\r\n")
    match line.split(" "):
        case [method, target, "HTTP/1.1" | "HTTP/1.0" as version] if target.startswith("/"):
            pass
        case _:
            return None
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not _HEADER_NAME.fullmatch(name):
            return None
        name, value = name.lower(), value.strip(" \t")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    length = headers.get("content-length", "0")
    known = length.isascii() and length.isdigit() and "transfer-encoding" not in headers
    connection = headers.get("connection", "").lower()
    return Request(
        method=method,
        target=target,
        authorization=headers.get("authorization"),
        keep_alive="close" not in connection and (version == "HTTP/1.1" or "keep-alive" in connection),
        ignored=int(length) if known and len(length) < 16 else -1,
    )


class HttpServer(TCPServer):
    """Accepts connections on 127.0.0.1 and serves each in a thread of its own.

    Parameters
    ----------
    port : int
        0 lets the operating system choose.
    respond : callable
        Turns a request into a reply; called from many threads.
    tally : Tally
        Counts the connections.
    """

    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, port: int, respond: Callable[[Request], Reply], tally: Tally) -> None:
        self.respond = respond
        self.tally = tally
        self.stopping = Event()
        self._connections: dict[Thread, socket.socket] = {}
        self._connections_lock = Lock()
        self._date = (0, "")
        super().__init__(("127.0.0.1", port), _Connection)
        self._acceptor = Thread(
            target=self.serve_forever, args=(0.05,), name="handinger-sandbox", daemon=True
        )
        self._acceptor.start()

    def stop(self) -> None:
        """Close the port and all connections, and wait until every thread has ended."""
        self.shutdown()
        self.server_close()
        self._acceptor.join()
        self.stopping.set()
        with self._connections_lock:
            connections = dict(self._connections)
        for connection in connections.values():
            _shut_down(connection)
        for thread in connections:
            thread.join()

    def date(self) -> str:
        """Return the value of the ``Date`` header, made once a second."""
        second = int(time())
        if self._date[0] != second:
            self._date = second, formatdate(second, usegmt=True)
        return self._date[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a thread for a new connection."""
        thread = Thread(
            target=self._serve,
            args=(request, client_address),
            name="handinger-sandbox-connection",
            daemon=True,
        )
        with self._connections_lock:
            self._connections[thread] = request
            self.tally.opened()
            thread.start()

    def _serve(self, request: socket.socket, client_address: Any) -> None:
        try:
            self.finish_request(request, client_address)
        except OSError:
            # The client went away, or the sandbox is stopping.
            pass
        except Exception:  # as socketserver does it: one bad request must not end the thread unheard
            self.handle_error(request, client_address)
        finally:
            with self._connections_lock:
                self.tally.closed()
                request.close()
                del self._connections[current_thread()]


def _shut_down(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        # The other side was faster.
        pass


class _Connection(BaseRequestHandler):
    """One connection: requests one after the other until somebody closes it."""

    server: HttpServer

    def handle(self) -> None:
        """Serve requests until the connection is to be closed."""
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""
        while not self.server.stopping.is_set():
            head = self._read_head()
            if head is None:
                return
            request = parse_request(head)
            if request is None:
                self._refuse(error(400, "The request could not be read."))
                return
            whole = self._skip_body(request.ignored)
            reply = self.server.respond(request)
            keep = whole and request.keep_alive
            if not self._deliver(reply, keep=keep, body=request.method != "HEAD"):
                return

    def _read_head(self) -> str | None:
        """Return the text before the empty line; None when there will be none."""
        while (end := self._received.find(b"\r\n\r\n")) < 0:
            if len(self._received) > _MAX_HEAD:
                self._refuse(error(431, "The headers of the request are too large."))
                return None
            chunk = self.request.recv(_MAX_HEAD)
            if not chunk:
                return None
            self._received += chunk
        head = self._received[:end].decode("latin-1")
        self._received = self._received[end + 4 :]
        return head

    def _skip_body(self, length: int) -> bool:
        """Skip the body of a request; return whether the next request can be found after it."""
        if not 0 <= length <= _MAX_IGNORED_BODY:
            return False
        while len(self._received) < length:
            chunk = self.request.recv(_MAX_HEAD)
            if not chunk:
                return False
            self._received += chunk
        self._received = self._received[length:]
        return True

    def _refuse(self, answer: Answer) -> None:
        self._deliver(Reply(answer), keep=False, body=True)

    def _deliver(self, reply: Reply, *, keep: bool, body: bool) -> bool:
        """Send a reply; return whether the connection stays open."""
        if reply.wait and self.server.stopping.wait(reply.wait):
            return False
        if reply.manner == "reset-before-body":
            return self._reset()
        answer = reply.answer
        keep = keep and reply.manner in (None, "slow-body")
        head = self._head(answer, keep=keep)
        half = len(answer.body) // 2
        match reply.manner if body else None:
            case None:
                self.request.sendall(head + answer.body if body else head)
            case "slow-body":
                self.request.sendall(head + answer.body[:half])
                if self.server.stopping.wait(reply.pause):
                    return False
                self.request.sendall(answer.body[half:])
            case "short-body":
                self.request.sendall(head + answer.body[:half])
            case _:
                self.request.sendall(head + answer.body[:half])
                return self._reset()
        return keep

    def _head(self, answer: Answer, *, keep: bool) -> bytes:
        more = "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
        return (
            f"HTTP/1.1 {answer.status} {_REASONS[answer.status]}\r\n"
            f"Date: {self.server.date()}\r\n"
            f"Content-Type: {answer.content_type}\r\n"
            f"Content-Length: {len(answer.body)}\r\n"
            f"Connection: {'keep-alive' if keep else 'close'}\r\n{more}\r\n"
        ).encode("latin-1")

    def _reset(self) -> bool:
        """Make the coming close a reset instead of an orderly end."""
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        return False
