"""An archive that nobody touched for a month, on a clock that is true: the log may then be cleaned up."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

import handinger_analytics as ha
from handinger_analytics import Archive, Sandbox
from tests.archive.conftest import assert_same_rows

FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(280),
    pytest.mark.filterwarnings("ignore:.*known tasks are missing:handinger_analytics.PartialDataWarning"),
    pytest.mark.skipif(FAKETIME is None, reason="needs libfaketime"),
]

MAKE = """
import datetime as dt, os, shutil, sys
import handinger_analytics as ha
for begin in range(3):  # a sync makes several versions
    archive = ha.Archive(f"{sys.argv[1]}/{begin}")
    with ha.Sandbox(tasks=40, seed=3) as sandbox, sandbox.client() as client:
        archive.sync(sandbox.task_ids[:1], client=client, progress=False, now=sandbox.now)
        for number in range(begin):
            archive.forget(f"tsk_gone{number}")
        for count in range(2, 22, 2):
            archive.sync(
                sandbox.task_ids[:count], client=client, refresh="all", progress=False, now=sandbox.now
            )
            sandbox.advance(dt.timedelta(hours=5))
            copy = f"{sys.argv[1]}/version-{archive.status().version}"
            if not os.path.exists(copy):
                shutil.copytree(archive.uri, copy)
"""
SYNC = """
import sys
import handinger_analytics as ha
with ha.Client(sys.argv[3], base_url=sys.argv[2]) as client:
    ha.Archive(sys.argv[1]).sync(sys.argv[4:], client=client, progress=False)
"""


@pytest.fixture(scope="module")
def month_old(tmp_path_factory) -> Path:
    """Make archives of many versions, last synced 31 days ago."""
    folder = tmp_path_factory.mktemp("quiet")
    clock = {"LD_PRELOAD": str(FAKETIME), "FAKETIME": "-31d", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    subprocess.run([sys.executable, "-c", MAKE, folder], env={**os.environ, **clock}, check=True)
    then = time.time() - 31 * 86_400
    for path in folder.rglob("*"):
        os.utime(path, (then, then))
    return folder


@pytest.fixture(scope="module")
def new() -> Iterator[Sandbox]:
    """Run a server that has other tasks than the archives."""
    with Sandbox(tasks=150, seed=9) as running:
        yield running


@pytest.fixture
def quiet(month_old, tmp_path, version) -> Archive:
    """Return an archive of a version; a copy keeps the times of its files."""
    return Archive(shutil.copytree(month_old / f"version-{version}", tmp_path / "archive"))


def assert_whole(archive: Archive, tasks: pd.DataFrame, turns: pd.DataFrame) -> None:
    """Assert that these rows are read, and nothing is said to be wrong with the tables."""
    assert_same_rows(archive.tasks(), tasks)
    assert_same_rows(archive.turns(), turns)
    assert archive.status().paired


def sync_new(archive: Archive, new: Sandbox, tasks: pd.DataFrame, turns: pd.DataFrame) -> None:
    """Sync the tasks of another server into an archive, and assert that all rows are there."""
    with new.client() as client:
        ids = [task_id for task_id in new.task_ids if task_id not in set(tasks["task_id"])]
        archive.sync(ids, client=client, progress=False)
        fetched = ha.fetch(ids, client=client, progress=False)
    rows = archive.tasks(), archive.turns()
    for frame, before, later in zip(rows, (tasks, turns), (fetched.tasks, fetched.turns), strict=True):
        known = frame["task_id"].isin(ids)
        assert_same_rows(frame[~known], before)
        assert_same_rows(frame[known], later)


@pytest.mark.parametrize("version", [7, 8, 9, 10, 18, 19, 20])
def test_after_a_quiet_month(quiet, new):
    """A vacuum changes no row, a sync adds its rows, and the archive is readable after each."""
    tasks, turns = quiet.tasks(), quiet.turns()
    quiet.vacuum()
    assert_whole(quiet, tasks, turns)
    quiet.vacuum(dt.timedelta(0))
    assert_whole(quiet, tasks, turns)
    sync_new(quiet, new, tasks, turns)


@pytest.mark.parametrize("version", [8, 9, 19])
def test_killed_after_a_quiet_month(quiet, new, month_old, version):
    """A sync that is killed between its commits to turns and to tasks leaves the state before it readable."""
    tasks, turns = quiet.tasks(), quiet.turns()
    logs = [Path(quiet.uri, name, "_delta_log") for name in ("turns", "tasks")]
    commits = [max(int(path.stem) for path in log.glob("*.json")) + 1 for log in logs]
    of_turns, of_tasks = (log / f"{version:020}.json" for log, version in zip(logs, commits, strict=True))
    for _ in range(20):
        shutil.rmtree(quiet.uri)
        shutil.copytree(month_old / f"version-{version}", quiet.uri)
        command = [sys.executable, "-c", SYNC, quiet.uri, new.url, new.api_key, *new.task_ids]
        with subprocess.Popen(command) as process:
            while not of_turns.exists() and process.poll() is None:
                pass
            process.kill()
        if not of_tasks.exists():  # otherwise the kill came too late
            break
    assert of_turns.exists()
    assert not of_tasks.exists()
    assert_whole(quiet, tasks, turns)
    quiet.vacuum()
    assert_whole(quiet, tasks, turns)
    sync_new(quiet, new, tasks, turns)
