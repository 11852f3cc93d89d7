"""The budget in one table: what is spent, what is to come, and when the limit is crossed."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from handinger_analytics import provenance, times
from handinger_analytics.arguments import check_number, utc_instant, zone_info
from handinger_analytics.budget.days import Days, days_of
from handinger_analytics.budget.forecast import MIN_HISTORY_DAYS, forecast, t_quantile
from handinger_analytics.budget.history import SpendHistory, open_turns, spend_history
from handinger_analytics.budget.reasons import reasons, verdict
from handinger_analytics.budget.schedules import ScheduledRuns, open_schedules, scheduled_runs
from handinger_analytics.errors import ArgumentError
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

_FRESH = dt.timedelta(hours=6)
"""How long after a fetch its turns count as all there are."""


def budget_status(
    turns: Any,
    *,
    limit: float,
    period: times.Period = "month",
    tz: str = "UTC",
    schedules: Any = None,
    as_of: times.Moment = None,
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
        The moment of the status, with a time zone; now by default. Later turns are ignored. Turns
        fetched more than six hours before (``turns.attrs["handinger"]["fetched_at"]``) say nothing
        about the time since: the moment is then when they were fetched or, if the period began later,
        its start, and ``reason`` says so.

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
        - ``period_start``, ``period_end`` (exclusive), ``as_of`` (the moment of the status): instants
          in ``tz``.

        Without enough data the projected values are NaN and ``reason`` says what is missing.

    Raises
    ------
    ArgumentError
        A limit that is not above zero, an unknown ``period`` or ``tz``, or an ``as_of`` without a time
        zone or outside the years 2 to 9997.
    FrameError
        Not a frame, a column missing or of the wrong type, times without a time zone, or missing
        numbers.

    Notes
    -----
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
    zone = zone_info(tz)
    check_number(limit, "limit", "credits, a number above 0", above=0)
    now = utc_instant(as_of, "as_of") or times.now()
    planned, schedules_attrs = (None, {}) if schedules is None else open_schedules(schedules)
    source = open_turns(turns, with_tasks=planned is not None and not planned.empty)
    known = _known_until(source.attrs, now)
    days = days_of(period, zone, now, known)
    runs = scheduled_runs(planned, source, days)
    history = spend_history(source, days, runs.workers)
    values = _values(limit, days, history, runs)
    parts = [*reasons(values, history, days, source.attrs)]
    if known < now:
        until = f"{known.astimezone(zone):%Y-%m-%d %H:%M}"
        parts.append(f"turns are known until {until}; nothing later is counted")
    values |= {"verdict": verdict(values), "reason": "; ".join([*parts, *runs.notes])}
    return provenance.attach(measures_frame(values, _UNITS), source.attrs, schedules_attrs)


def _known_until(attrs: provenance.Provenance, now: dt.datetime) -> dt.datetime:
    """When the turns were fetched; now if that is not known, or a short time ago."""
    try:
        fetched_at = utc_instant(attrs.get("fetched_at"), "fetched_at")
    except ArgumentError:
        return now
    if fetched_at is None or fetched_at < times.EPOCH or now - fetched_at <= _FRESH:
        return now
    return fetched_at


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
