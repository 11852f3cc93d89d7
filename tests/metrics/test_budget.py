from __future__ import annotations

import datetime as dt
import math
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handinger_analytics import budget_status
from handinger_analytics.errors import ArgumentError, FrameError
from tests.metrics.turns_by_hand import fetched, turns_table

MADRID = "Europe/Madrid"
NOON = "2026-06-11T12:00Z"


def daily(first: str, *credits_: int, **more: Any) -> list[dict]:
    """Return a turn with these credits at 08:00 UTC on each day from the first."""
    start = dt.datetime.fromisoformat(first).replace(hour=8, tzinfo=dt.UTC)
    return [
        {"credits": spent, "started_at": start + dt.timedelta(days=day), "task_id": f"{first}{day}", **more}
        for day, spent in enumerate(credits_)
    ]


def status(rows: list[dict], limit: float = 1000, **arguments: Any) -> pd.Series:
    """Return the values of the status of all turns, fetched at its moment."""
    arguments = {"as_of": NOON, **arguments}
    turns = fetched(turns_table(rows), fetched_at=str(arguments["as_of"]))
    return budget_status(turns, limit=limit, **arguments)["value"]


def plans(*rows: dict) -> pd.DataFrame:
    """Return schedules, one per dict."""
    empty = {"next_run_at": None, "cron": None, "interval_seconds": None, "timezone": None}
    numbered = [
        {"schedule_id": f"sch_{n}", "worker_id": "wrk_a", **empty, **row} for n, row in enumerate(rows)
    ]
    columns = ["schedule_id", "worker_id", "type", *empty]
    frame = pd.DataFrame(numbered, columns=columns).astype({"interval_seconds": "Int64"})
    return frame.assign(next_run_at=pd.to_datetime(frame["next_run_at"], utc=True))


def test_measures():
    """One row per measure with its unit, in the order a person asks."""
    result = budget_status(turns_table(daily("2026-06-01", *[10] * 11)), limit=1000, as_of=NOON)
    assert result.index.name == "measure"
    assert result["unit"].to_dict() == {
        "verdict": "",
        "reason": "",
        "limit": "credits",
        "spent": "credits",
        "share": "share of the limit",
        "projected": "credits",
        "low": "credits",
        "high": "credits",
        "scheduled": "credits",
        "crosses_on": "day",
        "pace": "credits per day",
        "days_elapsed": "days",
        "days_left": "days",
        "history_days": "days",
        "period_start": "instant",
        "period_end": "instant",
        "as_of": "instant",
    }


def test_steady_spending():
    """Ten credits a day go on as ten credits a day, without a spread."""
    found = status(daily("2026-05-31", *[10] * 12))
    assert found["spent"] == 110
    assert found["share"] == 0.11
    assert found["days_elapsed"] == 10.5
    assert found["days_left"] == 19.5
    assert found["pace"] == pytest.approx(110 / 10.5)
    assert found["history_days"] == 10  # of 11 days before today the first does not count
    assert found[["projected", "low", "high"]].tolist() == [305, 305, 305]
    assert found["crosses_on"] is pd.NaT
    assert found["verdict"] == "within the limit"
    assert found["reason"] == (
        "110 of 1,000 credits are spent (11%); 19.5 days are left, 305 are expected by the end, "
        "between 305 and 305 in 80% of cases"
    )


def test_range():
    """The range is the prediction interval of the sum of the days that are left."""
    # History 4 x 8, 4 x 12: mean 10, sum of squares 32, so variance 32 / 7. As of midnight 20 days are
    # left: 20 + 20**2 / 8 = 70 times that is 320. Student's t leaves 10 % above 1.4149 for 7 degrees.
    found = status(daily("2026-06-02", 5, 8, 12, 8, 12, 8, 12, 8, 12), as_of="2026-06-11T00:00Z")
    assert found["spent"] == 85
    assert found["projected"] == 285
    assert found["high"] == round(285 + 1.4149 * math.sqrt(320)) == 310
    assert found["low"] == 260


def test_low_is_never_below_what_is_spent():
    """Spent credits do not come back, however wide the range is."""
    found = status(daily("2026-06-01", 0, 900, 0, 0, 0, 0, 0, 0, 0, 0), as_of="2026-06-30T12:00Z")
    assert found["low"] == found["spent"] == 900


def test_weekdays():
    """From four full weeks of history on, a Sunday is expected to cost what Sundays cost."""
    office = [10, 10, 10, 10, 10, 0, 0]
    rows = daily("2026-05-10", 0, *office * 5)  # from a Sunday on
    found = status(rows, as_of="2026-06-15T00:00Z", period="week", limit=60)
    assert found["history_days"] == 35
    assert found["spent"] == 0
    assert found[["projected", "low", "high"]].tolist() == [50, 50, 50]
    saturday = status(rows, as_of="2026-06-13T00:00Z", period="week")
    assert saturday[["spent", "projected"]].tolist() == [50, 50]


def test_fewer_than_four_weeks():
    """With 27 days of history every day is expected to cost the same."""
    office = [10, 10, 10, 10, 10, 0, 0]
    rows = daily("2026-05-11", *office * 4)
    as_of = "2026-06-08T00:00Z"
    assert status(rows, as_of=as_of)["history_days"] == 27
    # 27 days without the first Monday cost 190.
    assert status(rows, as_of=as_of, period="week")["projected"] == round(7 * 190 / 27) == 49
    longer = daily("2026-05-10", 0, *office * 4)
    assert status(longer, as_of=as_of, period="week")["projected"] == 50


def test_history_is_at_most_56_days():
    """The history is the last 56 days; what was before does not count."""
    rows = daily("2026-03-01", *[1000] * 46, *[10] * 56)
    found = status(rows, as_of="2026-06-11T00:00Z")
    assert found["history_days"] == 56
    assert found["projected"] == 300


def test_crossing_date():
    """The day by whose end the expected credits exceed the limit; reaching it is not exceeding it."""
    rows = daily("2026-05-31", *[10] * 11)
    as_of = "2026-06-11T00:00Z"
    assert status(rows, limit=299, as_of=as_of)["crosses_on"] == pd.Timestamp("2026-06-30T00:00Z")
    assert status(rows, limit=300, as_of=as_of)["crosses_on"] is pd.NaT
    found = status(rows, limit=155, as_of=as_of, tz="UTC")
    assert found["crosses_on"] == pd.Timestamp("2026-06-16T00:00Z")
    assert found["verdict"] == "will cross"
    assert found["reason"].endswith("the limit is crossed on 2026-06-16")


def test_crossed_already():
    """Once the limit is exceeded the date is that of the fact."""
    found = status(daily("2026-05-31", *[10] * 12), limit=54)
    assert found["verdict"] == "over the limit"
    assert found["crosses_on"] == pd.Timestamp("2026-06-06T00:00Z")
    assert "exceeded on 2026-06-06" in found["reason"]
    assert found["share"] == pytest.approx(110 / 54)


def test_may_cross():
    """Where only the upper end of the range is above the limit, that is the verdict."""
    rows = daily("2026-06-02", 5, 8, 12, 8, 12, 8, 12, 8, 12)
    as_of = "2026-06-11T00:00Z"
    assert status(rows, limit=309, as_of=as_of)["verdict"] == "may cross"
    assert status(rows, limit=310, as_of=as_of)["verdict"] == "within the limit"


def test_not_enough_data():
    """Fewer than seven whole days give no projection, and the reason says what is missing."""
    found = status(daily("2026-06-04", *[10] * 8))
    assert found["history_days"] == 6
    assert found["verdict"] == "not enough data"
    assert found[["projected", "low", "high"]].isna().all()
    assert found["spent"] == 80
    assert (
        "needs 7 whole days of turns before today: the first turn is of 2026-06-04, which leaves 6; "
        "give earlier turns, too, or ask again from 2026-06-12"
    ) in found["reason"]
    assert status(daily("2026-06-04", *[10] * 9), as_of="2026-06-12T00:00Z")["verdict"] == "within the limit"


def test_first_turn_at_midnight():
    """A first turn at the first instant of a day leaves that day out, not the next."""
    rows = [{"started_at": "2026-06-03T00:00Z"}, {"started_at": "2026-06-05T00:00Z"}]
    assert status(rows)["history_days"] == 7


def test_not_enough_data_but_over():
    """What is spent already needs no history."""
    found = status(daily("2026-06-10", 600, 600))
    assert found["verdict"] == "over the limit"
    assert found["crosses_on"] == pd.Timestamp("2026-06-11T00:00Z")


def test_no_turns():
    """Without turns nothing is spent and nothing is promised."""
    found = status([])
    assert found["spent"] == 0
    assert found["verdict"] == "not enough data"
    assert "there are no turns up to 2026-06-11 12:00" in found["reason"]


def test_later_turns_are_ignored():
    """Looking back, the turns after the moment are not known yet; one at the moment is."""
    rows = daily("2026-05-31", *[10] * 12)
    later = [{"started_at": "2026-06-11T12:00:00.001Z", "credits": 500}]
    assert status(rows + later).equals(status(rows))
    assert status([*rows, {"started_at": "2026-06-11T12:00:00Z", "credits": 500}])["spent"] == 610


@pytest.mark.parametrize(
    ("period", "start", "end"),
    [
        ("day", "2026-06-11T00:00+02:00", "2026-06-12T00:00+02:00"),
        ("week", "2026-06-08T00:00+02:00", "2026-06-15T00:00+02:00"),
        ("month", "2026-06-01T00:00+02:00", "2026-07-01T00:00+02:00"),
        ("quarter", "2026-04-01T00:00+02:00", "2026-07-01T00:00+02:00"),
        ("year", "2026-01-01T00:00+01:00", "2027-01-01T00:00+01:00"),
    ],
)
def test_periods(period: str, start: str, end: str):
    """Periods are those of the calendar, on the clock of the zone."""
    found = status(daily("2026-06-01", 1), period=period, tz=MADRID)
    assert found["period_start"].isoformat() == pd.Timestamp(start).isoformat()
    assert found["period_end"].isoformat() == pd.Timestamp(end).isoformat()
    assert found["as_of"] == pd.Timestamp(NOON)


def test_first_evening_of_a_month():
    """Late on 31 May UTC it is June in Madrid."""
    rows = [
        {"started_at": "2026-05-31T21:59Z", "credits": 1},
        {"started_at": "2026-05-31T22:00Z", "credits": 2},
    ]
    assert status(rows, tz=MADRID)["spent"] == 2
    assert status(rows)["spent"] == 0


def test_day_of_a_clock_change():
    """The day on which the clocks change is one day; noon of it is not its middle."""
    found = status([], as_of="2026-03-29T12:00+02:00", tz=MADRID, period="week")
    assert found["days_left"] == pytest.approx(12 / 23)
    assert found["days_elapsed"] == pytest.approx(6 + 11 / 23)


def scheduled_history() -> list[dict]:
    """Return a run by schedule of 30 credits and other work of 10 on each of ten days, and the day before."""
    by_schedule = daily("2026-05-31", *[30] * 11, triggered_by="schedule")
    return by_schedule + [
        {**row, "task_id": f"tsk_{n}"} for n, row in enumerate(daily("2026-05-31", *[10] * 11))
    ]


def test_schedule_replaces_history():
    """A daily schedule goes on: planned runs take the place of past ones, nothing counts twice."""
    cron = plans({"type": "cron", "cron": "0 8 * * *"})
    as_of = "2026-06-11T00:00Z"
    without = status(scheduled_history(), as_of=as_of)
    found = status(scheduled_history(), as_of=as_of, schedules=cron)
    assert without["projected"] == found["projected"] == 400 + 20 * 40
    assert without["scheduled"] == 0
    assert found["scheduled"] == 20 * 30


def test_schedule_that_ends():
    """Schedules know more than history: a run every other day from now on costs half."""
    cron = plans({"type": "cron", "cron": "0 8 */2 * *"})
    found = status(scheduled_history(), as_of="2026-06-11T00:00Z", schedules=cron)
    assert found["scheduled"] == 10 * 30  # 11, 13 ... 29
    assert found["projected"] == 400 + 20 * 10 + 300


@pytest.mark.parametrize(
    ("plan", "runs"),
    [
        pytest.param({"type": "cron", "cron": "0 8 * * *"}, 19, id="cron after today's time"),
        pytest.param({"type": "cron", "cron": "0 14 * * *"}, 20, id="cron before today's time"),
        pytest.param({"type": "cron", "cron": "30 12 * * *", "timezone": MADRID}, 19, id="cron zone"),
        pytest.param({"type": "cron", "cron": "0 12 * * *"}, 19, id="cron at the moment"),
        pytest.param(
            {"type": "cron", "cron": "0 14 * * *", "next_run_at": "2026-06-21T14:00Z"}, 10, id="cron later"
        ),
        pytest.param({"type": "cron", "cron": "0 8 31 * *"}, 0, id="cron past the period"),
        pytest.param({"type": "interval", "interval_seconds": 86400}, 19, id="interval from now"),
        pytest.param(
            {"type": "interval", "interval_seconds": 3600, "next_run_at": "2026-06-30T20:00Z"}, 4, id="hourly"
        ),
        pytest.param(
            {"type": "interval", "interval_seconds": 86400, "next_run_at": "2026-06-01T12:00Z"},
            19,
            id="interval overdue",
        ),
        pytest.param({"type": "delayed", "next_run_at": "2026-06-12T00:00Z"}, 1, id="delayed"),
        pytest.param({"type": "scheduled", "next_run_at": "2026-06-29T00:00Z"}, 1, id="scheduled"),
        pytest.param({"type": "scheduled", "next_run_at": NOON}, 0, id="at the moment"),
        pytest.param({"type": "scheduled", "next_run_at": "2026-07-01T00:00Z"}, 0, id="past the period"),
    ],
)
def test_runs(plan: dict, runs: int):
    """Runs after the moment and before the end of the period are counted, whatever plans them."""
    found = status(daily("2026-05-31", *[100] * 11), schedules=plans(plan))
    assert found["scheduled"] == runs * 100


def test_price_of_a_run():
    """A run costs the median of the tasks by schedule, turns of one task added up; else of all tasks."""
    rows = [
        *daily("2026-05-31", 7, 20, 1000, triggered_by="schedule"),
        *daily("2026-05-31", 5, triggered_by="schedule"),  # a second turn of the first task
        *[{**row, "task_id": f"tsk_{n}"} for n, row in enumerate(daily("2026-05-31", 3, 3, 3, 3, 3))],
        *daily("2026-05-31", 4, 6, worker_id="wrk_b"),
    ]
    assert status(rows, schedules=plans({"type": "interval", "interval_seconds": 10**6}))["scheduled"] == 20
    one = {"type": "delayed", "next_run_at": "2026-06-12T00:00Z", "worker_id": "wrk_b"}
    assert status(rows, schedules=plans(one))["scheduled"] == 5


def test_single_run_that_history_holds():
    """Where schedules started tasks before, history holds single runs: another is not added."""
    one = plans({"type": "delayed", "next_run_at": "2026-06-12T00:00Z"})
    found = status(scheduled_history(), schedules=one)
    assert found["scheduled"] == 0
    assert found["projected"] == status(scheduled_history())["projected"]


def test_scheduled_spread():
    """Runs whose credits vary widen the range."""
    rows = daily("2026-05-31", *[10, 30] * 5, 20, triggered_by="schedule")
    found = status(rows, as_of="2026-06-11T00:00Z", schedules=plans({"type": "cron", "cron": "0 8 * * *"}))
    # All history is replaced, 9 degrees of freedom: t is 1.3830; the variance of a run is 1000 / 10.
    assert found["projected"] == 210 + 20 * 20
    assert found["high"] - found["projected"] == round(1.3830 * math.sqrt(20 * 100)) == 62


def test_crossing_by_schedule():
    """A single dear run on a known day crosses the limit on that day."""
    rows = daily("2026-05-31", *[0] * 11) + daily("2026-06-01", 500, worker_id="wrk_b")
    one = plans({"type": "scheduled", "next_run_at": "2026-06-20T10:00Z", "worker_id": "wrk_b"})
    found = status(rows, limit=1200, schedules=one, as_of="2026-06-11T00:00Z")
    assert found["scheduled"] == 500
    # 500 in ten days are 50 a day: 500 + 9 * 50 up to 19 June, and 50 + 500 on the 20th.
    assert found["crosses_on"] == pd.Timestamp("2026-06-20T00:00Z")


@pytest.mark.parametrize(
    ("plan", "why"),
    [
        (
            {"type": "cron", "cron": "61 * * * *"},
            r"schedule 'sch_0' has cron '61 .*': Bad minute",
        ),
        ({"type": "cron", "cron": None}, "has cron nan: Wrong number of fields"),
        (
            {"type": "cron", "cron": "0 8 * * *", "timezone": "Mars/Base"},
            "expected an IANA name of a time zone, found 'Mars/Base'",
        ),
        pytest.param(
            {"type": "cron", "cron": "* * * * * *"}, "more than 600,000 runs", marks=pytest.mark.slow
        ),
        ({"type": "interval", "interval_seconds": 0}, "has interval_seconds 0, expected 1 or more"),
        ({"type": "delayed"}, "schedule 'sch_0' has no next_run_at"),
        ({"type": "lunar"}, "has type 'lunar', expected cron, interval, delayed, scheduled"),
        ({"type": "cron", "cron": "0 8 * * *", "worker_id": "wrk_new"}, "it has no task yet"),
    ],
)
def test_unusable_schedules(plan: dict, why: str):
    """A worker whose schedule cannot be used is judged by its history, and the reason says so."""
    rows = scheduled_history()
    found = status(rows, schedules=plans(plan))
    worker = plan.get("worker_id", "wrk_a")
    pattern = f"worker '{worker}' is judged by its history, not its schedules: .*{why}"
    assert pd.Series([found["reason"]]).str.contains(pattern).all(), found["reason"]
    assert found["scheduled"] == 0
    assert found["projected"] == status(rows)["projected"]


def test_cron_across_a_clock_change():
    """A daily run at 02:30 happens once on the night that skips that hour and on the one that repeats it."""
    cron = plans({"type": "cron", "cron": "30 2 * * *", "timezone": MADRID})
    spring = status(daily("2026-03-01", 10), as_of="2026-03-28T23:00Z", schedules=cron, tz=MADRID)
    assert spring["scheduled"] == 3 * 10  # 29, 30, 31 March
    autumn = status(daily("2026-10-01", 10), as_of="2026-10-24T22:00Z", schedules=cron, tz=MADRID)
    assert autumn["scheduled"] == 7 * 10  # 25 to 31 October


def test_no_schedules():
    """An empty frame of schedules is no schedules."""
    rows = scheduled_history()
    assert status(rows, schedules=plans()).equals(status(rows))


def test_attrs():
    """A frame that lacks tasks makes a status that says so, in attrs and in words."""
    frame = turns_table(daily("2026-05-31", *[10] * 12)).to_pandas()
    frame.attrs["handinger"] = {"complete": False}
    result = budget_status(frame, limit=1000, as_of=NOON)
    assert result.attrs["handinger"] == {"complete": False}
    missing = "incomplete: not all of the tasks were fetched, so more was spent than this says"
    assert missing in result["value"]["reason"]


def fetched_then(rows: list[dict], when: Any, **arguments: Any) -> pd.Series:
    """Return the values of the status of turns that were fetched at a moment."""
    frame = turns_table(rows).to_pandas()
    frame.attrs["handinger"] = {"complete": True, "fetched_at": when}
    return budget_status(frame, limit=1000, **{"as_of": NOON, **arguments})["value"]


def test_stale_turns():
    """Days after the turns were fetched are not free days: the status looks from the fetch."""
    rows = daily("2026-05-25", *[10] * 14)  # fetched on 7 June at noon
    found = fetched_then(rows, "2026-06-07T12:00:00.000+00:00")
    then = status(rows, as_of="2026-06-07T12:00Z")
    assert found.drop("reason").equals(then.drop("reason"))
    assert found["pace"] == pytest.approx(70 / 6.5)
    assert found["projected"] == 70 + 235  # 23.5 days at 10
    assert found["reason"] == then["reason"] + (
        "; turns are known until 2026-06-07 12:00; nothing later is counted"
    )


def test_stale_turns_of_an_earlier_period():
    """Turns fetched before the period began tell what its days will cost, and no more."""
    rows = daily("2026-05-11", *[10] * 17)  # fetched on 27 May at noon
    found = fetched_then(rows, "2026-05-27T12:00+00:00")
    assert found["period_start"] == found["as_of"] == pd.Timestamp("2026-06-01T00:00Z")
    assert found["spent"] == 0
    assert math.isnan(found["pace"])
    assert found["history_days"] == 15  # 12 to 26 May
    assert found[["days_left", "projected", "low", "high"]].tolist() == [30, 300, 300, 300]
    assert "turns are known until 2026-05-27 12:00; nothing later is counted" in found["reason"]


def test_stale_weekdays():
    """What a weekday costs is learnt from the days up to the fetch, though the period began later."""
    office = [10, 10, 10, 10, 10, 0, 0]
    rows = daily("2026-04-26", 0, *office * 4, 10, 10, 10)  # a Sunday, four weeks, to 27 May
    found = fetched_then(rows, "2026-05-28T00:00Z", period="week", as_of="2026-06-11T00:00Z")
    assert found["period_start"] == pd.Timestamp("2026-06-08T00:00Z")
    assert found["history_days"] == 31
    assert found[["projected", "low", "high"]].tolist() == [50, 50, 50]


def test_turns_too_old_for_a_projection():
    """Nothing can be said of a period that began months after the fetch; the reason says what would help."""
    found = fetched_then(daily("2026-01-01", *[10] * 40), "2026-02-10T00:00Z")
    assert found["verdict"] == "not known"
    assert found[["projected", "low", "high", "pace", "crosses_on"]].isna().all()
    assert found["reason"].startswith("nothing is known of the period; fetch the turns again; ")
    assert "needs 7 whole days of turns in the 56 days before the period" in found["reason"]
    assert found["reason"].endswith("turns are known until 2026-02-10 00:00; nothing later is counted")


@pytest.mark.parametrize(
    "when",
    [
        pytest.param("2026-06-11T06:30Z", id="hours ago"),
        pytest.param("2026-11-22T00:00Z", id="later"),
        pytest.param("0001-01-01T00:00Z", id="before computers"),
        pytest.param("0001-01-01T00:00+05:00", id="before the calendar"),
        pytest.param("2026-06-01T12:00", id="without a zone"),
        pytest.param("yesterday", id="text"),
        pytest.param(5, id="a number"),
        pytest.param(None, id="None"),
    ],
)
def test_turns_that_are_not_stale(when: Any):
    """A fetch of a few hours ago or later, or at no known moment, changes nothing."""
    rows = daily("2026-05-31", *[10] * 12)
    assert fetched_then(rows, when).equals(status(rows))


def test_now():
    """By default the moment is now."""
    before = dt.datetime.now(dt.UTC) - dt.timedelta(milliseconds=1)
    result = budget_status(turns_table([]), limit=1000)["value"]
    assert before <= result["as_of"] <= dt.datetime.now(dt.UTC)


def naive() -> pd.DataFrame:
    """Return schedules whose runs have no zone."""
    frame = plans({"type": "delayed", "next_run_at": "2026-06-12T00:00Z"})
    return frame.assign(next_run_at=frame["next_run_at"].dt.tz_localize(None))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"limit": 0}, "limit: expected credits, a number above 0, found 0"),
        ({"limit": math.nan}, "found nan"),
        ({"limit": "5"}, "found '5'"),
        ({"period": "fortnight"}, "period: expected 'day', 'week', 'month', .*found 'fortnight'"),
        ({"period": ["day"]}, r"period: expected 'day', 'week', 'month', .*found \['day'\]"),
        ({"as_of": "0001-01-05"}, "as_of: expected a moment in the years 2 to 9997, found '0001-01-05"),
        ({"as_of": "9999-12-05"}, "as_of: expected a moment in the years 2 to 9997, found '9999-12-05"),
        ({"tz": "Europe/Madird"}, "did you mean 'Europe/Madrid'"),
        ({"as_of": dt.datetime(2026, 6, 11)}, "as_of: expected a time with a time zone, found .*; add one"),
    ],
)
def test_refused_arguments(arguments: dict, message: str):
    """An argument that cannot be used is named with what would do."""
    with pytest.raises(ArgumentError, match=message):
        status([], **arguments)


@pytest.mark.parametrize(
    ("schedules", "message"),
    [
        (plans().drop(columns="cron"), "schedules: no column 'cron'; it has schedule_id"),
        (5, "schedules: expected a DataFrame"),
        (naive(), "schedules: column 'next_run_at' must hold times with a time zone"),
    ],
)
def test_refused_schedules(schedules: Any, message: str):
    """Schedules that cannot be used are refused with what would do."""
    with pytest.raises(FrameError, match=message):
        status([], schedules=schedules)


def test_missing_credits():
    """A missing number is never taken for zero."""
    frame = turns_table(daily("2026-06-01", 1, 2)).to_pandas()
    frame["credits"] = frame["credits"].astype("Int64").mask(frame["credits"] == 1)
    with pytest.raises(FrameError, match="missing values: credits in 1 row"):
        budget_status(pa.Table.from_pandas(frame), limit=10, as_of="2026-07-20T00:00Z")


moments = st.integers(0, 5000).map(
    lambda hours: dt.datetime(2026, 1, 1, tzinfo=dt.UTC) + hours * dt.timedelta(hours=1)
)


@pytest.mark.slow
@settings(max_examples=60)
@given(
    rows=st.lists(st.tuples(moments, st.integers(0, 2**40)), max_size=12),
    as_of=moments,
    period=st.sampled_from(["day", "week", "month", "quarter", "year"]),
    tz=st.sampled_from(["UTC", MADRID, "America/Havana", "Australia/Lord_Howe", "Asia/Kathmandu"]),
)
def test_spent_adds_up(rows: list[tuple[dt.datetime, int]], as_of: dt.datetime, period: str, tz: str):
    """For any turns, moment, period and zone: what is spent is the sum, what is projected no less."""
    found = status(
        [{"started_at": moment, "credits": credits_} for moment, credits_ in rows],
        as_of=as_of,
        period=period,
        tz=tz,
        limit=10**6,
    )
    start, end = (found[name].to_pydatetime() for name in ("period_start", "period_end"))
    assert start <= as_of < end
    spent = sum(credits_ for moment, credits_ in rows if start <= moment <= as_of)
    assert found["spent"] == spent
    whole = (end.date() - start.date()).days
    assert found["days_elapsed"] + found["days_left"] == pytest.approx(whole)
    assert start.astimezone(ZoneInfo(tz)).date() == start.date()
    assert math.isnan(found["low"]) or spent <= found["low"] <= found["projected"] <= found["high"]
    over = found["spent"] > found["limit"] or found["projected"] > found["limit"]
    assert (found["crosses_on"] is not pd.NaT) == over
