"""Processes that are killed, and processes that write at the same time."""

from __future__ import annotations

import multiprocessing
import random
import signal
import time

import pytest

import handinger_analytics as ha
from handinger_analytics import Archive, Sandbox
from tests.archive.conftest import assert_same_rows

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
