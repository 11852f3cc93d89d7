"""What plot_budget draws: a steady hundred credits a day from the first of May on."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pytest
from matplotlib.colors import to_hex
from matplotlib.dates import num2date

from handinger_analytics import plot_budget
from handinger_analytics.errors import ArgumentError
from tests.plots.handmade import captions, drawn, legend_labels, turns_of

STEADY = turns_of(
    *({"started_at": f"2026-05-{day:02}T09:00+00:00", "credits": 100} for day in range(1, 32)),
    *({"started_at": f"2026-06-{day:02}T09:00+00:00", "credits": 100} for day in range(1, 11)),
)
NOON = "2026-06-10T12:00Z"
"""A thousand credits are spent in June by then, and 20.5 days are left."""


def moment(x: float) -> str:
    """Instant at a place along x."""
    return f"{num2date(x):%m-%d %H:%M}"


def test_the_line_is_what_was_spent_until_now():
    """From zero at the start of the month, day by day, to the moment looked from."""
    ax = drawn(plot_budget(STEADY, limit=5000, as_of=NOON))
    line = ax.lines[0]
    assert line.get_ydata().tolist() == [100 * n for n in range(11)]
    assert moment(line.get_xdata()[0]) == "06-01 00:00"
    assert moment(line.get_xdata()[-1]) == "06-10 12:00"
    assert [moment(x) for x in ax.get_xlim()] == ["06-01 00:00", "07-01 00:00"]


def test_the_expectation_leads_to_the_end_of_the_period():
    """A hundred a day for the 20.5 days left, without doubt, for each day was the same."""
    ax = drawn(plot_budget(STEADY, limit=5000, as_of=NOON))
    assert legend_labels(ax) == [
        "as of 2026-06-10",
        "limit 5,000",
        "expected 3,050",
        "80%: 3,050 to 3,050",
        "spent 1,000",
    ]
    assert ax.get_title() == "Credits of the month: within the limit"
    assert ax.get_legend().get_title().get_text() == "20% spent"
    expected = next(line for line in ax.lines if line.get_linestyle() == ":")
    assert expected.get_ydata().tolist() == [1000, 3050]
    assert [moment(x) for x in expected.get_xdata()] == ["06-10 12:00", "07-01 00:00"]


def test_doubt_widens_the_band():
    """The band starts at what is spent, and its ends are the range of budget_status."""
    turns = STEADY.copy()
    turns["credits"] = [50 if n % 3 else 200 for n in range(len(turns))]
    ax = drawn(plot_budget(turns, limit=5000, as_of=NOON))
    heights = ax.collections[0].get_paths()[0].vertices[:, 1]
    spent = ax.lines[0].get_ydata()[-1]
    assert heights.min() == spent
    label = next(text for text in legend_labels(ax) if text.startswith("80%"))
    low, high = (int(number.replace(",", "")) for number in label.removeprefix("80%: ").split(" to "))
    assert spent < low < high == heights.max()


@pytest.mark.parametrize(
    ("limit", "verdict", "text"),
    [
        pytest.param(950, "over the limit", "exceeded on 2026-06-10", id="behind"),
        pytest.param(2000, "will cross", "expected to cross on 2026-06-20", id="ahead"),
    ],
)
def test_a_cross_marks_the_day_the_limit_is_exceeded(limit, verdict, text):
    """On the line of the limit, with the date in the legend."""
    ax = drawn(plot_budget(STEADY, limit=limit, as_of=NOON))
    assert ax.get_title().endswith(verdict)
    assert text in legend_labels(ax)
    (cross,) = ax.collections[-1].get_offsets()
    assert (moment(cross[0]), cross[1]) == (f"{text[-5:]} 00:00", limit)


def test_limit_and_band_lie_within_the_axes():
    """However far the limit is from what is spent."""
    for limit in (10, 1_000_000):
        ax = drawn(plot_budget(STEADY, limit=limit, as_of=NOON))
        assert ax.get_ylim()[0] == 0
        assert ax.get_ylim()[1] > max(limit, 3050)


@pytest.mark.parametrize("period", ["day", "week", "month", "quarter", "year"])
def test_each_period_has_its_axis(period):
    """Also where nothing was spent in it."""
    ax = drawn(plot_budget(STEADY, limit=100, period=period, tz="Europe/Madrid", as_of="2026-07-08T12:00Z"))
    assert ax.get_title().startswith(f"Credits of the {period}: ")
    assert ax.get_xlabel() == "time (Europe/Madrid)"
    assert len([tick for tick in ax.get_xticklabels() if tick.get_text()]) >= 2


@pytest.mark.parametrize(
    ("rows", "spent"),
    [
        pytest.param([], "0", id="no rows"),
        pytest.param([{"started_at": "2026-06-09T09:00+00:00", "credits": 9}], "9", id="one point"),
        pytest.param([{"started_at": f"2026-06-0{n}T09:00+00:00", "credits": 0} for n in range(1, 9)], "0",
                     id="all zero"),
    ],
)  # fmt: skip
def test_odd_frames_give_labelled_axes(rows, spent):
    """Where nothing can be expected, what is spent and the limit are drawn, and the title says why."""
    ax = drawn(plot_budget(turns_of(*rows), limit=100, as_of=NOON))
    assert f"spent {spent}" in legend_labels(ax)
    assert not any(" on " in text for text in legend_labels(ax))
    assert "not enough data" in ax.get_title() or len(rows) > 7


def test_an_incomplete_fetch_is_said_in_the_picture(incomplete_turns):
    """The caption is that of all plots."""
    ax = plot_budget(incomplete_turns, limit=50_000, as_of="2026-06-20T12:00Z")
    assert captions(ax) == ["incomplete: 12 of 200 tasks not fetched"]


def test_what_is_not_known_is_said_in_the_picture():
    """Turns that lost where they come from have a caption, and the mark is the end of what is known."""
    ax = drawn(plot_budget(STEADY, limit=5000, as_of="2026-06-10T15:00Z"))
    assert captions(ax) == ["not known whether all tasks are here"]
    assert "as of 2026-06-10" in legend_labels(ax)
    ax = drawn(plot_budget(STEADY, limit=5000, as_of="2026-06-20T12:00Z"))
    assert captions(ax) == ["not known whether all tasks are here"]
    assert {"known until 2026-06-10", "spent 1,000", "not known"} <= {*legend_labels(ax)}
    (shaded,) = (patch for patch in ax.patches if patch.get_label() == "not known")
    ends = [shaded.get_x(), shaded.get_x() + shaded.get_width()]
    assert [moment(x) for x in ends] == ["06-10 09:00", "06-20 12:00"]


def test_a_period_of_which_nothing_is_known_has_no_expectation():
    """Nothing is said to be spent or expected; what is drawn is the limit."""
    turns = STEADY.copy()
    turns.attrs["handinger"] = {"complete": True, "fetched_at": "2026-06-10T12:00Z"}
    ax = drawn(plot_budget(turns, limit=5000, as_of="2026-09-08T12:00Z"))
    assert ax.get_title() == "Credits of the month: not known"
    marks = ["not known", "nothing is known from 2026-09-01"]
    assert legend_labels(ax) == [*marks, "limit 5,000", "spent: not known"]
    assert captions(ax) == []


def test_a_period_that_began_after_the_fetch_says_so():
    """What is expected is drawn from its start; nothing is said to be spent."""
    turns = STEADY.copy()
    turns.attrs["handinger"] = {"complete": True, "fetched_at": "2026-06-10T12:00Z"}
    labels = legend_labels(drawn(plot_budget(turns, limit=50_000, as_of="2026-07-08T12:00Z")))
    assert labels[:2] == ["not known", "nothing is known from 2026-07-01"]
    assert labels[-1] == "spent: not known"
    assert any(label.startswith("expected ") for label in labels)


def test_keywords_axes_and_style_are_the_callers():
    """The line takes keywords, the Axes is the given one, text takes the style's colour."""
    with plt.style.context("dark_background"):
        _, given = plt.subplots()
        ax = plot_budget(STEADY, limit=100, as_of=NOON, ax=given, color="#123456", linewidth=5)
        assert ax is given
        assert (ax.lines[0].get_color(), ax.lines[0].get_linewidth()) == ("#123456", 5)
        assert to_hex(ax.lines[1].get_color()) == "#ffffff"


def test_what_budget_status_refuses_is_refused():
    """Before a figure is opened."""
    with pytest.raises(ArgumentError, match="limit: expected credits"):
        plot_budget(STEADY, limit=0)
    with pytest.raises(ArgumentError, match=r"^period: expected 'day', .* or 'year', found 'fortnight'"):
        plot_budget(STEADY, limit=10, period="fortnight")
    assert plt.get_fignums() == []
