"""Ctrl-C, and the stop button of a notebook, which sends the same signal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from handinger_analytics import Sandbox, fetch
from handinger_analytics.sandbox import Faults

WITHIN = 2.0

CHILD = """
import json, sys, threading
import handinger_analytics as ha

ids = json.load(sys.stdin)
with ha.Client() as client:
    print("ready", flush=True)
    try:
        ha.fetch(ids, client=client, progress=False)
    except KeyboardInterrupt as stop:
        assert type(stop) is ha.FetchInterrupted
        result = stop.result
        threads = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
        print(json.dumps({
            "message": str(stop),
            "complete": result.complete,
            "requested": result.tasks.attrs["handinger"]["requested"],
            "tasks": result.tasks["task_id"].tolist(),
            "turns": result.turns["turn_id"].tolist(),
            "credits": result.turns["credits"].tolist(),
            "failures": len(result.failures),
            "threads": threads,
        }), flush=True)
"""


def interrupted(sandbox, enough):
    """Fetch in another process, stop it when enough is served; return what it says, and after how long."""
    environment = os.environ | {"HANDINGER_API_KEY": sandbox.api_key, "HANDINGER_BASE_URL": sandbox.url}
    with subprocess.Popen(
        [sys.executable, "-c", CHILD],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        child.stdin.write(json.dumps(sandbox.task_ids))
        child.stdin.close()
        assert child.stdout.readline() == "ready\n", child.stderr.read()
        deadline = time.monotonic() + 60
        while not enough():
            assert child.poll() is None, child.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.002)
        sent = time.monotonic()
        child.send_signal(signal.SIGINT)
        line = child.stdout.readline()
        seconds = time.monotonic() - sent
        assert child.wait(30) == 0, child.stderr.read()
        assert child.stderr.read() == ""
    return json.loads(line), seconds


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="SIGINT cannot be sent to one process there"),
]


def test_interrupt_keeps_what_is_there(generation):
    """After 300 of 2,000 tasks: back at once, the rows so far whole and in order, no thread left."""
    with Sandbox(tasks=2000, generation=generation, latency=0.02) as sandbox:
        told, seconds = interrupted(sandbox, lambda: sandbox.stats.served >= 300)
        assert seconds < WITHIN
        got = told["tasks"]
        assert 250 <= len(got) < 2000
        assert told["message"].startswith(f"interrupted after {len(got):,} of 2,000 tasks")
        assert (told["complete"], told["requested"], told["failures"]) == (False, 2000, 0)
        assert told["threads"] == []
        place = {task_id: number for number, task_id in enumerate(sandbox.task_ids)}
        assert [place[task_id] for task_id in got] == sorted(place[task_id] for task_id in set(got))
    with Sandbox(tasks=2000, generation=generation) as same, same.client() as client:
        turns = fetch(got, client=client).turns
    assert told["turns"] == turns["turn_id"].tolist()
    assert told["credits"] == turns["credits"].tolist()


def test_interrupt_ends_a_pause(generation):
    """While everybody waits for a rate limit of a minute to pass."""
    names = Sandbox(tasks=300).task_ids
    faults = Faults(rate=0, always={names[100]: "429-seconds"}, retry_after=60)
    with Sandbox(tasks=300, generation=generation, faults=faults) as sandbox:
        told, seconds = interrupted(sandbox, lambda: sandbox.stats.by_status.get(429, 0) > 0)
    assert seconds < WITHIN
    assert told["threads"] == []
    assert 80 <= len(told["tasks"]) < 300


def test_interrupt_does_not_wait_for_a_server_that_hangs():
    """No answer is due for half a minute; what was fetched before is there."""
    names = Sandbox(tasks=100).task_ids
    faults = Faults(rate=0, always=dict.fromkeys(names[40:], "slow-first-byte"), slow=29)
    with Sandbox(tasks=100, faults=faults) as sandbox:
        told, seconds = interrupted(sandbox, lambda: sandbox.stats.by_fault.get("slow-first-byte", 0) >= 16)
        assert seconds < WITHIN
    assert told["tasks"] == names[:40]
