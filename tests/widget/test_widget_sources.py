from __future__ import annotations

import datetime as dt

import duckdb
import narwhals.stable.v2 as nw
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from handinger_analytics import Archive, ArgumentError, Sandbox, TaskLookup, export_parquet, parse_bodies
from handinger_analytics.sandbox import Faults
from tests.samples import body_a
from tests.widget.driver import click, control, entry, eventually, matches, page

SLOW = "tsk_2Z-YWz3hFq6VlW"
"""A task whose answer is late, too."""


@pytest.fixture(scope="module")
def parsed():
    """Parse two tasks with known titles."""
    return parse_bodies([body_a("tsk_a", title="Invoice"), body_a("tsk_b", title="Refund")])


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Sync an archive in two steps: 5 tasks in its first states, 12 in the last one."""
    archive = Archive(tmp_path_factory.mktemp("archive"))
    with Sandbox(tasks=12, seed=7) as sandbox, sandbox.client() as client:
        archive.sync(sandbox.task_ids[:5], client=client)
        archive.sync(sandbox.task_ids, client=client)
    return archive


@pytest.fixture
def slow_source(open_lookup):
    """Open a widget whose source, a webhook log, answers late, and wait until it has been asked."""
    with Sandbox(tasks=60, seed=7) as prompt:
        workers = prompt.worker_ids
    faults = Faults(rate=0, always={workers[0]: "slow-first-byte", SLOW: "slow-first-byte"}, slow=3)
    with Sandbox(tasks=60, seed=7, faults=faults) as sandbox, sandbox.client() as client:
        lookup = open_lookup(client, source=workers)
        eventually(lambda: sandbox.stats.requests == 1)
        yield sandbox, lookup
        lookup.close()
        lookup.wait(30)


def offered(lookup) -> list[str]:
    """Return the ids of the matches on offer."""
    return [button.description.split("  ·  ")[-1] for button in matches(lookup)]


def forms(archive) -> dict[str, object]:
    """Return the ways to name an archive."""
    uri = archive.uri
    return {"object": archive, "text": uri, "address": f"file://{uri}"}


@pytest.mark.parametrize("form", ["object", "text", "address"])
def test_archive_is_a_source(open_lookup, client, archive, form):
    """An archive is searched, whether it is given itself or named by its folder or address."""
    lookup = open_lookup(client, source=forms(archive)[form])
    assert lookup.wait(30)
    assert "Type words to search 12 tasks" in page(lookup)
    wanted = archive.tasks(["task_id"])["task_id"].iloc[7]
    entry(lookup).value = wanted[:9]
    assert offered(lookup) == [wanted]


def test_path_of_an_archive_is_a_source(open_lookup, client, archive, monkeypatch, tmp_path):
    """The folder of an archive may be a path, also one that starts where the program runs."""
    (tmp_path / "kept").symlink_to(archive.uri)
    monkeypatch.chdir(tmp_path)
    lookup = open_lookup(client, source="kept")
    assert lookup.wait(30)
    assert "Type words to search 12 tasks" in page(lookup)


def test_past_of_an_archive_is_a_source(open_lookup, client, archive):
    """An archive as it was is searched as it was."""
    first = next(
        version for version in range(archive.status().version) if len(archive.as_of(version).tasks()) == 5
    )
    lookup = open_lookup(client, source=archive.as_of(first))
    assert lookup.wait(30)
    assert "Type words to search 5 tasks" in page(lookup)


def test_archive_without_its_texts(open_lookup, client, archive):
    """Of an archive only what is searched is read: not its turns, and not the answers of its tasks."""
    asked = []

    class Watched(Archive):
        def tasks(self, columns=None, **rest):
            asked.append(columns)
            return super().tasks(columns, **rest)

    lookup = open_lookup(client, source=Watched(archive.uri))
    assert lookup.wait(30)
    assert "Type words to search 12 tasks" in page(lookup)
    assert asked == [["task_id", "title", "worker_id", "status", "created_at"]]


def test_no_archive_there_is_said(open_lookup, client, tmp_path):
    """An archive that was never synced is said in plain words."""
    lookup = open_lookup(client, source=Archive(tmp_path / "none"))
    assert lookup.wait(30)
    assert "Nothing can be searched: There is no archive at" in page(lookup)


def test_fetched_folder_is_a_source(open_lookup, client, parsed, tmp_path):
    """Of a folder as the command line writes it the tasks are searched, and not what failed."""
    export_parquet(parsed.tasks, tmp_path / "tasks.parquet")
    export_parquet(parsed.turns, tmp_path / "turns.parquet")
    export_parquet(pd.DataFrame({"task_id": ["tsk_gone"]}), tmp_path / "failures.parquet")
    (tmp_path / "spend.png").write_bytes(b"\x89PNG")
    lookup = open_lookup(client, source=tmp_path)
    assert lookup.wait(30)
    assert "Type words to search 2 tasks" in page(lookup)
    entry(lookup).value = "refund"
    assert offered(lookup) == ["tsk_b"]


@pytest.mark.parametrize("kind", ["tasks", "turns"])
@pytest.mark.parametrize(
    "converted",
    [
        pytest.param(pl.from_pandas, id="Polars"),
        pytest.param(lambda frame: pl.from_pandas(frame).lazy(), id="Polars, lazy"),
        pytest.param(pa.Table.from_pandas, id="Arrow"),
        pytest.param(lambda frame: duckdb.from_arrow(pa.Table.from_pandas(frame)), id="DuckDB"),
        pytest.param(nw.from_native, id="narwhals"),
    ],
)
def test_frames_of_other_engines_are_a_source(open_lookup, client, parsed, kind, converted):
    """Tasks and turns are searched whichever library holds them."""
    frame = getattr(parsed, kind)
    title = "title" if kind == "tasks" else "task_title"
    time = "created_at" if kind == "tasks" else "started_at"
    columns = ["task_id", title, "worker_id", time, *(["status"] if kind == "tasks" else [])]
    lookup = open_lookup(client, source=converted(frame[columns]))
    assert lookup.wait(30)
    assert "Type words to search 2 tasks" in page(lookup)
    entry(lookup).value = "refund"
    assert offered(lookup) == ["tsk_b"]
    assert "2026-05-11 09:14" in matches(lookup)[0].description


def test_other_columns_of_another_engine_are_said(open_lookup, client):
    """A frame of another library that has no tasks in it is said with the columns it has."""
    lookup = open_lookup(client, source=pl.DataFrame({"day": [1]}))
    assert lookup.wait(30)
    assert "expected the columns of tasks" in page(lookup)
    assert "found day" in page(lookup)


def test_series_of_workers_is_a_source(open_lookup):
    """A column of worker ids is no frame: their webhook log is read."""
    with Sandbox(tasks=20, seed=7) as sandbox, sandbox.client() as client:
        lookup = open_lookup(client, source=pd.Series(sandbox.worker_ids))
        assert lookup.wait(30)
        assert "Type words to search" in page(lookup)


@pytest.mark.slow
def test_cancel_a_slow_source(slow_source):
    """A cancel ends the wait for a webhook log at once; what it brings later is left aside."""
    sandbox, lookup = slow_source
    assert not control(lookup, "Cancel").disabled
    control(lookup, "Cancel").click()
    assert page(lookup) == "Cancelled: nothing can be searched. Type or paste ids or links."
    assert control(lookup, "Cancel").disabled
    (task_id,) = sandbox.task_ids[:1]
    entry(lookup).value = task_id
    click(lookup, "Look up")
    assert page(lookup).startswith("Found 1 task")
    entry(lookup).value = task_id[:6]
    assert offered(lookup) == []
    assert sandbox.stats.by_route["webhook"] == 1


@pytest.mark.slow
def test_cancel_a_lookup_while_the_source_is_read(slow_source):
    """The first cancel ends the lookup alone: the source goes on being read, and can be searched then."""
    sandbox, lookup = slow_source
    entry(lookup).value = SLOW
    control(lookup, "Look up").click()
    eventually(lambda: sandbox.stats.requests == 2)
    control(lookup, "Cancel").click()
    eventually(lambda: page(lookup).startswith("Cancelled. Nothing found."))
    assert not control(lookup, "Cancel").disabled
    assert lookup.wait(30)
    assert control(lookup, "Cancel").disabled
    entry(lookup).value = sandbox.task_ids[0][:4]
    assert len(offered(lookup)) == 8


@pytest.mark.slow
def test_clear_leaves_the_source(slow_source):
    """A clear forgets what was looked up, and the source goes on being read."""
    sandbox, lookup = slow_source
    click(lookup, "Clear")
    entry(lookup).value = sandbox.task_ids[0][:4]
    assert len(offered(lookup)) == 8


class UnknownFrame(list):
    """Stand in for a frame of a library that is not known: its columns are no worker ids."""

    columns = ("task_id",)


@pytest.mark.parametrize("source", [7, dt.date(2026, 5, 1), UnknownFrame(["task_id"])])
def test_impossible_source_is_refused(source):
    """Something that cannot be a source is refused when the widget is made, with what could be one."""
    with pytest.raises(ArgumentError, match=r"^source: expected an archive, a frame of tasks or turns"):
        TaskLookup(source=source)
