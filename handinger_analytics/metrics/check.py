"""Whether the parts add up to the totals the server reports."""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from handinger_analytics import provenance
from handinger_analytics.errors import FrameError
from handinger_analytics.metrics.engines import STRING, open_frame
from handinger_analytics.tables.schema import UNFINISHED

_COMPLETE = ("complete", "no turns")
_PAIRS = (
    ("credits", "credits_of_turns", "credits_difference"),
    ("turn_count", "turns", "turns_difference"),
    ("duration_ms", "duration_ms_of_turns", "duration_difference_ms"),
)
"""What the task reports, what its turns add up to, and the second less the first."""


def check(tasks: Any, turns: Any) -> pd.DataFrame:
    """Compare what each task reports with the sums over its turns.

    Parameters
    ----------
    tasks : DataFrame
        Tasks, one row each, of any engine: ``task_id``, ``status``, ``credits``, ``duration_ms``,
        ``turn_count``.
    turns : DataFrame
        Turns, one row each, of any engine: ``turn_id``, ``task_id``, ``status``, ``credits``,
        ``duration_ms``.

    Returns
    -------
    pandas.DataFrame
        One row per task, those that are not complete first, then in the order of ``task_id``:

        - ``task_id``, ``status`` (missing if the task is);
        - ``verdict``, the first of these that holds: "task missing" (turns without their task),
          "turns repeated" (a turn is there twice), "still running" (the task or one of its turns),
          "turns missing", "more turns than reported", "credits differ", "no turns" (and none are
          reported), "complete";
        - ``complete`` (bool): the verdict is "complete" or "no turns";
        - ``credits``, ``credits_of_turns``, ``credits_difference``; ``turn_count``, ``turns``,
          ``turns_difference``; ``duration_ms``, ``duration_ms_of_turns``,
          ``duration_difference_ms``: what the task reports, what its turns add up to, and the
          second less the first (Int64, missing where the task is). A task's duration is wall
          clock and may differ from the sum, so it decides no verdict.

        ``attrs["handinger"]`` says ``reason`` and ``complete``: all tasks are, and both frames say that
        all tasks are here. If a frame does not say it, because it lost its attrs, ``complete`` is absent
        unless a task is not complete.

    Raises
    ------
    FrameError
        Not a frame, a column missing or of the wrong type, missing numbers, or a task in two rows.

    Examples
    --------
    >>> ha.check(tasks, turns).attrs["handinger"]["reason"]
    '6 of 200 tasks are not complete: 6 still running'
    """
    of_tasks = open_frame(tasks, ["task_id", "status", "credits", "duration_ms", "turn_count"], name="tasks")
    of_turns = open_frame(turns, ["turn_id", "task_id", "status", "credits", "duration_ms"])
    reported = of_tasks.aggregate(
        ["task_id", "status"],
        **{name: nw.col(name).sum() for name in ("credits", "turn_count", "duration_ms")},
        rows=nw.len(),
    )
    twice = reported.loc[reported["task_id"].duplicated() | (reported["rows"] > 1), "task_id"]
    if len(twice):
        raise FrameError(f"tasks: task {twice.iloc[0]!r} has several rows; combine(tasks) keeps the newest")
    added = of_turns.with_columns(_unfinished=nw.col("status").is_in(UNFINISHED).cast(nw.Int64)).aggregate(
        ["task_id"],
        credits_of_turns=nw.col("credits").sum(),
        turns=nw.len(),
        duration_ms_of_turns=nw.col("duration_ms").sum(),
        unfinished=nw.col("_unfinished").sum(),
        distinct=nw.col("turn_id").n_unique(),
    )
    both = reported.drop(columns="rows").merge(added, how="outer", on="task_id")
    result = _judge(both)
    return provenance.attach(result, _overall(result, of_tasks.attrs, of_turns.attrs))


def _judge(both: pd.DataFrame) -> pd.DataFrame:
    numbers = both.columns.difference(["task_id", "status"])
    both[numbers] = both[numbers].astype("Int64")
    sums = ["credits_of_turns", "turns", "duration_ms_of_turns", "unfinished", "distinct"]
    both[sums] = both[sums].fillna(0)
    for reported, added, difference in _PAIRS:
        both[difference] = both[added] - both[reported]
    known = both.fillna({"credits_difference": 0, "turns_difference": 0})
    verdicts = {
        "task missing": both["turn_count"].isna(),
        "turns repeated": known["distinct"] < known["turns"],
        "still running": known["status"].isin(UNFINISHED) | (known["unfinished"] > 0),
        "turns missing": known["turns_difference"] < 0,
        "more turns than reported": known["turns_difference"] > 0,
        "credits differ": known["credits_difference"] != 0,
        "no turns": known["turns"] == 0,
    }
    verdict = np.select([*verdicts.values()], [*verdicts], default="complete")
    both["verdict"] = pd.Series(verdict, dtype=STRING)
    both["complete"] = both["verdict"].isin(_COMPLETE)
    columns = ["task_id", "status", "verdict", "complete", *(name for pair in _PAIRS for name in pair)]
    return both.sort_values(["complete", "task_id"], ignore_index=True)[columns]


def _overall(result: pd.DataFrame, *frames: provenance.Provenance) -> provenance.Provenance:
    """Provenance of both frames with the verdict over all tasks."""
    known = provenance.merged(*frames)
    not_complete = result.loc[~result["complete"], "verdict"].value_counts().sort_index()
    reasons = []
    if total := not_complete.sum():
        found = ", ".join(f"{number} {verdict}" for verdict, number in not_complete.items())
        reasons.append(f"{total} of {len(result)} tasks are not complete: {found}")
    if missing := provenance.incompleteness(known):
        reasons.append(f"the frames themselves are {missing}")
    known["complete"] = not reasons
    reasons = reasons or [f"all {len(result)} tasks agree with their turns"]
    if not missing and (unknown := next(filter(None, map(provenance.doubt, frames)), None)):
        reasons.append(unknown)
        known = {name: value for name, value in known.items() if name != "complete" or not value}
    return {**known, "reason": "; ".join(reasons)}
