from __future__ import annotations

import datetime as dt

import duckdb
import narwhals.stable.v2 as nw
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from handinger_analytics import Archive, Sandbox, SettingsError, export_parquet, parse_bodies
from handinger_analytics.widget import TaskLookup
from tests.samples import body_a
from tests.widget.touching import entry, matches, page


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


class UnknownFrame(list):
    """Stand in for a frame of a library that is not known: its columns are no worker ids."""

    columns = ("task_id",)


@pytest.mark.parametrize("source", [7, dt.date(2026, 5, 1), UnknownFrame(["task_id"])])
def test_impossible_source_is_refused(source):
    """Something that cannot be a source is refused when the widget is made, with what could be one."""
    with pytest.raises(SettingsError, match=r"source is .*: expected an archive, a frame of tasks or turns"):
        TaskLookup(source=source)
