"""What credits are drawn in: themselves, or the money they cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from matplotlib.axis import Axis

from handinger_analytics.arguments import check_currency
from handinger_analytics.plots.axes import count_axis
from handinger_analytics.text import amount, decimals, money


@dataclass(frozen=True, slots=True)
class Unit:
    """Credits, or money at a price per credit.

    Attributes
    ----------
    price : float or None
        Money per credit; without one credits are drawn.
    currency : str or None
        Its ISO 4217 code.
    """

    price: float | None
    currency: str | None

    @classmethod
    def of(cls, price: float | None, currency: str | None) -> Unit:
        """Check what the user gave, as `handinger_analytics.arguments.check_currency` does."""
        code = check_currency(currency, price)
        return cls(None if price is None else float(price), code)

    @property
    def noun(self) -> str:
        """What is drawn, at the beginning of a title."""
        return "Credits" if self.price is None else "Cost"

    @property
    def label(self) -> str:
        """What is drawn, beside an axis."""
        return self.noun.lower() + (f" ({self.currency})" if self.currency else "")

    def scaled(self, credits_: Any) -> Any:
        """Return credits, one number or many, as they are drawn."""
        return credits_ if self.price is None else credits_ * self.price

    def words(self, credits_: float, spelled: Callable[[Any], str] = amount) -> str:
        """Write credits as ``spelled`` does, or the money they cost."""
        return spelled(credits_) if self.price is None else money(self.scaled(credits_), self.currency)

    def axis(self, axis: Axis, *, ticks: int = 9) -> None:
        """Tick an axis as credits or money are counted."""
        count_axis(axis, ticks=ticks, decimals=0 if self.price is None else decimals(self.currency) or 0)
