"""The budget in one table: what is spent, what is to come, and when the limit is crossed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from handinger_analytics import provenance, times
from handinger_analytics.arguments import check_currency, check_number, utc_instant, zone_info
from handinger_analytics.budget.days import Days, days_of
from handinger_analytics.budget.forecast import MIN_HISTORY_DAYS, forecast, t_quantile
from handinger_analytics.budget.history import SpendHistory, open_turns, spend_history
from handinger_analytics.budget.known import known_time
from handinger_analytics.budget.reasons import reasons, verdict
from handinger_analytics.budget.schedules import ScheduledRuns, open_schedules, scheduled_runs
from handinger_analytics.metrics.summarize import measures_frame

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

_COSTS = {"cost": "spent", "projected_cost": "projected"}
"""Measures of a status with a price, and the credits that they are the cost of."""


def budget_status(
    turns: Any,
    *,
    limit: float,
    period: times.Period = "month",
    tz: str = "UTC",
    schedules: Any = None,
    as_of: times.Moment = None,
    price: float | None = None,
    currency: str | None = None,
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
    as_of : datetime or str, optional
        The moment of the status, with a time zone; now by default. Later turns are ignored. Turns that
        are known until an earlier moment only (see Notes) say nothing about the time since: the status
        is of that moment or, if the period began later, of its start, and ``reason`` says so.
    price : float, optional
        Money per credit; adds what the credits cost.
    currency : str, optional
        ISO 4217 code of the currency of ``price``.

    Returns
    -------
    pandas.DataFrame
        One row per measure, indexed by ``measure``, with ``value`` (object) and ``unit``:

        - ``verdict``: "over the limit", "will cross" (the projection is above it), "may cross" (only
          ``high`` is), "within the limit", "not enough data" or "not known" (the turns end so long
          before the period that nothing can be said of it); ``reason``: why, in words;
        - ``limit``; ``spent`` (int) and ``share`` of the limit (float);
        - ``projected`` (int), the credits expected by the end of the period, in which ``scheduled``
          (int) are those of planned runs; ``low`` and ``high`` (int): eight times in ten the total
          falls between them;
        - ``crosses_on``: first instant of the day on which the limit is exceeded, in fact or as
          projected; NaT if it is not;
        - ``pace`` (credits per day of the period so far), ``days_elapsed``, ``days_left`` (float, in
          calendar days: one of 23 hours is one);
        - ``history_days`` (int): whole days the projection rests on;
        - ``period_start``, ``period_end`` (exclusive), ``as_of`` (the moment of the status): instants
          in ``tz``;
        - if ``price`` is given, ``cost`` of what is spent and ``projected_cost`` (float), whose unit is the
          currency.

        Where not enough or nothing is known the projected values are NaN and ``reason`` says what to do.

    Raises
    ------
    ArgumentError
        A limit that is not above zero, an unknown ``period`` or ``tz``, an ``as_of`` without a time zone or
        outside the years 2 to 9997, a price below zero, a currency without a price, or one that ISO 4217
        does not have.
    FrameError
        Not a frame, a column missing or of the wrong type, times without a time zone, or missing
        numbers.

    Notes
    -----
    Turns are known until they were last fetched: ``turns.attrs["handinger"]["fetched_at"]`` or, where a
    frame lost its attrs, the last value of the column ``fetched_at``. If that is at most six hours before
    ``as_of`` they are known until then. Turns that do not say when they were fetched are known until the
    last start, unless the silence since is usual: at most as long as the second longest one between two
    starts in the 56 days before (the longest may be a hole in the data), with a delay of as long again but
    no more than a day.

    The history is the whole days before today that the turns cover, at most 56, without the day of the
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
    >>> status = ha.budget_status(turns, limit=25_000, tz="Europe/Madrid", as_of="2026-06-18T12:00Z")
    >>> status["value"][["verdict", "spent", "projected", "low", "high", "crosses_on"]]
    measure
    verdict                      will cross
    spent                             14084
    projected                         25509
    low                               19336
    high                              31681
    crosses_on    2026-06-30 00:00:00+02:00
    Name: value, dtype: object
    >>> print(status["value"]["reason"].replace("; ", "\n"))
    14,084 of 25,000 credits are spent (56%)
    12.4 days are left, 25,509 are expected by the end, between 19,336 and 31,681 in 80% of cases
    the limit is crossed on 2026-06-30
    """
    zone, currency, units = zone_info(tz), check_currency(currency, price), _UNITS
    check_number(limit, "limit", "credits, a number above 0", above=0)
    now = utc_instant(as_of, "as_of") or times.now()
    planned = None if schedules is None else open_schedules(schedules)
    source = open_turns(turns, with_tasks=planned is not None and not planned.empty)
    known = known_time(source, now)
    days = days_of(period, zone, now, known.until)
    runs = scheduled_runs(planned, source, days)
    history = spend_history(source, days, known.first_ms, runs.workers)
    values = _values(limit, days, history, runs)
    if price is not None:
        costs = {cost: values[name] * float(price) for cost, name in _COSTS.items()}
        values, units = values | costs, units | dict.fromkeys(costs, currency or "money")
    parts = [*reasons(values, known, days, source.attrs, currency), *runs.notes]
    values |= {"verdict": verdict(values, days), "reason": "; ".join(parts)}
    return provenance.attach(measures_frame(values, units), source.attrs)


def _values(limit: float, days: Days, history: SpendHistory, runs: ScheduledRuns) -> dict[str, Any]:
    spent = int(history.this_period.sum())
    values = {
        "limit": limit,
        "spent": spent,
        "share": spent / limit,
        "projected": math.nan,
        "low": math.nan,
        "high": math.nan,
        "scheduled": round(float(runs.expected.sum())),
        "crosses_on": _crossing(days.starts[days.first :], history.this_period, limit),
        "pace": spent / days.elapsed if days.elapsed else math.nan,
        "days_elapsed": days.elapsed,
        "days_left": float(days.left.sum()),
        "history_days": len(history.full_days),
        "period_start": days.starts[days.first],
        "period_end": days.end,
        "as_of": days.as_of,
    }
    if len(history.full_days) < MIN_HISTORY_DAYS:
        return values
    rest = forecast(history.full_days, days.weekdays(len(history.full_days)), days.left)
    expected = rest.expected + runs.expected
    projected = spent + float(expected.sum())
    margin = t_quantile(rest.degrees_of_freedom) * math.sqrt(rest.variance + runs.variance)
    values |= {
        "projected": round(projected),
        "low": max(spent, round(projected - margin)),
        "high": round(projected + margin),
    }
    if spent <= limit:
        ahead = np.append(spent + expected[0], expected[1:])
        values["crosses_on"] = _crossing(days.starts[days.today :], ahead, limit)
    return values


def _crossing(days: pd.DatetimeIndex, credits_: NDArray[Any], limit: float) -> Any:
    """First day by whose end the credits so far exceed the limit."""
    over = np.cumsum(credits_) > limit
    return days[int(over.argmax())] if over.any() else pd.NaT
