"""Processes that are killed, and processes that write at the same time."""

from __future__ import annotations

import multiprocessing
import random
import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import handinger_analytics as ha
from handinger_analytics import Archive, Sandbox
from tests.archive.conftest import KNOWN, SCHEMA_1, assert_same_rows, noted

pytestmark = pytest.mark.slow

FORKSERVER = multiprocessing.get_context("forkserver")
FORKSERVER.set_forkserver_preload(["handinger_analytics.archive", "deltalake", __name__])


def sync(place: str, url: str, key: str, task_ids: list[str], batch: int) -> None:
    """Sync an archive; the body of a process that tests kill or race."""
    with ha.Client(key, base_url=url) as client:
        Archive(place).sync(task_ids, client=client, batch=batch, progress=False)


@pytest.fixture
def start():
    """Return a function that starts a process which syncs ids of a sandbox."""
    processes = []

    def run(archive: Archive, sandbox: Sandbox, task_ids: list[str], batch: int):
        arguments = (archive.uri, sandbox.url, sandbox.api_key, task_ids, batch)
        processes.append(FORKSERVER.Process(target=sync, args=arguments))
        processes[-1].start()
        return processes[-1]

    yield run
    for process in processes:
        process.kill()
        process.join()
        process.close()


def check_readable(archive: Archive) -> set[str]:
    """Assert that tasks have all of their turns and no row is there twice; return tasks with turns alone."""
    if not archive.exists():
        return set()
    state = archive.as_of(archive.status().version)
    tasks, turns = state.tasks(), state.turns()
    assert tasks["task_id"].is_unique
    assert turns["turn_id"].is_unique
    counted = turns.groupby("task_id").size().reindex(tasks["task_id"], fill_value=0)
    assert counted.tolist() == tasks["turn_count"].tolist()
    return set(turns["task_id"]) - set(tasks["task_id"])


def assert_undisturbed(archive: Archive, sandbox: Sandbox) -> None:
    """Assert that the archive is what one fetch of everything gives."""
    with sandbox.client() as client:
        fetched = ha.fetch(sandbox.task_ids, client=client, progress=False)
    assert_same_rows(archive.tasks(), fetched.tasks)
    assert_same_rows(archive.turns(), fetched.turns)
    assert archive.tasks().attrs["handinger"]["complete"]


def kill_after(process, sandbox: Sandbox, requests: int, seconds: float) -> None:
    """Kill a process with -9 once it has sent so many requests and a moment has passed."""
    goal = sandbox.stats.requests + requests
    while sandbox.stats.requests < goal and process.is_alive():
        time.sleep(0.001)
    time.sleep(seconds)
    process.kill()
    process.join()


@pytest.mark.timeout(280)
def test_killed_syncs_end_at_the_same_tables(archive, start):
    """Kill -9 at 40 random moments: every state in between is readable, and the end is as undisturbed.

    No process is done before it is killed: it sends 75 requests before the moment comes and then, because
    each takes 20 ms and there are 16 connections, at most 56 in the 50 ms of the moment; there are more
    tasks than 40 times that.
    """
    moments = random.Random(1)
    sizes = []
    everything = {"tasks": 5400, "seed": 7, "turns_per_task": 2, "generation": "A"}
    with Sandbox(**everything, latency=0.02) as sandbox:
        for _ in range(40):
            process = start(archive, sandbox, sandbox.task_ids, 40)
            kill_after(process, sandbox, moments.randrange(76), moments.uniform(0, 0.05))
            assert process.exitcode == -signal.SIGKILL
            assert check_readable(archive) == set()
            sizes.append(archive.status().tasks if archive.exists() else 0)
    with Sandbox(**everything) as sandbox:
        last = start(archive, sandbox, sandbox.task_ids, 40)
        last.join()
        assert last.exitcode == 0
        assert_undisturbed(archive, sandbox)
    assert sizes == sorted(sizes)
    assert len(set(sizes)) > 5


def test_two_processes_at_once(archive, start):
    """Two syncs of overlapping ids lose and double nothing, and no error comes of it."""
    with Sandbox(tasks=600, seed=7, turns_per_task=2) as sandbox:
        ids = sandbox.task_ids
        processes = [start(archive, sandbox, part, 20) for part in (ids[:400], ids[200:])]
        while any(process.is_alive() for process in processes):
            check_readable(archive)
        assert [process.exitcode for process in processes] == [0, 0]
        assert_undisturbed(archive, sandbox)
        assert archive.status().missing == 0


def test_processes_that_bring_new_columns_at_once(old, start):
    """Four syncs that find an archive of schema 1 lose and double nothing, and no error comes of it."""
    with Sandbox(tasks=200, seed=3, turns_per_task=2) as sandbox:
        new = [task_id for task_id in sandbox.task_ids if task_id not in old.known_ids()]
        processes = [start(old, sandbox, new[at : at + 80], 20) for at in range(0, 160, 40)]
        while any(process.is_alive() for process in processes):
            check_readable(old)
        assert [process.exitcode for process in processes] == [0] * 4
    assert noted(old) == ["2", "2", "2"]
    assert len(old.tasks()) == 8 + len(new)
    turns = old.turns()
    assert turns.loc[turns["task_id"].isin(KNOWN), "credits"].sum() == 1556


def test_killed_while_they_bring_new_columns(tmp_path, start):
    """Kill -9 at 10 random moments after the first commit: the archive is readable, and synced on."""
    moments = random.Random(1)
    with Sandbox(tasks=40, seed=3) as sandbox, sandbox.client() as client:
        for number in range(10):
            old = Archive(shutil.copytree(SCHEMA_1, tmp_path / f"{number}"))
            process = start(old, sandbox, sandbox.task_ids, 10)
            first = Path(old.uri, "ids/_delta_log/00000000000000000005.json")
            while not first.exists() and process.is_alive():
                time.sleep(0.001)
            time.sleep(moments.uniform(0, 0.03))
            process.kill()
            process.join()
            check_readable(old)
            old.sync(sandbox.task_ids, client=client)
            assert check_readable(old) == set()
            assert noted(old) == ["2", "2", "2"]
            assert len(old.tasks()) == 47


def test_compactions_at_the_same_time_keep_each_row_once(archive, tmp_path):
    """Of two that put the same files together, one is made."""
    with Sandbox(tasks=60) as sandbox, sandbox.client() as client:
        for first in range(0, 60, 20):
            archive.sync(sandbox.task_ids[first : first + 20], client=client, now=sandbox.now)
        turns = archive.turns()
        for number in range(8):
            copy = Archive(shutil.copytree(archive.uri, tmp_path / f"copy{number}"))
            with ThreadPoolExecutor(2) as pool:
                done = [pool.submit(Archive(copy.uri).compact) for _ in range(2)]
                assert sum(each.result() for each in done) > 0
            assert_same_rows(copy.turns(), turns)
