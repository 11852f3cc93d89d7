"""Runs that are already planned, and what they will cost."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
from cronsim import CronSim, CronSimError
from numpy.typing import NDArray

from handinger_analytics.arguments import zone_info
from handinger_analytics.budget.days import Days
from handinger_analytics.budget.past import BY_SCHEDULE
from handinger_analytics.errors import FrameError
from handinger_analytics.metrics.engines import STARTED_MS, Input, open_frame, to_pandas
from handinger_analytics.times import milliseconds

_COLUMNS = ["schedule_id", "worker_id", "type", "next_run_at", "cron", "interval_seconds", "timezone"]
_MOST_RUNS = 600_000
"""A run a minute for a year, and some."""

Plan = dict[Any, Any]
"""One row of the frame of schedules."""


class _Unusable(Exception):
    """A schedule that does not say when it runs."""


@dataclass(frozen=True, slots=True)
class Planned:
    """Runs that are known to come.

    Attributes
    ----------
    workers : list of str
        Workers whose tasks by schedule are forecast from their schedules, not from their history.
    runs : int
        How many runs are counted.
    expected : numpy.ndarray
        Credits of each day that is left, today first.
    variance : float
        Of their sum.
    notes : list of str
        Which workers are left to their history although they have schedules, and why.
    """

    workers: list[str]
    runs: int
    expected: NDArray[np.float64]
    variance: float
    notes: list[str]


def open_schedules(schedules: Any) -> tuple[list[Plan], dict[str, Any]]:
    """Check a frame of schedules; return its rows and its provenance.

    Raises
    ------
    FrameError
        Not a frame, a column missing, or runs without a time zone.
    """
    opened = open_frame(schedules, _COLUMNS, name="schedules")
    plans = to_pandas(opened.frame.select(*_COLUMNS))
    next_run = plans["next_run_at"]
    if next_run.notna().any() and not isinstance(next_run.dtype, pd.DatetimeTZDtype):
        raise FrameError(
            "schedules: column 'next_run_at' must hold times with a time zone, "
            f"found {next_run.dtype}; in pandas: pd.to_datetime(schedules['next_run_at'], utc=True)"
        )
    return plans.to_dict("records"), opened.attrs


def planned(plans: list[Plan], turns: Input, days: Days) -> Planned:
    """Count the runs of each schedule until the end of the period, and price them.

    A run costs the median of the worker's tasks, those by schedule if there are any.
    """
    by_worker: dict[str, list[Plan]] = {}
    for plan in plans:
        by_worker.setdefault(plan["worker_id"], []).append(plan)
    result = Planned([], 0, np.zeros(len(days.left)), 0.0, [])
    if not plans:
        return result
    tasks = _tasks(turns, list(by_worker), days)
    for worker, its in by_worker.items():
        history = tasks[tasks["worker_id"] == worker]
        try:
            result = _with_worker(result, worker, its, history, days)
        except _Unusable as error:
            note = f"worker {worker!r} is judged by its history, not its schedules: {error}"
            result = dataclasses.replace(result, notes=[*result.notes, note])
    return result


def _with_worker(
    sofar: Planned, worker: str, plans: list[Plan], history: pd.DataFrame, days: Days
) -> Planned:
    by_schedule = history.loc[history[BY_SCHEDULE] > 0, "credits"]
    recurring = any(plan["type"] in _RECURRING for plan in plans)
    runs = np.sum([_runs(plan, days) for plan in plans], axis=0)
    count = int(runs.sum())
    if not recurring and len(by_schedule):
        return sofar  # the history holds such single runs, and the pace with it
    credits_ = by_schedule if len(by_schedule) else history["credits"]
    if count and credits_.empty:
        raise _Unusable("it has no task yet to tell what a run costs")
    median = float(credits_.median()) if count else 0.0
    spread = float(credits_.var()) if count and len(credits_) > 1 else 0.0
    return Planned(
        [*sofar.workers, worker] if recurring else sofar.workers,
        sofar.runs + count,
        sofar.expected + runs * median,
        sofar.variance + count * spread,
        sofar.notes,
    )


def _tasks(turns: Input, workers: list[str], days: Days) -> pd.DataFrame:
    """Credits of each task of these workers, and whether a schedule started it."""
    known = nw.col("worker_id").is_in(workers)
    before = nw.col(STARTED_MS) <= milliseconds(days.as_of)
    rows = dataclasses.replace(turns, frame=turns.frame.filter(known, before))
    credits_, by_schedule = nw.col("credits").sum(), nw.col(BY_SCHEDULE).max()
    return rows.aggregate(["worker_id", "task_id"], credits=credits_, **{BY_SCHEDULE: by_schedule})


def _runs(plan: Plan, days: Days) -> NDArray[np.int64]:
    """Count the runs on each day that is left, today first."""
    kind = _KINDS.get(plan["type"])
    if kind is None:
        raise _Unusable(f"{_named(plan)} has type {plan['type']!r}, expected {', '.join(_KINDS)}")
    return kind(plan, days)


def _once(plan: Plan, days: Days) -> NDArray[np.int64]:
    if pd.isna(plan["next_run_at"]):
        raise _Unusable(f"{_named(plan)} does not say when it runs next")
    return _by_day([milliseconds(plan["next_run_at"])], days)


def _by_interval(plan: Plan, days: Days) -> NDArray[np.int64]:
    seconds = plan["interval_seconds"]
    if pd.isna(seconds) or seconds <= 0:
        raise _Unusable(f"{_named(plan)} has interval_seconds {seconds}, expected 1 or more")
    step, now = int(seconds) * 1000, milliseconds(days.as_of)
    first = now + step if pd.isna(plan["next_run_at"]) else milliseconds(plan["next_run_at"])
    # Runs before each bound by division: a run every second costs no more to count than one a day.
    bounds = np.maximum(days.bounds_ms[days.today :], now + 1)
    return np.diff(np.maximum(0, -((first - bounds) // step)))


def _by_cron(plan: Plan, days: Days) -> NDArray[np.int64]:
    begin = days.as_of
    if not pd.isna(plan["next_run_at"]):
        begin = max(begin, plan["next_run_at"] - pd.Timedelta(seconds=1))
    try:
        zone = zone_info("UTC" if pd.isna(plan["timezone"]) else plan["timezone"])
        clock = CronSim(str(plan["cron"]), begin.astimezone(zone).to_pydatetime(warn=False))
    except (CronSimError, FrameError) as error:
        raise _Unusable(f"{_named(plan)} has cron {plan['cron']!r}: {error}") from None
    end, instants = days.end.timestamp(), []
    for run in clock:
        if run.timestamp() >= end:
            break
        instants.append(int(run.timestamp() * 1000))
        if len(instants) > _MOST_RUNS:
            raise _Unusable(f"{_named(plan)} has cron {plan['cron']!r}: more than {_MOST_RUNS:,} runs")
    return _by_day(instants, days)


_RECURRING: dict[str, Callable[[Plan, Days], NDArray[np.int64]]] = {
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


def _named(plan: Plan) -> str:
    return f"schedule {plan['schedule_id']!r}"
