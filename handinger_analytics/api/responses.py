"""What an answer means: a record, or a problem and whether to ask again."""

from __future__ import annotations

import datetime as dt
import math
import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TypeVar, final

import msgspec
import requests
import urllib3

from handinger_analytics.api import wire
from handinger_analytics.api.settings import Secret
from handinger_analytics.errors import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    APITimeoutError,
    status_error_class,
)

Record = TypeVar("Record", bound=msgspec.Struct)
Answer = requests.Response | requests.RequestException | urllib3.exceptions.HTTPError

_WORTH_ANOTHER_ATTEMPT = frozenset({408, 409, 425, 429})
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+")
_TIMEOUTS = (requests.Timeout, urllib3.exceptions.TimeoutError)
_EXCERPT = 200
_MEANING = {
    401: "the API key was not accepted; check HANDINGER_API_KEY, or make a new key in the dashboard",
    403: "this key has no access to it; use a key of the organization it belongs to",
    404: "not found; check the id, and that the key belongs to the same organization",
    422: "the server refused the request as malformed",
    429: "rate limited",
}


@final
@dataclass(frozen=True, slots=True)
class Rejection:
    """Why an answer cannot be used, and what to do about it.

    Attributes
    ----------
    message : str
        For the error, without the name of what was asked for.
    error : type
        Class of the error.
    status : int or None
        HTTP status, if there was an answer.
    worth_another_attempt : bool
        Whether asking again may help.
    wait : float or None
        Seconds the server asks to wait, if it does.
    """

    message: str
    error: type[APIError]
    status: int | None = None
    worth_another_attempt: bool = True
    wait: float | None = None


def read_answer(answer: Answer, kind: type[Record], key: Secret) -> Record | Rejection:
    """Read an answer, or what came instead of one, as a record of ``kind``.

    ``key`` is taken out of whatever a problem quotes, since a server may repeat it.
    """
    if not isinstance(answer, requests.Response):
        cause = _quoted(str(answer), key)
        if isinstance(answer, _TIMEOUTS) and not isinstance(answer, urllib3.exceptions.NewConnectionError):
            return Rejection(f"no answer in time ({cause})", APITimeoutError)
        return Rejection(f"no complete answer ({cause})", APIConnectionError)
    if answer.status_code != 200:
        return _status_problem(answer, key)
    try:
        return wire.decode(answer.content, kind)
    except wire.MalformedBody as error:
        excerpt = _quoted(answer.content.decode("utf-8", "replace"), key)
        message = f"the answer is not JSON ({error}); it begins with {excerpt!r}"
        return Rejection(message, APIResponseValidationError, 200)
    except wire.UnexpectedBody as error:
        message = f"the answer is not what the API documents: {error}"
        return Rejection(message, APIResponseValidationError, 200, worth_another_attempt=False)


def _status_problem(answer: requests.Response, key: Secret) -> Rejection:
    status = answer.status_code
    meaning = _MEANING.get(status, "the server failed" if status >= 500 else "unexpected answer")
    if 300 <= status < 400:
        meaning = (
            f"the server redirects to {_quoted(answer.headers.get('Location', ''), key)!r}, where the key "
            "is not sent; check HANDINGER_BASE_URL"
        )
    said = _quoted(_server_text(answer.content), key)
    return Rejection(
        message=f"{meaning} (status {status}" + (f', the server says "{said}")' if said else ")"),
        error=status_error_class(status),
        status=status,
        worth_another_attempt=_worth_another_attempt(answer),
        wait=_asked_wait(answer),
    )


def _worth_another_attempt(answer: requests.Response) -> bool:
    asked = answer.headers.get("x-should-retry")
    if asked in ("true", "false"):
        return asked == "true"
    return answer.status_code in _WORTH_ANOTHER_ATTEMPT or answer.status_code >= 500


def _asked_wait(answer: requests.Response) -> float | None:
    """Seconds the server asks to wait: ``retry-after-ms``, or ``Retry-After`` in seconds or as a date."""
    milliseconds = _number(answer.headers.get("retry-after-ms"))
    if milliseconds is not None:
        return max(0.0, milliseconds / 1000)
    header = answer.headers.get("Retry-After")
    seconds = _number(header)
    if seconds is not None:
        return max(0.0, seconds)
    until = _http_date(header)
    if until is None:
        return None
    now = _http_date(answer.headers.get("Date")) or dt.datetime.now(dt.UTC)
    return max(0.0, (until - now).total_seconds())


def _number(header: str | None) -> float | None:
    try:
        number = float(header or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _http_date(header: str | None) -> dt.datetime | None:
    try:
        date = parsedate_to_datetime(header or "")
    except (ValueError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=dt.UTC)


def _server_text(body: bytes) -> str:
    """Return the text of the documented error body, or whatever came."""
    try:
        said = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body.decode("utf-8", "replace")
    if isinstance(said, dict) and "error" in said:
        said = said["error"]
    return str(said)


def _quoted(text: str, key: Secret) -> str:
    """One short line of a stranger's text, without control characters and without the key."""
    return _CONTROL.sub(" ", text.replace(key.reveal(), "***"))[:_EXCERPT].strip()
