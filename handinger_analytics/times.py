"""Instants and the periods of a calendar: what they are called, and the time it is now."""

from __future__ import annotations

import datetime as dt
from typing import Literal

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MILLISECOND = dt.timedelta(milliseconds=1)
FIRST_MS, LAST_MS = -62_135_596_800_000, 253_402_300_799_999
"""The years 1 to 9999 in UTC, which is what a datetime holds: milliseconds since 1970 UTC."""

Freq = Literal["h", "D", "W", "MS", "QS", "YS"]
Period = Literal["day", "week", "month", "quarter", "year"]
Moment = str | dt.date | None
"""A date, an aware datetime, or either as ISO 8601 text; see `handinger_analytics.arguments.utc_instant`."""

FREQS: dict[str, str] = {
    "h": "hour",
    "D": "day",
    "W": "week",
    "MS": "month",
    "QS": "quarter",
    "YS": "year",
}
"""What each alias of pandas stands for; a week begins on Monday."""

PERIODS: dict[Period, Freq] = {"day": "D", "week": "W", "month": "MS", "quarter": "QS", "year": "YS"}
"""Periods for which a limit may hold, and their aliases."""


def now() -> dt.datetime:
    """Return the time, UTC."""
    return dt.datetime.now(dt.UTC)


def milliseconds(instant: dt.datetime) -> int:
    """Whole milliseconds since 1970 UTC, rounded down.

    Examples
    --------
    >>> milliseconds(dt.datetime(1970, 1, 1, 0, 0, 1, 999, tzinfo=dt.UTC))
    1000
    """
    return int((instant - EPOCH) // MILLISECOND)
