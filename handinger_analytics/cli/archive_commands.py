"""Commands that keep an archive up to date, made for cron: quiet unless something is wrong."""

from __future__ import annotations

import datetime as dt
import functools
import sys

import click
import pandas as pd

from handinger_analytics.archive.archive import Archive
from handinger_analytics.cli import exit_codes, options
from handinger_analytics.cli.output import show_failures, show_lines, show_table
from handinger_analytics.errors import APIError, AuthenticationError
from handinger_analytics.fetching.ids import normalize_task_ids, normalize_worker_ids
from handinger_analytics.locations import shown_place
from handinger_analytics.text import count, terminal_text


def _span(_: click.Context, __: click.Parameter, days: float | None) -> dt.timedelta | None:
    if days is None:
        return None
    try:
        span = dt.timedelta(days=days)
    except (ValueError, OverflowError):
        raise click.BadParameter(f"{days:g} is no number of days") from None
    if span < dt.timedelta(0):
        raise click.BadParameter(f"{days:g} is less than 0")
    return span


_days = functools.partial(click.option, type=float, callback=_span, metavar="DAYS")


@click.command()
@click.argument("uri")
@options.task_ids
@click.option(
    "--worker", "worker_ids", multiple=True, help="Remember the ids in this worker's webhook log before."
)
@options.ids_from
@options.allow_empty
@_days(
    "--settle",
    default=7.0,
    help="How long after its end a task is still fetched again, for follow-ups, unless --worker names them.",
)
@_days("--max-age", help="Fetch also what was last fetched longer ago than this.")
@click.option("--all", "everything", is_flag=True, help="Fetch finished tasks again, too.")
@click.option(
    "--batch", default=2000, type=click.IntRange(min=1), help="Tasks at a time; memory grows with it."
)
@click.option("--verbose", "-v", is_flag=True, help="Say what was done.")
def sync(
    uri: str,
    task_ids: tuple[str, ...],
    worker_ids: tuple[str, ...],
    ids_from: list[str] | None,
    settle: dt.timedelta,
    max_age: dt.timedelta | None,
    everything: bool,
    batch: int,
    verbose: bool,
) -> None:
    """Bring the archive at URI up to date: a folder, or s3://, gs://, abfss://.

    Without ids, all that the archive knows are looked after. Prints nothing if all went well; tasks that
    were not fetched are listed (exit code 3) and tried first the next time. A --worker whose tasks cannot
    all be known is exit code 3, too: it has no webhook, or its log cannot be read or no longer reaches back
    to where it was read last. Buckets are reached with the usual environment
    variables, such as AWS_ACCESS_KEY_ID and AWS_REGION.
    """
    if sum((bool(task_ids), bool(worker_ids), ids_from is not None)) > 1:
        raise click.UsageError("give task ids, or --worker, or --ids-from, not several of them")
    archive = Archive(uri)
    told = not worker_ids or _discover(archive, worker_ids)
    report = archive.sync(
        [*task_ids] or ids_from,
        refresh="all" if everything else "unfinished",
        settle=settle,
        max_age=max_age,
        batch=batch,
    )
    if verbose:
        show_lines(report.summary())
    if not report.complete:
        show_failures(f"Tasks of {terminal_text(shown_place(archive.uri))} not fetched", report.failed)
        if report.failed["error"].eq("NotFoundError").any():
            advice = (
                "Tasks that are gone from the server: `handinger-analytics forget` stops asking for them."
            )
            click.echo(advice, err=True)
    if not report.complete or not told:
        sys.exit(exit_codes.INCOMPLETE)


def _discover(archive: Archive, worker_ids: tuple[str, ...]) -> bool:
    """Read the logs of workers; tell whether they name all that has changed."""
    before = archive.status().logs if archive.exists() else pd.DataFrame(columns=["worker_id", "known_since"])
    try:
        archive.discover(worker_ids)
    except AuthenticationError:
        raise
    except APIError as error:
        if not archive.exists():
            raise
        click.echo(f"error: {terminal_text(str(error))}", err=True)
        return False
    logs = archive.status().logs.merge(before, on="worker_id", how="left", suffixes=("", "_before"))
    logs = logs[logs["worker_id"].isin(normalize_worker_ids(worker_ids))]
    return not (logs["silent"].notna() | logs["known_since"].gt(logs["known_since_before"])).any()


@click.command()
@click.argument("uri")
@options.task_ids
@options.ids_from
def forget(uri: str, task_ids: tuple[str, ...], ids_from: list[str] | None) -> None:
    """Do not ask for tasks any more, such as deleted ones; what the archive at URI has of them stays.

    The id of a worker stands for what is known of its webhook log: one that was given by mistake.
    """
    Archive(uri).forget(options.ids_of(task_ids, ids_from))


@click.command()
@click.argument("uri")
@options.task_ids
@options.ids_from
def delete(uri: str, task_ids: tuple[str, ...], ids_from: list[str] | None) -> None:
    """Erase tasks from the archive at URI for good, and never ask for them again.

    Their rows are gone at once. The files that had them go with all earlier states of the archive: run
    `vacuum --older-than 0` after it; what a killed process left goes with a vacuum a day later. Take
    `forget` for tasks that are to stay in the archive.
    """
    ids = options.ids_of(task_ids, ids_from)
    erased = Archive(uri).delete(ids)
    others = count(len(normalize_task_ids(ids)) - erased, "id")
    done = f"deleted {count(erased, 'task')}, {others} had no task here; none is asked for again"
    click.echo(f"{done}. `vacuum --older-than 0` deletes the files that had them.", err=True)


@click.command()
@click.argument("uri")
@_days("--older-than", default=7.0, help="How far back earlier states of the archive stay readable.")
def vacuum(uri: str, older_than: dt.timedelta) -> None:
    """Delete the files of the archive at URI that were replaced: without this it grows with every sync."""
    Archive(uri).vacuum(older_than)


@click.command()
@click.argument("uri")
def status(uri: str) -> None:
    """Say what the archive at URI holds, and since when the webhook log of each worker is known.

    Exit code 3 if known tasks are missing, or the tasks of a worker cannot be known.
    """
    found = Archive(uri).status()
    show_lines(found.summary())
    if len(found.logs):
        show_table("Webhook logs", found.logs)
    if len(found.failures):
        show_failures("Tasks not fetched", found.failures)
    if not found.complete:
        sys.exit(exit_codes.INCOMPLETE)
