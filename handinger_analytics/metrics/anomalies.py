"""Who spends far more than usual, and who spends most all the time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from handinger_analytics import provenance
from handinger_analytics.arguments import check_freq, check_number, check_whole_number
from handinger_analytics.metrics.checks import grouping
from handinger_analytics.metrics.engines import STRING
from handinger_analytics.metrics.names import Names
from handinger_analytics.metrics.spend import spend
from handinger_analytics.times import FREQS, Freq

_DTYPES: dict[str, Any] = {
    "kind": STRING,
    "period": "datetime64[ms, UTC]",  # or the zone asked for
    "credits": "int64",
    "usual": "float64",
    "score": "float64",
    "share": "float64",
    "history": "int64",
    "reason": STRING,
}
"""Columns of the result after those of ``by``."""

_WINDOW = 56
_SHARE_WINDOW = 7
_MOSTLY = 0.75
_LEAST_TIMES = 2
_MAD_TO_SIGMA = 1.4826
_MEAN_AD_TO_SIGMA = 1.2533
"""What makes a median, or mean, absolute deviation an estimate of a normal distribution's sigma."""

Finding = dict[str, Any]
"""Position of the group, and values of the columns."""


def anomalies(
    turns: Any,
    *,
    by: str | Iterable[str] | None = "worker_id",
    freq: Freq = "D",
    tz: str = "UTC",
    threshold: float = 5.0,
    share: float = 0.5,
    min_history: int = 14,
    names: Names = None,
) -> pd.DataFrame:
    """Find periods far above a group's own history, and groups that spend most all the time.

    Parameters
    ----------
    turns : DataFrame
        Turns, one row each: pandas, pyarrow, Polars (eager or lazy), a DuckDB relation or PySpark.
    by : str or list of str, optional
        Columns to group by; None judges all turns together.
    freq : {"h", "D", "W", "MS", "QS", "YS"}
        Period that is judged.
    tz : str
        IANA name of the time zone whose clock decides where a period begins.
    threshold : float
        Score above which a period is a spike.
    share : float
        Share of everybody's credits, above 0 and up to 1, from which a group is chronic if it mostly stays
        there.
    min_history : int
        Periods needed before a verdict, 3 to 56.
    names : mapping or Series, optional
        Names of workers by their ids or dashboard links; adds a column ``worker_name`` after
        ``worker_id``.

    Returns
    -------
    pandas.DataFrame
        One row per finding: the ``by`` columns, then

        - ``kind``: "spike" (a period far above the group's own history), "chronic" (a group whose share
          of the spend stays high, which no spike would ever show) or "no verdict" (a group with too
          little history to judge any of its periods);
        - ``period``: first instant of the spike (``datetime64[ms, tz]``), NaT for the others;
        - ``credits`` (int64): of the spike, else of the group in all;
        - ``usual`` (float64): median of the history, and ``score``, see Notes; NaN unless a spike;
        - ``share`` (float64, 0 to 1): of everybody's credits in that period, or in all;
        - ``history`` (int64): periods the verdict rests on;
        - ``reason``: why, in words.

        Chronic groups first, then spikes, the largest excess first, then groups without a verdict.

    Raises
    ------
    ArgumentError
        As in `handinger_analytics.spend`, or a threshold, share or minimum out of range.
    FrameError
        As in `handinger_analytics.spend`.

    Notes
    -----
    The history of a period are the up to 56 periods with turns before it; idle ones say nothing about
    what work costs. The score is the modified z-score of Iglewicz and Hoaglin (1993), How to Detect
    and Handle Outliers: the distance to the median in units of 1.4826 times the median absolute
    deviation or, where that is zero, of 1.2533 times the mean absolute deviation from the median.
    They recommend 3.5 for normally distributed values; credits per day have a longer tail, hence the
    default of 5. A spike has at least twice the usual credits as well, so that tiny changes of
    a steady worker are none.

    A group is chronic if, in at least three of four of the last 56 periods, its share of what
    everybody spent in the seven periods up to then reached ``share``.

    Examples
    --------
    >>> found = ha.anomalies(turns, by="triggered_by", tz="Europe/Madrid")
    >>> found[["triggered_by", "kind", "period", "credits", "usual"]].head(3)
      triggered_by   kind                    period  credits  usual
    0          api  spike 2026-06-05 00:00:00+02:00     2888   93.0
    1          api  spike 2026-06-26 00:00:00+02:00     2291   88.5
    2        email  spike 2026-06-01 00:00:00+02:00      798  122.0
    >>> found["reason"].iloc[0]
    '2,888 credits, 31.1 times the 93 of a usual day: the median of 23 earlier days with turns'
    """
    groups_by = grouping(by, reserved=_DTYPES)
    check_freq(freq)
    check_number(threshold, "threshold", "a score, a number above 0", above=0)
    check_number(share, "share", "a share of the whole, above 0 and up to 1", above=0, most=1)
    expected = f"a whole number from 3 to {_WINDOW}"
    check_whole_number(min_history, "min_history", expected, least=3, most=_WINDOW)
    spent = spend(turns, by=groups_by, freq=freq, tz=tz, names=names)
    starts = pd.DatetimeIndex(spent["period"].unique())
    periods = max(len(starts), 1)
    history = _History(
        credits=spent["credits"].to_numpy().reshape(-1, periods),
        active=spent["turns"].to_numpy().reshape(-1, periods) > 0,
        starts=starts,
        min_history=min_history,
        name=FREQS[freq],
    )
    findings = [*_chronic(history, share), *_spikes(history, threshold), *_no_verdict(history)]
    rows = pd.DataFrame(findings, columns=["group", *_DTYPES])
    rows = rows.astype({**_DTYPES, "period": spent["period"].dtype})
    groups = spent.loc[::periods, :"period"].iloc[rows.pop("group").to_numpy(dtype=np.intp), :-1]
    return provenance.attach(pd.concat([groups.reset_index(drop=True), rows], axis=1), provenance.of(spent))


@dataclass(frozen=True, slots=True)
class _History:
    """What each group (a row) spent in each period (a column)."""

    credits: NDArray[np.int64]
    active: NDArray[np.bool_]
    starts: pd.DatetimeIndex
    min_history: int
    name: str


def _spikes(history: _History, threshold: float) -> list[Finding]:
    """Find periods far above the group's own history, the largest excess first."""
    totals, name, found = history.credits.sum(axis=0), history.name, []
    for group, (credits_, active) in enumerate(zip(history.credits, history.active, strict=True)):
        columns = np.flatnonzero(active)
        usual, score, before = _scores(credits_[columns])
        enough, twice = before >= history.min_history, credits_[columns] >= _LEAST_TIMES * usual
        for at in np.flatnonzero(enough & twice & (score > threshold)):
            column, spent, median = columns[at], credits_[columns[at]], float(usual[at])
            times = f"{spent / median:.1f} times" if median else "far above"
            reason = (
                f"{spent:,} credits, {times} the {median:,.0f} of a usual {name}: "
                f"the median of {before[at]} earlier {name}s with turns"
            )
            finding = {"group": group, "kind": "spike", "period": history.starts[column], "credits": spent}
            finding |= {"usual": median, "score": score[at], "share": spent / totals[column]}
            found.append(finding | {"history": before[at], "reason": reason})
    return sorted(found, key=lambda spike: (spike["usual"] - spike["credits"], spike["period"]))


def _scores(
    values: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.intp]]:
    """Judge each value by those before it: their median, its modified z-score, how many they are."""
    count = np.minimum(np.arange(len(values)), _WINDOW)
    padded = np.concatenate([np.full(_WINDOW, np.inf), values])
    before = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[: len(values)]
    usual = _medians(before, count)
    away = np.abs(before - usual[:, None])
    mean = np.where(np.isfinite(away), away, 0).sum(axis=1) / np.maximum(count, 1)
    mad = _medians(away, count)
    scale = np.where(mad > 0, _MAD_TO_SIGMA * mad, _MEAN_AD_TO_SIGMA * mean)
    excess = values - usual
    score = np.divide(excess, scale, out=np.where(excess > 0, np.inf, 0.0), where=scale > 0)
    return usual, score, count


def _medians(rows: NDArray[np.float64], count: NDArray[np.intp]) -> NDArray[np.float64]:
    """Median of the finite values of each row; the others are infinite and sort last."""
    ordered = np.sort(rows, axis=1)
    each = np.arange(len(rows))
    low, high = ordered[each, np.maximum(count - 1, 0) // 2], ordered[each, count // 2]
    return np.where(count > 0, (low + high) / 2, 0.0)


def _chronic(history: _History, share: float) -> list[Finding]:
    """Find groups above a share of the recent spend most of the time; a single group is no finding."""
    groups, periods = history.credits.shape
    if groups < 2 or periods < history.min_history:
        return []
    recent = np.cumsum(history.credits, axis=1)
    recent[:, _SHARE_WINDOW:] -= recent[:, :-_SHARE_WINDOW].copy()
    everybody = recent.sum(axis=0)
    above = ((recent >= share * everybody) & (everybody > 0))[:, -_WINDOW:]
    often, judged = above.sum(axis=1), above.shape[1]
    reason = (
        f"{{:.0%}} of all credits; on {{}} of the last {judged} {history.name}s {share:.0%} or more of "
        f"what everybody spent in {_SHARE_WINDOW} {history.name}s"
    )
    return [
        {**finding, "kind": "chronic", "history": judged, "reason": reason.format(finding["share"], times)}
        for finding, times in zip(_totals(history), often, strict=True)
        if times >= _MOSTLY * judged
    ]


def _no_verdict(history: _History) -> list[Finding]:
    """Find groups none of whose periods has enough history."""
    reason = (
        f"too little history: turns on {{}} {history.name}(s), while a verdict on one needs "
        f"{history.min_history} before it"
    )
    return [
        {**finding, "kind": "no verdict", "history": count, "reason": reason.format(count)}
        for finding, count in zip(_totals(history), history.active.sum(axis=1), strict=True)
        if count <= history.min_history
    ]


def _totals(history: _History) -> Iterator[Finding]:
    """Yield what each group spent in all, and its share of everything."""
    total = history.credits.sum()
    for group, spent in enumerate(history.credits.sum(axis=1)):
        yield {"group": group, "credits": spent, "share": spent / total if total else np.nan}
