"""Saved response bodies to the same result that a fetch gives, without a network."""

from __future__ import annotations

import codecs
from collections.abc import Iterable

import msgspec

from handinger_analytics.api import wire
from handinger_analytics.errors import APIResponseValidationError, ArgumentError
from handinger_analytics.fetching.fetched import Fetched
from handinger_analytics.fetching.result import FetchResult, OnError, check_options, report_failures
from handinger_analytics.tables.build import Failure, RowBuilder
from handinger_analytics.tables.frames import DtypeBackend
from handinger_analytics.times import now


def parse_bodies(
    bodies: Iterable[bytes | str],
    *,
    on_error: OnError = "warn",
    dtype_backend: DtypeBackend = "numpy",
) -> FetchResult:
    """Read saved bodies of the task endpoints, of either generation, in any order.

    Parameters
    ----------
    bodies : iterable of bytes or str
        Bodies of ``GET /api/tasks/{taskId}`` and, from generation B, of ``GET
        /api/tasks/{taskId}/turns``. Where a task comes twice, the later body counts.
    on_error : {"warn", "raise", "collect"}
        What to do about bodies that cannot be read and tasks of which a part is missing, as in
        `fetch`.
    dtype_backend : {"numpy", "pyarrow"}
        Dtypes of the frames.

    Returns
    -------
    FetchResult
        Tasks in the order in which they were first met. A body that cannot be read is a failure
        under its id, or under ``bodies[n]`` where no id can be made out.

    Raises
    ------
    IncompleteFetchError
        If something is missing and ``on_error="raise"``.
    ArgumentError
        For what is neither bytes nor text, and for another ``on_error`` or ``dtype_backend``.

    Examples
    --------
    >>> result = ha.parse_bodies([b"<html>"], on_error="collect")
    >>> result.failures[["task_id", "stage", "error"]]
         task_id stage                       error
    0  bodies[0]  task  APIResponseValidationError
    """
    check_options(on_error, dtype_backend)
    builder = RowBuilder()
    came: dict[str, _Parts] = {}
    for number, body in enumerate([bodies] if isinstance(bodies, bytes | bytearray | str) else bodies):
        _take(number, _as_bytes(number, body), came, builder)
    newer = RowBuilder()
    failed: dict[int, Failure] = {}
    for position, (task_id, parts) in enumerate(came.items()):
        if parts.task is not None and parts.turns is not None:
            (newer if parts.built else builder).add(position, parts.task, parts.turns)
        elif not parts.built:
            if parts.task is not None:
                builder.add(position, parts.task, ())
                half = _failure(task_id, "turns", "its turns are not among the bodies")
            else:
                half = _failure(task_id, "task", "its turns are among the bodies, the task is not")
            failed[position] = parts.unreadable or half
    rows = builder.finish().replaced_by(newer.finish())
    nameless = frozenset(task_id for task_id, parts in came.items() if parts.nameless)
    fetched = Fetched(tuple(came), rows, failed, now(), nameless)
    return report_failures(FetchResult(fetched, dtype_backend), on_error, stacklevel=3)


class _Parts(msgspec.Struct, gc=False):
    """What came for one id; there may be a hundred thousand, which the garbage collector need not visit.

    Attributes
    ----------
    position : int
        Of the id, in the order first met.
    task, turns
        The latest halves, where they came in bodies of their own or repeat a task.
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
    built: bool = False
    unreadable: Failure | None = None
    nameless: bool = False


def _take(number: int, body: bytes, came: dict[str, _Parts], builder: RowBuilder) -> None:
    """Sort a body in: a whole task goes to the builder when it is first met, anything else waits."""
    try:
        saved = wire.decode(body, wire.SavedBody)
        if isinstance(saved.task, wire.Task):
            parts = _parts_of(saved.task.id, came)
            if not isinstance(saved.turns, list):
                parts.task = saved.task
            elif parts.built or parts.task or parts.turns is not None:
                parts.task, parts.turns = saved.task, saved.turns
            else:
                parts.built = True
                builder.add(parts.position, saved.task, saved.turns)
                builder.build()
        elif isinstance(saved.items, list) and (saved.task_id or saved.items):
            _parts_of(saved.task_id or saved.items[0].task_id, came).turns = saved.items
        else:
            raise wire.UnexpectedBody(
                "neither a task nor the turns of one: expected task, or items and taskId"
            )
    except (wire.MalformedBody, wire.UnexpectedBody) as error:
        stage, task_id = _whose(body)
        parts = _parts_of(task_id or f"bodies[{number}]", came)
        parts.nameless = not task_id
        parts.unreadable = _failure(task_id or f"bodies[{number}]", stage, f"bodies[{number}]: {error}")


def _parts_of(task_id: str, came: dict[str, _Parts]) -> _Parts:
    return came.get(task_id) or came.setdefault(task_id, _Parts(len(came)))


def _as_bytes(number: int, body: object) -> bytes:
    if isinstance(body, str):
        body = body.encode("utf-8", "surrogatepass")
    if not isinstance(body, bytes | bytearray):
        raise ArgumentError.unexpected(
            f"bodies[{number}]",
            "bytes or str",
            body,
            "give the body as it was sent, such as response.content",
        )
    return bytes(body).removeprefix(codecs.BOM_UTF8)


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
