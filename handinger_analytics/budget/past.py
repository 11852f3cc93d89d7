"""What was spent until now, day by day."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from handinger_analytics.budget.days import HISTORY_DAYS, Days
from handinger_analytics.budget.outlook import MIN_HISTORY_DAYS
from handinger_analytics.metrics.engines import STARTED_MS, Input, open_frame
from handinger_analytics.times import milliseconds

BY_SCHEDULE = "_by_schedule"
"""Column of the opened turns: 1 where a schedule started the task, else 0."""


@dataclass(frozen=True, slots=True)
class Past:
    """Credits spent until now.

    Attributes
    ----------
    period : numpy.ndarray
        Of each day of the period, up to today.
    history : numpy.ndarray
        Of the whole days before the turns end that tell what a day costs, without what planned runs
        replace.
    missing : str
        What is missing for a projection, in words; empty if nothing is.
    """

    period: NDArray[np.int64]
    history: NDArray[np.int64]
    missing: str


def open_turns(turns: Any, *, with_tasks: bool) -> Input:
    """Open the turns; the forecast of schedules needs workers and tasks, too."""
    columns = ["credits", "started_at"]
    if not with_tasks:
        return open_frame(turns, columns)
    source = open_frame(turns, [*columns, "worker_id", "task_id", "triggered_by"])
    by_schedule = nw.when(nw.col("triggered_by") == "schedule").then(1).otherwise(0)
    return source.with_columns(**{BY_SCHEDULE: by_schedule})


def spent_by_day(source: Input, days: Days, workers: list[str]) -> Past:
    """Add the credits up by day.

    Parameters
    ----------
    source : Input
        Turns.
    days : Days
        The days that matter.
    workers : list of str
        Workers whose tasks by schedule are left out of the history.
    """
    start = source.aggregate([], first=nw.col(STARTED_MS).min())["first"].iloc[0]
    first = int(start) if pd.notna(start) else milliseconds(days.end)
    # A day chosen for having the first turn is no typical day.
    whole = int(np.searchsorted(days.bounds_ms, first, side="right"))
    since = max(0, days.today - HISTORY_DAYS, min(whole, days.known))
    spent, replaced = _credits(source, days, workers)
    history = (spent - replaced)[since : days.known]
    return Past(spent[days.first : days.today + 1], history, _missing(len(history), first, days))


def _credits(source: Input, days: Days, workers: list[str]) -> NDArray[np.int64]:
    """Credits of each day: all, and those that planned runs replace."""
    start = nw.col(STARTED_MS)
    within = (start >= int(days.bounds_ms[0])) & (start <= milliseconds(days.as_of))
    rows = dataclasses.replace(source, frame=source.frame.filter(within))
    measures = {"spent": nw.col("credits")}
    if workers:
        known = nw.col("worker_id").is_in(workers) & (nw.col(BY_SCHEDULE) == 1)
        measures["replaced"] = nw.when(known).then(nw.col("credits")).otherwise(0)
    rows = rows.with_columns(_day=days.periods.key, **measures)
    sums = rows.aggregate(["_day"], **{name: nw.col(name).sum() for name in measures})
    credits_ = np.zeros((2, len(days.starts)), dtype=np.int64)
    day = days.periods.index(sums["_day"].to_numpy())
    for row, name in enumerate(measures):
        np.add.at(credits_[row], day, sums[name].to_numpy())
    return credits_


def _missing(count: int, first_ms: int, days: Days) -> str:
    if count >= MIN_HISTORY_DAYS:
        return ""
    if days.known < days.today:
        window = f"the {HISTORY_DAYS} days before the period"
        return f"a projection needs {MIN_HISTORY_DAYS} whole days of turns in {window}: fetch them again"
    needed = f"a projection needs {MIN_HISTORY_DAYS} whole days of turns before today"
    if first_ms > milliseconds(days.as_of):
        return f"{needed} and there are no turns up to {days.as_of:%Y-%m-%d %H:%M}"
    first = pd.Timestamp(first_ms, unit="ms", tz="UTC").tz_convert(days.starts.tz)
    found = f"the first turn is of {first:%Y-%m-%d}, which leaves {count}"
    enough = first + pd.Timedelta(days=MIN_HISTORY_DAYS + 1)
    return f"{needed}: {found}; give earlier turns, too, or ask again from {enough:%Y-%m-%d}"
