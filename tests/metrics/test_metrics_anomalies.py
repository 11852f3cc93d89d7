from __future__ import annotations

import datetime as dt
import math
import random
from statistics import mean, median

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handinger_analytics.errors import ArgumentError, FrameError
from handinger_analytics.metrics.anomalies import anomalies
from tests.metrics.turns_by_hand import turns_table

MAY_1 = dt.datetime(2026, 5, 1, 9, tzinfo=dt.UTC)


def daily(worker_id: str, *credits_: int | None) -> list[dict]:
    """Return a turn on each day from 1 May with these credits, none where there is None."""
    return [
        {"worker_id": worker_id, "credits": spent, "started_at": MAY_1 + dt.timedelta(days=day)}
        for day, spent in enumerate(credits_)
        if spent is not None
    ]


def turns(*rows: list[dict]) -> pa.Table:
    """Return the turns of several workers."""
    return turns_table([row for its in rows for row in its])


def test_spike():
    """A day far above the median of those before it is found, with the reason in words."""
    # Median of the four days before is 10.5, their deviations 2.5, 0.5, 0.5, 1.5: MAD 1.
    result = anomalies(turns(daily("wrk_a", 8, 10, 11, 12, 100, 10)), min_history=4)
    assert result.to_dict("records") == [
        {
            "worker_id": "wrk_a",
            "kind": "spike",
            "period": pd.Timestamp("2026-05-05T00:00Z"),
            "credits": 100,
            "usual": 10.5,
            "score": pytest.approx(89.5 / 1.4826),
            "share": 1.0,
            "history": 4,
            "reason": "100 credits, 9.5 times the 10 of a usual day: the median of 4 earlier days with turns",
        }
    ]


def test_only_the_past_counts():
    """A day is judged by the days before it, not by those after."""
    assert anomalies(turns(daily("wrk_a", 100, 10, 11, 9, 10)), min_history=4).empty


def test_idle_days_are_no_history():
    """Of a worker that works on some days, those are the history."""
    rarely = daily("wrk_a", 50, None, None, 60, None, 55, None, 70, None, 65)
    assert anomalies(turns(rarely), min_history=4).empty


def test_steady_history():
    """Where all days before are alike, twice as much is a spike and less is none."""
    assert anomalies(turns(daily("wrk_a", 10, 10, 10, 19)), min_history=3).empty
    found = anomalies(turns(daily("wrk_a", 10, 10, 10, 20)), min_history=3)
    assert found["credits"].tolist() == [20]
    assert found["score"].tolist() == [math.inf]


def test_mostly_steady_history():
    """Where more than half of the days are alike the mean deviation takes the place of the median one."""
    # Median 10, deviations 0, 0, 0, 5: mean 1.25.
    found = anomalies(turns(daily("wrk_a", 10, 10, 10, 15, 40)), min_history=4)
    assert found["score"].tolist() == [pytest.approx(30 / (1.2533 * 1.25))]


def test_history_is_56_days():
    """Days longer ago than 56 with turns say nothing any more."""
    found = anomalies(turns(daily("wrk_a", *[1000] * 10, *[10] * 56, 200)))
    assert found["credits"].tolist() == [200]
    assert found["history"].tolist() == [56]


def test_free_history():
    """A first day that costs anything after days that cost nothing is a spike."""
    found = anomalies(turns(daily("wrk_a", 0, 0, 0, 5)), min_history=3)
    assert found["reason"].str.startswith("5 credits, far above the 0 of a usual day").tolist() == [True]


def test_no_verdict():
    """A group with too little history gets no verdict, and the row says so."""
    found = anomalies(turns(daily("wrk_new", 1, 500)))
    assert found["kind"].tolist() == ["no verdict"]
    assert found["credits"].tolist() == [501]
    assert found["history"].tolist() == [2]
    assert found["reason"].tolist() == [
        "too little history: turns on 2 day(s), while a verdict on one needs 14 before it"
    ]


def test_history_just_long_enough():
    """With one day more than the minimum that day is judged."""
    assert anomalies(turns(daily("wrk_a", *[10] * 14)))["kind"].tolist() == ["no verdict"]
    assert anomalies(turns(daily("wrk_a", *[10] * 15))).empty
    assert anomalies(turns(daily("wrk_a", *[10] * 14, 20)))["kind"].tolist() == ["spike"]


def test_chronic():
    """A worker that always takes most of the spend is found although no day of it is unusual."""
    found = anomalies(turns(daily("wrk_burns", *[80] * 20), daily("wrk_b", *[20] * 20)))
    assert found[["worker_id", "kind", "credits", "share", "history"]].to_numpy().tolist() == [
        ["wrk_burns", "chronic", 1600, 0.8, 20]
    ]
    assert found["period"].isna().all()
    assert found["reason"].tolist() == [
        "80% of all credits; on 20 of the last 20 days 50% or more of what everybody spent in 7 days"
    ]


@pytest.mark.parametrize(
    ("burner", "expected"),
    [
        pytest.param([90] * 20 + [0] * 30, [], id="stopped"),
        pytest.param([0] * 4 + [90] * 16, ["chronic"], id="began"),
        pytest.param([0] * 5 + [90] * 15, [], id="began too late"),
        pytest.param([700, *[None] * 6] * 3, ["chronic", "no verdict"], id="once a week"),
        pytest.param([0] * 19 + [9000], ["spike"], id="one big day"),
    ],
)
def test_chronic_means_most_of_the_time(burner: list[int | None], expected: list[str]):
    """Three of four days, each with the week before it: bursts every week do, one big day does not."""
    other = daily("wrk_b", *[20] * len(burner))
    found = anomalies(turns(daily("wrk_a", *burner), other))
    assert found.loc[found["worker_id"] == "wrk_a", "kind"].unique().tolist() == expected


def test_alone():
    """A single worker has the whole spend, which makes no burner of it."""
    assert anomalies(turns(daily("wrk_a", *[10] * 20))).empty


def test_order():
    """Chronic burners come first, then spikes by their excess, then groups without a verdict."""
    found = anomalies(
        turns(
            daily("wrk_a", *[100] * 15, 300, *[100] * 4),
            daily("wrk_b", *[10] * 17, 50, 400, 10),
            daily("wrk_c", 5),
        )
    )
    assert found[["worker_id", "kind", "credits"]].to_numpy().tolist() == [
        ["wrk_a", "chronic", 2200],
        ["wrk_b", "spike", 400],
        ["wrk_a", "spike", 300],
        ["wrk_b", "spike", 50],
        ["wrk_c", "no verdict", 5],
    ]


def test_day_of_the_user():
    """A spike is dated by the day of the zone asked for."""
    rows = [{**row, "started_at": row["started_at"].replace(hour=23)} for row in daily("w", 9, 10, 11, 99)]
    found = anomalies(turns(rows), tz="Europe/Madrid", min_history=3)
    assert found["period"].tolist() == [pd.Timestamp("2026-05-05", tz="Europe/Madrid")]


def test_attrs():
    """A frame that lacks tasks makes a result that says so."""
    frame = turns(daily("wrk_a", 1)).to_pandas()
    frame.attrs["handinger"] = {"complete": False}
    assert anomalies(frame).attrs["handinger"] == {"complete": False}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"by": "kind"}, "by: expected columns with other names than those of the result, found 'kind'"),
        ({"freq": None}, "freq: expected one of .*, found None"),
        ({"threshold": 0}, "threshold: expected a score, a number above 0, found 0"),
        ({"share": 50}, "share: expected a share of the whole, above 0 and up to 1, found 50"),
        ({"min_history": 2}, "min_history: expected a whole number from 3 to 56, found 2"),
        ({"min_history": 57}, "found 57"),
    ],
)
def test_refused_arguments(arguments: dict, message: str):
    """An argument that cannot be used is named with what would do."""
    with pytest.raises(ArgumentError, match=message):
        anomalies(turns(daily("wrk_a", 1)), **arguments)


def test_unknown_column():
    """A grouping by what is no column of the frame is refused."""
    with pytest.raises(FrameError, match="no column 'worker'"):
        anomalies(turns(daily("wrk_a", 1)), by="worker")


histories = st.lists(st.none() | st.integers(0, 40) | st.integers(0, 10**6), min_size=1, max_size=30)


def spikes_of(credits_: list[int | None], threshold: float, least: int) -> list[int]:
    """Find the spikes of one worker, day by day."""
    spent = [one for one in credits_ if one is not None]
    found = []
    for place in range(least, len(spent)):
        before = spent[:place]
        usual = median(before)
        away = [abs(one - usual) for one in before]
        scale = 1.4826 * median(away) or 1.2533 * mean(away)
        excess = spent[place] - usual
        if excess > threshold * scale and spent[place] >= 2 * usual:
            found.append(spent[place])
    return found


@pytest.mark.slow
@given(workers=st.lists(histories, min_size=1, max_size=3), threshold=st.sampled_from([1.0, 3.5, 5.0]))
def test_every_spike(workers: list[list[int | None]], threshold: float):
    """Judging day by day in plain Python finds the same spikes, whatever the order of the rows."""
    rows = [row for number, its in enumerate(workers) for row in daily(f"wrk_{number}", *its)]
    found = anomalies(turns(rows), threshold=threshold, min_history=3)
    for number, its in enumerate(workers):
        mine = found[found["worker_id"] == f"wrk_{number}"]
        spikes = mine[mine["kind"] == "spike"].sort_values("period")
        assert spikes["credits"].tolist() == spikes_of(its, threshold, least=3)
        worked = sum(one is not None for one in its)
        assert ("no verdict" in mine["kind"].tolist()) == (0 < worked <= 3)
    random.Random(0).shuffle(rows)
    pd.testing.assert_frame_equal(anomalies(turns(rows), threshold=threshold, min_history=3), found)
