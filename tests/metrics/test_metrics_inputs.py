from __future__ import annotations

import copy
import datetime as dt
import json
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from handinger_analytics import plot_timeline
from handinger_analytics.errors import ArgumentError, FrameError
from handinger_analytics.metrics.anomalies import anomalies
from handinger_analytics.metrics.check import check
from handinger_analytics.metrics.combine import combine
from handinger_analytics.metrics.durations import durations
from handinger_analytics.metrics.explode import explode_structured_output
from handinger_analytics.metrics.spend import spend
from handinger_analytics.metrics.summarize import summarize
from handinger_analytics.metrics.tokens import tokens
from handinger_analytics.metrics.top_tasks import top_tasks
from handinger_analytics.metrics.waste import waste
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


def test_arrow_text_without_a_value():
    """A text column in which nothing stands groups as text, not as the numbers that pandas 2 makes of it."""
    table = turns_table([{"created_by_user_id": None}, {"created_by_user_id": None}])
    found = spend(table, by="created_by_user_id")
    assert found["created_by_user_id"].dtype == pd.StringDtype(na_value=np.nan)
    assert found["turns"].tolist() == [2]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()], ids=str)
def test_every_kind_of_arrow_text(kind: pa.DataType):
    """Text groups alike however Arrow keeps it, a missing value as a group of its own."""
    table = turns_table([{"credits": 4}, {"credits": 2}, {"credits": 1}])
    found = spend(table.append_column("team", pa.array(["a", None, "b"], kind)), by="team")
    expected = pd.Series(["a", None, "b"], dtype=pd.StringDtype(na_value=np.nan), name="team")
    pd.testing.assert_series_equal(found["team"], expected)
    assert found["credits"].tolist() == [4, 2, 1]


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


def test_sums_beyond_int64():
    """A sum that int64 does not hold is refused; one that it just holds is exact."""
    most = 2**63 - 1
    fits = turns_table([{"credits": most - 1}, {"credits": 1, "worker_id": "wrk_b"}, {"credits": 0}])
    duckdb = pytest.importorskip("duckdb", reason="needs the extra [duckdb]")
    polars = pytest.importorskip("polars", reason="needs the extra [polars]")
    for turns in (fits, fits.to_pandas(), duckdb.from_arrow(fits), polars.from_arrow(fits)):
        assert spend(turns)["credits"].tolist() == [most]
        assert spend(turns, by="worker_id", freq="D")["credits"].tolist() == [most - 1, 1]
    wraps = turns_table([{"credits": 2**62}] * 97)  # would come out as 2**62
    message = "sums go up to 9,223,372,036,854,775,807"
    for turns in (wraps, wraps.to_pandas(), wraps.to_pandas().astype({"credits": "Int64"})):
        with pytest.raises(FrameError, match=f"turns: column 'credits' adds up to .*; {message}"):
            spend(turns, freq="D")
    for turns in (duckdb.from_arrow(wraps), polars.from_arrow(wraps)):
        for metric in (spend, summarize, tokens, waste, top_tasks, lambda turns: spend(turns, freq="D")):
            with pytest.raises(FrameError, match=message):
                metric(turns)


def test_sums_of_sums_beyond_int64():
    """A sum over days or statuses is refused, too, where an int64 holds each of these alone."""
    days = [{"credits": 2**62, "started_at": f"2026-05-{day}T09:00Z", "status": "error"} for day in (11, 12)]
    turns = turns_table([*days, {"status": "completed", "credits": 2**62}])
    duckdb = pytest.importorskip("duckdb", reason="needs the extra [duckdb]")
    polars = pytest.importorskip("polars", reason="needs the extra [polars]")
    for frame in (turns, turns.to_pandas(), duckdb.from_arrow(turns), polars.from_arrow(turns)):
        for metric in (waste, lambda turns: spend(turns, freq="MS")):
            with pytest.raises(FrameError, match="sums go up to 9,223,372,036,854,775,807"):
                metric(frame)


ZONES = [
    "America/New_York",
    "Etc/GMT+5",
    "America/Argentina/Buenos_Aires",
    "Africa/Porto-Novo",
    dt.timezone(dt.timedelta(hours=-5)),
]


@pytest.mark.parametrize("zone", ZONES, ids=str)
def test_times_in_any_zone(zone: str | dt.tzinfo):
    """Turns answer alike in whatever zone their times are kept, and keep them so."""
    plain = turns_table([{"structured_output": '{"a": 1}'}, {"started_at": "2026-05-12T02:00Z"}]).to_pandas()
    times = {name: plain[name].dt.tz_convert(zone) for name in ("started_at", "completed_at")}
    zoned = plain.assign(**times)
    before = zoned.copy(deep=True)
    for metric in (*METRICS, explode_structured_output, lambda turns: spend(turns, freq="D")):
        pd.testing.assert_frame_equal(metric(zoned), metric(plain))
    anomalies(zoned)
    plot_timeline(zoned)
    pd.testing.assert_frame_equal(zoned, before)


def test_arrow_times_in_any_zone():
    """An Arrow table whose times are in a zone of two words answers like one in UTC."""
    table = turns_table([{"started_at": "2026-05-12T02:00Z"}])
    started = table["started_at"].cast(pa.timestamp("us", "America/New_York"))
    zoned = table.set_column(table.schema.get_field_index("started_at"), "started_at", started)
    pd.testing.assert_frame_equal(spend(zoned, freq="D"), spend(table, freq="D"))


def test_group_by_times_in_any_zone():
    """Times in a zone of two words are refused as groups like any others."""
    frame = turns_table([{}]).to_pandas()
    frame["created_at"] = frame["started_at"].dt.tz_convert("America/New_York")
    with pytest.raises(FrameError, match=r"by: 'created_at' holds times .*use freq="):
        spend(frame, by="created_at")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write turns to two Parquet files that say they are incomplete."""
    for number, credits_ in enumerate([2, 3]):
        table = turns_table([{"turn_id": f"trn_{number}", "credits": credits_}])
        metadata = {"handinger": json.dumps({"complete": False, "failed": 4})}
        pq.write_table(table.replace_schema_metadata(metadata), tmp_path / f"{number}.parquet")
    return tmp_path


def test_arrow_dataset(folder: Path):
    """A dataset of files is taken as it is, with the provenance its files carry."""
    dataset = ds.dataset(folder, format="parquet")
    assert spend(dataset, freq="D")["credits"].tolist() == [5]
    whole = dataset.to_table()
    for metric in METRICS:
        pd.testing.assert_frame_equal(metric(dataset), metric(whole))
        assert metric(dataset).attrs == {"handinger": {"complete": False, "failed": 4}}


@pytest.mark.parametrize("way", ["table", "file", "dataset"])
def test_arrow_that_pandas_made(tmp_path: Path, way: str):
    """A frame that pandas itself brought to Arrow or Parquet still says that it is incomplete."""
    frame = turns_table([{"credits": 2}]).drop_columns("files").to_pandas()
    frame.attrs["handinger"] = {"complete": False, "failed": 4}
    frame.to_parquet(tmp_path / "turns.parquet")
    made = {
        "table": lambda: pa.Table.from_pandas(frame),
        "file": lambda: pq.read_table(tmp_path / "turns.parquet"),
        "dataset": lambda: ds.dataset(tmp_path / "turns.parquet"),
    }[way]()
    for metric in METRICS:
        assert metric(made).attrs["handinger"] == {"complete": False, "failed": 4}


@pytest.mark.parametrize("metadata", [b"[1]", b'{"attributes": [1]}', b'{"attributes": {"handinger": 1}}'])
def test_arrow_with_odd_metadata(metadata: bytes):
    """What is no provenance says nothing, and stops nobody."""
    odd = turns_table([{}]).replace_schema_metadata({b"pandas": metadata, b"PANDAS_ATTRS": b"[]"})
    assert not combine(odd).schema.metadata


def test_arrow_dataset_without_a_column(folder: Path):
    """A dataset that lacks a column is refused before it is read, with the columns it has."""
    dataset = ds.dataset(folder, format="parquet")
    with pytest.raises(FrameError, match=r"turns: no column 'team'; it has .*turn_id"):
        spend(dataset, by="team")
    narrow = dataset.replace_schema(pa.schema([pa.field("credits", pa.int64())]))
    with pytest.raises(FrameError, match=r"turns: no column 'task_id', .*; it has credits$"):
        top_tasks(narrow)


def test_bins():
    """Bins of pandas.cut are refused as groups with the call that makes them text."""
    frame = turns_table([{"credits": 2}, {"credits": 20}]).to_pandas()
    frame["bin"] = pd.cut(frame["credits"], [0, 10, 100])
    with pytest.raises(FrameError, match=r"by: cannot group by 'bin'.*intervals; .*\.astype\(str\)"):
        spend(frame, by="bin")
    found = spend(frame.assign(bin=frame["bin"].astype(str)), by="bin")
    assert found["bin"].tolist() == ["(10, 100]", "(0, 10]"]


@pytest.mark.parametrize("metric", [spend, anomalies])
@pytest.mark.parametrize("freq", [["D"], {"D"}, 7, "d"], ids=str)
def test_not_a_freq(metric, freq):
    """A period that is none of the known is refused with those that are, whatever its type."""
    with pytest.raises(ArgumentError, match=r"freq: expected one of 'h' \(hour\), 'D' \(day\), .*, found"):
        metric(turns_table([{}]), freq=freq)


def test_not_a_column_name():
    """A grouping that is neither a name nor names is refused."""
    with pytest.raises(ArgumentError, match="by: expected names of columns, one or several, found 5"):
        spend(turns_table([{}]), by=5)


def test_decimals_and_unsigned_numbers_as_groups():
    """Fractions in decimals and whole numbers of 64 bits without a sign come back as they are."""
    duckdb = pytest.importorskip("duckdb", reason="needs the extra [duckdb]")
    polars = pytest.importorskip("polars", reason="needs the extra [polars]")
    prices = [Decimal("1.10"), None, Decimal("2.00")]
    table = turns_table([{"credits": 4}, {"credits": 2}, {"credits": 1}])
    table = table.append_column("price", pa.array(prices, pa.decimal128(10, 2)))
    table = table.append_column("number", pa.array([2**64 - 1, None, 7], pa.uint64()))
    table = table.append_column("full", pa.array([2**64 - 1, 8, 7], pa.uint64()))
    on_arrow = table.to_pandas(types_mapper=pd.ArrowDtype)
    for turns in (table, on_arrow, duckdb.from_arrow(table), polars.from_arrow(table)):
        assert spend(turns, by="price")["price"].tolist() == prices
        assert spend(turns, by=["price", "number"], freq="D")["price"].tolist() == prices
        numbers = pd.Series([2**64 - 1, None, 7], dtype="UInt64", name="number")
        pd.testing.assert_series_equal(spend(turns, by="number")["number"], numbers)
        full = pd.Series([2**64 - 1, 8, 7], dtype="uint64", name="full")
        pd.testing.assert_series_equal(
            durations(turns, by="full").sort_values("full", ascending=False)["full"], full, check_index=False
        )
        assert waste(turns, by="number")["number"].tolist() == [7, 2**64 - 1, pd.NA]


def test_numbers_too_large_for_a_group():
    """A group beyond 64 bits is refused as such, and objects with what can group."""
    table = turns_table([{}]).append_column("large", pa.array([Decimal(2**70)], pa.decimal128(38, 0)))
    with pytest.raises(FrameError, match="a number in 'large' is too large: groups and sums go up to 9,2"):
        spend(table, by="large")
    with pytest.raises(FrameError, match="by: cannot group by 'large' of type Object; use text or whole"):
        spend(table.to_pandas(), by="large")


@pytest.mark.parametrize(
    ("metric", "name"),
    [
        (summarize, "tasks"),
        (summarize, "error_share"),
        (waste, "wasted_credits"),
        (waste, "wasted_cost"),
        (waste, "credits_share"),
        (durations, "p50_ms"),
        (tokens, "credits_per_1k_tokens"),
        (spend, "_missing"),
        (spend, "_fetched_ms"),
    ],
)
def test_groups_with_the_name_of_a_result(metric, name):
    """They would replace it, or be replaced: refused, with what to do."""
    turns = turns_table([{}, {}]).to_pandas().assign(**{name: ["a", "b"]})
    with pytest.raises(ArgumentError, match=f"by: expected columns with other names .* found {name!r}"):
        metric(turns, by=name)
