"""Options that several commands have."""

from __future__ import annotations

import contextlib
import csv
import io
import operator
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

import click
import pandas as pd

from handinger_analytics.api.identifiers import id_in_link
from handinger_analytics.arguments import zone_info
from handinger_analytics.errors import ArgumentError, HandingerError
from handinger_analytics.fetching.id_sources import ids_in_file, ids_in_lines, is_blank, is_file_name
from handinger_analytics.fetching.text_files import opened, text_of
from handinger_analytics.metrics.names import check_names
from handinger_analytics.text import count, terminal_text, trimmed

_SEPARATORS = ",;\t|"
_ALLOW_EMPTY = f"{__name__}.allow_empty"


def _ids_in(context: click.Context, _: click.Parameter, path: str | None) -> tuple[object, ...] | None:
    """Ids and links in a file, as they stand there; None without a file."""
    if path is None:
        return None
    try:
        if path == "-":
            with click.open_file(path, "rb") as stdin:
                cells = ids_in_lines(text_of(stdin.read()))
        else:
            cells = ids_in_file(path, lines=True)
    except HandingerError as error:
        raise click.BadParameter(terminal_text(error)) from None
    ids = [cell for cell in cells if not is_blank(cell)]
    if blank := len(cells) - len(ids):
        click.echo(f"--ids-from: {count(blank, 'blank cell')} left out", err=True)
    allowed = context.meta.get(_ALLOW_EMPTY)
    if not ids and not allowed:
        advice = "give task ids in it" + ("" if allowed is None else ", or --allow-empty")
        raise click.BadParameter(f"expected ids or dashboard links, found none in {path!r}; {advice}")
    return _without_padding(ids)


def ids_given(_: click.Context, __: click.Parameter, task_ids: tuple[str, ...]) -> tuple[object, ...]:
    """Ids and links among the arguments; names of files are refused."""
    for given in filter(is_file_name, task_ids):
        message = f"{given!r} is the name of a file: its ids are read with --ids-from"
        raise click.BadParameter(f"{message}; a task that is called so is given as its dashboard link")
    return _without_padding(task_ids)


def ids_of(task_ids: tuple[str, ...], ids_from: Iterable[str] | None) -> list[str]:
    """Ids and links that a command needs, from its arguments and a file."""
    ids = [*task_ids, *(ids_from or ())]
    if not ids:
        raise click.UsageError("give task ids or dashboard links, or --ids-from FILE")
    return ids


def _without_padding(ids: Collection[object]) -> tuple[object, ...]:
    kept = tuple(trimmed(each) if isinstance(each, str) else each for each in ids)
    if padded := sum(map(operator.ne, kept, ids)):
        click.echo(f"white space around {padded:,} of {count(len(ids), 'id')} was removed", err=True)
    return kept


def _names_in(_: click.Context, __: click.Parameter, path: str | None) -> dict[str, str] | None:
    """Names of workers by their ids, from a table of two columns; None without a file.

    A header is a row like any other, since no worker has its id; pandas leaves a part of it empty.
    """
    if path is None:
        return None
    try:
        with opened(path) as stream:
            data = stream.read()
    except HandingerError as error:
        raise click.BadParameter(terminal_text(error)) from None
    text = text_of(data)
    table = _cells(text, _separator(text))
    expected = "two columns, the id or link of a worker and its name, in line {}"
    rows: list[list[str]] = []
    try:
        for row in _filled(table):
            if len(row) != 2 or (rows and is_blank(row[0])):
                raise ArgumentError.unexpected("names", expected.format(table.line_num), row)
            rows.append(row)
    except csv.Error as error:
        raise ArgumentError.unexpected("names", expected.format(table.line_num), str(error)) from None
    return check_names(pd.DataFrame(rows, columns=[0, 1]).set_index(0)[1].drop("", errors="ignore"))


def _cells(text: str, separator: str) -> Any:
    return csv.reader(
        io.StringIO(text, newline=""),
        delimiter=separator,
        skipinitialspace=f'{separator} "' in text,  # elsewhere a message shows cells as they are
        strict=True,
    )


def _filled(table: Any) -> Iterator[list[str]]:
    return (row for row in table if any(map(trimmed, row)))


def _separator(text: str) -> str:
    """Return what parts the first row into two cells, of which the first has no separator in its id."""
    first: dict[str, str] = {}
    for separator in _SEPARATORS:
        with contextlib.suppress(csv.Error):
            row = next(_filled(_cells(text, separator)), [])
            if len(row) == 2:
                first[separator] = id_in_link(row[0], "worker") or row[0]
    return min(first, key=lambda each: any(map(first[each].count, _SEPARATORS)), default=",")


def _zone(_: click.Context, __: click.Parameter, tz: str) -> str:
    """Refuse an unknown zone before anything is read or fetched."""
    return zone_info(tz).key


FOLDER = click.Path(file_okay=False, path_type=Path)

task_ids = click.argument("task_ids", nargs=-1, metavar="[TASK_ID...]", callback=ids_given)
ids_from = click.option(
    "--ids-from",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    callback=_ids_in,
    help="File with ids or dashboard links: text with one a line, or a table by its name, such as ids.csv or "
    "ids.xlsx; - is text on stdin.",
)
allow_empty = click.option(
    "--allow-empty",
    is_flag=True,
    is_eager=True,  # before --ids-from is read
    expose_value=False,
    callback=lambda context, _, allowed: context.meta.update({_ALLOW_EMPTY: allowed}),
    help="Let --ids-from pass if no ids are in it.",
)
overwrite = click.option(
    "--overwrite", is_flag=True, help="Replace what is in the folder by less, too, if anything came."
)
tz = click.option("--tz", default="UTC", callback=_zone, help="Time zone whose days count.")
price = click.option("--price", type=float, help="Money per credit; adds what things cost.")
currency = click.option("--currency", help="Its currency, an ISO 4217 code such as EUR.")
names = click.option(
    "--names", metavar="FILE", callback=_names_in, help="CSV of the ids or links of workers, and their names."
)


def shown(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of commands that show workers and credits."""
    return names(price(currency(tz(command))))


sandbox_tasks = click.option(
    "--tasks", default=200, type=click.IntRange(min=0), help="How many tasks the sandbox has."
)
seed = click.option("--seed", default=7, help="Seed of the generated data.")
generation = click.option(
    "--generation", default="A", type=click.Choice(["A", "A+files", "B"]), help="API generation."
)
