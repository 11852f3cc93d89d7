"""What a sync fetches, and what is in the archive afterwards."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

import handinger_analytics as ha
from handinger_analytics import Archive, ArgumentError, AuthenticationError, Sandbox, TaskIdError
from handinger_analytics.archive.recording import record_failures
from handinger_analytics.archive.storage import Storage
from handinger_analytics.fetching.result import fetched_of
from handinger_analytics.sandbox.faults import Faults
from tests.archive.conftest import HOUR, NOON, assert_same_rows
from tests.samples import body_a, encoded, task_of, turn_of
from tests.scripted import Reply

DAY = dt.timedelta(days=1)


@pytest.fixture
def busy():
    """Run a sandbox whose clock can be moved."""
    with Sandbox(tasks=60, seed=7, generation="B", now=NOON) as running:
        yield running


@pytest.mark.parametrize("generation", ["A", "B"])
def test_archive_equals_a_fetch(archive, generation):
    """Tasks and turns come back with the columns, dtypes and values of a fetch, from both generations."""
    with Sandbox(tasks=120, seed=7, generation=generation) as sandbox, sandbox.client() as client:
        report = archive.sync(sandbox.task_ids, client=client, batch=50)
        fetched = ha.fetch(sandbox.task_ids, client=client)
        in_arrow = ha.fetch_turns(sandbox.task_ids, client=client, dtype_backend="pyarrow")
    assert_same_rows(archive.tasks(), fetched.tasks)
    assert_same_rows(archive.turns(), fetched.turns)
    assert_same_rows(archive.turns(dtype_backend="pyarrow"), in_arrow)
    assert (report.fetched, report.skipped) == (120, 0)
    assert (report.new, report.changed) == (len(fetched.turns), 0)
    assert report.complete
    assert report.failed.columns.tolist() == [
        "task_id",
        "stage",
        "error",
        "http_status",
        "message",
        "attempts",
    ]
    assert report.duration > dt.timedelta(0)


def test_attrs_say_what_is_there(archive, sandbox, client):
    """A frame carries how many tasks are known, whether all are there, and when they were last fetched."""
    archive.sync(sandbox.task_ids, client=client, now=NOON)
    assert archive.turns().attrs["handinger"] == {
        "schema": 2,
        "requested": 120,
        "failed": 0,
        "complete": True,
        "fetched_at": "2026-06-01T12:00:00.000+00:00",
    }


def test_finished_tasks_are_not_fetched_again(archive, busy):
    """A second sync asks only for what was unfinished or has ended less than ``settle`` ago."""
    with busy.client() as client:
        archive.sync(busy.task_ids, client=client, now=busy.now)
        tasks = archive.tasks()
        unfinished = set(tasks.loc[tasks["completed_at"].isna(), "task_id"])
        before = busy.stats.requests
        report = archive.sync(busy.task_ids, client=client, settle=dt.timedelta(0), now=busy.now)
    assert 0 < len(unfinished) < 20
    assert (report.fetched, report.skipped) == (len(unfinished), 60 - len(unfinished))
    assert busy.stats.requests - before == 2 * len(unfinished)


@pytest.mark.slow
def test_follow_up_is_found_while_a_task_settles(archive, busy):
    """After ten days of syncs the archive is what a fetch of everything gives."""
    with busy.client() as client:
        for _ in range(10):
            archive.sync(busy.task_ids, client=client, now=busy.now, settle=30 * DAY)
            busy.advance(DAY)
        archive.sync(busy.task_ids, client=client, now=busy.now, settle=30 * DAY)
        fetched = ha.fetch(busy.task_ids, client=client)
    assert len(fetched.tasks) > 60
    assert_same_rows(archive.tasks(), fetched.tasks)
    assert_same_rows(archive.turns(), fetched.turns)


def test_settle_counts_from_the_last_look(archive, serve):
    """A task that was last seen a day after its end is looked at again even a year later."""
    first, reopened = body_a("tsk_1", turns=1), body_a("tsk_1", turns=2)
    server = serve(Reply(first), Reply(reopened))
    with server.client() as client:
        ended = dt.datetime(2026, 5, 11, 9, 14, 48, tzinfo=dt.UTC)
        archive.sync("tsk_1", client=client, now=ended + DAY)
        report = archive.sync("tsk_1", client=client, now=ended + 365 * DAY)
        assert (report.fetched, report.new, report.changed) == (1, 1, 0)
        report = archive.sync("tsk_1", client=client, now=ended + 365 * DAY)
        assert (report.fetched, report.skipped) == (0, 1)
        assert archive.sync("tsk_1", client=client, now=ended + 366 * DAY, max_age=HOUR).fetched == 1
        assert archive.sync("tsk_1", client=client, now=ended + 366 * DAY, max_age=HOUR).fetched == 0
        assert archive.sync("tsk_1", client=client, now=ended + 366 * DAY, refresh="all").fetched == 1


def test_unknown_word_for_an_end_is_final(archive, serve):
    """A turn whose state is none of the documented ones, but which has an end, is over."""
    over = turn_of("tsk_1", 1, status="succeeded")
    with serve(
        Reply(encoded({"task": task_of("tsk_1"), "turns": [turn_of("tsk_1"), over]}))
    ).client() as client:
        archive.sync("tsk_1", client=client, settle=dt.timedelta(0))
        assert archive.sync("tsk_1", client=client, settle=dt.timedelta(0)).skipped == 1
    assert archive.status().unfinished == 0


def test_answer_for_another_id_is_no_answer(archive, serve):
    """If the server sends another task than the one asked for, that one is missing, and no row is kept."""
    with serve(Reply(body_a("tsk_2"))).client() as client:
        report = archive.sync("tsk_1", client=client)
    assert report.failed["task_id"].tolist() == ["tsk_1"]
    assert len(archive.tasks()) == 0
    assert (archive.status().missing, archive.status().complete) == (1, False)


def test_a_batch_is_as_old_as_its_beginning(archive):
    """Rows are stamped with the time before their requests: what is fetched meanwhile is newer."""
    with Sandbox(tasks=1, seed=7, latency=0.3) as sandbox, sandbox.client() as client:
        archive.sync(sandbox.task_ids, client=client)
    assert dt.datetime.now(dt.UTC) - archive.status().last_sync > dt.timedelta(seconds=0.3)


@pytest.mark.parametrize("option", ["settle", "max_age"])
def test_longest_spans(archive, serve, option):
    """A span longer than Arrow can count is a long one, and no error."""
    with serve(Reply(body_a("tsk_1"))).client() as client:
        archive.sync("tsk_1", client=client)
        assert archive.sync("tsk_1", client=client, **{option: dt.timedelta.max}).fetched == (
            option == "settle"
        )


def test_sync_after_one_with_a_wrong_clock(archive, busy):
    """Tasks stamped with a future time are fetched again, and then the archive equals a fetch."""
    with busy.client() as client:
        archive.sync(busy.task_ids, client=client, now=dt.datetime(2038, 1, 1, tzinfo=dt.UTC))
        busy.advance(5 * DAY)
        archive.sync(busy.task_ids, client=client, now=busy.now)
        assert_same_rows(archive.turns(), ha.fetch_turns(busy.task_ids, client=client))
    assert archive.status().last_sync == busy.now


def test_forgetting_during_a_sync_lasts(archive, serve):
    """A failure that comes after its id was forgotten does not bring the id back."""
    with serve(Reply(b"{}", status=404)).client() as client:
        archive.sync("tsk_gone", client=client)
        failure = fetched_of(ha.fetch("tsk_gone", client=client, on_error="collect")).failed[0]
    archive.forget("tsk_gone")
    record_failures(Storage.at(archive.uri), [failure], [], NOON)
    assert (archive.status().forgotten, len(archive.status().failures)) == (1, 0)


def test_task_with_an_unfinished_turn_is_not_final(archive, serve):
    """A task that says completed while a turn of it runs is fetched again."""
    running = turn_of("tsk_1", 1, status="running", completedAt=None)
    server = serve(Reply(encoded({"task": task_of("tsk_1"), "turns": [turn_of("tsk_1"), running]})))
    with server.client() as client:
        archive.sync("tsk_1", client=client, settle=dt.timedelta(0))
        assert archive.status().unfinished == 1
        assert archive.sync("tsk_1", client=client, settle=dt.timedelta(0)).fetched == 1


def test_failures_are_kept_and_tried_first(archive, tmp_path):
    """Failures are reported and kept; the next sync begins with their ids, and deletes them once fetched."""
    with Sandbox(tasks=30, seed=7, generation="B") as sandbox:
        ids = sandbox.task_ids
        always = {ids[20]: "404", ids[10]: "403"}
    settled = {"settle": dt.timedelta(0), "now": NOON}
    with Sandbox(tasks=30, seed=7, generation="B", faults=Faults(rate=0, always=always)) as sandbox:
        with sandbox.client() as client:
            report = archive.sync(ids, client=client, **settled)
        assert not report.complete
        assert report.fetched == 28
        found = dict(zip(report.failed["task_id"], report.failed["error"], strict=True))
        assert found == {ids[20]: "NotFoundError", ids[10]: "PermissionDeniedError"}
    attrs = archive.turns().attrs["handinger"]
    assert (attrs["requested"], attrs["failed"], attrs["complete"]) == (30, 2, False)
    assert archive.status().failures["task_id"].sort_values().tolist() == sorted([ids[20], ids[10]])
    assert archive.status().missing == 2
    with Sandbox(tasks=30, seed=7, generation="B") as sandbox, sandbox.client() as client:
        report = archive.sync([ids[0]], client=client, **settled)
        assert report.complete
        assert (report.fetched, report.skipped) == (2, 1)
        assert_same_rows(archive.turns(), ha.fetch_turns(ids, client=client))
    assert archive.turns().attrs["handinger"]["complete"]
    assert archive.status().complete


def test_task_without_its_turns_is_not_recorded(archive):
    """Where the turns cannot be fetched, the task stays out until they can."""
    with Sandbox(tasks=10, seed=7, generation="B") as sandbox:
        task_id = sandbox.task_ids[3]
    always = {f"/api/tasks/{task_id}/turns": "422"}
    with Sandbox(tasks=10, seed=7, generation="B", faults=Faults(rate=0, always=always)) as sandbox:
        with sandbox.client() as client:
            report = archive.sync(sandbox.task_ids, client=client)
    assert report.failed[["task_id", "stage"]].to_numpy().tolist() == [[task_id, "turns"]]
    assert task_id not in set(archive.tasks()["task_id"])
    assert len(archive.tasks()) == 9


def test_rejected_key_keeps_what_came_before(archive):
    """A 401 ends the sync with its error, and the batches before it are there."""
    with Sandbox(tasks=40, seed=7) as sandbox:
        always = {sandbox.task_ids[30]: "401"}
    with Sandbox(tasks=40, seed=7, faults=Faults(rate=0, always=always)) as sandbox:
        with sandbox.client(max_connections=1) as client, pytest.raises(AuthenticationError):
            archive.sync(sandbox.task_ids, client=client, batch=20)
        assert set(archive.tasks()["task_id"]) == set(sandbox.task_ids[:30])
        assert archive.status().missing == 10
    with Sandbox(tasks=40, seed=7) as sandbox, sandbox.client() as client:
        archive.sync(client=client)
        assert_same_rows(archive.turns(), ha.fetch_turns(sandbox.task_ids, client=client))


def test_discovered_ids_are_remembered(archive, sandbox, client):
    """Ids from the webhook log are fetched by a sync without ids, by another object too."""
    found = archive.discover(sandbox.worker_ids[:2], client=client)
    assert found == ha.discover_task_ids(sandbox.worker_ids[:2], client=client)
    assert archive.status().missing == len(found) > 10
    assert archive.status().last_sync is None
    assert archive.turns().attrs["handinger"]["fetched_at"] is None
    assert not archive.turns().attrs["handinger"]["complete"]
    again = Archive(archive.uri)
    assert again.sync(client=client).fetched == len(found)
    assert set(again.tasks()["task_id"]) == set(found)


def test_sync_with_nothing_to_do_is_a_sync(archive, sandbox, client):
    """Frames and status tell when the archive was last synced, though no task was due."""
    archive.sync(sandbox.task_ids[:1], client=client, now=NOON, settle=dt.timedelta(0))
    report = archive.sync(client=client, now=NOON + DAY, settle=dt.timedelta(0))
    assert (report.fetched, report.skipped) == (0, 1)
    assert archive.status().last_sync == NOON + DAY
    assert archive.turns().attrs["handinger"]["fetched_at"] == "2026-06-02T12:00:00.000+00:00"


def test_forgotten_tasks_are_not_asked_for(archive):
    """A forgotten task is not fetched and not missing any more; what was recorded of it stays."""
    with Sandbox(tasks=10, seed=7) as sandbox, sandbox.client() as client:
        ids = sandbox.task_ids
        archive.sync(ids[:8], client=client)
    gone = {ids[7]: "404", ids[8]: "404"}
    with Sandbox(tasks=10, seed=7, faults=Faults(rate=0, always=gone)) as sandbox, sandbox.client() as client:
        report = archive.sync(ids, client=client, refresh="all")
        assert set(report.failed["task_id"]) == set(gone)
        archive.forget(gone)
        for asked in (None, ids):
            report = archive.sync(asked, client=client, settle=3650 * DAY)
            assert (report.fetched, report.skipped, report.complete) == (8, 2, True)
    status = archive.status()
    assert (status.tasks, status.missing, status.forgotten, status.complete) == (9, 0, 2, True)
    assert "forgotten: 2" in repr(status)
    attrs = archive.turns().attrs["handinger"]
    assert (attrs["requested"], attrs["failed"], attrs["complete"]) == (9, 0, True)


def test_forgotten_tasks_can_be_taken_up_again(archive):
    """Asked for by name with ``refresh="all"``, a forgotten task is known again, fetched or failed."""
    with Sandbox(tasks=3, seed=7) as sandbox, sandbox.client() as client:
        archive.sync(sandbox.task_ids, client=client)
        archive.forget([*sandbox.task_ids[:1], "tsk_nowhere"])
        assert archive.sync(client=client, refresh="all").fetched == 2
        report = archive.sync([sandbox.task_ids[0], "tsk_nowhere"], client=client, refresh="all")
    assert (report.fetched, report.failed["task_id"].tolist()) == (1, ["tsk_nowhere"])
    assert (archive.status().forgotten, archive.status().missing) == (0, 1)


def test_progress_moves_within_a_batch(archive):
    """It counts each task as its answer comes, beyond the end of a batch too, and never goes back."""
    told = []
    with Sandbox(tasks=60, latency=0.05) as slow, slow.client(max_connections=8) as client:
        names = [*slow.task_ids[:30], "gone", *slow.task_ids[30:]]
        archive.sync(names, client=client, batch=50, progress=lambda *numbers: told.append(numbers))
    assert told[0] == (0, 0, 61)
    assert told[-1] == (61, 1, 61)
    assert told == sorted(set(told))
    assert {done for done, _, _ in told} - {0, 50, 61}


@pytest.mark.slow
def test_bar_of_a_sync_says_when_the_server_makes_us_wait(archive, serve, capsys):
    """The pause is shown with its seconds."""
    server = serve(Reply(b"", 429, {"Retry-After": "0.7"}), Reply(body_a("tsk_1")))
    with server.client() as client:
        archive.sync(["tsk_1"], client=client, progress=True)
    assert "rate limited, 1 s" in capsys.readouterr().err


def test_links_and_repeats_count_once(archive, sandbox, client):
    """Ids may come as dashboard links and more than once."""
    task_id = sandbox.task_ids[0]
    link = f"https://v3.handinger.com/worker/wrk_1/task/{task_id}"
    assert archive.sync([link, task_id, task_id], client=client).fetched == 1


def test_empty_archive_has_the_columns(archive, sandbox, client):
    """Before anything was fetched, frames have no rows and the right dtypes."""
    report = archive.sync([], client=client, now=NOON)
    empty = ha.parse_bodies([])
    assert report.fetched == 0
    assert_same_rows(archive.turns(), empty.turns)
    assert_same_rows(archive.tasks(since="2026-05-01"), empty.tasks)
    assert archive.turns().attrs["handinger"]["fetched_at"] == "2026-06-01T12:00:00.000+00:00"
    assert archive.status().first_turn is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"refresh": "some"}, "refresh: expected .unfinished. or .all., found", id="refresh"),
        pytest.param({"settle": 7}, "settle: expected a timedelta .*, found 7", id="settle"),
        pytest.param({"max_age": -HOUR}, "max_age: expected a timedelta of 0 or more", id="max-age"),
        pytest.param({"batch": 0}, "batch: expected a number of tasks, 1 or more, found 0", id="batch"),
        pytest.param({"batch": 2.5}, "batch: expected a number of tasks, .*, found 2.5", id="fraction"),
        pytest.param({"now": dt.datetime(2026, 6, 1)}, "now: expected a time with a time zone", id="now"),
    ],
)
def test_unusable_options_are_refused(archive, options, message):
    """Nothing is made or fetched, and the error says what to give."""
    with pytest.raises(ArgumentError, match=message):
        archive.sync(["tsk_1"], **options)
    assert not archive.exists()


def test_unusable_ids_are_refused(archive):
    """An id that cannot be one is named with its position."""
    with pytest.raises(TaskIdError, match=r"task_ids\[1\]: expected a non-empty string, found None"):
        archive.sync(["tsk_1", None])


def test_report_shows_itself(archive, sandbox, client):
    """A report is readable in a terminal and in a notebook."""
    report = archive.sync(sandbox.task_ids, client=client)
    assert "tasks: 120 fetched, 0 skipped" in repr(report)
    assert "<caption>SyncReport</caption>" in report._repr_html_()


def test_a_mistyped_place_is_not_made_into_an_archive(tmp_path):
    """Without ids there is nothing to sync into a folder that holds no archive: that is an error."""
    with pytest.raises(ha.FileError, match="there is no archive at"):
        Archive(tmp_path / "typo").sync()
    assert list(tmp_path.iterdir()) == []


def test_files_are_named_as_the_disk_has_them(tmp_path, sandbox, client):
    """Paths with a space or an accent can be opened by engines that read files."""
    archive = Archive(tmp_path / "my arcé")
    archive.sync(sandbox.task_ids[:3], client=client)
    assert [path for path in archive.files("turns") if not Path(path).is_file()] == []
