"""Every error this package raises, under one root.

::

    HandingerError
    ├── SettingsError            no key, a base URL that would leak it, an option out of range
    ├── TaskIdError              something that cannot be a task id, with its position
    ├── FrameError               a frame, column, period or time zone that cannot be used
    ├── FileError                a file that cannot be written, read or trusted
    ├── IncompleteFetchError     some tasks failed and ``on_error="raise"`` was asked for
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

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from handinger_analytics.result import FetchResult


class HandingerError(Exception):
    """Root of all errors of this package.

    Attributes
    ----------
    result : FetchResult or None
        What had been fetched before the error, where a fetch of many ids raised it.
    """

    result: FetchResult | None = None


class SettingsError(HandingerError, ValueError):
    """A setting is missing or cannot be used."""


class TaskIdError(HandingerError, ValueError):
    """Something given as a task id cannot be one."""


class FrameError(HandingerError, ValueError):
    """A frame, or what was asked of it, cannot be used."""


class FileError(HandingerError, OSError):
    """A file cannot be written, read or trusted."""


class IncompleteFetchError(HandingerError):
    """Some tasks could not be fetched; what could is in ``.result``."""


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

    def __init__(self, message: str, result: FetchResult) -> None:
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
