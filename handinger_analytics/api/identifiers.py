"""Ids of tasks and workers: any text can be one, and a dashboard link stands for the ids in it."""

from __future__ import annotations

import itertools
from typing import Literal
from urllib.parse import quote, unquote, urlsplit

from handinger_analytics.errors import TaskIdError

Kind = Literal["task", "worker"]


def id_from(value: object, kind: Kind, argument: str, advice: str = "") -> str:
    """Return the id that a value is, or that a dashboard link names.

    Parameters
    ----------
    value : object
        What the user gave.
    kind : {"task", "worker"}
        Which id of a link is meant.
    argument, advice : str
        Where it was given, and what to try, for the message.

    Raises
    ------
    TaskIdError
        For an empty string, one that is not valid Unicode, or anything else that is not a string.

    Examples
    --------
    >>> id_from("https://v3.handinger.com/worker/wrk_1/task/tsk_2", "worker", "worker_id")
    'wrk_1'
    """
    if not isinstance(value, str) or not value:
        raise TaskIdError.unexpected(argument, "a non-empty string", value, advice)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise TaskIdError.unexpected(
            argument, "valid Unicode, without half of a surrogate pair", value
        ) from None
    return id_in_link(value, kind) or value


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


def path_segment(identifier: str) -> str:
    """Percent-encode an id into one segment of a path.

    Examples
    --------
    >>> path_segment("a/b"), path_segment("..")
    ('a%2Fb', '%2E%2E')
    """
    escaped = quote(identifier, safe="")
    return escaped.replace(".", "%2E") if set(escaped) == {"."} else escaped  # dots alone climb the path
