"""Where people have task ids: running text, lists, columns, files.

What is found here is an id, or a dashboard link, as it stands there; `handinger_analytics.fetching.ids`
makes ids of both.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterable
from pathlib import PurePath
from typing import Any

import pandas as pd

from handinger_analytics.api.identifiers import as_given, id_in_link, link_to
from handinger_analytics.errors import FileError, FrameError
from handinger_analytics.fetching.text_files import opened, text_of
from handinger_analytics.locations import Place, shown_place
from handinger_analytics.text import is_missing, terminal_text, trimmed

COLUMN = "task_id"

_IN_TEXT = re.compile(r"https?://[^\s\"'<>]+/task/[^\s\"'<>,;]+|\btsk_[A-Za-z0-9_-]+")
_FILE_NAME = re.compile(r"[^\r\n]+\.(?:csv|tsv|txt|xlsx|parquet)(?:\.gz)?", re.IGNORECASE)
_SEPARATORS = ",;\t|"


def is_file_name(text: str) -> bool:
    """Tell whether a text ends as names of files with ids do, and is no dashboard link.

    Examples
    --------
    >>> is_file_name("May.CSV.gz"), is_file_name("https://v3.handinger.com/worker/w/task/may.csv")
    (True, False)
    """
    text = trimmed(text)
    return bool(_FILE_NAME.fullmatch(text)) and id_in_link(text, "task") is None


def is_blank(value: object) -> bool:
    """Tell whether a cell has nothing in it: it is missing, or only white space.

    Examples
    --------
    >>> is_blank(float("nan")), is_blank(" "), is_blank(0)
    (True, True, False)
    """
    if isinstance(value, str):
        return not trimmed(value)
    return not isinstance(value, Iterable) and is_missing(value)


def ids_in_text(text: str) -> list[str]:
    """Return the ids that begin with ``tsk_``, and the links, in running text.

    Examples
    --------
    >>> ids_in_text("tsk_1 (see https://v3.handinger.com/worker/wrk_1/task/my-own)")
    ['tsk_1', 'https://v3.handinger.com/worker/wrk_1/task/my-own']
    """
    return [match.rstrip(".)]") for match in _IN_TEXT.findall(text)]


def ids_in_lines(text: str, column: str = COLUMN) -> list[object]:
    r"""Return the ids in a text in which a line is one id, or which is a table with a header.

    A usual header in the first line is none.

    Examples
    --------
    >>> ids_in_lines("#1\n\n my own, too\n"), ids_in_lines("worker_id;task_id\nwrk_1;tsk_1\n")
    (['#1', 'my own, too'], ['tsk_1'])
    """
    lines = [line for line in map(trimmed, io.StringIO(text, newline=None)) if line]
    first = re.split(f"[{_SEPARATORS}]", lines[0]) if lines else []
    if len(first) > 1 and _folded(column) in map(_folded, first):
        return _ids_in_csv(text, column)
    has_header = len(first) == 1 and _folded(first[0]) in _headers(column, 1)
    return list(lines[has_header:])


def id_line(task_id: str, worker_id: str, *, ascii_only: bool = False) -> str:
    r"""Return the line of a list, or the word of a command, that stands for an id.

    Parameters
    ----------
    task_id, worker_id : str
        The task and its worker.
    ascii_only : bool, default False
        Whether the reader may see other characters changed.

    Returns
    -------
    str
        The id; its dashboard link where the id would be read as something else, or drive a terminal.

    Examples
    --------
    >>> id_line("#1 of May", "wrk_1"), id_line("tasks.csv", "wrk_1")
    ('#1 of May', 'https://v3.handinger.com/worker/wrk_1/task/tasks%2Ecsv')
    """
    stands = (
        as_given(task_id) == task_id
        and ids_in_lines(task_id) == [terminal_text(task_id)] == [task_id]
        and not is_file_name(task_id)
        and (task_id.isascii() or not ascii_only)
    )
    return task_id if stands else link_to(task_id, worker_id)


def ids_in_frame(frame: pd.DataFrame, column: str = COLUMN) -> list[object]:
    """Return the cells of a column: of that name, of one like it, or else the first that has nothing but ids.

    Raises
    ------
    FrameError
        If there is no such column.

    Examples
    --------
    >>> ids_in_frame(pd.DataFrame({"n": ["1"], "Task ID": ["my own"]}))
    ['my own']
    """
    named: list[tuple[int, object]] = list(enumerate(frame.columns))
    found = [at for at, name in named if name == column]
    for header in _headers(column, len(named)):
        found = found or [at for at, name in named if _folded(name) == header]
    if column == COLUMN:
        found = found or [at for at, _ in named if _are_ids(frame.iloc[:, at])]
    if not found:
        there = ", ".join(str(name) for _, name in named)
        raise FrameError(f"there is no column {column!r}; there are {there}")
    return list(frame.iloc[:, found[0]])


def ids_in_file(place: Place, column: str = COLUMN, *, lines: bool = False) -> list[object]:
    r"""Return the ids in a file: a table by its name, otherwise text.

    Parameters
    ----------
    place : str or path
        Path or URI of the file.
    column : str
        Column of a table.
    lines : bool, default False
        Whether a line of text is one id even where ids stand among other text in a line.

    Raises
    ------
    FileError
        If the file cannot be read.
    FrameError
        If a table has no such column.

    Examples
    --------
    >>> from pathlib import Path
    >>> _ = Path("ids.csv").write_text("task_id;n\ntsk_1;1\n")
    >>> ids_in_file("ids.csv")
    ['tsk_1']
    """
    with opened(place) as stream:
        data = stream.read()
    kind = PurePath(os.fspath(place).lower().removesuffix(".gz")).suffix
    try:
        if kind == ".parquet":
            return ids_in_frame(pd.read_parquet(io.BytesIO(data)), column)
        if kind == ".xlsx":
            cells = pd.read_excel(io.BytesIO(data), engine="openpyxl", **_AS_TEXT)
            return _ids_in_cells(cells, column)
        text = text_of(data)
        if kind in (".csv", ".tsv") and trimmed(text):
            return _ids_in_csv(text, column)
        found = ids_in_lines(text, column)
        running = any(_IN_TEXT.search(str(line)) and not _is_id(line) for line in found)
        return list(ids_in_text(text)) if running and not lines else found
    except FrameError as error:
        raise FrameError(f"{shown_place(place)!r}: {error}") from None
    except ImportError:
        raise FileError("an .xlsx file needs openpyxl: pip install 'handinger-analytics[excel]'") from None
    except Exception as error:  # pandas and openpyxl let through whatever a damaged file makes them meet
        raise FileError(f"cannot read task ids from {shown_place(place)!r}: {error}") from None


# Text as text: an id may look like a number, or like a missing value.
_AS_TEXT: dict[str, Any] = {"header": None, "dtype": str, "keep_default_na": False, "na_values": [""]}


def _ids_in_csv(text: str, column: str) -> list[object]:
    header = text.lstrip("\r\n").partition("\n")[0]
    separator = max(_SEPARATORS, key=header.count)
    return _ids_in_cells(pd.read_csv(io.StringIO(text), sep=separator, **_AS_TEXT), column)


def _ids_in_cells(cells: pd.DataFrame, column: str) -> list[object]:
    """Take the first row for the header, unless there is an id in it."""
    cells = cells.dropna(how="all")
    if cells.empty:
        return []
    first = cells.iloc[0]
    return ids_in_frame(cells if any(map(_is_id, first)) else cells[1:].set_axis(first, axis=1), column)


def _is_id(cell: object) -> bool:
    return isinstance(cell, str) and bool(_IN_TEXT.fullmatch(trimmed(cell)))


def _are_ids(cells: Iterable[object]) -> bool:
    present = [cell for cell in cells if not is_blank(cell)]
    return bool(present) and all(map(_is_id, present))


def _headers(column: str, columns: int) -> list[str]:
    """Return what the column of ids may be called, among so many; the likeliest name comes first."""
    usual = ["task", "id"] if columns == 1 else ["task"]
    return [_folded(column), *(usual if column == COLUMN else [])]


def _folded(name: object) -> str:
    """Return a name without case, white space and punctuation: Task ID, taskId and task_id are one."""
    return re.sub(r"[\W_]+", "", str(name)).casefold()
