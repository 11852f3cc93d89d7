"""What was spent until now, day by day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import NDArray

from handinger_analytics.budget.days import HISTORY_DAYS, Days
from handinger_analytics.metrics.engines import STARTED_MS, OpenFrame, open_frame
from handinger_analytics.times import milliseconds

BY_SCHEDULE = "_by_schedule"
"""Column of the opened turns: 1 where a schedule started the task, else 0."""


@dataclass(frozen=True, slots=True)
class SpendHistory:
    """Credits spent until now.

    Attributes
    ----------
    this_period : numpy.ndarray
        Credits per day of the period, up to today.
    full_days : numpy.ndarray
        Credits per full day of history, without tasks that planned runs replace.
    """

    this_period: NDArray[np.int64]
    full_days: NDArray[np.int64]


def open_turns(turns: Any, *, with_tasks: bool) -> OpenFrame:
    """Open the turns; the forecast of scheduled runs needs workers and tasks, too."""
    columns = ["credits", "started_at"]
    if not with_tasks:
        return open_frame(turns, columns)
    source = open_frame(turns, [*columns, "worker_id", "task_id", "triggered_by"])
    by_schedule = nw.when(nw.col("triggered_by") == "schedule").then(1).otherwise(0)
    return source.with_columns(**{BY_SCHEDULE: by_schedule})


def spend_history(
    source: OpenFrame, days: Days, first_ms: int | None = None, workers: Sequence[str] = ()
) -> SpendHistory:
    """Add the credits up by day.

    Parameters
    ----------
    source : OpenFrame
        Turns.
    days : Days
        The days that matter.
    first_ms : int, optional
        Start of the first turn, milliseconds since 1970 UTC; without it there are no full days.
    workers : sequence of str
        Workers whose tasks by schedule are left out of the history.
    """
    # The day of the first turn is left out: chosen for having a turn, it is no typical day.
    since = days.last_data_day
    if first_ms is not None:
        first_full = int(np.searchsorted(days.bounds_ms, first_ms, side="right"))
        since = max(0, days.today - HISTORY_DAYS, min(first_full, days.last_data_day))
    spent, replaced = _credits_by_day(source, days, workers)
    full_days = (spent - replaced)[since : days.last_data_day]
    return SpendHistory(spent[days.first : days.today + 1], full_days)


def _credits_by_day(source: OpenFrame, days: Days, workers: Sequence[str]) -> NDArray[np.int64]:
    """Credits of each day: all, and those that planned runs replace."""
    start, spent = nw.col(STARTED_MS), nw.col("credits")
    within = source.filter(start >= int(days.bounds_ms[0]), start <= milliseconds(days.as_of))
    measures = {"spent": spent}
    if workers:
        known = nw.col("worker_id").is_in([*workers]) & (nw.col(BY_SCHEDULE) == 1)
        measures["replaced"] = nw.when(known).then(spent).otherwise(0)
    rows = within.with_columns(_day=days.periods.key, **measures)
    sums = rows.aggregate(["_day"], **{name: nw.col(name).sum() for name in measures})
    by_day = np.zeros((2, len(days.starts)), dtype=np.int64)
    day = days.periods.index(sums["_day"].to_numpy())
    for row, name in enumerate(measures):
        np.add.at(by_day[row], day, sums[name].to_numpy())
    return by_day
