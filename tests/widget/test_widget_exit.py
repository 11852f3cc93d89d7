"""The interpreter ends while a widget works: soon, with status 0 and without a word."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from handinger_analytics import load_parquet
from handinger_analytics.sandbox.server import Reply
from tests.scripted import task_asked_for

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
WITHIN = 20.0  # what hangs below would hold the process for a minute, or for ever
IDS = " ".join(f"tsk_{number}" for number in range(20))
BEGIN = """
import sys, threading, time
import matplotlib.backends.backend_agg
import ipywidgets as w
import handinger_analytics as ha
from tests.widget.driver import control, parts

ids, delay = sys.argv[1], float(sys.argv[2])
client = ha.Client()
lookup = ha.TaskLookup(client)
"""
END = """
time.sleep(delay)
print("leaving", flush=True)
"""
QUIET = (0, "leaving\n", "")


def ending(server, folder, code, delay=0.0):
    """Run code in another process, which ends after it; return its status and what it printed."""
    environment = {
        "HANDINGER_API_KEY": "hdg_live_exit",
        "HANDINGER_BASE_URL": server.url,
        "PYTHONPATH": str(ROOT),
    }
    with subprocess.Popen(
        [sys.executable, "-c", BEGIN + code + END, IDS, str(delay)],
        cwd=folder,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        try:
            first = child.stdout.readline()
            rest, errors = child.communicate(timeout=WITHIN)
        finally:
            child.kill()
    return child.returncode, first + rest, errors


def test_exit_at_any_moment_of_a_lookup(serve, tmp_path):
    """Twenty exits, from the click to the moment when the answer is drawn, all end with status 0."""
    code = "lookup.look_up(ids); lookup.wait(); lookup.look_up()"
    server = serve(task_asked_for)
    assert [ending(server, tmp_path, code, 0.02 * step) for step in range(20)] == [QUIET] * 20


def test_exit_while_an_older_answer_is_drawn(serve, tmp_path):
    """Drawing that no lookup started does not abort the process either."""
    code = """
lookup.look_up(ids)
lookup.wait()
lookup.look_up("tsk_other")
lookup.wait()
next(part for part in parts(lookup) if isinstance(part, w.SelectMultiple)).index = tuple(range(15))
"""
    server = serve(task_asked_for)
    assert [ending(server, tmp_path, code, 0.05 * step) for step in range(8)] == [QUIET] * 8


def test_exit_after_save_was_pressed(serve, tmp_path):
    """Both files are there, whole, when the process has ended."""
    code = "lookup.look_up(ids); lookup.wait(); control(lookup, 'Save').click()"
    assert ending(serve(task_asked_for), tmp_path, code) == QUIET
    assert len(load_parquet(tmp_path / "turns.parquet")) == 20
    assert len(load_parquet(tmp_path / "turns-tasks.parquet")) == 20


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (Reply(b"", wait=60), "lookup.look_up(ids)"),
        (Reply(b"", wait=60), "ha.TaskLookup(client, source='wrk_1')"),
        (Reply(b"", 429, {"Retry-After": "60"}), "lookup.look_up(ids)"),
        (task_asked_for, "lookup.observe(lambda _: threading.Event().wait(), 'value'); lookup.look_up(ids)"),
    ],
    ids=["lookup", "webhook log", "pause", "observer"],
)
def test_exit_is_not_kept_waiting(reply, code, serve, tmp_path):
    """A server that hangs or asks to wait, and an observer that never returns, do not hold the process."""
    assert ending(serve(reply), tmp_path, code, 0.5) == QUIET
