"""Frames and text for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from handinger_analytics.text import terminal_text

if TYPE_CHECKING:
    import pandas as pd

_WIDEST = 60


def show_table(title: str, frame: pd.DataFrame) -> None:
    """Print a small frame: text left, numbers right with thousands separators."""
    cells = frame.map(_cell)
    numeric = {name for name in frame if frame[name].dtype.kind in "iuf"}
    widths = {name: max([len(str(name)), *cells[name].map(len)]) for name in cells}

    def line(values: dict[Any, str]) -> str:
        parts = (
            values[name].rjust(widths[name]) if name in numeric else values[name].ljust(widths[name])
            for name in cells
        )
        return "  ".join(parts).rstrip()

    click.echo(f"\n{title}")
    click.echo(line({name: str(name) for name in cells}))
    click.echo("  ".join("-" * widths[name] for name in cells))
    for _, row in cells.iterrows():
        click.echo(line(row.to_dict()))


def _cell(value: Any) -> str:
    import pandas as pd

    if isinstance(value, str):
        text = terminal_text(value)
        return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"
    if pd.isna(value):
        return ""
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m-%d %H:%M %Z}"
    if isinstance(value, float):
        return f"{value:,.3f}".rstrip("0").rstrip(".")
    return str(value) if isinstance(value, bool) else f"{value:,}"
