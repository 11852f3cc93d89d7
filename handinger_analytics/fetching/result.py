"""What a fetch brings: frames, failures, and a way to ask again for what is missing."""

from __future__ import annotations

import threading
import warnings
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from typing import Literal, NoReturn, get_args

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from handinger_analytics import provenance
from handinger_analytics.api.client import Client, client_or_default
from handinger_analytics.arguments import check_word
from handinger_analytics.errors import FetchInterrupted, IncompleteFetchError, PartialDataWarning
from handinger_analytics.fetching.fetched import Fetched
from handinger_analytics.fetching.pool import gather
from handinger_analytics.fetching.progress import Progress, ProgressBar
from handinger_analytics.tables.frames import DtypeBackend, failures_frame, to_pandas
from handinger_analytics.tables.schema import TASKS, TURNS, Column
from handinger_analytics.text import count, number, summary_html, summary_text

OnError = Literal["warn", "raise", "collect"]


def check_options(on_error: str, dtype_backend: str) -> None:
    """Raise `ArgumentError` unless both are words that are known."""
    check_word(on_error, "on_error", get_args(OnError))
    check_word(dtype_backend, "dtype_backend", get_args(DtypeBackend))


class FetchResult:
    """What a fetch brought, and what was not fetched.

    `fetch` and `parse_bodies` make it; the frames are made when they are first asked for. They belong to
    the result: a column added to ``result.turns`` is there at the next look, too. Take a ``copy()`` where
    that is not wanted. `retry_failed` starts from what was fetched, without such changes.

    Examples
    --------
    >>> ha.parse_bodies([])
    FetchResult
      tasks: 0 of 0 asked for
      turns: 0
      credits: 0
      complete: yes
    """

    def __init__(
        self, fetched: Fetched, dtype_backend: DtypeBackend = "numpy", client: Client | None = None
    ) -> None:
        self._fetched = fetched
        self._dtype_backend: DtypeBackend = dtype_backend
        self._client = client

    def __getstate__(self) -> dict[str, object]:
        """Leave the client out of pickles and copies: it has the key and connections of this process."""
        return {**vars(self), "_client": None}

    @cached_property
    def tasks(self) -> pd.DataFrame:
        """One row per task in the caller's order, columns as in ``schema.TASKS``."""
        return self._frame(self._fetched.rows.tasks, TASKS)

    @cached_property
    def turns(self) -> pd.DataFrame:
        """One row per turn, by task in the caller's order, columns as in ``schema.TURNS``."""
        return self._frame(self._fetched.rows.turns, TURNS)

    @cached_property
    def failures(self) -> pd.DataFrame:
        """One row per id that was not fetched: ``task_id stage error http_status message attempts``."""
        frame = failures_frame(list(self._fetched.failed.values()), dtype_backend=self._dtype_backend)
        return provenance.attach(frame, self._fetched.provenance)

    @property
    def complete(self) -> bool:
        """Whether every id that was asked for is here with its turns."""
        return self._fetched.complete

    def retry_failed(
        self,
        *,
        client: Client | None = None,
        progress: Progress = None,
        cancel: threading.Event | None = None,
    ) -> FetchResult:
        """Fetch again what is missing, and only that.

        Parameters
        ----------
        client : Client, optional
            By default the one of the first fetch, then one from the environment; a result that was
            pickled or copied has lost the first.
        progress, cancel
            As in `fetch`.

        Returns
        -------
        FetchResult
            Old and new rows together in the caller's order; failures are those that failed again.

        Raises
        ------
        AuthenticationError, FetchInterrupted
            As `fetch`; ``.result`` has the old rows, too.
        """
        missing = self._fetched.missing()
        with client_or_default(client or self._client) as used, ProgressBar(len(missing), progress) as bar:
            newer, error = gather(used, missing, show=bar.show, cancel=cancel)
        result = FetchResult(self._fetched.updated(newer), self._dtype_backend, self._client)
        if error is not None:
            raise_with_result(error, result)
        return result

    def __repr__(self) -> str:
        return summary_text("FetchResult", self._summary())

    def _repr_html_(self) -> str:
        return summary_html("FetchResult", self._summary())

    def _frame(self, rows: pa.Table, columns: tuple[Column, ...]) -> pd.DataFrame:
        frame = to_pandas(rows, columns, dtype_backend=self._dtype_backend)
        return provenance.attach(frame, self._fetched.provenance)

    def _summary(self) -> Iterator[tuple[str, str]]:
        fetched, tasks, turns = self._fetched, self._fetched.rows.tasks, self._fetched.rows.turns
        silent = set(fetched.rows.task_positions.tolist()).difference(
            fetched.rows.turn_positions.tolist(), fetched.failed
        )
        without = f", {len(silent):,} without turns" if silent else ""
        yield "tasks", f"{tasks.num_rows:,} of {len(fetched.task_ids):,} asked for{without}"
        yield "turns", number(turns.num_rows)
        yield "credits", number(pc.sum(tasks["credits"]).as_py() or 0)
        if turns.num_rows:
            span = pc.min_max(turns["started_at"]).as_py()
            yield "period", f"{span['min']:%Y-%m-%d %H:%M} to {span['max']:%Y-%m-%d %H:%M} UTC"
        if self.complete:
            yield "complete", "yes"
            return
        errors = Counter(failure.error for failure in fetched.failed.values())
        parts = [f"{times:,} {name}" for name, times in errors.most_common()]
        asked_for = {*fetched.rows.task_positions.tolist(), *fetched.failed}
        if not_asked_for := len(fetched.task_ids) - len(asked_for):
            parts.append(f"{not_asked_for:,} not fetched")
        yield "complete", f"NO: {', '.join(parts)}; see .failures, and .retry_failed()"


def fetched_of(result: FetchResult) -> Fetched:
    """Return what a result is made of, for code that adds results up or writes Arrow tables."""
    return result._fetched


def report_failures(result: FetchResult, on_error: OnError, *, stacklevel: int) -> FetchResult:
    """Return a result; warn or raise before where something was not fetched, as ``on_error`` says."""
    fetched = fetched_of(result)
    if fetched.failed and on_error != "collect":
        first = next(iter(fetched.failed.values()))
        message = (
            f"{len(fetched.failed):,} of {count(len(fetched.task_ids), 'task')} not fetched, "
            f"the first with {first.error}: {first.message}. "
            "fetch() gives them as .failures, and .retry_failed()"
        )
        if on_error == "raise":
            raise_with_result(IncompleteFetchError(message), result)
        warnings.warn(message, PartialDataWarning, stacklevel=stacklevel)
    return result


def raise_with_result(error: BaseException, result: FetchResult) -> NoReturn:
    """Raise what ended a fetch early, with the result so far on it."""
    if isinstance(error, KeyboardInterrupt):
        fetched = fetched_of(result)
        so_far = f"{fetched.rows.tasks.num_rows:,} of {count(len(fetched.task_ids), 'task')}"
        raise FetchInterrupted(
            f"interrupted after {so_far}; they are in .result of this error", result
        ) from None
    error.result = result  # type: ignore[attr-defined]  # also on the error of a user's callback
    raise error
