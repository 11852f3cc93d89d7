"""Commands that fetch tasks and leave tables, files and a chart."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from handinger_analytics.cli import options
from handinger_analytics.text import terminal_text

if TYPE_CHECKING:
    from handinger_analytics.fetching.result import FetchResult

PARTIAL = 3


@click.command()
@click.option(
    "--out", default="handinger-demo", show_default=True, type=click.Path(file_okay=False, path_type=Path)
)
@click.option(
    "--tasks",
    default=200,
    show_default=True,
    type=click.IntRange(min=0),
    help="How many tasks the sandbox has.",
)
@click.option("--seed", default=7, show_default=True, help="Seed of the generated data.")
@click.option(
    "--generation", default="A", show_default=True, type=click.Choice(["A", "B"]), help="API generation."
)
@click.option("--tz", default="UTC", show_default=True, help="Time zone whose days the chart shows.")
def demo(out: Path, tasks: int, seed: int, generation: str, tz: str) -> None:
    """Fetch from a local sandbox, show where the credits go, and keep the result.

    Needs no key and no network: the sandbox is a local server with generated tasks.
    """
    from handinger_analytics.arguments import zone_info
    from handinger_analytics.fetching.fetch import fetch as fetch_all
    from handinger_analytics.sandbox import Sandbox

    zone_info(tz)
    with Sandbox(tasks=tasks, seed=seed, generation=generation) as sandbox, sandbox.client() as client:
        click.echo(f"sandbox with {tasks:,} tasks at {sandbox.url}", err=True)
        result = fetch_all(sandbox.task_ids, client=client, on_error="collect")
    _finish(result, out, tz)


@click.command()
@click.argument("worker_ids", nargs=-1, required=True, metavar="WORKER_ID...")
def discover(worker_ids: tuple[str, ...]) -> None:
    """Print the ids of the tasks that workers reported to their webhooks, one a line.

    Give them to `fetch --ids-from -`.
    """
    from handinger_analytics.fetching.discover import discover_task_ids

    for task_id in discover_task_ids(worker_ids):
        click.echo(terminal_text(task_id))


@click.command()
@click.argument("task_ids", nargs=-1, metavar="[TASK_ID...]")
@options.ids_from
@click.option(
    "--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder to write to."
)
@click.option("--text/--no-text", default=True, show_default=True, help="Keep inputs, outputs and titles.")
@click.option("--tz", default="UTC", show_default=True, help="Time zone whose days the chart shows.")
def fetch(task_ids: tuple[str, ...], ids_from: list[str] | None, out: Path, text: bool, tz: str) -> None:
    """Fetch tasks by id or dashboard link, show where the credits go, and keep the result.

    Writes tasks.parquet, turns.parquet and spend.png, and failures.parquet where ids failed (exit
    code 3).
    """
    from handinger_analytics.arguments import zone_info
    from handinger_analytics.errors import FetchInterrupted, HandingerError
    from handinger_analytics.fetching.fetch import fetch as fetch_all

    zone_info(tz)
    ids = [*task_ids, *(ids_from or ())]
    if not ids:
        raise click.UsageError("give task ids or dashboard links, or --ids-from FILE")
    try:
        result = fetch_all(ids, on_error="collect")
    except (HandingerError, FetchInterrupted) as error:
        if error.result is not None and len(error.result.tasks):
            _keep(error.result, out, text)
        raise
    _finish(result, out, tz, text)


def _finish(result: FetchResult, out: Path, tz: str, text: bool = True) -> None:
    from handinger_analytics.cli.show import show_table
    from handinger_analytics.metrics.spend import spend
    from handinger_analytics.metrics.summarize import summarize

    show_table("Spend per worker", spend(result.turns, by="worker_id"))
    show_table("Overview", summarize(result.turns).reset_index())
    _keep(result, out, text)
    _chart(result, out, tz)
    if not result.complete:
        show_table(
            "INCOMPLETE: these tasks failed", result.failures[["task_id", "stage", "error", "message"]]
        )
        sys.exit(PARTIAL)


def _keep(result: FetchResult, out: Path, text: bool) -> None:
    from handinger_analytics.errors import FileError
    from handinger_analytics.parquet import export_parquet

    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"cannot make the folder {str(out)!r}: {error.strerror}") from None
    files = {"tasks": result.tasks, "turns": result.turns}
    if len(result.failures):
        files["failures"] = result.failures
    for name, frame in files.items():
        path = out / f"{name}.parquet"
        export_parquet(frame, path, text=text)
        click.echo(f"{path}: {len(frame):,} rows", err=True)


def _chart(result: FetchResult, out: Path, tz: str) -> None:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    from handinger_analytics.plots import plot_spend

    path = out / "spend.png"
    with mpl.rc_context():
        figure = Figure(figsize=(11, 5), layout="constrained")
        plot_spend(result.turns, by="worker_id", tz=tz, ax=figure.subplots())
        figure.savefig(path, dpi=150)
    click.echo(f"{path}: credits per day and worker", err=True)
