"""Six plots of one frame on a page."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from handinger_analytics import provenance
from handinger_analytics.arguments import column_names, zone_info
from handinger_analytics.metrics.names import Names
from handinger_analytics.metrics.summarize import summarize
from handinger_analytics.plots.axes import closed_on_error
from handinger_analytics.plots.durations import plot_durations
from handinger_analytics.plots.heatmap import plot_heatmap
from handinger_analytics.plots.pareto import plot_pareto
from handinger_analytics.plots.spend import plot_spend
from handinger_analytics.plots.tokens import plot_tokens
from handinger_analytics.plots.units import Unit
from handinger_analytics.plots.waste import plot_waste
from handinger_analytics.text import count

_SIZE = (16, 14)


@closed_on_error
def plot_dashboard(
    turns: Any,
    *,
    by: str | Iterable[str] = "worker_id",
    tz: str = "UTC",
    limit: float | None = None,
    names: Names = None,
    price: float | None = None,
    currency: str | None = None,
    **kwargs: Any,
) -> Figure:
    """Draw six plots on a page: spend, tokens, durations, the week, the tasks that cost most, and waste.

    The one function here that makes a figure of its own instead of drawing on an Axes.

    Parameters
    ----------
    turns : DataFrame
        Turns, one row each: pandas, pyarrow, Polars (eager or lazy), a DuckDB relation or PySpark.
    by : str or list of str
        Column that spend, durations and waste are grouped by, in the same colours.
    tz : str
        IANA name of the time zone whose clock decides days, weekdays and hours.
    limit : float, optional
        Credits that may be spent per period, drawn as a line over the spend.
    names : mapping or Series of str, optional
        Names of workers by their ids, to be shown instead of them.
    price : float, optional
        Money per credit, to draw what credits cost instead of them; ``limit`` stays a number of credits.
    currency : str, optional
        Currency of ``price``, an ISO 4217 code such as "EUR".
    **kwargs
        Passed to `matplotlib.pyplot.figure`.

    Returns
    -------
    matplotlib Figure
        With six subfigures, in the order named above.

    Raises
    ------
    ArgumentError, FrameError
        As in `plot_spend`.

    Examples
    --------
    >>> figure = ha.plot_dashboard(turns, tz="Europe/Madrid")
    >>> figure.get_suptitle()
    '54,512 credits in 383 turns of 198 tasks, 2026-05-01 to 2026-06-30 (Europe/Madrid)'
    """
    zone_info(tz)
    by, unit = column_names(by, "by"), Unit(price, currency)
    overview = summarize(turns)
    figure = plt.figure(**{"figsize": _SIZE, "layout": "constrained", **kwargs})
    if isinstance(turns, pd.DataFrame):
        # What is missing is said once, above.
        turns = turns.copy(deep=False)
        turns.attrs = {}
    # Subfigures, so that a long label in one of them does not make the others narrow.
    figure.subfigures(3, 2)
    spend, tokens, durations, week, tasks, waste = (cell.subplots() for cell in figure.subfigs)
    money: dict[str, Any] = {"price": price, "currency": currency}
    plot_spend(turns, by=by, tz=tz, limit=limit, names=names, ax=spend, **money)
    # After the spend, which refuses times that no clock shows.
    lines = (_title(overview["value"], tz, unit), provenance.incompleteness(provenance.of(overview)))
    figure.suptitle("\n".join(line for line in lines if line))
    plot_tokens(turns, tz=tz, ax=tokens)
    plot_durations(turns, by=by, names=names, ax=durations)
    plot_heatmap(turns, tz=tz, ax=week, **money)
    plot_pareto(turns, n=12, ax=tasks, **money)
    plot_waste(turns, by=by, names=names, ax=waste, **money)
    return figure


def _title(overview: pd.Series[Any], tz: str, unit: Unit) -> str:
    turns, tasks = count(overview["turns"], "turn"), count(overview["tasks"], "task")
    cost = unit.words(overview["credits"], lambda _: "")
    credits_ = f"{count(overview['credits'], 'credit')}{cost and f' for {cost}'} in {turns} of {tasks}"
    if not overview["turns"]:
        return credits_
    ends = overview[["first_started_at", "last_started_at"]]
    first, last = (f"{instant.tz_convert(tz):%Y-%m-%d}" for instant in ends)
    return f"{credits_}, {first} to {last} ({tz})"
