"""What the widget says: where a lookup stands, and what went wrong, in plain words."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from handinger_analytics.errors import APIError, HandingerError
from handinger_analytics.fetching.result import FetchResult
from handinger_analytics.text import count, number, one_line
from handinger_analytics.widget.markup import escaped

_MOST_FAILURES = 20

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
    "InternalServerError": "The server failed. Try again in a while.",
    "APIResponseValidationError": (
        "The answer could not be read: it is not what the API documents. Try again; report it if it stays so."
    ),
}

WORTH_ANOTHER_TRY = frozenset(
    {
        "RateLimitError",
        "APITimeoutError",
        "APIConnectionError",
        "InternalServerError",
        "APIResponseValidationError",
        "ConflictError",
    }
)
"""Errors after which the same lookup may well succeed."""


WAITING = "The server limits how fast it may be asked: waiting as long as it says."


def notice(text: str, kind: str = "info") -> str:
    """One sentence that a screen reader announces.

    Parameters
    ----------
    text : str
        Plain text; it is escaped here.
    kind : {"info", "busy", "good", "bad"}
        How it looks.

    Examples
    --------
    >>> notice("1 < 2")
    '<div class="ha-notice ha-info" role="alert">1 &lt; 2</div>'
    """
    return f'<div class="ha-notice ha-{kind}" role="alert">{escaped(text)}</div>'


def clock(text: str) -> str:
    """Write a running count of seconds, which a screen reader leaves alone."""
    return f'<span class="ha-clock" aria-hidden="true">{escaped(text)}</span>' if text else ""


def busy_words(ids: Sequence[str]) -> str:
    """Say what is being looked up, as plain text."""
    return f"Looking up {one_line(ids[0], 60) if len(ids) == 1 else count(len(ids), 'task')}…"


def bug_words(error: Exception) -> str:
    """Say that something went wrong that nobody thought of, as plain text."""
    return f"The widget failed ({type(error).__name__}: {error}). Please report it."


def brought(result: FetchResult) -> str:
    """Say what a lookup brought, as plain text.

    Examples
    --------
    >>> from handinger_analytics import parse_bodies
    >>> brought(parse_bodies([]))
    'Nothing found'
    """
    tasks, turns = result.tasks, result.turns
    if tasks.empty:
        return "Nothing found"
    words = ", ".join(
        (count(len(tasks), "task"), count(len(turns), "turn"), count(int(tasks["credits"].sum()), "credit"))
    )
    return f"Found {words}"


def failures_list(failures: pd.DataFrame) -> str:
    """Each id that failed, with the reason and what to try.

    Parameters
    ----------
    failures : DataFrame
        Columns as in ``schema.FAILURES``.

    Returns
    -------
    str
        HTML, empty without failures.
    """
    items = "".join(
        f"<li><code>{escaped(failure['task_id'])}</code> {_reason(failure['error'], failure['stage'])}"
        f"<details><summary>Details</summary>{escaped(failure['message'])}</details></li>"
        for failure in failures.head(_MOST_FAILURES).to_dict("records")
    )
    more = len(failures) - _MOST_FAILURES
    rest = f"<li>and {number(more)} more, see .value.failures</li>" if more > 0 else ""
    return f'<ul class="ha-failures" role="alert">{items}{rest}</ul>' if items else ""


def spaces_hint(entered: str, failures: pd.DataFrame) -> str:
    """Advice for somebody whose id has a space in it and was taken for two."""
    if " " not in entered.strip() or (failures["error"] == "NotFoundError").sum() < 2:
        return ""
    return (
        '<p class="ha-muted">Ids are told apart by spaces, commas and semicolons. For an id with one of them '
        "in it, paste its dashboard link, or choose it from the matches of a source.</p>"
    )


def error_words(error: HandingerError) -> str:
    """Say what ended a lookup, as plain text."""
    if isinstance(error, APIError):
        return _PLAIN.get(type(error).__name__, str(error))
    return str(error)[:1].upper() + str(error)[1:]


def worth_another_try(failures: pd.DataFrame) -> Sequence[str]:
    """Ids whose lookup may succeed the next time."""
    return list(failures.loc[failures["error"].isin(WORTH_ANOTHER_TRY), "task_id"])


def _reason(error: str, stage: str) -> str:
    reason = _PLAIN.get(error, "It could not be fetched.")
    return f"The task is here, its turns are not. {reason}" if stage == "turns" else reason
