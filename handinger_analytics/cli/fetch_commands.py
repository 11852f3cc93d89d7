"""Commands that find and fetch tasks, and leave tables, files and a chart."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
import pandas as pd
from matplotlib.figure import Figure

from handinger_analytics import provenance
from handinger_analytics.api.client import Client
from handinger_analytics.arguments import check_currency
from handinger_analytics.cli import exit_codes, options
from handinger_analytics.cli.fetch_folder import CHART, FetchFolder
from handinger_analytics.cli.output import show_failures, show_measures, show_table, warn_of_strangers
from handinger_analytics.cli.signals import held_back
from handinger_analytics.errors import HandingerError
from handinger_analytics.fetching import fetch as fetching
from handinger_analytics.fetching.discover import discovered, read_logs, warn_of_gaps
from handinger_analytics.fetching.id_sources import id_line
from handinger_analytics.fetching.ids import normalize_task_ids
from handinger_analytics.fetching.result import FetchResult
from handinger_analytics.locations import written
from handinger_analytics.metrics.names import Names
from handinger_analytics.metrics.spend import spend
from handinger_analytics.metrics.summarize import summarize
from handinger_analytics.plots.spend import plot_spend
from handinger_analytics.sandbox import Generation, Sandbox
from handinger_analytics.text import count, have

_NO_ANSWER = ("APIConnectionError", "APITimeoutError", "RateLimitError", "InternalServerError")
"""Errors of a server that is away, overloaded or out of order."""


@click.command()
@click.option("--out", default="handinger-demo", type=options.FOLDER)
@options.overwrite
@options.sandbox_tasks
@options.seed
@options.generation
@options.tz
def demo(out: Path, overwrite: bool, tasks: int, seed: int, generation: Generation, tz: str) -> None:
    """Fetch from a local sandbox, show where the credits go, and keep the result.

    Needs no key and no network: the sandbox is a local server with generated tasks.
    """
    folder = FetchFolder(out, tasks, overwrite=overwrite)
    with Sandbox(tasks=tasks, seed=seed, generation=generation) as sandbox, sandbox.client() as client:
        click.echo(f"sandbox with {count(tasks, 'task')} at {sandbox.url}", err=True)
        result, place = _fetch_into(folder, sandbox.task_ids, client=client)
    _show(result, place, tz)


@click.command()
@click.argument("worker_ids", nargs=-1, required=True, metavar="WORKER_ID...")
def discover(worker_ids: tuple[str, ...]) -> None:
    """Print the ids of the tasks that workers reported to their webhooks, one a line.

    Give them to `fetch --ids-from -`. An id that would be read as something else, such as one with white
    space at its end, is printed as a dashboard link. Exit code 3 if a worker brings no id and is not known
    to have a webhook: without one its log stays empty, whatever it spends.
    """
    logs = read_logs(worker_ids, client=None, cancel=None)
    warn_of_gaps(logs)
    found = discovered(logs)
    ascii_only = str(getattr(sys.stdout, "encoding", None)).lower().replace("-", "") != "utf8"
    for task_id, worker_id in zip(found["task_id"], found["worker_id"], strict=True):
        click.echo(id_line(task_id, worker_id, ascii_only=ascii_only))
    if not all(log.has_webhook for log in logs):
        sys.exit(exit_codes.INCOMPLETE)


@click.command()
@options.task_ids
@options.ids_from
@click.option("--out", required=True, type=options.FOLDER, help="Folder to write to.")
@options.overwrite
@click.option("--text/--no-text", default=True, help="Keep inputs, outputs and titles.")
@options.shown
def fetch(
    task_ids: tuple[str, ...], ids_from: list[str] | None, out: Path, overwrite: bool, text: bool, **show: Any
) -> None:
    """Fetch tasks by id or dashboard link, show where the credits go, and keep the result.

    Writes tasks.parquet, turns.parquet and spend.png, and failures.parquet where tasks were not
    fetched (exit code 3). A folder is not replaced by less: one with more tasks than are asked for is
    refused, and where tasks that it has do not come, its files stay, and what came goes to the folder
    `partial` in it, until the next complete fetch. Where no task comes, nothing is written; exit code 6
    says that the server was away: no request got more than connection errors, timeouts, 429 or 5xx.
    """
    ids = options.ids_of(task_ids, ids_from)
    check_currency(show["currency"], show["price"])
    folder = FetchFolder(out, len(normalize_task_ids(ids)), overwrite=overwrite)
    _show(*_fetch_into(folder, ids, text=text), **show)


def _fetch_into(
    folder: FetchFolder, ids: list[str], *, text: bool = True, client: Client | None = None
) -> tuple[FetchResult, Path | None]:
    """Fetch and write what came, also where a signal or a refused key ends it early."""
    with held_back() as cancel:
        try:
            result = fetching.fetch(ids, client=client, on_error="collect", cancel=cancel)
        except HandingerError as error:
            if error.result is not None:
                folder.keep(error.result, text=text)
            raise
        return result, folder.keep(result, text=text)


def _show(result: FetchResult, folder: Path | None, tz: str, names: Names = None, **priced: Any) -> None:
    """Draw and print what was written, and say what is missing."""
    if folder is not None:
        _draw(result.turns, folder / CHART, tz=tz, names=names, **priced)
        warn_of_strangers(result.turns, names)
        show_table("Spend per worker", spend(result.turns, by="worker_id", **priced), names)
        show_measures("Overview", summarize(result.turns, **priced))
        turnless = set(result.tasks["task_id"]).difference(
            result.turns["task_id"], result.failures["task_id"]
        )
        if turnless:
            click.echo(f"{have(len(turnless), 'task')} no turns")
    if missing := provenance.incompleteness(provenance.of(result.turns)):
        show_failures(missing, result.failures)
        away = folder is None and result.failures["error"].isin(_NO_ANSWER).all()
        sys.exit(exit_codes.UNREACHABLE if away else exit_codes.INCOMPLETE)


def _draw(turns: pd.DataFrame, chart: Path, **shown: Any) -> None:
    figure = Figure(figsize=(11, 5), layout="constrained")
    plot_spend(turns, by="worker_id", ax=figure.subplots(), **shown)
    with written(chart) as stream:
        figure.savefig(stream, format="png", dpi=150)
    click.echo(f"{chart}: spend per day and worker", err=True)
