"""What holds for all turns, groupings, periods and zones, against an answer in plain Python."""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter
from itertools import pairwise
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handinger_analytics.metrics.spend import spend
from tests.metrics.turns_by_hand import turns_table

SUMS = ["credits", "turns", "input_tokens", "output_tokens", "duration_ms"]
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)
DAY = dt.timedelta(days=1)
ZONES = [
    "UTC",
    "Europe/Madrid",
    "Europe/Dublin",  # summer time is its standard time
    "America/New_York",
    "America/Havana",  # midnight comes twice in autumn
    "America/Sao_Paulo",  # midnight was skipped in spring
    "Africa/Casablanca",  # four changes in some years
    "Asia/Kathmandu",  # 5:45 ahead
    "Australia/Lord_Howe",  # half an hour of summer time
    "Pacific/Apia",  # skipped a day in 2011
]
CHANGES = ["2011-12-30T10:00", "2026-03-29T01:00", "2026-10-25T01:00", "2026-11-01T05:00", "2018-11-04T03:00",
           "2025-10-04T15:30", "2026-04-04T15:00", "2026-02-15T02:00", "2025-12-31T23:00"]  # fmt: skip
DAYS_SPANNED = {"h": 3, "D": 60, "W": 200, "MS": 700, "QS": 1500, "YS": 4000}
SOME_SLOW = [
    pytest.param(freq, marks=[] if freq in ("h", "D") else [pytest.mark.slow]) for freq in DAYS_SPANNED
]
"""Every freq; the short ones, in which clocks change, are enough for a quick answer."""
COLUMNS = ["worker_id", "status", "created_by_user_id", "triggered_by", "seq"]


@st.composite
def rows_near_a_change(draw: st.DrawFn, freq: str) -> list[dict]:
    """Draw turns around the minute in which some zone changed its clocks."""
    change = dt.datetime.fromisoformat(draw(st.sampled_from(CHANGES))).replace(tzinfo=dt.UTC)
    reach = DAYS_SPANNED[freq] * 86_400_000 // 2
    offsets = st.one_of(
        st.integers(-reach, reach), st.integers(-7_200_000, 7_200_000), st.sampled_from([-1, 0])
    )
    row = st.fixed_dictionaries(
        {
            "started_at": offsets.map(lambda ms: change + dt.timedelta(milliseconds=ms)),
            "credits": st.integers(0, 2**40),
            "input_tokens": st.integers(0, 10**6),
            "output_tokens": st.integers(0, 10**6),
            "duration_ms": st.integers(0, 10**8),
            "worker_id": st.sampled_from(["wrk_a", "wrk_b", "wrk_ñ", ""]),
            "status": st.sampled_from(["completed", "error", "aborted", "not yet known"]),
            "created_by_user_id": st.sampled_from([None, "usr_a", "nan", "None"]),
            "triggered_by": st.sampled_from(["api", "ui"]),
            "seq": st.integers(0, 2),
        }
    )
    return draw(st.lists(row, min_size=1, max_size=12))


groupings = st.lists(st.sampled_from(COLUMNS), unique=True, max_size=3)


def first_date(date: dt.date, freq: str) -> dt.date:
    """Return the first date of the day, week, month, quarter or year of a date."""
    if freq == "D":
        return date
    if freq == "W":
        return date - date.weekday() * DAY
    month = {"MS": date.month, "QS": date.month - (date.month - 1) % 3, "YS": 1}[freq]
    return date.replace(day=1, month=month)


def begins_period(before: dt.datetime, now: dt.datetime, freq: str) -> bool:
    """Tell from the clock on the wall at two successive full minutes whether a new period starts."""
    if freq == "h":
        return now.minute == 0 or now.utcoffset() != before.utcoffset()
    return first_date(now.date(), freq) > first_date(before.date(), freq)


def start_of_period(instant: dt.datetime, freq: str, zone: ZoneInfo) -> dt.datetime:
    """Go back, minute by minute, to the start of the period that an instant falls in."""
    minute = EPOCH + (instant - EPOCH) // MINUTE * MINUTE
    while not begins_period((minute - MINUTE).astimezone(zone), minute.astimezone(zone), freq):
        minute -= MINUTE
    return minute


def label(instant: dt.datetime, freq: str, zone: ZoneInfo) -> dt.datetime | dt.date:
    """Name the period an instant falls in: its first date, or for hours its first minute."""
    if freq == "h":
        return start_of_period(instant, freq, zone)
    return first_date(instant.astimezone(zone).date(), freq)


def minutes_that_begin(first: dt.datetime, last: dt.datetime, freq: str, zone: ZoneInfo) -> list[dt.datetime]:
    """List every start of a period from that of ``first`` to that of ``last``, minute by minute."""
    start = start_of_period(first, freq, zone)
    minutes = [start + number * MINUTE for number in range(-1, (last - start) // MINUTE + 1)]
    shown = [minute.astimezone(zone) for minute in minutes]
    pairs = zip(minutes[1:], pairwise(shown), strict=True)
    return [minute for minute, (before, now) in pairs if begins_period(before, now, freq)]


@pytest.mark.slow
@pytest.mark.parametrize("freq", DAYS_SPANNED)
@settings(max_examples=25)
@given(data=st.data(), by=groupings, tz=st.sampled_from(ZONES))
def test_every_turn_lands_in_its_period(freq: str, data: st.DataObject, by: list[str], tz: str):
    """Grouping by hand, turn by turn, gives the same sums in the same periods."""
    rows, zone = data.draw(rows_near_a_change(freq)), ZoneInfo(tz)
    expected: dict[tuple, Counter[str]] = {}
    for row in rows:
        bucket = (*(row[column] for column in by), label(row["started_at"], freq, zone))
        expected.setdefault(bucket, Counter())
        expected[bucket].update(turns=1, **{name: row[name] for name in SUMS if name != "turns"})
    result = spend(turns_table(rows), by=by, freq=freq, tz=tz)
    found = {}
    for record in result.to_dict("records"):
        if record["turns"]:
            keys = [None if pd.isna(record[column]) else record[column] for column in by]
            found[(*keys, label(record["period"].to_pydatetime(), freq, zone))] = record
    assert found.keys() == expected.keys()
    for bucket, sums in expected.items():
        assert {name: found[bucket][name] for name in SUMS} == {name: sums[name] for name in SUMS}


@pytest.mark.slow
@pytest.mark.parametrize("freq", SOME_SLOW)
@settings(max_examples=25)
@given(data=st.data(), by=groupings, tz=st.sampled_from(ZONES))
def test_sums_and_order(freq: str, data: st.DataObject, by: list[str], tz: str):
    """The buckets add up to the total, all groups have the same periods, and shuffled rows change nothing."""
    rows = data.draw(rows_near_a_change(freq))
    result = spend(turns_table(rows), by=by, freq=freq, tz=tz)
    total = {name: sum(row[name] for row in rows) for name in SUMS if name != "turns"} | {"turns": len(rows)}
    assert result[SUMS].sum().to_dict() == total
    groups = len({tuple(row[column] for column in by) for row in rows})
    periods = result["period"].iloc[: len(result) // groups]
    assert result["period"].tolist() == periods.tolist() * groups
    assert periods.is_monotonic_increasing
    assert periods.is_unique
    random.Random(0).shuffle(rows)
    pd.testing.assert_frame_equal(spend(turns_table(rows), by=by, freq=freq, tz=tz), result)


@pytest.mark.parametrize("freq", ["h", "D"])
@pytest.mark.parametrize("tz", ZONES)
@pytest.mark.parametrize("change", CHANGES)
def test_no_period_is_missing(freq: str, tz: str, change: str):
    """Around a clock change the periods are those found by watching the clock minute by minute."""
    middle, zone = dt.datetime.fromisoformat(change).replace(tzinfo=dt.UTC), ZoneInfo(tz)
    reach = dt.timedelta(hours=6) if freq == "h" else dt.timedelta(days=2)
    first, last = middle - reach, middle + reach
    result = spend(turns_table([{"started_at": first}, {"started_at": last}]), freq=freq, tz=tz)
    starts = pd.DatetimeIndex(result["period"]).tz_convert("UTC").to_pydatetime()
    assert list(starts) == minutes_that_begin(first, last, freq, zone)


@pytest.mark.slow
@settings(max_examples=25)
@given(data=st.data(), by=groupings, tz=st.sampled_from(ZONES), freq=st.sampled_from([None, *DAYS_SPANNED]))
@pytest.mark.parametrize("engine", ["polars", "duckdb"])
def test_engines_agree(engine: str, data: st.DataObject, by: list[str], tz: str, freq: str | None):
    """Other engines give the pandas answer for any turns, grouping, period and zone."""
    module = pytest.importorskip(engine)
    table = turns_table(data.draw(rows_near_a_change(freq or "D")))
    frame = module.from_arrow(table)
    pd.testing.assert_frame_equal(
        spend(frame, by=by, freq=freq, tz=tz), spend(table, by=by, freq=freq, tz=tz)
    )
