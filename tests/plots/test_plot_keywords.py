"""Keywords for Matplotlib: by any of its names, against ours, and refused ones."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from handmade import drawn, turns_of
from matplotlib.colors import LogNorm, to_hex

from handinger_analytics import plots
from handinger_analytics.errors import FrameError

FEW = turns_of({"credits": 2, "worker_id": "wrk_b"}, {"credits": 5}, {"credits": 1, "status": "error"})
ALL = {
    "plot_budget": {"limit": 50, "as_of": "2026-05-20T00:00+00:00"},
    "plot_credits_vs_tokens": {},
    "plot_dashboard": {},
    "plot_durations": {},
    "plot_heatmap": {},
    "plot_pareto": {},
    "plot_spend": {},
    "plot_timeline": {},
    "plot_tokens": {},
    "plot_waste": {},
}


@pytest.mark.parametrize(
    "name", ["plot_spend", "plot_durations", "plot_timeline", "plot_waste", "plot_tokens"]
)
def test_short_names_reach_the_bars(name):
    """The width and the colour of edges, by the names that Matplotlib abbreviates them to."""
    ax = drawn(getattr(plots, name)(FEW, lw=3, ec="#123456"))
    bar = ax.patches[0]
    assert (bar.get_linewidth(), to_hex(bar.get_edgecolor())) == (3, "#123456")


@pytest.mark.parametrize(
    ("name", "options"), [("plot_budget", ALL["plot_budget"]), ("plot_spend", {"cumulative": True})]
)
def test_short_names_reach_the_lines(name, options):
    """Width and colour of a line."""
    line = drawn(getattr(plots, name)(FEW, lw=3, c="#123456", **options)).lines[0]
    assert (line.get_linewidth(), to_hex(line.get_color())) == (3, "#123456")


@pytest.mark.parametrize("colour", ["c", "color", "fc"])
def test_short_names_reach_the_points(colour):
    """Width and colour of their edges, and the colour that fills them."""
    points = drawn(plots.plot_credits_vs_tokens(FEW, lw=3, ec="#123456", **{colour: "#654321"})).collections[
        0
    ]
    assert points.get_linewidth().tolist() == [3]
    if colour != "color":
        assert to_hex(points.get_edgecolor()[0]) == "#123456"
    assert to_hex(points.get_facecolor()[0]) == "#654321"


def test_short_names_reach_the_hours_of_the_week():
    """Width and colour of the lines between them."""
    mesh = drawn(plots.plot_heatmap(FEW, lw=3, ec="#123456")).collections[0]
    assert (mesh.get_linewidth().tolist(), to_hex(mesh.get_edgecolor()[0])) == ([3], "#123456")


def test_a_scale_of_colours_replaces_ours(turns):
    """For the hours of the week and for hexagons, also with limits of its own."""
    norm = LogNorm(2, 300)
    assert drawn(plots.plot_heatmap(turns, norm=norm)).collections[0].norm is norm
    many = turns_of(*[{"input_tokens": n} for n in range(5001)])
    assert drawn(plots.plot_credits_vs_tokens(many, norm=norm)).collections[0].norm is norm
    assert drawn(plots.plot_heatmap(turns, vmax=9)).collections[0].get_clim() == (0, 9)


def test_boxes_may_be_lines():
    """They have the colours of their groups then."""
    ax = drawn(plots.plot_durations(FEW, by="worker_id", patch_artist=False))
    assert to_hex(ax.lines[0].get_color()) == plots.groups.PALETTE[0]


@pytest.mark.parametrize(
    ("name", "keyword"),
    [("plot_spend", "bottom"), ("plot_waste", "left"), ("plot_timeline", "left"), ("plot_pareto", "width")],
)
def test_the_data_decide_where_they_stand(name, keyword):
    """A keyword that would move them is refused by its name."""
    with pytest.raises(FrameError, match=f"^{keyword}: the data decide it, found 3; leave it out$"):
        getattr(plots, name)(FEW, **{keyword: 3})
    assert plt.get_fignums() == []


@pytest.mark.parametrize("name", ALL)
def test_a_refused_keyword_leaves_no_figure(name):
    """Whatever refused it; a figure that was there before stays."""
    mine = plt.figure()
    with pytest.raises((AttributeError, TypeError), match="nope"):
        getattr(plots, name)(FEW, nope=1, **ALL[name])
    assert plt.get_fignums() == [mine.number]


def test_numpy_numbers_are_numbers():
    """As a count of tasks and as a budget."""
    assert len(plots.plot_timeline(FEW, n=np.int64(5)).patches) == 3
    plots.plot_spend(FEW, budget=np.float32(9))


def test_a_budget_of_text_is_refused():
    """By an error that says what was found."""
    with pytest.raises(FrameError, match="budget: expected credits, a number above 0, found '3'"):
        plots.plot_spend(FEW, budget="3")
