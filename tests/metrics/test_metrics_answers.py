from __future__ import annotations

import math

import pandas as pd
import pytest

from handinger_analytics.errors import ArgumentError
from handinger_analytics.metrics.durations import durations
from handinger_analytics.metrics.summarize import summarize
from handinger_analytics.metrics.tokens import tokens
from handinger_analytics.metrics.top_tasks import top_tasks
from handinger_analytics.metrics.waste import waste
from tests.metrics.turns_by_hand import turns_table

ROWS = [
    {"task_id": "tsk_1", "credits": 6, "input_tokens": 900, "output_tokens": 100, "duration_ms": 1000,
     "started_at": "2026-05-01T10:00:00.001Z"},
    {"task_id": "tsk_1", "credits": 2, "input_tokens": 500, "output_tokens": 0, "duration_ms": 3000,
     "status": "error", "started_at": "2026-05-02T10:00:00Z"},
    {"task_id": "tsk_2", "credits": 2, "input_tokens": 100, "output_tokens": 400, "duration_ms": 2000,
     "status": "aborted", "worker_id": "wrk_b", "created_by_user_id": "usr_1",
     "started_at": "2026-05-03T10:00:00Z"},
    {"task_id": "tsk_3", "credits": 0, "input_tokens": 0, "output_tokens": 0, "duration_ms": 0,
     "status": "running", "worker_id": "wrk_c", "started_at": "2026-05-04T10:00:00Z"},
]  # fmt: skip


@pytest.fixture
def turns() -> pd.DataFrame:
    """Give four turns of three workers, one of each way to end."""
    return turns_table(ROWS).to_pandas()


def test_summarize(turns: pd.DataFrame):
    """The overview has one row per measure, with its unit."""
    result = summarize(turns)
    assert result.index.name == "measure"
    assert result["value"].to_dict() == {
        "tasks": 3,
        "turns": 4,
        "credits": 10,
        "input_tokens": 1500,
        "output_tokens": 500,
        "duration_ms": 6000,
        "credits_per_turn": 2.5,
        "error_share": 0.25,
        "aborted_share": 0.25,
        "first_started_at": pd.Timestamp("2026-05-01T10:00:00.001Z"),
        "last_started_at": pd.Timestamp("2026-05-04T10:00:00Z"),
    }
    assert result.loc["duration_ms", "unit"] == "ms"


def test_summarize_by(turns: pd.DataFrame):
    """By worker there is a row for each, the biggest spender first, with typed measures."""
    result = summarize(turns, by="worker_id")
    assert result["worker_id"].tolist() == ["wrk_a", "wrk_b", "wrk_c"]
    assert result["tasks"].tolist() == [1, 1, 1]
    assert result["turns"].tolist() == [2, 1, 1]
    assert result["credits_per_turn"].tolist() == [4.0, 2.0, 0.0]
    assert result["error_share"].tolist() == [0.5, 0.0, 0.0]
    assert result["aborted_share"].tolist() == [0.0, 1.0, 0.0]
    assert result["last_started_at"].dtype == "datetime64[ms, UTC]"
    assert result["last_started_at"].iloc[0] == pd.Timestamp("2026-05-02T10:00:00Z")


def test_summarize_nothing():
    """No turns: counts are zero, averages and times are missing."""
    result = summarize(turns_table([]))["value"]
    assert result["tasks"] == result["credits"] == 0
    assert math.isnan(result["credits_per_turn"])
    assert result["first_started_at"] is pd.NaT


def test_durations():
    """Percentiles interpolate linearly between the two nearest of the sorted values."""
    frame = turns_table([{"duration_ms": ms} for ms in (0, 400, 100, 300, 200)])
    assert durations(frame).to_dict("records") == [
        {
            "turns": 5,
            "mean_ms": 200.0,
            "p50_ms": 200.0,
            "p90_ms": pytest.approx(360.0),
            "p95_ms": pytest.approx(380.0),
            "p99_ms": pytest.approx(396.0),
            "max_ms": 400.0,
        }
    ]


def test_durations_by(turns: pd.DataFrame):
    """The group with the largest 95th percentile comes first."""
    result = durations(turns, by="worker_id")
    assert result["worker_id"].tolist() == ["wrk_a", "wrk_b", "wrk_c"]
    assert result["p95_ms"].tolist() == [2900.0, 2000.0, 0.0]


def test_durations_of_nothing():
    """No turns have no duration."""
    result = durations(turns_table([]))
    assert result["turns"].tolist() == [0]
    assert result.drop(columns="turns").isna().all(axis=None)


def test_tokens(turns: pd.DataFrame):
    """Credits per thousand tokens count tokens read and written; without tokens there is no price."""
    result = tokens(turns, by="worker_id")
    assert result["input_tokens"].tolist() == [1400, 100, 0]
    assert result["output_tokens"].tolist() == [100, 400, 0]
    assert result["credits_per_1k_tokens"].tolist()[:2] == [pytest.approx(8 / 1.5), 4.0]
    assert math.isnan(result["credits_per_1k_tokens"].iloc[2])


def test_waste(turns: pd.DataFrame):
    """What ended in error or was aborted, and its share of everything."""
    assert waste(turns).to_dict("records") == [
        {
            "turns": 4,
            "credits": 10,
            "wasted_turns": 2,
            "wasted_credits": 4,
            "wasted_input_tokens": 600,
            "wasted_output_tokens": 400,
            "wasted_duration_ms": 5000,
            "turns_share": 0.5,
            "credits_share": 0.4,
            "tokens_share": 0.5,
            "duration_share": pytest.approx(5 / 6),
        }
    ]


def test_waste_by(turns: pd.DataFrame):
    """Shares are of the group's own total, also for turns that nobody started."""
    result = waste(turns, by="created_by_user_id")
    assert result["created_by_user_id"].fillna("nobody").tolist() == ["usr_1", "nobody"]
    assert result["wasted_credits"].tolist() == [2, 2]
    assert result["credits_share"].tolist() == [1.0, 0.25]


def test_top_tasks(turns: pd.DataFrame):
    """Tasks by credits with their share, the share so far, and where to find them."""
    result = top_tasks(turns, n=2)
    assert result["task_id"].tolist() == ["tsk_1", "tsk_2"]
    assert result["worker_id"].tolist() == ["wrk_a", "wrk_b"]
    assert result["task_title"].tolist() == ["Title", "Title"]
    assert result["credits"].tolist() == [8, 2]
    assert result["turns"].tolist() == [2, 1]
    assert result["share"].tolist() == [0.8, 0.2]
    assert result["cumulative_share"].tolist() == [0.8, 1.0]
    assert result["url"].iloc[0] == "https://v3.handinger.com/worker/wrk_a/task/tsk_1"


def test_top_tasks_by_duration(turns: pd.DataFrame):
    """Another measure ranks and shares by that measure."""
    result = top_tasks(turns, n=1, measure="duration_ms")
    assert result["duration_ms"].tolist() == [4000]
    assert result["share"].tolist() == [pytest.approx(2 / 3)]


def test_top_tasks_ties():
    """Equal tasks come in the order of their ids, so the cut does not depend on the order of rows."""
    frame = turns_table([{"task_id": task} for task in ("tsk_c", "tsk_a", "tsk_b")])
    assert top_tasks(frame, n=2)["task_id"].tolist() == ["tsk_a", "tsk_b"]


def test_top_tasks_without_text(turns: pd.DataFrame):
    """A frame kept without text has no titles, and ranks all the same."""
    result = top_tasks(turns.drop(columns="task_title"))
    assert result["task_title"].isna().all()
    assert result["task_title"].dtype == top_tasks(turns)["task_title"].dtype
    assert len(result) == 3


def test_top_tasks_renamed():
    """A task with two titles is one row."""
    frame = turns_table([{"task_title": "Old"}, {"task_title": "Title"}])
    assert top_tasks(frame)["task_title"].tolist() == ["Title"]


def test_top_tasks_escapes_ids():
    """An id may be any text; it cannot leave its place in the link."""
    frame = turns_table([{"task_id": "a/../b?x=1#é", "worker_id": "w k"}])
    assert top_tasks(frame)["url"].tolist() == [
        "https://v3.handinger.com/worker/w%20k/task/a%2F..%2Fb%3Fx%3D1%23%C3%A9"
    ]


def test_top_tasks_free():
    """Where nothing was spent there are no shares."""
    result = top_tasks(turns_table([{"credits": 0}]))
    assert result[["share", "cumulative_share"]].isna().all(axis=None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"measure": "worker_id"}, "measure: expected 'credits', 'turns', .*found 'worker_id'"),
        ({"n": 0}, "n: expected a whole number from 1, found 0"),
        ({"n": 2.5}, "found 2.5"),
    ],
)
def test_top_tasks_refused(turns: pd.DataFrame, arguments: dict, message: str):
    """An unknown measure or number is named with what would do."""
    with pytest.raises(ArgumentError, match=message):
        top_tasks(turns, **arguments)


def test_top_tasks_without_an_id_have_no_link():
    """A task whose worker is not known is ranked, without a link that would lead nowhere."""
    turns = turns_table([{"worker_id": None, "credits": 5}, {"task_id": "tsk_2", "credits": 1}])
    result = top_tasks(turns)
    assert result["credits"].tolist() == [5, 1]
    assert result["url"].isna().tolist() == [True, False]
