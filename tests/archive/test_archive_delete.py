"""Tasks that are deleted: their rows go, and nobody brings them back."""

from __future__ import annotations

import datetime as dt
import multiprocessing
import random
import resource
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from deltalake.exceptions import CommitFailedError

from handinger_analytics import Archive, Client, FileError, TaskIdError
from handinger_analytics.archive.files import open_files, replace_files
from handinger_analytics.archive.layout import LAYOUTS
from handinger_analytics.archive.storage import Storage
from tests.archive.conftest import assert_same_rows, record_bodies
from tests.commands import TaskServer, run
from tests.samples import encoded, task_of, turn_of
from tests.scripted import asked_id, task_asked_for

NOW = dt.timedelta(0)


def secret_task(task_id: str, noise: str = "") -> bytes:
    """Return the body of a task whose texts nobody else has."""
    texts = {"input": f"CANARY asks {noise}", "outputText": "CANARY", "structuredOutput": {"is": "CANARY"}}
    turn = turn_of(task_id, **texts, files=[{"mediaType": "a/CANARY", "url": "https://CANARY", "size": 1}])
    task = task_of(task_id, title="CANARY title", createdByUserId="usr_CANARY")
    return encoded({"task": task, "turns": [turn], "new": "CANARY"})


def holds(archive: Archive, text: str) -> list[str]:
    """Return the files of an archive in which a text is, as bytes or in a decoded column."""
    found = []
    for file in filter(Path.is_file, Path(archive.uri).rglob("*")):
        rows = pq.ParquetFile(file).read().to_pylist() if file.suffix == ".parquet" else []
        if text in str(rows) or text.encode() in file.read_bytes():
            found.append(file.name)
    return found


@pytest.fixture
def server():
    """Run a server that has three tasks."""
    running = TaskServer("t1", "t2", "t3")
    yield running
    running.stop()


@pytest.fixture
def client(server):
    """Open a client of that server."""
    with Client("hdg_live_x", base_url=server.url, max_attempts=1) as opened:
        yield opened


@pytest.fixture
def kept(archive, client):
    """Return an archive of these three tasks, and of one that nobody has."""
    archive.sync(["t1", "t2", "t3", "gone"], client=client)
    return archive


def test_rows_are_gone_at_once_and_the_others_stay(kept):
    """Of the task and of its turns, in one state, in every engine, and it is complete without them."""
    tasks, turns, before = kept.tasks(), kept.turns(), kept.status()
    kept.delete(["t2", "gone"])
    assert_same_rows(kept.tasks(), tasks[tasks["task_id"] != "t2"])
    assert_same_rows(kept.turns(), turns[turns["task_id"] != "t2"])
    assert kept.turns(engine="pyarrow").to_table(columns=["task_id"])["task_id"].to_pylist() == ["t1", "t3"]
    status = kept.status()
    assert (status.tasks, status.turns, status.deleted, status.missing) == (2, 2, 2, 0)
    assert len(status.failures) == 0
    assert status.complete
    assert kept.known_ids() == ["t1", "t3"]
    assert kept.tasks().attrs["handinger"]["complete"]
    for version in range(before.version, status.version + 1):
        then = kept.as_of(version)
        assert set(then.tasks()["task_id"]) == set(then.turns()["task_id"])


@pytest.mark.slow
def test_an_earlier_state_has_them_until_a_vacuum(kept):
    """Afterwards the files are gone, too, and the earlier state cannot be read."""
    before = kept.as_of(kept.status().version)
    kept.delete("t2")
    assert sorted(before.tasks()["task_id"]) == ["t1", "t2", "t3"]
    kept.vacuum(NOW)
    with pytest.raises(FileError, match="by a vacuum"):
        before.tasks()
    assert sorted(kept.tasks()["task_id"]) == ["t1", "t3"]


def test_no_byte_is_left_after_a_vacuum(archive, server, client):
    """Neither of the texts of a task, nor of the message of a failure: not in data, not in the log."""
    server.replies["/api/tasks/t1"] = server.replies["/api/tasks/t1"].__class__(secret_task("t1"))
    server.otherwise = server.otherwise.__class__(encoded({"error": "CANARY has left"}), 404)
    archive.sync(["t1", "t2", "gone"], client=client)
    assert len(holds(archive, "CANARY")) >= 3
    archive.delete(["t1", "gone"])
    archive.compact()
    archive.vacuum(NOW)
    assert holds(archive, "CANARY") == []
    assert archive.tasks()["task_id"].tolist() == ["t2"]


def test_nobody_asks_for_them_again(kept, server, client):
    """Neither a sync that names them, nor one of everything, nor a retry of what was not fetched."""
    deleted = ["t2", "gone", "never heard of"]
    kept.delete(deleted)
    server.has("t1", "t2", "t3", *deleted)
    server.asked.clear()
    kept.sync(client=client)
    kept.sync([*deleted, "t1"], client=client)
    kept.sync([*deleted, "t1"], client=client, refresh="all")
    kept.sync(client=client, refresh="all")
    assert {path.rpartition("/")[2] for path in server.asked} == {"t1", "t3"}
    assert sorted(kept.tasks()["task_id"]) == ["t1", "t3"]
    assert kept.status().deleted == 3
    assert kept.status().complete


def test_what_is_deleted_is_not_forgotten(kept, client):
    """`forget` does not turn a deletion into something that can be undone; deleting again changes nothing."""
    kept.forget(["t1", "t3"])
    kept.delete(["t1", "t2"])
    kept.delete("t2")
    kept.forget(["t1", "t2"])
    kept.sync(["t1", "t2", "t3", "gone"], client=client, refresh="all")
    status = kept.status()
    assert (status.tasks, status.turns, status.deleted, status.forgotten, status.missing) == (1, 1, 2, 0, 1)


def test_a_sync_under_way_does_not_bring_them_back(kept, serve):
    """A task that was deleted after it was fetched and before it was recorded is not recorded."""

    def reply(request):
        if asked_id(request) == "t4":
            Archive(kept.uri).delete("t2")
        return task_asked_for(request)

    server = serve(reply)
    with server.client(max_connections=1) as client:
        kept.sync(["t1", "t2", "t4"], client=client, refresh="all")
    assert [path.rpartition("/")[2] for path in server.paths] == ["gone", "t1", "t2", "t4"]
    assert sorted(kept.tasks()["task_id"]) == ["gone", "t1", "t3", "t4"]
    assert sorted(kept.turns()["task_id"]) == ["gone", "t1", "t3", "t4"]


def data_files(archive: Archive) -> set[Path]:
    """Return the data files on disk, those that no table names included."""
    return set(Path(archive.uri).rglob("part-*.parquet"))


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_a_commit_that_comes_too_late_leaves_no_file(kept, layout):
    """Its rows may be those of a task that was deleted meanwhile."""
    late = Storage.at(kept.uri).open(layout)
    rows = open_files(late, layout.schema).to_table()
    kept.delete("t2")
    there = data_files(kept)
    with pytest.raises(CommitFailedError):
        replace_files(late, layout, [rows], [], None)
    assert data_files(kept) == there


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_deletions_beside_syncs_and_compactions_leave_no_row(archive, sandbox):
    """Whoever commits first, a vacuum of the tables as they are deletes all files that had the rows."""
    deleted, done = set(sandbox.task_ids[:100:10]), threading.Event()

    def work(change) -> None:
        while not done.is_set():
            change()

    with sandbox.client() as client, ThreadPoolExecutor() as pool:
        archive.sync(sandbox.task_ids, client=client)
        beside = Archive(archive.uri)
        working = [
            pool.submit(work, lambda: beside.sync(client=client, refresh="all", batch=40)),
            pool.submit(work, Archive(archive.uri).compact),
        ]
        for task_id in sorted(deleted):
            archive.delete(task_id)
        done.set()
        for each in working:
            each.result()
    archive.vacuum(NOW)
    for name in ("tasks", "turns"):
        for file in Path(archive.uri, name).rglob("part-*.parquet"):
            assert deleted.isdisjoint(pq.ParquetFile(file).read(["task_id"])["task_id"].to_pylist())


@pytest.mark.parametrize("finish", ["sync", pytest.param("vacuum", marks=pytest.mark.slow)])
def test_a_deletion_that_broke_off_is_completed(archive, server, client, small_files, finish):
    """Here the disk is full after the marks were written; the next sync or vacuum deletes the rows."""
    noise = random.Random(1).randbytes(60_000).hex()
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    record_bodies(archive, secret_task("t1", noise), secret_task("t2", noise[::-1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))
    with pytest.raises(FileError, match="may not grow that large"):
        archive.delete("t1")
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    assert sorted(archive.tasks()["task_id"]) == ["t1", "t2"]
    assert archive.known_ids() == ["t2"]
    status = archive.status()
    assert (status.complete, status.tasks, status.deleted, status.deleting) == (True, 2, 0, 1)
    assert "1 being deleted; sync or vacuum completes it" in repr(status)
    {"sync": lambda: archive.sync(["t1"], client=client), "vacuum": lambda: archive.vacuum(NOW)}[finish]()
    assert archive.tasks()["task_id"].tolist() == archive.turns()["task_id"].tolist() == ["t2"]
    assert (archive.status().deleted, archive.status().deleting) == (1, 0)


@pytest.mark.slow
def test_tasks_of_schema_1_are_deleted(old):
    """An archive whose tables lack the later columns is erased from all the same."""
    task_id = old.turns()["task_id"][0]
    old.delete(task_id)
    assert task_id not in set(old.tasks()["task_id"]) | set(old.turns()["task_id"])
    assert len(old.tasks()) == 7


def test_ids_are_checked_first(archive, kept, client):
    """What cannot be an id, the link of a worker, and an archive that is not there, are errors."""
    with pytest.raises(TaskIdError):
        kept.delete(["t1", ""])
    for drop in (kept.delete, kept.forget):
        with pytest.raises(
            TaskIdError, match=r"links with /task/ and an id in them, found 'https://.*/wrk_1'"
        ):
            drop(["t1", "https://v3.handinger.com/worker/wrk_1"])
    assert (len(kept.tasks()), len(kept.known_ids())) == (3, 4)
    odd = "https://v3.handinger.com/worker/wrk_1"
    kept.sync(odd, client=client)
    kept.forget(odd)  # which is a known id by now
    assert kept.status().forgotten == 1
    with pytest.raises(FileError, match="there is no archive"):
        Archive(f"{archive.uri}-none").delete("t1")


def test_it_returns_how_many_tasks_there_were(kept):
    """Neither ids that could not be fetched, nor unknown ones, nor those deleted before are counted."""
    assert kept.delete(["t1", "t2", "gone", "never heard of", "t1"]) == 2
    assert kept.delete(["t1", "t3"]) == 1
    assert kept.delete([]) == 0


def test_command(kept):
    """`delete` says in a line what it did and what comes next, and `status` how many there are."""
    done = run("delete", kept.uri, "t1", "https://v3.handinger.com/worker/w/task/t2")
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == (
        "deleted 2 tasks, 0 ids had no task here; none is asked for again. "
        "`vacuum --older-than 0` deletes the files that had them.\n"
    )
    assert "deleted   2\n" in run("status", kept.uri).output
    assert kept.tasks()["task_id"].tolist() == ["t3"]
    done = run("delete", kept.uri, "t1", "t3", "never heard of")
    assert done.stderr.startswith("deleted 1 task, 2 ids had no task here; ")
    assert (
        "/task/ and an id in them, found"
        in run("forget", kept.uri, "https://v3.handinger.com/worker/w").stderr
    )


@pytest.mark.parametrize("command", ["delete", "forget"])
def test_ids_of_commands(kept, tmp_path, command):
    """They are arguments, lines on stdin, cells of a file, or several of these; none is wrong usage."""
    (tmp_path / "ids.csv").write_text("worker_id,task_id\nw,t2\nw,gone\n")
    assert run(command, kept.uri, "t1", "--ids-from", str(tmp_path / "ids.csv")).exit_code == 0
    assert kept.known_ids() == ["t3"]
    assert run(command, kept.uri, "--ids-from", "-", input=b"task_id\nt3\n").exit_code == 0
    assert kept.known_ids() == []
    done = run(command, kept.uri)
    assert done.exit_code == 2
    assert "give task ids or dashboard links, or --ids-from FILE" in done.stderr


def erase(place: str, task_ids: list[str]) -> None:
    """Delete tasks one after the other; the body of a process that is killed."""
    for task_id in task_ids:
        Archive(place).delete(task_id)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_killed_deletion_is_completed(archive, sandbox, tmp_path):
    """At whatever moment: tasks have all of their turns, and a vacuum leaves no row of a task once named."""
    forkserver = multiprocessing.get_context("forkserver")
    forkserver.set_forkserver_preload([__name__])
    with sandbox.client() as client:
        archive.sync(sandbox.task_ids, client=client)
    counts = archive.turns().groupby("task_id").size()
    for number in range(12):
        killed = Archive(shutil.copytree(archive.uri, tmp_path / str(number)))
        process = forkserver.Process(target=erase, args=(killed.uri, sandbox.task_ids[:20]))
        process.start()
        while killed.status().deleted < 1 + number // 3 and process.is_alive():
            time.sleep(0.001)
        time.sleep(number * 0.007)
        process.kill()
        process.join()
        process.close()
        state = killed.as_of(killed.status().version)
        tasks, turns = state.tasks().set_index("task_id"), state.turns()
        assert set(turns["task_id"]) <= set(tasks.index)
        assert (turns.groupby("task_id").size() == counts[counts.index.isin(tasks.index)]).all()
        marked = set(sandbox.task_ids) - set(killed.known_ids())
        assert marked
        killed.vacuum(NOW)
        assert set(killed.tasks()["task_id"]) == set(sandbox.task_ids) - marked
        assert set(killed.turns()["task_id"]).isdisjoint(marked)
        assert killed.status().complete
