"""Text for people: text of strangers made safe for each medium, and numbers in words, one spelling each.

Titles, inputs, outputs and ids come from tasks, and so from anybody. They are shown and never obeyed:
one table of unsafe characters, one function for each medium. Escaping for HTML is not done here but
by the autoescape of the templates.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any
from urllib.parse import unquote

NOTHING = "\N{EN DASH}"
"""Stands where there is no value."""

_ESCAPES = r"\x1b\[[0-?]*[ -/]*[@-~]"
_BREAKS = r"\t\n\r"
_CONTROLS = r"\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029"
_SURROGATES = r"\ud800-\udfff"
_UNSEEN = r"\u061c\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff"
"""Marks that turn the direction of text, and characters without width."""

_UNSAFE_IN_PAGE = re.compile(f"{_ESCAPES}|[{_CONTROLS}{_SURROGATES}]")
_UNSAFE_IN_LINE = re.compile(f"{_ESCAPES}|[{_CONTROLS}{_BREAKS}{_SURROGATES}{_UNSEEN}]")
_UNSEEN_RUN = re.compile(f"[{_UNSEEN}]")
_AROUND = re.compile(rf"\A[\s{_UNSEEN}]+|(?<![\s{_UNSEEN}])[\s{_UNSEEN}]+\Z")
"""The lookbehind keeps a long run of spaces in the middle from being tried from each of its spaces."""
_INVISIBLE = frozenset("\u034f\u115f\u1160\u2800\u3164\uffa0" + "".join(map(chr, range(0xFE00, 0xFE10))))
"""Further characters that show nothing: a joiner, fillers of Hangul and Braille, variation selectors."""
_USER = re.compile(
    r"""(?<=://)(?:[^\s?'"<>]*:[^\s?'"<>]*|(?<!abfs://)(?<!abfss://)(?<!wasb://)(?<!wasbs://)[^\s/@'"<>]*)@"""
)
"""User name and password of an address; what stands there in those of Azure is a container."""
_QUERY = re.compile(r"""(://[^\s?#'"<>]*[?#])[^\s'"<>]+""")
SECRET_NAME = re.compile("key|secret|token|password|sas|sig|credential", re.IGNORECASE)
"""What names of settings have in them whose values nobody may see."""
_UNITS = ((2e9, 1e9, "B"), (2e6, 1e6, "M"), (2e5, 1e3, "k"))
"""Size from which a unit is used, the unit, its name."""
_EXCERPT = 200


def terminal_text(value: object) -> str:
    r"""Return text without anything that a terminal would obey.

    Examples
    --------
    >>> terminal_text("\x1b[31mred\x1b[0m alert")
    'red alert'
    """
    return _UNSAFE_IN_LINE.sub("", str(value))


def message_text(value: object, length: int = _EXCERPT) -> str:
    r"""Return the beginning of a text, on one line, to be quoted in a message.

    Examples
    --------
    >>> message_text("no\nsuch\tbucket")
    'no such bucket'
    """
    return " ".join(_UNSAFE_IN_LINE.sub(" ", str(value)).split())[:length]


def masked(text: object, address: str = "") -> str:
    """Return text with ``***`` for user names, passwords, queries and fragments of the addresses in it.

    Parameters
    ----------
    text : object
        For example the message of a library.
    address : str
        One whose secrets may stand in the text by themselves, too.

    Examples
    --------
    >>> masked("s3://KEY:SECRET@bucket/turns?sig=abc")
    's3://***@bucket/turns?***'
    >>> masked("no user KEY at s3://bucket", "s3://KEY:SECRET@bucket")
    'no user *** at s3://bucket'
    """
    shown = str(text)
    if secrets := _secrets_of(address):
        shown = re.sub(rf"(?<!\w)(?:{'|'.join(map(re.escape, secrets))})(?!\w)", "***", shown)
    return _QUERY.sub(r"\1***", _USER.sub("***@", shown))


def _secrets_of(address: str) -> list[str]:
    """Return parts of an address that nobody may see, as they stand there and decoded, the longest first."""
    _, _, rest = address.partition("://")
    before, _, query = rest.replace("#", "?").partition("?")
    user = before.rpartition("@")[0]
    parts = user.split(":", 1) if ":" in user else []
    settings = (each.partition("=") for each in query.replace("?", "&").split("&"))
    parts += [value for name, _, value in settings if SECRET_NAME.search(name)]
    return sorted({form for part in parts if part for form in (part, unquote(part))}, key=len, reverse=True)


def page_text(value: object) -> str:
    r"""Return text for a page, which escapes it: tabs and line breaks stay; empty where there is no value.

    Examples
    --------
    >>> page_text("\x1b[31mred\x1b[0m\r\nalert")
    'red\nalert'
    """
    return "" if is_missing(value) else _UNSAFE_IN_PAGE.sub("", str(value).replace("\r\n", "\n"))


def picture_text(value: object) -> str:
    r"""Return text for a picture: without what a font cannot draw, white space as single spaces.

    Control, format, unassigned and other characters that show nothing are left out. A missing value is
    "(none)", a text of which nothing is left "(empty)".

    Examples
    --------
    >>> picture_text("Weather\u202e today"), picture_text(None), picture_text(" ")
    ('Weather today', '(none)', '(empty)')
    """
    return "(none)" if is_missing(value) else visible(str(value)) or "(empty)"


def visible(text: str) -> str:
    r"""Return what is seen of a text, on one line.

    Examples
    --------
    >>> visible("Weather\u202e\n today"), visible("\u200d")
    ('Weather today', '')
    """
    kept = (
        char
        for char in " ".join(text.split())
        if unicodedata.category(char)[0] != "C" and char not in _INVISIBLE
    )
    return "".join(kept).strip()


def trimmed(text: str) -> str:
    r"""Return text without white space, byte order marks and other unseen characters around it.

    Examples
    --------
    >>> trimmed("\ufeff tsk_1\u200b\n")
    'tsk_1'
    """
    return _AROUND.sub("", text)


def one_line(value: object, length: int) -> str:
    r"""Return the first words of a text on one line; a longer text ends in an ellipsis.

    Examples
    --------
    >>> one_line("Weather today\n\nin Barcelona", 20)
    'Weather today in Ba…'
    """
    words = " ".join(_UNSEEN_RUN.sub("", page_text(value)[: 20 * length]).split())
    return words if len(words) <= length else words[: length - 1].rstrip() + "…"


def cut(text: str, length: int, *, middle: bool = False) -> str:
    """Cut a text that is too long, at its end or in its middle.

    An id, which has no spaces, is always cut in its middle: ids often differ at their ends.

    Examples
    --------
    >>> cut("Weather in Barcelona", 12), cut("Weather in Barcelona", 12, middle=True)
    ('Weather in…', 'Weathe…elona')
    """
    if len(text) <= length:
        return text
    tail = (length - 1) // 3 if " " not in text else (length - 1) // 2 if middle else 0
    return text[: length - 1 - tail].rstrip() + "…" + text[len(text) - tail :].lstrip()


def cut_apart(texts: Collection[str], length: int) -> dict[str, str]:
    """Cut those of several texts that are too long, so that different ones stay different where they can.

    They are cut at their ends, those that would be the same then in their middle. An id that would be the
    same as another even so is not cut.

    Examples
    --------
    >>> list(cut_apart(["Weather, north", "Weather, south", "Market studies"], 9).values())
    ['Weat…orth', 'Weat…outh', 'Market s…']
    """
    short = {text: cut(text, length) for text in texts}
    seen = Counter(short.values())
    short = {text: cut(text, length, middle=seen[there] > 1) for text, there in short.items()}
    seen = Counter(short.values())
    return {text: there if seen[there] == 1 or " " in text else text for text, there in short.items()}


def is_missing(value: Any) -> bool:
    """Tell whether a value is None, NaN, NaT or NA."""
    try:  # what has a length is there; NaN and NaT differ from themselves
        return value is None or (not hasattr(value, "__len__") and bool(value != value))
    except TypeError:  # and NA has no truth value
        return True


def number(value: Any, digits: int = 0) -> str:
    """Write a number with thousands apart.

    Examples
    --------
    >>> number(1234567), number(1234.5, digits=2)
    ('1,234,567', '1,234.50')
    """
    if is_missing(value):
        return NOTHING
    return f"{value:,.{digits}f}" if digits else f"{value:,}"


def decimals(currency: str | None) -> int | None:
    """Return how many decimals a currency is written with, None if ISO 4217 has no such currency.

    Money without a currency is written with two. Precious metals, codes for testing and the like have no
    decimals in ISO 4217 and are no currencies here.

    Examples
    --------
    >>> decimals("EUR"), decimals("JPY"), decimals("XAU"), decimals(None)
    (2, 0, None, 2)
    """
    if currency is None:
        return 2
    from iso4217 import raw_table  # it parses a table, for which only those who name a currency wait

    digits = str(raw_table.get(currency, {}).get("CcyMnrUnts"))
    return int(digits) if digits.isdigit() else None


def money(value: Any, currency: str | None = None) -> str:
    """Write an amount of money with the decimals of its currency.

    Examples
    --------
    >>> money(1234.5, "EUR"), money(1234.5, "JPY"), money(1234.5)
    ('1,234.50 EUR', '1,235 JPY', '1,234.50')
    """
    if is_missing(value):
        return NOTHING
    exact = f"{value:.15g}" if isinstance(value, float) else str(value)  # 3 times 0.145 is 0.435, not less
    with localcontext(rounding=ROUND_HALF_UP):
        written = f"{Decimal(exact):z,.{decimals(currency) or 0}f}"
    return f"{written} {currency}" if currency else written


def count(value: int, noun: str) -> str:
    """Write how many there are.

    Examples
    --------
    >>> count(1, "turn"), count(1200, "turn")
    ('1 turn', '1,200 turns')
    """
    return f"{value:,} {noun}" if value == 1 else f"{value:,} {noun}s"


def have(value: int, noun: str) -> str:
    """Begin a sentence about how many have something.

    Examples
    --------
    >>> have(1, "task") + " no turns", have(1200, "task") + " no turns"
    ('1 task has no turns', '1,200 tasks have no turns')
    """
    return f"{count(value, noun)} {'has' if value == 1 else 'have'}"


def amount(value: float, largest: float | None = None) -> str:
    """Write a number of credits, tokens or turns in few characters.

    Parameters
    ----------
    value : float
        The number.
    largest : float, optional
        Largest number beside which it will stand, so that all of them have the same unit.

    Examples
    --------
    >>> amount(12_000), amount(335_086), amount(2_500_000), amount(50_000, largest=400_000)
    ('12,000', '335k', '2.5M', '50k')
    """
    largest = abs(value) if largest is None else largest
    for size, unit, name in _UNITS:
        if value and largest >= size:
            return f"{value / unit:,.3g}{name}" if abs(value) < 1000 * unit else f"{value / unit:,.0f}{name}"
    return f"{value:,.0f}"


def duration(milliseconds: Any) -> str:
    """Write a duration in the two units that matter.

    Examples
    --------
    >>> [duration(ms) for ms in (0, 850, 10_000, 25_812, 75_000, 3_660_000, 97_200_000)]
    ['0 ms', '850 ms', '10 s', '25.8 s', '1 min 15 s', '1 h 1 min', '1 d 3 h']
    """
    if is_missing(milliseconds):
        return NOTHING
    if milliseconds < 999.5:
        return f"{milliseconds:.0f} ms"
    if milliseconds < 59_950:
        return f"{milliseconds / 1000:.1f}".removesuffix(".0") + " s"
    seconds = round(milliseconds / 1000)
    units = ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"))
    size, unit, part, part_unit = next(each for each in units if seconds >= each[0])
    rest = seconds % size // part
    return f"{seconds // size:,} {unit}" + (f" {rest} {part_unit}" if rest else "")


def share(value: Any, digits: int = 0) -> str:
    """Write a share of 0 to 1 as a percentage.

    Examples
    --------
    >>> share(0.254), share(0.254, digits=1)
    ('25%', '25.4%')
    """
    return NOTHING if is_missing(value) else f"{value:.{digits}%}"


def summary_text(title: str, lines: Iterable[tuple[str, str]]) -> str:
    """Write named lines under a title, for a ``__repr__``."""
    return "\n  ".join([title, *(f"{name}: {words}" for name, words in lines)])


def summary_html(title: str, lines: Iterable[tuple[str, str]]) -> str:
    """Write named lines as a table, for a ``_repr_html_``."""
    left = "style='text-align:left'"
    rows = "".join(
        f"<tr><th {left}>{html.escape(name)}</th><td {left}>{html.escape(words)}</td></tr>"
        for name, words in lines
    )
    return f"<table><caption>{html.escape(title)}</caption>{rows}</table>"
