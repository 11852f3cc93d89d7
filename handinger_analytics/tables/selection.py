"""Which columns and rows of a stored table are read."""

from __future__ import annotations

import datetime as dt
import functools
import operator
from collections.abc import Collection, Iterable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from handinger_analytics.arguments import column_names
from handinger_analytics.errors import ArgumentError, FrameError
from handinger_analytics.tables.schema import TASKS, TIMESTAMP, TURNS

Columns = str | Iterable[str] | None
"""One name, several, or None for all columns."""

_TIME_COLUMNS = ("started_at", "created_at")

_OF_TURNS, _OF_TASKS = ({column.name for column in columns} for columns in (TURNS, TASKS))


def selected_columns(columns: Columns, present: Sequence[str], table: str) -> list[str]:
    """Return the names of the columns to read, each once and in the order asked for.

    Parameters
    ----------
    columns : str, iterable of str or None
        What the user gave.
    present : sequence of str
        Columns that can be read.
    table : str
        Name of the table in messages.

    Raises
    ------
    ArgumentError
        For something else than names, or for no name at all.
    FrameError
        For a column that is not there.

    Examples
    --------
    >>> selected_columns("credits", ["turn_id", "credits"], "turns")
    ['credits']
    """
    if columns is None:
        return list(present)
    names = column_names(columns, "columns")
    if not names:
        raise ArgumentError.unexpected("columns", "one name or more", columns, "leave it out for all of them")
    if absent := [name for name in names if name not in present]:
        raise FrameError(f"{table}: no column {', '.join(map(repr, absent))}; it has {', '.join(present)}")
    return names


def rows_of(names: Collection[str]) -> str | None:
    """Tell "turns" from "tasks" by the columns that only one of them has; None without any.

    Turns with columns of their tasks beside their own are turns.

    Examples
    --------
    >>> rows_of(["task_id", "seq"]), rows_of(["task_id", "title"]), rows_of(["task_id", "credits"])
    ('turns', 'tasks', None)
    """
    if not (_OF_TURNS - _OF_TASKS).isdisjoint(names):
        return "turns"
    return None if (_OF_TASKS - _OF_TURNS).isdisjoint(names) else "tasks"


def time_column(names: Sequence[str]) -> str:
    """Return the name of the column that says when a turn or task began.

    Raises
    ------
    FrameError
        There is none.
    """
    for name in _TIME_COLUMNS:
        if name in names:
            return name
    raise FrameError(f"there is no time column ({' or '.join(_TIME_COLUMNS)}); there are {', '.join(names)}")


def row_filter(
    names: Sequence[str],
    since: dt.datetime | None,
    until: dt.datetime | None,
    where: pc.Expression | None = None,
) -> pc.Expression | None:
    """Return the condition for rows that began in a span of time, and for which ``where`` is true.

    Parameters
    ----------
    names : sequence of str
        Columns of the table.
    since, until : datetime or None
        The span; ``since`` belongs to it, ``until`` does not.
    where : pyarrow.compute.Expression, optional
        A further condition.

    Raises
    ------
    FrameError
        There is no time column, and a span was given.
    """
    conditions = [] if where is None else [where]
    if since is not None:
        conditions.append(pc.field(time_column(names)) >= pa.scalar(since, TIMESTAMP))
    if until is not None:
        conditions.append(pc.field(time_column(names)) < pa.scalar(until, TIMESTAMP))
    return functools.reduce(operator.and_, conditions) if conditions else None
