"""Every metric gives the pandas answer on every engine, whatever zone its session is in."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from handinger_analytics import budget_status
from handinger_analytics.errors import FrameError
from handinger_analytics.metrics.anomalies import anomalies
from handinger_analytics.metrics.check import check
from handinger_analytics.metrics.durations import durations
from handinger_analytics.metrics.explode import explode_structured_output
from handinger_analytics.metrics.spend import spend
from handinger_analytics.metrics.summarize import summarize
from handinger_analytics.metrics.tokens import tokens
from handinger_analytics.metrics.top_tasks import top_tasks
from handinger_analytics.metrics.waste import waste

QUESTIONS: dict[str, Callable[[Any], pd.DataFrame]] = {
    "summarize": summarize,
    "summarize by worker": lambda turns: summarize(turns, by="worker_id"),
    "summarize by user": lambda turns: summarize(turns, by="created_by_user_id"),
    "spend": spend,
    "spend by two": lambda turns: spend(turns, by=["status", "triggered_by"], price=0.01),
    "spend by position": lambda turns: spend(turns, by="seq"),
    "spend by hour": lambda turns: spend(turns, freq="h", tz="Asia/Kathmandu"),
    "spend by day": lambda turns: spend(turns, by="worker_id", freq="D", tz="Europe/Madrid"),
    "spend by week": lambda turns: spend(turns, by="created_by_user_id", freq="W", tz="Pacific/Auckland"),
    "spend by month": lambda turns: spend(turns, by="role", freq="MS"),
    "spend by quarter": lambda turns: spend(turns, freq="QS"),
    "spend by year": lambda turns: spend(turns, freq="YS"),
    "durations": durations,
    "durations by worker": lambda turns: durations(turns, by="worker_id"),
    "tokens": tokens,
    "tokens by role": lambda turns: tokens(turns, by=["role", "worker_id"]),
    "top_tasks": top_tasks,
    "top_tasks by turns": lambda turns: top_tasks(turns, n=1000, measure="turns"),
    "waste": waste,
    "waste by trigger": lambda turns: waste(turns, by="triggered_by"),
    "waste by status": lambda turns: waste(turns, by="status"),
    "anomalies": lambda turns: anomalies(turns, tz="Europe/Madrid", threshold=2, share=0.3),
    "anomalies of all": lambda turns: anomalies(turns, by=None, freq="W", min_history=3),
}


@pytest.fixture(scope="module")
def answers(turns: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Answer every question from the fetched pandas frame."""
    return {question: ask(turns) for question, ask in QUESTIONS.items()}


@pytest.mark.parametrize("question", QUESTIONS)
def test_same_answer(
    read: Callable[[Path], Any], files: dict[str, Path], answers: dict[str, pd.DataFrame], question: str
) -> None:
    """The answer is that of the fetched pandas frame, values, dtypes and order."""
    found = QUESTIONS[question](read(files["turns"]))
    pd.testing.assert_frame_equal(found, answers[question], rtol=1e-12)


@pytest.mark.parametrize("question", QUESTIONS)
def test_empty(
    read: Callable[[Path], Any], files: dict[str, Path], answers: dict[str, pd.DataFrame], question: str
) -> None:
    """No turns give the same columns and dtypes, and no total but zero."""
    empty, full = QUESTIONS[question](read(files["empty"])), answers[question]
    pd.testing.assert_series_equal(empty.dtypes, full.dtypes)
    counts = empty.select_dtypes("int64")
    assert (counts == 0).all(axis=None)
    whole = ("summarize", "spend", "durations", "tokens", "waste")
    assert len(empty) == (len(full) if question in whole else 0)


def test_structured_output(read: Callable[[Path], Any], files: dict[str, Path], turns: pd.DataFrame) -> None:
    """Outputs become the columns of the pandas answer, whatever order an engine keeps its rows in."""
    there, here = (
        explode_structured_output(frame).sort_values("turn_id", ignore_index=True)
        for frame in (read(files["turns"]), turns)
    )
    pd.testing.assert_frame_equal(there, here, check_like=True)
    empty = explode_structured_output(read(files["empty"]))
    assert empty.columns.tolist() == ["turn_id", "task_id", "seq", "worker_id", "started_at"]
    pd.testing.assert_series_equal(empty.dtypes, here.dtypes[empty.columns])


def test_decimals_as_groups(read: Callable[[Path], Any], files: dict[str, Path], tmp_path: Path) -> None:
    """Prices in decimals come back as they are; pandas reads them as objects and says what can group."""
    prices = pa.array([Decimal("1.10"), Decimal("2.00"), None], pa.decimal128(10, 2))
    table = pq.read_table(files["turns"]).slice(0, 3).append_column("price", prices)
    pq.write_table(table, tmp_path / "priced.parquet")
    turns = read(tmp_path / "priced.parquet")
    if isinstance(turns, pd.DataFrame) and turns["price"].dtype == object:
        with pytest.raises(FrameError, match="by: cannot group by 'price' of type Object; use text or whole"):
            spend(turns, by="price")
    else:
        found = spend(turns, by="price").sort_values("price")
        assert found["price"].tolist() == prices.to_pylist()
        assert found["credits"].sum() == sum(table["credits"].to_pylist())


def test_budget(
    read: Callable[[Path], Any], files: dict[str, Path], turns: pd.DataFrame, schedules: pd.DataFrame
) -> None:
    """A budget of turns anywhere, with schedules, has the status of the fetched pandas frame."""
    ask = {"limit": 30_000, "tz": "Europe/Madrid", "schedules": schedules, "as_of": "2026-06-24T09:00Z"}
    status = budget_status(turns, **ask)
    assert status["value"]["scheduled"] > 0
    there = budget_status(read(files["turns"]), **ask)
    status.loc["reason", "value"] += "; not known whether all tasks are here"
    pd.testing.assert_frame_equal(there, status, rtol=1e-12)
    nothing = budget_status(read(files["empty"]), **ask)
    assert nothing["value"]["verdict"] == "not enough data"
    assert nothing["value"]["spent"] == 0


def test_check(read: Callable[[Path], Any], files: dict[str, Path], turns: pd.DataFrame) -> None:
    """Tasks and turns of any engine are compared alike."""
    there = check(read(files["tasks"]), read(files["turns"]))
    here = check(pd.read_parquet(files["tasks"]), turns)
    pd.testing.assert_frame_equal(there, here)
    assert there.attrs["handinger"]["reason"] == here.attrs["handinger"]["reason"]


def test_check_of_nothing(read: Callable[[Path], Any], files: dict[str, Path]) -> None:
    """Every finished task lacks its turns when there are none, and the verdict keeps its dtypes."""
    result = check(read(files["tasks"]), read(files["empty"]))
    assert set(result["verdict"]) == {"turns missing", "still running"}
    full = check(read(files["tasks"]), read(files["turns"]))
    pd.testing.assert_series_equal(result.dtypes, full.dtypes)


def test_naive_times(read: Callable[[Path], Any], files: dict[str, Path]) -> None:
    """Times without a zone are refused by every engine with its own remedy."""
    with pytest.raises(
        FrameError,
        match=r"'started_at' has no time zone.*(tz_localize|assume_timezone|replace_time|TIMESTAMP)",
    ):
        spend(read(files["naive"]), freq="D")


def test_missing_column(read: Callable[[Path], Any], files: dict[str, Path]) -> None:
    """A missing column is named beside those that are there."""
    with pytest.raises(
        FrameError, match="no column 'input_tokens', 'output_tokens'; it has task_id, worker_id"
    ):
        tokens(read(files["tasks"]))
