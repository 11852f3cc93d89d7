"""Faults on purpose: what real networks and servers do to a client."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from hashlib import blake2b
from threading import Lock
from time import monotonic, time
from typing import ClassVar, Final, Literal, cast, get_args

from handinger_analytics.sandbox.api import Route
from handinger_analytics.sandbox.checks import check_number, check_word
from handinger_analytics.sandbox.server import Reply, error, json_reply

FaultKind = Literal[
    "429-seconds",
    "429-date",
    "429-ms",
    "429-bare",
    "500",
    "502",
    "503",
    "reset-before-body",
    "reset-mid-body",
    "truncated-json",
    "short-body",
    "html-200",
    "slow-first-byte",
    "slow-body",
    "duplicate-log-pages",
]
"""What is drawn by default; the order is part of the draw."""

HardKind = Literal[
    "early-hints",
    "bad-chunk-size",
    "huge-chunk",
    "huge-length",
    "foreign-task",
    "foreign-turns",
    "time-out-of-range",
    "oversize",
    "drip",
]
"""What is drawn where it is named."""

PlainStatus = Literal["400", "401", "403", "404", "408", "409", "422", "500"]
"""What, besides the kinds of faults, an id can always be answered with."""

Fault = FaultKind | HardKind | PlainStatus

_KINDS: Final[tuple[FaultKind, ...]] = get_args(FaultKind)
_HARD: Final[tuple[HardKind, ...]] = get_args(HardKind)
_ALWAYS: Final[tuple[str, ...]] = tuple(dict.fromkeys((*_KINDS, *_HARD, *get_args(PlainStatus))))
_ABOUT_TASKS: Final = frozenset({"foreign-task", "foreign-turns", "time-out-of-range"})
NOT_SERVED: Final = frozenset({"truncated-json", "html-200", *_HARD} - {"early-hints"})
"""Faults after which a client cannot have the right body, although all bytes of an answer were sent."""
_EARLY_HINTS: Final = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"
_OUT_OF_RANGE: Final = "9999-12-31T23:59:59.999-12:00"
_MEBIBYTE: Final = 2**20
_PACKED_SPACES: Final = gzip.compress(b" " * _MEBIBYTE)
_MESSAGES: Final[dict[str, str]] = {
    "400": "The request could not be read.",
    "401": "Unknown or revoked API key.",
    "403": "You do not have access to this resource.",
    "404": "Not found.",
    "408": "The request took too long.",
    "409": "The task is being changed. Try again.",
    "422": "The request is not valid.",
    "500": "Internal server error.",
}
_HTML: Final = "<!doctype html><html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>"


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong, how often, and for whom.

    The draw for the n-th request of a path depends on `seed`, the path and n only, whatever the
    order in which threads arrive. No path meets more than `max_in_a_row` faults in a row, so a
    client that retries always gets through the kinds of `Faults.ALL`; after some of `Faults.HARD` it
    rightly gives up. What `always` names never gets through.

    Parameters
    ----------
    rate : float
        Probability that a request goes wrong, from 0 to 1.
    seed : int
        Another seed, another series of faults.
    kinds : iterable of str
        What to draw from, all kinds (`Faults.ALL`) by default:

        - ``429-seconds``, ``429-date``, ``429-ms``, ``429-bare``: too many requests, with
          ``Retry-After`` in seconds, as an HTTP date one second ahead, with ``retry-after-ms``,
          or with no hint;
        - ``500`` (JSON), ``502``, ``503`` (HTML);
        - ``reset-before-body``: the connection is reset before one byte of the answer;
          ``reset-mid-body``: it is reset in the middle of the body;
        - ``truncated-json``: a whole HTTP answer whose JSON is cut off; ``short-body``: fewer
          bytes than ``Content-Length`` says, then an orderly close;
        - ``html-200``: an HTML page with status 200;
        - ``slow-first-byte``, ``slow-body``: the right answer, `slow` seconds late;
        - ``duplicate-log-pages``: pages of the webhook log, from the second on, begin with
          entries of the page before.

        Those of `Faults.HARD` are drawn only where they are named:

        - ``early-hints``: the right answer after an interim one, status 103;
        - ``bad-chunk-size``, ``huge-chunk``, ``huge-length``: a chunk of -5 bytes or of 2**64 - 1,
          or a ``Content-Length`` of 10**20, then an orderly close;
        - ``foreign-task``: the answer about another task, as a cache mixes them up;
          ``foreign-turns``: the turns are those of another task;
        - ``time-out-of-range``: a time that is in the year 10000 in UTC;
        - ``oversize``: the right body after as many spaces as `size` says, packed;
        - ``drip``: the right answer, a byte every `slow` seconds.
    always : mapping of str to str
        A task or worker id, or a path (it begins with ``/api/``, percent-encoded as sent), to
        what it is always answered with: one of the kinds above or a plain status ``400``,
        ``401``, ``403``, ``404``, ``408``, ``409``, ``422``, ``500``.
    retry_after : float
        Seconds that the 429 answers ask for (``429-date`` aside).
    slow : float
        Seconds that the slow answers wait.
    size : int
        Bytes that an oversize answer has at least, in steps of 2**20.
    max_in_a_row : int
        Most faults in a row for one path.

    Raises
    ------
    ArgumentError
        If a field is out of its range or a kind is unknown.

    Examples
    --------
    >>> faults = ha.Faults(rate=0.5, kinds=["429-seconds"], retry_after=0.05)
    >>> with ha.Sandbox(tasks=3, faults=faults) as sandbox, sandbox.client() as client:
    ...     ha.fetch(sandbox.task_ids, client=client).complete
    True
    >>> sandbox.stats.by_fault
    {'429-seconds': 3}
    """

    ALL: ClassVar[tuple[FaultKind, ...]] = _KINDS
    HARD: ClassVar[tuple[HardKind, ...]] = _HARD

    rate: float = 0.25
    seed: int = 0
    kinds: Iterable[FaultKind | HardKind] | FaultKind | HardKind = _KINDS
    always: Mapping[str, Fault] = field(default_factory=dict)
    retry_after: float = 0.2
    slow: float = 0.3
    size: int = 512 * _MEBIBYTE
    max_in_a_row: int = 3

    def __post_init__(self) -> None:
        """Check the fields."""
        kinds = (self.kinds,) if isinstance(self.kinds, str) else tuple(self.kinds)
        object.__setattr__(self, "kinds", kinds)
        object.__setattr__(self, "always", dict(self.always))
        check_number(self.rate, "rate", "a number from 0 to 1", least=0, most=1)
        check_number(self.seed, "seed", "a whole number", whole=True)
        for kind in kinds:
            check_word(kind, "kinds", (*_KINDS, *_HARD))
        for fault in self.always.values():
            check_word(fault, "always", _ALWAYS)
        check_number(self.retry_after, "retry_after", "seconds, 0 or more", least=0)
        check_number(self.slow, "slow", "seconds, 0 or more", least=0)
        check_number(self.size, "size", "bytes, a whole number from 0", least=0, whole=True)
        check_number(self.max_in_a_row, "max_in_a_row", "a whole number from 0", least=0, whole=True)


class FaultDrawer:
    """Decides for each request whether it goes wrong; safe to share between threads.

    Parameters
    ----------
    faults : Faults
        What to draw from.
    """

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._lock = Lock()
        self._asked: dict[str, tuple[int, int]] = {}

    def draw(self, route: Route) -> Fault | None:
        """Return the kind of fault for a request, None to answer it properly."""
        faults = self._faults
        fixed = faults.always.get(route.id) or faults.always.get(route.path)
        if fixed or not faults.rate:
            return fixed
        target = f"{route.path}?{route.query}"
        with self._lock:
            number, in_a_row = self._asked.get(target, (0, 0))
            kind = self._drawn(target, number, route) if in_a_row < faults.max_in_a_row else None
            self._asked[target] = number + 1, in_a_row + 1 if kind else 0
        return kind

    def _drawn(self, target: str, number: int, route: Route) -> FaultKind | HardKind | None:
        pointless = set[str]()
        if route.name != "webhook" or route.asked("page") in (None, "1"):
            pointless.add("duplicate-log-pages")
        if route.name not in ("task", "turns"):
            pointless |= _ABOUT_TASKS
        accepted = cast(tuple[FaultKind | HardKind, ...], self._faults.kinds)
        kinds = [kind for kind in accepted if kind not in pointless]
        text = f"{self._faults.seed}/{number}/{target}".encode(errors="replace")
        digest = blake2b(text, digest_size=16).digest()
        if not kinds or int.from_bytes(digest[:8]) >= self._faults.rate * 2**64:
            return None
        return kinds[int.from_bytes(digest[8:]) % len(kinds)]


def with_fault(reply: Reply, kind: Fault | None, faults: Faults, foreign: Reply | None = None) -> Reply:
    """Return what a fault makes of a reply; ``foreign`` is the one about another task, if there is one."""
    match kind:
        case "early-hints":
            return replace(reply, before=_EARLY_HINTS)
        case "bad-chunk-size" | "huge-chunk":
            size = b"-5" if kind == "bad-chunk-size" else b"F" * 16
            chunked = {**reply.headers, "Transfer-Encoding": "chunked"}
            return replace(reply, body=size + b"\r\nabc\r\n", headers=chunked, close=True)
        case "huge-length":
            return replace(reply, headers={**reply.headers, "Content-Length": f"{10**20}"}, close=True)
        case "foreign-task" | "foreign-turns" | "time-out-of-range":
            return _about_another(reply, kind, foreign or reply)
        case "oversize":
            packed = _PACKED_SPACES * -(-faults.size // _MEBIBYTE) + gzip.compress(reply.body)
            return replace(reply, body=packed, headers={**reply.headers, "Content-Encoding": "gzip"})
        case "drip":
            return replace(reply, drip=faults.slow)
        case "429-seconds" | "429-date" | "429-ms" | "429-bare":
            return error(429, "Too many requests. Slow down.", _retry_headers(kind, faults))
        case "reset-before-body" | "reset-mid-body" | "short-body":
            return replace(reply, broken=kind)
        case "slow-first-byte":
            return replace(reply, wait=faults.slow)
        case "slow-body":
            return replace(reply, pause=faults.slow)
        case "truncated-json":
            return replace(reply, body=reply.body[: len(reply.body) // 2])
        case "502":
            return _page(502, "502 Bad Gateway")
        case "503":
            return _page(503, "503 Service Unavailable")
        case "html-200":
            return _page(200, "We will be right back")
        case None | "duplicate-log-pages":
            return reply
    return error(int(kind), _MESSAGES[kind])


def _about_another(reply: Reply, kind: HardKind, foreign: Reply) -> Reply:
    """Return a reply with a task, turns or a time that are not its own; one without tasks as it is."""
    body, other = json.loads(reply.body), json.loads(foreign.body)
    turns = body.get("turns") or body.get("items")
    if kind == "foreign-task" or ("items" in body and kind == "foreign-turns"):
        return foreign
    if kind == "foreign-turns" and "turns" in other:
        body["turns"] = other["turns"]
    elif kind == "time-out-of-range" and turns:
        turns[0]["startedAt"] = _OUT_OF_RANGE
    elif kind == "time-out-of-range" and "task" in body:
        body["task"]["createdAt"] = _OUT_OF_RANGE
    return json_reply(body, reply.status)


def _page(status: int, title: str) -> Reply:
    return Reply(_HTML.format(title).encode(), status, {"Content-Type": "text/html; charset=utf-8"})


def _retry_headers(kind: FaultKind, faults: Faults) -> dict[str, str]:
    match kind:
        case "429-seconds":
            return {"Retry-After": f"{faults.retry_after:g}"}
        case "429-date":
            return {"Retry-After": formatdate(time() + 1, usegmt=True)}
        case "429-ms":
            return {"retry-after-ms": f"{faults.retry_after * 1000:g}"}
    return {}


class RateLimit:
    """A token bucket that holds one second's worth of requests.

    Parameters
    ----------
    per_second : float
        Requests let through per second.
    """

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._capacity = max(per_second, 1.0)
        self._tokens = self._capacity
        self._filled = monotonic()
        self._lock = Lock()

    def refusal(self) -> Reply | None:
        """Take one token; return the 429 if there was none."""
        with self._lock:
            now = monotonic()
            refilled = self._tokens + (now - self._filled) * self._per_second
            self._tokens, self._filled = min(refilled, self._capacity), now
            if self._tokens >= 1:
                self._tokens -= 1
                return None
        return error(429, "Rate limit exceeded. Slow down.", {"Retry-After": "1"})
