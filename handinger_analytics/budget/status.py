"""The budget in one table: what is spent, what is to come, and when the limit is crossed."""

from __future__ import annotations

import datetime as dt
import math
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from handinger_analytics import provenance
from handinger_analytics.arguments import utc_instant, zone_info
from handinger_analytics.budget.days import Days, days_of
from handinger_analytics.budget.outlook import CONFIDENCE, MIN_HISTORY_DAYS, outlook, students_t
from handinger_analytics.budget.past import Past, open_turns, spent_by_day
from handinger_analytics.budget.schedules import Planned, open_schedules, planned
from handinger_analytics.errors import FrameError
from handinger_analytics.times import Period

_UNITS = {
    "verdict": "",
    "reason": "",
    "limit": "credits",
    "spent": "credits",
    "share": "share of the limit",
    "projected": "credits",
    "low": "credits",
    "high": "credits",
    "scheduled": "credits",
    "crosses_on": "day",
    "pace": "credits per day",
    "days_elapsed": "days",
    "days_left": "days",
    "history_days": "days",
    "period_start": "instant",
    "period_end": "instant",
    "as_of": "instant",
}
"""Measures of the status, in order, with their units."""

_FRESH = dt.timedelta(hours=6)
"""How long after a fetch its turns are taken to be all there are."""
_EARLIEST_FETCH = 1970


def budget_status(
    turns: Any,
    *,
    limit: float,
    period: Period = "month",
    tz: str = "UTC",
    schedules: Any = None,
    as_of: dt.datetime | str | None = None,
) -> pd.DataFrame:
    r"""Will the budget hold: credits spent in the period under way, and those still to come.

    Parameters
    ----------
    turns : DataFrame
        Turns, one row each: pandas, pyarrow, Polars (eager or lazy), a DuckDB relation or PySpark.
        Turns before the period are the history that the projection rests on: give them, too.
    limit : float
        Credits that may be spent in the period.
    period : {"day", "week", "month", "quarter", "year"}
        Calendar period; a week begins on Monday.
    tz : str
        IANA name of the time zone whose clock decides where days and the period begin.
    schedules : DataFrame, optional
        Planned runs as `handinger_analytics.fetch_schedules` gives them: cron (in their ``timezone``,
        UTC where it is missing), interval, delayed and scheduled.
    as_of : datetime, optional
        The moment to look from, with a time zone; now by default. Later turns are ignored. Turns
        fetched more than six hours before (``turns.attrs["handinger"]["fetched_at"]``) say nothing
        about the time since: the status then looks from when they were fetched or, if the period
        began later, from its start, and ``reason`` says so.

    Returns
    -------
    pandas.DataFrame
        One row per measure, indexed by ``measure``, with ``value`` (object) and ``unit``:

        - ``verdict``: "over the limit", "will cross" (the projection is above it), "may cross" (only
          ``high`` is), "within the limit" or "not enough data"; ``reason``: why, in words;
        - ``limit``; ``spent`` (int) and ``share`` of the limit (float);
        - ``projected`` (int), the credits expected by the end of the period, in which ``scheduled``
          (int) are those of planned runs; ``low`` and ``high`` (int): eight times in ten the total
          falls between them;
        - ``crosses_on``: first instant of the day on which the limit is exceeded, in fact or as
          projected; NaT if it is not;
        - ``pace`` (credits per day of the period so far), ``days_elapsed``, ``days_left`` (float, in
          calendar days: one of 23 hours is one);
        - ``history_days`` (int): whole days the projection rests on;
        - ``period_start``, ``period_end`` (exclusive), ``as_of`` (the moment looked from): instants
          in ``tz``.

        Without enough data the projected values are NaN and ``reason`` says what is missing.

    Raises
    ------
    FrameError
        Not a frame, a column missing or of the wrong type, times without a time zone, missing
        numbers, a limit that is not above zero, an unknown ``period`` or ``tz``, or an ``as_of``
        outside the years 2 to 9997.

    Notes
    -----
    History are the whole days before today that the turns cover, at most 56, without the day of the
    first turn (a day chosen for having a turn is no typical day); at least 7 are needed. The rest of
    the period is expected to cost the mean of the history per day or, from 28 days on, for each day
    the mean of its weekday. With *m* days left (today's part as a fraction), of which :math:`m_k` are
    of kind *k* (the weekday, or one kind for all), with :math:`n_k` days of each kind in the history
    and *s* the standard deviation of their credits around the means, the range is

    .. math:: \pm t \, s \, \sqrt{m + \sum_k m_k^2 / n_k}

    which is the prediction interval for the sum of future values of a normal distribution: Hahn and
    Meeker (1991), Statistical Intervals, section 4.8. It takes days to be independent of each other.

    A run of a schedule is expected to cost the median of the worker's earlier tasks by schedule, or
    of all its tasks if there are none, with their variance. Nothing counts twice: the tasks by schedule
    of a worker with a cron or interval schedule are taken out of the history, its planned
    runs take their place. A single run (delayed or scheduled) of a worker without such a schedule
    is added only if no schedule ever started a task of it; else its history holds such runs.

    Examples
    --------
    >>> budget_status(turns, 50_000, tz="Europe/Madrid")["value"]["crosses_on"]  # doctest: +SKIP
    """
    zone = zone_info(tz)
    _check_limit(limit)
    now = utc_instant(as_of, "as_of") or dt.datetime.now(dt.UTC)
    plans, plans_attrs = ([], {}) if schedules is None else open_schedules(schedules)
    source = open_turns(turns, with_tasks=bool(plans))
    known = _known_until(source.attrs, now)
    days = days_of(period, zone, now, known)
    plan = planned(plans, source, days)
    past = spent_by_day(source, days, plan.workers)
    values = _values(limit, days, past, plan)
    values["verdict"] = _verdict(values)
    reasons = _reasons(values, past, source.attrs)
    if known < now:
        until = f"{known.astimezone(zone):%Y-%m-%d %H:%M}"
        reasons.append(f"turns are known until {until}; nothing later is counted")
    values["reason"] = "; ".join([*reasons, *plan.notes])
    index = pd.Index(list(_UNITS), name="measure")
    value = pd.Series([values[measure] for measure in _UNITS], index=index, dtype=object)
    result = pd.DataFrame({"value": value, "unit": list(_UNITS.values())})
    return provenance.attach(result, source.attrs, plans_attrs)


def _check_limit(limit: float) -> None:
    if isinstance(limit, bool) or not isinstance(limit, Real) or not 0 < limit < math.inf:
        raise FrameError(f"limit: expected credits, a number above 0, found {limit!r}")


def _known_until(attrs: dict[str, Any], now: dt.datetime) -> dt.datetime:
    """When the turns were fetched or, if that is not known or not long ago, now."""
    try:
        fetched_at = utc_instant(attrs.get("fetched_at"), "fetched_at")
    except FrameError:
        return now
    if fetched_at is None or fetched_at.year < _EARLIEST_FETCH or now - fetched_at <= _FRESH:
        return now
    return fetched_at


def _values(limit: float, days: Days, past: Past, plan: Planned) -> dict[str, Any]:
    spent = int(past.period.sum())
    values = {
        "limit": limit,
        "spent": spent,
        "share": spent / limit,
        "projected": math.nan,
        "low": math.nan,
        "high": math.nan,
        "scheduled": round(float(plan.expected.sum())),
        "crosses_on": _crossing(days.starts[days.first :], past.period, limit),
        "pace": spent / days.elapsed if days.elapsed else math.nan,
        "days_elapsed": days.elapsed,
        "days_left": float(days.left.sum()),
        "history_days": len(past.history),
        "period_start": days.start,
        "period_end": days.end,
        "as_of": days.as_of,
    }
    if len(past.history) < MIN_HISTORY_DAYS:
        return values
    rest = outlook(past.history, days.weekdays(len(past.history)), days.left)
    expected = rest.expected + plan.expected
    projected = spent + float(expected.sum())
    reach = students_t(rest.freedom) * math.sqrt(rest.variance + plan.variance)
    values |= {
        "projected": round(projected),
        "low": max(spent, round(projected - reach)),
        "high": round(projected + reach),
    }
    if spent <= limit:
        ahead = np.append(spent + expected[0], expected[1:])
        values["crosses_on"] = _crossing(days.starts[days.today :], ahead, limit)
    return values


def _crossing(days: pd.DatetimeIndex, credits_: NDArray[Any], limit: float) -> Any:
    """First day by whose end the credits so far exceed the limit."""
    over = np.cumsum(credits_) > limit
    return days[int(over.argmax())] if over.any() else pd.NaT


def _verdict(values: dict[str, Any]) -> str:
    limit = values["limit"]
    if values["spent"] > limit:
        return "over the limit"
    if math.isnan(values["projected"]):
        return "not enough data"
    if values["projected"] > limit:
        return "will cross"
    return "may cross" if values["high"] > limit else "within the limit"


def _reasons(values: dict[str, Any], past: Past, attrs: dict[str, Any]) -> list[str]:
    reasons = [f"{values['spent']:,} of {values['limit']:,} credits are spent ({values['share']:.0%})"]
    crosses_on = values["crosses_on"]
    if values["spent"] > values["limit"]:
        reasons.append(f"the limit was exceeded on {crosses_on:%Y-%m-%d}")
    if math.isnan(values["projected"]):
        reasons.append(past.missing)
    else:
        until = f"{values['days_left']:.1f} days are left"
        range_ = f"between {values['low']:,} and {values['high']:,} in {CONFIDENCE:.0%} of cases"
        reasons.append(f"{until}, {values['projected']:,} are expected by the end, {range_}")
        if values["verdict"] == "will cross":
            reasons.append(f"the limit is crossed on {crosses_on:%Y-%m-%d}")
    if attrs.get("complete") is False:
        reasons.append("some tasks could not be fetched, so more was spent than this says")
    return reasons
