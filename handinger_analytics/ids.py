"""Task ids from whatever people have at hand: strings, dashboard links, columns, text."""

from __future__ import annotations

from collections.abc import Iterable
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
    if isinstance(task_ids, str):
        task_ids = [task_ids]
    if hasattr(task_ids, "columns"):
        raise TaskIdError("task_ids is a frame: give its column of ids, such as frame['task_id']")
    try:
        values = list(task_ids)
    except TypeError:
        raise TaskIdError(
            f"task_ids is {task_ids!r}: expected a string, or strings in a list, Series or other iterable"
        ) from None
    return list(dict.fromkeys(_task_id(value, position) for position, value in enumerate(values)))


def task_id_in_link(text: str) -> str | None:
    """Task id in a dashboard link, or None where the text is not one.

    Examples
    --------
    >>> task_id_in_link("https://v3.handinger.com/worker/wrk_1/task/tsk_2?tab=files")
    'tsk_2'
    """
    if not text.startswith(("https://", "http://")):
        return None
    try:
        segments = urlsplit(text).path.rstrip("/").split("/")
    except ValueError:  # an address that cannot be read is no link, and any text can be an id
        return None
    if len(segments) >= 4 and segments[-4] == "worker" and segments[-2] == "task":
        return unquote(segments[-1])
    return None


def _task_id(value: object, position: int) -> str:
    if not isinstance(value, str):
        raise TaskIdError(
            f"task_ids[{position}] is {value!r}: expected a string. Drop missing values first, for example "
            "with Series.dropna()"
        )
    if not value:
        raise TaskIdError(f"task_ids[{position}] is '': an empty string cannot be a task id")
    return task_id_in_link(value) or value
