"""The page: what it holds, in which order, and the file it becomes."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from handinger_analytics import provenance
from handinger_analytics.arguments import utc_instant
from handinger_analytics.budget import budget_status
from handinger_analytics.locations import file_errors, located, replaced
from handinger_analytics.metrics.anomalies import anomalies
from handinger_analytics.metrics.check import check
from handinger_analytics.metrics.spend import spend
from handinger_analytics.metrics.summarize import summarize
from handinger_analytics.plots import plot_budget, plot_heatmap, plot_spend, plot_waste
from handinger_analytics.reporting.pictures import picture
from handinger_analytics.reporting.tables import (
    UNKNOWN,
    anomalies_table,
    checked_table,
    percent,
    top_table,
    wasted_table,
    workers_table,
)
from handinger_analytics.text import duration, picture_text


def report(
    tasks: Any,
    turns: Any,
    path: str | os.PathLike[str],
    *,
    tz: str = "UTC",
    price: float | None = None,
    limit: float | None = None,
    title: str = "Handinger report",
    as_of: dt.datetime | str | None = None,
) -> Path:
    """Write a report on tasks and turns into one HTML file.

    It holds the overview, the spend, the tasks that cost most, what was wasted, what is unusual, the
    budget if there is one, and whether anything is missing. It needs no network, runs no script, and prints.

    Parameters
    ----------
    tasks, turns : DataFrame
        Tasks and turns, one row each: pandas, pyarrow, Polars (eager or lazy), a DuckDB relation or
        PySpark.
    path : str or path-like
        Where to write, "~" being the home folder; a file that is there is replaced once the new one is
        complete.
    tz : str
        IANA name of the time zone whose clock decides days, weekdays and hours.
    price : float, optional
        Money per credit; adds what things cost.
    limit : float, optional
        Credits that may be spent in a calendar month; adds whether it will hold.
    title : str
        Heading of the report.
    as_of : datetime, optional
        The moment the budget is looked at from, with a time zone; now by default.

    Returns
    -------
    pathlib.Path
        The file written.

    Raises
    ------
    FrameError
        As in `handinger_analytics.check`, `handinger_analytics.spend` and
        `handinger_analytics.budget_status`.
    FileError
        The file cannot be written.

    Examples
    --------
    >>> report(tasks, turns, "may.html", tz="Europe/Madrid", limit=50_000)  # doctest: +SKIP
    """
    moment = utc_instant(as_of, "as_of") or dt.datetime.now(dt.UTC)
    checked = check(tasks, turns)
    overview = summarize(turns)
    workers = spend(turns, by="worker_id", tz=tz, price=price)
    page = {
        "title": picture_text(title),
        "subtitle": _subtitle(overview["value"], tz),
        "missing": _missing(overview, checked),
        "tiles": _tiles(overview["value"], price),
        "spend": picture("spend", lambda ax: plot_spend(turns, by="worker_id", tz=tz, ax=ax)),
        "week": picture("week", lambda ax: plot_heatmap(turns, tz=tz, ax=ax)),
        "workers": workers_table(workers),
        "top": top_table(tasks, turns),
        "waste": picture("waste", lambda ax: plot_waste(turns, ax=ax)),
        "wasted": wasted_table(turns),
        "anomalies": anomalies_table(anomalies(turns, tz=tz)),
        "budget": None if limit is None else _budget(turns, limit, tz, moment),
        "checked": checked_table(checked),
        "verdict": _verdict(checked),
        "as_of": f"{moment.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC",
    }
    environment = Environment(
        loader=PackageLoader("handinger_analytics.reporting", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return _write(Path(os.path.expanduser(path)), environment.get_template("report.html").render(page))


def _subtitle(overview: pd.Series[Any], tz: str) -> str:
    if not overview["turns"]:
        return "no turns"
    ends = (overview["first_started_at"], overview["last_started_at"])
    first, last = (f"{instant.tz_convert(tz):%Y-%m-%d %H:%M}" for instant in ends)
    return f"{first} to {last}, {tz}"


def _missing(overview: pd.DataFrame, checked: pd.DataFrame) -> str | None:
    """Say what the reader must know before any number, None if all is there."""
    said = provenance.incompleteness(provenance.of(overview))
    if said is None and not provenance.of(checked)["complete"]:
        said = f"incomplete: {_verdict(checked)}"
    return said


def _verdict(checked: pd.DataFrame) -> str:
    return str(provenance.of(checked)["reason"])


def _tiles(overview: pd.Series[Any], price: float | None) -> list[tuple[str, str]]:
    credits_ = int(overview["credits"])
    tiles = [("credits", f"{credits_:,}")]
    if price is not None:
        tiles.append(("cost", f"{credits_ * price:,.2f}"))
    per_turn = overview["credits_per_turn"]
    return [
        *tiles,
        ("tasks", f"{overview['tasks']:,}"),
        ("turns", f"{overview['turns']:,}"),
        ("credits per turn", UNKNOWN if pd.isna(per_turn) else f"{per_turn:,.1f}"),
        ("tokens read", f"{overview['input_tokens']:,}"),
        ("tokens written", f"{overview['output_tokens']:,}"),
        ("time at work", duration(overview["duration_ms"])),
        ("turns failed", percent(overview["error_share"])),
        ("turns aborted", percent(overview["aborted_share"])),
    ]


def _budget(turns: Any, limit: float, tz: str, moment: dt.datetime) -> dict[str, Any]:
    status = budget_status(turns, limit=limit, tz=tz, as_of=moment)["value"]
    drawn = picture("budget", lambda ax: plot_budget(turns, limit=limit, tz=tz, as_of=moment, ax=ax))
    return {"verdict": status["verdict"], "reasons": status["reason"].split("; "), "picture": drawn}


def _write(path: Path, html: str) -> Path:
    filesystem, target = located(path)
    with file_errors("write the report", path), replaced(filesystem, target) as stream:
        stream.write(html.encode())
    return path
