"""How long turns take."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd

from handinger_analytics.metrics.engines import open_frame
from handinger_analytics.metrics.names import Names

_PERCENTILES = (50, 90, 95, 99)


def durations(turns: Any, *, by: str | Iterable[str] | None = None, names: Names = None) -> pd.DataFrame:
    """How long turns take: mean, percentiles and maximum.

    Every turn counts with the duration it reports, also one that ended in error or is still running.

    Parameters
    ----------
    turns : DataFrame
        Turns, one row each: pandas, pyarrow, Polars (eager or lazy), a DuckDB relation or PySpark.
    by : str or list of str, optional
        Columns to group by. A missing value is a group of its own.
    names : mapping or Series, optional
        Names of workers by their ids or dashboard links; adds a column ``worker_name`` after
        ``worker_id``.

    Returns
    -------
    pandas.DataFrame
        The ``by`` columns, ``turns`` (int64), then ``mean_ms``, ``p50_ms``, ``p90_ms``, ``p95_ms``,
        ``p99_ms`` and ``max_ms`` (float64, milliseconds; NaN without turns). One row without
        ``by``; else one per group, the one with the largest 95th percentile first.

    Raises
    ------
    ArgumentError
        A ``by`` that is not the name of a column, or the name of one of the result; names that cannot be
        used.
    FrameError
        Not a frame, a column missing or of the wrong type, or missing numbers.

    Notes
    -----
    Percentiles are exact and interpolate linearly between the two nearest values: definition 7 of
    Hyndman and Fan (1996), "Sample Quantiles in Statistical Packages", the default of NumPy.

    Examples
    --------
    >>> ha.durations(turns, by="triggered_by")[["triggered_by", "turns", "p50_ms", "p95_ms"]]
      triggered_by  turns   p50_ms    p95_ms
    0           ui     72  22977.0  264044.4
    1     schedule     68  30487.0  172680.9
    2        email     61  25660.0  131209.0
    3          api    182   9426.5   96929.8
    """
    source = open_frame(turns, ["duration_ms"], by=by, names=names)
    duration = nw.col("duration_ms")
    percentiles = {f"p{p}_ms": duration.quantile(p / 100, interpolation="linear") for p in _PERCENTILES}
    columns = ["mean_ms", *percentiles, "max_ms"]
    groups = source.aggregate(
        source.by, turns=nw.len(), mean_ms=duration.mean(), **percentiles, max_ms=duration.max()
    )
    groups[columns] = groups[columns].astype("float64")
    return source.result(groups, ["turns", *columns], measure="p95_ms")
