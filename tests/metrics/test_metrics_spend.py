from __future__ import annotations

import subprocess
import sys

import pandas as pd
import pytest

from handinger_analytics.errors import ArgumentError, FrameError
from handinger_analytics.metrics.spend import spend
from tests.metrics.turns_by_hand import turns_table


def turns(*rows: dict) -> pd.DataFrame:
    """Return turns as a pandas frame."""
    return turns_table(list(rows)).to_pandas()


def credits_by_period(result: pd.DataFrame) -> dict[str, int]:
    """Return the credits of each period, by its start as a person of that zone writes it."""
    return {
        period.isoformat(): spent for period, spent in zip(result["period"], result["credits"], strict=True)
    }


def test_total():
    """Without by and freq there is one row: the sums."""
    result = spend(
        turns(
            {"credits": 3, "input_tokens": 100, "output_tokens": 7, "duration_ms": 1500},
            {"credits": 4, "input_tokens": 200, "output_tokens": 8, "duration_ms": 2500},
        )
    )
    expected = {
        "credits": [7],
        "turns": [2],
        "input_tokens": [300],
        "output_tokens": [15],
        "duration_ms": [4000],
    }
    pd.testing.assert_frame_equal(result, pd.DataFrame(expected))


def test_price():
    """A price per credit adds the money as a float."""
    result = spend(turns({"credits": 3}, {"credits": 5, "worker_id": "wrk_b"}), by="worker_id", price=0.5)
    assert result["cost"].tolist() == [2.5, 1.5]


def test_biggest_spender_first():
    """Groups are ordered by credits; equal ones by their keys, a missing key last."""
    result = spend(
        turns(
            {"credits": 2, "created_by_user_id": None},
            {"credits": 2, "created_by_user_id": "usr_b"},
            {"credits": 2, "created_by_user_id": "usr_a"},
            {"credits": 9, "created_by_user_id": "usr_c"},
        ),
        by="created_by_user_id",
    )
    assert result["created_by_user_id"].fillna("nobody").tolist() == ["usr_c", "usr_a", "usr_b", "nobody"]


def test_missing_key_is_a_group():
    """Turns nobody started are a group of their own, also by period, next to one that is called nan."""
    frame = turns(
        {"credits": 5, "created_by_user_id": None, "started_at": "2026-05-01T10:00:00Z"},
        {"credits": 1, "created_by_user_id": "nan", "started_at": "2026-05-02T10:00:00Z"},
        {"credits": 2, "created_by_user_id": None, "started_at": "2026-05-02T11:00:00Z"},
    )
    result = spend(frame, by="created_by_user_id", freq="D")
    assert result["created_by_user_id"].isna().tolist() == [True, True, False, False]
    assert result["credits"].tolist() == [5, 2, 0, 1]


def test_groups_of_several_columns():
    """Several columns group by their combinations, those that occur."""
    frame = turns(
        {"credits": 1, "worker_id": "wrk_a", "status": "error"},
        {"credits": 2, "worker_id": "wrk_a", "status": "completed"},
        {"credits": 4, "worker_id": "wrk_b", "status": "completed"},
    )
    result = spend(frame, by=["worker_id", "status"])
    assert result[["worker_id", "status", "credits"]].to_numpy().tolist() == [
        ["wrk_b", "completed", 4],
        ["wrk_a", "completed", 2],
        ["wrk_a", "error", 1],
    ]


def test_day_of_the_user():
    """Late in the evening UTC is already the next day in Madrid, and empty days are rows with zero."""
    frame = turns(
        {"credits": 3, "started_at": "2026-05-01T21:59:59.999Z"},
        {"credits": 4, "started_at": "2026-05-01T22:00:00Z"},
        {"credits": 5, "started_at": "2026-05-04T10:00:00Z"},
    )
    result = spend(frame, freq="D", tz="Europe/Madrid")
    assert credits_by_period(result) == {
        "2026-05-01T00:00:00+02:00": 3,
        "2026-05-02T00:00:00+02:00": 4,
        "2026-05-03T00:00:00+02:00": 0,
        "2026-05-04T00:00:00+02:00": 5,
    }
    assert result["period"].dtype == "datetime64[ms, Europe/Madrid]"


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        pytest.param(
            "2026-03-28T23:00:00Z",
            "2026-03-29T21:59:59.999Z",
            {"2026-03-29T00:00:00+01:00": 3, "2026-03-30T00:00:00+02:00": 4},
            id="23 hours",
        ),
        pytest.param(
            "2026-10-24T22:00:00Z",
            "2026-10-25T22:59:59.999Z",
            {"2026-10-25T00:00:00+02:00": 3, "2026-10-26T00:00:00+01:00": 4},
            id="25 hours",
        ),
    ],
)
def test_day_of_a_clock_change(first: str, last: str, expected: dict[str, int]):
    """The first and the last millisecond of a short and of a long day belong to it, the next does not."""
    after = pd.Timestamp(last) + pd.Timedelta(milliseconds=1)
    frame = turns(
        {"credits": 1, "started_at": first},
        {"credits": 2, "started_at": last},
        {"credits": 4, "started_at": after.isoformat()},
    )
    assert credits_by_period(spend(frame, freq="D", tz="Europe/Madrid")) == expected


def test_both_hours_of_an_autumn_night():
    """The hour from 02:00 comes twice when the clocks go back, and stays two rows."""
    frame = turns(
        {"credits": 1, "started_at": "2026-10-25T00:30:00Z"},
        {"credits": 2, "started_at": "2026-10-25T01:30:00Z"},
        {"credits": 4, "started_at": "2026-10-25T02:30:00Z"},
    )
    assert credits_by_period(spend(frame, freq="h", tz="Europe/Madrid")) == {
        "2026-10-25T02:00:00+02:00": 1,
        "2026-10-25T02:00:00+01:00": 2,
        "2026-10-25T03:00:00+01:00": 4,
    }


def test_hours_of_a_zone_off_the_hour():
    """An hour begins when the clock on the wall says so: in Kathmandu at a quarter past."""
    frame = turns(
        {"credits": 1, "started_at": "2026-05-01T10:14:59Z"},
        {"credits": 2, "started_at": "2026-05-01T10:15:00Z"},
    )
    assert credits_by_period(spend(frame, freq="h", tz="Asia/Kathmandu")) == {
        "2026-05-01T15:00:00+05:45": 1,
        "2026-05-01T16:00:00+05:45": 2,
    }


def test_half_hour_clock_change():
    """On Lord Howe the clocks go back half an hour at 02:00, which begins an hour of its own."""
    frame = turns(
        {"credits": 1, "started_at": "2026-04-04T14:59:00Z"},
        {"credits": 2, "started_at": "2026-04-04T15:00:00Z"},
        {"credits": 4, "started_at": "2026-04-04T15:30:00Z"},
    )
    assert credits_by_period(spend(frame, freq="h", tz="Australia/Lord_Howe")) == {
        "2026-04-05T01:00:00+11:00": 1,
        "2026-04-05T01:30:00+10:30": 2,
        "2026-04-05T02:00:00+10:30": 4,
    }


def test_day_without_midnight():
    """In Beirut the clocks skip midnight in spring: that day starts at one."""
    frame = turns(
        {"credits": 1, "started_at": "2026-03-28T21:59:00Z"},
        {"credits": 2, "started_at": "2026-03-28T22:00:00Z"},
    )
    assert credits_by_period(spend(frame, freq="D", tz="Asia/Beirut")) == {
        "2026-03-28T00:00:00+02:00": 1,
        "2026-03-29T01:00:00+03:00": 2,
    }


def test_day_that_never_was():
    """Samoa went from 29 to 31 December 2011; the 30th is no row."""
    frame = turns(
        {"credits": 1, "started_at": "2011-12-30T09:59:00Z"},
        {"credits": 2, "started_at": "2011-12-30T10:00:00Z"},
    )
    assert credits_by_period(spend(frame, freq="D", tz="Pacific/Apia")) == {
        "2011-12-29T00:00:00-10:00": 1,
        "2011-12-31T00:00:00+14:00": 2,
    }


@pytest.mark.parametrize(
    ("freq", "expected"),
    [
        ("W", ["2025-12-29", "2026-01-05", "2026-01-12"]),
        ("MS", ["2025-12-01", "2026-01-01"]),
        ("QS", ["2025-10-01", "2026-01-01"]),
        ("YS", ["2025-01-01", "2026-01-01"]),
    ],
)
def test_longer_periods(freq: str, expected: list[str]):
    """Weeks begin on Monday, months, quarters and years on their first day."""
    frame = turns({"started_at": "2025-12-31T12:00:00Z"}, {"started_at": "2026-01-14T12:00:00Z"})
    result = spend(frame, freq=freq)
    assert result["period"].dt.strftime("%Y-%m-%d").tolist() == expected
    assert result["credits"].iloc[[0, -1]].tolist() == [1, 1]
    assert result["credits"].sum() == 2


def test_before_1970():
    """Instants before 1970 fall in their own day, too."""
    frame = turns({"started_at": "1969-12-31T23:59:59.999Z"}, {"started_at": "1970-01-01T00:00:00Z"})
    assert credits_by_period(spend(frame, freq="D")) == {
        "1969-12-31T00:00:00+00:00": 1,
        "1970-01-01T00:00:00+00:00": 1,
    }


def test_other_units_and_zones_of_the_column():
    """A column in nanoseconds and another zone gives the same days."""
    frame = turns({"started_at": "2026-05-01T21:59:00Z"}, {"started_at": "2026-05-01T22:00:00Z"})
    elsewhere = frame.assign(started_at=frame["started_at"].dt.as_unit("ns").dt.tz_convert("Asia/Tokyo"))
    pd.testing.assert_frame_equal(
        spend(elsewhere, freq="D", tz="Europe/Madrid"), spend(frame, freq="D", tz="Europe/Madrid")
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"freq": "M"}, "freq: expected one of 'h' .hour., 'D' .*, found 'M'"),
        ({"freq": "d"}, "freq: .*, found 'd'"),
        ({"freq": "D", "tz": "Europe/Madird"}, "found 'Europe/Madird'; did you mean 'Europe/Madrid'"),
        ({"tz": "../etc/passwd"}, "tz: expected an IANA name of a time zone, found '../etc/passwd'"),
        ({"tz": "Europe"}, "tz: expected an IANA name of a time zone, found 'Europe'"),
        ({"tz": None}, "tz: expected an IANA name of a time zone, found None"),
        ({"by": ["worker_id", 3]}, "by: expected names of columns, one or several, found 3"),
        (
            {"by": "credits"},
            "by: expected columns with other names than those of the result, found",
        ),
        ({"price": -1}, "price: expected money per credit, a number from 0, found -1"),
        ({"price": float("nan")}, "found nan"),
        ({"price": "1"}, "found '1'"),
    ],
)
def test_refused_arguments(arguments: dict, message: str):
    """An argument that cannot be used is named with what would do."""
    with pytest.raises(ArgumentError, match=message):
        spend(turns_table([{}]), **arguments)


@pytest.mark.parametrize("kind", ["pyarrow", "pandas"])
@pytest.mark.parametrize(
    ("by", "message"),
    [
        ("worker", "no column 'worker'; it has turn_id, task_id"),
        ("started_at", "by: 'started_at' holds times .*use freq="),
        ("files", "by: cannot group by 'files' of type List"),
    ],
)
def test_refused_groups(kind: str, by: str, message: str):
    """A column that is not there, or cannot group, is named with what would do."""
    table = turns_table([{}])
    with pytest.raises(FrameError, match=message):
        spend(table if kind == "pyarrow" else table.to_pandas(types_mapper=pd.ArrowDtype), by=by)


def test_too_many_periods():
    """Hours over a century are refused before they fill the memory."""
    frame = turns(*({"started_at": f"{year}-01-01T00:00:00Z", "seq": year} for year in range(1990, 2090)))
    with pytest.raises(FrameError, match=r"100 groups times 867,841 periods is more than .*longer freq"):
        spend(frame, by="seq", freq="h")


def test_too_many_hours():
    """Hours between a wrong year and today are refused at once."""
    frame = turns({"started_at": "0500-01-01T00:00:00Z"}, {"started_at": "2026-01-01T00:00:00Z"})
    with pytest.raises(FrameError, match="more than 1,000,000 hours; use a longer freq"):
        spend(frame, freq="h")
    assert len(spend(frame, freq="YS")) == 1527


def test_only_the_given_engine_is_imported():
    """Asking a pandas frame loads no other engine, not even where they are installed."""
    code = (
        "import sys, pandas as pd\n"
        "from handinger_analytics import spend\n"
        "columns = {name: [1] for name in ('credits', 'input_tokens', 'output_tokens', 'duration_ms')}\n"
        "frame = pd.DataFrame({**columns, 'started_at': pd.to_datetime(['2026-05-01'], utc=True)})\n"
        "assert spend(frame, freq='D')['credits'].tolist() == [1]\n"
        "assert not {'polars', 'duckdb', 'pyspark', 'matplotlib'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
