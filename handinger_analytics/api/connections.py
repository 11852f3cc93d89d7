"""Connections whose answers are bounded, and which read over interim answers.

The standard library waits for every piece of an answer anew, so that one byte a second goes on for
ever, and takes ``103 Early Hints`` for the answer, so that every later one on the connection is that
to the request before.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from typing import Any

_BUFFER = 65_536
_HEAD = 2**20  # bytes of heads and framing, for which the bound of the body leaves room


class AnswerTooLarge(Exception):
    """The answer has more bytes than it may have."""


class AnswerTooSlow(Exception):
    """The answer takes longer than it may take."""


def bounded(connection: type[Any], seconds: float, most: int) -> type[Any]:
    """Return a class of connections like ``connection`` (of ``http.client``), with bounded answers.

    Parameters
    ----------
    connection : type
        Class of a connection pool's connections.
    seconds : float
        How long an answer may take, from the request to its last byte.
    most : int
        How many bytes its body may have.
    """
    limits = {"seconds": seconds, "most": most}
    return type(
        connection.__name__,  # it stands in errors
        (connection,),
        # Whoever sets `http.client.HTTPConnection.debuglevel` would print the key otherwise.
        {"response_class": type("BoundedResponse", (_BoundedResponse,), limits), "debuglevel": 0},
    )


class _BoundedResponse(http.client.HTTPResponse):
    seconds: float
    most: int

    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        self._socket = sock
        super().__init__(self, *args, **options)  # type: ignore[arg-type]  # it wants `makefile` alone

    def makefile(self, _: str) -> io.BufferedReader:
        """Open the stream that the head and the body are read from."""
        return io.BufferedReader(_BoundedStream(self._socket, self.seconds, self.most + _HEAD), _BUFFER)

    def begin(self) -> None:
        super().begin()
        while self.status < 200 and self.status != http.HTTPStatus.SWITCHING_PROTOCOLS:
            self.headers = self.msg = None  # type: ignore[assignment]  # so it begins again
            super().begin()
        if self.length is not None and self.length > self.most:
            raise AnswerTooLarge


class _BoundedStream(io.RawIOBase):
    """What a socket receives, up to a number of bytes and for a time."""

    def __init__(self, sock: socket.socket, seconds: float, most: int) -> None:
        self._socket = sock
        self._kept_open = sock.makefile("rb", buffering=0)  # also when the connection is closed meanwhile
        self._timeout = sock.gettimeout()
        self._deadline = time.monotonic() + seconds
        self._left = most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        seconds = self._deadline - time.monotonic()
        if seconds <= 0:
            raise AnswerTooSlow
        if self._timeout is None or seconds < self._timeout:
            self._socket.settimeout(seconds)
        try:
            count = self._socket.recv_into(buffer)
        except TimeoutError:
            if time.monotonic() >= self._deadline:
                raise AnswerTooSlow from None
            raise
        self._left -= count
        if self._left < 0:
            raise AnswerTooLarge
        return count

    def close(self) -> None:
        self._kept_open.close()
        super().close()
