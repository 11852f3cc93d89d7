"""What the status of a budget says in words."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pandas as pd

from handinger_analytics.budget.days import HISTORY_DAYS, Days
from handinger_analytics.budget.forecast import CONFIDENCE, MIN_HISTORY_DAYS
from handinger_analytics.budget.history import SpendHistory
from handinger_analytics.provenance import Provenance, incompleteness
from handinger_analytics.times import milliseconds


def verdict(values: dict[str, Any]) -> str:
    """Say in a few words whether the limit will hold."""
    limit = values["limit"]
    if values["spent"] > limit:
        return "over the limit"
    if math.isnan(values["projected"]):
        return "not enough data"
    if values["projected"] > limit:
        return "will cross"
    return "may cross" if values["high"] > limit else "within the limit"


def reasons(values: dict[str, Any], history: SpendHistory, days: Days, known: Provenance) -> Iterator[str]:
    """Say why, in several parts."""
    yield f"{values['spent']:,} of {values['limit']:,} credits are spent ({values['share']:.0%})"
    if values["spent"] > values["limit"]:
        yield f"the limit was exceeded on {values['crosses_on']:%Y-%m-%d}"
    if math.isnan(values["projected"]):
        yield _too_little(history, days)
    else:
        yield (
            f"{values['days_left']:.1f} days are left, {values['projected']:,} are expected by the end, "
            f"between {values['low']:,} and {values['high']:,} in {CONFIDENCE:.0%} of cases"
        )
        if verdict(values) == "will cross":
            yield f"the limit is crossed on {values['crosses_on']:%Y-%m-%d}"
    if missing := incompleteness(known):
        yield f"{missing}, so more was spent than this says"


def _too_little(history: SpendHistory, days: Days) -> str:
    """Say what is missing for a projection."""
    needed = f"a projection needs {MIN_HISTORY_DAYS} whole days of turns"
    if days.last_data_day < days.today:
        return f"{needed} in the {HISTORY_DAYS} days before the period: fetch them again"
    if history.first_ms is None or history.first_ms > milliseconds(days.as_of):
        return f"{needed} before today and there are no turns up to {days.as_of:%Y-%m-%d %H:%M}"
    first = pd.Timestamp(history.first_ms, unit="ms", tz=days.starts.tz)
    found = f"the first turn is of {first:%Y-%m-%d}, which leaves {len(history.full_days)}"
    enough = first + pd.Timedelta(days=MIN_HISTORY_DAYS + 1)
    return f"{needed} before today: {found}; give earlier turns, too, or ask again from {enough:%Y-%m-%d}"
