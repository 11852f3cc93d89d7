"""Task ids from whatever people have at hand: strings, dashboard links, columns, text."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pandas as pd

from handinger_analytics.errors import FileError, FrameError, TaskIdError

_IN_TEXT = re.compile(r"https?://[^\s\"'<>]+/task/[^\s\"'<>,;]+|\btsk_[A-Za-z0-9_-]+")


def _read_csv(path: Path) -> pd.DataFrame:
    """Read text as text: an id may look like a number, or like a missing value."""
    return pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""])


_TABLES: dict[str, Callable[[Path], pd.DataFrame]] = {".csv": _read_csv, ".parquet": pd.read_parquet}


def normalize_task_ids(task_ids: str | Iterable[str]) -> list[str]:
    """Return the ids in the caller's order, each once.

    Parameters
    ----------
    task_ids : str or iterable of str
        Ids or dashboard links (``https://…/worker/{workerId}/task/{taskId}``); a pandas Series is an
        iterable of its values.

    Raises
    ------
    TaskIdError
        For None, NaN, an empty string or anything else that is not a string, with its position.

    Examples
    --------
    >>> normalize_task_ids(["tsk_1", "https://v3.handinger.com/worker/wrk_1/task/tsk_2", "tsk_1"])
    ['tsk_1', 'tsk_2']
    """
    return _normalized(task_ids, "task_ids", task_id_in_link)


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
    return _normalized(worker_ids, "worker_ids", lambda text: _segment_after("worker", text))


def task_ids_from(source: object, column: str = "task_id") -> list[str]:
    """Pick task ids out of whatever has them.

    Parameters
    ----------
    source : str, path, Series, DataFrame or iterable of str
        Text with ids (``tsk_…``) or dashboard links in it; the path (``pathlib.Path``) of a text,
        CSV or Parquet file; a column; a frame; or strings that each are an id or a link.
    column : str, default "task_id"
        Column to take from a frame or a CSV or Parquet file.

    Returns
    -------
    list of str
        Each id once, in the order met. Missing values in a column are left out.

    Raises
    ------
    FrameError
        If the frame has no such column.
    FileError
        If the file cannot be read.
    TaskIdError
        For anything else that is not an id.

    Notes
    -----
    In running text only ids that begin with ``tsk_`` can be told from other words. Ids of another
    form are found as dashboard links, in columns and in iterables.

    Examples
    --------
    >>> task_ids_from("see tsk_1 and https://v3.handinger.com/worker/wrk_1/task/my-own-id, tsk_1")
    ['tsk_1', 'my-own-id']
    """
    if isinstance(source, str):
        return normalize_task_ids(_ids_in_text(source))
    if isinstance(source, os.PathLike):
        return _ids_in_file(Path(source), column)
    if isinstance(source, pd.DataFrame):
        if column not in source:
            raise FrameError(
                f"there is no column {column!r}; there are {', '.join(map(str, source.columns))}"
            )
        source = source[column]
    if isinstance(source, pd.Series):
        source = source.dropna()
    return normalize_task_ids(source)  # type: ignore[arg-type]  # it says what it accepts, at run time


def task_id_in_link(text: str) -> str | None:
    """Task id in a dashboard link, or None where the text is not one.

    Examples
    --------
    >>> task_id_in_link("https://v3.handinger.com/worker/wrk_1/task/tsk_2?tab=files")
    'tsk_2'
    """
    return _segment_after("task", text) if _segment_after("worker", text) else None


def _segment_after(name: str, text: str) -> str | None:
    """Return what follows ``/worker/`` or ``/task/`` in a dashboard link."""
    if not text.startswith(("https://", "http://")):
        return None
    try:
        segments = urlsplit(text).path.strip("/").split("/")
    except ValueError:  # an address that cannot be read is no link, and any text can be an id
        return None
    for before, segment in itertools.pairwise(segments):
        if before == name and segment:
            return unquote(segment)
    return None


def _normalized(values: str | Iterable[str], name: str, in_link: Callable[[str], str | None]) -> list[str]:
    if isinstance(values, str):
        values = [values]
    if hasattr(values, "columns"):
        raise TaskIdError(f"{name} is a frame: give its column of ids, such as frame['task_id']")
    try:
        found = list(values)
    except TypeError:
        raise TaskIdError(
            f"{name} is {values!r}: expected a string, or strings in a list, Series or other iterable"
        ) from None
    ids = [_checked(value, f"{name}[{position}]") for position, value in enumerate(found)]
    return list(dict.fromkeys(in_link(value) or value for value in ids))


def _checked(value: object, place: str) -> str:
    if not isinstance(value, str):
        raise TaskIdError(
            f"{place} is {value!r}: expected a string. Drop missing values first, for example "
            "with Series.dropna()"
        )
    if not value:
        raise TaskIdError(f"{place} is '': an empty string cannot be an id")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise TaskIdError(f"{place} is {value!r}: half of a surrogate pair cannot be sent")
    return value


def _ids_in_text(text: str) -> list[str]:
    found = (match.rstrip(".)]") for match in _IN_TEXT.findall(text))
    return [task_id_in_link(match) or match for match in found]


def _ids_in_file(path: Path, column: str) -> list[str]:
    try:
        if read := _TABLES.get(path.suffix.lower()):
            return task_ids_from(read(path), column)
        return task_ids_from(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        if isinstance(error, FrameError | FileError):
            raise
        raise FileError(f"cannot read task ids from {str(path)!r}: {error}") from None
