"""What holds for every plot: odd frames, awkward text, captions, styles, engines, the Axes in use."""

from __future__ import annotations

import itertools

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.cbook import is_math_text
from matplotlib.colors import to_hex, to_rgb
from matplotlib.text import Text

import handinger_analytics as ha
from handinger_analytics import export_parquet
from handinger_analytics.errors import FrameError
from handinger_analytics.plots.groups import OTHER_COLOUR, PALETTE
from handinger_analytics.text import amount, duration
from tests.plots.handmade import AWKWARD, captions, drawn, turns_of

OPTIONS = {
    "plot_credits_vs_tokens": [{}, {"by": "worker_id"}],
    "plot_durations": [{}, {"by": "worker_id"}],
    "plot_heatmap": [{}, {"measure": "turns"}],
    "plot_pareto": [{}],
    "plot_spend": [{}, {"by": "worker_id"}, {"by": "worker_id", "cumulative": True}],
    "plot_timeline": [{}],
    "plot_tokens": [{}, {"by": "worker_id"}],
    "plot_waste": [{}],
}
EACH = [
    pytest.param(getattr(ha, name), options, id=f"{name} {options}")
    for name, variants in OPTIONS.items()
    for options in variants
]
each_plot = pytest.mark.parametrize(("plot", "options"), EACH)


@each_plot
@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([], id="no rows"),
        pytest.param([{}], id="one point"),
        pytest.param([{"seq": n} for n in range(9)], id="one group"),
        pytest.param(
            [{"credits": 0, "duration_ms": 0, "input_tokens": 0, "output_tokens": 0}] * 3, id="all zero"
        ),
        pytest.param([{"created_by_user_id": None, "task_title": None}] * 2, id="all missing"),
        pytest.param([{"credits": 2**40, "input_tokens": 2**40, "duration_ms": 2**40}], id="huge"),
    ],
)
def test_odd_frames_give_labelled_axes(plot, options, rows):
    """Nothing raises or warns, and title and axes say what would be there."""
    ax = drawn(plot(turns_of(*rows), **options))
    assert ax.get_title()
    assert ax.get_xlabel()
    assert rows or [text.get_text() for text in ax.texts] == ["no turns"]


@pytest.mark.parametrize(
    "name", [name for name, variants in OPTIONS.items() if {"by": "worker_id"} in variants]
)
def test_a_group_may_be_missing(name):
    """Turns without the value are a group of their own, also where none has it."""
    turns = turns_of({"created_by_user_id": None}, {"created_by_user_id": "usr_1", "credits": 5})
    for some, expected in ((turns, ["usr_1", "(none)"]), (turns.head(1), ["(none)"])):
        ax = drawn(getattr(ha, name)(some, by="created_by_user_id"))
        legend = ax.get_legend()
        texts = [t.get_text() for t in (*ax.get_yticklabels(), *(legend.get_texts() if legend else ()))]
        assert set(expected) <= set(texts)


@pytest.mark.slow
@each_plot
def test_awkward_text_is_drawn_literally(plot, options):
    """As a group, as a title, alone and together: drawing warns of nothing and shows no formula."""
    rows = [{"worker_id": text, "task_title": text, "task_id": f"tsk_{n}"} for n, text in enumerate(AWKWARD)]
    for some in (rows, rows[:1], rows[-6:]):
        ax = drawn(plot(turns_of(*some), **options))
        formulas = [text.get_text() for text in ax.findobj(Text) if is_math_text(text.get_text())]
        assert [text for text in formulas if "mathdefault" not in text] == []


@each_plot
def test_an_incomplete_fetch_is_said_in_the_picture(plot, options, incomplete_turns):
    """Within the figure, between title and data."""
    ax = drawn(plot(incomplete_turns, **options))
    assert captions(ax) == ["incomplete: 12 of 200 tasks not fetched"]
    caption, title = ax.child_axes[0].xaxis.label.get_window_extent(), ax.title.get_window_extent()
    assert ax.get_window_extent().y1 < caption.y0 < caption.y1 <= title.y0 < title.y1 <= ax.figure.bbox.y1


@pytest.mark.slow
@each_plot
def test_nothing_is_cut_off(plot, options, turns):
    """Labels, legend and title all lie within the figure."""
    ax = drawn(plot(turns, **options))
    box, figure = ax.get_tightbbox(), ax.figure.bbox
    assert figure.x0 <= box.x0
    assert figure.y0 <= box.y0
    assert box.x1 <= figure.x1
    assert box.y1 <= figure.y1


@pytest.mark.slow
@each_plot
def test_ticks_do_not_overlap(plot, options, turns):
    """Neither along x nor along y, in a figure of the default size."""
    _, ax = plt.subplots(layout="constrained")
    drawn(plot(turns, ax=ax, **options))
    low, high = ax.get_window_extent().x0 - 1, ax.get_window_extent().x1 + 1
    boxes = [tick.get_window_extent() for tick in ax.get_xticklabels() if tick.get_text()]
    boxes = sorted((box.x0, box.x1) for box in boxes if low <= (box.x0 + box.x1) / 2 <= high)
    assert len(boxes) >= 2
    assert all(end < start for (_, end), (start, _) in itertools.pairwise(boxes))


@each_plot
def test_the_given_axes_are_drawn_on(plot, options, few_turns):
    """An Axes is used when given, and never one that happens to be current."""
    _, (current, given) = plt.subplots(2)
    plt.sca(current)
    assert plot(few_turns, ax=given, **options) is given
    assert not current.has_data()
    assert plot(few_turns, **options) not in (current, given)


@pytest.mark.slow
@each_plot
def test_no_style_is_changed_and_none_is_fixed(plot, options, incomplete_turns):
    """The rcParams stay as they are, and no text or line is black on a black ground."""
    with plt.style.context("dark_background"):
        before = dict(mpl.rcParams)
        ax = drawn(plot(incomplete_turns, **options))
        assert dict(mpl.rcParams) == before
        texts = [text for text in ax.findobj(Text) if text.get_text() and text.get_visible()]
        assert min(sum(to_rgb(text.get_color())) for text in texts) > 1
        assert all(to_hex(line.get_color()) != "#000000" for line in ax.lines)


@each_plot
def test_further_keywords_reach_matplotlib(plot, options, few_turns):
    """They go to the method the docstring names; one it does not know is refused there."""
    assert "matplotlib.axes.Axes." in plot.__doc__
    with pytest.raises((AttributeError, TypeError), match="no_such_option"):
        plot(few_turns, no_such_option=1, **options)


@each_plot
def test_the_frame_is_left_alone(plot, options, few_turns):
    """Drawing changes no column, row or attribute of it."""
    before, attrs = few_turns.copy(), dict(few_turns.attrs)
    plot(few_turns, **options)
    pd.testing.assert_frame_equal(few_turns, before)
    assert few_turns.attrs == attrs


@each_plot
@pytest.mark.parametrize("engine", ["polars", pytest.param("duckdb", marks=pytest.mark.slow)])
def test_any_engine_gives_the_same_picture(plot, options, engine, few_turns, tmp_path):
    """The same turns read by another engine are the same artists."""
    library = pytest.importorskip(engine)
    export_parquet(few_turns, tmp_path / "turns.parquet")
    read = {
        "polars": lambda: library.scan_parquet(tmp_path / "turns.parquet"),
        "duckdb": lambda: library.read_parquet(str(tmp_path / "turns.parquet")),
    }
    other, pandas = plot(read[engine](), **options), plot(few_turns, **options)
    assert other.get_title() == pandas.get_title()
    assert _numbers(other) == _numbers(pandas)


def _numbers(ax) -> list[float]:
    boxes = [patch.get_extents() for patch in ax.patches]
    points = [points.get_offsets().data for points in ax.collections]
    lines = [line.get_xydata() for line in ax.lines]
    flat = [np.sort(np.ravel(np.asarray(numbers, dtype=float))) for numbers in (*boxes, *points, *lines)]
    return [round(float(number), 3) for numbers in flat for number in numbers]


def test_a_missing_number_is_refused_before_a_figure_is_opened(turns):
    """The error is that of the metrics, and no empty figure is left behind."""
    turns["credits"] = turns["credits"].astype("Int64").mask(turns.index == 3)
    turns["duration_ms"] = turns["duration_ms"].astype("Int64").mask(turns.index == 3)
    for plot, options in (parameters.values for parameters in EACH if "timeline" not in parameters.id):
        with pytest.raises(FrameError, match=r"missing values: .* in 1 row"):
            plot(turns, **options)
    assert plt.get_fignums() == []


def test_a_worker_keeps_its_colour_across_plots(turns):
    """The biggest spender is blue in each, whatever the plot sorts by."""
    spent = turns.groupby("worker_id")["credits"].sum().sort_values(ascending=False)
    expected = dict(zip(spent.index.str.slice(0, 12), PALETTE, strict=False))

    def colours(handles, labels):
        return {
            label[:12]: to_hex(handle.get_facecolor()) for handle, label in zip(handles, labels, strict=True)
        }

    bars = ha.plot_spend(turns, by="worker_id")
    legend = bars.get_legend()
    assert colours(legend.legend_handles, [text.get_text() for text in legend.get_texts()]) == expected
    boxes = ha.plot_durations(turns, by="worker_id")
    assert colours(boxes.patches, [tick.get_text() for tick in boxes.get_yticklabels()]) == expected
    part = ha.plot_credits_vs_tokens(turns, by="worker_id")
    points = {c.get_label()[:12]: to_hex(c.get_facecolor()[0]) for c in part.collections}
    assert points == expected


def _lab(rgb: np.ndarray) -> np.ndarray:
    """CIE L*a*b* of linear RGB under daylight (IEC 61966-2-1, CIE 15)."""
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = to_xyz @ np.clip(rgb, 0, 1) / np.array([0.9505, 1.0, 1.089])
    f = [np.cbrt(v) if v > 0.008856 else 7.787 * v + 16 / 116 for v in (x, y, z)]
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize(
    "seen",
    [
        pytest.param(np.eye(3), id="normal"),
        pytest.param(
            [[0.3673, 0.8606, -0.2279], [0.2800, 0.6725, 0.0474], [-0.0118, 0.0429, 0.9688]],
            id="deuteranopia",
        ),
        pytest.param(
            [[0.1522, 1.052583, -0.2048], [0.1145, 0.7862, 0.0992], [-0.0038, -0.0481, 1.051998]],
            id="protanopia",
        ),
        pytest.param(
            [[1.255528, -0.0767, -0.1787], [-0.0784, 0.9308, 0.1476], [0.0047, 0.6913, 0.3039]],
            id="tritanopia",
        ),
    ],
)
def test_colour_blind_people_can_tell_the_colours_apart(seen):
    """Any two differ by 12 in CIE L*a*b*, as seen by them (Machado, Oliveira and Fernandes 2009)."""
    colours = []
    for colour in (*PALETTE, OTHER_COLOUR):
        srgb = np.array(to_rgb(colour))
        linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
        colours.append(_lab(np.asarray(seen) @ linear))
    apart = [np.linalg.norm(a - b) for n, a in enumerate(colours) for b in colours[:n]]
    assert min(apart) > 12


@pytest.mark.parametrize(
    ("value", "largest", "expected"),
    [
        (0, None, "0"),
        (950, None, "950"),
        (199_999, None, "199,999"),
        (335_086, None, "335k"),
        (1_250_000, None, "1,250k"),
        (3_410_000, None, "3.41M"),
        (5e9, None, "5B"),
        (50_000, 400_000, "50k"),
        (0, 400_000, "0"),
    ],
)
def test_counts_are_written_short(value, largest, expected):
    """With thousands apart, then in units that fit the largest number beside."""
    assert amount(value, largest) == expected


@pytest.mark.parametrize(
    ("milliseconds", "expected"),
    [
        (0, "0 ms"),
        (999, "999 ms"),
        (59_400, "59.4 s"),
        (59_960, "1 min"),
        (75_000, "1 min 15 s"),
        (3_660_000, "1 h 1 min"),
        (90_000_000, "1 d 1 h"),
    ],
)
def test_durations_are_written_short(milliseconds, expected):
    """In two parts at most."""
    assert duration(milliseconds) == expected
