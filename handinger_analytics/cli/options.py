"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path

import click

from handinger_analytics.arguments import zone_info


def _ids_in(_: click.Context, __: click.Parameter, path: str | None) -> list[str] | None:
    """Ids in a file, without blank lines and comments; None without a file."""
    if path is None:
        return None
    try:
        with click.open_file(path, encoding="utf-8-sig") as file:
            lines = [line.strip() for line in file]
    except UnicodeDecodeError as error:
        raise click.BadParameter(f"{path!r} is not UTF-8 text ({error}); save it as UTF-8") from None
    return [line for line in lines if line and not line.startswith("#")]


def _zone(_: click.Context, __: click.Parameter, tz: str) -> str:
    """Refuse an unknown zone before anything is read or fetched."""
    return zone_info(tz).key


FOLDER = click.Path(file_okay=False, path_type=Path)

ids_from = click.option(
    "--ids-from",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    callback=_ids_in,
    help="File with ids or dashboard links, one a line; lines that begin with # are comments; - is stdin.",
)
tz = click.option("--tz", default="UTC", callback=_zone, help="Time zone whose days count.")
price = click.option("--price", type=float, help="Money per credit; adds what things cost.")
sandbox_tasks = click.option(
    "--tasks", default=200, type=click.IntRange(min=0), help="How many tasks the sandbox has."
)
seed = click.option("--seed", default=7, help="Seed of the generated data.")
generation = click.option("--generation", default="A", type=click.Choice(["A", "B"]), help="API generation.")
