"""Signals that end commands: what came is kept, and the code tells which signal it was."""

import signal
import subprocess
import sys
import time
from threading import Thread

import pytest

import handinger_analytics as ha
from handinger_analytics.sandbox import Faults, Sandbox
from tests.commands import names_in, run, start

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="signals cannot be sent to one process there"),
]

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129} if sys.platform != "win32" else {}
ENDING = pytest.mark.parametrize(("number", "code"), CODES.items(), ids=lambda value: str(value))
TABLES = ["tasks.parquet", "turns.parquet"]
PIPES = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}


@pytest.fixture
def slow():
    """Run a sandbox that takes its time, and hangs after 100 tasks."""
    names = Sandbox(tasks=400).task_ids
    hanging = Faults(rate=0, always=dict.fromkeys(names[100:], "slow-first-byte"), slow=29)
    with Sandbox(tasks=400, faults=hanging) as running:
        yield running


def environment_of(sandbox):
    """Variables that point a command at a sandbox."""
    return {"HANDINGER_BASE_URL": sandbox.url, "HANDINGER_API_KEY": sandbox.api_key}


def wait_until(condition, process):
    """Wait for something to happen while a process runs."""
    deadline = time.monotonic() + 60
    while not condition():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)


def ended(process, *numbers, when):
    """Send signals to a process when something has happened; return its code and what it said."""
    with process:
        wait_until(when, process)
        for number in numbers:
            process.send_signal(number)
        _, said = process.communicate(timeout=60)
    return process.returncode, said


@ENDING
def test_fetch_keeps_what_came(slow, tmp_path, number, code):
    """The rows so far are in the folder, marked incomplete, though the server hangs; no traceback."""
    process = start(
        "fetch", *slow.task_ids, "--out", "o", environment=environment_of(slow), cwd=tmp_path, **PIPES
    )
    found, said = ended(process, number, when=lambda: slow.stats.served >= 100)
    assert found == code, said
    assert said.splitlines()[-1] == "interrupted"
    assert "Traceback" not in said
    assert names_in(tmp_path) == [f"o/{name}" for name in TABLES]
    turns = ha.load_parquet(tmp_path / "o/turns.parquet")
    assert turns["task_id"].nunique() >= 90
    assert turns.attrs["handinger"]["complete"] is False


def test_fetch_keeps_what_is_there(slow, tmp_path):
    """Where more is there already, what came goes beside it."""
    with Sandbox(tasks=400) as quick:
        done = run("fetch", *quick.task_ids, "--out", tmp_path / "o", environment=environment_of(quick))
    assert done.exit_code == 0, done.stderr
    before = [(tmp_path / "o" / name).read_bytes() for name in TABLES]
    process = start(
        "fetch", *slow.task_ids, "--out", "o", environment=environment_of(slow), cwd=tmp_path, **PIPES
    )
    found, said = ended(process, signal.SIGTERM, when=lambda: slow.stats.served >= 100)
    assert found == 143
    assert "of its 400 tasks not fetched, so its files stay" in said
    assert [(tmp_path / "o" / name).read_bytes() for name in TABLES] == before
    assert 90 <= len(ha.load_parquet(tmp_path / "o/partial/tasks.parquet")) < 400


def test_nothing_came(slow, tmp_path):
    """Before the first task came there is nothing to keep, and no folder."""
    hanging = slow.task_ids[100:]
    process = start("fetch", *hanging, "--out", "o", environment=environment_of(slow), cwd=tmp_path, **PIPES)
    found, _ = ended(process, signal.SIGTERM, when=lambda: slow.stats.by_fault.get("slow-first-byte", 0) > 0)
    assert found == 143
    assert list(tmp_path.iterdir()) == []


def test_impatience_costs_nothing(slow, tmp_path):
    """Further signals, while rows are written too, do not keep them from being written; the first counts."""
    process = start(
        "fetch", *slow.task_ids, "--out", "o", environment=environment_of(slow), cwd=tmp_path, **PIPES
    )
    numbers = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]
    with process:
        wait_until(lambda: slow.stats.served >= 100, process)
        while process.poll() is None:
            process.send_signal(numbers[0])
            numbers.append(numbers.pop(0))
            time.sleep(0.02)
        said = process.stderr.read()
    assert names_in(tmp_path) == [f"o/{name}" for name in TABLES], said
    assert len(ha.load_parquet(tmp_path / "o/tasks.parquet")) >= 90


def test_nohup_stays(slow, tmp_path):
    """A signal that was ignored when the command began is ignored to its end."""
    ids = slow.task_ids[:100]
    process = start(
        *("fetch", *ids, "--out", "o"),
        environment=environment_of(slow),
        cwd=tmp_path,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
        **PIPES,
    )
    found, said = ended(process, signal.SIGHUP, when=lambda: slow.stats.served >= 10)
    assert found == 0, said
    assert len(ha.load_parquet(tmp_path / "o/tasks.parquet")) == 100


@ENDING
def test_sync_keeps_what_came(slow, tmp_path, number, code):
    """The archive has the tasks of the batch under way, and one line says how many."""
    process = start("sync", "a", *slow.task_ids, environment=environment_of(slow), cwd=tmp_path, **PIPES)
    found, said = ended(process, number, when=lambda: slow.stats.served >= 100)
    assert found == code, said
    assert "Traceback" not in said
    assert len(said.strip().splitlines()) == 1
    assert len(ha.Archive(tmp_path / "a").tasks()) >= 90


@pytest.mark.parametrize("seconds", [0.02, 0.05, 0.1, 0.2])
def test_signal_while_a_batch_is_recorded(slow, tmp_path, seconds):
    """The batch that was fetched is in the archive all the same."""
    words = ["sync", "a", *slow.task_ids, "--batch", "100"]
    process = start(*words, environment=environment_of(slow), cwd=tmp_path, **PIPES)
    with process:
        wait_until(lambda: slow.stats.served >= 100, process)
        time.sleep(seconds)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 143, said
    assert len(said.strip().splitlines()) == 1
    assert len(ha.Archive(tmp_path / "a").tasks()) >= 90


@pytest.mark.timeout(150)
def test_sync_records_as_time_passes(tmp_path):
    """Against a slow server a batch ends by time; a signal while the rate limit pauses records the rest."""
    with Sandbox(tasks=400, rate_limit=4) as sandbox:
        environment = environment_of(sandbox)
        process = start("sync", "a", *sandbox.task_ids, environment=environment, cwd=tmp_path, **PIPES)
        archive = ha.Archive(tmp_path / "a")
        wait_until(lambda: archive.exists() and archive.status().tasks > 0, process)
        before, answered = archive.status().tasks, sandbox.stats.served
        found, said = ended(process, signal.SIGTERM, when=lambda: sandbox.stats.served > answered + 20)
    assert found == 143, said
    assert before < 400
    assert len(archive.tasks()) >= before + 20


@ENDING
def test_sandbox_ends(tmp_path, number, code):
    """It closes; Ctrl-C is how it is meant to end, with code 0."""
    process = start("sandbox", "--tasks", "3", environment={}, cwd=tmp_path, **PIPES)
    with process:
        assert process.stdout.readline().startswith("export")
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    assert process.returncode == (0 if number == signal.SIGINT else code)
    assert said == ""


def test_handlers_are_those_of_before(tmp_path):
    """A command that runs in somebody's process leaves its handlers as they were."""
    numbers = list(CODES)
    handlers = [signal.signal(number, handler) for number, handler in zip(numbers, [ignore] * 3, strict=True)]
    try:
        assert run("demo", "--tasks", 3, "--out", tmp_path / "o").exit_code == 0
        assert [signal.getsignal(number) for number in numbers] == [ignore] * 3
    finally:
        for number, handler in zip(numbers, handlers, strict=True):
            signal.signal(number, handler)


def test_a_command_in_another_thread(tmp_path):
    """Only the main thread may handle signals; in others a command does its work without."""
    ended = []
    thread = Thread(target=lambda: ended.append(run("demo", "--tasks", 3, "--out", tmp_path / "o")))
    thread.start()
    thread.join(60)
    assert [done.exit_code for done in ended] == [0]


def ignore(number, frame):
    """Do nothing about a signal."""
