"""HTML of turns: a table, each turn opened to read all of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pandas as pd

from handinger_analytics.text import count, duration, number, one_line, page_text
from handinger_analytics.widget.markup import NOTHING, badge, escaped, isolated, link, moment, titled

MOST_TURNS = 1000
"""Most turns in a table; the frames have all of them."""

_MOST_TEXT = 4_000_000
_SHORTEST, _LONGEST = 4_000, 50_000
_EXCERPT = 110
_COLUMNS = 8


def turns_table(
    turns: pd.DataFrame, zone: ZoneInfo, *, readable: bool = True, most_turns: int = MOST_TURNS
) -> str:
    """Table of turns, by task where there are several.

    Parameters
    ----------
    turns : DataFrame
        Columns as in ``schema.TURNS``, turns of one task together.
    zone : ZoneInfo
        Zone of the times.
    readable : bool
        Whether each turn opens to show its whole input, output, structured output and files. The
        excerpts alone are meant for a page that must stay small.
    most_turns : int
        Most turns to show.

    Returns
    -------
    str
        HTML. What is left out, turns or the end of a very long text, is said where it is missing.
    """
    if turns.empty:
        return '<p class="ha-muted">No turns yet.</p>'
    shown = turns.head(most_turns)
    most = max(_SHORTEST, min(_LONGEST, _MOST_TEXT // (3 * len(shown)))) if readable else 0
    several = len(shown["task_id"].unique()) > 1
    parts: list[str] = []
    for task_id, its_turns in shown.groupby("task_id", sort=False):
        if several:
            parts.append(_task_line(task_id, its_turns))
        parts.extend(_turn(turn, zone, most) for turn in its_turns.to_dict("records"))
    caption = count(len(turns), "turn")
    if len(shown) < len(turns):
        caption += f", the first {len(shown):,} of them here; .turns has them all"
    return (
        f'<div class="ha-scroll" tabindex="0" role="region" aria-label="Turns">'
        f'<table class="ha-turns"><caption>{caption}</caption>{_head(zone)}{"".join(parts)}</table></div>'
    )


def _head(zone: ZoneInfo) -> str:
    numeric = ("Duration", "Credits", "Tokens in", "Tokens out")
    names = ("#", "Status", f"Started ({escaped(zone.key)})", *numeric, "Output")
    cells = "".join(
        f'<th scope="col" class="ha-num">{name}</th>' if name in numeric else f'<th scope="col">{name}</th>'
        for name in names
    )
    return f"<thead><tr>{cells}</tr></thead>"


def _task_line(task_id: object, turns: pd.DataFrame) -> str:
    title = isolated(titled(turns["task_title"].iloc[0]))
    return (
        f'<tbody><tr class="ha-task"><th colspan="{_COLUMNS}" scope="rowgroup">{title} '
        f"<code>{escaped(task_id)}</code></th></tr></tbody>"
    )


def _turn(turn: Mapping[Any, Any], zone: ZoneInfo, most: int) -> str:
    numbers = "".join(
        f'<td class="ha-num">{text}</td>'
        for text in (
            duration(turn["duration_ms"]),
            number(turn["credits"]),
            number(turn["input_tokens"]),
            number(turn["output_tokens"]),
        )
    )
    structured = page_text(turn["structured_output"])
    answer = one_line(turn["output_text"], _EXCERPT) or one_line(structured, _EXCERPT) or NOTHING
    question = isolated(one_line(turn["input"], _EXCERPT) or "(no input)")
    whole = (
        f"<details><summary>{question}</summary>{_whole(turn, structured, most)}</details>"
        if most
        else question
    )
    return (
        f'<tbody class="ha-turn"><tr><th scope="row">{number(turn["seq"])}</th>'
        f"<td>{badge(turn['status'])}</td>"
        f'<td class="ha-when">{moment(turn["started_at"], zone)}</td>{numbers}'
        f'<td class="ha-words">{isolated(answer)}</td></tr>'
        f'<tr><td></td><td colspan="{_COLUMNS - 1}">{whole}</td></tr></tbody>'
    )


def _whole(turn: Mapping[Any, Any], structured: str, most: int) -> str:
    parts = [
        _said("Input", page_text(turn["input"]), most),
        _said("Output", page_text(turn["output_text"]), most),
    ]
    if structured:
        parts.append(_said("Structured output", _indented(structured), most, "ha-code"))
    files = turn["files"]
    if files is not None and len(files):
        items = "".join(f"<li>{_file(file)}</li>" for file in files)
        parts.append(f'<h5>Files</h5><ul class="ha-files">{items}</ul>')
    return f'<div class="ha-whole">{"".join(parts)}<p class="ha-muted">{escaped(turn["turn_id"])}</p></div>'


def _said(name: str, text: str, most: int, kind: str = "ha-text") -> str:
    if not text:
        return f'<h5>{name}</h5><p class="ha-muted">nothing</p>'
    rest = len(text) - most
    cut = f'<p class="ha-muted">{count(rest, "more character")}; .turns has them all</p>' if rest > 0 else ""
    return f'<h5>{name}</h5><pre class="{kind}" dir="auto">{escaped(text[:most])}</pre>{cut}'


def _indented(text: str) -> str:
    """JSON with line breaks, its numbers as they were sent; any other text as it is."""
    try:
        return msgspec.json.format(text, indent=2)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return text


def _file(file: Mapping[str, Any]) -> str:
    name = link(file["url"], isolated(one_line(file["filename"], 80) or "(no name)"))
    size = "" if file["size"] is None else f", {count(file['size'], 'byte')}"
    return f'{name} <span class="ha-muted">{escaped(file["media_type"])}{size}</span>'
