"""What came of a fetch, before it is handed out as frames, and how two of them become one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from handinger_analytics import provenance
from handinger_analytics.tables.build import Failure, Rows


@dataclass(frozen=True, eq=False)
class Fetched:
    """The ids that were asked for, with rows and failures; for internal use.

    Attributes
    ----------
    task_ids : tuple of str
        Each once, in the caller's order.
    rows : Rows
        Tasks and turns as Arrow tables.
    failed : mapping of int to Failure
        Failures by position in ``task_ids``.
    fetched_at : datetime.datetime or None
        When the fetch ended, UTC; None for saved bodies.
    nameless : frozenset of str
        Entries of ``task_ids`` that stand for a saved body whose id could not be made out.
    """

    task_ids: tuple[str, ...]
    rows: Rows
    failed: Mapping[int, Failure]
    fetched_at: dt.datetime | None
    nameless: frozenset[str] = frozenset()

    @property
    def complete(self) -> bool:
        """Whether every id that was asked for is here with its turns."""
        return not self.failed and self.rows.tasks.num_rows == len(self.task_ids)

    @property
    def provenance(self) -> provenance.Provenance:
        """What every frame carries along."""
        return provenance.made(len(self.task_ids), len(self.failed), self.complete, self.fetched_at)

    def missing(self) -> list[str]:
        """Return the ids that can be asked for and are not here with their turns."""
        whole = self._whole()
        return [
            task_id
            for position, task_id in enumerate(self.task_ids)
            if position not in whole and task_id not in self.nameless
        ]

    def whole_tasks(self) -> Rows:
        """Return the rows without the tasks whose turns are missing."""
        places = np.arange(len(self.task_ids))
        places[list(self.failed)] = -1
        return self.rows.moved(places)

    def updated(self, newer: Fetched) -> Fetched:
        """Return this with what came later.

        Ids stand in the order first asked for. Tasks that came again are replaced; one that was whole
        and was not fetched this time keeps its rows.
        """
        if not newer.task_ids:
            return self
        task_ids = tuple(dict.fromkeys((*self.task_ids, *newer.task_ids)))
        position = {task_id: at for at, task_id in enumerate(task_ids)}
        places = np.array([position[task_id] for task_id in newer.task_ids], np.int64)
        failed = {int(places[at]): failure for at, failure in newer.failed.items()}
        kept = failed.keys() & self._whole()
        came = newer.rows.moved(np.where(np.isin(places, list(kept)), -1, places))
        still_failed = self.failed.keys() - set(came.task_positions.tolist())
        failed = {at: self.failed[at] for at in still_failed} | failed
        return Fetched(
            task_ids,
            self.rows.replaced_by(came),
            {at: failed[at] for at in sorted(failed.keys() - kept)},
            newer.fetched_at,
            self.nameless | newer.nameless,
        )

    def _whole(self) -> set[int]:
        """Positions of the tasks that are here with their turns."""
        return set(self.rows.task_positions.tolist()) - self.failed.keys()
