from __future__ import annotations

import pandas as pd
import pytest

from handinger_analytics.text import duration, one_line, page_text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (float("nan"), ""),
        (pd.NaT, ""),
        (pd.NA, ""),
        ("a\x00b\x1b[31mc\u2028d\ud800", "abcd"),
        ("two\r\nlines\tand a tab", "two\nlines\tand a tab"),
        (7, "7"),
    ],
)
def test_page_text(value, text):
    """Control characters, escape sequences and half characters go; line breaks and tabs stay."""
    assert page_text(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("short", "short"),
        ("exactly10!", "exactly10!"),
        ("eleven 1234", "eleven 12…"),
        ("  many \n\n spaces", "many spac…"),
        ("\u202eturned\u2066", "turned"),
        ("x" * 1_000_000, "xxxxxxxxx…"),
    ],
)
def test_one_line(value, text):
    """A text becomes one line of at most so many characters, without marks that turn it around."""
    assert one_line(value, 10) == text


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0, "0 ms"),
        (999, "999 ms"),
        (1_000, "1 s"),
        (59_949, "59.9 s"),
        (59_950, "1 min"),
        (61_000, "1 min 1 s"),
        (3_599_400, "59 min 59 s"),
        (3_600_000, "1 h"),
        (360_000_000, "4 d 4 h"),
        (None, "\N{EN DASH}"),
    ],
)
def test_duration(milliseconds, text):
    """A duration is written in its two largest units."""
    assert duration(milliseconds) == text
