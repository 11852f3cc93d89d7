"""The commands that keep an archive: what they print, and how they end."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from click.testing import CliRunner

import handinger_analytics as ha
from handinger_analytics import Archive, Sandbox
from handinger_analytics.cli import main
from handinger_analytics.sandbox import Faults
from tests.archive.conftest import NOON
from tests.scripted import LogServer, Reply, delivery


@pytest.fixture(scope="module")
def sandbox():
    """Run a well-behaved sandbox; which generation it speaks is no matter of these commands."""
    with Sandbox(tasks=120, seed=7, generation="B") as running:
        yield running


@pytest.fixture
def run(sandbox, monkeypatch):
    """Return a function that runs a command against the sandbox."""
    monkeypatch.setenv("HANDINGER_API_KEY", sandbox.api_key)
    monkeypatch.setenv("HANDINGER_BASE_URL", sandbox.url)

    def invoke(*arguments: str, stdin: str | None = None):
        return CliRunner().invoke(main, arguments, input=stdin, catch_exceptions=False)

    return invoke


def test_sync_is_quiet_when_all_is_well(run, sandbox, archive):
    """No output and exit code 0; without ids the known ones are continued."""
    result = run("sync", archive.uri, *sandbox.task_ids[:5])
    assert (result.output, result.exit_code) == ("", 0)
    result = run("sync", archive.uri, "--all", "-v")
    assert result.exit_code == 0
    assert "tasks     5 fetched, 0 skipped" in result.output
    assert "not fetched none" in result.output
    assert len(archive.tasks()) == 5


def test_ids_from_standard_input(run, sandbox, archive):
    """Ids and links can be piped in, one a line."""
    lines = f"{sandbox.task_ids[0]}\n\n https://v3.handinger.com/worker/w/task/{sandbox.task_ids[1]} \n"
    assert run("sync", archive.uri, "--ids-from", "-", stdin=lines).exit_code == 0
    assert set(archive.tasks()["task_id"]) == set(sandbox.task_ids[:2])


def test_a_file_without_ids(run, sandbox, archive):
    """It is an error, since what was to write it may have failed, and nothing is done."""
    for words in (["--all"], ["-v"], []):
        result = run("sync", archive.uri, "--ids-from", "-", *words, stdin="\n \n")
        assert result.exit_code == 2
        assert "expected ids or dashboard links, found none in '-'" in result.output
        assert "--allow-empty" in result.output
    assert not archive.exists()


@pytest.mark.parametrize("order", [1, -1])
def test_a_file_without_ids_that_is_let_pass(run, sandbox, archive, order):
    """It asks for nothing, not for everything."""
    run("sync", archive.uri, sandbox.task_ids[0])
    words = [["--ids-from", "-"], ["--allow-empty"]][::order]
    result = run("sync", archive.uri, *words[0], *words[1], "--all", "-v", stdin="\n \n")
    assert result.exit_code == 0
    assert "tasks     0 fetched, 0 skipped" in result.output


def test_ids_of_workers(run, sandbox, archive, client):
    """Several workers can be named."""
    first, second = sandbox.worker_ids[:2]
    assert run("sync", archive.uri, "--worker", first, "--worker", second).exit_code == 0
    assert set(archive.tasks()["task_id"]) == set(ha.discover_task_ids([first, second], client=client))


def test_workers_are_not_all_that_is_synced(run, sandbox, archive):
    """A task that is unfinished, but no longer in the log, is looked after, too."""
    run("sync", archive.uri, *sandbox.task_ids)
    assert archive.status().unfinished > 0
    result = run("sync", archive.uri, "--worker", sandbox.worker_ids[0], "--settle", "36500", "-v")
    assert "120 fetched, 0 skipped" in result.output


@pytest.mark.parametrize("days", ["nan", "inf", "1e300", "-1", "week"])
def test_spans_that_are_none(run, archive, days):
    """Wrong usage has exit code 2."""
    for option in ("--settle", "--max-age"):
        assert run("sync", archive.uri, "tsk_1", option, days).exit_code == 2
    assert run("vacuum", archive.uri, "--older-than", days).exit_code == 2


def test_max_age_and_batch(run, sandbox, archive):
    """Tasks that were last fetched longer ago than ``--max-age`` are fetched again, so many at a time."""
    run("sync", archive.uri, *sandbox.task_ids[:5], "--settle", "0")
    before = archive.status().version
    again = ["sync", archive.uri, "--settle", "0", "-v"]
    assert "0 fetched, 5 skipped" in run(*again, "--max-age", "1").output
    assert "5 fetched, 0 skipped" in run(*again, "--max-age", "0", "--batch", "1").output
    assert archive.status().version >= before + 5


def test_vacuum(run, sandbox, archive):
    """What was replaced is deleted, without a word."""
    run("sync", archive.uri, *sandbox.task_ids[:5])
    archive.sync(sandbox.task_ids[5:10], client=sandbox.client())
    archive.compact()
    result = run("vacuum", archive.uri, "--older-than", "0")
    assert (result.output, result.exit_code) == ("", 0)
    assert len(list(Path(archive.uri, "turns").glob("month=*/*.parquet"))) == len(archive.files("turns"))


def test_settle(run, sandbox, archive):
    """``--settle 0`` trusts the end of a task, a long one fetches it again."""
    ids = archive.uri, "tsk_2Z-YWz3hFq6VlW"
    run("sync", *ids)
    assert "0 fetched, 1 skipped" in run("sync", *ids, "--settle", "0", "-v").output
    assert "1 fetched, 0 skipped" in run("sync", *ids, "--settle", "36500", "-v").output


def test_two_sources_are_one_too_many(run, sandbox, archive):
    """Wrong usage has exit code 2 and makes no archive."""
    result = run("sync", archive.uri, "tsk_1", "--worker", "wrk_1")
    assert result.exit_code == 2
    assert "give task ids, or --worker, or --ids-from, not several" in result.output
    assert not archive.exists()


def test_failures_are_listed(run, archive, monkeypatch):
    """What was not fetched is said, with exit code 3, by `sync` and by `status` afterwards."""
    with Sandbox(tasks=10, seed=7) as calm:
        bad = calm.task_ids[3]
    with Sandbox(tasks=10, seed=7, faults=Faults(rate=0, always={bad: "404"})) as sandbox:
        monkeypatch.setenv("HANDINGER_BASE_URL", sandbox.url)
        result = run("sync", archive.uri, *sandbox.task_ids)
    assert result.exit_code == 3
    assert f"Tasks of {archive.uri} not fetched" in result.output
    assert "NotFoundError" in result.output
    assert bad in result.output
    result = run("status", archive.uri)
    assert result.exit_code == 3
    assert "NO: 1 missing, 1 could not be fetched" in result.output
    assert bad in result.output


def test_status(run, sandbox, archive):
    """What is there, with exit code 0 when nothing is missing."""
    Archive(archive.uri).sync(sandbox.task_ids, client=sandbox.client())
    result = run("status", archive.uri)
    assert result.exit_code == 0
    assert result.output.startswith("tasks     120, ")
    assert "complete  yes" in result.output


def test_forget(run, archive, monkeypatch):
    """What is deleted on the server fails until it is forgotten; the failure says how."""
    with Sandbox(tasks=1, seed=7) as sandbox:
        monkeypatch.setenv("HANDINGER_BASE_URL", sandbox.url)
        result = run("sync", archive.uri, "tsk_gone", *sandbox.task_ids)
        assert result.exit_code == 3
        assert "`handinger-analytics forget` stops asking" in result.stderr
        assert run("forget", archive.uri, "tsk_gone").exit_code == 0
        result = run("sync", archive.uri)
    assert (result.output, result.exit_code) == ("", 0)
    assert "forgotten 1" in run("status", archive.uri).output


def test_no_archive(run, archive):
    """What is wrong with the place is one line."""
    result = run("status", archive.uri)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: there is no archive at {archive.uri!r}")
    assert result.stderr.count("\n") == 1


@pytest.mark.filterwarnings("always::handinger_analytics.PartialDataWarning")
def test_a_worker_without_a_webhook(run, sandbox, archive):
    """Its tasks cannot be known: exit code 3 from the sync that names it and from status, not from others."""
    silent, first = sandbox.silent_worker_id, sandbox.worker_ids[0]
    result = run("sync", archive.uri, "--worker", f"https://v3.handinger.com/worker/{silent}")
    assert (result.stdout, result.exit_code) == ("", 3)
    assert f"'{silent}' names no task: it has no webhook, so its tasks are not known" in result.stderr
    assert run("sync", archive.uri, "--worker", first).exit_code == 0
    result = run("status", archive.uri)
    assert result.exit_code == 3
    assert "nothing is known of the tasks of 1 worker" in result.stdout
    assert "it has no webhook, so its tasks are not known" in result.stdout
    assert run("forget", archive.uri, silent).exit_code == 0
    assert run("status", archive.uri).exit_code == 0


def test_a_worker_whose_log_cannot_be_read(run, sandbox, archive):
    """The others are read and synced all the same; it is said, and the exit code is 3."""
    forbidden, first = sandbox.forbidden_worker_id, sandbox.worker_ids[0]
    result = run("sync", archive.uri, "--worker", forbidden, "--worker", first)
    assert (result.stdout, result.exit_code) == ("", 3)
    assert result.stderr.startswith(f"error: webhook log of worker '{forbidden}'")
    assert archive.status().complete
    assert archive.status().tasks > 0


@pytest.mark.filterwarnings("always::handinger_analytics.PartialDataWarning")
def test_a_log_that_does_not_reach_back(run, archive, monkeypatch):
    """What was read last is gone from it: that is said once, with exit code 3."""
    server = LogServer()
    server.webhook = Reply(b'{"url": "https://example.com/hook", "token": "whsec_1"}')
    monkeypatch.setenv("HANDINGER_BASE_URL", server.url)
    codes = []
    for day in (0, 1, 1):
        server.log = [delivery("tsk_1", NOON + dt.timedelta(days=day))]
        result = run("sync", archive.uri, "--worker", "wrk_1")
        codes.append(result.exit_code)
        assert ("no longer reaches back to 2026-06-01 12:00 UTC" in result.stderr) is (result.exit_code == 3)
    server.stop()
    assert codes == [0, 3, 0]


def test_status_says_since_when_logs_are_known(run, sandbox, archive):
    """A line for each worker whose log was read; that they are known is no reason to fail."""
    run("sync", archive.uri, "--worker", sandbox.worker_ids[0])
    result = run("status", archive.uri)
    assert result.exit_code == 0
    _, _, table = result.stdout.partition("Webhook logs\n")
    since = archive.status().logs["known_since"][0]
    assert f"{sandbox.worker_ids[0]} {since:%Y-%m-%d %H:%M} UTC" in table


@pytest.mark.filterwarnings("always::handinger_analytics.PartialDataWarning")
def test_a_webhook_without_deliveries(run, archive, monkeypatch):
    """It is said, and is no failure: what there is to know is known."""
    server = LogServer()
    server.webhook = Reply(b'{"url": "https://example.com/hook", "token": "whsec_1"}')
    monkeypatch.setenv("HANDINGER_BASE_URL", server.url)
    for command in (["discover", "wrk_1"], ["sync", archive.uri, "--worker", "wrk_1"]):
        result = run(*command)
        assert (result.stdout, result.exit_code) == ("", 0)
        assert "it has a webhook, but no delivery is in the log" in result.stderr
        assert "hook" not in result.stderr.replace("webhook", "")
    server.stop()
    assert run("status", archive.uri).exit_code == 0
