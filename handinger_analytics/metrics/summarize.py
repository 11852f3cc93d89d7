"""The overview: how much work, what it cost, how much of it ended in error."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd

from handinger_analytics import provenance
from handinger_analytics.arguments import check_currency
from handinger_analytics.metrics.engines import MEASURES, STARTED_MS, open_frame, sums, utc_times
from handinger_analytics.metrics.names import Names, with_cost

_UNITS = {
    "tasks": "tasks",
    "turns": "turns",
    "credits": "credits",
    "input_tokens": "tokens",
    "output_tokens": "tokens",
    "duration_ms": "ms",
    "credits_per_turn": "credits per turn",
    "error_share": "share of turns",
    "aborted_share": "share of turns",
    "first_started_at": "UTC",
    "last_started_at": "UTC",
}
"""Measures of the overview, in order, with their units."""


def summarize(
    turns: Any,
    *,
    by: str | Iterable[str] | None = None,
    names: Names = None,
    price: float | None = None,
    currency: str | None = None,
) -> pd.DataFrame:
    """Tasks, turns, credits, tokens, time, share of errors and the time range.

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
        Money per credit; adds what the credits cost.
    currency : str, optional
        ISO 4217 code of the currency of ``price``; adds a column ``currency``, or is the unit of ``cost``.

    Returns
    -------
    pandas.DataFrame
        Measures: ``tasks``, ``turns``, ``credits``, ``input_tokens``, ``output_tokens``,
        ``duration_ms`` (int64), ``credits_per_turn`` (float64), ``error_share`` and
        ``aborted_share`` (float64, 0 to 1, share of the turns that ended so), ``first_started_at``
        and ``last_started_at`` (``datetime64[ms, UTC]``); ``cost`` (float64) if ``price`` is given.

        With ``by``: one row per group, the measures as columns, biggest spender first, ties in the
        order of ``by``, and ``currency`` (str) if that is given. Without: one row per measure, indexed by
        ``measure``, with ``value`` (object) and ``unit``. Averages and times over no turns are missing
        (NaN, NaT).

    Raises
    ------
    ArgumentError
        A ``by`` that is not the name of a column, or the name of one of the result; names that cannot be
        used; a price below zero, a currency without a price, or one that ISO 4217 does not have.
    FrameError
        Not a frame, a column missing or of the wrong type, times without a time zone, or missing
        numbers.

    Examples
    --------
    >>> int(ha.summarize(turns).loc["credits", "value"])
    54512
    >>> ha.summarize(turns, by="triggered_by")[["triggered_by", "tasks", "credits", "error_share"]]
      triggered_by  tasks  credits  error_share
    0           ui     36    24473     0.083333
    1          api     97    13832     0.043956
    2     schedule     32    11235     0.014706
    3        email     33     4972     0.016393
    """
    currency = check_currency(currency, price)
    source = open_frame(turns, (*MEASURES, "task_id", "status", "started_at"), by=by, names=names)
    source = source.with_columns(
        _error=(nw.col("status") == "error").cast(nw.Int64),
        _aborted=(nw.col("status") == "aborted").cast(nw.Int64),
    )
    groups = source.aggregate(
        source.by,
        tasks=nw.col("task_id").n_unique(),
        error_share=nw.col("_error").sum(),
        aborted_share=nw.col("_aborted").sum(),
        first_started_at=nw.col(STARTED_MS).min(),
        last_started_at=nw.col(STARTED_MS).max(),
        **sums(),
    )
    groups["tasks"] = groups["tasks"].fillna(0).astype("int64")  # DuckDB counts no rows as null
    groups["credits_per_turn"] = groups["credits"] / groups["turns"]
    for share in ("error_share", "aborted_share"):
        groups[share] = groups[share] / groups["turns"]
    for instant in ("first_started_at", "last_started_at"):
        groups[instant] = utc_times(groups[instant])
    table = with_cost(source.result(groups, _UNITS), price, currency)
    if source.by:
        return table
    units = _UNITS if price is None else {**_UNITS, "cost": currency or "money"}
    overview = measures_frame({measure: table[measure].iloc[0] for measure in units}, units)
    return provenance.attach(overview, source.attrs)


def measures_frame(values: Mapping[str, Any], units: Mapping[str, str]) -> pd.DataFrame:
    """Return one row per measure: ``value`` (object) and ``unit``, in the order of the units."""
    index = pd.Index(units, name="measure")
    column = pd.Series([values[measure] for measure in units], index=index, dtype=object)
    return pd.DataFrame({"value": column, "unit": list(units.values())})
