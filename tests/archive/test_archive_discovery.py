"""What an archive makes of the webhook logs of workers: which tasks are due, and how far a log is read."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator

import pandas as pd
import pytest
from deltalake import DeltaTable

import handinger_analytics as ha
from handinger_analytics import Archive, PartialDataWarning, Sandbox
from tests.archive.conftest import NOON
from tests.benchmarks import bench_years
from tests.samples import encoded
from tests.scripted import LogServer, Reply, delivery

DAY = dt.timedelta(days=1)
ENDED = dt.datetime(2026, 5, 11, 9, 14, 48, tzinfo=dt.UTC)
"""When the tasks ended that a `LogServer` gives."""
MINUTE = dt.timedelta(minutes=1)
HAS_WEBHOOK = Reply(encoded({"url": "https://example.com/hook", "token": "whsec_of_a_user"}))
HAS_NONE = Reply(encoded({"url": None, "token": None}))


@pytest.fixture
def server() -> Iterator[LogServer]:
    """Run a server with an empty log, of a worker with a webhook."""
    running = LogServer()
    running.webhook = HAS_WEBHOOK
    yield running
    running.stop()


def newest_first(count: int, end: dt.datetime = NOON) -> list[dict[str, object]]:
    """Return a log of so many tasks, one a minute, the last of them at ``end``."""
    return [delivery(f"tsk_{count - at}", end - at * MINUTE) for at in range(count)]


def test_a_follow_up_that_the_log_names_is_fetched(archive, server):
    """A task is due when its newest delivery is newer than the newest known at the last look at it."""
    server.log = [delivery("tsk_1", NOON)]
    with server.client() as client:
        for moment in (NOON, NOON + 20 * DAY):
            archive.discover("wrk_1", client=client)
            assert archive.sync(client=client, now=NOON + 30 * DAY, settle=dt.timedelta(0)).fetched == 1
            assert archive.sync(client=client, now=NOON + 30 * DAY, settle=dt.timedelta(0)).fetched == 0
            server.log.insert(0, delivery("tsk_1", moment + DAY))
        archive.discover("wrk_1", client=client)
        report = archive.sync(["tsk_1", "tsk_2"], client=client, settle=dt.timedelta(0))
    assert (report.fetched, report.skipped) == (2, 0)


@pytest.mark.slow
def test_a_task_that_was_fetched_before_its_log_was_read(archive, server):
    """Nobody knows which deliveries had come by then, so that it is looked at once more."""
    server.log = [delivery("tsk_1", NOON - DAY)]
    with server.client() as client:
        archive.sync("tsk_1", client=client, settle=dt.timedelta(0))
        assert archive.sync(client=client, settle=dt.timedelta(0)).fetched == 0
        archive.discover("wrk_1", client=client)
        assert archive.sync(client=client, settle=dt.timedelta(0)).fetched == 1
        assert archive.sync(client=client, settle=dt.timedelta(0)).fetched == 0


@pytest.mark.slow
def test_the_clock_of_the_server_is_not_ours(archive, server):
    """Deliveries that are years ahead of our clock, or behind it, make a task due once each."""
    for year in (1999, 2090):
        server.log.insert(0, delivery("tsk_1", NOON.replace(year=year)))
        with server.client() as client:
            archive.discover("wrk_1", client=client)
            assert archive.sync(client=client, settle=dt.timedelta(0)).fetched == 1
            archive.discover("wrk_1", client=client)
            assert archive.sync(client=client, settle=dt.timedelta(0)).fetched == 0


@pytest.mark.slow
def test_settling_is_not_needed_where_the_log_was_walked(archive, server):
    """Tasks that ended yesterday are final in the sync after a walk that met what was known, in no other."""
    server.log = [delivery("tsk_1", NOON)]
    with server.client() as client:

        def fetched(discover: bool, workers: str = "wrk_vk81XUHKHG-qr4") -> int:
            if discover:
                archive.discover(workers, client=client)
            return archive.sync(client=client, now=ENDED + DAY).fetched

        assert [fetched(discover=True), fetched(discover=False)] == [1, 1]
        assert fetched(discover=True) == 0
        assert fetched(discover=False) == 1
        assert fetched(discover=True, workers="wrk_of_other_tasks") == 1
        archive.discover("wrk_vk81XUHKHG-qr4", client=client)
        assert fetched(discover=True, workers="wrk_of_other_tasks") == 0
        server.log = [delivery("tsk_2", NOON + DAY)]
        with pytest.warns(PartialDataWarning, match="no longer reaches back to 2026-06-01 12:00 UTC"):
            assert fetched(discover=True) == 2, "something may be in between"


@pytest.mark.slow
def test_a_failed_fetch_is_tried_again_and_keeps_what_is_known_of_its_deliveries(archive):
    """A task that could not be fetched is due at the next sync, and not any more after it was."""
    with Sandbox(tasks=30, seed=7, faults=ha.Faults(rate=0)) as calm:
        bad = ha.discover_task_ids(calm.worker_ids, client=calm.client())[0]
    faults = ha.Faults(rate=0, always={bad: "404"})
    with Sandbox(tasks=30, seed=7, faults=faults) as sandbox, sandbox.client() as client:
        archive.discover(sandbox.worker_ids, client=client)
        assert set(archive.sync(client=client).failed["task_id"]) == {bad}
        assert archive.sync(client=client, settle=dt.timedelta(0)).failed["task_id"].to_list() == [bad]
    with Sandbox(tasks=30, seed=7) as sandbox, sandbox.client() as client:
        archive.sync(client=client, settle=dt.timedelta(0))
        assert archive.sync(client=client, settle=dt.timedelta(0)).fetched == archive.status().unfinished
        archive.discover(sandbox.worker_ids, client=client)
        assert archive.sync(client=client).fetched == archive.status().unfinished


def test_what_is_known_is_not_read_again(archive, server):
    """A log of 1,000 deliveries takes 20 pages, then one, and more only if there are more new ones."""
    server.log = newest_first(1000)
    with server.client() as client:
        assert len(archive.discover("wrk_1", client=client)) == 1000
        assert server.pages() == [*range(1, 21)]
        assert archive.discover("wrk_1", client=client) == [f"tsk_{at}" for at in range(1000, 950, -1)]
        assert Archive(archive.uri).discover("wrk_1", client=client)
        assert server.pages() == [1, 1]
        server.log = newest_first(1120, NOON + 120 * MINUTE)
        archive.discover("wrk_1", client=client)
        assert server.pages() == [1, 2, 3]
    assert archive.status().missing == 1120


@pytest.mark.slow
def test_entries_of_one_time_are_all_read(archive, server):
    """As long as entries are as old as the newest that is known, some of them may be new."""
    server.log = [delivery(f"tsk_{at}", NOON) for at in range(120)] + newest_first(200, NOON - DAY)
    with server.client() as client:
        archive.discover("wrk_1", client=client)
        server.pages()
        server.log.insert(110, delivery("tsk_late", NOON))
        assert "tsk_late" in archive.discover("wrk_1", client=client)
    assert server.pages() == [1, 2, 3]


@pytest.mark.slow
@pytest.mark.parametrize("order", ["oldest first", "mixed"])
def test_a_log_in_another_order_is_read_to_its_end(archive, server, order):
    """Where entries are not newest first, new ones may be anywhere."""
    log = newest_first(170)
    server.log = log[::-1] if order == "oldest first" else log[1:4] + log[:1] + log[4:]
    with server.client() as client:
        for _ in range(2):
            assert len(archive.discover("wrk_1", client=client)) == 170
            assert server.pages() == [1, 2, 3, 4]


def test_entries_that_shift_while_they_are_read(archive, server):
    """An entry that is met twice is no disorder; one that came during a walk is found by the next."""
    server.log = newest_first(200)

    def shift(page: int) -> None:
        for _ in range(3 if page > 1 else 0):
            count = len(server.log)
            server.log.insert(0, delivery(f"tsk_during_{count}", NOON + count * MINUTE))

    server.before_page = shift
    with server.client() as client:
        assert len(archive.discover("wrk_1", client=client)) == 200
        assert server.pages() == [1, 2, 3, 4, 5]
        server.log[:0] = newest_first(60, NOON + DAY)
        found = archive.discover("wrk_1", client=client)
        assert server.pages() == [1, 2]
    assert {f"tsk_during_{at}" for at in range(200, 212)} < {*found}


@pytest.mark.slow
@pytest.mark.parametrize("how", ["error", "cancel"])
def test_a_walk_that_broke_off_counts_as_none(archive, server, how):
    """The next walk reads as far as if the broken one had not been; logs that were read before are kept."""
    server.log = newest_first(100)
    cancel = threading.Event()
    with server.client() as client:
        archive.discover("wrk_1", client=client)
        server.log[:0] = newest_first(240, NOON + DAY)
        server.pages()

        def end(page: int) -> None:
            if page == 3 and how == "cancel":
                cancel.set()
            elif page == 3:
                raise ConnectionAbortedError

        server.before_page = end
        with pytest.raises(ha.HandingerError):
            archive.discover(["wrk_1"], client=client, cancel=cancel)
        server.before_page = id
        server.pages()
        assert len(archive.discover("wrk_1", client=client)) == 240
        assert server.pages() == [1, 2, 3, 4, 5]


def test_a_log_that_cannot_be_read_ends_no_other(archive):
    """The first such error comes after all others were read; what they named is known, and how far."""
    with Sandbox(tasks=100) as sandbox, sandbox.client() as client:
        readable = sandbox.worker_ids[:2]
        with pytest.raises(ha.PermissionDeniedError):
            archive.discover([readable[0], sandbox.forbidden_worker_id, "wrk_x", readable[1]], client=client)
        assert archive.status().missing == len(ha.discover_task_ids(readable, client=client))
        assert archive.status().logs["worker_id"].to_list() == sorted(readable)


def test_a_walk_that_fails_at_once_makes_no_archive(archive, sandbox, client):
    """Where nothing was read, nothing is there afterwards that could pass for an archive."""
    with pytest.raises(ha.PermissionDeniedError):
        archive.discover(sandbox.forbidden_worker_id, client=client)
    assert not archive.exists()


def test_status_says_since_when_a_log_is_known(archive, server):
    """It is known from its oldest entry on; where what was known is gone from it, anew."""
    server.log = newest_first(3)
    with server.client() as client:
        assert archive.discover("wrk_1", client=client)
        server.log.pop()
        assert archive.discover("wrk_1", client=client)
        logs = archive.status().logs
        assert logs["known_since"].to_list() == [pd.Timestamp(NOON - 2 * MINUTE)]
        assert logs["newest_at"].to_list() == [pd.Timestamp(NOON)]
        assert logs["silent"].isna().all()
        server.log = newest_first(4, NOON + DAY)
        with pytest.warns(
            PartialDataWarning, match="reaches back to 2026-06-01 12:00 UTC, where it was read"
        ):
            archive.discover("wrk_1", client=client)
        archive.discover("wrk_1", client=client)
        assert archive.status().logs["known_since"].to_list() == [pd.Timestamp(NOON + DAY - 3 * MINUTE)]
    assert "webhook logs: of 1 worker; what came before known_since is known only" in repr(archive.status())


def test_a_worker_without_a_webhook_makes_the_archive_incomplete(archive):
    """Discovery warns of it, and status, frames and other engines say that its tasks are not known."""
    with Sandbox(tasks=20) as sandbox, sandbox.client() as client:
        with pytest.warns(PartialDataWarning, match="names no task: it has no webhook, so its tasks are not"):
            archive.discover([sandbox.silent_worker_id, *sandbox.worker_ids], client=client)
        archive.sync(client=client)
        status = archive.status()
        assert (status.missing, len(status.failures), status.complete) == (0, 0, False)
        silent = status.logs.set_index("worker_id")["silent"].dropna()
        assert silent.index.to_list() == [sandbox.silent_worker_id]
        assert "NO: nothing is known of the tasks of 1 worker; see .logs" in repr(status)
    assert archive.turns().attrs["handinger"]["complete"] is False
    with pytest.warns(PartialDataWarning, match="and nothing is known of the tasks of 1 worker"):
        archive.turns(engine="polars")
    ha.Archive(archive.uri).vacuum(dt.timedelta(0))
    assert not archive.status().complete


@pytest.mark.slow
def test_a_silent_worker_that_speaks_is_silent_no_more(archive, server):
    """With a webhook it is silent no more, and without one again, also where the log still names tasks."""
    server.webhook = HAS_NONE
    with server.client() as client:
        with pytest.warns(PartialDataWarning, match="it has no webhook"):
            archive.discover("wrk_1", client=client)
        server.webhook = HAS_WEBHOOK
        with pytest.warns(PartialDataWarning, match="it has a webhook, but no delivery is in the log"):
            archive.discover("wrk_1", client=client)
        assert archive.status().complete
        server.log = newest_first(2)
        archive.discover("wrk_1", client=client)
        archive.sync(client=client)
        assert archive.status().complete
        server.pages()
        server.webhook = HAS_NONE
        with pytest.warns(
            PartialDataWarning, match="has nothing new: it has no webhook, so its tasks are not"
        ):
            archive.discover("wrk_1", client=client)
        assert server.paths == [f"/api/workers/wrk_1/webhook{rest}" for rest in ("/executions?page=1", "")]
        assert not archive.status().complete
        assert archive.sync(client=client, now=ENDED + DAY, settle=2 * DAY).fetched == 2, "nobody names them"
        server.log.insert(0, delivery("tsk_3", NOON + MINUTE))
        archive.discover("wrk_1", client=client)
        archive.sync(client=client)
    assert archive.status().complete
    assert archive.status().logs["known_since"].to_list() == [pd.Timestamp(NOON - MINUTE)]


@pytest.mark.slow
def test_a_log_that_was_emptied_begins_anew(archive, server):
    """What was in between is not known, which is said once; it is known again from then on."""
    server.log = newest_first(2)
    with server.client() as client:
        archive.discover("wrk_1", client=client)
        server.log = []
        with pytest.warns(PartialDataWarning) as caught:
            archive.discover("wrk_1", client=client)
        assert ["no longer reaches back" in str(each.message) for each in caught] == [False, True]
        emptied = archive.status().logs
        assert emptied["known_since"].to_list() == emptied["walked_at"].to_list()
        with pytest.warns(
            PartialDataWarning, match="it has a webhook, but no delivery is in the log"
        ) as caught:
            archive.discover("wrk_1", client=client)
        assert len(caught) == 1
        server.log = newest_first(3, NOON + DAY)
        assert len(archive.discover("wrk_1", client=client)) == 3
    assert archive.status().logs["known_since"].to_list() == [pd.Timestamp(NOON + DAY - 2 * MINUTE)]


@pytest.mark.slow
def test_deliveries_without_a_task_tell_nothing(archive, server):
    """A log that names no task is said like an empty one, at each walk."""
    server.log, server.webhook = [delivery(None, NOON)], HAS_WEBHOOK
    with server.client() as client:
        for _ in range(2):
            with pytest.warns(PartialDataWarning, match="has a webhook, but no delivery in the log names a"):
                assert archive.discover("wrk_1", client=client) == []


@pytest.mark.slow
def test_whether_there_is_a_webhook_may_not_be_known(archive, server):
    """An error of that question is the reason that is given, and the archive is not complete."""
    server.webhook = Reply(b'{"error": "no"}', 404)
    with (
        server.client() as client,
        pytest.warns(PartialDataWarning, match="whether it has a webhook could not be asked: .*404"),
    ):
        archive.discover("wrk_1", client=client)
    assert not archive.status().complete


def test_a_key_that_is_refused_is_no_silence(archive, server):
    """A 401 of that question ends the discovery, which is then not recorded."""
    server.webhook = Reply(b'{"error": "revoked"}', 401)
    with server.client() as client, pytest.raises(ha.AuthenticationError):
        archive.discover("wrk_1", client=client)
    assert not archive.exists()


@pytest.mark.parametrize("status", [200, 403, 500])
def test_the_token_of_a_webhook_is_kept_nowhere(archive, server, tmp_path, caplog, status):
    """Neither it nor the address is in a file of the archive, a warning or a log, also of an error's body."""
    caplog.set_level("DEBUG")
    server.webhook = Reply(HAS_WEBHOOK.body, status)
    with server.client() as client, pytest.warns(PartialDataWarning) as caught:
        archive.discover("wrk_1", client=client)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 4
    words = f"{caught[0].message} {caplog.text} {archive.status().logs['silent'].to_list()}".encode()
    for content in (words, *(path.read_bytes() for path in files)):
        assert b"whsec" not in content
        assert b"example.com/hook" not in content


@pytest.mark.slow
def test_a_forgotten_task_is_not_asked_for_when_a_log_names_it(archive, server):
    """Also not by new deliveries, until it is asked for by name with ``refresh="all"``."""
    server.log = newest_first(3)
    with server.client() as client:
        archive.discover("wrk_1", client=client)
        archive.sync(client=client)
        archive.forget("tsk_1")
        server.log = [delivery("tsk_1", NOON + DAY), *server.log]
        archive.discover("wrk_1", client=client)
        report = archive.sync(client=client, settle=dt.timedelta(0))
        assert (report.fetched, report.skipped, archive.status().forgotten) == (0, 3, 1)
        assert archive.sync("tsk_1", client=client, refresh="all").fetched == 1
        assert archive.sync("tsk_1", client=client, settle=dt.timedelta(0)).fetched == 0


@pytest.mark.slow
def test_a_deleted_task_is_not_asked_for_when_a_log_names_it(archive, server):
    """Neither by discovery nor by its id, and nothing of it comes back."""
    server.log = newest_first(3)
    with server.client() as client:
        archive.discover("wrk_1", client=client)
        archive.sync(client=client)
        archive.delete("tsk_1")
        server.log = [delivery("tsk_1", NOON + DAY), *server.log]
        archive.discover("wrk_1", client=client)
        assert archive.sync(client=client, settle=dt.timedelta(0)).fetched == 0
        assert archive.sync(["tsk_1"], client=client).fetched == 0
    assert "tsk_1" not in archive.known_ids()
    assert "tsk_1" not in archive.tasks()["task_id"].to_list()


@pytest.mark.parametrize("explicit", [False, True])
def test_changes_that_were_not_fetched_are_said(archive, server, explicit):
    """Status and frames are incomplete from the discovery of a change until it was fetched."""
    server.log = newest_first(4)
    with server.client() as client:

        def state() -> tuple[int, bool, int]:
            status = archive.status()
            attrs = archive.turns().attrs["handinger"]
            assert attrs["complete"] is status.complete
            return status.changed, status.complete, attrs["failed"]

        archive.discover("wrk_1", client=client)
        archive.sync(client=client)
        assert state() == (0, True, 0)
        server.log[:0] = [delivery(f"tsk_{at}", NOON + DAY + at * MINUTE) for at in (3, 2, 1)]
        archive.discover("wrk_1", client=client)
        assert state() == (3, False, 3)
        assert "NO: 3 changed since they were fetched" in repr(archive.status())
        assert archive.as_of(archive.status().version).status().changed == 0
        with pytest.warns(PartialDataWarning, match="3 changed since they were fetched"):
            archive.turns(engine="polars")
        archive.forget("tsk_3")
        assert state() == (2, False, 2)
        cancel = threading.Event()
        cancel.set()
        assert archive.sync(client=client, cancel=cancel, batch=1).left == 1
        assert state() == (1, False, 1)
        archive.sync(["tsk_1", "tsk_2"] if explicit else None, client=client)
    assert state() == (0, True, 0)


@pytest.mark.slow
def test_an_older_change_of_another_worker_is_said(archive, server):
    """A log that is read later may name changes from before those that were fetched."""
    server.log = newest_first(3)
    with server.client() as client:
        archive.discover("wrk_1", client=client)
        archive.sync(["tsk_9"], client=client)
        archive.sync(client=client)
        server.log = [delivery("tsk_9", NOON - DAY)]
        archive.discover("wrk_2", client=client)
        assert archive.status().changed == 1
        archive.sync(client=client)
    assert archive.status().complete


@pytest.mark.slow
def test_changes_are_found_in_files_of_other_tools(archive, server):
    """Their statistics may not tell of deliveries: they are read."""
    server.log = newest_first(3)
    with server.client() as client:
        archive.discover("wrk_1", client=client)
        archive.sync(client=client)
        DeltaTable(f"{archive.uri}/ids").delete("task_id = 'tsk_3'")
        assert archive.status().changed == 0
        server.log.insert(0, delivery("tsk_1", NOON + DAY))
        archive.discover("wrk_1", client=client)
    assert archive.status().changed == 1


@pytest.mark.slow
def test_times_are_known_to_the_millisecond(archive, server):
    """A newest delivery with microseconds is met again, and the change that it names is fetched once."""
    server.log = [delivery("tsk_1", NOON + dt.timedelta(microseconds=1999))]
    with server.client() as client:
        for fetched in (1, 0):
            archive.discover("wrk_1", client=client)
            assert archive.sync(client=client, now=NOON, settle=dt.timedelta(0)).fetched == fetched
            assert archive.status().changed == 0


@pytest.mark.slow
def test_a_delivery_without_a_task_may_be_of_any(archive, server):
    """Settling is needed after a walk that met a new one, and not after the next."""
    server.log = [delivery("tsk_1", NOON, workerId="wrk_vk81XUHKHG-qr4")]
    with server.client() as client:
        archive.discover("wrk_vk81XUHKHG-qr4", client=client)
        archive.sync(client=client, now=ENDED + DAY)
        server.log.insert(0, delivery(None, NOON + MINUTE))
        for fetched in (1, 0):
            archive.discover("wrk_vk81XUHKHG-qr4", client=client)
            assert archive.sync(client=client, now=ENDED + DAY).fetched == fetched


@pytest.mark.slow
def test_a_slower_discovery_takes_nothing_back(archive, server):
    """Of two at the same time, what the one that began later has recorded stays."""
    server.log = newest_first(120)
    with server.client() as client, server.client() as other:

        def overtake(page: int) -> None:
            if page == 2 and not archive.exists():
                server.before_page = id
                server.log.insert(0, delivery("tsk_late", NOON + DAY))
                Archive(archive.uri).discover("wrk_1", client=other)
                server.log.pop(0)

        server.before_page = overtake
        archive.discover("wrk_1", client=client)
    assert archive.status().logs["newest_at"].to_list() == [pd.Timestamp(NOON + DAY)]


def test_a_worker_that_was_given_by_mistake_is_forgotten(archive, server):
    """Its log is known no more, so that the archive is complete; of a task of the same id the task is."""
    server.webhook = HAS_NONE
    with server.client() as client:
        archive.sync(["tsk_1", "wrk_2"], client=client)
        with pytest.warns(PartialDataWarning, match="it has no webhook"):
            archive.discover(["wrk_1", "wrk_2"], client=client)
    archive.forget(["wrk_1", "wrk_2"])
    assert archive.status().logs["worker_id"].to_list() == ["wrk_2"]
    assert archive.status().forgotten == 1
    assert archive.known_ids() == ["tsk_1"]
    archive.forget("wrk_2")
    assert archive.status().logs["worker_id"].to_list() == ["wrk_2"]


def test_an_archive_without_workers_is_read(archive, sandbox, client):
    """Ids given to a sync need no log: there is no table of workers, and nothing is said of any."""
    archive.sync(sandbox.task_ids[:5], client=client)
    assert archive.status().complete
    assert archive.status().logs.empty
    assert "logs" not in repr(archive.status())


@pytest.mark.slow
@pytest.mark.parametrize("generation", ["A", "B"])
def test_sixty_days_of_late_follow_ups(generation):
    """With discovery and a sync a day an archive is all there is, for hardly more looks than changes."""
    assert " changes a sync can see" in bench_years.run(200, [60], generation)
