"""Tokens read and written, and what they cost."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from handinger_analytics.metrics.engines import MEASURES, open_frame
from handinger_analytics.metrics.names import Names


def tokens(turns: Any, *, by: str | Iterable[str] | None = None, names: Names = None) -> pd.DataFrame:
    """Tokens read and written, and what a thousand of them cost.

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
        The ``by`` columns, ``turns``, ``input_tokens``, ``output_tokens``, ``credits`` (int64) and
        ``credits_per_1k_tokens`` (float64: credits per thousand tokens read or written, NaN without
        tokens). One row without ``by``; else one per group, the biggest spender first.

    Raises
    ------
    ArgumentError
        A ``by`` that is not the name of a column, or the name of one of the result; names that cannot be
        used.
    FrameError
        Not a frame, a column missing or of the wrong type, or missing numbers.

    Examples
    --------
    >>> ha.tokens(turns, by="triggered_by")[["triggered_by", "credits", "credits_per_1k_tokens"]]
      triggered_by  credits  credits_per_1k_tokens
    0           ui    24473              22.845082
    1          api    13832              14.819545
    2     schedule    11235               7.488867
    3        email     4972              20.656934
    """
    source = open_frame(turns, MEASURES, by=by, names=names)
    groups = source.sums(source.by)
    both = groups["input_tokens"] + groups["output_tokens"]
    groups["credits_per_1k_tokens"] = (1000 * groups["credits"] / both).where(both > 0)
    columns = ["turns", "input_tokens", "output_tokens", "credits", "credits_per_1k_tokens"]
    return source.result(groups, columns)
