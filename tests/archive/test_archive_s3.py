"""An archive in a bucket, on a real S3 server on loopback."""

from __future__ import annotations

import datetime as dt
import http.server
import multiprocessing
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import polars as pl
import pytest
import requests

import handinger_analytics as ha
from handinger_analytics import Archive, FileError
from handinger_analytics.archive.recording import record_rows, remember
from handinger_analytics.archive.storage import Storage
from handinger_analytics.fetching.result import fetched_of
from handinger_analytics.sources import kept_at
from tests.archive.conftest import NOON, assert_same_rows
from tests.samples import encoded, task_of, turn_of

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def bucket() -> Iterator[dict[str, str]]:
    """Run a moto server with one bucket, as a process of its own; yield the options to reach it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    moto = Path(sys.executable).with_name("moto_server")
    command = [moto, "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        url = f"http://127.0.0.1:{port}"
        for _ in range(200):
            try:
                requests.put(f"{url}/bucket", timeout=5)
                break
            except requests.ConnectionError:
                time.sleep(0.1)
        yield {
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "somebody",
            "AWS_SECRET_ACCESS_KEY": "secret-CANARY",
            "AWS_REGION": "us-east-1",
            "AWS_ALLOW_HTTP": "true",
        }
        server.kill()


def test_archive_in_a_bucket(bucket, sandbox, client):
    """Sync, sync again, read on every engine, go back, compact and vacuum: all as in a folder."""
    archive = Archive("s3://bucket/prefix/archive/", storage_options=bucket)
    assert not archive.exists()
    report = archive.sync(sandbox.task_ids[:60], client=client, batch=30)
    assert report.fetched == 60
    first = archive.status().version
    archive.sync(sandbox.task_ids, client=client)
    fetched = ha.fetch(sandbox.task_ids, client=client)
    assert_same_rows(archive.tasks(), fetched.tasks)
    assert_same_rows(archive.turns(), fetched.turns)
    credits = int(fetched.turns["credits"].sum())
    assert archive.turns(engine="polars").select(pl.col("credits").sum()).collect().item() == credits
    assert archive.turns(engine="duckdb").aggregate("sum(credits)").fetchall() == [(credits,)]
    assert len(archive.as_of(first).tasks()) == 60
    assert all(path.startswith("s3://bucket/prefix/archive/turns/") for path in archive.files("turns"))
    assert archive.compact() > 0
    assert archive.vacuum(dt.timedelta(0)) > 0
    assert_same_rows(archive.turns(), fetched.turns)


@pytest.mark.parametrize("scheme", ["s3", "s3a"])
def test_what_is_kept_in_a_bucket(bucket, client, sandbox, monkeypatch, scheme):
    """With the usual environment, an archive and Parquet are told apart; Arrow does not know ``s3a``."""
    for name, value in bucket.items():
        monkeypatch.setenv(name, value)
    archive = Archive(f"{scheme}://bucket/{scheme}/archive")
    archive.sync(sandbox.task_ids[:5], client=client)
    assert len(kept_at(archive.uri).turns()) == len(archive.turns())
    ha.export_parquet(archive.turns(), f"s3://bucket/{scheme}/fetched/turns.parquet")
    kept = kept_at(f"s3://bucket/{scheme}/fetched/")
    assert_same_rows(kept.turns(), archive.turns())


def test_two_writers_in_a_bucket(bucket, sandbox, client):
    """Conditional writes keep two writers apart in a bucket, too."""
    place = "s3://bucket/prefix/raced"
    ids = sandbox.task_ids
    archives = [Archive(place, storage_options=bucket) for _ in range(2)]
    parts = [ids[:80], ids[40:]]
    threads = [
        threading.Thread(target=archive.sync, args=(part,), kwargs={"client": client, "batch": 10})
        for archive, part in zip(archives, parts, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    fetched = ha.fetch(ids, client=client)
    assert_same_rows(archives[0].turns(), fetched.turns)
    assert_same_rows(archives[1].tasks(), fetched.tasks)


class Forgetful(http.server.BaseHTTPRequestHandler):
    """Hands requests on to the server ``behind``, and loses its answer to the first batch of turns."""

    behind = ""
    lost = False
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        """Hand one request on."""
        data = self.rfile.read(int(self.headers.get("content-length", 0)))
        found = requests.request(
            self.command, self.behind + self.path, headers=self.headers, data=data, timeout=60
        )
        loses = self.command == "PUT" and f"/turns/_delta_log/{1:020}.json" in self.path and not self.lost
        Forgetful.lost |= loses
        self.send_response(503 if loses else found.status_code)
        for name in {"etag", "last-modified", "content-range", "content-type"}.intersection(
            map(str.lower, found.headers)
        ):
            self.send_header(name, found.headers[name])
        size = found.headers.get("content-length", 0) if self.command == "HEAD" else len(found.content)
        self.send_header("content-length", str(size))
        self.end_headers()
        self.wfile.write(found.content)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def hand_on(url: str, port: Connection) -> None:
    """Run such a server; in a process of its own, since deltalake waits with the interpreter's lock held."""
    Forgetful.behind = url
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Forgetful) as server:
        port.send(server.server_port)
        server.serve_forever()


def test_a_commit_whose_answer_is_lost_counts(bucket, sandbox, client):
    """It fails when it is tried again; its files are not those of a commit that came too late."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=hand_on, args=(bucket["AWS_ENDPOINT_URL"], theirs))
    process.start()
    try:
        options = bucket | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{ours.recv()}"}
        archive = Archive("s3://bucket/forgetful", storage_options=options)
        archive.sync(sandbox.task_ids[:20], client=client)
    finally:
        process.kill()
        process.join()
    archive = Archive("s3://bucket/forgetful", storage_options=bucket)
    assert set(archive.turns()["task_id"]) == set(sandbox.task_ids[:20])
    assert archive.status().complete


def test_large_files_in_a_bucket(bucket):
    """A file that is uploaded in several parts comes back whole."""
    text = random.Random(7).randbytes(8_000_000).hex()
    archive = Archive("s3://bucket/large", storage_options=bucket)
    body = encoded({"task": task_of("a"), "turns": [turn_of("a", outputText=text)]})
    rows = fetched_of(ha.parse_bodies([body])).rows
    storage = Storage.at(archive.uri, bucket)
    storage.create()
    record_rows(storage, rows, remember(storage, ["a"]), NOON, NOON)
    assert archive.turns(["output_text"])["output_text"].tolist() == [text]


def test_bucket_that_is_not_there(bucket):
    """The error says what is missing, and no secret."""
    archive = Archive("s3://another/archive", storage_options=bucket)
    with pytest.raises(FileError, match="there is no such bucket: check the address") as error:
        archive.sync(["tsk_1"])
    assert "CANARY" not in str(error.value)


def test_an_address_with_a_secret_is_used_and_not_shown(bucket, sandbox, client):
    """A user name and password in the address are in no repr and no error, and the bucket is reached."""
    archive = Archive("s3://KEY:CANARY@bucket/secret", storage_options=bucket)
    assert archive.sync(sandbox.task_ids[:3], client=client).complete
    assert len(archive.turns()) == len(Archive("s3://bucket/secret", storage_options=bucket).turns())
    assert repr(archive) == "<Archive s3://***@bucket/secret>"
    with pytest.raises(FileError) as caught:
        archive.as_of(1000)
    assert "CANARY" not in str(caught.value)
