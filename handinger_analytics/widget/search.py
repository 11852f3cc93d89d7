"""What a person typed: ids and links, or words to find a task by.

The API has no search. A frame, file or webhook log that the person has at hand is searched instead.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from handinger_analytics.errors import FrameError
from handinger_analytics.fetching.id_sources import ids_in_text
from handinger_analytics.fetching.ids import normalize_task_ids
from handinger_analytics.metrics.names import Names, check_names
from handinger_analytics.tables.frames import from_pandas
from handinger_analytics.tables.schema import DISCOVERED, TASKS, TEXT, TIMESTAMP, TURNS
from handinger_analytics.text import trimmed

_SEPARATORS = re.compile(r"[\s,;]+")
_WRAPPING = "\"'`<>()[]{}."
_KNOWN = {column.name: column for column in (*DISCOVERED, *TASKS, *TURNS)}
COLUMNS = (
    {
        "task_id": "task_id",
        "title": "title",
        "worker_id": "worker_id",
        "status": "status",
        "created_at": "at",
    },
    {"task_id": "task_id", "task_title": "title", "worker_id": "worker_id", "started_at": "at"},
    {"task_id": "task_id", "task_title": "title", "worker_id": "worker_id", "last_seen": "at"},
    {"task_id": "task_id", "worker_id": "worker_id", "status": "status", "created_at": "at"},
    {"task_id": "task_id", "worker_id": "worker_id", "started_at": "at"},
)
"""Columns of tasks, turns, the webhook log, and files written without text; and what each is here."""


def entered_ids(text: str, known: Collection[str] | None = None) -> list[str]:
    """Task ids in what a person entered.

    Parameters
    ----------
    text : str
        Ids and dashboard links between white space, commas and semicolons; quotes and brackets
        around an id are left out.
    known : collection of str, optional
        Ids of the source. With it, words without an id among them are a search.

    Returns
    -------
    list of str
        Each id once, in the order entered; empty for a search.

    Examples
    --------
    >>> entered_ids('"tsk_1", https://v3.handinger.com/worker/wrk_1/task/weekly%20report')
    ['tsk_1', 'weekly report']
    >>> entered_ids("late invoice", known={"tsk_1"})
    []
    """
    text = trimmed(text)
    if known is not None and text in known:
        return [text]
    words = [_unwrapped(word) for word in map(trimmed, _SEPARATORS.split(text)) if word]
    if known is not None and not any(word in known or ids_in_text(word) for word in words):
        return []
    return normalize_task_ids(words)


@dataclass(frozen=True, slots=True)
class Match:
    """A task that was found: ``at`` is when it was created, started or last seen, UTC."""

    task_id: str
    title: str | None
    worker_id: str
    status: str | None
    at: dt.datetime | None


class TaskIndex:
    """Titles, ids and workers of a source, ready to be searched with each key.

    Parameters
    ----------
    frame : DataFrame
        Tasks, turns, or what `discover_task_ids` returns with ``as_frame=True``.
    names : mapping or Series of str, optional
        Names of workers by their ids: a task is found by them, too.

    Attributes
    ----------
    ids : frozenset of str
        Every task id of the source.
    workers, statuses : list of str
        What can be filtered by, most frequent first; statuses are known from tasks alone.

    Raises
    ------
    FrameError
        If the frame lacks the columns.

    Examples
    --------
    >>> how_many, (newest,) = TaskIndex(tasks).search("sao invoice", limit=1)
    >>> how_many, newest.title
    (2, 'Daily invoice report, São Paulo')
    """

    def __init__(self, frame: pd.DataFrame, names: Names = None) -> None:
        table = from_pandas(frame[searched_columns(frame.columns)], _KNOWN)
        self._rows = _newest_first(_one_row_a_task(_renamed(table)))
        self.ids = frozenset(self._rows["task_id"].to_pylist())
        self.workers = _most_frequent(self._rows["worker_id"])
        self.statuses = _most_frequent(self._rows["status"])
        columns = [self._rows[name] for name in ("title", "task_id", "worker_id")]
        if called := check_names(names):
            columns.append(pa.array([called.get(worker) for worker in columns[-1].to_pylist()], TEXT))
        words = [pc.fill_null(column, "") for column in columns]
        self._words = _folded(pc.binary_join_element_wise(*words, pa.scalar(" ", TEXT)))

    def search(
        self,
        words: str,
        *,
        status: str | None = None,
        worker_id: str | None = None,
        since: dt.datetime | None = None,
        before: dt.datetime | None = None,
        limit: int = 8,
    ) -> tuple[int, list[Match]]:
        """Find tasks whose title, id or worker has every word, in any case and with or without accents.

        Parameters
        ----------
        words : str
            No words match everything.
        status, worker_id : str, optional
            Only these.
        since, before : aware datetime, optional
            Only tasks at ``since`` or later, and before ``before``.
        limit : int
            Most matches to return.

        Returns
        -------
        int
            How many there are.
        list of Match
            The newest ones.
        """
        positions = self._filtered(status, worker_id, since, before)
        # The longest word first: it leaves the fewest rows for the others.
        for word in sorted(_folded_words(words), key=len, reverse=True):
            texts = self._words if positions is None else self._words.take(positions)
            here = _places_of(pc.match_substring(texts, word))
            positions = here if positions is None else positions.take(here)
        if positions is None:
            return self._rows.num_rows, _matches(self._rows.slice(0, limit))
        return len(positions), _matches(self._rows.take(positions[:limit]))

    def _filtered(
        self, status: str | None, worker_id: str | None, since: dt.datetime | None, before: dt.datetime | None
    ) -> pa.Array | None:
        """Positions of the rows that the filters let through, None without a filter."""
        wanted = (("status", pc.equal, status), ("worker_id", pc.equal, worker_id))
        within = (("at", pc.greater_equal, _instant(since)), ("at", pc.less, _instant(before)))
        masks = [
            test(self._rows[name], value) for name, test, value in (*wanted, *within) if value is not None
        ]
        if not masks:
            return None
        return _places_of(pc.fill_null(functools.reduce(pc.and_, masks), False))


def searched_columns(names: Iterable[str]) -> list[str]:
    """Columns to search, of those that a frame has.

    Parameters
    ----------
    names : iterable of str
        Columns of tasks or turns, or of what `discover_task_ids` returns.

    Raises
    ------
    FrameError
        If they are of something else.

    Examples
    --------
    >>> searched_columns(["task_id", "task_title", "worker_id", "started_at", "text"])
    ['task_id', 'task_title', 'worker_id', 'started_at']
    """
    present = list(names)
    for columns in COLUMNS:
        if set(columns) <= set(present):
            return list(columns)
    raise FrameError(
        "source: expected the columns of tasks (task_id, title, worker_id, status, created_at) or of turns "
        f"(task_id, task_title, worker_id, started_at), found {', '.join(map(str, present))}"
    )


def day_start(day: dt.date | None, zone: ZoneInfo, days_later: int = 0) -> dt.datetime | None:
    """First instant of a day in a zone, or of a day after it."""
    if day is None:
        return None
    later = day + dt.timedelta(days=days_later)
    return dt.datetime(later.year, later.month, later.day, tzinfo=zone)


def _unwrapped(word: str) -> str:
    """Take an id or link out of the quotes and brackets it was copied with."""
    inner = word.strip(_WRAPPING)
    return inner if ids_in_text(inner) else word


def _renamed(table: pa.Table) -> pa.Table:
    """Table with the columns of `Match`, absent ones as nulls."""
    names = next(columns for columns in COLUMNS if set(columns) == set(table.column_names))
    table = table.rename_columns([names[name] for name in table.column_names])
    nulls = pa.nulls(table.num_rows, TEXT)
    columns = {
        name: table[name] if name in table.column_names else nulls
        for name in ("task_id", "title", "worker_id", "status", "at")
    }
    texts = {name: column.cast(TEXT) for name, column in columns.items() if name != "at"}
    return pa.table({**texts, "at": columns["at"]})


def _one_row_a_task(rows: pa.Table) -> pa.Table:
    """First row of each task: its creation, or the start of its first turn."""
    ordered = rows.take(pc.sort_indices(rows, [("at", "ascending")]))
    names = ("title", "worker_id", "status", "at")
    grouped = ordered.group_by("task_id", use_threads=False).aggregate([(name, "first") for name in names])
    return grouped.rename_columns({f"{name}_first": name for name in names}).select(rows.column_names)


def _newest_first(rows: pa.Table) -> pa.Table:
    return rows.take(pc.sort_indices(rows, [("at", "descending")])).combine_chunks()


def _most_frequent(values: pa.ChunkedArray) -> list[str]:
    counts = pc.value_counts(values.drop_null())
    pairs = zip(counts.field("values").to_pylist(), counts.field("counts").to_pylist(), strict=True)
    return [value for value, _ in sorted(pairs, key=lambda pair: (-pair[1], pair[0]))]


def _instant(moment: dt.datetime | None) -> pa.Scalar | None:
    return None if moment is None else pa.scalar(moment.astimezone(dt.UTC), TIMESTAMP)


def _folded_words(text: str) -> list[str]:
    words: list[str] = _folded(pa.array([text], TEXT))[0].as_py().split()
    return words


def _matches(rows: pa.Table) -> list[Match]:
    return [Match(**row) for row in rows.to_pylist()]


def _places_of(mask: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Positions of what is true."""
    # Before 26.0.1 PyArrow ends the process on a chunked array without chunks, which one of no rows may be.
    return pc.indices_nonzero(mask.combine_chunks() if isinstance(mask, pa.ChunkedArray) else mask)


def _folded(texts: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Lower case without accents, so that "sao" finds "São"."""
    decomposed = pc.utf8_normalize(texts, form="NFKD")
    return pc.utf8_lower(pc.replace_substring_regex(decomposed, pattern=r"\p{Mn}", replacement=""))
