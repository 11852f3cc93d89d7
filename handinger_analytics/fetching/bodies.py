"""Saved response bodies to the same result that a fetch gives, without a network."""

from __future__ import annotations

import codecs
from collections.abc import Iterable

import msgspec

from handinger_analytics.api import wire
from handinger_analytics.errors import APIResponseValidationError, FrameError
from handinger_analytics.fetching.result import FetchResult, OnError, check_options
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
        If something failed and ``on_error="raise"``.

    Examples
    --------
    >>> parse_bodies([]).complete
    True
    """
    check_options(on_error, dtype_backend)
    pairing = _Pairing()
    for number, body in enumerate([bodies] if isinstance(bodies, bytes | bytearray | str) else bodies):
        pairing.take(number, body)
    return pairing.result(dtype_backend).settled(on_error, stacklevel=3)


class _Pairing:
    """Brings the task and turns of each id together; whole bodies are handed on as they come."""

    def __init__(self) -> None:
        self._builder = RowBuilder()
        self._positions: dict[str, int] = {}
        self._handed_on: set[str] = set()
        self._tasks: dict[str, wire.Task] = {}
        self._turns: dict[str, list[wire.Turn]] = {}
        self._unreadable: dict[str, Failure] = {}
        self._unnamed: set[int] = set()

    def take(self, number: int, body: bytes | str) -> None:
        """Take the next body."""
        if not isinstance(body, bytes | bytearray | str):
            raise FrameError(
                f"bodies[{number}] is of type {type(body).__name__}: expected bytes or str, such as "
                "response.content"
            )
        data = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else bytes(body)
        data = data.removeprefix(codecs.BOM_UTF8)
        try:
            saved = wire.decode(data, wire.SavedBody)
        except (wire.MalformedBody, wire.UnexpectedBody) as error:
            self._cannot_read(number, data, str(error))
            return
        if isinstance(saved.task, wire.Task):
            if isinstance(saved.turns, list):
                self._take_whole(saved.task, saved.turns)
            else:
                self._position(saved.task.id)
                self._tasks[saved.task.id] = saved.task
        elif isinstance(saved.items, list) and (task_id := _task_id(saved)):
            self._position(task_id)
            self._turns[task_id] = saved.items
        else:
            self._cannot_read(
                number, data, "neither a task nor the turns of one: expected task, or items and taskId"
            )

    def result(self, dtype_backend: DtypeBackend) -> FetchResult:
        """Say what came of it."""
        newer = RowBuilder()
        failed: dict[int, Failure] = {}
        for task_id, position in self._positions.items():
            task, turns = self._tasks.get(task_id), self._turns.get(task_id)
            if task is not None and turns is not None:
                if task_id in self._handed_on:
                    newer.add(position, task, turns)
                else:
                    self._builder.add(position, task, turns)
            elif task_id not in self._handed_on:
                if task is not None:
                    self._builder.add(position, task, ())
                failed[position] = self._unreadable.get(task_id) or _half(task_id, task)
        rows = self._builder.finish()
        renewed = newer.finish()
        if renewed.tasks.num_rows:
            rows = rows.replaced_by(renewed)
        unnamed = frozenset(self._unnamed)
        return FetchResult(tuple(self._positions), rows, failed, now(), dtype_backend, unnamed=unnamed)

    def _position(self, task_id: str) -> int:
        return self._positions.setdefault(task_id, len(self._positions))

    def _take_whole(self, task: wire.Task, turns: list[wire.Turn]) -> None:
        if task.id in self._handed_on or task.id in self._tasks or task.id in self._turns:
            self._tasks[task.id], self._turns[task.id] = task, turns
        else:
            self._handed_on.add(task.id)
            self._builder.add(self._position(task.id), task, turns)

    def _cannot_read(self, number: int, data: bytes, message: str) -> None:
        stage, task_id = _whose(data)
        if not task_id:
            task_id = f"bodies[{number}]"
            self._unnamed.add(self._position(task_id))
        self._position(task_id)
        self._unreadable[task_id] = _failure(task_id, stage, f"bodies[{number}]: {message}")


def _task_id(saved: wire.SavedBody) -> str:
    """Id that a list of turns belongs to."""
    return saved.task_id or next((turn.task_id for turn in saved.items or ()), "")


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


def _half(task_id: str, task: wire.Task | None) -> Failure:
    """Failure of an id of which one half is here."""
    if task is None:
        return _failure(task_id, "task", "its turns are among the bodies, the task is not")
    return _failure(task_id, "turns", "its turns are not among the bodies")


def _failure(task_id: str, stage: str, message: str) -> Failure:
    return Failure(task_id, stage, APIResponseValidationError.__name__, None, message, 0)
