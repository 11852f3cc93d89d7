"""What an answer means: a record, or why it cannot be used and whether to ask again."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TypeVar, final

import msgspec

from handinger_analytics import times
from handinger_analytics.api import wire
from handinger_analytics.api.settings import Settings
from handinger_analytics.api.transport import Answer, NoAnswer
from handinger_analytics.errors import (
    APIError,
    APIResponseValidationError,
    status_error_class,
)
from handinger_analytics.text import masked, message_text

Record = TypeVar("Record", bound=msgspec.Struct)

_LONGEST_ERROR = 65_536  # bytes, lest a large answer is decoded to be quoted in part
_WORTH_ANOTHER_ATTEMPT = frozenset({408, 409, 425, 429})
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


def read_answer(answer: Answer | NoAnswer, kind: type[Record], settings: Settings) -> Record | Rejection:
    """Read an answer as a record of ``kind``, or say why it cannot be used.

    The secrets of ``settings`` are taken out of whatever is quoted, since a server may repeat them.
    """
    if isinstance(answer, NoAnswer):
        message = _quoted(answer.cause, settings)
        return Rejection(message, answer.error, worth_another_attempt=answer.worth_another_attempt)
    if answer.status != 200:
        return _status_rejection(answer, kind, settings)
    try:
        return wire.decode(answer.body, kind)
    except wire.MalformedBody as error:
        message = f"the answer is not JSON ({error})"
        if kind is not wire.Webhook:  # whatever comes from there may show its token
            beginning = answer.body[:_LONGEST_ERROR].decode("utf-8", "replace")
            message += f"; it begins with {_quoted(beginning, settings)!r}"
        return Rejection(message, APIResponseValidationError, 200)
    except wire.UnexpectedBody as error:
        message = f"the answer is not what the API documents: {error}"
        return Rejection(message, APIResponseValidationError, 200, worth_another_attempt=False)


def check_about(what: str, asked: str, came: Iterable[str]) -> None:
    """Refuse an answer about another task than the one that was asked for.

    Parameters
    ----------
    what : str
        Names what was asked for in errors.
    asked : str
        Id of the task.
    came : iterable of str
        Ids of the tasks that the answer is about.

    Raises
    ------
    APIResponseValidationError
        One of them is another.
    """
    for task_id in came:
        if task_id != asked:
            raise APIResponseValidationError(
                f"{what}: the answer is about task {task_id!r}; something on the way, such as a cache, a "
                "proxy or a connection that two processes share, mixes answers up",
                http_status=200,
            )


def _status_rejection(answer: Answer, kind: type[Record], settings: Settings) -> Rejection:
    status, asked = answer.status, answer.headers.get("x-should-retry")
    meaning = _MEANING.get(status, "the server failed" if status >= 500 else "unexpected answer")
    if 300 <= status < 400:
        target = _quoted(answer.headers.get("Location", ""), settings)
        meaning = f"the server redirects to {target!r}, where the key is not sent; check HANDINGER_BASE_URL"
    said = "" if kind is wire.Webhook else _quoted(_server_text(answer.body), settings)
    return Rejection(
        message=f"{meaning} (status {status}" + (f', the server says "{said}")' if said else ")"),
        error=status_error_class(status),
        status=status,
        worth_another_attempt=asked == "true"
        if asked in ("true", "false")
        else status in _WORTH_ANOTHER_ATTEMPT or status >= 500,
        wait=_asked_wait(answer.headers),
    )


def _asked_wait(headers: Mapping[str, str]) -> float | None:
    """Seconds the server asks to wait: ``retry-after-ms``, or ``Retry-After`` in seconds or as a date."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return max(0.0, milliseconds / 1000)
    header = headers.get("Retry-After")
    seconds = _number(header)
    if seconds is not None:
        return max(0.0, seconds)
    until = _http_date(header)
    if until is None:
        return None
    now = _http_date(headers.get("Date")) or times.now()  # its own clock counts, where it tells the time
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
    """Return the text of the documented error body, or the beginning of whatever came."""
    body = body[:_LONGEST_ERROR]
    try:
        said = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body.decode("utf-8", "replace")
    if isinstance(said, dict) and "error" in said:
        said = said["error"]
    return str(said)


def _quoted(text: str, settings: Settings) -> str:
    return message_text(masked(settings.without_secrets(text)))
