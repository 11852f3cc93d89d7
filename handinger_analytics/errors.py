"""Every error this package raises, under one root.

::

    HandingerError
    ├── ArgumentError            an unknown word or zone, a number out of range, a value of a wrong type
    │   ├── SettingsError            no key, a base URL that would leak it, a client's option out of range
    │   └── TaskIdError              something that cannot be an id, with its position
    ├── FrameError               a frame that cannot be used, or a column that it lacks
    ├── FileError                a place or file that cannot be written, read or trusted
    ├── IncompleteFetchError     some tasks were not fetched and ``on_error="raise"`` was asked for
    └── APIError                 a request that did not give an answer we can use
        ├── APIConnectionError       no answer: refused, reset, cut off in the middle
        │   └── APITimeoutError          no answer in time
        ├── APIResponseValidationError   an answer that is not what the API documents
        └── APIStatusError           an answer with an error status
            ├── BadRequestError          400
            ├── AuthenticationError      401
            ├── PermissionDeniedError    403
            ├── NotFoundError            404
            ├── ConflictError            409
            ├── UnprocessableEntityError 422
            ├── RateLimitError           429
            └── InternalServerError      5xx

    FetchInterrupted             Ctrl-C; a KeyboardInterrupt, so that ``except Exception`` lets it pass
    PartialDataWarning           a warning: the frame in hand lacks some of what was asked for

The names below ``APIError`` are those of the official SDKs.
"""

from __future__ import annotations

import reprlib
from typing import Any, Self

_found = reprlib.Repr()
_found.maxstring = _found.maxother = 120


class HandingerError(Exception):
    """Root of all errors of this package.

    Attributes
    ----------
    result : FetchResult or None
        What had been fetched before the error, where a fetch of many ids raised it.
    """

    result: Any = None


class ArgumentError(HandingerError, ValueError):
    """An argument cannot be used: an unknown word, a number out of range, a value of a wrong type.

    Attributes
    ----------
    argument : str
        Name of the argument, with which the message begins; empty where there is no single one.
    """

    argument = ""

    @classmethod
    def unexpected(cls, argument: str, expected: str, found: object, advice: str = "") -> Self:
        """Make an error whose message says what was expected, what was found and what to try.

        Examples
        --------
        >>> print(ArgumentError.unexpected("n", "a whole number from 1", 0))
        n: expected a whole number from 1, found 0
        """
        shown = " ".join(_found.repr(found).split())
        error = cls(f"{argument}: expected {expected}, found {shown}" + (f"; {advice}" if advice else ""))
        error.argument = argument
        return error


class SettingsError(ArgumentError):
    """A setting of a client is missing or cannot be used."""


class TaskIdError(ArgumentError):
    """Something given as the id of a task or worker cannot be one."""


class FrameError(HandingerError, ValueError):
    """A frame cannot be used, or lacks a column."""


class FileError(HandingerError, OSError):
    """A place or file cannot be written, read or trusted."""


class IncompleteFetchError(HandingerError):
    """Some tasks were not fetched; the others are in ``.result``."""


class APIError(HandingerError):
    """A request to the API did not give an answer that can be used.

    Attributes
    ----------
    http_status : int or None
        Status of the last answer, None when there was none.
    attempts : int
        How often the request was sent.
    """

    def __init__(self, message: str, *, http_status: int | None = None, attempts: int = 1) -> None:
        super().__init__(message)
        self.http_status = http_status
        self.attempts = attempts


class APIConnectionError(APIError):
    """No complete answer came back."""


class APITimeoutError(APIConnectionError):
    """No answer came back in time."""


class APIResponseValidationError(APIError):
    """The answer is not what the API documents."""


class APIStatusError(APIError):
    """The answer has an error status."""


class BadRequestError(APIStatusError):
    """Status 400."""


class AuthenticationError(APIStatusError):
    """Status 401: the key is missing, malformed or revoked."""


class PermissionDeniedError(APIStatusError):
    """Status 403: the key has no access to this worker, task or organization."""


class NotFoundError(APIStatusError):
    """Status 404: no such id."""


class ConflictError(APIStatusError):
    """Status 409."""


class UnprocessableEntityError(APIStatusError):
    """Status 422: the server understood the request and refuses its content."""


class RateLimitError(APIStatusError):
    """Status 429, for longer than ``max_wait`` or ``max_attempts`` allow."""


class InternalServerError(APIStatusError):
    """Status 500 and above."""


class FetchInterrupted(KeyboardInterrupt):
    """Ctrl-C stopped a fetch; the rows so far are in ``.result``.

    Attributes
    ----------
    result : FetchResult
        What had been fetched.
    """

    def __init__(self, message: str, result: Any = None) -> None:  # pickle gives the message alone
        super().__init__(message)
        self.result = result


class PartialDataWarning(UserWarning):
    """A frame lacks some of what was asked for."""


def status_error_class(status: int) -> type[APIStatusError]:
    """Return the class for an HTTP status.

    Examples
    --------
    >>> status_error_class(404).__name__, status_error_class(502).__name__
    ('NotFoundError', 'InternalServerError')
    """
    if status >= 500:
        return InternalServerError
    return _BY_STATUS.get(status, APIStatusError)


_BY_STATUS: dict[int, type[APIStatusError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    422: UnprocessableEntityError,
    429: RateLimitError,
}
