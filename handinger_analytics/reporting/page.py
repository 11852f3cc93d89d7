"""The page: what it holds, in which order, and the file it becomes."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from handinger_analytics import provenance
from handinger_analytics.arguments import check_currency, utc_instant
from handinger_analytics.budget.status import budget_status
from handinger_analytics.locations import Place, located, written
from handinger_analytics.metrics.anomalies import anomalies
from handinger_analytics.metrics.check import check
from handinger_analytics.metrics.names import Names
from handinger_analytics.metrics.spend import spend
from handinger_analytics.metrics.summarize import summarize
from handinger_analytics.plots.budget import plot_budget
from handinger_analytics.plots.heatmap import plot_heatmap
from handinger_analytics.plots.spend import plot_spend
from handinger_analytics.plots.waste import plot_waste
from handinger_analytics.reporting.pictures import picture
from handinger_analytics.reporting.tables import (
    anomalies_table,
    checked_table,
    top_table,
    wasted_table,
    workers_table,
)
from handinger_analytics.text import duration, have, money, number, picture_text, share
from handinger_analytics.times import now

_TEMPLATES = Environment(
    loader=PackageLoader("handinger_analytics.reporting", ""),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def report(
    tasks: Any,
    turns: Any,
    path: Place,
    *,
    tz: str = "UTC",
    names: Names = None,
    price: float | None = None,
    currency: str | None = None,
    limit: float | None = None,
    title: str = "Handinger report",
    as_of: dt.datetime | str | None = None,
) -> Path | str:
    """Write a report on tasks and turns into one HTML file.

    It holds the overview, also how many tasks have no turns, the spend, the tasks that cost most, what was
    wasted, what is unusual, whether a limit will hold, and whether anything is missing. It needs no
    network, runs no script, and can be printed.

    Parameters
    ----------
    tasks, turns : DataFrame
        Tasks and turns, one row each: pandas, pyarrow, Polars (eager or lazy), a DuckDB relation or
        PySpark.
    path : str or path-like
        Where to write: a path, "~" being the home folder, or a URI such as ``s3://bucket/report.html``.
        A file that is there is replaced once the new one is complete, and its permissions are kept; links
        are followed, pipes and devices written to.
    tz : str
        IANA name of the time zone whose clock decides days, weekdays and hours.
    names : mapping or Series, optional
        Names of workers by their ids or dashboard links, to be shown instead of ids.
    price : float, optional
        Money per credit; adds what things cost, and pictures show money instead of credits.
    currency : str, optional
        ISO 4217 code of the currency of ``price``.
    limit : float, optional
        Credits that may be spent in a calendar month; adds whether it will hold.
    title : str
        Heading of the report.
    as_of : datetime, optional
        The moment the budget is looked at from, with a time zone; now by default.

    Returns
    -------
    pathlib.Path
        The file written; a URI is returned as it was given.

    Raises
    ------
    ArgumentError, FrameError
        As in `handinger_analytics.check`, `handinger_analytics.spend` and
        `handinger_analytics.budget_status`.
    FileError
        The file cannot be written.

    Examples
    --------
    >>> ha.report(tasks, turns, "june.html", tz="Europe/Madrid", price=0.012).name
    'june.html'
    """
    located(path)  # a place that is none is refused before the work
    currency = check_currency(currency, price)
    priced: dict[str, Any] = {"price": price, "currency": currency}
    shown = {"names": names, **priced}
    moment = utc_instant(as_of, "as_of") or now()
    checked = check(tasks, turns)
    verdict = provenance.of(checked)
    overview = summarize(turns, **priced)
    missing = provenance.incompleteness(provenance.of(overview))
    if missing is None and verdict.get("complete") is False:
        missing = f"incomplete: {verdict['reason']}"
    turnless = int(((checked["turns"] == 0) & (checked["turn_count"] == 0)).sum())
    workers = spend(turns, by="worker_id", tz=tz, **priced)
    page = {
        "title": picture_text(title),
        "missing": missing or provenance.doubt(verdict),
        "tiles": _tiles(overview["value"], currency),
        "turnless": f"{have(turnless, 'task')} no turns" if turnless else "",
        "spend": picture("spend", lambda ax: plot_spend(turns, by="worker_id", tz=tz, ax=ax, **shown)),
        # After the picture, which refuses times that no clock shows.
        "subtitle": _subtitle(overview["value"], tz),
        "week": picture("week", lambda ax: plot_heatmap(turns, tz=tz, ax=ax, **priced)),
        "workers": workers_table(workers, names),
        "top": top_table(tasks, turns, **shown),
        "waste": picture("waste", lambda ax: plot_waste(turns, ax=ax, **shown)),
        "wasted": wasted_table(turns, **shown),
        "anomalies": anomalies_table(anomalies(turns, tz=tz), names),
        "budget": None if limit is None else _budget(turns, limit=limit, tz=tz, as_of=moment, **priced),
        "checked": checked_table(checked),
        "verdict": verdict["reason"],
        "as_of": f"{moment:%Y-%m-%d %H:%M} UTC",
    }
    html = _TEMPLATES.get_template("report.html").render(page)
    with written(path, "write the report") as stream:
        stream.write(html.encode())
    return text if "://" in (text := os.fspath(path)) else Path(os.path.expanduser(text))


def _subtitle(overview: pd.Series[Any], tz: str) -> str:
    if not overview["turns"]:
        return "no turns"
    ends = overview[["first_started_at", "last_started_at"]]
    first, last = (f"{instant.tz_convert(tz):%Y-%m-%d %H:%M}" for instant in ends)
    return f"{first} to {last}, {tz}"


def _tiles(overview: pd.Series[Any], currency: str | None) -> dict[str, str]:
    return {
        "credits": number(overview["credits"]),
        **({"cost": money(overview["cost"], currency)} if "cost" in overview else {}),
        "tasks": number(overview["tasks"]),
        "turns": number(overview["turns"]),
        "credits per turn": number(overview["credits_per_turn"], digits=1),
        "tokens read": number(overview["input_tokens"]),
        "tokens written": number(overview["output_tokens"]),
        "time at work": duration(overview["duration_ms"]),
        "turns failed": share(overview["error_share"], digits=1),
        "turns aborted": share(overview["aborted_share"], digits=1),
    }


def _budget(turns: Any, **options: Any) -> dict[str, Any]:
    status = budget_status(turns, **options)["value"]
    drawn = picture("budget", lambda ax: plot_budget(turns, ax=ax, **options))
    return {"verdict": status["verdict"], "reasons": status["reason"].split("; "), "picture": drawn}
