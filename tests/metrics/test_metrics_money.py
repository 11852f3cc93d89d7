"""What credits cost: prices, currencies, amounts in words."""

from __future__ import annotations

import pytest

from handinger_analytics.arguments import check_currency
from handinger_analytics.errors import ArgumentError
from handinger_analytics.text import money


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
        (None, "0.5", "price: expected money per credit"),
        (None, True, "price: expected money per credit"),
    ],
)
def test_wrong_money(currency, price, text):
    """An unknown code, a currency without a price, and what is no finite number from 0 are refused."""
    with pytest.raises(ArgumentError, match=text):
        check_currency(currency, price)
