"""Cost of turns that ended in error or were aborted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from handinger_analytics.arguments import check_currency
from handinger_analytics.metrics.engines import MEASURES, SUMS, open_frame
from handinger_analytics.metrics.names import Names, with_cost
from handinger_analytics.tables.schema import WASTED


def waste(
    turns: Any,
    *,
    by: str | Iterable[str] | None = None,
    names: Names = None,
    price: float | None = None,
    currency: str | None = None,
) -> pd.DataFrame:
    """Credits, tokens and time that went into turns that ended ``error`` or ``aborted``.

    Parameters
    ----------
    turns : DataFrame
        Turns, one row each: pandas, pyarrow, Polars (eager or lazy), a DuckDB relation or PySpark.
    by : str or list of str, optional
        Columns to group by. A missing value is a group of its own.
    names : mapping or Series, optional
        Names of workers by their ids or dashboard links; adds a column ``worker_name`` after
        ``worker_id``.
    price : float, optional
        Money per credit; adds what the credits, and those wasted, cost.
    currency : str, optional
        ISO 4217 code of the currency of ``price``; adds a column ``currency``.

    Returns
    -------
    pandas.DataFrame
        The ``by`` columns; ``turns`` and ``credits`` of the whole group; ``wasted_turns``,
        ``wasted_credits``, ``wasted_input_tokens``, ``wasted_output_tokens`` and
        ``wasted_duration_ms`` (all int64); ``turns_share``, ``credits_share``, ``tokens_share`` (read
        and written) and ``duration_share`` (float64, 0 to 1: the wasted part of the group's own
        total, NaN where that is zero); ``cost`` and ``wasted_cost`` (float64) if ``price`` is given, then
        ``currency`` (str) if that is. One row without ``by``; else one per group, the largest
        waste of credits first.

    Raises
    ------
    ArgumentError
        A ``by`` that is not the name of a column, or the name of one of the result; names that cannot be
        used; a price below zero, a currency without a price, or one that ISO 4217 does not have.
    FrameError
        Not a frame, a column missing or of the wrong type, or missing numbers.

    Examples
    --------
    >>> ha.waste(turns, by="triggered_by")[["triggered_by", "wasted_credits", "credits_share"]]
      triggered_by  wasted_credits  credits_share
    0           ui            1162       0.047481
    1          api             496       0.035859
    2        email              64       0.012872
    3     schedule               6       0.000534
    """
    currency = check_currency(currency, price)
    source = open_frame(turns, (*MEASURES, "status"), by=by, names=names)
    rows = source.sums(list(dict.fromkeys([*source.by, "status"])))
    ended_badly = rows["status"].isin(WASTED)
    parts = rows[list(SUMS)].where(ended_badly, 0).add_prefix("wasted_")
    groups = _add_up(pd.concat([rows, parts], axis=1), source.by)
    wasted_tokens = groups["wasted_input_tokens"] + groups["wasted_output_tokens"]
    shares = {
        "turns_share": groups["wasted_turns"] / groups["turns"],
        "credits_share": groups["wasted_credits"] / groups["credits"],
        "tokens_share": wasted_tokens / (groups["input_tokens"] + groups["output_tokens"]),
        "duration_share": groups["wasted_duration_ms"] / groups["duration_ms"],
    }
    wasted = [f"wasted_{name}" for name in ("turns", *MEASURES)]
    groups, columns = groups.assign(**shares), ["turns", "credits", *wasted, *shares]
    return with_cost(source.result(groups, columns, measure="wasted_credits"), price, currency)


def _add_up(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    measures = [column for name in SUMS for column in (name, f"wasted_{name}")]
    if not by:
        return rows[measures].sum().to_frame().T
    return rows.groupby(by, dropna=False, sort=False)[measures].sum().reset_index()
