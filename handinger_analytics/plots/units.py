"""What credits are drawn in: themselves, or the money they cost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from matplotlib.axis import Axis

from handinger_analytics.arguments import check_currency
from handinger_analytics.plots.axes import count_axis
from handinger_analytics.text import amount, decimals, money


class Unit:
    """Credits, or money at a price per credit.

    Parameters
    ----------
    price : float or None
        Money per credit; without one credits are drawn.
    currency : str or None
        Its ISO 4217 code.

    Attributes
    ----------
    noun, label : str
        What is drawn: at the beginning of a title, and beside an axis.

    Raises
    ------
    ArgumentError
        As `handinger_analytics.arguments.check_currency`.
    """

    def __init__(self, price: float | None, currency: str | None) -> None:
        self._currency = check_currency(currency, price)
        self._price = None if price is None else float(price)
        self.noun = "Credits" if price is None else "Cost"
        self.label = self.noun.lower() + (f" ({self._currency})" if currency else "")

    def scaled(self, credits_: Any) -> Any:
        """Return credits, one number or many, as they are drawn."""
        return credits_ if self._price is None else credits_ * self._price

    def words(self, credits_: float, spelled: Callable[[Any], str] = amount) -> str:
        """Write credits as ``spelled`` does, or the money they cost."""
        return spelled(credits_) if self._price is None else money(self.scaled(credits_), self._currency)

    def axis(self, axis: Axis, *, ticks: int = 9) -> None:
        """Tick an axis as credits or money are counted."""
        count_axis(axis, ticks=ticks, decimals=0 if self._price is None else decimals(self._currency) or 0)
