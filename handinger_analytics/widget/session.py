"""All that was looked up in a session, as one result whose frames grow with each lookup."""

from __future__ import annotations

import numpy as np

from handinger_analytics.fetching.result import FetchResult
from handinger_analytics.tables.build import RowBuilder, Rows
from handinger_analytics.times import now


def empty_session() -> FetchResult:
    """Make a result without tasks; its frames have the usual columns.

    Examples
    --------
    >>> len(empty_session().tasks)
    0
    """
    return FetchResult((), RowBuilder().finish(), {}, now())


def merged(session: FetchResult, result: FetchResult) -> FetchResult:
    """Add a lookup to a session.

    Parameters
    ----------
    session, result : FetchResult
        What there was, and what has come.

    Returns
    -------
    FetchResult
        Each id once, in the order first asked for. Tasks that came again are replaced; one that
        failed this time keeps the rows it had.
    """
    ids = tuple(dict.fromkeys((*session.task_ids, *result.task_ids)))
    position = {task_id: number for number, task_id in enumerate(ids)}
    had = set(session.rows.task_positions.tolist()) - set(session.failed)
    place = np.array([position[task_id] for task_id in result.task_ids], np.int64)
    failed_now = {int(place[number]): failure for number, failure in result.failed.items()}
    kept = set(failed_now) & had
    came = _moved(result.rows, place, kept)
    fresh = set(came.task_positions.tolist())
    failed = {where: failure for where, failure in session.failed.items() if where not in fresh}
    failed |= {where: failure for where, failure in failed_now.items() if where not in kept}
    rows = session.rows.replaced_by(came)
    return FetchResult(ids, rows, dict(sorted(failed.items())), result.fetched_at, client=result.client)


def _moved(rows: Rows, place: np.ndarray[tuple[int], np.dtype[np.int64]], left_out: set[int]) -> Rows:
    """Rows at their places in the session, without those that are left out."""
    tasks_at, turns_at = place[rows.task_positions], place[rows.turn_positions]
    out = np.fromiter(left_out, np.int64)
    tasks, turns = ~np.isin(tasks_at, out), ~np.isin(turns_at, out)
    return Rows(rows.tasks.filter(tasks), rows.turns.filter(turns), tasks_at[tasks], turns_at[turns])
