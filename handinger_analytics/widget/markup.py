"""Values as safe HTML and short words: the one place where the widget escapes anything.

Titles, texts, ids and links come from tasks, and so from anybody. They are shown as text, never
obeyed: escaped, without control characters, and isolated so that right-to-left text cannot turn its
neighbours around. A link is followed only where it leads to the web.
"""

from __future__ import annotations

import datetime as dt
import html
import re
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import pandas as pd

from handinger_analytics.text import one_line, page_text

NOTHING = "\N{EN DASH}"
"""Stands where there is no value."""

_CONTROL = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # escape sequences
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]"
    r"|[\ud800-\udfff]"  # half a character, which no page can be sent with
)
_INVISIBLE = re.compile(r"[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")


def escaped(value: object) -> str:
    """Text for HTML, between tags or in a quoted attribute.

    Examples
    --------
    >>> escaped('<img src=x onerror="alert(1)">')
    '&lt;img src=x onerror=&quot;alert(1)&quot;&gt;'
    """
    return html.escape(page_text(value), quote=True)


def isolated(value: object) -> str:
    """Text for HTML that keeps its direction to itself."""
    return f"<bdi>{escaped(value)}</bdi>"


def titled(value: object, length: int = 90) -> str:
    """Return a title on one line, not escaped; words for one that shows nothing."""
    return one_line(value, length) or "(no title)"


def link(url: object, text: str) -> str:
    """Anchor that opens a new tab; the text alone where the address does not lead to the web.

    Parameters
    ----------
    url : object
        Address as the server gave it.
    text : str
        HTML of what is shown.

    Examples
    --------
    >>> link("javascript:alert(1)", "report")
    'report'
    """
    address = page_text(url).strip()
    try:
        safe = urlsplit(address).scheme in ("https", "http")
    except ValueError:
        safe = False
    if not safe:
        return text
    return f'<a href="{html.escape(address)}" target="_blank" rel="noopener noreferrer">{text}</a>'


def moment(value: Any, zone: ZoneInfo) -> str:
    """Date and time of day in a zone.

    Examples
    --------
    >>> moment(pd.Timestamp("2026-05-11T09:14:22Z"), ZoneInfo("Europe/Madrid"))
    '2026-05-11 11:14:22'
    """
    if _is_missing(value):
        return NOTHING
    instant: dt.datetime = value
    return f"{instant.astimezone(zone):%Y-%m-%d %H:%M:%S}"


def badge(status: object) -> str:
    """Status with its colour; unknown ones are shown as they are."""
    text = page_text(status) or "unknown"
    kind = text if text in ("completed", "error", "running", "pending", "aborted") else "other"
    return f'<span class="ha-badge ha-{kind}">{escaped(text)}</span>'


def _is_missing(value: Any) -> bool:
    return value is None or (pd.api.types.is_scalar(value) and bool(pd.isna(value)))
