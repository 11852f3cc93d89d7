"""Turns of a wrong clock or unit: kept, and named where a question about them has no answer."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import pyarrow.parquet as pq
import pytest

import handinger_analytics as ha
from handinger_analytics import FrameError
from handinger_analytics.tables.frames import from_pandas
from handinger_analytics.tables.schema import TURNS
from tests.samples import encoded, task_of, turn_of
from tests.scripted import Reply

DAYS = [f"2026-05-{day:02}T10:00:00Z" for day in range(1, 21)]
WRONG = {
    "seconds for milliseconds": "2600-01-01T00:00:00.000",
    "last": "9999-12-31T23:59:59.999",
    "first": "0001-01-01T00:00:00.000",
    "long ago": "0500-01-01T00:00:00.000",
}
ZONES = ["Pacific/Kiritimati", pytest.param("America/Adak", marks=pytest.mark.slow)]
OVER_TIME = {
    "spend": lambda _, turns, tz, place: ha.spend(turns, freq="D", tz=tz),
    "anomalies": lambda _, turns, tz, place: ha.anomalies(turns, tz=tz),
    "plot_spend": lambda _, turns, tz, place: ha.plot_spend(turns, tz=tz),
    "plot_tokens": lambda _, turns, tz, place: ha.plot_tokens(turns, tz=tz),
    "plot_heatmap": lambda _, turns, tz, place: ha.plot_heatmap(turns, tz=tz),
    "plot_dashboard": lambda _, turns, tz, place: ha.plot_dashboard(turns, tz=tz),
    "report": lambda tasks, turns, tz, place: ha.report(tasks, turns, place, tz=tz),
}
AT_ALL_TIMES = {
    "summarize": lambda turns, tz: ha.summarize(turns, by="worker_id"),
    "overview": lambda turns, tz: ha.summarize(turns),
    "explode": lambda turns, tz: ha.explode_structured_output(turns),
    "budget_status": lambda turns, tz: ha.budget_status(turns, limit=1000, tz=tz, as_of="2026-05-20T12:00Z"),
    "plot_budget": lambda turns, tz: ha.plot_budget(turns, limit=1000, tz=tz, as_of="2026-05-20T12:00Z"),
    "plot_timeline": lambda turns, tz: ha.plot_timeline(turns, tz=tz),
    "top_tasks": lambda turns, tz: ha.top_tasks(turns),
    "durations": lambda turns, tz: ha.durations(turns),
}


def fetched(*starts: str) -> Any:
    """Return the result of one task with one turn for each start."""
    bodies = [
        encoded(
            {
                "task": task_of(f"tsk_{n}", createdAt=start, completedAt=start),
                "turns": [turn_of(f"tsk_{n}", startedAt=start, completedAt=start)],
            }
        )
        for n, start in enumerate(starts)
    ]
    return ha.parse_bodies(bodies, on_error="raise")


@pytest.mark.parametrize("tz", ZONES)
@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("question", OVER_TIME)
def test_turn_far_from_the_others_is_named_where_periods_are_asked_for(tmp_path, question, wrong, tz):
    """The error says which turn of which task it is and what to try, and no file is written."""
    result = fetched(*DAYS, f"{WRONG[wrong]}Z")
    place = tmp_path / "report.html"
    found = rf"turn 'trn_tsk_20_0' of task 'tsk_20' starts at {re.escape(WRONG[wrong])} UTC$"
    with pytest.raises(FrameError, match=rf"leave out turns of a wrong time: {found}"):
        OVER_TIME[question](result.tasks, result.turns, tz, place)
    assert not place.exists()


@pytest.mark.parametrize("freq", ["h", "D", "W", "MS", "QS", "YS"])
def test_every_freq_says_so_in_zones_whose_clocks_change(freq):
    """Thousands of changes of the clock are not worked through before."""
    turns = fetched(*DAYS, f"{WRONG['seconds for milliseconds']}Z").turns
    expected = (
        f"freq '{freq}': the turns span more than 1,000,000 hours; use a longer freq .'YS' with tz='UTC'"
    )
    with pytest.raises(FrameError, match=expected):
        ha.spend(turns, freq=freq, tz="Europe/Madrid")


def test_years_span_the_whole_calendar_where_the_clock_never_changes():
    """Ten thousand periods are an answer, and a picture."""
    turns = fetched("0003-01-01T00:00:00Z", *DAYS, "9997-12-31T23:59:59Z").turns
    years = ha.spend(turns, freq="YS")
    assert len(years) == 9995
    assert years["credits"].sum() == turns["credits"].sum()
    ha.plot_spend(turns, freq="YS").figure.canvas.draw()


def test_every_engine_names_the_turn(read, tmp_path):
    """The outermost turn is found where the data are."""
    turns = fetched(*DAYS, f"{WRONG['seconds for milliseconds']}Z").turns
    pq.write_table(from_pandas(turns, {column.name: column for column in TURNS}), tmp_path / "turns.parquet")
    with pytest.raises(FrameError, match=r"turn 'trn_tsk_20_0' of task 'tsk_20' starts at 2600-01-01T00"):
        ha.spend(read(tmp_path / "turns.parquet"), freq="D", tz="Europe/Madrid")


def test_frame_without_ids_still_tells_the_time():
    """The ids are named where the frame has them."""
    turns = fetched(*DAYS, f"{WRONG['first']}Z").turns.drop(columns=["turn_id", "task_id"])
    with pytest.raises(FrameError, match=r"wrong time: one starts at 0001-01-01T00:00:00\.000 UTC"):
        ha.spend(turns, freq="D")


@pytest.mark.slow
@pytest.mark.parametrize("tz", ZONES)
@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("question", AT_ALL_TIMES)
def test_other_questions_are_answered(question, wrong, tz):
    """A turn of any time is a row, and what is drawn can be seen."""
    answer: Any = AT_ALL_TIMES[question](fetched(*DAYS, f"{WRONG[wrong]}Z").turns, tz)
    if isinstance(answer, pd.DataFrame):
        assert len(repr(answer)) > 0
    else:
        answer.figure.canvas.draw()
        plt.close(answer.figure)


@pytest.mark.parametrize("wrong", WRONG)
def test_rows_of_any_time_survive_files_and_archives(tmp_path, wrong):
    """What was fetched comes back from Parquet as it was, and a result says of itself what it holds."""
    result = fetched(*DAYS, f"{WRONG[wrong]}Z")
    assert f"{WRONG[wrong][:4].lstrip('0')}-" in repr(result)
    ha.export_parquet(result.turns, tmp_path / "turns.parquet")
    back = ha.load_parquet(tmp_path / "turns.parquet")
    pd.testing.assert_frame_equal(back, result.turns, check_flags=False)
    some = ha.load_parquet(tmp_path / "turns.parquet", since="2026-05-05", until="2026-05-10")
    assert len(some) == 5


@pytest.mark.parametrize("wrong", WRONG)
def test_archive_keeps_turns_of_any_time(tmp_path, serve, wrong):
    """They are synced, told of, and read back by their time."""
    start = f"{WRONG[wrong]}Z"
    task = task_of("tsk_1", createdAt=start, completedAt=start)
    body = encoded({"task": task, "turns": [turn_of("tsk_1", startedAt=start, completedAt=start)]})
    archive = ha.Archive(tmp_path / "archive")
    with serve(Reply(body)).client() as client:
        archive.sync(["tsk_1"], client=client)
    assert archive.turns()["started_at"].tolist() == [pd.Timestamp(start).as_unit("ms")]
    assert len(archive.turns(until="0001-01-02")) == (wrong == "first")
    assert WRONG[wrong][5:10] in repr(archive.status())


def test_turns_close_together_in_the_far_future_are_counted_by_day():
    """Where both ends are near each other the clock is looked up for those days alone."""
    turns = fetched(*(day.replace("2026", "2600") for day in DAYS)).turns
    days = ha.spend(turns, freq="D", tz="Europe/Madrid")
    assert len(days) == 20
    assert days["period"].iloc[0].to_pydatetime().utcoffset() == dt.timedelta(hours=2)
    ha.plot_spend(turns, tz="Europe/Madrid").figure.canvas.draw()


@pytest.mark.parametrize("milliseconds", [2**62, 2**63 - 1])
def test_unfinished_turn_of_a_duration_without_end_is_drawn(milliseconds):
    """A sum that no calendar holds ends with the calendar."""
    turns = fetched(*DAYS[:2]).turns.assign(duration_ms=[milliseconds, 0])
    turns.loc[0, "completed_at"] = pd.NaT
    ha.plot_timeline(turns).figure.canvas.draw()


@pytest.mark.slow
@pytest.mark.parametrize("tz", ZONES)
@pytest.mark.parametrize("kind", ["cron", "interval", "delayed", "scheduled"])
@pytest.mark.parametrize("wrong", ["last", "seconds for milliseconds"])
def test_planned_run_of_the_far_future_is_none_of_this_period(wrong, kind, tz):
    """Nothing of it is expected, however long its interval."""
    turns = fetched(*DAYS).turns
    planned = pd.DataFrame(
        {
            "schedule_id": ["sch_1"],
            "worker_id": turns["worker_id"].iloc[:1],
            "type": [kind],
            "next_run_at": pd.Series([pd.Timestamp(f"{WRONG[wrong]}Z")]).dt.as_unit("ms"),
            "cron": ["0 6 * * *"],
            "interval_seconds": pd.array([2**62], "Int64"),
            "timezone": [tz],
        }
    )
    status = ha.budget_status(turns, limit=1000, schedules=planned, as_of="2026-05-20T12:00Z", tz=tz)
    assert status.loc["scheduled", "value"] == 0
    assert "judged by its history" not in status.loc["reason", "value"]
