"""What plot_tokens, plot_durations, plot_credits_vs_tokens, plot_heatmap, plot_pareto and plot_waste draw."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from handinger_analytics import (
    plot_credits_vs_tokens,
    plot_durations,
    plot_heatmap,
    plot_pareto,
    plot_tokens,
    plot_waste,
)
from handinger_analytics.errors import ArgumentError
from tests.plots.handmade import drawn, legend_labels, turns_of

WORK = turns_of(
    {"worker_id": "wrk_a", "task_id": "tsk_1", "credits": 30, "input_tokens": 100, "output_tokens": 20},
    {"worker_id": "wrk_a", "task_id": "tsk_2", "credits": 10, "input_tokens": 50, "status": "error"},
    {"worker_id": "wrk_b", "task_id": "tsk_3", "credits": 8, "output_tokens": 7, "status": "aborted",
     "started_at": "2026-05-12T23:30+00:00"},
    {"worker_id": "wrk_b", "task_id": "tsk_3", "credits": 0, "status": "running", "duration_ms": 0,
     "started_at": "2026-05-13T10:00+00:00"},
)  # fmt: skip
"""Two workers, three tasks, 48 credits; every number a test expects follows from these rows."""


def widths(ax) -> list[list[float]]:
    """Length of each horizontal bar, by group."""
    return [[bar.get_width() for bar in bars] for bars in ax.containers]


def heights(ax) -> list[list[float]]:
    """Height of each bar, by group."""
    return [[bar.get_height() for bar in bars] for bars in ax.containers]


def rows_of(ax) -> list[str]:
    """Texts along y."""
    return [tick.get_text() for tick in ax.get_yticklabels()]


def test_tokens_over_time_are_back_to_back():
    """Read tokens stand above zero, written ones hang below; both are written as amounts."""
    ax = drawn(plot_tokens(WORK, freq="D"))
    assert heights(ax) == [[-25, -7, -5], [150, 10, 10]]
    assert legend_labels(ax) == ["read", "written"]
    assert [tick.get_text() for tick in ax.get_yticklabels()][:3] == ["50", "25", "0"]
    assert ax.get_title() == "Tokens: 170 read, 37 written"


def test_tokens_by_worker_have_a_row_each():
    """The biggest spender comes first, however many tokens it used."""
    ax = drawn(plot_tokens(WORK, by="worker_id"))
    assert widths(ax) == [[-25, -12], [150, 20]]
    assert rows_of(ax) == ["wrk_a", "wrk_b"]


def test_tokens_of_folded_workers_are_added_up():
    """Nothing is lost past eight."""
    ax = plot_tokens(turns_of(*({"worker_id": f"wrk_{n:02}"} for n in range(11))), by="worker_id")
    assert widths(ax)[1] == [10] * 8 + [30]
    assert rows_of(ax)[-1] == "other (3)"


def test_tokens_are_by_group_or_by_period():
    """Asking for both is refused."""
    with pytest.raises(ArgumentError, match="groups or periods, not both"):
        plot_tokens(WORK, by="worker_id", freq="D")


def test_durations_are_all_in_the_histogram():
    """Also one of 0 ms, left of the others at the tick 0; median and 95th percentile are marked."""
    ax = drawn(plot_durations(WORK))
    assert sum(bar.get_height() for bar in ax.patches) == 4
    assert ax.get_xscale() == "log"
    assert ax.get_xticklabels()[0].get_text() == "0"
    # By definition 7 of Hyndman and Fan: 0, 1000, 1000, 1000 ms.
    assert legend_labels(ax) == ["p50 1 s", "p95 1 s"]
    assert [line.get_xdata()[0] for line in ax.lines] == [1000, 1000]


def test_a_percentile_lies_between_the_turns():
    """The 95th percentile of 1, 2, ..., 21 seconds is 20 seconds, the median 11."""
    ax = plot_durations(turns_of(*({"duration_ms": 1000 * n} for n in range(1, 22))))
    assert [line.get_xdata()[0] for line in ax.lines] == [11_000, 20_000]
    assert legend_labels(ax) == ["p50 11 s", "p95 20 s"]


def test_durations_by_worker_are_boxes():
    """A box per worker in its colour, with median and a diamond at the 95th percentile."""
    turns = turns_of(
        *({"worker_id": "wrk_b", "duration_ms": 1000 * n} for n in range(1, 22)),
        *({"worker_id": "wrk_a", "duration_ms": 60_000, "credits": 100} for _ in range(3)),
    )
    ax = drawn(plot_durations(turns, by="worker_id"))
    assert rows_of(ax) == ["wrk_a", "wrk_b"]
    assert [to_hex(box.get_facecolor()) for box in ax.patches] == ["#3f90da", "#ffa90e"]
    assert sorted(ax.collections[0].get_offsets().tolist()) == [[20_000, 1], [60_000, 0]]


def test_folded_workers_share_a_box():
    """The 95th percentile of the others is that of all their turns together."""
    turns = turns_of(
        *({"worker_id": f"wrk_{n}", "credits": 100} for n in range(8)),
        *({"worker_id": f"small_{n}", "duration_ms": 1000 * n} for n in range(1, 22)),
    )
    ax = plot_durations(turns, by="worker_id")
    assert rows_of(ax)[-1] == "other (21)"
    assert [20_000, 8] in ax.collections[0].get_offsets().tolist()


def test_each_turn_is_a_point():
    """At its tokens, read and written, and its credits; what is zero lies at the tick 0."""
    ax = drawn(plot_credits_vs_tokens(WORK))
    assert sorted(ax.collections[0].get_offsets().tolist()) == [[15, 0.5], [17, 8], [55, 10], [120, 30]]
    assert ax.get_yticklabels()[0].get_text() == "0"
    assert ax.get_xticklabels()[0].get_text() != "0"


def test_points_are_coloured_by_group():
    """Each group is a collection with its own colour and an entry in the legend."""
    ax = plot_credits_vs_tokens(WORK, by="worker_id")
    assert [len(points.get_offsets()) for points in ax.collections] == [2, 2]
    assert [to_hex(points.get_facecolor()[0]) for points in ax.collections] == ["#ffa90e", "#3f90da"]
    assert legend_labels(ax) == ["wrk_a", "wrk_b"]


def test_past_five_thousand_turns_are_counted_in_hexagons():
    """Every turn is in one of them; with groups they stay points."""
    many = pd.concat([WORK] * 1251, ignore_index=True)
    ax = drawn(plot_credits_vs_tokens(many))
    assert ax.collections[0].get_array().sum() == 5004
    assert ax.collections[0].colorbar.ax.get_ylabel() == "turns"
    by_worker = plot_credits_vs_tokens(many, by="worker_id")
    assert sum(len(points.get_offsets()) for points in by_worker.collections) == 5004


def test_five_thousand_turns_are_points():
    """Five thousand is not past five thousand."""
    ax = plot_credits_vs_tokens(pd.concat([WORK] * 1250, ignore_index=True))
    assert len(ax.collections[0].get_offsets()) == 5000


def test_the_week_is_on_the_clock_of_the_zone():
    """Half past eleven on Tuesday night in UTC is Wednesday, one o'clock, in Madrid."""
    for tz, weekday, hour in (("UTC", 1, 23), ("Europe/Madrid", 2, 1)):
        ax = drawn(plot_heatmap(WORK, tz=tz))
        week = ax.collections[0].get_array()
        assert week.shape == (7, 24)
        assert week[weekday, hour] == 8
        assert week.sum() == 48
        assert ax.get_xlabel() == f"hour ({tz})"
    assert rows_of(ax) == ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]


def test_turns_can_be_counted_by_hour():
    """Two turns started on Monday at nine."""
    week = plot_heatmap(WORK, measure="turns").collections[0].get_array()
    assert week[0, 9] == 2
    assert week.sum() == 4


def test_the_week_needs_a_known_measure():
    """The message names those there are."""
    with pytest.raises(ArgumentError, match="expected 'credits' or 'turns', found 'tokens'"):
        plot_heatmap(WORK, measure="tokens")


def test_the_bars_of_tasks_add_up_to_the_spend():
    """The most expensive first, with the share down to each; the others as one grey bar."""
    ax = drawn(plot_pareto(WORK, n=2))
    assert widths(ax) == [[30, 10, 8]]
    assert rows_of(ax) == ["Title", "Title", "1 other task"]
    assert [text.get_text() for text in ax.texts] == ["62%", "83%", "100%"]
    assert ax.get_title() == "2 of 3 tasks make up 83% of 48 credits"
    assert to_hex(ax.patches[-1].get_facecolor()) == "#94a4a2"


def test_all_tasks_leave_no_others():
    """A frame of few tasks shows them all."""
    ax = plot_pareto(WORK.drop(columns="task_title"))
    assert widths(ax) == [[30, 10, 8]]
    assert rows_of(ax) == ["tsk_1", "tsk_2", "tsk_3"]


def test_waste_is_by_worker_and_status():
    """What was wasted starts at zero; its share of the worker's credits stands beside the bar."""
    ax = drawn(plot_waste(WORK))
    assert rows_of(ax) == ["wrk_a", "wrk_b"]
    assert [bars.get_label() for bars in ax.containers] == ["error", "aborted", "running", "completed"]
    assert widths(ax) == [[10, 0], [0, 8], [0, 0], [30, 0]]
    assert [bar.get_x() for bar in ax.containers[3]] == [10, 8]
    assert [text.get_text() for text in ax.texts] == ["25%", "100%"]
    assert ax.get_title() == "18 of 48 credits wasted"


@pytest.mark.parametrize("by", ["triggered_by", "status", ["worker_id", "role"]])
def test_waste_adds_up_to_the_spend(turns, by):
    """By any column, every credit of the frame is in a bar."""
    ax = drawn(plot_waste(turns, by=by))
    assert np.sum(widths(ax)) == turns["credits"].sum()


@pytest.mark.parametrize("options", [{}, {"by": "worker_id"}])
@pytest.mark.parametrize(
    "milliseconds",
    [
        pytest.param([26_000], id="one turn"),
        pytest.param([26_000] * 3, id="all alike"),
        pytest.param([25_000, 29_000], id="nearly alike"),
        pytest.param([2], id="milliseconds"),
        pytest.param([3_000_000_000], id="month"),
    ],
)
def test_durations_that_hardly_differ_can_be_read(milliseconds, options):
    """There are two ticks at least, and a bar does not fill the picture."""
    ax = drawn(plot_durations(turns_of(*[{"duration_ms": ms} for ms in milliseconds]), **options))
    low, high = ax.get_xlim()
    assert len([tick for tick in ax.get_xticks() if low <= tick <= high]) >= 2
    assert high / low >= 9


@pytest.mark.parametrize("numbers", [{}, {"credits": 81, "input_tokens": 12_945}, {"credits": 100}])
def test_turns_that_are_alike_can_be_read(numbers):
    """Each axis has two ticks at least."""
    ax = drawn(plot_credits_vs_tokens(turns_of(numbers, numbers)))
    for axis in (ax.xaxis, ax.yaxis):
        low, high = axis.get_view_interval()
        assert len([tick for tick in axis.get_majorticklocs() if low <= tick <= high]) >= 2


def test_other_groups_lie_below():
    """The biggest spender is drawn over all others, the folded ones under all."""
    turns = turns_of(*[{"worker_id": f"wrk_{n}", "credits": 100 - n} for n in range(10)])
    points = drawn(plot_credits_vs_tokens(turns, by="worker_id")).collections
    assert [c.get_label() for c in points][:2] == ["other (2)", "wrk_7"]
    assert points[-1].get_label() == "wrk_0"


def test_one_is_written_in_the_singular():
    """Of turns and of tasks."""
    one = turns_of({"credits": 7})
    titles = [plot(one).get_title() for plot in (plot_durations, plot_credits_vs_tokens, plot_pareto)]
    assert titles == [
        "Duration of 1 turn",
        "Credits against tokens, 1 turn",
        "1 of 1 task makes up 100% of 7 credits",
    ]
