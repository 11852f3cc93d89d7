"""What credits cost: prices, currencies, amounts in words."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

from handinger_analytics.arguments import check_currency
from handinger_analytics.budget.status import budget_status
from handinger_analytics.errors import ArgumentError
from handinger_analytics.metrics.spend import spend
from handinger_analytics.metrics.summarize import summarize
from handinger_analytics.metrics.top_tasks import top_tasks
from handinger_analytics.metrics.waste import waste
from handinger_analytics.text import money
from tests.metrics.turns_by_hand import turns_table


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (1234.5, "EUR", "1,234.50 EUR"),
        (1234.5, "JPY", "1,235 JPY"),
        (1234.5, "KWD", "1,234.500 KWD"),
        (1234.5, "CLF", "1,234.5000 CLF"),
        (1234.5, None, "1,234.50"),
        (1.005, "USD", "1.01 USD"),
        (0, "EUR", "0.00 EUR"),
        (0.0004, "EUR", "0.00 EUR"),
        (9.2e18, "JPY", "9,200,000,000,000,000,000 JPY"),
        (float("nan"), "EUR", "\N{EN DASH}"),
    ],
)
def test_money_is_written_as_its_currency_is(amount, currency, text):
    """Thousands apart, as many decimals as the currency has, halves away from zero, the code behind."""
    assert money(amount, currency) == text


@pytest.mark.parametrize(
    ("currency", "price", "code"),
    [(None, None, None), (None, 0.5, None), ("EUR", 0, "EUR"), ("jpy", 1, "JPY")],
)
def test_a_currency_is_its_code(currency, price, code):
    """In capitals; it may be left out."""
    assert check_currency(currency, price) == code


@pytest.mark.parametrize(
    ("currency", "price", "text"),
    [
        ("EURO", 1, "^currency: expected an ISO 4217 code of a currency, such as 'EUR', found 'EURO'"),
        ("", 1, "currency: expected an ISO 4217 code"),
        ("€", 1, "currency: expected an ISO 4217 code"),
        (978, 1, "currency: expected an ISO 4217 code"),
        pytest.param("DEM", 1, "currency: expected an ISO 4217 code", id="no longer in use"),
        pytest.param("XAU", 1, "currency: expected an ISO 4217 code", id="gold"),
        ("EUR", None, "^currency: expected a price beside it, found 'EUR'; give price, too"),
        (None, -0.1, "^price: expected money per credit, a number from 0, found -0.1"),
        (None, float("inf"), "price: expected money per credit"),
        (None, float("nan"), "price: expected money per credit"),
        (None, 10**400, "price: expected money per credit"),
        (None, 1e10, "^price: expected money per credit, at most 1,000,000,000, found 1"),
        (None, Decimal("NaN"), "price: expected money per credit"),
        (None, "0.5", "price: expected money per credit"),
        (None, True, "price: expected money per credit"),
    ],
)
def test_wrong_money(currency, price, text):
    """An unknown code, a currency without a price, and what is no finite number from 0 are refused."""
    with pytest.raises(ArgumentError, match=text):
        check_currency(currency, price)


ROWS = [
    {"credits": 700},
    {"credits": 300, "status": "error"},
    {"credits": 50, "worker_id": "wrk_b", "task_id": "tsk_2"},
]


@pytest.mark.parametrize(
    ("amount", "price", "written"),
    [
        (3, 0.145, "0.44 EUR"),
        (3, Decimal("0.145"), "0.44 EUR"),
        (3, -0.0, "0.00 EUR"),
        (45, 0.7, "31.50 EUR"),
    ],
)
def test_what_credits_cost_is_rounded_once(amount, price, written):
    """Half a cent is rounded up, also where no float is what was written; nothing is never negative."""
    check_currency("EUR", price)
    assert money(amount * float(price), "EUR") == written
    assert money(-0.001, "EUR") == "0.00 EUR"


@pytest.mark.parametrize("metric", [spend, summarize, waste])
def test_groups_have_their_cost(metric):
    """Their credits times the price, in columns after those that are there without a price."""
    turns = turns_table(ROWS)
    plain, priced = metric(turns, by="worker_id"), metric(turns, by="worker_id", price=0.5, currency="eur")
    wasted = ["wasted_cost"] if metric is waste else []
    assert list(priced) == [*plain, "cost", *wasted, "currency"]
    assert dict(zip(priced["worker_id"], priced["cost"], strict=True)) == {"wrk_a": 500.0, "wrk_b": 25.0}
    assert priced["currency"].tolist() == ["EUR", "EUR"]
    assert priced["currency"].dtype == pd.StringDtype(na_value=np.nan)
    assert list(metric(turns, by="worker_id", price=0.5)) == [*plain, "cost", *wasted]


def test_waste_has_its_cost():
    """What was wasted costs as much as what was not."""
    assert waste(turns_table(ROWS), price=0.5)["wasted_cost"].tolist() == [150.0]


def test_top_tasks_have_their_cost():
    """Also where tasks are ranked by something else."""
    top = top_tasks(turns_table(ROWS), measure="turns", price=0.5, currency="EUR")
    assert list(top)[-2:] == ["cost", "currency"]
    assert top["cost"].tolist() == [500.0, 25.0]


@pytest.mark.parametrize(("currency", "unit"), [("EUR", "EUR"), (None, "money")])
def test_the_overview_has_the_cost(currency, unit):
    """As one more measure, whose unit is the currency."""
    overview = summarize(turns_table(ROWS), price=0.5, currency=currency)
    assert overview.loc["cost"].tolist() == [525.0, unit]
    assert list(overview.drop(index="cost").index) == list(summarize(turns_table(ROWS)).index)


@pytest.mark.parametrize("metric", [spend, summarize, waste, top_tasks])
def test_a_metric_refuses_wrong_money(metric):
    """Before it computes anything."""
    with pytest.raises(ArgumentError, match="currency: expected an ISO 4217 code"):
        metric("no frame", price=1, currency="EURO")
    with pytest.raises(ArgumentError, match="currency: expected a price beside it"):
        metric("no frame", currency="EUR")
    with pytest.raises(ArgumentError, match="price: expected money per credit"):
        metric("no frame", price=-1)


@pytest.mark.parametrize("metric", [spend, summarize, waste])
def test_no_turns_cost_nothing(metric):
    """A frame without rows has the same columns and types."""
    empty = metric(turns_table([]), by="worker_id", price=0.5, currency="EUR")
    some = metric(turns_table(ROWS), by="worker_id", price=0.5, currency="EUR")
    assert list(empty.dtypes.items()) == list(some.dtypes.items())


@pytest.mark.parametrize("metric", [spend, summarize, waste, top_tasks])
def test_the_largest_sums_have_a_price(metric):
    """Money is counted in floats: a whole price of credits near the largest int64 does not wrap around."""
    cost = metric(turns_table([{"credits": 2**62}]), price=10, currency="JPY")
    cost = cost.loc["cost", "value"] if metric is summarize else cost["cost"].iloc[0]
    assert cost == pytest.approx(4.611686018427388e19)


def test_a_group_is_not_called_like_a_column_of_money():
    """A column ``currency`` of the user is renamed first."""
    turns = turns_table(ROWS).append_column("currency", [["EUR", "USD", "USD"]])
    with pytest.raises(ArgumentError, match=r"by: expected columns with other names .* found 'currency'"):
        spend(turns, by="currency")


HOURS = [
    {"credits": 10, "started_at": f"2026-06-{day:02}T{hour:02}:00Z"}
    for day in range(1, 13)
    for hour in (0, 12)
]


def budget_of(rows, **options):
    """Ask at noon of the 12th for the budget of a month, as a table."""
    return budget_status(turns_table(rows), limit=700, as_of="2026-06-12T12:30Z", **options)


@pytest.mark.parametrize(
    ("currency", "unit", "words"), [("eur", "EUR", "120.00 EUR"), (None, "money", "120.00")]
)
def test_a_budget_has_its_cost(currency, unit, words):
    """What is spent and what is expected cost money, in the table and in words."""
    status = budget_of(HOURS, price=0.5, currency=currency)
    assert status.loc["cost"].tolist() == [120.0, unit]
    assert status.loc["projected_cost"].tolist() == [status.loc["projected", "value"] / 2, unit]
    assert f"240 of 700 credits are spent (34%); they cost {words}; " in status.loc["reason", "value"]
    assert (
        f"; the cost by then is {status.loc['projected_cost', 'value']:,.2f}" in status.loc["reason", "value"]
    )
    plain = budget_of(HOURS)
    pd.testing.assert_frame_equal(
        status.drop(index=["reason", "cost", "projected_cost"]), plain.drop(index="reason")
    )
    assert "cost" not in plain.loc["reason", "value"]


@pytest.mark.parametrize("price", [1, Fraction(1, 3), np.float32(0.5)])
def test_costs_are_floats(price):
    """Whatever kind of number the price is."""
    costs = [
        spend(turns_table(ROWS), price=price)["cost"].iloc[0],
        summarize(turns_table(ROWS), price=price).loc["cost", "value"],
        budget_of(HOURS, price=price).loc["cost", "value"],
    ]
    assert costs == [1050 * float(price), 1050 * float(price), 240 * float(price)]
    assert all(isinstance(cost, float) for cost in costs)


def test_a_budget_without_a_projection_has_the_cost_of_what_is_spent():
    """What cannot be projected costs nobody knows what."""
    status = budget_of(HOURS[-3:], price=0.5)
    assert status.loc["cost", "value"] == 15.0
    assert np.isnan(status.loc["projected_cost", "value"])
    assert "by then" not in status.loc["reason", "value"]


def test_a_budget_refuses_wrong_money():
    """As the metrics do."""
    with pytest.raises(ArgumentError, match="currency: expected a price beside it"):
        budget_of(HOURS, currency="EUR")
    with pytest.raises(ArgumentError, match="price: expected money per credit"):
        budget_of(HOURS, price=-1)
