"""Checks of the arguments of a sandbox; it shares none with the rest of the package."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isfinite

from handinger_analytics.errors import ArgumentError


def check_number(
    value: float,
    name: str,
    what: str,
    *,
    least: float = -inf,
    above: float = -inf,
    most: float = inf,
    whole: bool = False,
) -> None:
    """Refuse what is not a finite number, or not above `above`, or not from `least` to `most`.

    Examples
    --------
    >>> check_number(1.5, "rate", "a number from 0 to 1", least=0, most=1)
    Traceback (most recent call last):
    handinger_analytics.errors.ArgumentError: rate: expected a number from 0 to 1, found 1.5
    """
    kinds = int if whole else (int, float)
    number = isinstance(value, kinds) and not isinstance(value, bool) and isfinite(value)
    if not (number and value > above and least <= value <= most):
        raise ArgumentError.unexpected(name, what, value)


def check_word(value: str, name: str, words: Sequence[str]) -> None:
    """Refuse what is not one of a few words.

    Examples
    --------
    >>> check_word("C", "generation", ("A", "B"))
    Traceback (most recent call last):
    handinger_analytics.errors.ArgumentError: generation: expected 'A' or 'B', found 'C'
    """
    if value not in words:
        *others, last = map(repr, words)
        raise ArgumentError.unexpected(name, f"{', '.join(others)} or {last}", value)
