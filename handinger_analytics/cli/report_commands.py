"""Commands that answer from what is kept: files of ``fetch``, or an archive."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from handinger_analytics.times import Period

if TYPE_CHECKING:
    import pandas as pd

PARTIAL, OVER_BUDGET = 3, 4
_PERIODS = ["day", "week", "month", "quarter", "year"]

_source = click.argument("source")
_tz = click.option("--tz", default="UTC", show_default=True, help="Time zone whose days count.")


@click.command()
@_source
@click.option(
    "--by", "columns", multiple=True, help="Column to group by, such as worker_id; may be repeated."
)
@click.option("--freq", type=click.Choice(["h", "D", "W", "MS", "QS", "YS"]), help="Period to group by.")
@click.option("--price", type=float, help="Money per credit; adds a cost column.")
@_tz
def spend(source: str, columns: tuple[str, ...], freq: str | None, price: float | None, tz: str) -> None:
    """Show the spend kept in SOURCE: a folder of `fetch`, a Parquet file, or an archive.

    Exit code 3 if what is kept is incomplete.
    """
    from handinger_analytics.cli.show import show_table
    from handinger_analytics.metrics.spend import spend as spend_of

    turns = _frame(source, "turns")
    show_table("Spend", spend_of(turns, by=list(columns) or None, freq=freq, tz=tz, price=price))
    _exit_if_partial(turns)


@click.command()
@_source
@click.option("--limit", required=True, type=click.IntRange(min=1), help="Credits to spend in a period.")
@click.option("--period", default="month", show_default=True, type=click.Choice(_PERIODS))
@click.option("--check", is_flag=True, help="Exit with 4 if the limit is or will be crossed.")
@_tz
def budget(source: str, limit: float, period: Period, check: bool, tz: str) -> None:
    """Say whether the turns kept in SOURCE stay within a limit, and when they will cross it.

    Exit code 4 with --check if the limit is or will be crossed, 3 if what is kept is incomplete.
    """
    from handinger_analytics.budget import budget_status
    from handinger_analytics.cli.show import show_table

    turns = _frame(source, "turns")
    status = budget_status(turns, limit=limit, period=period, tz=tz)
    verdict = str(status.loc["verdict", "value"])
    click.echo(f"{verdict}: {status.loc['reason', 'value']!s}")
    show_table("Budget", status.drop(index=["verdict", "reason"]).reset_index())
    if check and verdict in ("over the limit", "will cross"):
        sys.exit(OVER_BUDGET)
    _exit_if_partial(turns)


@click.command()
@_source
@click.option(
    "--out", default="report.html", show_default=True, type=click.Path(dir_okay=False, path_type=Path)
)
@click.option("--price", type=float, help="Money per credit.")
@click.option("--limit", type=click.IntRange(min=1), help="Credits to spend in a month.")
@click.option("--title", default="Handinger report", show_default=True)
@_tz
def report(source: str, out: Path, price: float | None, limit: float | None, title: str, tz: str) -> None:
    """Write what is kept in SOURCE as one HTML page that needs no network.

    Exit code 3 if what is kept is incomplete.
    """
    from handinger_analytics import reporting

    turns = _frame(source, "turns")
    path = reporting.report(_frame(source, "tasks"), turns, out, tz=tz, price=price, limit=limit, title=title)
    click.echo(str(path), err=True)
    _exit_if_partial(turns)


def _frame(source: str, name: str) -> pd.DataFrame:
    """Read tasks or turns from an archive, from a folder of ``fetch``, or from the file itself."""
    from pyarrow.fs import FileType

    from handinger_analytics.locations import located
    from handinger_analytics.parquet import load_parquet

    if _is_archive(source):
        from handinger_analytics.archive import Archive

        frame: pd.DataFrame = getattr(Archive(source), name)()
        return frame
    file = f"{source.rstrip('/')}/{name}.parquet"
    filesystem, path = located(file)
    there = filesystem.get_file_info(path).type != FileType.NotFound
    return load_parquet(file if there or name == "tasks" else source)


def _is_archive(source: str) -> bool:
    if source.endswith(".parquet"):
        return False
    if "://" not in source:
        return (Path(source) / "tasks" / "_delta_log").is_dir()
    from handinger_analytics.archive import Archive

    return Archive(source).exists()


def _exit_if_partial(turns: pd.DataFrame) -> None:
    provenance = turns.attrs.get("handinger", {})
    if not provenance.get("complete", True):
        failed, requested = provenance.get("failed", "?"), provenance.get("requested", "?")
        reason = (
            f"{failed} of {requested} tasks failed" if failed else f"some of {requested} tasks are missing"
        )
        click.echo(f"INCOMPLETE: {reason}", err=True)
        sys.exit(PARTIAL)
