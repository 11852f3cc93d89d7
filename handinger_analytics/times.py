"""Instants that people type, as UTC."""

from __future__ import annotations

import datetime as dt

from handinger_analytics.errors import FrameError


def utc_instant(value: str | dt.date | dt.datetime | None, name: str) -> dt.datetime | None:
    """Read an instant.

    Parameters
    ----------
    value : str, date, datetime or None
        An aware datetime, an ISO 8601 string with an offset, or a date, which means its first
        instant in UTC.
    name : str
        What to call it in an error.

    Raises
    ------
    FrameError
        For a time of day without an offset, text that is not ISO 8601, or an instant outside the
        years 1 to 9999 in UTC.

    Examples
    --------
    >>> utc_instant("2026-05-01", "since").isoformat()
    '2026-05-01T00:00:00+00:00'
    """
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value = dt.date.fromisoformat(value) if len(value) == 10 else dt.datetime.fromisoformat(value)
        except ValueError:
            raise FrameError(
                f"{name} is {value!r}: expected ISO 8601, such as 2026-05-01 or 2026-05-01T08:00Z"
            ) from None
    if not isinstance(value, dt.date):
        raise FrameError(f"{name} is {value!r}: expected a date, an aware datetime, or ISO 8601 text")
    if not isinstance(value, dt.datetime):
        return dt.datetime(value.year, value.month, value.day, tzinfo=dt.UTC)
    if value.tzinfo is None:
        raise FrameError(
            f"{name} is {value!r}, which has no time zone: add one, for example tzinfo=datetime.UTC"
        )
    try:
        return value.astimezone(dt.UTC)
    except OverflowError:
        raise FrameError(
            f"{name} is {value!r}, in UTC outside the years 1 to 9999: choose one within them"
        ) from None
