"""Commands that answer from what is kept, in numbers."""

from __future__ import annotations

import sys
from typing import Any, get_args

import click

from handinger_analytics.budget.status import budget_status
from handinger_analytics.cli import exit_codes, options
from handinger_analytics.cli.output import exit_if_incomplete, show_measures, show_table, warn_of_strangers
from handinger_analytics.metrics import spend as spending
from handinger_analytics.metrics.names import Names
from handinger_analytics.sources import kept_at
from handinger_analytics.times import Freq, Period


@click.command()
@click.argument("source")
@click.option("--by", multiple=True, help="Column to group by, such as worker_id; may be repeated.")
@click.option("--freq", type=click.Choice(get_args(Freq)), help="Period to group by.")
@options.shown
def spend(source: str, by: tuple[str, ...], names: Names, **settings: Any) -> None:
    """Show the spend kept in SOURCE: a folder of `fetch`, a Parquet file, or an archive.

    Exit code 3 if what is kept is incomplete, or does not say whether it is.
    """
    turns = kept_at(source).turns()
    warn_of_strangers(turns, names)
    show_table("Spend", spending.spend(turns, by=by or None, **settings), names)
    exit_if_incomplete(turns)


@click.command()
@click.argument("source")
@click.option("--limit", required=True, type=click.IntRange(min=1), help="Credits to spend in a period.")
@click.option("--period", default="month", type=click.Choice(get_args(Period)))
@click.option("--check", is_flag=True, help="Exit with 4 if the limit is or will be crossed.")
@options.price
@options.currency
@options.tz
def budget(source: str, check: bool, **settings: Any) -> None:
    """Say whether the turns kept in SOURCE stay within a limit, and when they will cross it.

    Exit code 4 with --check if the limit is or will be crossed, 3 if what is kept is incomplete or says
    nothing about the period.
    """
    turns = kept_at(source).turns()
    status = budget_status(turns, **settings)
    verdict = str(status.loc["verdict", "value"])
    click.echo(f"{verdict}: {status.loc['reason', 'value']!s}")
    show_measures("Budget", status.drop(index=["verdict", "reason"]))
    if check and verdict in ("over the limit", "will cross"):
        sys.exit(exit_codes.OVER_BUDGET)
    exit_if_incomplete(turns)
    if verdict == "not known":
        sys.exit(exit_codes.INCOMPLETE)
