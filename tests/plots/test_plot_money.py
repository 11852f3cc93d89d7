"""Credits drawn as money: the axis, the limit, and totals in words."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest

import handinger_analytics as ha
from handinger_analytics.errors import ArgumentError
from tests.plots.handmade import drawn, legend_labels, turns_of

TURNS = turns_of(
    {"worker_id": "wrk_1", "task_id": "tsk_1", "credits": 300, "status": "error"},
    {"worker_id": "wrk_2", "task_id": "tsk_2", "credits": 100, "started_at": "2026-05-12T09:00+00:00"},
)
EUROS = {"price": 0.5, "currency": "EUR"}
MONEY = {
    "plot_budget": {"limit": 500, "as_of": "2026-05-20T12:00Z"},
    "plot_heatmap": {},
    "plot_pareto": {},
    "plot_spend": {"by": "worker_id", "limit": 200},
    "plot_waste": {},
}


def plots(*quick: str) -> pytest.MarkDecorator:
    """Run a test with each plot, quickly with those named."""
    each = [
        pytest.param(getattr(ha, name), MONEY[name], id=name, marks=[] if name in quick else pytest.mark.slow)
        for name in MONEY
    ]
    return pytest.mark.parametrize(("plot", "options"), each)


each_plot = plots(*MONEY)
one_plot_quickly = plots("plot_pareto")


def axis_of(ax):
    """Return the axis on which credits or money are."""
    others = [other for other in ax.figure.axes if other is not ax]
    axes = [*(each.yaxis for each in others), ax.yaxis, ax.xaxis]
    return next(axis for axis in axes if axis.get_label_text().startswith(("credits", "cost")))


def ticks(ax) -> list[str]:
    """Texts of the ticks of that axis which lie within it."""
    axis = axis_of(drawn(ax))
    low, high = axis.get_view_interval()
    return [tick.label1.get_text() or tick.label2.get_text()
            for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]  # fmt: skip


@one_plot_quickly
@pytest.mark.parametrize(
    ("money", "name"),
    [
        pytest.param({}, "credits", id="credits"),
        pytest.param({"price": 0.5}, "cost", id="price"),
        pytest.param({"price": 0.5, "currency": "eur"}, "cost (EUR)", id="currency"),
    ],
)
def test_the_axis_says_what_it_shows(plot, options, money, name):
    """Credits, or what they cost and in what."""
    assert axis_of(plot(TURNS, **money, **options)).get_label_text() == name


@each_plot
@pytest.mark.parametrize(
    ("money", "problem"),
    [
        pytest.param({"currency": "EUR"}, "price", id="no price"),
        pytest.param({"price": 1, "currency": "Euro"}, "currency", id="no code"),
        pytest.param({"price": -1}, "price", id="below zero"),
        pytest.param({"price": "1"}, "price", id="text"),
    ],
)
def test_what_is_no_money_leaves_no_figure(plot, options, money, problem):
    """The message names the argument."""
    with pytest.raises(ArgumentError, match=problem):
        plot(TURNS, **money, **options)
    assert plt.get_fignums() == []


@one_plot_quickly
def test_a_price_of_nothing_is_drawn(plot, options):
    """Nothing warns where everything costs nothing, and where there are no turns."""
    for turns in (TURNS, TURNS.head(0)):
        assert drawn(plot(turns, price=0, currency="EUR", **options)).get_title()


@one_plot_quickly
@pytest.mark.parametrize(
    ("price", "currency", "decimals"),
    [
        pytest.param(0.5, "EUR", {0, 2}, id="two decimals"),
        pytest.param(0.004, "EUR", {2}, id="cents"),
        pytest.param(0.5, "JPY", {0}, id="none"),
        pytest.param(0.004, "KWD", {3}, id="three"),
        pytest.param(1e-5, "EUR", {3, 4, 5}, id="small"),
        pytest.param(1e-9, "EUR", {7, 8, 9}, id="tiny"),
        pytest.param(1e-3, "JPY", {1, 2}, id="less than a yen"),
        pytest.param(1e6, "EUR", {0}, id="large"),
    ],
)
def test_ticks_tell_amounts_apart(plot, options, price, currency, decimals):
    """Each has its text, with the decimals of the currency, more only where those would be the same."""
    texts = ticks(plot(TURNS, price=price, currency=currency, **options))
    assert 2 <= len(texts) == len(set(texts))
    amounts = [text for text in texts if text != "0" and text[-1] not in "kMB"]
    assert {len(text.partition(".")[2]) for text in amounts} <= decimals


def test_spend_is_drawn_in_money():
    """Bars, limit and title; the legend says the limit in words."""
    ax = ha.plot_spend(TURNS, by="worker_id", freq="D", limit=200, **EUROS)
    assert [patch.get_height() for patch in ax.patches] == [150, 0, 0, 50]
    assert ax.lines[0].get_ydata()[0] == 100
    assert legend_labels(ax)[0] == "limit 100.00 EUR"
    assert ax.get_title() == "Cost per day: 200.00 EUR in all"
    assert ax.get_ylim() == pytest.approx((0, 157.5))


def test_cumulative_spend_is_drawn_in_money():
    """The lines end at what was spent."""
    ax = ha.plot_spend(TURNS, cumulative=True, freq="D", **EUROS)
    assert ax.lines[0].get_ydata().tolist() == [150, 200]
    assert ax.get_title() == "Cost, cumulative by day: 200.00 EUR in all"


def test_many_periods_are_drawn_in_money():
    """More bars than one sees apart, as one shape."""
    turns = turns_of({}, {"started_at": "2026-06-11T09:00+00:00", "credits": 9})
    ax = ha.plot_spend(turns, freq="h", price=0.5)
    assert max(path.vertices[:, 1].max() for path in ax.collections[0].get_paths()) == 4.5
    assert ax.get_title() == "Cost per hour: 5.00 in all"


def test_the_dearest_tasks_are_drawn_in_money():
    """Bars of money, the others among them, and the whole in words."""
    ax = ha.plot_pareto(TURNS, n=1, **EUROS)
    assert [patch.get_width() for patch in ax.patches] == [150, 50]
    assert ax.get_title() == "1 of 2 tasks makes up 75% of 200.00 EUR"


def test_waste_is_drawn_in_money():
    """Bars of money, and both sums in words."""
    ax = ha.plot_waste(TURNS, **EUROS)
    assert sorted(patch.get_width() for patch in ax.patches) == [0, 0, 50, 150]
    assert ax.get_title() == "150.00 EUR of 200.00 EUR wasted"


def test_the_week_is_drawn_in_money():
    """Cells of money and their scale; turns have no price."""
    ax = ha.plot_heatmap(TURNS, **EUROS)
    assert np.sort(ax.collections[0].get_array().ravel())[-2:].tolist() == [50, 150]
    assert ax.get_title() == "Cost by weekday and hour"
    with pytest.raises(ArgumentError, match=r"^price: expected None beside measure='turns'"):
        ha.plot_heatmap(TURNS, measure="turns", price=0.5)


def test_the_budget_is_drawn_in_money():
    """The line, the limit, and what the legend says; the limit is given in credits."""
    ax = ha.plot_budget(TURNS, limit=500, as_of="2026-05-20T12:00Z", **EUROS)
    assert ax.lines[0].get_ydata()[-1] == 200
    assert ax.lines[1].get_ydata()[0] == 250
    assert legend_labels(ax)[-1] == "spent 200.00 EUR"
    assert "limit 250.00 EUR" in legend_labels(ax)
    assert ax.get_title().startswith("Cost of the month: ")


@pytest.mark.slow
def test_what_is_expected_is_drawn_in_money():
    """A hundred credits a day, one unlike the others, and the day of the crossing on the limit."""
    rows = [{"started_at": f"2026-05-{day:02}T09:00+00:00", "credits": 100} for day in range(1, 21)]
    options = {"limit": 2500, "as_of": "2026-05-20T12:00Z"}
    plain = ha.plot_budget(turns_of(*rows), **options)
    money = ha.plot_budget(turns_of(*rows), price=0.01, currency="KWD", **options)
    for drawn_plain, drawn_money in zip(plain.lines[:2], money.lines[:2], strict=True):
        np.testing.assert_allclose(np.multiply(drawn_plain.get_ydata(), 0.01), drawn_money.get_ydata())
    assert "expected 31.500 KWD" in legend_labels(money)
    assert "80%: 31.500 KWD to 31.500 KWD" in legend_labels(money)
    assert money.collections[-1].get_offsets()[0][1] == 25


@pytest.mark.slow
def test_the_page_is_drawn_in_money():
    """Four of its six plots, and its title, which has the credits as well."""
    page = ha.plot_dashboard(TURNS, limit=200, **EUROS)
    assert page.get_suptitle().startswith("400 credits for 200.00 EUR in 2 turns of 2 tasks")
    spend, tokens, durations, week, tasks, waste = (cell.axes for cell in page.subfigs)
    for (ax, *_), start in ((spend, "Cost"), (tokens, "Tokens"), (durations, "Duration"), (week, "Cost")):
        assert ax.get_title().startswith(start)
    assert tasks[0].get_xlabel() == waste[0].get_xlabel() == week[1].get_ylabel() == "cost (EUR)"
    assert legend_labels(spend[0])[0] == "limit 100.00 EUR"
