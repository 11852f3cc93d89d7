"""Task ids from whatever people have at hand: strings, dashboard links, columns, text, files."""

from __future__ import annotations

import os
from collections.abc import Iterable

import pandas as pd

from handinger_analytics.api.identifiers import Kind, ids_from
from handinger_analytics.arguments import warn_caller
from handinger_analytics.errors import TaskIdError
from handinger_analytics.fetching.id_sources import (
    COLUMN,
    ids_in_file,
    ids_in_frame,
    ids_in_text,
    is_blank,
    is_file_name,
)
from handinger_analytics.text import count


def normalize_task_ids(task_ids: str | Iterable[str]) -> list[str]:
    """Return the ids in the caller's order, each once.

    Parameters
    ----------
    task_ids : str or iterable of str
        Ids or dashboard links (``https://…/worker/{workerId}/task/{taskId}``); a pandas Series is an
        iterable of its values. White space around them is left out, with a warning.

    Raises
    ------
    TaskIdError
        For None, NaN, a blank string or anything else that is not a string, with its position; and for
        the name of a file where ids are expected.

    Examples
    --------
    >>> normalize_task_ids(["tsk_1", "https://v3.handinger.com/worker/wrk_1/task/tsk_2", "tsk_1"])
    ['tsk_1', 'tsk_2']
    """
    return _normalized(task_ids, "task")


def normalize_worker_ids(worker_ids: str | Iterable[str]) -> list[str]:
    """Return worker ids in the caller's order, each once; of a dashboard link its worker.

    Raises
    ------
    TaskIdError
        As `normalize_task_ids`.

    Examples
    --------
    >>> normalize_worker_ids("https://v3.handinger.com/worker/wrk_1/task/tsk_2")
    ['wrk_1']
    """
    return _normalized(worker_ids, "worker")


def task_ids_from(source: object, *, column: str = COLUMN) -> list[str]:
    """Pick task ids out of whatever has them.

    Parameters
    ----------
    source : str, path, Series, DataFrame or iterable of str
        Text with ids (``tsk_…``) or dashboard links in it; the path or URI of a file, whose name ends in
        ``.csv``, ``.tsv``, ``.txt``, ``.xlsx`` or ``.parquet``, perhaps with ``.gz``, if it is a string;
        a column; a frame; or strings that each are an id or a link.
    column : str, default "task_id"
        Column to take from a frame or table. Case, white space and punctuation do not matter. Where the
        default is not there, it is the first column that has nothing but ids (``tsk_…``) and links.

    Returns
    -------
    list of str
        Each id once, in the order met. Missing and blank values are left out, with a warning.

    Raises
    ------
    FrameError
        If there is no such column.
    FileError
        If the file cannot be read, or is an ``.xlsx`` and openpyxl is not installed.
    TaskIdError
        For anything else that is not an id.

    Notes
    -----
    In running text only ids that begin with ``tsk_`` can be told from other words. Ids of another
    form are found as dashboard links, in tables, in iterables, and in text files: there a line is one
    id, unless some line has an id or link among other text, or the first is a header such as ``task_id``.

    Examples
    --------
    >>> task_ids_from("see tsk_1 and https://v3.handinger.com/worker/wrk_1/task/my-own-id, tsk_1")
    ['tsk_1', 'my-own-id']
    >>> turns.to_csv("turns.csv", sep=";")
    >>> task_ids_from("turns.csv") == list(turns["task_id"].unique())
    True
    """
    if isinstance(source, os.PathLike) or (isinstance(source, str) and _means_a_file(source)):
        cells: object = ids_in_file(source, column)
    elif isinstance(source, str):
        cells = ids_in_text(source)
    else:
        cells = ids_in_frame(source, column) if isinstance(source, pd.DataFrame) else source
    return _normalized(cells, "task", skip_blank=True)


def _means_a_file(text: str) -> bool:
    """Tell the name of a file from a sentence that ends with one."""
    return is_file_name(text) and (len(text.split()) == 1 or not ids_in_text(text))


def _normalized(values: object, kind: Kind, *, skip_blank: bool = False) -> list[str]:
    name = f"{kind}_ids"
    expected = "a string, or strings in a list, Series or other iterable"
    if hasattr(values, "columns"):
        advice = f"give its column of ids, such as frame['{kind}_id']"
        raise TaskIdError.unexpected(name, expected, values, advice)
    if isinstance(values, os.PathLike) or (
        kind == "task" and isinstance(values, str) and is_file_name(values)
    ):
        advice = "ha.task_ids_from reads the ids in a file; a task that is called so is given as its link"
        raise TaskIdError.unexpected(name, "ids or dashboard links", values, advice)
    try:
        found = [values] if isinstance(values, str) else list(values)  # type: ignore[call-overload]  # a TypeError tells
    except TypeError:
        raise TaskIdError.unexpected(name, expected, values) from None
    numbered = list(enumerate(found))
    if skip_blank:
        numbered = [(position, value) for position, value in numbered if not is_blank(value)]
        if blank := len(found) - len(numbered):
            warn_caller(f"{name}: {blank:,} of {count(len(found), 'value')} are blank and were left out")
    return list(dict.fromkeys(ids_from(numbered, kind, name)))
