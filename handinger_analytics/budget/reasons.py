"""What the status of a budget says in words."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pandas as pd

from handinger_analytics.budget.days import HISTORY_DAYS, Days
from handinger_analytics.budget.forecast import CONFIDENCE, MIN_HISTORY_DAYS
from handinger_analytics.budget.known import Known
from handinger_analytics.provenance import Provenance, doubt, incompleteness
from handinger_analytics.text import money
from handinger_analytics.times import milliseconds


def verdict(values: dict[str, Any], days: Days) -> str:
    """Say in a few words whether the limit will hold."""
    limit = values["limit"]
    if values["spent"] > limit:
        return "over the limit"
    if math.isnan(values["projected"]):
        return "not enough data" if days.known else "not known"
    if values["projected"] > limit:
        return "will cross"
    return "may cross" if values["high"] > limit else "within the limit"


def reasons(
    values: dict[str, Any], known: Known, days: Days, attrs: Provenance, currency: str | None
) -> Iterator[str]:
    """Say why, in several parts."""
    if days.known:
        yield f"{values['spent']:,} of {values['limit']:,} credits are spent ({values['share']:.0%})"
        if "cost" in values:
            yield f"they cost {money(values['cost'], currency)}"
    else:
        yield "nothing is known of the period; fetch the turns again"
    if values["spent"] > values["limit"]:
        yield f"the limit was exceeded on {values['crosses_on']:%Y-%m-%d}"
    if not math.isnan(values["projected"]):
        yield (
            f"{values['days_left']:.1f} days are left, {values['projected']:,} are expected by the end, "
            f"between {values['low']:,} and {values['high']:,} in {CONFIDENCE:.0%} of cases"
        )
        if "cost" in values:
            yield f"the cost by then is {money(values['projected_cost'], currency)}"
        if verdict(values, days) == "will cross":
            yield f"the limit is crossed on {values['crosses_on']:%Y-%m-%d}"
    else:
        yield _too_little(values, known, days)
    if missing := incompleteness(attrs):
        yield f"{missing}, so more was spent than this says"
    elif unknown := doubt(attrs):
        yield unknown
    if known.how:
        until = known.until.astimezone(days.starts.tz)
        yield f"{known.how} {until:%Y-%m-%d %H:%M}; nothing later is counted"


def _too_little(values: dict[str, Any], known: Known, days: Days) -> str:
    """Say what is missing for a projection."""
    needed = f"a projection needs {MIN_HISTORY_DAYS} whole days of turns"
    if not days.known:
        return f"{needed} in the {HISTORY_DAYS} days before the period"
    needed += " before today"
    if known.first_ms is None or known.first_ms > milliseconds(days.as_of):
        return f"{needed} and there are no turns up to {days.as_of:%Y-%m-%d %H:%M}"
    first = pd.Timestamp(known.first_ms, unit="ms", tz=days.starts.tz)
    found = f"the first turn is of {first:%Y-%m-%d}, which leaves {values['history_days']}"
    enough = first + pd.Timedelta(days=MIN_HISTORY_DAYS + 1)
    return f"{needed}: {found}; give earlier turns, too, or ask again from {enough:%Y-%m-%d}"
