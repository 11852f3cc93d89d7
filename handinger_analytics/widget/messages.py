"""What the widget says in plain words: what is under way, what came, and what went wrong."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from handinger_analytics.errors import APIError, HandingerError
from handinger_analytics.fetching.result import FetchResult
from handinger_analytics.text import count, one_line

WAITING = "The server limits how fast it may be asked: waiting as long as it says."

_PLAIN = {
    "AuthenticationError": (
        "The API key was not accepted. Check HANDINGER_API_KEY, or make a new key in the dashboard."
    ),
    "PermissionDeniedError": "Your key has no access to it. Use a key of the organization it belongs to.",
    "NotFoundError": (
        "There is no such task. Check the id, and that your key belongs to the same organization."
    ),
    "RateLimitError": "The server limits how fast it may be asked. Wait a little, then try again.",
    "APITimeoutError": "No answer from the server in time. Check the network, then try again.",
    "APIConnectionError": "No connection to the server. Check the network, then try again.",
    "InternalServerError": "The server had an error. Try again in a while.",
    "APIResponseValidationError": (
        "The answer could not be read: it is not what the API documents. Try again; report it if it stays so."
    ),
}

_WORTH_ANOTHER_TRY = (
    "RateLimitError",
    "APITimeoutError",
    "APIConnectionError",
    "InternalServerError",
    "APIResponseValidationError",
    "ConflictError",
)


def looking_up(ids: Sequence[str]) -> str:
    """Say what is being looked up."""
    return f"Looking up {one_line(ids[0], 60) if len(ids) == 1 else count(len(ids), 'task')}…"


def found(result: FetchResult) -> str:
    """Say what a lookup brought, and how much was not fetched.

    Examples
    --------
    >>> found(ha.parse_bodies([]))
    'Nothing found'
    """
    tasks, turns, failures = result.tasks, result.turns, result.failures
    words = "Nothing found"
    if len(tasks):
        credits = count(int(tasks["credits"].sum()), "credit")
        words = f"Found {count(len(tasks), 'task')}, {count(len(turns), 'turn')}, {credits}"
    return f"{words}; {count(len(failures), 'id')} not fetched" if len(failures) else words


def error_words(error: HandingerError) -> str:
    """Say what ended a lookup."""
    words = str(error)[:1].upper() + str(error)[1:]
    return _PLAIN.get(type(error).__name__, str(error)) if isinstance(error, APIError) else words


def reason(error: str, stage: str) -> str:
    """Say why an id was not fetched; ``error`` and ``stage`` as in ``schema.FAILURES``."""
    words = _PLAIN.get(error, "It was not fetched.")
    return f"The task is here, its turns are not. {words}" if stage == "turns" else words


def worth_another_try(failures: pd.DataFrame) -> list[str]:
    """Ids whose lookup may succeed the next time."""
    return list(failures.loc[failures["error"].isin(_WORTH_ANOTHER_TRY), "task_id"])
