"""What the archive tests share: an archive in a fresh folder, and ways to fill and compare it."""

from __future__ import annotations

import datetime as dt
import functools
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from deltalake import DeltaTable

import handinger_analytics as ha
from handinger_analytics import Archive, Sandbox
from handinger_analytics.archive.merging import Merged
from handinger_analytics.archive.recording import record_rows, remember
from handinger_analytics.archive.storage import Storage
from handinger_analytics.fetching.result import fetched_of
from handinger_analytics.tables.build import Rows

NOON = dt.datetime(2026, 6, 1, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
TABLES = ("ids", "turns", "tasks")
SCHEMA_1 = Path(__file__).parents[1] / "schema1" / "archive"
KNOWN = [
    "semi;colon,comma:at@plus+",
    "tsk_DOgth3V7E-FFsw",
    "tsk_Dp-G4yEm5UbJlw",
    "tsk_FA_sqYa28choUA",
    "tsk_KzLOPqEeYBlDFA",
    "tsk__33qB1xfQPUiEw",
    "tsk_gone",
    "tsk_miS4LlkUwYkMbw",
    "tsk_rNtK7ceVBeTjaA",
]


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """Run one sandbox: an archive sees rows, which are the same in both generations of the API."""
    with Sandbox(tasks=120, seed=7) as running:
        yield running


@pytest.fixture
def archive(tmp_path) -> Archive:
    """Name an archive that is not there yet."""
    return Archive(tmp_path / "archive")


@pytest.fixture
def old(tmp_path) -> Archive:
    """Return an archive that was made when the columns were those of schema 1: 8 tasks, 10 turns."""
    return Archive(shutil.copytree(SCHEMA_1, tmp_path / "old"))


def noted(archive: Archive) -> list[str]:
    """Versions of the columns that the tables note."""
    return [
        DeltaTable(f"{archive.uri}/{name}").metadata().configuration["handinger.schema"] for name in TABLES
    ]


def record_bodies(archive: Archive, *bodies: bytes, at: dt.datetime = NOON) -> Merged:
    """Record bodies as a sync would that fetched them at a given time."""
    fetched = fetched_of(ha.parse_bodies(bodies, on_error="raise"))
    return record_built(archive, fetched.rows, fetched.task_ids, at=at)


def record_built(archive: Archive, rows: Rows, task_ids: Iterable[str], *, at: dt.datetime = NOON) -> Merged:
    """Record rows of tasks as a sync would that fetched them at a given time."""
    storage = Storage.at(archive.uri)
    storage.create()
    ids_version = remember(storage, task_ids)
    return record_rows(storage, rows, ids_version, at, dt.datetime.now(dt.UTC))


@pytest.fixture
def record(archive):
    """Return a function that records bodies in the archive."""
    return functools.partial(record_bodies, archive)


def in_order(frame: pd.DataFrame) -> pd.DataFrame:
    """Sort rows by their id, so that frames in different order compare."""
    key = "turn_id" if "turn_id" in frame else "task_id"
    return frame.sort_values(key).reset_index(drop=True)


def assert_same_rows(left: pd.DataFrame, right: pd.DataFrame) -> None:
    """Columns, dtypes and values are equal, whatever the order of the rows, the attrs and ``fetched_at``."""
    left, right = in_order(left), in_order(right)
    left.attrs = right.attrs = {}
    assert left["fetched_at"].notna().equals(right["fetched_at"].notna())
    right["fetched_at"] = left["fetched_at"].astype(right["fetched_at"].dtype)
    pd.testing.assert_frame_equal(left, right)
