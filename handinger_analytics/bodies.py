"""Saved response bodies to the same result that a fetch gives, without a network."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from handinger_analytics import wire
from handinger_analytics.errors import APIResponseValidationError
from handinger_analytics.frames import DtypeBackend, Failure, RowBuilder
from handinger_analytics.result import FetchResult, OnError, check_on_error, now


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
    check_on_error(on_error)
    pairing = _Pairing()
    for number, body in enumerate([bodies] if isinstance(bodies, bytes | str) else bodies):
        pairing.take(number, body)
    return pairing.result(dtype_backend).settled(on_error, stacklevel=3)


class _Pairing:
    """Brings the task and turns of each id together and hands them on as soon as both are here."""

    def __init__(self) -> None:
        self._builder = RowBuilder()
        self._positions: dict[str, int] = {}
        self._complete: set[str] = set()
        self._newer: dict[str, tuple[wire.Task, list[wire.Turn]]] = {}
        self._tasks: dict[str, wire.Task] = {}
        self._turns: dict[str, list[wire.Turn]] = {}
        self._unreadable: dict[str, Failure] = {}

    def take(self, number: int, body: bytes | str) -> None:
        """Take the next body."""
        data = body if isinstance(body, bytes) else body.encode("utf-8", "surrogatepass")
        try:
            saved = wire.decode(data, wire.SavedBody)
        except (wire.MalformedBody, wire.UnexpectedBody) as error:
            self._cannot_read(number, data, str(error))
            return
        if isinstance(saved.task, wire.Task):
            self._position(saved.task.id)
            if isinstance(saved.turns, list):
                self._pair(saved.task, saved.turns)
            else:
                self._tasks[saved.task.id] = saved.task
                self._pair_up(saved.task.id)
        elif isinstance(saved.items, list) and (task_id := _task_id(saved)):
            self._position(task_id)
            self._turns[task_id] = saved.items
            self._pair_up(task_id)
        else:
            self._cannot_read(number, data, "neither a task nor the turns of one: expected task, or items and taskId")

    def result(self, dtype_backend: DtypeBackend) -> FetchResult:
        """Say what came of it."""
        failed = {task_id: error for task_id, error in self._unreadable.items() if task_id not in self._complete}
        for task_id in self._tasks.keys() - self._complete:
            self._builder.add(self._positions[task_id], self._tasks[task_id], ())
            failed.setdefault(task_id, _failure(task_id, "turns", "its turns are not among the bodies"))
        for task_id in self._turns.keys() - self._complete:
            failed.setdefault(task_id, _failure(task_id, "task", "its turns are among the bodies, the task is not"))
        rows = self._builder.finish()
        if self._newer:
            newer = RowBuilder()
            for task_id, (task, turns) in self._newer.items():
                newer.add(self._positions[task_id], task, turns)
            rows = rows.replaced_by(newer.finish(), map(self._positions.__getitem__, self._newer))
        by_position = sorted((self._positions[task_id], failure) for task_id, failure in failed.items())
        return FetchResult(tuple(self._positions), rows, dict(by_position), now(), dtype_backend)

    def _position(self, task_id: str) -> int:
        return self._positions.setdefault(task_id, len(self._positions))

    def _pair_up(self, task_id: str) -> None:
        if task_id in self._tasks and task_id in self._turns:
            self._pair(self._tasks.pop(task_id), self._turns.pop(task_id))

    def _pair(self, task: wire.Task, turns: list[wire.Turn]) -> None:
        if task.id in self._complete:
            self._newer[task.id] = (task, turns)
        else:
            self._complete.add(task.id)
            self._builder.add(self._positions[task.id], task, turns)

    def _cannot_read(self, number: int, data: bytes, message: str) -> None:
        stage, task_id = _whose(data)
        task_id = task_id or f"bodies[{number}]"
        self._position(task_id)
        self._unreadable[task_id] = _failure(task_id, stage, f"bodies[{number}]: {message}")


def _task_id(saved: wire.SavedBody) -> str:
    """Id that a list of turns belongs to."""
    return saved.task_id or next((turn.task_id for turn in saved.items or ()), "")


def _whose(data: bytes) -> tuple[str, str]:
    """Stage and, where it can be made out, task id of a body that does not fit the records."""
    try:
        body = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "task", ""
    if not isinstance(body, dict):
        return "task", ""
    task = body.get("task")
    task_id = task.get("id") if isinstance(task, dict) else body.get("taskId")
    return ("turns" if "items" in body else "task"), (task_id if isinstance(task_id, str) else "")


def _failure(task_id: str, stage: str, message: str) -> Failure:
    return Failure(task_id, stage, APIResponseValidationError.__name__, None, message, 0)
