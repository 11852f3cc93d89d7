"""Misbehaviour on purpose: what real networks and servers do to a client."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from hashlib import blake2b
from math import isfinite
from threading import Lock
from time import monotonic, time
from typing import ClassVar, Final

from handinger_analytics.sandbox.api import Answer, Route, error

__all__ = ["DISTURBED_LOG", "FaultDrawer", "Faults", "RateLimit", "disturbed"]

DISTURBED_LOG: Final = "duplicate-log-pages"
_ALL_KINDS: Final = (
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
    DISTURBED_LOG,
)
_PLAIN_STATUSES: Final = {
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
    order in which threads arrive. A path is never disturbed more than `max_in_a_row` times in a
    row, so a client that retries always gets through; `always` knows no such mercy.

    Parameters
    ----------
    rate : float
        Probability that a request is disturbed, from 0 to 1.
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
    always : mapping of str to str
        A task or worker id, or a path (it begins with ``/api/``, percent-encoded as sent), to
        what it is always answered with: one of the kinds above or a plain status ``400``,
        ``401``, ``403``, ``404``, ``408``, ``409``, ``422``, ``500``.
    retry_after : float
        Seconds that the 429 answers ask for (``429-date`` aside).
    slow : float
        Seconds that the slow answers wait.
    max_in_a_row : int
        Most faults in a row for one path.

    Raises
    ------
    ValueError
        If a field is out of its range or a kind is unknown.

    Examples
    --------
    >>> Faults(rate=0.1, kinds=["503"]).kinds
    ('503',)
    """

    ALL: ClassVar[tuple[str, ...]] = _ALL_KINDS

    rate: float = 0.25
    seed: int = 0
    kinds: tuple[str, ...] | list[str] | str = _ALL_KINDS
    always: Mapping[str, str] = field(default_factory=dict)
    retry_after: float = 0.2
    slow: float = 0.3
    max_in_a_row: int = 3

    def __post_init__(self) -> None:
        """Check the fields."""
        kinds = (self.kinds,) if isinstance(self.kinds, str) else tuple(self.kinds)
        object.__setattr__(self, "kinds", kinds)
        object.__setattr__(self, "always", dict(self.always))
        if not 0 <= self.rate <= 1:
            raise ValueError(f"rate: expected a number from 0 to 1, got {self.rate!r}")
        _known(kinds, "kinds", _ALL_KINDS)
        _known(tuple(self.always.values()), "always", (*_ALL_KINDS, *_PLAIN_STATUSES))
        for name in ("retry_after", "slow"):
            seconds = getattr(self, name)
            if not (isfinite(seconds) and seconds >= 0):
                raise ValueError(f"{name}: expected seconds, 0 or more, got {seconds!r}")
        if self.max_in_a_row < 0:
            raise ValueError(f"max_in_a_row: expected 0 or more, got {self.max_in_a_row!r}")


def _known(kinds: tuple[str, ...], name: str, accepted: tuple[str, ...]) -> None:
    for kind in kinds:
        if kind not in accepted:
            wanted = ", ".join(dict.fromkeys(accepted))
            raise ValueError(f"{name}: unknown kind {kind!r}; accepted are {wanted}")


class FaultDrawer:
    """Decides for each request whether it is disturbed; safe to share between threads.

    Parameters
    ----------
    faults : Faults
        What to draw from.
    """

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._lock = Lock()
        self._asked: dict[str, tuple[int, int]] = {}

    def draw(self, route: Route) -> str | None:
        """Return the kind of fault for a request, None to answer it properly."""
        faults = self._faults
        fixed = faults.always.get(route.id) or faults.always.get(route.path)
        if fixed is not None:
            return fixed
        if not faults.rate:
            return None
        target = f"{route.path}?{route.query}"
        with self._lock:
            number, in_a_row = self._asked.get(target, (0, 0))
            kind = self._drawn(target, number, route) if in_a_row < faults.max_in_a_row else None
            self._asked[target] = number + 1, in_a_row + 1 if kind else 0
        return kind

    def _drawn(self, target: str, number: int, route: Route) -> str | None:
        kinds = [kind for kind in self._faults.kinds if kind != DISTURBED_LOG or _later_page(route)]
        text = f"{self._faults.seed}/{number}/{target}".encode(errors="replace")
        digest = blake2b(text, digest_size=16).digest()
        if not kinds or int.from_bytes(digest[:8]) >= self._faults.rate * 2**64:
            return None
        return kinds[int.from_bytes(digest[8:]) % len(kinds)]


def _later_page(route: Route) -> bool:
    return route.name == "webhook" and "page=" in route.query and "page=1&" not in f"{route.query}&"


def disturbed(answer: Answer, kind: str | None, faults: Faults) -> Answer:
    """Return what a fault makes of an answer; the server deals with the connection itself."""
    if kind is None:
        return answer
    if kind.startswith("429"):
        return error(429, "Too many requests. Slow down.", _retry_headers(kind, faults))
    match kind:
        case "502" | "503":
            title = "502 Bad Gateway" if kind == "502" else "503 Service Unavailable"
            return Answer(int(kind), _HTML.format(title).encode(), "text/html; charset=utf-8")
        case "html-200":
            page = _HTML.format("We will be right back").encode()
            return Answer(200, page, "text/html; charset=utf-8")
        case "truncated-json":
            return replace(answer, body=answer.body[: len(answer.body) // 2])
    if kind in _PLAIN_STATUSES:
        return error(int(kind), _PLAIN_STATUSES[kind])
    return answer


def _retry_headers(kind: str, faults: Faults) -> dict[str, str]:
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

    def refusal(self) -> Answer | None:
        """Take one token; return the 429 if there was none."""
        with self._lock:
            now = monotonic()
            refilled = self._tokens + (now - self._filled) * self._per_second
            self._tokens, self._filled = min(refilled, self._capacity), now
            if self._tokens >= 1:
                self._tokens -= 1
                return None
        return error(429, "Rate limit exceeded. Slow down.", {"Retry-After": "1"})
