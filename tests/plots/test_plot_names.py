"""Workers by their names: in legends, beside rows, on the dashboard."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from matplotlib.cbook import is_math_text
from matplotlib.colors import to_hex
from matplotlib.text import Text

import handinger_analytics as ha
from handinger_analytics.errors import ArgumentError
from tests.plots.handmade import AWKWARD, drawn, legend_labels, turns_of

WORKERS = turns_of(
    {"worker_id": "wrk_1", "credits": 30, "status": "error"},
    {"worker_id": "wrk_2", "credits": 20, "seq": 1},
    {"worker_id": "wrk_3", "credits": 10, "seq": 2},
    {"worker_id": None, "credits": 5, "seq": 3},
)
OPTIONS = [
    ("plot_credits_vs_tokens", {}),
    ("plot_durations", {}),
    ("plot_spend", {}),
    ("plot_spend", {"cumulative": True}),
    ("plot_tokens", {}),
    ("plot_waste", {}),
]


def plots(*quick: str) -> pytest.MarkDecorator:
    """Run a test with each plot, quickly with those named."""
    each = [
        pytest.param(
            getattr(ha, name),
            {"by": "worker_id", **options},
            id=f"{name} {options}",
            marks=[] if name in quick else pytest.mark.slow,
        )
        for name, options in OPTIONS
    ]
    return pytest.mark.parametrize(("plot", "options"), each)


each_plot = plots(*dict(OPTIONS))
one_plot_quickly = plots("plot_waste")


def groups(ax) -> list[str]:
    """Return labels of the groups, biggest spender first: beside rows, or in the legend without them."""
    if ax.get_ylabel() not in ("credits", "cost"):
        return [tick.get_text() for tick in ax.get_yticklabels()]
    order = 1 if ax.get_xlabel().startswith("tokens") else -1  # of points; bars are stacked from below
    return [text for text in legend_labels(ax)[::order] if text != "total"]


def heading(ax) -> str:
    """Return what the groups are, beside rows or over the legend."""
    if ax.get_ylabel() not in ("credits", "cost"):
        return ax.get_ylabel()
    return ax.get_legend().get_title().get_text()


@each_plot
def test_names_take_the_place_of_ids(plot, options):
    """An id without a name stays, and so does a missing one; over names stands "worker"."""
    ax = drawn(plot(WORKERS, names={"wrk_1": "Invoices", "wrk_3": "Weather"}, **options))
    assert groups(ax) == ["Invoices", "wrk_2", "Weather", "(none)"]
    assert heading(ax) == "worker"


@one_plot_quickly
def test_without_names_the_ids_are_shown(plot, options):
    """Also where the mapping holds none."""
    for names in (None, {}, pd.Series(dtype=object)):
        ax = drawn(plot(WORKERS, names=names, **options))
        assert groups(ax) == ["wrk_1", "wrk_2", "wrk_3", "(none)"]
        assert heading(ax) == "worker\\_id" or heading(ax) == "worker_id"


@one_plot_quickly
@pytest.mark.parametrize(
    ("names", "expected"),
    [
        pytest.param(["Invoices", "Invoices"], ["Invoices (wrk_1)", "Invoices (wrk_2)"], id="one name"),
        pytest.param(["Invoices", " Invoices\u200b"], ["Invoices (wrk_1)", "Invoices (wrk_2)"], id="unseen"),
        pytest.param(
            ["Invoices of all customers, north", "Invoices of all customers, south"],
            ["Invoices of all customers, north", "Invoices of all customers, south"],
            id="alike at first",
        ),
    ],
)
def test_two_workers_never_look_the_same(plot, options, names, expected):
    """However their names become the same, as given or without unseen characters."""
    ax = drawn(plot(WORKERS, names=dict(zip(["wrk_1", "wrk_2"], names, strict=True)), **options))
    assert groups(ax)[:2] == expected


@one_plot_quickly
@pytest.mark.parametrize("names", [None, "Invoices for the customers in Europe"])
def test_workers_of_long_ids_stay_apart(plot, options, names):
    """The ends of the ids are there, where they differ."""
    ids = [f"organization_4711_production_of_europe_worker_{n:04}" for n in range(3)]
    turns = turns_of(*({"worker_id": each, "seq": n, "credits": 9 - n} for n, each in enumerate(ids)))
    ax = drawn(plot(turns, names=names and dict.fromkeys(ids, names), **options))
    assert [label.strip(")")[-4:] for label in groups(ax)] == ["0000", "0001", "0002"]
    assert max(map(len, groups(ax))) <= 40


@pytest.mark.parametrize("plot", [ha.plot_spend, ha.plot_waste])
@pytest.mark.parametrize("name", ["Invoices for the customers in Europe", "INVOICES FOR THE CUSTOMERS {}"])
def test_names_leave_room_for_the_data(plot, name):
    """Long ones shrink before they take most of a small figure that a layout engine lays out."""
    ids = [f"wrk_P9vBKzPC6YSTW{n}" for n in range(3)]
    turns = turns_of(*({"worker_id": each, "seq": n, "credits": 9 - n} for n, each in enumerate(ids)))
    figure, ax = plt.subplots(figsize=(6, 3), layout="constrained")
    names = {each: name.format(each) for each in ids}
    drawn(plot(turns, by="worker_id", names=names, ax=ax))
    assert ax.get_window_extent().width > figure.bbox.width / 3


@one_plot_quickly
def test_a_name_is_not_mistaken_for_another_workers_id(plot, options):
    """The two groups have two labels."""
    ax = drawn(plot(WORKERS, names={"wrk_1": "wrk_2"}, **options))
    assert len(set(groups(ax))) == 4


@one_plot_quickly
def test_colours_do_not_depend_on_names(plot, options):
    """Nor does the order."""
    plain, named = (drawn(plot(WORKERS, names=names, **options)) for names in (None, {"wrk_1": "zz"}))
    colours = [
        [to_hex(artist.get_facecolor()) for artist in ax.patches]
        + [to_hex(artist.get_color()) for artist in ax.lines]
        for ax in (plain, named)
    ]
    assert colours[0] == colours[1]


@pytest.mark.slow
@each_plot
def test_awkward_names_are_drawn_literally(plot, options):
    """Each worker has one label, drawing warns of nothing and shows no formula."""
    ids = [f"wrk_{n}" for n in range(len(AWKWARD))]
    for chosen in (range(8), range(4, 12)):
        turns = turns_of(*({"worker_id": ids[n], "seq": n, "credits": 20 - n} for n in chosen))
        ax = drawn(plot(turns, names=dict(zip(ids, AWKWARD, strict=True)), **options))
        formulas = [text.get_text() for text in ax.findobj(Text) if is_math_text(text.get_text())]
        assert [text for text in formulas if "mathdefault" not in text] == []
        assert len(set(groups(ax))) == 8
        assert max(map(len, groups(ax))) <= 56


@each_plot
def test_names_that_are_no_names_leave_no_figure(plot, options):
    """They are refused before anything is drawn."""
    with pytest.raises(ArgumentError, match="names"):
        plot(WORKERS, names="Invoices", **options)
    assert plt.get_fignums() == []


def test_names_stand_in_groups_of_several_columns():
    """The other columns are shown as they are."""
    ax = ha.plot_waste(WORKERS, by=["worker_id", "triggered_by"], names={"wrk_1": "Invoices"})
    assert groups(ax) == ["Invoices / api", "wrk_2 / api", "wrk_3 / api", "(none) / api"]
    assert heading(ax) == "worker, triggered\\_by" or heading(ax) == "worker, triggered_by"


def test_names_change_no_other_column():
    """Groups that are no workers are shown as they are, also where a value is the id of one."""
    turns = WORKERS.assign(team="wrk_1")
    assert groups(ha.plot_waste(turns, by="team", names={"wrk_1": "Invoices"})) == ["wrk_1"]


def test_a_name_is_not_mistaken_for_a_worker_among_the_others():
    """The id of one that has no row of its own counts, too."""
    turns = turns_of(*({"worker_id": f"wrk_{n}", "credits": 50 - n} for n in range(12)))
    shown = groups(ha.plot_waste(turns, names={"wrk_0": "wrk_11"}))
    assert (shown[0], shown[-1]) == ("wrk_11 (wrk_0)", "other (4)")


def test_names_of_a_series():
    """As `DataFrame.set_index` gives them."""
    names = pd.DataFrame({"id": ["wrk_2"], "name": ["Weather"]}).set_index("id")["name"]
    assert groups(ha.plot_tokens(WORKERS, by="worker_id", names=names))[1] == "Weather"


@pytest.mark.slow
def test_the_page_shows_names():
    """Over its three plots of groups."""
    page = ha.plot_dashboard(WORKERS, names={"wrk_1": "Invoices", "wrk_2": "Weather"})
    spend, _, durations, _, _, waste = (cell.axes[0] for cell in page.subfigs)
    for ax in (spend, durations, waste):
        assert groups(ax)[:3] == ["Invoices", "Weather", "wrk_3"]
        assert heading(ax) == "worker"
