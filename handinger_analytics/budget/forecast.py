"""What the rest of the period will cost, judging by the days before today."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

MIN_HISTORY_DAYS = 7
WEEKDAY_HISTORY_DAYS = 28
CONFIDENCE = 0.8


@dataclass(frozen=True, slots=True)
class Forecast:
    """Credits expected of the days that are left.

    Attributes
    ----------
    expected : numpy.ndarray
        Mean of each day that is left, today's for its remaining part.
    variance : float
        Of their sum: that of the days, and that of not knowing the means better.
    degrees_of_freedom : int
        Of the estimate of ``variance``.
    """

    expected: NDArray[np.float64]
    variance: float
    degrees_of_freedom: int


def forecast(history: NDArray[np.int64], weekdays: NDArray[np.int64], left: NDArray[np.float64]) -> Forecast:
    """Expect the mean day of the history or, from four full weeks on, the mean of each weekday.

    Parameters
    ----------
    history : numpy.ndarray
        Credits of the full days before today, at least `MIN_HISTORY_DAYS`.
    weekdays : numpy.ndarray
        Weekday of each of them, then of each day that is left, today first.
    left : numpy.ndarray
        How much of each day that is left, 0 to 1.
    """
    count = len(history)
    kinds = weekdays if count >= WEEKDAY_HISTORY_DAYS else np.zeros_like(weekdays)
    past, ahead = kinds[:count], kinds[count:]
    seen = np.bincount(past, minlength=7)
    means = np.bincount(past, weights=history, minlength=7) / np.maximum(seen, 1)
    freedom = count - int(np.count_nonzero(seen))
    daily = float(((history - means[past]) ** 2).sum()) / freedom
    days = np.bincount(ahead, weights=left, minlength=7)
    of_means = float((days**2 / np.maximum(seen, 1)).sum())
    return Forecast(means[ahead] * left, daily * (float(left.sum()) + of_means), freedom)


def t_quantile(degrees_of_freedom: int) -> float:
    """Return how many standard deviations a two-sided interval of `CONFIDENCE` reaches, by Student's t.

    Abramowitz and Stegun (1964), Handbook of Mathematical Functions, 26.7.5; for 6 degrees of
    freedom and more it is right to three digits.

    Examples
    --------
    >>> round(t_quantile(6), 2), round(t_quantile(1000), 2)
    (1.44, 1.28)
    """
    z, n = NormalDist().inv_cdf((1 + CONFIDENCE) / 2), degrees_of_freedom
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / n + second / n**2 + third / n**3
