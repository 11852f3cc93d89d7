"""Checks of arguments. What cannot be used is an `ArgumentError`, and all of them have one grammar.

``ARGUMENT: expected WHAT, found VALUE; TRY THIS`` is put together in `ArgumentError.unexpected`.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import difflib
import inspect
import math
import warnings
from collections.abc import Collection, Iterable
from decimal import Decimal
from numbers import Integral, Real
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from handinger_analytics.errors import ArgumentError
from handinger_analytics.text import decimals
from handinger_analytics.times import FREQS, Moment

_MOST_MONEY = 10**9
"""For a credit; far above, sums and axes would be infinite."""


def check_number(
    value: Any,
    name: str,
    what: str,
    *,
    above: float = -math.inf,
    least: float = -math.inf,
    most: float = math.inf,
    error: type[ArgumentError] = ArgumentError,
) -> None:
    """Refuse what is no finite number, or out of range.

    Parameters
    ----------
    value : Any
        What the user gave.
    name : str
        Name of the argument.
    what : str
        What is expected, as the message says it, with the range.
    above, least, most : float
        The value must be larger than ``above``, and lie between ``least`` and ``most``.
    error : type
        Class of the error.

    Examples
    --------
    >>> check_number(0, "limit", "credits, a number above 0", above=0)
    Traceback (most recent call last):
    handinger_analytics.errors.ArgumentError: limit: expected credits, a number above 0, found 0
    """
    number = math.nan
    if isinstance(value, Real | Decimal) and not isinstance(value, bool):
        with contextlib.suppress(OverflowError, ValueError):  # too large, or a signal that it is no number
            number = float(value)
    if not math.isfinite(number) or not above < number or not least <= number <= most:
        raise error.unexpected(name, what, value)


def check_whole_number(
    value: Any,
    name: str,
    what: str = "a whole number from 1",
    *,
    least: int = 1,
    most: float = math.inf,
    error: type[ArgumentError] = ArgumentError,
) -> None:
    """Refuse what is no whole number, or out of range; parameters as in `check_number`."""
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole or not least <= value <= most:
        raise error.unexpected(name, what, value)


def check_currency(currency: str | None, price: float | None) -> str | None:
    """Return the code of the currency that a price per credit is in, None where it is not said.

    Parameters
    ----------
    currency : str, optional
        Code of a currency in use (ISO 4217), in any case.
    price : float, optional
        Money per credit.

    Raises
    ------
    ArgumentError
        A price below zero, a code that ISO 4217 does not have, or a currency without a price.

    Examples
    --------
    >>> check_currency("eur", 0.012)
    'EUR'
    """
    if price is not None:
        check_number(price, "price", "money per credit, a number from 0", least=0)
        check_number(price, "price", f"money per credit, at most {_MOST_MONEY:,}", most=_MOST_MONEY)
    if currency is None:
        return None
    code = currency.upper() if isinstance(currency, str) else ""
    if decimals(code) is None:
        raise ArgumentError.unexpected("currency", "an ISO 4217 code of a currency, such as 'EUR'", currency)
    if price is None:
        raise ArgumentError.unexpected("currency", "a price beside it", currency, "give price, too")
    return code


def check_word(value: Any, name: str, words: Collection[str]) -> None:
    """Refuse what is not one of a few words.

    Examples
    --------
    >>> check_word("mean", "measure", ("credits", "turns"))
    Traceback (most recent call last):
    handinger_analytics.errors.ArgumentError: measure: expected 'credits' or 'turns', found 'mean'
    """
    if not isinstance(value, str) or value not in words:
        *others, last = map(repr, words)
        raise ArgumentError.unexpected(name, f"{', '.join(others)} or {last}" if others else last, value)


def check_event(value: Any, name: str) -> None:
    """Refuse what is neither None nor an event that another thread can set."""
    if value is not None and not callable(getattr(value, "is_set", None)):
        raise ArgumentError.unexpected(name, "a threading.Event", value)


def check_freq(value: Any) -> None:
    """Refuse a ``freq`` that is not one of `handinger_analytics.times.FREQS`."""
    if not isinstance(value, str) or value not in FREQS:
        known = ", ".join(f"{alias!r} ({name})" for alias, name in FREQS.items())
        raise ArgumentError.unexpected("freq", f"one of {known}", value)


def check_span(value: Any, name: str) -> None:
    """Refuse what is no length of time."""
    if not isinstance(value, dt.timedelta) or value < dt.timedelta(0):
        raise ArgumentError.unexpected(name, "a timedelta of 0 or more, such as timedelta(days=7)", value)


def column_names(value: str | Iterable[str] | None, name: str) -> list[str]:
    """Return one column name or several as a list, each once.

    Examples
    --------
    >>> column_names("credits", "columns"), column_names(["a", "b", "a"], "columns")
    (['credits'], ['a', 'b'])
    """
    if value is None or isinstance(value, str):
        return [] if value is None else [value]
    names = list(value) if isinstance(value, Iterable) else [value]
    for each in names:
        if not isinstance(each, str):
            raise ArgumentError.unexpected(name, "names of columns, one or several", each)
    return list(dict.fromkeys(names))


def zone_info(tz: str) -> ZoneInfo:
    """Return the time zone of an IANA name.

    Raises
    ------
    ArgumentError
        There is none; the message suggests names that are close.

    Examples
    --------
    >>> zone_info("Europe/Madrid").key
    'Europe/Madrid'
    """
    try:
        return ZoneInfo(tz)
    except (KeyError, ValueError, TypeError, AttributeError, OSError):
        close = difflib.get_close_matches(str(tz), available_timezones(), n=3)
        advice = f"did you mean {' or '.join(map(repr, close))}?" if close else "try 'UTC' or 'Europe/Madrid'"
        raise ArgumentError.unexpected("tz", "an IANA name of a time zone", tz, advice) from None


def utc_instant(value: Moment, name: str) -> dt.datetime | None:
    """Read an instant, as UTC.

    Parameters
    ----------
    value : str, date, datetime or None
        An aware datetime, an ISO 8601 string with an offset, or a date, which means its first
        instant in UTC.
    name : str
        Name of the argument.

    Raises
    ------
    ArgumentError
        For a time of day without an offset, text that is not ISO 8601, or an instant outside the
        years 1 to 9999 in UTC.

    Examples
    --------
    >>> utc_instant("2026-05-01", "since").isoformat()
    '2026-05-01T00:00:00+00:00'
    """
    if value is None:
        return None
    found: object = value
    if isinstance(value, str):
        try:
            value = dt.date.fromisoformat(value) if len(value) == 10 else dt.datetime.fromisoformat(value)
        except ValueError:
            raise ArgumentError.unexpected(
                name, "ISO 8601, such as 2026-05-01 or 2026-05-01T08:00Z", found
            ) from None
    if not isinstance(value, dt.date):
        raise ArgumentError.unexpected(name, "a date, an aware datetime, or ISO 8601 text", found)
    if not isinstance(value, dt.datetime):
        return dt.datetime(value.year, value.month, value.day, tzinfo=dt.UTC)
    if value.tzinfo is None:
        advice = "add one, for example tzinfo=datetime.UTC"
        raise ArgumentError.unexpected(name, "a time with a time zone", found, advice)
    try:
        return value.astimezone(dt.UTC)
    except OverflowError:
        raise ArgumentError.unexpected(name, "an instant of the years 1 to 9999 in UTC", found) from None


def warn_caller(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn about an argument or a result, in the line that called this package, however deep in it we are.

    Examples
    --------
    >>> with warnings.catch_warnings(record=True, action="default") as caught:
    ...     warn_caller("task_ids: white space around 1 of 2 ids was removed")
    >>> str(caught[0].message)
    'task_ids: white space around 1 of 2 ids was removed'
    """
    package = __name__.partition(".")[0]
    frame, level = inspect.currentframe(), 1
    while frame and str(frame.f_globals.get("__name__")).partition(".")[0] == package:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
