"""Tokens read and written, and what they cost."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from handinger_analytics import provenance
from handinger_analytics.metrics.engines import MEASURES, biggest_first, open_frame


def tokens(turns: Any, *, by: str | Iterable[str] | None = None) -> pd.DataFrame:
    """Tokens read and written, and what a thousand of them cost.

    Parameters
    ----------
    turns : DataFrame
        Turns, one row each: pandas, pyarrow, Polars (eager or lazy), a DuckDB relation or PySpark.
    by : str or list of str, optional
        Columns to group by. A missing value is a group of its own.

    Returns
    -------
    pandas.DataFrame
        The ``by`` columns, ``turns``, ``input_tokens``, ``output_tokens``, ``credits`` (int64) and
        ``credits_per_1k_tokens`` (float64: credits per thousand tokens read or written, NaN without
        tokens). One row without ``by``; else one per group, the biggest spender first.

    Raises
    ------
    FrameError
        Not a frame, a column missing or of the wrong type, or missing numbers.

    Examples
    --------
    >>> tokens(turns, by="worker_id")["credits_per_1k_tokens"]  # doctest: +SKIP
    """
    source = open_frame(turns, MEASURES, by=by)
    groups = source.sums(source.by)
    both = groups["input_tokens"] + groups["output_tokens"]
    groups["credits_per_1k_tokens"] = (1000 * groups["credits"] / both).where(both > 0)
    columns = ["turns", "input_tokens", "output_tokens", "credits", "credits_per_1k_tokens"]
    return provenance.attach(biggest_first(groups, source.by)[[*source.by, *columns]], source.attrs)
