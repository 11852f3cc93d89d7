"""Keywords for Matplotlib: by any of its names, against ours, and refused ones."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import LogNorm, to_hex

import handinger_analytics as ha
from handinger_analytics.errors import ArgumentError
from handinger_analytics.plots.groups import PALETTE
from tests.plots.handmade import drawn, legend_labels, turns_of

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
    ax = drawn(getattr(ha, name)(FEW, lw=3, ec="#123456"))
    bar = ax.patches[0]
    assert (bar.get_linewidth(), to_hex(bar.get_edgecolor())) == (3, "#123456")


@pytest.mark.parametrize(
    ("name", "options"), [("plot_budget", ALL["plot_budget"]), ("plot_spend", {"cumulative": True})]
)
def test_short_names_reach_the_lines(name, options):
    """Width and colour of a line."""
    line = drawn(getattr(ha, name)(FEW, lw=3, c="#123456", **options)).lines[0]
    assert (line.get_linewidth(), to_hex(line.get_color())) == (3, "#123456")


@pytest.mark.parametrize("colour", ["c", "color", "fc"])
def test_short_names_reach_the_points(colour):
    """Width and colour of their edges, and the colour that fills them."""
    points = drawn(ha.plot_credits_vs_tokens(FEW, lw=3, ec="#123456", **{colour: "#654321"})).collections[0]
    assert points.get_linewidth().tolist() == [3]
    if colour != "color":
        assert to_hex(points.get_edgecolor()[0]) == "#123456"
    assert to_hex(points.get_facecolor()[0]) == "#654321"


def test_short_names_reach_the_hours_of_the_week():
    """Width and colour of the lines between them."""
    mesh = drawn(ha.plot_heatmap(FEW, lw=3, ec="#123456")).collections[0]
    assert (mesh.get_linewidth().tolist(), to_hex(mesh.get_edgecolor()[0])) == ([3], "#123456")


def test_a_scale_of_colours_replaces_ours(turns):
    """For the hours of the week and for hexagons, also with limits of its own."""
    norm = LogNorm(2, 300)
    assert drawn(ha.plot_heatmap(turns, norm=norm)).collections[0].norm is norm
    many = turns_of(*[{"input_tokens": n} for n in range(5001)])
    assert drawn(ha.plot_credits_vs_tokens(many, norm=norm)).collections[0].norm is norm
    assert drawn(ha.plot_heatmap(turns, vmax=9)).collections[0].get_clim() == (0, 9)


VARIANTS = [(name, options) for name, options in ALL.items() if name != "plot_dashboard"] + [
    ("plot_credits_vs_tokens", {"by": "worker_id"}),
    ("plot_durations", {"by": "worker_id"}),
    ("plot_spend", {"by": "worker_id"}),
    ("plot_spend", {"by": "worker_id", "cumulative": True}),
    ("plot_spend", {"cumulative": True}),
    ("plot_tokens", {"by": "worker_id"}),
]
COMMON = {"lw": 3, "linewidth": 3, "c": "#123456", "color": "#123456", "alpha": 0.3, "zorder": 7}


@pytest.mark.parametrize("keyword", COMMON)
@pytest.mark.parametrize(("name", "options"), VARIANTS, ids=[f"{n} {o}" for n, o in VARIANTS])
def test_what_every_artist_has_may_be_set_in_every_plot(name, options, keyword):
    """By the usual spellings, with and without groups; the data have it in the picture."""
    ax = getattr(ha, name)(FEW, **{keyword: COMMON[keyword]}, **options)
    is_line = name == "plot_budget" or "cumulative" in options
    artist = (ax.lines if is_line else ax.patches or ax.collections)[0]
    asked = {"lw": "linewidth", "c": "color"}.get(keyword, keyword)
    if asked == "color" and not is_line:
        asked = "edgecolor" if name == "plot_heatmap" else "facecolor"
    found = getattr(artist, f"get_{asked}")()
    found = found[0] if np.ndim(found) == (2 if "color" in asked else 1) and len(found) else found
    assert (to_hex(found) if "color" in asked else found) == COMMON[keyword]


def test_boxes_have_the_look_asked_for():
    """Properties of shapes are those of the boxes, a width that of all their lines."""
    ax = drawn(ha.plot_durations(FEW, by="worker_id", lw=3, fc="#123456", ls="--", hatch="//"))
    assert [to_hex(box.get_facecolor()) for box in ax.patches] == ["#123456"] * 2
    assert {(box.get_linewidth(), box.get_linestyle(), box.get_hatch()) for box in ax.patches} == {
        (3, "--", "//")
    }
    assert {line.get_linewidth() for line in ax.lines if len(line.get_xdata())} == {3}


def test_parts_of_boxes_have_the_look_asked_for():
    """In the spelling of the user, who keeps the dict."""
    box, median = {"fc": "#123456"}, {"lw": 4, "c": "#654321"}
    ax = drawn(ha.plot_durations(FEW, by="worker_id", lw=3, boxprops=box, medianprops=median))
    assert [to_hex(box.get_facecolor()) for box in ax.patches] == ["#123456"] * 2
    medians = [line for line in ax.lines if to_hex(line.get_color()) == "#654321"]
    assert [line.get_linewidth() for line in medians] == [4, 4]
    assert (box, median) == ({"fc": "#123456"}, {"lw": 4, "c": "#654321"})


def test_boxes_may_be_left_out():
    """Only medians and whiskers are there then."""
    assert not drawn(ha.plot_durations(FEW, by="worker_id", showbox=False)).patches


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("plot_budget", ALL["plot_budget"], "mine"),
        ("plot_durations", {}, "mine"),
        ("plot_durations", {"by": "worker_id"}, "mine"),
        ("plot_spend", {"limit": 9}, "mine"),
        ("plot_spend", {"limit": 9, "cumulative": True}, "mine"),
    ],
)
def test_a_label_stands_in_the_legend(name, options, expected):
    """Where the plot has one and the label is that of all data."""
    assert expected in legend_labels(drawn(getattr(ha, name)(FEW, label="mine", **options)))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("plot_credits_vs_tokens", {"by": "worker_id"}),
        ("plot_spend", {"by": "worker_id"}),
        ("plot_spend", {"by": "worker_id", "cumulative": True}),
        ("plot_spend", {"by": "turn_id", "freq": "h"}),
        ("plot_timeline", {}),
        ("plot_tokens", {}),
        ("plot_tokens", {"by": "worker_id"}),
        ("plot_waste", {}),
    ],
)
def test_groups_have_labels_of_their_own(name, options):
    """One text for all of them is refused."""
    turns = turns_of({}, {"started_at": "2026-07-11T09:00+00:00"})
    message = r"^label: expected no value, since the plot takes it from the data, found 'mine'; leave it out$"
    with pytest.raises(ArgumentError, match=message):
        getattr(ha, name)(turns, label="mine", **options)


def test_the_spend_has_a_name_beside_its_limit():
    """The legend has no entry without a text."""
    assert legend_labels(drawn(ha.plot_spend(FEW, limit=9))) == ["limit 9", "credits"]


def test_a_timeline_has_the_colours_asked_for():
    """Bars, the arrow of one without an end, and legend alike; what is open stays hatched."""
    turns = turns_of({"completed_at": "2026-05-11T09:09+00:00"}, {"status": "running"})
    ax = drawn(ha.plot_timeline(turns, color="#123456", alpha=0.5, lw=4))
    done, still = ax.patches
    assert {to_hex(colour) for colour in (done.get_facecolor(), done.get_edgecolor())} == {"#123456"}
    assert to_hex(still.get_edgecolor()) == "#123456"
    assert (still.get_hatch(), still.get_linewidth()) == ("////", 4)
    arrow = ax.collections[-1].get_facecolor()[0]
    assert (to_hex(arrow), arrow[3]) == ("#123456", 0.5)
    handles = ax.get_legend().legend_handles
    assert {to_hex(handle.get_edgecolor(), keep_alpha=True) for handle in handles} == {"#12345680"}


def test_boxes_may_be_lines():
    """They have the colours of their groups then."""
    ax = drawn(ha.plot_durations(FEW, by="worker_id", patch_artist=False))
    assert to_hex(ax.lines[0].get_color()) == PALETTE[0]


@pytest.mark.parametrize(
    ("name", "keyword"),
    [
        ("plot_spend", "bottom"),
        ("plot_waste", "left"),
        ("plot_timeline", "left"),
        ("plot_pareto", "width"),
        ("plot_durations", "x"),
    ],
)
def test_the_data_decide_where_they_stand(name, keyword):
    """A keyword that would move them is refused by its name."""
    message = f"^{keyword}: expected no value, since the plot takes it from the data, found 3; leave it out$"
    with pytest.raises(ArgumentError, match=message):
        getattr(ha, name)(FEW, **{keyword: 3})
    assert plt.get_fignums() == []


def test_rows_stay_rows():
    """Boxes cannot be turned or put elsewhere."""
    for keyword in ("positions", "vert", "orientation"):
        with pytest.raises(
            ArgumentError, match=f"^{keyword}: expected no value, since the plot takes it from the data"
        ):
            ha.plot_durations(FEW, by="worker_id", **{keyword: "vertical"})


@pytest.mark.parametrize("name", ALL)
def test_a_refused_keyword_leaves_no_figure(name):
    """Whatever refused it; a figure that was there before stays."""
    mine = plt.figure()
    with pytest.raises((AttributeError, TypeError), match="nope"):
        getattr(ha, name)(FEW, nope=1, **ALL[name])
    assert plt.get_fignums() == [mine.number]


def test_numpy_numbers_are_numbers():
    """As a count of tasks and as a limit."""
    assert len(ha.plot_timeline(FEW, n=np.int64(5)).patches) == 3
    ha.plot_spend(FEW, limit=np.float32(9))


def test_a_limit_of_text_is_refused():
    """By an error that says what was found."""
    with pytest.raises(ArgumentError, match="limit: expected credits, a number above 0, found '3'"):
        ha.plot_spend(FEW, limit="3")
