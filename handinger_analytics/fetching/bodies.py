"""Saved response bodies to the same result that a fetch gives, without a network."""

from __future__ import annotations

import codecs
import io
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

import msgspec
import pandas as pd

from handinger_analytics.api import wire
from handinger_analytics.api.records import add_extra
from handinger_analytics.errors import APIResponseValidationError, ArgumentError
from handinger_analytics.fetching.fetched import Fetched
from handinger_analytics.fetching.result import FetchResult, OnError, check_options, report_failures
from handinger_analytics.fetching.text_files import encoding_of, opened
from handinger_analytics.locations import shown_place
from handinger_analytics.tables.build import Failure, RowBuilder
from handinger_analytics.tables.frames import DtypeBackend


class SDKObject(Protocol):
    """What the official SDKs return."""

    def to_dict(self) -> dict[str, Any]:
        """Return the content as the API sent it."""


Body = bytes | bytearray | str | os.PathLike[str] | Mapping[str, Any] | io.IOBase | SDKObject
"""What can stand for a body, or for a file of them."""

_FILE_NAME = re.compile(r"\.(?:jsonl|ndjson|json)(?:\.gz)?\Z", re.IGNORECASE)


def parse_bodies(
    bodies: Body | Iterable[Body],
    *,
    on_error: OnError = "warn",
    dtype_backend: DtypeBackend = "numpy",
) -> FetchResult:
    r"""Read saved bodies of the task endpoints, of either generation, in any order.

    Parameters
    ----------
    bodies : bytes, str, dict, path, file, object of an SDK, or iterable of these
        Bodies of ``GET /api/tasks/{taskId}`` and, from generation B, of ``GET
        /api/tasks/{taskId}/turns``: as sent, decoded, or as an official SDK returns them (it has
        ``to_dict``). A path, a string that ends in ``.jsonl``, ``.ndjson`` or ``.json``, perhaps with
        ``.gz``, or an open file stands for all bodies in it: one a line, or one JSON document that is a
        body or a list of them. Where a task comes twice, the later body counts.
    on_error : {"warn", "raise", "collect"}
        What to do about bodies that cannot be read and tasks of which a part is missing, as in
        `fetch`.
    dtype_backend : {"numpy", "pyarrow"}
        Dtypes of the frames.

    Returns
    -------
    FetchResult
        Tasks in the order in which they were first met. A body that cannot be read, or whose turns are
        of another task, is a failure under its id, or under ``bodies[n]`` or ``file.jsonl:line`` where no
        id can be made out.

    Raises
    ------
    IncompleteFetchError
        If something is missing and ``on_error="raise"``.
    ArgumentError
        For what is none of these, and for another ``on_error`` or ``dtype_backend``.
    FileError
        If a file cannot be read.

    Examples
    --------
    >>> result = ha.parse_bodies([b"<html>"], on_error="collect")
    >>> result.failures[["task_id", "stage", "error"]]
         task_id stage                       error
    0  bodies[0]  task  APIResponseValidationError
    >>> from pathlib import Path
    >>> _ = Path("saved.jsonl").write_text('{"task": 1}\n\n<html>')
    >>> ha.parse_bodies("saved.jsonl", on_error="collect").failures["task_id"].tolist()
    ['saved.jsonl:1', 'saved.jsonl:3']
    """
    check_options(on_error, dtype_backend)
    builder = RowBuilder()
    came: dict[str, _Parts] = {}
    for place, body in _all_in(bodies):
        _take(place, body, came, builder)
    newer = RowBuilder()
    failed: dict[int, Failure] = {}
    for position, (task_id, parts) in enumerate(came.items()):
        if parts.task is not None and parts.turns is not None:
            if parts.beside is not None:
                add_extra(parts.task, parts.beside)
            (newer if parts.built else builder).add(position, parts.task, parts.turns)
        elif not parts.built:
            if parts.task is not None:
                builder.add(position, parts.task, ())
                half = _failure(task_id, "turns", "its turns are not among the bodies")
            else:
                half = _failure(task_id, "task", "its turns are among the bodies, the task is not")
            failed[position] = parts.unreadable or half
    rows = builder.finish().replaced_by(newer.finish())
    ids, built = tuple(came), set(rows.task_positions.tolist())
    for position, error in (builder.refused | newer.refused).items():
        if position not in built:
            failed[position] = Failure(ids[position], "task", type(error).__name__, None, str(error), 0)
    nameless = frozenset(task_id for task_id, parts in came.items() if parts.nameless)
    fetched = Fetched(ids, rows, dict(sorted(failed.items())), None, nameless)
    return report_failures(FetchResult(fetched, dtype_backend), on_error, stacklevel=3)


class _Parts(msgspec.Struct, gc=False):
    """What came for one id; there may be a hundred thousand, which the garbage collector need not visit.

    Attributes
    ----------
    position : int
        Of the id, in the order first met.
    task, turns
        The latest halves, where they came in bodies of their own or repeat a task.
    beside : str or None
        What was sent beside ``turns`` in a body of their own.
    built : bool
        Whether a whole body went to the rows as it came, so that not all bodies are held at once.
    unreadable : Failure or None
        Of a body that could not be read.
    nameless : bool
        Whether the id stands for a body whose id could not be made out.
    """

    position: int
    task: wire.Task | None = None
    turns: list[wire.Turn] | None = None
    beside: str | None = None
    built: bool = False
    unreadable: Failure | None = None
    nameless: bool = False


def _take(place: str, body: bytes, came: dict[str, _Parts], builder: RowBuilder) -> None:
    """Sort a body in: a whole task goes to the builder when it is first met, anything else waits."""
    try:
        saved = wire.decode(body, wire.SavedBody)
        if isinstance(saved.task, wire.Task):
            parts = _parts_of(saved.task.id, came)
            if saved.extra is not None:
                add_extra(saved.task, saved.extra)
            if not isinstance(saved.turns, list):
                parts.task = saved.task
            elif foreign := _foreign(saved.turns, "turns", saved.task.id):
                parts.task, parts.unreadable = (
                    saved.task,
                    _failure(saved.task.id, "turns", f"{place}: {foreign}"),
                )
            elif parts.built or parts.task or parts.turns is not None:
                parts.task, parts.turns, parts.beside = saved.task, saved.turns, None
            else:
                parts.built = True
                builder.add(parts.position, saved.task, saved.turns)
                builder.build()
        elif isinstance(saved.items, list) and (saved.task_id or saved.items):
            task_id = saved.task_id or saved.items[0].task_id
            parts = _parts_of(task_id, came)
            if foreign := _foreign(saved.items, "items", task_id):
                parts.unreadable = _failure(task_id, "turns", f"{place}: {foreign}")
            else:
                parts.turns, parts.beside = saved.items, saved.extra
        else:
            raise wire.UnexpectedBody(
                "neither a task nor the turns of one: expected task, or items and taskId"
            )
    except (wire.MalformedBody, wire.UnexpectedBody) as error:
        stage, task_id = _whose(body)
        parts = _parts_of(task_id or place, came)
        parts.nameless = not task_id
        parts.unreadable = _failure(task_id or place, stage, f"{place}: {error}")


def _foreign(turns: list[wire.Turn], name: str, task_id: str) -> str:
    """Say which turn is of another task; empty where none is."""
    for at, turn in enumerate(turns):
        if turn.task_id != task_id:
            return f"{name}[{at}].taskId: expected {task_id!r}, found {turn.task_id!r}"
    return ""


def _parts_of(task_id: str, came: dict[str, _Parts]) -> _Parts:
    return came.get(task_id) or came.setdefault(task_id, _Parts(len(came)))


def _all_in(bodies: object) -> Iterator[tuple[str, bytes]]:
    """Yield every body, as bytes, with the place that messages name."""
    given = bodies if isinstance(bodies, Iterable) and not _is_one(bodies) else [bodies]
    for number, body in enumerate(given):
        yield from _bodies_of(body, f"bodies[{number}]")


def _is_one(given: object) -> bool:
    """Tell a body, or a file of them, from several; much of what is one can be iterated over, too."""
    known = isinstance(given, bytes | bytearray | str | os.PathLike | Mapping) or hasattr(given, "readline")
    return known or (hasattr(given, "to_dict") and not isinstance(given, pd.Series))


def _bodies_of(given: Any, place: str) -> Iterator[tuple[str, bytes]]:
    """Yield the body that was given, or those in the file."""
    if isinstance(given, os.PathLike) or (isinstance(given, str) and _FILE_NAME.search(given[-12:])):
        with opened(given) as stream:
            lines = io.TextIOWrapper(stream, encoding_of(stream.peek(2)), "replace", newline="\n")
            yield from _bodies_in(lines, shown_place(given))
    elif hasattr(given, "readline"):
        yield from _bodies_in(given, str(getattr(given, "name", place)))
    elif isinstance(given, bytes | bytearray | str):
        yield place, _as_bytes(given)
    else:
        try:
            content = given if isinstance(given, Mapping) else given.to_dict()
            text = json.dumps(content, default=str, ensure_ascii=False, separators=(",", ":"))
        except (AttributeError, TypeError, ValueError, RecursionError):
            expected = "a body (bytes, str, dict or object of an SDK), or the path of a file of bodies"
            advice = "give the body as it was sent, such as response.content"
            raise ArgumentError.unexpected(place, expected, given, advice) from None
        yield place, _as_bytes(text)


def _bodies_in(lines: Iterable[str | bytes], place: str) -> Iterator[tuple[str, bytes]]:
    """Yield the bodies in a file, line by line; of a document over several lines, all at once."""
    numbered = enumerate(map(_as_bytes, lines), start=1)
    for number, line in numbered:
        start = line.strip()
        if start == b"{" or start.startswith(b"["):
            document = b"".join([line, *(rest for _, rest in numbered)])
            yield from _bodies_in_document(document, place)
        elif start:
            yield f"{place}:{number}", line


def _bodies_in_document(document: bytes, place: str) -> Iterator[tuple[str, bytes]]:
    try:
        several = msgspec.json.decode(document, type=list[msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        yield place, document
    else:
        yield from ((f"{place}[{number}]", bytes(body)) for number, body in enumerate(several))


def _as_bytes(body: str | bytes | bytearray) -> bytes:
    # Half a surrogate pair, which UTF-8 cannot hold, becomes the escape that JSON has for it.
    data = body.encode("utf-8", "backslashreplace") if isinstance(body, str) else bytes(body)
    return data.removeprefix(codecs.BOM_UTF8)


def _whose(data: bytes) -> tuple[str, str]:
    """Stage and, where it can be made out, task id of a body that does not fit the records."""
    try:
        body = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "task", ""
    if not isinstance(body, dict):
        return "task", ""
    task = body.get("task")
    task_id = task.get("id") if isinstance(task, dict) else body.get("taskId")
    return ("turns" if "items" in body else "task"), (task_id if isinstance(task_id, str) else "")


def _failure(task_id: str, stage: str, message: str) -> Failure:
    return Failure.of(task_id, stage, APIResponseValidationError(message, attempts=0))
