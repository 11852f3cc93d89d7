"""What went into turns that brought nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from handinger_analytics import provenance
from handinger_analytics.metrics.engines import MEASURES, SUMS, biggest_first, open_frame
from handinger_analytics.tables.schema import WASTED


def waste(turns: Any, *, by: str | Iterable[str] | None = None) -> pd.DataFrame:
    """Credits, tokens and time that went into turns that ended ``error`` or ``aborted``.

    Parameters
    ----------
    turns : DataFrame
        Turns, one row each: pandas, pyarrow, Polars (eager or lazy), a DuckDB relation or PySpark.
    by : str or list of str, optional
        Columns to group by. A missing value is a group of its own.

    Returns
    -------
    pandas.DataFrame
        The ``by`` columns; ``turns`` and ``credits`` of the whole group; ``wasted_turns``,
        ``wasted_credits``, ``wasted_input_tokens``, ``wasted_output_tokens`` and
        ``wasted_duration_ms`` (all int64); ``turns_share``, ``credits_share``, ``tokens_share`` (read
        and written) and ``duration_share`` (float64, 0 to 1: the wasted part of the group's own
        total, NaN where that is zero). One row without ``by``; else one per group, the largest
        waste of credits first.

    Raises
    ------
    FrameError
        Not a frame, a column missing or of the wrong type, or missing numbers.

    Examples
    --------
    >>> waste(turns, by="triggered_by")[["triggered_by", "wasted_credits", "credits_share"]]  # doctest: +SKIP
    """
    source = open_frame(turns, (*MEASURES, "status"), by=by)
    rows = source.sums(list(dict.fromkeys([*source.by, "status"])))
    ended_badly = rows["status"].isin(WASTED)
    parts = rows[list(SUMS)].where(ended_badly, 0).add_prefix("wasted_")
    groups = _add_up(pd.concat([rows, parts], axis=1), source.by)
    shares = {name: groups[f"wasted_{name}"] / groups[name] for name in ("turns", "credits")}
    wasted_tokens = groups["wasted_input_tokens"] + groups["wasted_output_tokens"]
    shares["tokens"] = wasted_tokens / (groups["input_tokens"] + groups["output_tokens"])
    shares["duration"] = groups["wasted_duration_ms"] / groups["duration_ms"]
    groups = groups.assign(**{f"{name}_share": share for name, share in shares.items()})
    wasted = [f"wasted_{name}" for name in ("turns", *MEASURES)]
    columns = [*source.by, "turns", "credits", *wasted, *(f"{name}_share" for name in shares)]
    return provenance.attach(biggest_first(groups, source.by, "wasted_credits")[columns], source.attrs)


def _add_up(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    measures = [column for name in SUMS for column in (name, f"wasted_{name}")]
    if not by:
        return rows[measures].sum().to_frame().T
    return rows.groupby(by, dropna=False, sort=False)[measures].sum().reset_index()
