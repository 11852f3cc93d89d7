"""What a fetch brings: frames, failures, and a way to ask again for what is missing."""

from __future__ import annotations

import datetime as dt
import html
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, NoReturn

import pandas as pd
import pyarrow.compute as pc

from handinger_analytics import provenance
from handinger_analytics.api.client import Client, client_or_default
from handinger_analytics.errors import (
    FetchInterrupted,
    HandingerError,
    IncompleteFetchError,
    PartialDataWarning,
    SettingsError,
)
from handinger_analytics.fetching.pool import gather
from handinger_analytics.provenance import SCHEMA_VERSION
from handinger_analytics.tables.build import Failure, Rows
from handinger_analytics.tables.frames import DtypeBackend, check_dtype_backend, failures_frame, to_pandas
from handinger_analytics.tables.schema import TASKS, TURNS
from handinger_analytics.times import now

OnError = Literal["warn", "raise", "collect"]


def check_options(on_error: str, dtype_backend: str) -> None:
    """Raise `SettingsError` or `FrameError` unless both are words that are known."""
    if on_error not in ("warn", "raise", "collect"):
        raise SettingsError(f"on_error is {on_error!r}; give 'warn', 'raise' or 'collect'")
    check_dtype_backend(dtype_backend)


@dataclass(frozen=True, eq=False, repr=False)
class FetchResult:
    """What a fetch brought, and what it could not bring.

    Attributes
    ----------
    task_ids : tuple of str
        The ids that were asked for, each once, in the caller's order.
    rows : Rows
        Tasks and turns as Arrow tables.
    failed : mapping of int to Failure
        Failures by position in ``task_ids``.
    fetched_at : datetime.datetime
        When the fetch ended, UTC.
    dtype_backend : {"numpy", "pyarrow"}
        Dtypes of the frames.
    client : Client or None
        Asked again by `retry_failed`.
    unnamed : frozenset of int
        Positions of saved bodies whose id could not be made out; nobody can be asked for them.
    """

    task_ids: tuple[str, ...]
    rows: Rows
    failed: Mapping[int, Failure]
    fetched_at: dt.datetime
    dtype_backend: DtypeBackend = "numpy"
    client: Client | None = None
    unnamed: frozenset[int] = frozenset()

    @cached_property
    def tasks(self) -> pd.DataFrame:
        """One row per task in the caller's order, columns as in ``schema.TASKS``."""
        return provenance.attach(
            to_pandas(self.rows.tasks, TASKS, dtype_backend=self.dtype_backend), self.attrs
        )

    @cached_property
    def turns(self) -> pd.DataFrame:
        """One row per turn, by task in the caller's order, columns as in ``schema.TURNS``."""
        return provenance.attach(
            to_pandas(self.rows.turns, TURNS, dtype_backend=self.dtype_backend), self.attrs
        )

    @cached_property
    def failures(self) -> pd.DataFrame:
        """One row per failed id: ``task_id stage error http_status message attempts``."""
        failures = list(self.failed.values())
        return provenance.attach(failures_frame(failures, dtype_backend=self.dtype_backend), self.attrs)

    @property
    def complete(self) -> bool:
        """Whether every id that was asked for is here with its turns."""
        return not self.failed and self.rows.tasks.num_rows == len(self.task_ids)

    @property
    def attrs(self) -> dict[str, Any]:
        """The provenance that every frame carries in ``DataFrame.attrs["handinger"]``."""
        return {
            "schema": SCHEMA_VERSION,
            "requested": len(self.task_ids),
            "failed": len(self.failed),
            "complete": self.complete,
            "fetched_at": self.fetched_at.isoformat(timespec="milliseconds"),
        }

    def retry_failed(self, *, client: Client | None = None, progress: bool | None = None) -> FetchResult:
        """Fetch again what is missing, and only that.

        Parameters
        ----------
        client : Client, optional
            By default the one of the first fetch, then one from the environment.
        progress : bool, optional
            As in `fetch`.

        Returns
        -------
        FetchResult
            Old and new rows together in the caller's order; failures are those that failed again.
        """
        present = set(self.rows.task_positions.tolist())
        missing = [
            (position, task_id)
            for position, task_id in enumerate(self.task_ids)
            if (position in self.failed or position not in present) and position not in self.unnamed
        ]
        with client_or_default(client or self.client) as one:
            rows, failed, error = gather(one, missing, with_turns=True, progress=progress)
        fetched = set(rows.task_positions.tolist()) - failed.keys()
        still = {position: failure for position, failure in self.failed.items() if position not in fetched}
        result = replace(
            self,
            rows=self.rows.replaced_by(rows),
            failed=dict(sorted({**still, **failed}.items())),
            fetched_at=now(),
        )
        if error is not None:
            result.raise_error(error)
        return result

    def settled(self, on_error: OnError, *, stacklevel: int) -> FetchResult:
        """Return this result, or warn or raise because of its failures."""
        if self.failed and on_error != "collect":
            first = next(iter(self.failed.values()))
            message = (
                f"{len(self.failed):,} of {len(self.task_ids):,} tasks failed, the first with {first.error}: "
                f"{first.message}. fetch() gives them as .failures, and .retry_failed()"
            )
            if on_error == "raise":
                self.raise_error(IncompleteFetchError(message))
            warnings.warn(message, PartialDataWarning, stacklevel=stacklevel)
        return self

    def raise_error(self, error: BaseException) -> NoReturn:
        """Raise what ended a fetch early, with this result on it."""
        if isinstance(error, KeyboardInterrupt):
            count = f"{self.rows.tasks.num_rows:,} of {len(self.task_ids):,} tasks"
            raise FetchInterrupted(
                f"interrupted after {count}; they are in .result of this error", self
            ) from None
        if isinstance(error, HandingerError):
            error.result = self
        raise error

    def __repr__(self) -> str:
        lines = [f"{name}: {value}" for name, value in self._summary()]
        return "FetchResult\n  " + "\n  ".join(lines)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{html.escape(name)}</th>"
            f"<td style='text-align:left'>{html.escape(value)}</td></tr>"
            for name, value in self._summary()
        )
        return f"<table><caption>FetchResult</caption>{rows}</table>"

    def _summary(self) -> Iterator[tuple[str, str]]:
        tasks, turns = self.rows.tasks, self.rows.turns
        yield "tasks", f"{tasks.num_rows:,} of {len(self.task_ids):,} asked for"
        yield "turns", f"{turns.num_rows:,}"
        yield "credits", f"{pc.sum(tasks['credits']).as_py() or 0:,}"
        if turns.num_rows:
            span = pc.min_max(turns["started_at"]).as_py()
            yield "period", f"{span['min']:%Y-%m-%d %H:%M} to {span['max']:%Y-%m-%d %H:%M} UTC"
        if self.complete:
            yield "complete", "yes"
            return
        kinds = Counter(failure.error for failure in self.failed.values())
        left = len(self.task_ids) - tasks.num_rows - sum(1 for f in self.failed.values() if f.stage == "task")
        parts = [f"{count:,} {name}" for name, count in kinds.most_common()]
        parts += [f"{left:,} not fetched"] if left else []
        yield "complete", f"NO: {', '.join(parts)}; see .failures, and .retry_failed()"
