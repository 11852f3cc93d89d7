"""Archives of which a table or a state was lost: what is read, and how a sync heals them."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from pathlib import Path

import pytest
from deltalake import DeltaTable

import handinger_analytics as ha
from handinger_analytics import Archive, FileError, PartialDataWarning
from handinger_analytics.archive.repair import prepare
from handinger_analytics.archive.storage import Storage
from handinger_analytics.sources import kept_at
from tests.archive.conftest import HOUR, NOON, TABLES, assert_same_rows
from tests.samples import body_a
from tests.scripted import Reply

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ids(sandbox) -> list[str]:
    """Name the tasks that are archived."""
    return sandbox.task_ids[:20]


@pytest.fixture(scope="module")
def fetched(sandbox, ids) -> ha.FetchResult:
    """Fetch what is archived, without an archive."""
    with sandbox.client() as client:
        return ha.fetch(ids, client=client, progress=False)


@pytest.fixture
def synced(archive, client, ids) -> Archive:
    """Return an archive of two batches."""
    archive.sync(ids, client=client, batch=10, progress=False, settle=NOON - NOON)
    return archive


def lose(archive: Archive, name: str) -> None:
    """Delete the folder of a table."""
    shutil.rmtree(f"{archive.uri}/{name}")


def rows_on_disk(archive: Archive, name: str) -> int:
    """Count the rows of a table as any Delta tool does; 0 if it is gone."""
    place = f"{archive.uri}/{name}"
    return DeltaTable(place).count() if Path(place).exists() else 0


@pytest.mark.parametrize("name", TABLES)
def test_a_lost_table_is_named(synced, name):
    """Reading without one of the tables says which is gone and what to do, and leaves the rest alone."""
    lose(synced, name)
    before = [rows_on_disk(synced, each) for each in TABLES]
    advice = r"sync\(\) makes it again and fetches what was lost with it"
    for use in (synced.tasks, synced.turns, synced.status, lambda: kept_at(synced.uri).turns()):
        with pytest.raises(FileError, match=f"lacks its table {name}: its folder is gone; {advice}"):
            use()
    assert synced.exists()
    assert [rows_on_disk(synced, each) for each in TABLES] == before


@pytest.mark.parametrize("name", TABLES)
def test_known_ids_without_a_table(synced, ids, name):
    """The ids come out whichever table is gone: without that of ids, those of the tasks, and this is said."""
    lose(synced, name)
    if name != "ids":
        assert synced.known_ids() == sorted(ids)
        return
    with pytest.warns(PartialDataWarning, match="has lost its table ids; these are the ids of its tasks"):
        assert synced.known_ids() == sorted(ids)


def test_lost_ids_are_made_of_the_tasks(synced, client, ids, fetched):
    """Nothing is fetched again that is final; ids without rows are gone, which is said once."""
    synced.forget("tsk_gone")
    lose(synced, "ids")
    with pytest.warns(PartialDataWarning, match="not fetched, forgotten or deleted are not known any more"):
        report = synced.sync(client=client, progress=False, settle=NOON - NOON)
    assert report.fetched < 20
    assert synced.known_ids() == sorted(ids)
    assert synced.status().complete
    assert_same_rows(synced.turns(), fetched.turns)
    synced.sync(client=client, progress=False)


def test_logs_are_read_anew_where_ids_were_lost(archive, sandbox, client):
    """Ids that only a discovery knew are found again, although their log was read to its end before."""
    found = archive.discover(sandbox.worker_ids[0], client=client)
    archive.sync(found[:2], client=client, progress=False)
    lose(archive, "ids")
    with pytest.warns(PartialDataWarning, match="has lost its table ids"):
        archive.discover(sandbox.worker_ids[0], client=client)
    assert archive.known_ids() == sorted(found)


def test_lost_tasks_are_missing_until_they_are_fetched(synced, client, ids, fetched):
    """Turns stay visible meanwhile."""
    lose(synced, "tasks")
    prepare(Storage.at(synced.uri))
    assert_same_rows(synced.turns(), fetched.turns)
    status = synced.status()
    assert (status.tasks, status.missing, status.complete) == (0, 20, False)
    assert synced.known_ids() == sorted(ids)
    assert synced.sync(client=client, progress=False).fetched == 20
    assert_same_rows(synced.tasks(), fetched.tasks)
    assert_same_rows(synced.turns(), fetched.turns)
    assert synced.status().complete


def test_lost_turns_are_failures_until_they_are_fetched(synced, client, ids, fetched):
    """Tasks stay, each with a failure, and the next sync fetches them first."""
    lose(synced, "turns")
    prepare(Storage.at(synced.uri))
    assert_same_rows(synced.tasks(), fetched.tasks)
    status = synced.status()
    assert (status.tasks, status.turns, status.complete) == (20, 0, False)
    assert set(status.failures["task_id"]) == set(ids)
    assert set(status.failures["stage"]) == {"turns"}
    assert "its turns were lost, or their batch was cut short" in status.failures["message"].iloc[0]
    assert synced.sync(client=client, progress=False).fetched == 20
    assert_same_rows(synced.turns(), fetched.turns)
    assert synced.status().complete


def test_a_repair_that_was_cut_short_goes_on(synced, client, fetched):
    """Where a lost table was made again, and nothing else was done, readers say so until a sync."""
    lose(synced, "turns")
    Storage.at(synced.uri).create()
    with pytest.warns(PartialDataWarning, match="is not whole: .* turns be lost; sync repairs it"):
        assert len(synced.turns()) == 0
    with pytest.warns(PartialDataWarning, match="is not whole"):
        assert not synced.tasks().attrs["handinger"]["complete"]
    with pytest.warns(PartialDataWarning, match="is not whole"):
        status = synced.status()
    assert not status.complete
    assert "turns be lost; sync again" in repr(status)
    synced.sync(client=client, progress=False)
    assert_same_rows(synced.turns(), fetched.turns)


@pytest.fixture
def cut_short(archive, record):
    """Leave turns of a task without the task, and clean up the state before, as another tool may do."""
    record(body_a("a", turns=2))
    record(body_a("b", turns=3), at=NOON + HOUR)
    record(body_a("b", turns=4), at=NOON + 2 * HOUR)
    for name in ("ids", "tasks"):
        for log in Path(archive.uri, name, "_delta_log").glob("*3.json"):
            log.unlink()
    turns = DeltaTable(f"{archive.uri}/turns")
    turns.create_checkpoint()
    for version in range(3):
        Path(archive.uri, "turns/_delta_log", f"{version:020}.json").unlink()
    return archive


def test_a_state_that_is_gone_from_the_log(cut_short, serve):
    """Where the state before a batch that was cut short is gone, the latest is read, and this is said."""
    with pytest.warns(PartialDataWarning, match="turns of a batch that was cut short may be shown"):
        turns = cut_short.turns()
    assert (len(turns), turns.attrs["handinger"]["complete"]) == (6, False)
    with pytest.warns(PartialDataWarning, match="is not whole"):
        assert not cut_short.status().complete
    with serve(Reply(body_a("b", turns=4)), Reply(body_a("a", turns=2))).client(max_connections=1) as client:
        assert cut_short.sync(client=client, progress=False, settle=NOON - NOON).fetched == 2
    assert cut_short.status().complete
    assert cut_short.turns()["turn_id"].is_unique


def test_an_archive_of_before_whose_pairing_is_gone(old):
    """Where a cleanup deleted the commit that named the turns, as once could be, all is read and repaired."""
    tasks = DeltaTable(f"{old.uri}/tasks")
    commits = list(Path(old.uri, "tasks/_delta_log").glob("*.json"))
    tasks.alter.set_table_properties({"delta.checkpointInterval": "10"}, raise_if_not_exists=False)
    DeltaTable(tasks.table_uri).create_checkpoint()
    for commit in commits:
        commit.unlink()
    with pytest.warns(PartialDataWarning, match="is not whole"):
        assert len(old.turns()) == 10
    prepare(Storage.at(old.uri))
    assert len(old.turns()) == 10
    assert old.status().paired


def test_an_earlier_state_that_is_gone(cut_short):
    """A version that is older than the log is an error that says so."""
    with pytest.raises(FileError, match="version 1 of its table turns is gone from the log"):
        cut_short.as_of(1).turns()


def test_a_storage_that_never_answers_stops_no_other_thread(tmp_path):
    """While it is waited for, other threads go on: asking whether there is an archive holds no lock."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        options = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "AWS_ACCESS_KEY_ID": "somebody",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
            "AWS_ALLOW_HTTP": "true",
            "timeout": "2s",
            "max_retries": "0",
        }
        archive = Archive("s3://bucket/archive", storage_options=options)
        for use in (archive.exists, lambda: archive.sync(["a"])):
            ended = threading.Event()
            steps = []

            def count(ended=ended, steps=steps):
                while not ended.is_set():
                    steps.append(None)
                    time.sleep(0.001)

            thread = threading.Thread(target=count)
            thread.start()
            with pytest.raises(FileError, match="the storage cannot be reached"):
                use()
            ended.set()
            thread.join()
            assert len(steps) > 100


def test_a_log_without_commits(synced, fetched):
    """Where another tool left only a checkpoint, the latest state is read; of a time nothing is known."""
    DeltaTable(f"{synced.uri}/tasks").create_checkpoint()
    for log in Path(synced.uri, "tasks/_delta_log").glob("*.json"):
        log.unlink()
    assert_same_rows(synced.turns(), fetched.turns)
    with pytest.raises(FileError, match=r"no state at 2026-06-01T12:00:00.*: its log begins later"):
        synced.as_of(NOON)


@pytest.mark.filterwarnings("ignore::handinger_analytics.PartialDataWarning")
def test_a_batch_that_the_log_lost_is_missed(synced, client, ids, fetched):
    """A last commit of ``turns`` that is empty, as after a power cut, does not pass for a state with less."""
    for commit in sorted(Path(synced.uri, "turns", "_delta_log").glob("*.json"), reverse=True):
        is_batch = b"handinger.batch" in commit.read_bytes()
        commit.write_bytes(b"")
        if is_batch:  # what came after it put files together
            break
    turns = synced.turns()
    assert len(turns) < len(fetched.turns)
    assert turns.attrs["handinger"]["complete"] is False
    assert not synced.status().complete
    synced.sync(client=client, progress=False)
    assert synced.status().complete
    assert_same_rows(synced.turns(), fetched.turns)
