"""What credits cost."""

from __future__ import annotations

import numpy as np
import pandas as pd

_CREDITS = ("credits", "wasted_credits")


def with_cost(frame: pd.DataFrame, price: float | None, currency: str | None) -> pd.DataFrame:
    """Return the frame with what its credits cost (float64) and the currency (str), in columns at its end.

    Without a price the frame itself is returned, without a currency there is no column of that name.

    Examples
    --------
    >>> with_cost(pd.DataFrame({"credits": [700], "wasted_credits": [50]}), 0.01, "EUR")
       credits  wasted_credits  cost  wasted_cost currency
    0      700              50   7.0          0.5      EUR
    """
    if price is None:
        return frame
    there = [name for name in _CREDITS if name in frame]
    priced = frame.assign(**{name.replace("credits", "cost"): frame[name] * float(price) for name in there})
    if currency is not None:
        priced["currency"] = pd.Series(currency, priced.index, dtype=pd.StringDtype(na_value=np.nan))
    return priced
