"""What can be wrong with the place of an archive, and what the error says then."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

import handinger_analytics as ha
from handinger_analytics import Archive, ArgumentError, FileError, Sandbox
from handinger_analytics.archive.storage import Storage
from tests.archive.conftest import HOUR, NOON, assert_same_rows
from tests.samples import body_a, encoded, task_of, turn_of


@pytest.fixture
def small_disk(tmp_path):
    """Mount a file system of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("needs the right to mount a tmpfs")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.slow
def test_disk_full(small_disk):
    """A full disk stops the sync with a clear error; the archive is a fetch of the batches before."""
    archive = Archive(small_disk / "archive")
    with Sandbox(tasks=2000, seed=7) as sandbox, sandbox.client() as client:
        with pytest.raises(FileError, match="the disk is full: free some space and sync again") as error:
            archive.sync(sandbox.task_ids, client=client, batch=100)
        assert "What was in the archive is as it was." in str(error.value)
        there = archive.tasks()["task_id"].tolist()
        assert 100 <= len(there) < 2000
        assert len(there) % 100 == 0
        assert_same_rows(archive.turns(), ha.fetch_turns(there, client=client))
        with pytest.raises(FileError, match="the disk is full"):
            archive.sync(client=client)
        assert len(archive.tasks()) >= len(there)
        subprocess.run(["mount", "-o", "remount,size=64m", small_disk], check=True)
        archive.sync(client=client)
        assert_same_rows(archive.turns(), ha.fetch_turns(sandbox.task_ids, client=client))


@pytest.mark.slow
def test_read_only(small_disk):
    """In a folder that is mounted read-only a sync says so, and reading goes on."""
    archive = Archive(small_disk / "archive")
    with Sandbox(tasks=20, seed=7) as sandbox, sandbox.client() as client:
        archive.sync(sandbox.task_ids[:10], client=client)
        subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
        with pytest.raises(FileError, match="it cannot be written: check who owns it"):
            archive.sync(sandbox.task_ids, client=client)
        with pytest.raises(FileError, match="it cannot be written: check who owns it"):
            Archive(small_disk / "another").sync(sandbox.task_ids, client=client)
        assert_same_rows(archive.turns(), ha.fetch_turns(sandbox.task_ids[:10], client=client))


@pytest.mark.slow
def test_file_size_limit(tmp_path):
    """A limit on the size of files (ulimit -f) is an error that names it, and nothing is half there."""
    code = """
import resource, sys
import handinger_analytics as ha
from handinger_analytics import Archive
archive = Archive(sys.argv[1])
with ha.Sandbox(tasks=400, seed=7) as sandbox, sandbox.client() as client:
    archive.sync(sandbox.task_ids[:100], client=client)
    resource.setrlimit(resource.RLIMIT_FSIZE, (12_000, resource.RLIM_INFINITY))
    try:
        archive.sync(sandbox.task_ids, client=client)
    except ha.FileError as error:
        print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "archive"], capture_output=True, text=True, check=True
    )
    assert "a file may not grow that large here: raise the limit (ulimit -f)" in done.stdout
    assert len(Archive(tmp_path / "archive").tasks()) == 100


def test_folder_below_a_file(tmp_path):
    """A path that cannot be a folder is an error, not a traceback of the storage."""
    (tmp_path / "file").write_text("text")
    with pytest.raises(FileError, match=r"cannot (read|write) the archive"):
        Archive(tmp_path / "file" / "archive").sync(["tsk_1"])


def test_no_archive(archive):
    """Reading what is not there says how to make it; asking whether it is there does not make it."""
    with pytest.raises(
        FileError, match=r"there is no archive at .*; Archive\(…\).sync\(task_ids\) makes one"
    ):
        archive.turns()
    assert not archive.exists()
    assert not Path(archive.uri).exists()


@pytest.mark.parametrize(
    "use",
    [
        pytest.param(lambda archive: archive.sync(), id="sync"),
        pytest.param(lambda archive: archive.forget("tsk_1"), id="forget"),
        pytest.param(lambda archive: archive.delete("tsk_1"), id="delete"),
        pytest.param(Archive.compact, id="compact"),
        pytest.param(Archive.vacuum, id="vacuum"),
    ],
)
def test_no_archive_is_made_by_what_changes_one(archive, use):
    """A place that was mistyped is an error, and nothing is written there."""
    with pytest.raises(FileError, match="there is no archive at"):
        use(archive)
    assert not Path(archive.uri).exists()


def test_exists(archive, record):
    """After the first sync there is one."""
    record(body_a("a"))
    assert archive.exists()


def test_half_made_archive_is_finished(archive, record):
    """A process that dies while it makes the tables leaves nothing that a later one cannot complete."""
    Storage.at(archive.uri).create()
    for name in ("turns", "tasks"):
        shutil.rmtree(f"{archive.uri}/{name}")
    assert not archive.exists()
    record(body_a("a"))
    assert len(archive.tasks()) == 1


def test_tables_without_what_came_later(archive, record):
    """Archives whose tasks do not say yet when they began, nor the last sync, are read and synced on."""
    record(body_a("a", turns=1))
    for path in archive.files("tasks"):
        pq.write_table(pq.ParquetFile(path).read().drop_columns(["began_at"]), path)
    for log in Path(archive.uri, "tasks", "_delta_log").glob("*.json"):
        actions = [json.loads(line) for line in log.read_text().splitlines()]
        actions = [action for action in actions if "txn" not in action]
        for action in actions:
            action.get("commitInfo", {})["handinger"] = {"turns": 1, "ids": 1}
            if metadata := action.get("metaData"):
                schema = json.loads(metadata["schemaString"])
                schema["fields"] = [field for field in schema["fields"] if field["name"] != "began_at"]
                metadata["schemaString"] = json.dumps(schema)
        log.write_text("\n".join(map(json.dumps, actions)))
    assert archive.status().last_sync is None
    june = "2026-06-02T00:00:00.000Z"
    turn = turn_of("a", 0, startedAt=june, completedAt=june)
    record(encoded({"task": task_of("a", createdAt=june, completedAt=june), "turns": [turn]}), at=NOON + HOUR)
    assert len(archive.tasks()) == len(archive.turns()) == 1
    assert archive.status().last_sync == NOON + HOUR


def test_tables_of_others(archive):
    """Delta tables that something else wrote are left alone."""
    write_deltalake(f"{archive.uri}/tasks", pa.table({"task_id": ["a"]}))
    with pytest.raises(FileError, match="holds Delta tables that this package did not write"):
        archive.sync(["a"])


def test_bucket_that_cannot_be_reached():
    """The error names the bucket, what to check, and no secret."""
    options = {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ACCESS_KEY_ID": "AKIA-CANARY",
        "AWS_SECRET_ACCESS_KEY": "secret-CANARY",
        "AWS_REGION": "us-east-1",
        "AWS_ALLOW_HTTP": "true",
        "max_retries": "1",
    }
    archive = Archive("s3://bucket/archive", storage_options=options)
    for use in (archive.turns, lambda: archive.sync(["a"]), archive.exists):
        with pytest.raises(FileError, match="'s3://bucket/archive': the storage cannot be reached") as error:
            use()
        assert "CANARY" not in str(error.value)
        assert "\x1b" not in str(error.value)
    assert "CANARY" not in repr(archive) + repr(Storage.at(archive.uri, options))


def test_unknown_kind_of_address():
    """An address that nothing can open is an error with the address in it."""
    with pytest.raises(FileError, match="nonsense://x"):
        Archive("nonsense://x").turns()


@pytest.mark.parametrize("uri", [None, 3, "", " ", b"folder"])
def test_place_that_is_none(uri):
    """What is no place is refused at once, with what it was."""
    with pytest.raises(ArgumentError, match=rf"uri: expected a folder, or an address .*, found {uri!r}"):
        Archive(uri)


@pytest.mark.parametrize(("name", "found"), [("a%20b", "%20"), ("a[x]", "["), ("a|b", "|"), ("a\nb", r"\n")])
def test_names_that_deltalake_cannot_use(tmp_path, name, found):
    """Folders that deltalake would misread, or crash on, are refused with the part that it does not take."""
    with pytest.raises(FileError) as error:
        Archive(tmp_path / name)
    assert f"deltalake cannot use a path with '{found}' in it" in str(error.value)


def test_uri_of_a_folder(tmp_path):
    """An address of a folder is that folder."""
    assert Archive((tmp_path / "my archive").as_uri()).uri == str(tmp_path / "my archive")


@pytest.mark.parametrize("options", ["AWS_REGION=x", [("AWS_REGION", "x")], {"AWS_REGION": 3}, {3: "x"}])
def test_options_that_are_no_text(tmp_path, options):
    """Options are refused where they are given, not where they are used."""
    with pytest.raises(
        ArgumentError, match=r"storage_options: expected a mapping of str to str, found .*class"
    ):
        Archive(tmp_path, storage_options=options)


def test_home_folder_and_paths(tmp_path, monkeypatch):
    """A path may be relative, begin with ~, or be a Path."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    expected = str(tmp_path / "archive")
    assert Archive("~/archive").uri == Archive("archive").uri == Archive(tmp_path / "archive").uri == expected


def test_without_deltalake(archive, monkeypatch):
    """Without the extra, the error says what to install."""
    monkeypatch.setitem(sys.modules, "deltalake", None)  # as Python marks what cannot be imported
    for use in (archive.turns, archive.exists, lambda: archive.sync(["a"])):
        with pytest.raises(FileError, match=r"pip install 'handinger-analytics\[archive\]'"):
            use()


def test_importing_loads_no_engine():
    """Deltalake and the engines are loaded when they are used."""
    code = "import sys, handinger_analytics.archive; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()).isdisjoint(["deltalake", "polars", "duckdb", "pyspark"])
