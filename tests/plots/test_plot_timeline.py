"""The bars of plot_timeline."""

from __future__ import annotations

import datetime as dt

import pytest
from matplotlib.colors import to_hex
from matplotlib.dates import num2date

from handinger_analytics import plot_timeline
from handinger_analytics.errors import ArgumentError
from tests.plots.handmade import AWKWARD, captions, drawn, legend_labels, turns_of

FOLLOWED_UP = turns_of(
    {
        "seq": 0,
        "started_at": "2026-05-11T09:00+00:00",
        "completed_at": "2026-05-11T09:02+00:00",
        "duration_ms": 120_000,
    },
    {
        "seq": 1,
        "status": "error",
        "started_at": "2026-05-13T10:00+00:00",
        "completed_at": "2026-05-13T10:00:05+00:00",
        "duration_ms": 5_000,
    },
    {"seq": 2, "status": "running", "started_at": "2026-05-13T09:59+00:00", "duration_ms": 0},
)
"""One task: done, followed up two days later, and still at it."""


def spans(ax) -> list[tuple[dt.datetime, dt.datetime]]:
    """Start and end of each bar."""
    return [
        (
            num2date(bar.get_x()).replace(microsecond=0),
            num2date(bar.get_x() + bar.get_width() + 1e-9).replace(microsecond=0),
        )
        for bar in ax.containers[0]
    ]


def row_labels(ax) -> list[str]:
    """Texts along y, from the top."""
    return [tick.get_text() for tick in ax.get_yticklabels()]


def test_each_turn_is_a_bar_from_start_to_end():
    """In the order in which they started, one row each where there is one task."""
    ax = drawn(plot_timeline(FOLLOWED_UP))
    utc = dt.UTC
    assert spans(ax)[0] == (
        dt.datetime(2026, 5, 11, 9, tzinfo=utc),
        dt.datetime(2026, 5, 11, 9, 2, tzinfo=utc),
    )
    assert spans(ax)[2] == (
        dt.datetime(2026, 5, 13, 10, tzinfo=utc),
        dt.datetime(2026, 5, 13, 10, 0, 5, tzinfo=utc),
    )
    assert row_labels(ax) == ["turn 0", "turn 2", "turn 1"]
    assert ax.get_title() == "Title"


def test_a_turn_still_running_is_open_ended():
    """It reaches to the last moment known, is hatched, and ends in an arrow."""
    ax = drawn(plot_timeline(FOLLOWED_UP))
    assert spans(ax)[1][1] == dt.datetime(2026, 5, 13, 10, 0, 5, tzinfo=dt.UTC)
    assert [bar.get_hatch() for bar in ax.containers[0]] == [None, "////", None]
    arrows = ax.collections[-1].get_offsets()
    assert len(arrows) == 1
    assert arrows[0][1] == 1


def test_durations_are_written_beside_the_bars_of_one_task():
    """A bar of seconds in a task of days says how long it took."""
    ax = drawn(plot_timeline(FOLLOWED_UP))
    assert [text.get_text() for text in ax.texts] == ["2 min", "still running", "5 s"]
    right = ax.get_window_extent().x1
    assert all(text.get_window_extent().x1 < right for text in ax.texts)


def test_a_bar_of_seconds_can_be_seen_in_a_task_of_days():
    """Each bar has an edge of its own colour, two points wide."""
    ax = plot_timeline(FOLLOWED_UP)
    done = ax.containers[0][0]
    assert done.get_linewidth() == 2
    assert done.get_edgecolor() == done.get_facecolor()


def test_statuses_have_their_colours():
    """The same in each picture, and named in the legend."""
    ax = plot_timeline(FOLLOWED_UP)
    by_status = {"completed": "#3f90da", "running": "#92dadd", "error": "#bd1f01"}
    assert [to_hex(bar.get_edgecolor()) for bar in ax.containers[0]] == [
        by_status[status] for status in ("completed", "running", "error")
    ]
    assert legend_labels(ax) == ["completed", "error", "running"]


def test_several_tasks_get_a_row_each():
    """Turns of a task share its row and are joined by a line across the gap."""
    turns = turns_of(
        {"task_id": "tsk_b", "task_title": "Second", "started_at": "2026-05-12T09:00+00:00"},
        {"task_id": "tsk_a", "task_title": "First", "started_at": "2026-05-11T09:00+00:00"},
        {"task_id": "tsk_a", "task_title": "First", "started_at": "2026-05-14T09:00+00:00", "seq": 1},
    )
    ax = drawn(plot_timeline(turns))
    assert row_labels(ax) == ["First", "Second"]
    assert [round(bar.get_y() + bar.get_height() / 2) for bar in ax.containers[0]] == [0, 1, 0]
    (first, _) = ax.collections[0].get_segments()
    assert [num2date(x).day for x in first[:, 0]] == [11, 14]


def test_the_last_tasks_are_shown():
    """Of more tasks than asked for, those worked on last, and the title says so."""
    turns = turns_of(
        *({"task_id": f"tsk_{day}", "task_title": None, "started_at": f"2026-05-{day}T09:00+00:00"}
          for day in range(10, 20))
    )  # fmt: skip
    ax = plot_timeline(turns.drop(columns="task_title"), n=3)
    assert row_labels(ax) == ["tsk_17", "tsk_18", "tsk_19"]
    assert ax.get_title() == "Turns of the last 3 of 10 tasks"


def test_a_turn_that_ended_without_saying_when_ends_after_its_duration():
    """An aborted turn without an end is not drawn as running."""
    turns = turns_of({"status": "aborted", "duration_ms": 60_000})
    ax = plot_timeline(turns)
    assert ax.containers[0][0].get_hatch() is None
    assert ax.containers[0][0].get_width() == pytest.approx(60 / 86_400, rel=1e-3)


def test_the_axis_is_on_the_clock_of_the_zone():
    """Nine in UTC is eleven in Madrid in May."""
    ax = drawn(plot_timeline(turns_of({"duration_ms": 60_000}), tz="Europe/Madrid"))
    assert ax.get_xlabel() == "time (Europe/Madrid)"
    assert "11:" in ax.xaxis.get_offset_text().get_text() + ax.get_xticklabels()[1].get_text()


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([], id="no rows"),
        pytest.param([{}], id="one point"),
        pytest.param([{"duration_ms": 0}] * 2, id="all zero"),
        pytest.param([{"status": "pending", "duration_ms": 0, "task_title": None}] * 2, id="all missing"),
        pytest.param([{"status": "paused"}, {"status": "odd"}], id="unknown statuses"),
        pytest.param([{"completed_at": "2026-05-10T09:00+00:00"}], id="ends before it starts"),
    ],
)
def test_odd_frames_give_labelled_axes(rows):
    """Nothing raises or warns, and title and axes say what would be there."""
    ax = drawn(plot_timeline(turns_of(*rows)))
    assert ax.get_title()
    assert ax.get_xlabel() == "time (UTC)"
    assert (len(ax.containers[0]) if rows else ax.texts[0].get_text()) == (len(rows) or "no turns")


@pytest.mark.slow
def test_awkward_titles_are_drawn_literally():
    """As labels of the rows and as the title of a single task."""
    turns = turns_of(*({"task_id": f"tsk_{n}", "task_title": text} for n, text in enumerate(AWKWARD)))
    ax = drawn(plot_timeline(turns))
    assert row_labels(ax)[0] == r"\$\frac{a}{b}\$"
    assert "(empty)" in row_labels(ax)
    for number in range(len(AWKWARD)):
        drawn(plot_timeline(turns.iloc[[number]]))


def test_an_incomplete_fetch_is_said_in_the_picture(incomplete_turns):
    """The caption is that of all plots."""
    assert captions(plot_timeline(incomplete_turns)) == ["incomplete: 12 of 200 tasks not fetched"]


def test_further_keywords_reach_the_bars(turns):
    """They go to Axes.barh."""
    assert plot_timeline(turns, height=0.2).patches[0].get_height() == 0.2


@pytest.mark.parametrize("n", [0, -1, 2.5, True, None])
def test_n_must_be_a_whole_number(n):
    """The message says what was found."""
    with pytest.raises(ArgumentError, match=f"n: expected how many tasks, a whole number from 1, found {n}"):
        plot_timeline(FOLLOWED_UP, n=n)
