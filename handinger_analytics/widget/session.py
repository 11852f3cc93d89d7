"""All that was looked up in a session, as one result whose frames grow with each lookup."""

from __future__ import annotations

from handinger_analytics.fetching.bodies import parse_bodies
from handinger_analytics.fetching.result import FetchResult, fetched_of


def empty_session() -> FetchResult:
    """Make a result without tasks; its frames have the usual columns.

    Examples
    --------
    >>> len(empty_session().tasks)
    0
    """
    return parse_bodies([])


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
        was not fetched this time keeps the rows it had.
    """
    return FetchResult(fetched_of(session).updated(fetched_of(result)))
