"""Until when the turns are known: the silence after that is not thrift."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import narwhals.stable.v2 as nw
import numpy as np

from handinger_analytics import provenance
from handinger_analytics.budget.days import HISTORY_DAYS
from handinger_analytics.metrics.engines import STARTED_MS, OpenFrame
from handinger_analytics.metrics.periods import DAY_MS, HOUR_MS
from handinger_analytics.times import EPOCH, MILLISECOND, milliseconds

_FRESH_MS = 6 * HOUR_MS
"""How long after a fetch, or after the last start, the turns count as all there are."""

_HOUR = "_hour"
_FETCHED = "turns are known until"
_JUDGED = (
    "the turns do not say when they were fetched, and the silence since the last start is longer than "
    "is usual: they are taken to be known until that start,"
)


@dataclass(frozen=True, slots=True)
class Known:
    """The time that the turns tell of.

    Attributes
    ----------
    first_ms : int or None
        Start of the first turn, milliseconds since 1970 UTC; None without turns.
    until : datetime
        The end of it.
    how : str or None
        What tells the end, in words that the instant follows; None where the end is now.
    """

    first_ms: int | None
    until: dt.datetime
    how: str | None


def known_time(source: OpenFrame, now: dt.datetime) -> Known:
    """Find out until when the turns are known, at most until ``now``.

    Turns that say when they were fetched, in their provenance or in the column ``fetched_at``, are known
    until then. Others are known until the last start, unless the silence since then is usual: at most as
    long as the second longest one between two starts in the `HISTORY_DAYS` before, with a delay of as
    long again but no more than a day. The longest may be a hole in the data.
    """
    start = nw.col(STARTED_MS)
    # By the hour, so that any engine finds the long silences without sorting its rows.
    by = [] if provenance.fetched_at(source.attrs) else [_HOUR]
    hours = source.with_columns(**{_HOUR: start // HOUR_MS}).aggregate(
        by, first=start.min(), last=start.max()
    )
    hours = hours.dropna().sort_values("first")
    first, last = (hours[name].to_numpy(np.int64) for name in ("first", "last"))
    first_ms = int(first[0]) if len(first) else None
    now_ms, usual_ms, fetched = milliseconds(now), _FRESH_MS, provenance.fetched_at(source.attrs)
    until_ms, how = now_ms, None
    if fetched is not None:
        until_ms, how = last[last <= now_ms].max(initial=milliseconds(fetched)), _FETCHED
    elif len(last):
        recent = last[:-1] >= last[-1] - HISTORY_DAYS * DAY_MS
        silence_ms = np.sort([0, 0, *(first[1:] - last[:-1])[recent]])[-2]
        usual_ms = max(_FRESH_MS, silence_ms + min(silence_ms, DAY_MS))
        until_ms, how = last[-1], _JUDGED
    until_ms = max(int(until_ms), 0)  # before is a wrong clock, and in some zones no day
    if now_ms - until_ms <= usual_ms:
        return Known(first_ms, now, None)
    return Known(first_ms, EPOCH + until_ms * MILLISECOND, how)
