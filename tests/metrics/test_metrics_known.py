"""What metrics know of rows that lost their attrs on the way, or came through another engine.

Ten credits an hour, fetched on 12 June at noon and asked about on the 24th: 7,190 are expected by the end of
the month. Who takes the twelve days without turns for idle ones finds 3,979, and a limit of 7,000 unharmed.
"""

from __future__ import annotations

import datetime as dt
import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

import handinger_analytics as ha
from tests.metrics.turns_by_hand import turns_table

HOUR = dt.timedelta(hours=1)
FETCHED_AT = dt.datetime(2026, 6, 12, 12, tzinfo=dt.UTC)
ASKED = "2026-06-24T12:00Z"
PROVENANCE = {"complete": True, "fetched_at": FETCHED_AT.isoformat(timespec="milliseconds")}
DATED = pytest.mark.parametrize("dated", [True, False], ids=["fetched_at", "schema 1"])


@functools.cache
def _hourly() -> pa.Table:
    starts = [FETCHED_AT - n * HOUR for n in range(1200, 0, -1)]
    return turns_table([{"started_at": start, "credits": 10} for start in starts])


def hourly(*, dated: bool) -> pd.DataFrame:
    """Return 1,200 turns of ten credits an hour, the first 200 of an earlier fetch; all are here."""
    turns = _hourly().to_pandas().drop(columns=["fetched_at", "extra"], errors="ignore")
    if dated:
        fetched_at = [FETCHED_AT - 1000 * HOUR] * 200 + [FETCHED_AT] * 1000
        turns["fetched_at"] = pd.Series(fetched_at).astype("datetime64[ms, UTC]")
    turns.attrs["handinger"] = dict(PROVENANCE)
    return turns


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    """Write the turns to Parquet as any program would, by whether they are dated."""
    folder = tmp_path_factory.mktemp("known")
    for dated in (True, False):
        table = pa.Table.from_pandas(hourly(dated=dated)).replace_schema_metadata()
        pq.write_table(table, folder / f"{dated}.parquet")
    return {dated: folder / f"{dated}.parquet" for dated in (True, False)}


def concatenated(turns: pd.DataFrame, _: Path) -> pd.DataFrame:
    """Split turns by fetch, say of each part when it was fetched, and put the later one first."""
    earlier, later = turns.head(200), turns.tail(1000)
    earlier.attrs["handinger"] = PROVENANCE | {"fetched_at": str(FETCHED_AT - 1000 * HOUR)}
    return pd.concat([later, earlier])


def through_csv(turns: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """Write turns to CSV and read them with the times that are there."""
    turns.to_csv(folder / "turns.csv", index=False)
    read = pd.read_csv(folder / "turns.csv")
    times = [name for name in ("started_at", "fetched_at") if name in read]
    return read.assign(**{name: pd.to_datetime(read[name], utc=True) for name in times})


def pickled(turns: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """Write turns as a pickle and read them."""
    turns.to_pickle(folder / "turns.pickle")
    read: pd.DataFrame = pd.read_pickle(folder / "turns.pickle")  # noqa: S301 - written a line before
    return read


PANDAS: dict[str, Callable[[pd.DataFrame, Path], pd.DataFrame]] = {
    "merge": lambda turns, _: turns.merge(pd.DataFrame({"worker_id": ["wrk_a"], "team": ["x"]})),
    "concat": concatenated,
    "groupby first": lambda turns, _: turns.groupby("turn_id", as_index=False).first(),
    "drop attrs": lambda turns, _: pd.DataFrame({name: turns[name].array for name in turns}),
    "CSV": through_csv,
    "pickle": pickled,
}
"""What users do to a frame."""


def require_the_verdict_of_the_fetch(turns: Any, until: str) -> None:
    """Assert that the budget is judged as of the fetch, and that its words say until when turns are known."""
    status = ha.budget_status(turns, limit=7000, as_of=ASKED)["value"]
    assert status["verdict"] == "will cross"
    assert status["projected"] == pytest.approx(7200, abs=10)
    assert status["crosses_on"] == pd.Timestamp("2026-06-30", tz="UTC")
    assert until in status["reason"]


def until(dated: bool) -> str:
    """Return what the words say of frames without attrs."""
    if dated:
        return "not known whether all tasks are here; turns are known until 2026-06-12 12:00; nothing later"
    return (
        "not known whether all tasks are here; the turns do not say when they were fetched, and the silence "
        "since the last start is longer than is usual: they are taken to be known until that start, "
        "2026-06-12 11:00; nothing later is counted"
    )


@DATED
@pytest.mark.parametrize("change", PANDAS)
def test_a_changed_pandas_frame_has_the_verdict_of_the_fetch(change, dated, tmp_path):
    """Days after the fetch are unknown, not idle, whatever became of the attrs."""
    turns = PANDAS[change](hourly(dated=dated), tmp_path)
    kept = bool(turns.attrs)
    require_the_verdict_of_the_fetch(
        turns, "turns are known until 2026-06-12 12:00" if kept else until(dated)
    )


@DATED
def test_any_engine_has_the_verdict_of_the_fetch(dated, read, paths):
    """Other engines never see the attrs; Parquet has the column, or the starts tell."""
    require_the_verdict_of_the_fetch(read(paths[dated]), until(dated))


@DATED
def test_a_dataset_of_others_has_the_verdict_of_the_fetch(dated, paths):
    """Its files have no metadata of ours."""
    require_the_verdict_of_the_fetch(ds.dataset(paths[dated]), until(dated))


@DATED
def test_arrow_says_what_our_files_say(dated, tmp_path):
    """A table or dataset of a file written by `export_parquet` is judged as the frame is, word by word."""
    ha.export_parquet(hourly(dated=dated), tmp_path / "turns.parquet")
    fetched = ha.budget_status(hourly(dated=dated), limit=7000, as_of=ASKED)
    for turns in (pq.read_table(tmp_path / "turns.parquet"), ds.dataset(tmp_path / "turns.parquet")):
        pd.testing.assert_frame_equal(ha.budget_status(turns, limit=7000, as_of=ASKED), fetched)


def starts(*spans: tuple[str, str, str]) -> pa.Table:
    """Return turns that do not say when they were fetched, each at these times."""
    instants = [when for first, last, freq in spans for when in pd.date_range(first, last, freq=freq)]
    table = turns_table([{"started_at": when.to_pydatetime()} for when in instants])
    return table.drop_columns([name for name in ("fetched_at",) if name in table.column_names])


HOURLY = ("2026-05-04T00:00Z", "2026-06-11T12:00Z", "h")
DAILY = ("2026-05-04T08:00Z", "2026-06-11T08:00Z", "D")
OFFICE = ("2026-05-04T15:00Z", "2026-06-12T15:00Z", "B")
ONCE_IDLE = [("2026-04-01T08:00Z", "2026-04-30T08:00Z", "D"), ("2026-05-20T08:00Z", "2026-06-11T08:00Z", "D")]
TWICE_IDLE = [(f"{start}T08:00Z",) * 2 + ("D",) for start in ("2026-05-10", "2026-05-25", "2026-06-10")]
LONG_AGO_IDLE = [("2025-11-01T08:00Z", "2025-11-09T08:00Z", "D"), ("2026-01-01T08:00Z", DAILY[1], "D")]


@pytest.mark.parametrize(
    ("spans", "asked", "known"),
    [
        pytest.param([HOURLY], "2026-06-11T18:00Z", True, id="hourly, six hours"),
        pytest.param([HOURLY], "2026-06-11T18:01Z", False, id="hourly, longer"),
        pytest.param([DAILY], "2026-06-11T15:00Z", True, id="daily, seven hours"),
        pytest.param([DAILY], "2026-06-13T08:00Z", True, id="daily, one run missed"),
        pytest.param([DAILY], "2026-06-13T08:01Z", False, id="daily, longer"),
        pytest.param([OFFICE], "2026-06-15T16:00Z", True, id="weekdays, Monday"),
        pytest.param([OFFICE], "2026-06-16T15:01Z", False, id="weekdays, Tuesday"),
        pytest.param(ONCE_IDLE, "2026-06-30T12:00Z", False, id="idle for weeks, or a hole in the data"),
        pytest.param(TWICE_IDLE, "2026-06-21T12:00Z", True, id="idle for weeks twice"),
        pytest.param(LONG_AGO_IDLE, "2026-06-14T08:00Z", False, id="idle half a year before"),
        pytest.param([DAILY], "2026-05-20T07:00Z", True, id="looking back"),
        pytest.param(
            [("2026-06-11T08:00Z", "2026-06-11T08:00Z", "D")], "2026-06-11T13:00Z", True, id="one turn"
        ),
        pytest.param(
            [("2026-06-11T08:00Z", "2026-06-11T08:00Z", "D")], "2026-06-11T15:00Z", False, id="one, before"
        ),
    ],
)
def test_which_silence_is_usual(spans, asked, known):
    """One that is as long as the longest before and a delay; what is longer than that is not known."""
    status = ha.budget_status(starts(*spans), limit=1000, as_of=asked)["value"]
    last = pd.Timestamp(spans[-1][1])
    assert status["as_of"] == (pd.Timestamp(asked) if known else last)
    assert (f"known until that start, {last:%Y-%m-%d %H:%M};" in status["reason"]) != known


def test_turns_after_the_fetch_are_counted():
    """Rows that are there were seen, whatever an older fetch among the parts says."""
    turns = hourly(dated=False)
    turns.attrs["handinger"] = PROVENANCE | {"fetched_at": "2026-05-30T12:00:00Z"}
    require_the_verdict_of_the_fetch(turns, "turns are known until 2026-06-12 11:00")


QUESTIONS: dict[str, Callable[[Any], pd.DataFrame]] = {
    "summarize": ha.summarize,
    "summarize by": lambda turns: ha.summarize(turns, by="worker_id"),
    "spend": ha.spend,
    "spend by and freq": lambda turns: ha.spend(turns, by="worker_id", freq="D"),
    "top_tasks": ha.top_tasks,
    "durations": ha.durations,
    "tokens": ha.tokens,
    "waste": ha.waste,
    "anomalies": ha.anomalies,
    "budget_status": lambda turns: ha.budget_status(turns, limit=7000, as_of=ASKED),
}


LAST = {"handinger": {"fetched_at": PROVENANCE["fetched_at"]}}


@pytest.mark.parametrize("question", QUESTIONS)
def test_answers_say_when_the_last_row_was_fetched(question, paths):
    """The column tells it, but not whether all tasks are here; without it nothing is known."""
    assert QUESTIONS[question](pq.read_table(paths[True])).attrs == LAST
    assert QUESTIONS[question](pq.read_table(paths[False])).attrs == {}


def test_any_engine_says_when_the_last_row_was_fetched(read, paths):
    """Alone and in groups, of which the first are of an earlier fetch."""
    for options in ({}, {"by": "worker_id"}, {"freq": "D"}):
        assert ha.spend(read(paths[True]), **options).attrs == LAST


@pytest.mark.parametrize(
    "column",
    [
        pytest.param(pa.nulls(1200, pa.timestamp("ms", "UTC")), id="nowhere"),
        pytest.param(pa.nulls(1200, pa.timestamp("ms")), id="without a zone"),
        pytest.param(pa.array(["yesterday"] * 1200), id="text"),
        pytest.param(pa.array([-1] * 1200, pa.timestamp("ms", "UTC")), id="before computers"),
        pytest.param(pa.array([2**60] * 1200, pa.timestamp("ms", "UTC")), id="after the calendar"),
    ],
)
def test_a_column_that_does_not_say_when(column):
    """It is as if it were not there."""
    table = pa.Table.from_pandas(hourly(dated=False)).replace_schema_metadata()
    table = table.append_column("fetched_at", column)
    assert ha.spend(table).attrs == {}
    require_the_verdict_of_the_fetch(table, until(dated=False))


@pytest.mark.parametrize(
    ("june", "known"),
    [
        pytest.param(
            {"requested": 5, "failed": 2, "complete": False, "fetched_at": "2026-06-12T12:00:00.000+00:00"},
            {"requested": 8, "failed": 2, "complete": False, "fetched_at": "2026-06-12T12:00:00.000+00:00"},
            id="incomplete",
        ),
        pytest.param(
            None, {"requested": 3, "failed": 0, "fetched_at": "2026-05-31T12:00:00.000+00:00"}, id="silent"
        ),
    ],
)
def test_a_dataset_of_several_fetches_says_what_all_its_files_say(june, known, tmp_path):
    """The first file, of a complete fetch of an earlier month, does not speak for the second."""
    may = {"requested": 3, "failed": 0, "complete": True, "fetched_at": "2026-05-31T12:00:00.000+00:00"}
    for name, said in (("may", may), ("june", june)):
        metadata = said and {"handinger": json.dumps(said)}
        pq.write_table(turns_table([{}]).replace_schema_metadata(metadata), tmp_path / f"{name}.parquet")
    dataset = ds.dataset([tmp_path / "may.parquet", tmp_path / "june.parquet"])
    found = ha.spend(dataset).attrs["handinger"]
    assert {name: value for name, value in found.items() if name != "schema"} == known


@pytest.mark.parametrize("tz", ["America/Havana", "Asia/Kathmandu"])
def test_turns_of_the_first_day_of_the_calendar_are_judged(tz):
    """A clock that was wrong by two thousand years makes nothing known, and no error."""
    table = starts(("2026-06-01T08:00Z", "2026-06-01T08:00Z", "D"))
    first = pa.array([dt.datetime(1, 1, 1, tzinfo=dt.UTC)], pa.timestamp("ms", "UTC"))
    table = table.set_column(table.schema.get_field_index("started_at"), "started_at", first)
    assert ha.budget_status(table, limit=1, tz=tz, as_of=ASKED)["value"]["verdict"] == "not known"
