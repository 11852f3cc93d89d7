"""What commands print: tables, named lines, and whether anything is missing."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterable
from typing import Any

import click
import pandas as pd

from handinger_analytics import provenance
from handinger_analytics.cli import exit_codes
from handinger_analytics.metrics.names import Names, with_shown_names
from handinger_analytics.text import cut_apart, is_missing, money, terminal_text

_LONGEST = 60


def show_table(title: str, frame: pd.DataFrame, names: Names = None) -> None:
    """Print a small frame: text left, numbers right with thousands separators, money with its currency.

    Where workers have names, these stand in place of the ids.
    """
    if names is not None:
        frame = with_shown_names(frame, names)
        if "worker" not in frame:  # which may be a column of the user
            frame = frame.rename(columns={"worker_id": "worker"})
    columns = {}
    currency = next(iter(frame.get("currency", [])), None)
    for name in frame.columns.drop("currency", errors="ignore"):
        write = functools.partial(money, currency=currency) if currency and name == "cost" else _cell
        texts = [_cell(name), *map(write, frame[name])]
        short = {text: text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…" for text in texts}
        if len({*short.values()}) < len(short):
            short = cut_apart(texts, _LONGEST)
        header, *cells = (short[text] for text in texts)
        if frame[name].dtype.kind not in "iuf":
            width = max(map(len, (header, *cells)))
            header, *cells = (text.ljust(width) for text in (header, *cells))
        columns[header] = cells
    lines = pd.DataFrame(columns).to_string(index=False).splitlines() if len(frame) else ["(no rows)"]
    click.echo("\n".join(["", title, *(line.rstrip() for line in lines)]))


def warn_of_strangers(turns: pd.DataFrame, names: Names) -> None:
    """Say so where no worker of the turns has a name, as where the columns of names and ids are swapped."""
    ids = turns.get("worker_id", pd.Series())
    if names is not None and len(ids) and not ids.isin(list(names)).any():
        click.echo("--names: no worker here has one of its ids", err=True)


def show_measures(title: str, measures: pd.DataFrame) -> None:
    """Print a small frame with one row per measure, money with its currency."""
    for name in measures.index.intersection(["cost", "projected_cost"]):
        value, unit = measures.loc[name]
        measures.loc[name] = money(value, None if unit == "money" else unit), ""
    show_table(title, measures.reset_index())


def show_failures(title: str, failures: pd.DataFrame) -> None:
    """Print what was not fetched, and why."""
    show_table(title, failures[["task_id", "stage", "error", "message"]])


def show_lines(lines: Iterable[tuple[str, str]]) -> None:
    """Print named lines."""
    for name, text in lines:
        click.echo(f"{name:<9} {text}")


def exit_if_incomplete(frame: pd.DataFrame) -> None:
    """Say what a frame lacks, or that this is not known, and end the command with a code of its own."""
    known = provenance.of(frame)
    if words := provenance.incompleteness(known) or provenance.doubt(known):
        click.echo(words, err=True)
        sys.exit(exit_codes.INCOMPLETE)


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return terminal_text(value)
    if is_missing(value):
        return ""
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m-%d %H:%M %Z}"
    if isinstance(value, float):
        return f"{value:,.3f}".rstrip("0").rstrip(".")
    return str(value) if isinstance(value, bool) else f"{value:,}"
