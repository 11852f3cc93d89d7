"""Ids of tasks and workers: any text can be one, and a dashboard link stands for the ids in it."""

from __future__ import annotations

import itertools
import numbers
import os
from collections.abc import Collection, Iterable
from typing import Literal
from urllib.parse import quote, unquote, urlsplit

from handinger_analytics.arguments import warn_caller
from handinger_analytics.errors import TaskIdError
from handinger_analytics.text import count, is_missing, trimmed

Kind = Literal["task", "worker"]

_DASHBOARD = "https://v3.handinger.com"


def id_from(value: object, kind: Kind, argument: str) -> str:
    """Return the id that a value is, or that a dashboard link names.

    Parameters
    ----------
    value : object
        What the user gave; white space around it is left out, with a warning.
    kind : {"task", "worker"}
        Which id of a link is meant.
    argument : str
        Where it was given, for the message.

    Raises
    ------
    TaskIdError
        For blank text, text that is not valid Unicode, or anything else that is not a string.

    Examples
    --------
    >>> id_from("https://v3.handinger.com/worker/wrk_1/task/tsk_2", "worker", "worker_id")
    'wrk_1'
    """
    found = _read(value, kind, argument)
    if value != trimmed(str(value)):
        warn_caller(f"{argument}: white space around {value!r} was removed")
    return found


def ids_from(numbered: Collection[tuple[int, object]], kind: Kind, argument: str) -> list[str]:
    """Return the ids that numbered values are, as `id_from` does of one, with one warning for all of them.

    Examples
    --------
    >>> values = ["tsk_1", "https://v3.handinger.com/worker/wrk_1/task/tsk_2"]
    >>> ids_from([*enumerate(values)], "task", "task_ids")
    ['tsk_1', 'tsk_2']
    """
    ids = [_read(value, kind, f"{argument}[{position}]") for position, value in numbered]
    if padded := [value for _, value in numbered if value != trimmed(str(value))]:
        what = f"white space around {len(padded):,} of {count(len(ids), 'id')} was removed"
        warn_caller(f"{argument}: {what}, the first is {padded[0]!r}")
    return ids


def id_in_link(text: str, kind: Kind) -> str | None:
    """Return the id in a dashboard link, or None where the text is not one.

    Examples
    --------
    >>> id_in_link("https://v3.handinger.com/worker/wrk_1/task/tsk_2?tab=files", "task")
    'tsk_2'
    """
    if not text.startswith(("https://", "http://")):
        return None
    try:
        segments = urlsplit(text).path.strip("/").split("/")
    except ValueError:  # an address that cannot be read is no link, and any text can be an id
        return None
    found = {before: segment for before, segment in itertools.pairwise(segments) if segment}
    return unquote(found[kind]) if "worker" in found and kind in found else None


def link_to(task_id: str, worker_id: str) -> str:
    """Return the dashboard link of a task: ASCII without punctuation, whatever the ids are.

    Examples
    --------
    >>> link_to("weekly report.txt", "wrk_1")
    'https://v3.handinger.com/worker/wrk_1/task/weekly%20report%2Etxt'
    """
    worker, task = (quote(each, safe="").replace(".", "%2E") for each in (worker_id or "-", task_id))
    return f"{_DASHBOARD}/worker/{worker}/task/{task}"


def as_given(task_id: str, worker_id: str = "") -> str:
    """Return an id in the form in which it is read back: as it stands, or in its link.

    Examples
    --------
    >>> as_given("tsk_1"), as_given("tsk_1 ", "wrk_1")
    ('tsk_1', 'https://v3.handinger.com/worker/wrk_1/task/tsk_1%20')
    """
    stands = trimmed(task_id) == task_id and id_in_link(task_id, "task") is None
    return task_id if stands else link_to(task_id, worker_id)


def path_segment(identifier: str) -> str:
    """Percent-encode an id into one segment of a path.

    Examples
    --------
    >>> path_segment("a/b"), path_segment("..")
    ('a%2Fb', '%2E%2E')
    """
    escaped = quote(identifier, safe="")
    return escaped.replace(".", "%2E") if set(escaped) == {"."} else escaped  # dots alone climb the path


def _read(value: object, kind: Kind, argument: str) -> str:
    text = trimmed(value) if isinstance(value, str) else ""
    if not text:
        raise TaskIdError.unexpected(argument, "a non-empty string", value, _advice(value))
    try:
        text.encode()
    except UnicodeEncodeError:
        raise TaskIdError.unexpected(
            argument, "valid Unicode, without half of a surrogate pair", value
        ) from None
    return id_in_link(text, kind) or text


def _advice(value: object) -> str:
    """Return what to do about a value that is no id."""
    if isinstance(value, bytes | bytearray):
        return "decode it first, such as value.decode()"
    if isinstance(value, os.PathLike):
        return "ha.task_ids_from reads the ids in a file"
    if isinstance(value, str):
        return "leave blank ones out first"
    if isinstance(value, Iterable):
        return "give each id by itself, in one flat list"
    if is_missing(value):
        return "drop missing values first, for example with Series.dropna()"
    if isinstance(value, numbers.Number):
        return (
            "ids are text: keep the column from becoming numbers, for example with dtype=str where it is read"
        )
    return ""
