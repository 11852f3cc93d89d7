from __future__ import annotations

import pandas as pd
import pytest

from handinger_analytics.text import duration, masked, one_line, page_text


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


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("s3://KEY:SECRET@bucket/x", "s3://***@bucket/x"),
        ("s3://KEY:SEC/RET+=@bucket/x", "s3://***@bucket/x"),
        ("https://TOKEN@host/x?a=1", "https://***@host/x?***"),
        ("http://user:pa?ss@proxy:3128", "http://***@proxy:3128"),
        ("two: 'a://b:c@d' and \"e://f?g=h\".", "two: 'a://***@d' and \"e://f?***\"."),
        (
            "abfss://container@account.dfs.core.windows.net/x",
            "abfss://container@account.dfs.core.windows.net/x",
        ),
        ("abfss://user:pw@account/x", "abfss://***@account/x"),
        ("Is it https://handinger.com? Ask a@b.", "Is it https://handinger.com? Ask a@b."),
        ("s3://bucket/mails@home/x", "s3://bucket/mails@home/x"),
        ("./what?/x:y@z", "./what?/x:y@z"),
    ],
)
def test_masked(text, shown):
    """Of addresses the user name, password and query are not shown; containers, paths and prose stay."""
    assert masked(text) == shown


@pytest.mark.parametrize("form", ["SEC%2FRET", "SEC/RET", "KEY", "c=d"])
def test_secrets_of_a_known_address_are_masked_anywhere(form):
    """As they stand in it and decoded, since libraries quote parts of an address."""
    said = masked(f"no access with ({form}) here", "s3://KEY:SEC%2FRET@bucket/x?region=here&sig=c%3Dd")
    assert said == "no access with (***) here"
