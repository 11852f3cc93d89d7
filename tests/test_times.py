"""Instants that people type."""

from __future__ import annotations

import datetime as dt

import pytest

from handinger_analytics.arguments import utc_instant
from handinger_analytics.errors import ArgumentError

AHEAD, BEHIND = dt.timezone(dt.timedelta(hours=2)), dt.timezone(dt.timedelta(hours=-8))


@pytest.mark.parametrize(
    "beyond",
    [
        pytest.param("0001-01-01T00:00+02:00", id="text, first year"),
        pytest.param("9999-12-31T23:59-08:00", id="text, last year"),
        pytest.param(dt.datetime(1, 1, 1, 1, tzinfo=AHEAD), id="datetime, first year"),
        pytest.param(dt.datetime(9999, 12, 31, 20, tzinfo=BEHIND), id="datetime, last year"),
    ],
)
def test_instants_no_calendar_has_in_utc(beyond):
    """What is an instant only in its own zone is refused by name, with what would do."""
    with pytest.raises(ArgumentError, match=r"^since: expected an instant of the years 1 to 9999 in UTC"):
        utc_instant(beyond, "since")


@pytest.mark.parametrize(
    ("edge", "instant"),
    [
        ("0001-01-01", "0001-01-01T00:00:00+00:00"),
        ("0001-01-01T02:00+02:00", "0001-01-01T00:00:00+00:00"),
        ("9999-12-31T15:59-08:00", "9999-12-31T23:59:00+00:00"),
    ],
)
def test_edges_of_the_calendar(edge, instant):
    """The first and last instants of the calendar are read like any others."""
    assert utc_instant(edge, "since") == dt.datetime.fromisoformat(instant)
