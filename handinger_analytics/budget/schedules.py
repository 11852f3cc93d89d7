"""Runs that are already planned, and what they will cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
from cronsim import CronSim, CronSimError
from numpy.typing import NDArray

from handinger_analytics.arguments import zone_info
from handinger_analytics.budget.days import Days
from handinger_analytics.budget.history import BY_SCHEDULE
from handinger_analytics.errors import ArgumentError, FrameError
from handinger_analytics.metrics.engines import STARTED_MS, OpenFrame, collect, open_frame
from handinger_analytics.times import LAST_MS, milliseconds

_COLUMNS = ["schedule_id", "worker_id", "type", "next_run_at", "cron", "interval_seconds", "timezone"]
_MOST_RUNS = 600_000
"""More than a run a minute for a year."""

Schedule = dict[Any, Any]
"""One row of the frame of schedules."""


class _Unusable(Exception):
    """A schedule that does not say when it runs."""


@dataclass(slots=True)
class ScheduledRuns:
    """Runs that are known to come.

    Attributes
    ----------
    workers : list of str
        Workers whose tasks by schedule are forecast from their schedules, not from their history.
    expected : numpy.ndarray
        Credits of each day that is left, today first.
    variance : float
        Of their sum.
    notes : list of str
        Which workers are forecast from their history although they have schedules, and why.
    """

    workers: list[str]
    expected: NDArray[np.float64]
    variance: float
    notes: list[str]


def open_schedules(schedules: Any) -> pd.DataFrame:
    """Check a frame of schedules and return its rows.

    Raises
    ------
    FrameError
        Not a frame, a column missing, or runs without a time zone.
    """
    opened = open_frame(schedules, _COLUMNS, name="schedules")
    rows = collect(opened.frame.select(*_COLUMNS))
    next_run = rows["next_run_at"]
    if next_run.notna().any() and not isinstance(next_run.dtype, pd.DatetimeTZDtype):
        raise FrameError(
            "schedules: column 'next_run_at' must hold times with a time zone, "
            f"found {next_run.dtype}; in pandas: pd.to_datetime(schedules['next_run_at'], utc=True)"
        )
    return rows


def scheduled_runs(schedules: pd.DataFrame | None, turns: OpenFrame, days: Days) -> ScheduledRuns:
    """Count the runs of each schedule until the end of the period, and price them.

    A run costs the median of the worker's tasks, those by schedule if there are any.
    """
    result = ScheduledRuns([], np.zeros(len(days.left)), 0.0, [])
    if schedules is None or schedules.empty:
        return result
    tasks = _tasks(turns, schedules["worker_id"].unique().tolist(), days)
    for worker, rows in schedules.groupby("worker_id", sort=False, dropna=False):
        try:
            _add_worker(result, worker, rows, tasks[tasks["worker_id"] == worker], days)
        except _Unusable as error:
            note = f"worker {worker!r} is judged by its history, not its schedules: {error}"
            result.notes.append(note)
    return result


def _add_worker(
    result: ScheduledRuns, worker: Any, schedules: pd.DataFrame, tasks: pd.DataFrame, days: Days
) -> None:
    by_schedule = tasks.loc[tasks[BY_SCHEDULE] > 0, "credits"]
    recurring = schedules["type"].isin(_RECURRING).any()
    runs = np.sum([_runs(schedule, days) for schedule in schedules.to_dict("records")], axis=0)
    if not recurring and len(by_schedule):
        return  # the history holds such single runs
    credits_ = by_schedule if len(by_schedule) else tasks["credits"]
    if count := int(runs.sum()):
        if credits_.empty:
            raise _Unusable("it has no task yet to tell what a run costs")
        result.expected += runs * float(credits_.median())
        result.variance += count * float(credits_.var()) if len(credits_) > 1 else 0.0
    if recurring:
        result.workers.append(worker)


def _tasks(turns: OpenFrame, workers: list[str], days: Days) -> pd.DataFrame:
    """Credits of each task of these workers, and whether a schedule started it."""
    before = nw.col(STARTED_MS) <= milliseconds(days.as_of)
    rows = turns.filter(nw.col("worker_id").is_in(workers), before)
    credits_, by_schedule = nw.col("credits").sum(), nw.col(BY_SCHEDULE).max()
    return rows.aggregate(["worker_id", "task_id"], credits=credits_, **{BY_SCHEDULE: by_schedule})


def _runs(schedule: Schedule, days: Days) -> NDArray[np.int64]:
    """Count the runs on each day that is left, today first."""
    count = _KINDS.get(schedule["type"])
    if count is None:
        raise _unusable(schedule, f"type {schedule['type']!r}, expected {', '.join(_KINDS)}")
    return count(schedule, days)


def _once(schedule: Schedule, days: Days) -> NDArray[np.int64]:
    if pd.isna(schedule["next_run_at"]):
        raise _unusable(schedule, "no next_run_at")
    return _by_day([milliseconds(schedule["next_run_at"])], days)


def _by_interval(schedule: Schedule, days: Days) -> NDArray[np.int64]:
    seconds = schedule["interval_seconds"]
    if pd.isna(seconds) or seconds <= 0:
        raise _unusable(schedule, f"interval_seconds {seconds}, expected 1 or more")
    step, now = min(int(seconds) * 1000, LAST_MS), milliseconds(days.as_of)
    first = now + step if pd.isna(schedule["next_run_at"]) else milliseconds(schedule["next_run_at"])
    # Runs before each bound by division: a run every second costs no more to count than one a day.
    bounds = np.maximum(days.bounds_ms[days.today :], now + 1)
    return np.diff(np.maximum(0, -((first - bounds) // step)))


def _by_cron(schedule: Schedule, days: Days) -> NDArray[np.int64]:
    begin = days.as_of
    if not pd.isna(schedule["next_run_at"]):
        begin = max(begin, schedule["next_run_at"] - pd.Timedelta(seconds=1))
    if begin >= days.end:
        return _by_day([], days)
    try:
        zone = zone_info("UTC" if pd.isna(schedule["timezone"]) else schedule["timezone"])
        clock = CronSim(str(schedule["cron"]), begin.astimezone(zone).to_pydatetime(warn=False))
    except (CronSimError, ArgumentError) as error:
        raise _unusable(schedule, f"cron {schedule['cron']!r}: {error}") from None
    end = days.end.timestamp()
    ahead = takewhile(lambda run: run < end, (run.timestamp() for run in clock))
    runs = [int(run * 1000) for run in islice(ahead, _MOST_RUNS + 1)]
    if len(runs) > _MOST_RUNS:
        raise _unusable(schedule, f"cron {schedule['cron']!r}: more than {_MOST_RUNS:,} runs")
    return _by_day(runs, days)


_RECURRING: dict[str, Callable[[Schedule, Days], NDArray[np.int64]]] = {
    "cron": _by_cron,
    "interval": _by_interval,
}
_KINDS = {**_RECURRING, "delayed": _once, "scheduled": _once}


def _by_day(instants: list[int], days: Days) -> NDArray[np.int64]:
    """Count instants after ``as_of`` by the day they fall on; those past the period are left out."""
    bounds = days.bounds_ms[days.today :]
    ahead = np.array(instants, dtype=np.int64)
    ahead = ahead[(ahead > milliseconds(days.as_of)) & (ahead < bounds[-1])]
    return np.bincount(np.searchsorted(bounds, ahead, side="right") - 1, minlength=len(bounds) - 1)


def _unusable(schedule: Schedule, what: str) -> _Unusable:
    return _Unusable(f"schedule {schedule['schedule_id']!r} has {what}")
