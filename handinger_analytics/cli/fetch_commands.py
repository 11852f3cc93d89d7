"""Commands that find and fetch tasks, and leave tables, files and a chart."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from matplotlib.figure import Figure

from handinger_analytics import provenance
from handinger_analytics.cli import exit_codes, options
from handinger_analytics.cli.output import show_failures, show_table
from handinger_analytics.errors import FetchInterrupted, HandingerError
from handinger_analytics.fetching import fetch as fetching
from handinger_analytics.fetching.discover import discover_task_ids
from handinger_analytics.fetching.result import FetchResult
from handinger_analytics.locations import file_errors
from handinger_analytics.metrics.spend import spend
from handinger_analytics.metrics.summarize import summarize
from handinger_analytics.parquet.files import export_parquet
from handinger_analytics.plots.spend import plot_spend
from handinger_analytics.sandbox import Generation, Sandbox
from handinger_analytics.text import count, terminal_text


@click.command()
@click.option("--out", default="handinger-demo", type=options.FOLDER)
@options.sandbox_tasks
@options.seed
@options.generation
@options.tz
def demo(out: Path, tasks: int, seed: int, generation: Generation, tz: str) -> None:
    """Fetch from a local sandbox, show where the credits go, and keep the result.

    Needs no key and no network: the sandbox is a local server with generated tasks.
    """
    with Sandbox(tasks=tasks, seed=seed, generation=generation) as sandbox, sandbox.client() as client:
        click.echo(f"sandbox with {count(tasks, 'task')} at {sandbox.url}", err=True)
        result = fetching.fetch(sandbox.task_ids, client=client, on_error="collect")
    _finish(result, out, tz)


@click.command()
@click.argument("worker_ids", nargs=-1, required=True, metavar="WORKER_ID...")
def discover(worker_ids: tuple[str, ...]) -> None:
    """Print the ids of the tasks that workers reported to their webhooks, one a line.

    Give them to `fetch --ids-from -`.
    """
    for task_id in discover_task_ids(worker_ids):
        click.echo(terminal_text(task_id))


@click.command()
@click.argument("task_ids", nargs=-1, metavar="[TASK_ID...]")
@options.ids_from
@click.option("--out", required=True, type=options.FOLDER, help="Folder to write to.")
@click.option("--text/--no-text", default=True, help="Keep inputs, outputs and titles.")
@options.tz
def fetch(task_ids: tuple[str, ...], ids_from: list[str] | None, out: Path, text: bool, tz: str) -> None:
    """Fetch tasks by id or dashboard link, show where the credits go, and keep the result.

    Writes tasks.parquet, turns.parquet and spend.png, and failures.parquet where tasks could not be
    fetched (exit code 3).
    """
    ids = [*task_ids, *(ids_from or ())]
    if not ids:
        raise click.UsageError("give task ids or dashboard links, or --ids-from FILE")
    try:
        result = fetching.fetch(ids, on_error="collect")
    except (HandingerError, FetchInterrupted) as error:
        if error.result is not None and len(error.result.tasks):
            _keep(error.result, out, text)
        raise
    _finish(result, out, tz, text)


def _finish(result: FetchResult, out: Path, tz: str, text: bool = True) -> None:
    show_table("Spend per worker", spend(result.turns, by="worker_id"))
    show_table("Overview", summarize(result.turns).reset_index())
    _keep(result, out, text)
    chart = out / "spend.png"
    figure = Figure(figsize=(11, 5), layout="constrained")
    plot_spend(result.turns, by="worker_id", tz=tz, ax=figure.subplots())
    figure.savefig(chart, dpi=150)
    click.echo(f"{chart}: credits per day and worker", err=True)
    if missing := provenance.incompleteness(provenance.of(result.turns)):
        show_failures(missing, result.failures)
        sys.exit(exit_codes.INCOMPLETE)


def _keep(result: FetchResult, out: Path, text: bool) -> None:
    with file_errors("make the folder", out):
        out.mkdir(parents=True, exist_ok=True)
    files = {"tasks": result.tasks, "turns": result.turns}
    if len(result.failures):
        files["failures"] = result.failures
    for name, frame in files.items():
        path = out / f"{name}.parquet"
        export_parquet(frame, path, text=text)
        click.echo(f"{path}: {count(len(frame), 'row')}", err=True)
