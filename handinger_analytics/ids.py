"""Task ids from whatever people have at hand: strings, dashboard links, columns, text."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from urllib.parse import unquote, urlsplit

from handinger_analytics.errors import TaskIdError


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
