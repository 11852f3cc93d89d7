"""Options that several commands have."""

from __future__ import annotations

from typing import TextIO

import click


def _ids_in(_: click.Context, __: click.Parameter, file: TextIO | None) -> list[str] | None:
    """Ids in a file, without blank lines and comments; None without a file."""
    if file is None:
        return None
    try:
        lines = [line.strip() for line in file]
    except UnicodeDecodeError as error:
        raise click.BadParameter(f"{file.name!r} is not UTF-8 text ({error}); save it as UTF-8") from None
    return [line for line in lines if line and not line.startswith("#")]


ids_from = click.option(
    "--ids-from",
    type=click.File(encoding="utf-8-sig"),
    callback=_ids_in,
    help="File with ids or dashboard links, one a line; lines that begin with # are comments; - is stdin.",
)
