"""Records to Arrow rows: in batches while a fetch is under way, in the caller's order in the end.

Batches are made early so that bodies and records need not be held.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from handinger_analytics.api import wire
from handinger_analytics.errors import APIError, APIResponseValidationError
from handinger_analytics.tables.schema import (
    EXTRA,
    FETCHED_AT,
    TASKS,
    TASKS_OWN,
    TEXT,
    TIMESTAMP,
    TURNS,
    TURNS_CONTEXT,
    TURNS_OWN,
    Column,
    arrow_schema,
)
from handinger_analytics.times import EPOCH, FIRST_MS, LAST_MS

Positions = np.ndarray[Any, np.dtype[np.int64]]
Answered = tuple[dt.datetime | None, dt.datetime | None]
"""When the answers about a task and about its turns came; None where that is not known."""

_ROWS_PER_BATCH = 2048


@dataclass(frozen=True, slots=True)
class Failure:
    """One id that was not fetched; the fields are the columns of the failures frame."""

    task_id: str
    stage: str
    error: str
    http_status: int | None
    message: str
    attempts: int

    @classmethod
    def of(cls, task_id: str, stage: str, error: APIError) -> Failure:
        """Make the failure that an error stands for; ``stage`` is "task" or "turns"."""
        return cls(task_id, stage, type(error).__name__, error.http_status, str(error), error.attempts)


@dataclass(frozen=True, slots=True)
class Rows:
    """Tasks and turns with the position of their id in the caller's order.

    Attributes
    ----------
    tasks, turns : pyarrow.Table
        Tables in the schema of ``schema.TASKS`` and ``schema.TURNS``, in the caller's order.
    task_positions, turn_positions : numpy.ndarray of int64
        For each row the position of its id, ascending.
    """

    tasks: pa.Table
    turns: pa.Table
    task_positions: Positions
    turn_positions: Positions

    def moved(self, places: Positions) -> Rows:
        """Return these rows with ``places[n]`` as the position of the id at n; where it is -1, without them.

        The rows stay in their order; `replaced_by` sorts them.
        """
        task_positions, turn_positions = places[self.task_positions], places[self.turn_positions]
        tasks, turns = task_positions >= 0, turn_positions >= 0
        return Rows(
            self.tasks.filter(tasks), self.turns.filter(turns), task_positions[tasks], turn_positions[turns]
        )

    def replaced_by(self, other: Rows) -> Rows:
        """Return these rows and those of ``other``, which count where both have a task."""
        if not other.tasks.num_rows:
            return self
        gone = other.task_positions
        tasks = _merged(self.tasks, self.task_positions, other.tasks, other.task_positions, gone)
        turns = _merged(self.turns, self.turn_positions, other.turns, other.turn_positions, gone)
        return Rows(tasks[0], turns[0], tasks[1], turns[1])


_Added = tuple[int, wire.Task, Sequence[wire.Turn], Answered]


class RowBuilder:
    """Turns records that come in any order into Arrow batches, and those into rows in the end.

    Attributes
    ----------
    refused : dict of int to APIError
        Why a task cannot be a row, by its position; none of its turns is one either. Complete after `finish`.
    """

    def __init__(self) -> None:
        self.refused: dict[int, APIError] = {}
        self._pending: list[_Added] = []
        self._pending_rows = 0
        self._tasks: list[tuple[Positions, list[pa.Array]]] = []
        self._turns: list[tuple[Positions, list[pa.Array]]] = []

    def add(
        self,
        position: int,
        task: wire.Task,
        turns: Sequence[wire.Turn],
        answered: Answered = (None, None),
    ) -> None:
        """Take a task and its turns, which belong at ``position`` of the caller's order."""
        self._pending.append((position, task, turns, answered))
        self._pending_rows += len(turns) + 1

    def build(self, least: int = _ROWS_PER_BATCH) -> None:
        """Turn what is pending into a batch, if it has ``least`` rows."""
        if self._pending_rows < least:
            return
        pending, self._pending, self._pending_rows = self._pending, [], 0
        self._build(pending)

    def finish(self) -> Rows:
        """Put everything that was added in order; the builder is of no use after that."""
        self.build(least=0)
        self._build([])  # where nothing was added, or all was refused, there is a batch nevertheless
        tasks, task_positions = _in_order(TASKS, self._tasks)
        turns, turn_positions = _in_order(TURNS, self._turns)
        return Rows(tasks, turns, task_positions, turn_positions)

    def _build(self, added: list[_Added]) -> None:
        """Make a batch; when that goes wrong, make two, until the task that cannot be a row is alone."""
        tasks = [task for _, task, _, _ in added]
        turns = [turn for _, _, its_turns, _ in added for turn in its_turns]
        positions = np.array([position for position, _, _, _ in added], np.int64)
        task_of_turn = np.repeat(np.arange(len(added)), [len(its_turns) for _, _, its_turns, _ in added])
        try:
            task_arrays = _arrays(TASKS_OWN, tasks, "task")
            of_task = {column.wire: array for column, array in zip(TASKS_OWN, task_arrays, strict=True)}
            context = [of_task[column.wire].take(task_of_turn) for column in TURNS_CONTEXT]
            task_at, turns_at = (
                _array(FETCHED_AT, [answered[of] for *_, answered in added]) for of in (0, 1)
            )
            task_arrays += [task_at, _array(EXTRA, [task.extra for task in tasks])]
            turn_arrays = [
                *_arrays(TURNS_OWN, turns, "turns[{}]"),
                *context,
                turns_at.take(task_of_turn),
                _array(EXTRA, [turn.extra for turn in turns]),
            ]
        except Exception as error:
            if len(added) > 1:
                self._build(added[: len(added) // 2])
                self._build(added[len(added) // 2 :])
            else:
                self.refused[added[0][0]] = _refusal(tasks[0], error)
        else:
            self._tasks.append((positions, task_arrays))
            self._turns.append((positions[task_of_turn], turn_arrays))


def _refusal(task: wire.Task, error: Exception) -> APIError:
    message = f"task {task.id!r}: "
    if isinstance(error, APIResponseValidationError):
        message += f"the answer is not what the API documents: {error}"
        return APIResponseValidationError(message, http_status=200)
    message += f"no row could be made of the answer ({type(error).__name__}: {error})"
    return APIError(message, http_status=200)


def _in_order(
    columns: Sequence[Column], batches: list[tuple[Positions, list[pa.Array]]]
) -> tuple[pa.Table, Positions]:
    """Sort the rows of all batches by position, and empty the list; rows of one position keep their order."""
    positions = np.concatenate([each for each, _ in batches])
    arrays: list[Any] = [
        pa.chunked_array(parts) for parts in zip(*(each for _, each in batches), strict=True)
    ]
    batches.clear()
    if not np.all(positions[1:] >= positions[:-1]):
        order = np.argsort(positions, kind="stable")
        positions = positions[order]
        # Column by column and in two steps: to take from chunks would hold a column three times.
        for index in range(len(arrays)):
            arrays[index] = pa.chunked_array([arrays[index].combine_chunks()])
            pa.default_memory_pool().release_unused()  # or all that is replaced would stay held
            arrays[index] = arrays[index].take(order)
            pa.default_memory_pool().release_unused()
    arrays = [encoded(column, values) for column, values in zip(columns, arrays, strict=True)]
    return pa.Table.from_arrays(arrays, schema=arrow_schema(columns)), positions


def table(columns: Sequence[Column], records: Sequence[object], place: str = "[{}]") -> pa.Table:
    """Table of records, in the schema that ``columns`` declare.

    Parameters
    ----------
    columns : sequence of Column
        The columns.
    records : sequence
        Whose attributes are the values.
    place : str
        What an error calls a record; ``{}`` stands for its number.

    Raises
    ------
    APIResponseValidationError
        A time outside the years 1 to 9999 in UTC, which no datetime can hold.
    """
    arrays = [
        encoded(column, pa.chunked_array([array]))
        for column, array in zip(columns, _arrays(columns, records, place), strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=arrow_schema(columns))


def encoded(column: Column, values: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    """Values of a categorical column as a dictionary array; those of other columns as they are."""
    if column.categories is None:
        return values
    plain = values.combine_chunks().cast(column.type)
    unknown = [value for value in plain.unique().to_pylist() if value not in (*column.categories, None)]
    categories = pa.array([*column.categories, *unknown], column.type)
    return pa.DictionaryArray.from_arrays(pc.index_in(plain, value_set=categories), categories)


def _arrays(columns: Sequence[Column], records: Sequence[object], place: str) -> list[pa.Array]:
    """One array a column, those of categorical columns still plain strings."""
    return [_array(column, list(map(attrgetter(column.wire), records)), place) for column in columns]


def _array(column: Column, values: list[Any], place: str = "[{}]") -> pa.Array:
    if column.type == TIMESTAMP:
        first, *others = column.wire.split("_")
        return _timestamps(values, f"{place}.{first}{''.join(map(str.title, others))}")
    if values and isinstance(values[0], msgspec.Raw):
        return _json_texts(values)
    if pa.types.is_list(column.type):
        return _files(values, column.type)
    return pa.array(values, column.type)


def _timestamps(values: list[dt.datetime | None], place: str) -> pa.Array:
    if not any(values):
        return pa.nulls(len(values), TIMESTAMP)
    # Differences convert about three times as fast as aware datetimes, whose offset Arrow asks for.
    since_epoch = [None if value is None else value - EPOCH for value in values]
    instants = pa.array(since_epoch, pa.duration("ms")).cast(pa.int64())
    ends = pc.min_max(instants).as_py()
    for instant in ends.values():
        if instant is not None and not FIRST_MS <= instant <= LAST_MS:
            at = instants.index(instant).as_py()
            raise APIResponseValidationError(
                f"{place.format(at)}: expected a time within the years 1 to 9999 in UTC, found {values[at]}"
            )
    return instants.cast(TIMESTAMP)


def _json_texts(values: list[Any]) -> pa.Array:
    texts: list[bytes | None] = list(map(bytes, values))
    if b"null" in texts:
        texts = [None if text == b"null" else text for text in texts]
    try:
        return pa.array(texts, pa.large_binary()).cast(TEXT)
    except pa.ArrowInvalid:  # bytes that are not UTF-8, which no column can hold
        return pa.array([None if text is None else text.decode("utf-8", "replace") for text in texts], TEXT)


def _files(values: list[tuple[wire.File, ...] | None], kind: pa.DataType) -> pa.Array:
    if not any(values):
        offsets = pa.array(np.zeros(len(values) + 1, np.int32))
        return pa.ListArray.from_arrays(offsets, pa.array([], kind.value_type), type=kind)
    return pa.array([list(map(msgspec.structs.asdict, files or ())) for files in values], kind)


def _merged(
    rows: pa.Table, positions: Positions, others: pa.Table, other_positions: Positions, gone: Positions
) -> tuple[pa.Table, Positions]:
    """Rows without those at the positions that are ``gone``, and the others, sorted by position."""
    kept = ~np.isin(positions, gone)
    merged = pa.concat_tables([rows.filter(kept), others]).unify_dictionaries()
    where = np.concatenate([positions[kept], other_positions])
    order = np.argsort(where, kind="stable")
    return merged.take(order), where[order]
