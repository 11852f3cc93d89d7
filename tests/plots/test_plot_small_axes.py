"""Axes of the user in a figure that lays nothing out, beside others and small."""

from __future__ import annotations

import itertools

import matplotlib.pyplot as plt
import pytest

import handinger_analytics as ha
from tests.plots.handmade import drawn, turns_of

BUDGET = {"limit": 30_000, "as_of": "2026-06-20T00:00+00:00"}
ROWS = [
    ("plot_durations", {"by": "worker_id"}),
    ("plot_pareto", {}),
    ("plot_timeline", {}),
    ("plot_tokens", {"by": "worker_id"}),
    ("plot_waste", {}),
]
ALONG_X = [
    *ROWS,
    ("plot_budget", BUDGET),
    ("plot_credits_vs_tokens", {}),
    ("plot_durations", {}),
    ("plot_heatmap", {}),
    ("plot_pareto", {"price": 0.0123, "currency": "EUR"}),
    ("plot_pareto", {"price": 1e-7, "currency": "KWD"}),
    ("plot_waste", {"price": 1e-5}),
    ("plot_spend", {}),
    ("plot_spend", {"by": "worker_id", "limit": 300}),
    ("plot_tokens", {}),
]


def named(variants) -> pytest.MarkDecorator:
    """Run a test with each plot and its options."""
    return pytest.mark.parametrize(("name", "options"), variants, ids=[f"{n} {o}" for n, o in variants])


def extents(ticks) -> list:
    """Boxes of the texts of ticks."""
    return [tick.get_window_extent() for tick in ticks if tick.get_text()]


@named(ROWS)
def test_rows_have_their_names_within_the_figure(name, options, turns):
    """Alone in a figure the data give way to them, also to long ones."""
    turns["worker_id"] = turns["worker_id"] + "_with_quite_a_long_name"
    _, ax = plt.subplots()
    drawn(getattr(ha, name)(turns, ax=ax, **options))
    assert min(box.x0 for box in extents(ax.get_yticklabels())) >= 0
    assert ax.get_window_extent().width >= 0.25 * 0.775 * ax.figure.bbox.width


@named(ROWS)
def test_rows_of_neighbours_stay_apart(name, options, turns):
    """The names of the right one do not lie over the left one, in a figure of a usual page."""
    _, (left, right) = plt.subplots(1, 2, figsize=(11, 5))
    getattr(ha, name)(turns, ax=left, **options)
    drawn(getattr(ha, name)(turns, ax=right, **options))
    assert min(box.x0 for box in extents(right.get_yticklabels())) > left.get_window_extent().x1


@named(ROWS)
def test_rows_do_not_lie_over_each_other(name, options, turns):
    """Their text is smaller where many share half of a page."""
    _, (ax, _) = plt.subplots(2, figsize=(6.4, 8))
    drawn(getattr(ha, name)(turns, ax=ax, **options))
    boxes = sorted((box.y0, box.y1) for box in extents(ax.get_yticklabels()))
    # The boxes of letters with and without accents differ: a tenth of an em of overlap cannot be seen.
    assert all(low >= high - 1 for (_, high), (low, _) in itertools.pairwise(boxes))


def test_rows_taken_away_give_their_place_back(turns):
    """The data have the whole place once other ticks are set or the Axes is cleared."""
    figure, ax = plt.subplots()
    whole = ax.get_window_extent().bounds
    drawn(ha.plot_pareto(turns, ax=ax))
    assert ax.get_window_extent().width < 0.8 * whole[2]
    ax.clear()
    figure.canvas.draw()
    assert ax.get_window_extent().bounds == pytest.approx(whole)


@pytest.mark.slow
@named(ALONG_X)
@pytest.mark.parametrize(
    "shape", [pytest.param((1, 2), id="of two", marks=pytest.mark.slow), pytest.param((2, 2), id="of four")]
)
def test_ticks_along_x_do_not_overlap(name, options, shape, turns):
    """There are fewer of them where there is less place."""
    _, cells = plt.subplots(*shape, squeeze=False)
    ax = cells[-1, 0]
    drawn(getattr(ha, name)(turns, ax=ax, **options))
    low, high = ax.get_window_extent().x0 - 1, ax.get_window_extent().x1 + 1
    boxes = [(box.x0, box.x1) for box in extents(ax.get_xticklabels())]
    boxes = sorted(box for box in boxes if low <= sum(box) / 2 <= high)
    assert len(boxes) >= 2
    assert all(end < start for (_, end), (start, _) in itertools.pairwise(boxes))


def test_few_periods_are_all_named_where_there_is_place():
    """Seven hours in a whole figure, fewer of them in a quarter."""
    turns = turns_of(*[{"started_at": f"2026-05-11T{hour:02}:30+00:00"} for hour in range(3, 10)])
    _, alone = plt.subplots()
    _, ((small, _), _) = plt.subplots(2, 2)
    names = [
        [tick.get_text() for tick in drawn(ha.plot_spend(turns, ax=ax)).get_xticklabels()]
        for ax in (alone, small)
    ]
    assert names[0] == [f"0{hour}:00" for hour in range(3, 10)]
    assert names[1] == ["03:00", "05:00", "07:00", "09:00"]


def test_the_caption_stays_below_where_the_title_would_be(incomplete_turns):
    """What is missing is said within the place of the Axes, not over the plot above."""
    _, cells = plt.subplots(2, 2)
    complete = incomplete_turns.copy()
    complete.attrs = {}
    plain = drawn(ha.plot_durations(complete, ax=cells[1, 0]))
    ax = drawn(ha.plot_durations(incomplete_turns, ax=cells[1, 1]))
    assert ax.title.get_window_extent().y0 == pytest.approx(plain.title.get_window_extent().y0, abs=3)
    caption = ax.child_axes[0].xaxis.label.get_window_extent()
    assert ax.get_window_extent().y1 < caption.y0 < caption.y1 <= ax.title.get_window_extent().y0


def test_the_title_stands_over_data_and_legend(incomplete_turns):
    """Where it was before the data gave way; a place the user gave it is kept."""
    _, (ax, other) = plt.subplots(2)
    middle = sum(ax.get_window_extent().intervalx) / 2
    for cell in (ax, other):
        ha.plot_waste(incomplete_turns, ax=cell)
    other.title.set_x(0.25)
    drawn(ax)
    texts = (ax.title, ax.child_axes[0].xaxis.label)
    assert [sum(text.get_window_extent().intervalx) / 2 for text in texts] == pytest.approx(
        [middle] * 2, abs=2
    )
    assert other.title.get_position()[0] == 0.25
