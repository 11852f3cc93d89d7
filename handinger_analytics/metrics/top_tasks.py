"""The tasks that cost most."""

from __future__ import annotations

from typing import Any, Literal
from urllib.parse import quote

import narwhals.stable.v2 as nw
import pandas as pd

from handinger_analytics import provenance
from handinger_analytics.arguments import check_currency, check_whole_number, check_word
from handinger_analytics.metrics.engines import MEASURES, STRING, SUMS, OpenFrame, collect, open_frame, sums
from handinger_analytics.metrics.names import Names, with_cost, with_names

Measure = Literal["credits", "turns", "input_tokens", "output_tokens", "duration_ms"]
"""What tasks can be ranked by: one of `handinger_analytics.metrics.engines.SUMS`."""

_DASHBOARD = "https://v3.handinger.com"
_TASK = ["task_id", "worker_id"]


def top_tasks(
    turns: Any,
    *,
    n: int = 10,
    measure: Measure = "credits",
    names: Names = None,
    price: float | None = None,
    currency: str | None = None,
) -> pd.DataFrame:
    """Rank the most expensive tasks, with their share of the total and a link to the dashboard.

    Parameters
    ----------
    turns : DataFrame
        Turns, one row each: pandas, pyarrow, Polars (eager or lazy), a DuckDB relation or PySpark.
    n : int
        How many tasks.
    measure : {"credits", "turns", "input_tokens", "output_tokens", "duration_ms"}
        What tasks are ranked by.
    names : mapping or Series, optional
        Names of workers by their ids or dashboard links; adds a column ``worker_name`` after
        ``worker_id``.
    price : float, optional
        Money per credit; adds a column ``cost``.
    currency : str, optional
        ISO 4217 code of the currency of ``price``; adds a column ``currency``.

    Returns
    -------
    pandas.DataFrame
        ``task_id``, ``task_title`` (missing where the frame was kept without text), ``worker_id``;
        ``credits``, ``turns``, ``input_tokens``, ``output_tokens``, ``duration_ms`` (int64);
        ``share`` of all turns' total of ``measure`` and ``cumulative_share``, that of this task and all
        above it (float64, 0 to 1, NaN where the total is zero); ``url`` of the dashboard page; ``cost``
        (float64) if ``price`` is given, then ``currency`` (str) if that is. Largest first, ties in the
        order of ``task_id``.

    Raises
    ------
    ArgumentError
        An unknown ``measure``, an ``n`` that is no whole number from 1, names that cannot be used, a price
        below zero, a currency without a price, or one that ISO 4217 does not have.
    FrameError
        Not a frame, a column missing or of the wrong type, or missing numbers.

    Examples
    --------
    >>> ha.top_tasks(turns, n=3)[["task_id", "credits", "share", "cumulative_share"]]
                  task_id  credits     share  cumulative_share
    0  tsk_1cVxBLxD0jdQnw     5502  0.100932          0.100932
    1  tsk_hEVIH1FigBeZWQ     5252  0.096346          0.197278
    2  tsk_YjpfZJgRHFuVpg     2985  0.054759          0.252036
    """
    check_word(measure, "measure", SUMS)
    check_whole_number(n, "n")
    currency = check_currency(currency, price)
    source = open_frame(turns, (*_TASK, *MEASURES), optional=["task_title"], names=names)
    total = source.sums([])[measure].iloc[0]
    per_task = source.grouped(_TASK, **sums())
    top = collect(per_task.sort(measure, *_TASK, descending=[True, False, False]).head(int(n)))
    top["share"] = (top[measure] / total).astype("float64")
    top["cumulative_share"] = (top[measure].cumsum() / total).astype("float64")
    top["task_title"] = _titles(source, top)
    top["url"] = pd.Series(map(_url, top["worker_id"], top["task_id"]), dtype=STRING)
    columns = ["task_id", "task_title", "worker_id", *SUMS, "share", "cumulative_share", "url"]
    return provenance.attach(with_cost(with_names(top[columns], names), price, currency), source.attrs)


def _titles(source: OpenFrame, top: pd.DataFrame) -> pd.Series[Any]:
    """Look the titles up in a second pass, so that text stays out of the grouping."""
    if top.empty or "task_title" not in source.frame.collect_schema().names():
        return pd.Series([None] * len(top), dtype=STRING)
    rows = source.filter(nw.col("task_id").is_in(top["task_id"].tolist()))
    # A task renamed between two fetches has several titles; one must be chosen whatever the row order.
    titles = collect(rows.grouped(_TASK, task_title=nw.col("task_title").max()))
    return top[_TASK].merge(titles, how="left", on=_TASK)["task_title"]


def _url(worker_id: object, task_id: object) -> str | None:
    """Link to a task, where both ids are there to make one."""
    if not isinstance(worker_id, str) or not isinstance(task_id, str):
        return None
    return f"{_DASHBOARD}/worker/{quote(worker_id, safe='')}/task/{quote(task_id, safe='')}"
