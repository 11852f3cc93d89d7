"""Who spends far more than usual, and who spends most all the time."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from handinger_analytics import provenance
from handinger_analytics.arguments import check_freq
from handinger_analytics.errors import FrameError
from handinger_analytics.metrics.checks import grouping
from handinger_analytics.metrics.engines import TEXT
from handinger_analytics.metrics.spend import spend
from handinger_analytics.times import FREQS

_DTYPES: dict[str, Any] = {
    "kind": TEXT,
    "period": "datetime64[ms, UTC]",  # or the zone asked for
    "credits": "int64",
    "usual": "float64",
    "score": "float64",
    "share": "float64",
    "history": "int64",
    "reason": TEXT,
}
"""Columns of the result after those of ``by``."""

_WINDOW = 56
_SHARE_WINDOW = 7
_MOSTLY = 0.75
_LEAST_TIMES = 2
_MAD_TO_SIGMA = 1.4826
_MEAN_AD_TO_SIGMA = 1.2533

Finding = dict[str, Any]
"""Position of the group, and what goes into the columns."""


def anomalies(
    turns: Any,
    *,
    by: str | Iterable[str] | None = "worker_id",
    freq: str = "D",
    tz: str = "UTC",
    threshold: float = 5.0,
    share: float = 0.5,
    min_history: int = 14,
) -> pd.DataFrame:
    """Find periods far above a group's own history, and groups that burn most of it all the time.

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
        Part of everybody's credits, 0 to 1, from which a group is a chronic burner if it mostly stays there.
    min_history : int
        Periods needed before a verdict, 3 to 56.

    Returns
    -------
    pandas.DataFrame
        One row per finding: the ``by`` columns, then

        - ``kind``: "spike" (a period far above the group's own history), "chronic" (a group whose part
          of the spend stays high, which no spike would ever show) or "no verdict" (a group with too
          little history to judge any of its periods);
        - ``period``: first instant of the spike (``datetime64[ms, tz]``), NaT for the others;
        - ``credits`` (int64): of the spike, else of the group in all;
        - ``usual`` (float64): median of the history, and ``score``, see Notes; NaN unless a spike;
        - ``share`` (float64, 0 to 1): of everybody's credits in that period, or in all;
        - ``history`` (int64): periods the verdict rests on;
        - ``reason``: why, in words.

        Chronic burners first, then spikes, the largest excess first, then groups without a verdict.

    Raises
    ------
    FrameError
        As in `handinger_analytics.spend`, or a threshold, share or minimum that makes no sense.

    Notes
    -----
    The history of a period are the up to 56 periods with turns before it; idle ones say nothing about
    what work costs. The score is the modified z-score of Iglewicz and Hoaglin (1993), How to Detect
    and Handle Outliers: the distance to the median in units of 1.4826 times the median absolute
    deviation or, where that is zero, of 1.2533 times the mean absolute deviation from the median.
    They recommend 3.5 for normally distributed values; credits per day have a longer tail, hence the
    default of 5. A spike has at least twice the usual credits as well, so that tiny changes of
    a steady worker are none.

    A group is a chronic burner if, in at least three of four of the last 56 periods, its part of what
    everybody spent in the seven periods up to then reached ``share``.

    Examples
    --------
    >>> anomalies(turns, tz="Europe/Madrid")[["worker_id", "reason"]]  # doctest: +SKIP
    """
    groups_by = grouping(by, reserved=[*_DTYPES])
    check_freq(freq)
    _check_numbers(threshold, share, min_history)
    spent = spend(turns, by=groups_by, freq=freq, tz=tz)
    periods = pd.DatetimeIndex(spent["period"].unique())
    count = max(len(periods), 1)
    groups = spent.iloc[::count][groups_by].reset_index(drop=True)
    credits_ = spent["credits"].to_numpy().reshape(-1, count)
    active = spent["turns"].to_numpy().reshape(-1, count) > 0
    name = FREQS[freq].split()[0]
    findings = [
        *_chronic(credits_, share, min_history, name),
        *_spikes(credits_, active, periods, threshold, min_history, name),
        *_no_verdict(credits_, active, min_history, name),
    ]
    return provenance.attach(_table(findings, groups, spent["period"].dtype), provenance.of(spent))


def _check_numbers(threshold: float, share: float, min_history: int) -> None:
    if isinstance(threshold, bool) or not isinstance(threshold, Real) or not threshold > 0:
        raise FrameError(f"threshold: expected a score, a number above 0, found {threshold!r}")
    if isinstance(share, bool) or not isinstance(share, Real) or not 0 < share <= 1:
        raise FrameError(f"share: expected a part of the whole, above 0 and up to 1, found {share!r}")
    whole = isinstance(min_history, Integral) and not isinstance(min_history, bool)
    if not whole or not 3 <= min_history <= _WINDOW:
        raise FrameError(f"min_history: expected a whole number from 3 to {_WINDOW}, found {min_history!r}")


def _spikes(
    credits_: NDArray[np.int64],
    active: NDArray[np.bool_],
    periods: pd.DatetimeIndex,
    threshold: float,
    min_history: int,
    name: str,
) -> list[Finding]:
    totals = credits_.sum(axis=0)
    found = []
    for group, (spent, worked) in enumerate(zip(credits_, active, strict=True)):
        places = np.flatnonzero(worked)
        usual, score, history = _scores(spent[places])
        high = (history >= min_history) & (score > threshold) & (spent[places] >= _LEAST_TIMES * usual)
        for at in np.flatnonzero(high):
            place, median, behind = places[at], float(usual[at]), int(history[at])
            times = f"{spent[place] / median:.1f} times" if median else "far above"
            reason = (
                f"{spent[place]:,} credits, {times} the {median:,.0f} of a usual {name}: "
                f"the median of {behind} earlier {name}s with turns"
            )
            found.append(
                {
                    "group": group,
                    "kind": "spike",
                    "period": periods[place],
                    "credits": spent[place],
                    "usual": median,
                    "score": score[at],
                    "share": spent[place] / totals[place],
                    "history": behind,
                    "reason": reason,
                }
            )
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


def _chronic(credits_: NDArray[np.int64], share: float, min_history: int, name: str) -> list[Finding]:
    """Find groups above a share of the recent spend for long; a single group is no finding."""
    if len(credits_) < 2 or credits_.shape[1] < min_history:
        return []
    recent = np.cumsum(credits_, axis=1)
    recent[:, _SHARE_WINDOW:] -= recent[:, :-_SHARE_WINDOW].copy()
    everybody = recent.sum(axis=0)
    above = ((recent >= share * everybody) & (everybody > 0))[:, -_WINDOW:]
    often, looked = above.sum(axis=1), above.shape[1]
    spent, total = credits_.sum(axis=1), credits_.sum()
    return [
        {
            "group": group,
            "kind": "chronic",
            "credits": spent[group],
            "share": spent[group] / total,
            "history": looked,
            "reason": f"{spent[group] / total:.0%} of all credits; on {often[group]} of the last {looked} "
            f"{name}s {share:.0%} or more of what everybody spent in {_SHARE_WINDOW} {name}s",
        }
        for group in np.flatnonzero(often >= _MOSTLY * looked)
    ]


def _no_verdict(
    credits_: NDArray[np.int64], active: NDArray[np.bool_], min_history: int, name: str
) -> list[Finding]:
    """Find groups none of whose periods has enough history."""
    spent, total, worked = credits_.sum(axis=1), credits_.sum(), active.sum(axis=1)
    return [
        {
            "group": group,
            "kind": "no verdict",
            "credits": spent[group],
            "share": spent[group] / total if total else np.nan,
            "history": worked[group],
            "reason": f"too little history: turns on {worked[group]} {name}(s), while a verdict on one "
            f"needs {min_history} before it",
        }
        for group in np.flatnonzero(worked <= min_history)
    ]


def _table(findings: list[Finding], groups: pd.DataFrame, period: Any) -> pd.DataFrame:
    rows = pd.DataFrame(findings, columns=["group", *_DTYPES]).astype({**_DTYPES, "period": period})
    keys = groups.iloc[rows.pop("group").to_numpy(dtype=np.intp)].reset_index(drop=True)
    return pd.concat([keys, rows], axis=1)
