"""The bars and lines of plot_spend."""

from __future__ import annotations

import datetime as dt
import itertools
from zoneinfo import ZoneInfo

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.dates import num2date

from handinger_analytics import plot_spend
from handinger_analytics.errors import ArgumentError, FrameError
from handinger_analytics.plots.groups import PALETTE
from tests.plots.handmade import AWKWARD, captions, drawn, legend_labels, turns_of

THREE_DAYS = turns_of(
    {"started_at": "2026-05-11T09:00+00:00", "worker_id": "wrk_a", "credits": 30},
    {"started_at": "2026-05-11T23:30+00:00", "worker_id": "wrk_b", "credits": 5},
    {"started_at": "2026-05-13T10:00+00:00", "worker_id": "wrk_b", "credits": 7},
)
"""Two workers; nothing on the 12th; one turn that is on the 12th in Madrid."""


def heights(ax) -> list[list[float]]:
    """Height of each bar, by group."""
    return [[bar.get_height() for bar in bars] for bars in ax.containers]


def days(ax) -> list[dt.date]:
    """Day on which each bar of the first group stands, in UTC."""
    return [num2date(bar.get_x() + bar.get_width() / 2).date() for bar in ax.containers[0]]


def test_each_day_has_a_bar_also_one_without_spend():
    """Heights are the credits of the day, zero on the day between."""
    ax = drawn(plot_spend(THREE_DAYS))
    assert heights(ax) == [[35, 0, 7]]
    assert days(ax) == [dt.date(2026, 5, 11), dt.date(2026, 5, 12), dt.date(2026, 5, 13)]
    assert ax.get_legend() is None


def test_groups_are_stacked_biggest_spender_at_the_bottom():
    """Each group starts where the one below ends, and the legend reads like the stack."""
    ax = drawn(plot_spend(THREE_DAYS, by="worker_id"))
    assert heights(ax) == [[30, 0, 0], [5, 0, 7]]
    assert [bar.get_y() for bar in ax.containers[1]] == [30, 0, 0]
    assert legend_labels(ax) == ["wrk_b", "wrk_a"]
    assert ax.get_legend().get_title().get_text() == "worker_id"


def test_the_time_zone_decides_the_day():
    """Half past eleven at night in UTC is the next day in Madrid, in the bars and on the axis."""
    ax = drawn(plot_spend(THREE_DAYS, by="worker_id", tz="Europe/Madrid"))
    assert heights(ax) == [[30, 0, 0], [0, 5, 7]]
    madrid = ZoneInfo("Europe/Madrid")
    centre = [num2date(b.get_x() + b.get_width() / 2, tz=madrid) for b in ax.containers[0]]
    assert centre[0] == dt.datetime(2026, 5, 11, tzinfo=madrid)
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["11", "12", "13"]
    assert ax.get_xlabel() == "day (Europe/Madrid)"


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        pytest.param("2026-05-11T11:00+00:00", "hour", id="hours"),
        pytest.param("2026-06-20T11:00+00:00", "day", id="days"),
        pytest.param("2027-05-11T11:00+00:00", "week", id="weeks"),
        pytest.param("2031-05-11T11:00+00:00", "month", id="months"),
    ],
)
def test_the_period_follows_the_length_of_the_frame(last, expected):
    """Without freq there are neither two bars nor two hundred."""
    ax = drawn(plot_spend(turns_of({"credits": 3}, {"started_at": last, "credits": 4})))
    assert ax.get_xlabel() == f"{expected} (UTC)"
    assert sum(heights(ax)[0]) == 7


def test_an_asked_period_is_kept():
    """Weeks begin on Monday: the 11th is one."""
    ax = drawn(plot_spend(THREE_DAYS, freq="W"))
    assert heights(ax) == [[42]]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["2026-05-11"]


def test_a_bar_is_as_wide_as_its_month():
    """January and February differ, and neither bar touches the next."""
    turns = turns_of({"started_at": "2026-01-15T09:00+00:00"}, {"started_at": "2026-02-15T09:00+00:00"})
    ax = plot_spend(turns, freq="MS")
    january, february = (bar.get_width() for bar in ax.containers[0])
    assert january / february == pytest.approx(31 / 28)
    assert january < 31


def test_more_than_a_thousand_bars_are_steps(turns):
    """Each group is one shape then; the areas of all hold every credit of the frame."""
    ax = drawn(plot_spend(turns, by="worker_id", freq="h", tz="Europe/Madrid", alpha=0.5))
    assert ax.containers == []
    assert len(ax.collections) == turns["worker_id"].nunique() == len(legend_labels(ax))
    area = sum(_area(path.vertices) for shape in ax.collections for path in shape.get_paths())
    assert area * 24 == pytest.approx(turns["credits"].sum())
    assert {shape.get_alpha() for shape in ax.collections} == {0.5}


def test_bars_narrower_than_a_pixel_can_be_seen():
    """Of 1,441 hours, each in which something was spent has the colour of its group up to its top."""
    days = [dt.datetime(2026, 5, 1, tzinfo=dt.UTC) + dt.timedelta(days=n) for n in range(61)]
    ax = drawn(
        plot_spend(turns_of(*({"started_at": day.isoformat("T", "minutes")} for day in days)), freq="h")
    )
    ax.figure.canvas.draw()
    rgb = np.asarray(ax.figure.canvas.buffer_rgba())[::-1, :, :3].astype(int)
    ours = np.array([int(PALETTE[0][place : place + 2], 16) for place in (1, 3, 5)])
    for path in ax.collections[0].get_paths():
        x, y = ax.transData.transform((path.vertices[:, 0].mean(), 0.9)).astype(int)
        assert np.abs(rgb[y, x - 1 : x + 2] - ours).sum(axis=1).min() < 150
    assert len(ax.collections[0].get_paths()) == 61


def _area(corners: np.ndarray) -> float:
    """Area of a polygon, by the shoelace formula."""
    x, y = corners.T - corners.min(axis=0)[:, None]
    return abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2


def test_nine_groups_become_eight_and_other():
    """The ninth is grey, the total stays whole."""
    turns = turns_of(*({"worker_id": f"wrk_{n}", "credits": n} for n in range(1, 11)))
    ax = drawn(plot_spend(turns, by="worker_id"))
    assert legend_labels(ax) == ["other (2)", *(f"wrk_{n}" for n in range(3, 11))]
    assert sum(sum(group) for group in heights(ax)) == 55
    assert heights(ax)[-1] == [1 + 2]
    assert to_hex(ax.containers[-1][0].get_facecolor()) == "#94a4a2"


def test_eight_groups_need_no_other():
    """Eight is not past eight."""
    ax = plot_spend(turns_of(*({"worker_id": f"wrk_{n}"} for n in range(8))), by="worker_id")
    assert legend_labels(ax) == [f"wrk_{n}" for n in reversed(range(8))]


def test_cumulative_lines_end_at_what_was_spent():
    """One line per group and one for the total, each never falling."""
    ax = drawn(plot_spend(THREE_DAYS, by="worker_id", cumulative=True))
    assert [line.get_ydata().tolist() for line in ax.lines] == [[30, 30, 30], [5, 5, 12], [35, 35, 42]]
    assert legend_labels(ax) == ["total", "wrk_b", "wrk_a"]


def test_the_limit_is_a_line_with_its_amount():
    """It is drawn within the Axes also where nothing comes near it."""
    ax = drawn(plot_spend(THREE_DAYS, limit=50_000))
    assert ax.lines[0].get_ydata() == [50_000, 50_000]
    assert legend_labels(ax)[0] == "limit 50,000"
    assert ax.get_ylim()[1] > 50_000


@pytest.mark.parametrize("limit", [0, -1, float("nan"), float("inf"), True])
def test_a_limit_must_be_a_positive_number(limit):
    """The message says what was found."""
    with pytest.raises(ArgumentError, match=f"limit: expected credits, a number above 0, found {limit}"):
        plot_spend(THREE_DAYS, limit=limit)


def test_no_bar_reaches_the_edge():
    """There is room above the tallest stack."""
    ax = drawn(plot_spend(THREE_DAYS, by="worker_id"))
    assert ax.get_ylim()[0] == 0
    assert 35 < ax.get_ylim()[1] < 40


def test_the_parts_add_up_to_what_was_fetched(turns):
    """Whatever the grouping and the zone, the bars hold every credit of the frame."""
    for by in (None, "worker_id", "task_title", "status", ["worker_id", "status"], "created_by_user_id"):
        ax = plot_spend(turns, by=by, freq="W", tz="America/St_Johns")
        assert sum(sum(group) for group in heights(ax)) == turns["credits"].sum()
        assert f"{turns['credits'].sum():,} in all" in ax.get_title()


def test_the_legend_stands_beside_the_bars(turns):
    """Nothing of it lies over the data or outside the figure."""
    ax = drawn(plot_spend(turns, by="task_title"))
    legend, data = ax.get_legend().get_window_extent(), ax.get_window_extent()
    assert legend.x0 >= data.x1
    assert legend.x1 <= ax.figure.bbox.x1


def test_dates_do_not_overlap(turns):
    """Tick labels along x keep apart, in a small Axes too."""
    figure, axes = plt.subplots(2, 2, layout="constrained")
    for freq, ax in zip(("h", "D", "W", "MS"), axes.flat, strict=True):
        plot_spend(turns, freq=freq, ax=ax)
    figure.canvas.draw()
    for ax in axes.flat:
        boxes = [tick.get_window_extent() for tick in ax.get_xticklabels() if tick.get_text()]
        assert len(boxes) >= 2
        assert all(left.x1 < right.x0 for left, right in itertools.pairwise(boxes))


@pytest.mark.parametrize("cumulative", [False, True])
@pytest.mark.parametrize(
    ("rows", "total"),
    [
        pytest.param([], 0, id="no rows"),
        pytest.param([{"credits": 8}], 8, id="one point"),
        pytest.param([{"credits": 0}, {"credits": 0, "worker_id": "wrk_b"}], 0, id="all zero"),
        pytest.param([{"worker_id": None, "credits": 5}], 5, id="all missing"),
    ],
)
def test_odd_frames_give_labelled_axes(rows, total, cumulative):
    """Nothing raises or warns, and title and axes say what would be there."""
    ax = drawn(plot_spend(turns_of(*rows), by="worker_id", cumulative=cumulative))
    assert f"{total} in all" in ax.get_title()
    assert ax.get_ylabel() == "credits"
    assert "(UTC)" in ax.get_xlabel()
    assert [text.get_text() for text in ax.texts] == ([] if rows else ["no turns"])


def test_awkward_groups_are_drawn_literally():
    """Each title is in the legend, none as a formula, and drawing warns of nothing."""
    turns = turns_of(*({"task_title": text, "credits": 100 - n} for n, text in enumerate(AWKWARD)))
    first = drawn(plot_spend(turns, by="task_title"))
    assert r"\$\frac{a}{b}\$" in legend_labels(first)
    assert "(empty)" in legend_labels(first)
    rest = drawn(plot_spend(turns.tail(6), by="task_title"))
    assert "_hidden" in legend_labels(rest)


def test_an_incomplete_fetch_is_said_in_the_picture(incomplete_turns):
    """Between title and data, and within the figure, whatever the title is set to later."""
    ax = plot_spend(incomplete_turns, by="worker_id")
    ax.set_title("My own title")
    drawn(ax)
    assert captions(ax) == ["incomplete: 12 of 200 tasks not fetched"]
    caption = ax.child_axes[0].xaxis.label.get_window_extent()
    assert ax.get_window_extent().y1 < caption.y0
    assert caption.y1 <= ax.title.get_window_extent().y0
    assert ax.title.get_window_extent().y1 <= ax.figure.bbox.y1


def test_an_interrupted_fetch_is_said_in_the_picture(turns):
    """Nothing went wrong, but not everything is there."""
    turns.attrs["handinger"] = {"requested": 200, "failed": 0, "complete": False}
    assert captions(plot_spend(turns)) == ["incomplete: not all of the tasks were fetched"]


def test_a_complete_fetch_has_no_caption(turns):
    """A picture of everything needs no remark."""
    assert captions(plot_spend(turns)) == []


def test_the_given_axes_are_drawn_on():
    """An Axes is used when given, and never one that happens to be current."""
    figure, (first, second) = plt.subplots(2)
    plt.sca(first)
    assert plot_spend(THREE_DAYS, ax=second) is second
    assert not first.has_data()
    assert plot_spend(THREE_DAYS).figure is not figure


def test_further_keywords_reach_the_bars_or_lines():
    """They go to Axes.bar, or Axes.plot for lines, and win over the defaults."""
    bars = plot_spend(THREE_DAYS, hatch="/", color="#123456")
    assert bars.patches[0].get_hatch() == "/"
    assert to_hex(bars.patches[0].get_facecolor()) == "#123456"
    lines = plot_spend(THREE_DAYS, cumulative=True, linestyle=":")
    assert lines.lines[0].get_linestyle() == ":"


def test_a_dark_style_is_followed():
    """The limit is drawn in the style's text colour."""
    with plt.style.context("dark_background"):
        ax = plot_spend(THREE_DAYS, limit=10)
        assert to_hex(ax.lines[0].get_color()) == "#ffffff"
        assert to_hex(ax.patches[0].get_edgecolor()) == "#000000"


def test_a_style_is_left_as_it_was():
    """No rcParam is changed by drawing."""
    before = dict(plt.rcParams)
    plot_spend(THREE_DAYS, by="worker_id", limit=3)
    assert dict(plt.rcParams) == before


@pytest.mark.parametrize("engine", ["polars", "duckdb", "pyarrow"])
def test_any_engine_is_drawn_alike(engine):
    """The same turns in another engine give the same bars."""
    library = pytest.importorskip(engine)
    frame = THREE_DAYS.drop(columns="files")
    if engine == "polars":
        other = library.from_pandas(frame).lazy()
    elif engine == "duckdb":
        other = library.from_df(frame.astype({name: "str" for name in ("role", "status", "triggered_by")}))
    else:
        other = library.Table.from_pandas(frame)
    assert heights(plot_spend(other, by="worker_id")) == [[30, 0, 0], [5, 0, 7]]


def test_what_spend_refuses_is_refused():
    """An unknown column and times without a zone raise the errors of spend."""
    with pytest.raises(FrameError, match="no column 'nope'"):
        plot_spend(THREE_DAYS, by="nope")
    naive = THREE_DAYS.assign(started_at=THREE_DAYS["started_at"].dt.tz_localize(None))
    with pytest.raises(FrameError, match="'started_at' has no time zone"):
        plot_spend(naive)


def test_clocks_that_change_keep_the_days_apart():
    """Madrid's 25-hour day is one bar, an hour wider."""
    turns = turns_of({"started_at": "2026-10-24T10:00+00:00"}, {"started_at": "2026-10-26T10:00+00:00"})
    widths = [bar.get_width() for bar in plot_spend(turns, tz="Europe/Madrid", freq="D").containers[0]]
    assert np.allclose(np.array(widths) / widths[0], [1, 25 / 24, 1])
