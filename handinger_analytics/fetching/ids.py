"""Task ids from whatever people have at hand: strings, dashboard links, columns, text."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd

from handinger_analytics.api.identifiers import Kind, id_from, id_in_link
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


def task_ids_from(source: object, *, column: str = "task_id") -> list[str]:
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


def _normalized(values: str | Iterable[str], kind: Kind) -> list[str]:
    name = f"{kind}_ids"
    if hasattr(values, "columns"):
        advice = f"give its column of ids, such as frame['{kind}_id']"
        raise TaskIdError.unexpected(name, "a string, or strings in an iterable", values, advice)
    try:
        found = [values] if isinstance(values, str) else list(values)
    except TypeError:
        expected = "a string, or strings in a list, Series or other iterable"
        raise TaskIdError.unexpected(name, expected, values) from None
    advice = "drop missing values first, for example with Series.dropna()"
    ids = (id_from(value, kind, f"{name}[{position}]", advice) for position, value in enumerate(found))
    return list(dict.fromkeys(ids))


def _ids_in_text(text: str) -> list[str]:
    found = (match.rstrip(".)]") for match in _IN_TEXT.findall(text))
    return [id_in_link(match, "task") or match for match in found]


def _ids_in_file(path: Path, column: str) -> list[str]:
    try:
        if read := _TABLES.get(path.suffix.lower()):
            return task_ids_from(read(path), column=column)
        return task_ids_from(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        if isinstance(error, FrameError | FileError):
            raise
        raise FileError(f"cannot read task ids from {str(path)!r}: {error}") from None
