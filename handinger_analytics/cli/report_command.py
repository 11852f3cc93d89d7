"""What is kept as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from handinger_analytics.cli import options
from handinger_analytics.cli.output import exit_if_incomplete, warn_of_strangers
from handinger_analytics.reporting.page import report as write_report
from handinger_analytics.sources import kept_at


@click.command()
@click.argument("source")
@click.option("--out", default="report.html", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--limit", type=click.IntRange(min=1), help="Credits to spend in a month.")
@click.option("--title", default="Handinger report")
@options.shown
def report(source: str, out: Path, **settings: Any) -> None:
    """Write what SOURCE keeps, a folder of `fetch` or an archive, as one HTML page that needs no network.

    Exit code 3 if what is kept is incomplete, or does not say whether it is.
    """
    kept = kept_at(source)
    turns = kept.turns()
    warn_of_strangers(turns, settings["names"])
    path = write_report(kept.tasks(), turns, out, **settings)
    click.echo(str(path), err=True)
    exit_if_incomplete(turns)
