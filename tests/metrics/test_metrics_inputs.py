from __future__ import annotations

import copy

import pandas as pd
import pyarrow as pa
import pytest

from handinger_analytics.errors import FrameError
from handinger_analytics.metrics import check, durations, spend, summarize, tokens, top_tasks, waste
from tests.metrics.turns_by_hand import tasks_table, turns_table

METRICS = [summarize, spend, durations, tokens, top_tasks, waste]


@pytest.mark.parametrize("metric", METRICS)
def test_input_untouched(metric):
    """A metric leaves the frame it was given as it was, values and attrs."""
    frame = turns_table([{"credits": 2}, {"credits": 1, "worker_id": "wrk_b"}]).to_pandas()
    frame.attrs["handinger"] = {"complete": True, "failed": 0}
    before, attrs = frame.copy(deep=True), copy.deepcopy(frame.attrs)
    result = metric(frame)
    result.attrs["handinger"]["failed"] = 99
    pd.testing.assert_frame_equal(frame, before)
    assert frame.attrs == attrs


@pytest.mark.parametrize("metric", METRICS)
def test_incomplete_input_stays_incomplete(metric):
    """The provenance of the input travels into the result, and above all that it lacks something."""
    frame = turns_table([{}]).to_pandas()
    provenance = {"schema": 1, "requested": 5, "failed": 2, "complete": False, "fetched_at": "2026-05-11"}
    frame.attrs["handinger"] = provenance
    assert metric(frame).attrs == {"handinger": provenance}


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    "thing", [[{"credits": 1}], None, "turns.parquet", pd.Series([1])], ids=["list", "None", "path", "Series"]
)
def test_not_a_frame(metric, thing):
    """What is not a frame is refused, with the kinds that do."""
    with pytest.raises(FrameError, match=f"turns: expected a DataFrame .*found {type(thing).__name__}"):
        metric(thing)


@pytest.mark.parametrize("dtype", ["Int64", "int64[pyarrow]"])
def test_missing_credits(dtype: str):
    """Credits that are missing are refused with their number: the sum would be too small."""
    frame = turns_table([{}, {}, {}]).to_pandas().astype({"credits": dtype})
    frame.loc[[0, 2], "credits"] = pd.NA
    for metric in METRICS[1:2] + METRICS[3:]:
        with pytest.raises(FrameError, match="missing values: credits in 2 row"):
            metric(frame)


def test_missing_start():
    """A turn without a start belongs to no period and is refused."""
    frame = turns_table([{}, {}]).to_pandas()
    frame.loc[1, "started_at"] = pd.NaT
    with pytest.raises(FrameError, match="missing values: started_at in 1 row"):
        spend(frame, freq="D")


def test_missing_credits_in_arrow():
    """An Arrow table with a gap is refused for the gap, not for becoming floats."""
    table = turns_table([{}, {}])
    gap = pa.array([1, None], pa.int64())
    table = table.set_column(table.schema.get_field_index("credits"), "credits", gap)
    with pytest.raises(FrameError, match="missing values: credits in 1 row"):
        spend(table)


def test_fractions_of_credits():
    """Credits in floats are refused rather than rounded."""
    frame = turns_table([{}]).to_pandas().astype({"credits": "float64"})
    with pytest.raises(FrameError, match=r"'credits' must hold whole numbers \(int64\), found Float64"):
        spend(frame)


def test_times_as_text():
    """Times that were left as text are refused with the call that turns them into times."""
    frame = turns_table([{}]).to_pandas().astype({"started_at": str})
    with pytest.raises(
        FrameError, match=r"'started_at' must hold times.*found String; in pandas: pd.to_datetime"
    ):
        summarize(frame)


def test_plain_columns_suffice():
    """Text columns need not be categorical and other columns need not be there."""
    names = ["task_id", "status", "started_at", "credits", "input_tokens", "output_tokens", "duration_ms"]
    table = turns_table([{"status": "error"}, {"status": "paused"}])
    frame = table.select(names).to_pandas().astype({"status": object})
    pd.testing.assert_frame_equal(summarize(frame), summarize(table))
    assert waste(frame)["wasted_turns"].tolist() == [1]


def test_big_numbers_stay_exact():
    """Sums beyond what a float holds are exact to the last digit."""
    big = 2**53
    frame = turns_table([{"credits": big}, {"credits": 1}]).to_pandas()
    assert spend(frame, by="worker_id", freq="D")["credits"].tolist() == [big + 1]
    tasks = tasks_table([{"credits": big, "turn_count": 2}])
    assert check(tasks, frame)["credits_difference"].tolist() == [1]
