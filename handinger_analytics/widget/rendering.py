"""Tasks and turns as HTML and as text. The HTML is in ``answer.html``; here is what it is filled with."""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import msgspec
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from handinger_analytics.metrics.names import Names, check_names, shown_names
from handinger_analytics.text import NOTHING, count, duration, is_missing, number, one_line, page_text
from handinger_analytics.widget.messages import reason

MOST_TASKS = 200
"""Most tasks in a comparison."""
MOST_SIDE_BY_SIDE = 6
"""Most tasks whose turns stand side by side."""
MOST_TURNS = 1000
"""Most turns in a table; the frames have all of them."""
MOST_SAVED_TURNS = 50
"""Most turns in the saved copy; a notebook that is shared stays small."""
_MOST_STEPS = 50
_MOST_NAME = 40
_MOST_LINES = 20
_MOST_FAILURES = 20
_MOST_TEXT = 4_000_000
_SHORTEST, _LONGEST = 4_000, 50_000
"""Characters: of all texts in a table, and of one text, which depends on how many there are."""

ADVICE = (
    "To use it, open the notebook in JupyterLab, Notebook 7, VS Code or Voilà with ipywidgets installed "
    "(pip install ipywidgets) and run this cell."
)
_SPACES_ADVICE = (
    "Ids are told apart by spaces, commas and semicolons. For an id with one of them in it, paste its "
    "dashboard link, or choose it from the matches of a source."
)


def render(macro: str, *values: Any) -> str:
    """Fill a macro of ``answer.html``; what is no markup is escaped.

    Examples
    --------
    >>> render("notice", "1 < 2")
    '<div class="ha-notice ha-info" role="alert">1 &lt; 2</div>'
    """
    return str(getattr(_macros(), macro)(*values))


def overview(tasks: pd.DataFrame, turns: pd.DataFrame, zone: ZoneInfo, names: Names = None) -> str:
    """Write the card of a single task, or a comparison of several; nothing for none.

    Parameters
    ----------
    tasks, turns : DataFrame
        Tasks and all of their turns.
    zone : ZoneInfo
        Zone of the times.
    names : mapping or Series of str, optional
        Names of workers by their ids.

    Returns
    -------
    str
        HTML. A comparison has at most `MOST_TASKS` rows, and the turns of at most `MOST_SIDE_BY_SIDE`
        tasks step by step.
    """
    if tasks.empty:
        return ""
    tokens = turns.groupby("task_id")[["input_tokens", "output_tokens"]].sum()
    table = tasks.join(tokens, on="task_id").fillna({"input_tokens": 0, "output_tokens": 0})
    table = table.astype({"input_tokens": "int64", "output_tokens": "int64"})
    table["worker"] = table["worker_id"].map(shown_workers(table["worker_id"], names))
    rows = _rows(table.head(MOST_TASKS))
    if len(tasks) == 1:
        return render("card", rows[0], zone)
    sums = table[["turn_count", "credits", "input_tokens", "output_tokens", "duration_ms"]].sum()
    largest = max(1, table["credits"].max())
    return render("comparison", rows, sums.to_dict(), len(tasks), largest, zone) + _steps(tasks, turns)


def _steps(tasks: pd.DataFrame, turns: pd.DataFrame) -> str:
    """Write credits and duration of the first, second, … turn of each task."""
    some = tasks.head(MOST_SIDE_BY_SIDE)
    its_turns = turns[turns["task_id"].isin(some["task_id"])]
    values = zip(its_turns["credits"], its_turns["duration_ms"], strict=True)
    cells = dict(zip(zip(its_turns["task_id"], its_turns["seq"], strict=True), values, strict=True))
    steps = sorted({seq for _, seq in cells})[:_MOST_STEPS]
    if not steps:
        return ""
    rows = [(seq, [cells.get((task_id, seq)) for task_id in some["task_id"]]) for seq in steps]
    partial = len(tasks) > len(some) or turns["seq"].max() > steps[-1]
    return render("steps", list(some["title"]), rows, partial)


def turns_table(
    turns: pd.DataFrame, zone: ZoneInfo, *, readable: bool = True, most_turns: int = MOST_TURNS
) -> str:
    """Write a table of turns, by task where there are several.

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
        return render("muted", "No turns yet.", "p")
    shown = turns.head(most_turns)
    most = max(_SHORTEST, min(_LONGEST, _MOST_TEXT // (3 * len(shown)))) if readable else 0
    several = len(shown["task_id"].unique()) > 1
    return render("turns", _rows(shown), len(turns), several, most, zone)


def problems(failures: pd.DataFrame, entered: str) -> str:
    """Write each id that was not fetched, with the reason and what to try.

    Parameters
    ----------
    failures : DataFrame
        Columns as in ``schema.FAILURES``.
    entered : str
        What was in the box: an id with a space in it is taken for two.

    Returns
    -------
    str
        HTML, empty without failures.
    """
    if failures.empty:
        return ""
    some = _rows(failures.head(_MOST_FAILURES))
    rows = [(failure.task_id, reason(failure.error, failure.stage), failure.message) for failure in some]
    listed = render("failures", rows, len(failures) - _MOST_FAILURES)
    if " " in entered.strip() and (failures["error"] == "NotFoundError").sum() > 1:
        listed += render("muted", _SPACES_ADVICE, "p")
    return listed


def saved_html(tasks: pd.DataFrame, turns: pd.DataFrame, zone: ZoneInfo, names: Names = None) -> str:
    """Write the answer for a saved notebook: no script, no style, excerpts instead of whole texts."""
    content = "<p>TaskLookup: no task on view.</p>"
    if len(tasks):
        table = turns_table(turns, zone, readable=False, most_turns=MOST_SAVED_TURNS)
        content = overview(tasks, turns, zone, names) + table
    return render("saved", content, ADVICE)


def saved_text(tasks: pd.DataFrame, turns: pd.DataFrame, zone: ZoneInfo) -> str:
    """Write the answer for a terminal: one line for each task and turn."""
    if tasks.empty:
        return f"TaskLookup: no task on view. {ADVICE}"
    return "\n".join(["TaskLookup", *_lines(tasks.head(_MOST_LINES), turns, zone), ADVICE])


def _lines(tasks: pd.DataFrame, turns: pd.DataFrame, zone: ZoneInfo) -> Iterable[str]:
    for task in _rows(tasks):
        yield (
            f"  {titled(task.title, 70)} [{page_text(task.task_id)}] {page_text(task.status)}, "
            f"{moment(task.created_at, zone)} {zone.key}, {count(task.credits, 'credit')}, "
            f"{duration(task.duration_ms)}"
        )
        for turn in _rows(turns[turns["task_id"] == task.task_id].head(_MOST_LINES)):
            yield (
                f"    {number(turn.seq):>3} {page_text(turn.status):<9} {moment(turn.started_at, zone)} "
                f"{duration(turn.duration_ms):>12} {number(turn.credits):>8} credits  "
                f"{one_line(turn.input, 40)}"
            )


def _rows(frame: pd.DataFrame) -> list[Any]:
    """Rows as named tuples, which are quicker to make and to read than mappings."""
    return list(frame.itertuples(index=False))


def shown_workers(ids: Iterable[str], names: Names) -> dict[str, str]:
    """Return what people see of each worker, not escaped.

    Examples
    --------
    >>> shown_workers(["wrk_1", "wrk_2"], {"wrk_1": "Invoices"})
    {'wrk_1': 'Invoices', 'wrk_2': 'wrk_2'}
    """
    readable = {worker_id: one_line(name, 5 * _MOST_NAME) for worker_id, name in check_names(names).items()}
    return shown_names(ids, readable, _MOST_NAME)


def titled(value: object, length: int = 90) -> str:
    """Return a title on one line, not escaped; words for one that shows nothing."""
    return one_line(value, length) or "(no title)"


def moment(value: Any, zone: ZoneInfo) -> str:
    """Write date and time of day in a zone, or as it was sent where the zone's calendar ends before.

    Examples
    --------
    >>> moment(pd.Timestamp("2026-05-11T09:14:22Z"), ZoneInfo("Europe/Madrid"))
    '2026-05-11 11:14:22'
    >>> moment(pd.Timestamp("9999-12-31T23:59:59Z"), ZoneInfo("Europe/Madrid"))
    '9999-12-31 23:59:59'
    """
    if is_missing(value):
        return NOTHING
    # A Timestamp takes three times as long to move to a zone and to write, a third of a table's time.
    instant: dt.datetime = value.to_pydatetime() if isinstance(value, pd.Timestamp) else value
    with contextlib.suppress(OverflowError):
        instant = instant.astimezone(zone)
    return f"{instant:%Y-%m-%d %H:%M:%S}"


def web_address(url: object) -> str:
    """Return an address as the server gave it, or nothing where it does not lead to the web.

    Examples
    --------
    >>> web_address("https://v3.handinger.com/"), web_address("javascript:alert(1)")
    ('https://v3.handinger.com/', '')
    """
    address = page_text(url).strip()
    try:
        return address if urlsplit(address).scheme in ("https", "http") else ""
    except ValueError:
        return ""


def _indented(text: str) -> str:
    """JSON with line breaks, its numbers as they were sent; any other text as it is."""
    try:
        return msgspec.json.format(text, indent=2)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return text


def _finalize(value: object) -> object:
    """Take control characters out of what is no markup; most texts have none, which is quick to see."""
    if isinstance(value, Markup) or (isinstance(value, str) and value.isprintable()):
        return value
    return page_text(value)


@functools.cache
def _macros() -> object:
    environment = Environment(
        loader=PackageLoader("handinger_analytics.widget", ""),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["NOTHING"] = NOTHING
    filters = (count, msgspec.json.decode, duration, moment, number, one_line, page_text, titled, web_address)
    environment.filters.update({each.__name__: each for each in filters}, indented=_indented)
    return environment.get_template("answer.html").module
