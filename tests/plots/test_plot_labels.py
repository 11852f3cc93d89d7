"""What becomes of text from tasks before it is drawn."""

from __future__ import annotations

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
from matplotlib.cbook import is_math_text

from handinger_analytics.plots.labels import label
from tests.plots.handmade import AWKWARD


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("plain", "plain", id="plain"),
        pytest.param(r"$\frac{a}{b}$", r"\$\frac{a}{b}\$", id="formula"),
        pytest.param("", "(empty)", id="empty"),
        pytest.param("\u200b \x00", "(empty)", id="nothing visible"),
        pytest.param(None, "(none)", id="missing"),
        pytest.param(float("nan"), "(none)", id="nan"),
        pytest.param("a\n\n b\tc", "a b c", id="white space"),
        pytest.param("bell\x07", "bell", id="control character"),
        pytest.param("\u202eabc", "abc", id="right-to-left override"),
        pytest.param("天気 ok", "□□ ok", id="no glyph"),
        pytest.param("❤\ufe0f", "❤", id="variation selector"),
        pytest.param("x" * 40, "x" * 40, id="just fits"),
        pytest.param("word " * 9, "word word word word word word word word…", id="too long"),
        pytest.param("wrk_" + "0" * 35 + "12", "wrk_" + "0" * 22 + "…" + "0" * 11 + "12", id="long id"),
        pytest.param(7, "7", id="number"),
    ],
)
def test_a_label_is_what_one_can_read_of_the_text(text, expected):
    """Control characters go, dollars are escaped, long text ends in an ellipsis."""
    assert label(text) == expected


@pytest.mark.parametrize("text", AWKWARD)
def test_a_label_is_drawn_literally_and_without_a_warning(text):
    """No text starts a formula or asks for a glyph that is not there."""
    figure, ax = plt.subplots()
    artist = ax.set_title(label(text))
    figure.canvas.draw()
    assert not is_math_text(artist.get_text())
    shown = artist.get_text().replace("\\$", "$")
    assert "\\$" not in shown.replace("\\$escaped\\$", "")


def test_dollars_stay_plain_where_math_is_switched_off():
    """Matplotlib would show the backslash of an escaped dollar then."""
    with mpl.rc_context({"text.parse_math": False}):
        assert label("$5") == "$5"


def test_the_font_in_use_decides_what_can_be_drawn():
    """A character of the chosen font is kept, one of another font is not."""
    with mpl.rc_context({"font.family": ["cmr10"]}):
        assert label("ab ж") == "ab ?" or label("ab ж") == "ab □"
    assert label("ab ж") == "ab ж"
