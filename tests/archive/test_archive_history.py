"""States of an archive: half-written ones, earlier ones, and its upkeep."""

from __future__ import annotations

import datetime as dt
import os
import time
from pathlib import Path

import numpy as np
import pytest
from deltalake import DeltaTable

import handinger_analytics as ha
from handinger_analytics import Archive, ArgumentError, FileError, Sandbox
from handinger_analytics.archive.layout import TASKS_LAYOUT, TURNS_LAYOUT
from handinger_analytics.archive.recording import record_rows
from handinger_analytics.archive.snapshot import Pointer, Snapshot, pointer_of
from handinger_analytics.archive.storage import Storage
from handinger_analytics.fetching.result import fetched_of
from tests.archive.conftest import HOUR, NOON, assert_same_rows, record_bodies
from tests.samples import body_a, encoded, task_of, turn_of
from tests.scripted import Reply

NOTHING = dt.timedelta(0)


@pytest.fixture
def half_written(archive, record):
    """Leave turns of task b in the archive without the task, as a writer that is killed in between does."""
    record(body_a("a", turns=2))
    record(body_a("b", turns=3))
    for name in ("ids", "tasks"):
        Path(archive.uri, name, "_delta_log", f"{2:020}.json").unlink()
    return archive


def delta_table(archive, name: str) -> DeltaTable:
    """Open one of the tables as any Delta tool does."""
    return DeltaTable(f"{archive.uri}/{name}")


def files_by_month(archive, table: str) -> dict[str, list[str]]:
    """Files of a table, sorted, by the name of their month."""
    months: dict[str, list[str]] = {}
    for path in sorted(archive.files(table)):
        months.setdefault(path.split("month=")[1][:7], []).append(path)
    return months


def test_half_written_batch_is_not_seen(half_written):
    """Turns without their task are on the disk, and no reader sees them."""
    assert delta_table(half_written, "turns").count() == 5
    assert len(half_written.turns()) == 2
    assert half_written.turns(engine="pyarrow").count_rows() == 2
    assert half_written.status().turns == 2
    assert len(half_written.files("turns")) == 1


def test_half_written_batch_survives_upkeep(half_written, record):
    """Neither compacting nor vacuuming shows it or harms it, and the next fetch of the task completes it."""
    half_written.compact()
    half_written.vacuum(NOTHING)
    assert len(half_written.turns()) == 2
    record(body_a("b", turns=3), at=NOON + HOUR)
    assert len(half_written.turns()) == 5
    assert half_written.tasks()["task_id"].sort_values().tolist() == ["a", "b"]


def test_half_written_batch_is_not_doubled_by_others(half_written, record):
    """Other batches may come before the one that completes it."""
    record(body_a("c", turns=1))
    record(body_a("b", turns=3), at=NOON + HOUR)
    assert half_written.turns()["turn_id"].is_unique
    assert len(half_written.turns()) == 6


def test_half_written_batch_can_change_before_it_is_completed(half_written, record):
    """Turns left behind by a killed writer are replaced like any others."""
    moved = turn_of("b", 0, startedAt="2026-06-02T00:00:00.000Z", credits=7)
    record(encoded({"task": task_of("b"), "turns": [moved]}), at=NOON + HOUR)
    assert half_written.turns(["credits"])["credits"].tolist().count(7) == 1
    assert len(half_written.turns()) == 3


def test_earlier_states(archive, record):
    """Every batch can be read again by its version, tasks and turns as they belonged together."""
    record(body_a("a", turns=1))
    first = archive.status().version
    record(body_a("a", turns=2), body_a("b", turns=1), at=NOON + HOUR)
    record(body_a("b", turns=4), at=NOON + 2 * HOUR)
    assert archive.status().version == first + 2
    sizes = [(len(one.tasks()), len(one.turns())) for one in map(archive.as_of, range(first, first + 3))]
    assert sizes == [(1, 1), (2, 3), (2, 6)]
    assert archive.as_of(first).turns().attrs["handinger"]["requested"] == 1
    assert "as of version" in repr(archive.as_of(first))


def test_state_at_a_time(archive, record):
    """A time names the last state at that time; a state from before the beginning is an error."""
    before = dt.datetime.now(dt.UTC) - HOUR
    record(body_a("a", turns=1))
    time.sleep(0.05)
    between = dt.datetime.now(dt.UTC)
    time.sleep(0.05)
    record(body_a("b", turns=1))
    assert archive.as_of(between).tasks()["task_id"].tolist() == ["a"]
    assert archive.as_of(between.isoformat()).tasks()["task_id"].tolist() == ["a"]
    assert len(archive.as_of(dt.datetime.now(dt.UTC)).tasks()) == 2
    with pytest.raises(FileError, match=r"no state at .*: its log begins at 20"):
        archive.as_of(before)


def test_unknown_state(archive, record):
    """A version that never was is an error at once."""
    record(body_a("a"))
    with pytest.raises(FileError, match=r"has no version 999; the latest is 1"):
        archive.as_of(999)
    for version in (1.5, -1, True):
        with pytest.raises(
            ArgumentError, match=f"version: expected a number, 0 or more, or a time, found {version}"
        ):
            archive.as_of(version)


def test_version_may_be_of_numpy(archive, record):
    """A version that was taken out of a frame is a number like any other."""
    record(body_a("a"))
    assert len(archive.as_of(np.int64(1)).tasks()) == 1


def test_state_whose_files_are_gone(archive, record):
    """After a vacuum an earlier state says what happened to its files."""
    record(body_a("a", turns=1))
    record(encoded({"task": task_of("a"), "turns": [turn_of("a", 0, credits=1)]}), at=NOON + HOUR)
    earlier = archive.as_of(1)
    archive.vacuum(NOTHING)
    with pytest.raises(
        FileError, match="a file of this state is gone, perhaps by a vacuum: read a later state"
    ):
        earlier.turns()


def test_pointer_never_goes_back(archive, record):
    """A commit with older versions than the commit before it does not hide the turns of that one."""
    record(body_a("a", turns=2))
    record(body_a("b", turns=2))
    before = pointer_of(delta_table(archive, "tasks"))
    assert before == Pointer(turns=2, ids=2, synced=1_780_315_200_000, batch=2)
    assert before.advanced(1, 3, 1) == Pointer(turns=2, ids=3, synced=1_780_315_200_000, batch=2)
    rows = fetched_of(ha.parse_bodies([body_a("a", turns=2)])).rows
    record_rows(Storage.at(archive.uri), rows, 0, NOON + HOUR, NOON + HOUR)
    after = pointer_of(delta_table(archive, "tasks"))
    assert (after.turns, after.ids, after.synced_at) == (2, 2, NOON + HOUR)
    assert len(archive.turns()) == 4


def test_commits_of_others_are_passed_over(archive, record):
    """An OPTIMIZE by another tool has no pointer; that of the commit before it counts."""
    record(body_a("a", turns=2))
    record(body_a("b", turns=2))
    delta_table(archive, "tasks").optimize.compact()
    assert len(archive.turns()) == 4
    assert len(archive.tasks()) == 2


@pytest.mark.slow
def test_compact_and_vacuum_change_no_row(archive, record):
    """Fewer files hold the same rows, the old ones go with a vacuum, and so do the states that need them."""
    for number in range(6):
        record(body_a(f"t{number}", turns=2), at=NOON + number * HOUR)
    tasks, turns, first = archive.tasks(), archive.turns(), archive.status().version - 5
    assert len(archive.files("turns")) == 6
    assert archive.compact() == 5 + 5 + 5
    assert len(archive.files("turns")) == len(archive.files("tasks")) == 1
    assert_same_rows(archive.turns(), turns)
    assert len(archive.as_of(first).turns()) == 2
    assert archive.vacuum() == 0
    assert archive.vacuum(NOTHING) == 18
    on_disk = [str(path) for path in Path(archive.uri, "turns").glob("month=*/*.parquet")]
    assert on_disk == archive.files("turns")
    assert_same_rows(archive.turns(), turns)
    assert_same_rows(archive.tasks(), tasks)
    assert archive.compact() == 0
    record(body_a("t0", turns=3), at=NOON + 9 * HOUR)
    assert len(archive.turns()) == 13


@pytest.mark.slow
def test_sync_compacts_what_is_scattered(archive, serve):
    """Many small batches of one month do not leave as many files behind."""
    ids = [f"tsk_{number}" for number in range(20)]
    with serve(*(Reply(body_a(task_id)) for task_id in ids)).client(max_connections=1) as client:
        archive.sync(ids, client=client, batch=1)
    assert len(archive.files("turns")) < 16
    assert archive.tasks()["task_id"].sort_values().tolist() == sorted(ids)


@pytest.mark.slow
def test_sync_compacts_a_month_that_is_over(archive):
    """From then on it is one file of each table, which further syncs leave alone while no row changes."""
    may = dt.datetime(2026, 5, 27, 12, tzinfo=dt.UTC)
    settled = {"settle": dt.timedelta(0)}
    with Sandbox(tasks=100, days=20, seed=7, now=may) as sandbox, sandbox.client() as client:
        for day in range(5):
            sandbox.advance(dt.timedelta(days=day > 0))
            archive.sync(sandbox.task_ids, client=client, now=sandbox.now, **settled)
        scattered = files_by_month(archive, "turns")
        assert [*scattered] == ["2026-05"]
        assert len(scattered["2026-05"]) > 2
        sandbox.advance(dt.timedelta(hours=12))
        archive.sync(client=client, now=sandbox.now, **settled)
        over = {table: files_by_month(archive, table)["2026-05"] for table in ("turns", "tasks")}
        assert [len(paths) for paths in over.values()] == [1, 1]
        archive.sync(client=client, now=sandbox.now, **settled)
        sandbox.advance(dt.timedelta(days=2))
        archive.sync(sandbox.task_ids[-10:], client=client, now=sandbox.now, **settled)
        assert {table: files_by_month(archive, table)["2026-05"] for table in over} == over
        assert len(files_by_month(archive, "turns")) == 2
    assert archive.tasks()["task_id"].is_unique
    assert archive.turns()["turn_id"].is_unique


def test_vacuum_wants_a_timedelta(archive, record):
    """A bare number could be hours or days."""
    record(body_a("a"))
    with pytest.raises(ArgumentError, match=r"older_than: expected a timedelta .*, found 7"):
        archive.vacuum(7)


def test_status(archive, record):
    """Counts, times and sizes of what is there."""
    running = turn_of("b", 0, startedAt="2026-06-01T08:00:00.000Z", status="running", completedAt=None)
    record(body_a("a", turns=2))
    record(encoded({"task": task_of("b", status="running", completedAt=None), "turns": [running]}))
    status = archive.status()
    assert (status.tasks, status.turns, status.unfinished, status.missing) == (2, 3, 1, 0)
    assert status.first_turn == dt.datetime(2026, 5, 11, 9, 14, 22, tzinfo=dt.UTC)
    assert status.last_turn == dt.datetime(2026, 6, 1, 8, tzinfo=dt.UTC)
    assert status.last_sync == NOON
    files = [path for name in ("tasks", "turns") for path in archive.files(name)]
    assert status.files == len(files) + 2
    assert status.size_bytes > sum(Path(path).stat().st_size for path in files)
    assert status.complete
    assert "tasks: 2, 1 of them unfinished" in repr(status)
    assert "<caption>ArchiveStatus</caption>" in status._repr_html_()


def test_half_written_batch_can_move_with_its_task(half_written, record):
    """Turns left behind by a killed writer are replaced although their task now begins in a later month."""
    june = "2026-06-02T00:00:00.000Z"
    turn = turn_of("b", 0, startedAt=june, completedAt=june)
    record(encoded({"task": task_of("b", createdAt=june, completedAt=june), "turns": [turn]}), at=NOON + HOUR)
    assert half_written.turns()["turn_id"].is_unique


def test_vacuum_leaves_the_files_of_a_batch_under_way(archive, record):
    """A file that no commit names yet is deleted when it is older than any batch, not before."""
    record(body_a("a"))
    folder = Path(archive.files("turns")[0]).parent
    under_way, left_behind = folder / "part-new.zstd.parquet", folder / "part-old.zstd.parquet"
    for path in (under_way, left_behind):
        path.touch()
    two_days_ago = time.time() - 48 * 3600
    os.utime(left_behind, (two_days_ago, two_days_ago))
    assert archive.vacuum(NOTHING) == 1
    assert under_way.exists()
    assert not left_behind.exists()


def test_compact_after_a_vacuum(archive, record):
    """The commits of a vacuum change no row, and so do not keep turns from being compacted."""
    record(body_a("a"))
    archive.vacuum(NOTHING)
    record(encoded({"task": task_of("a"), "turns": [turn_of("a", credits=1)]}), at=NOON + HOUR)
    record(body_a("b"))
    archive.vacuum(NOTHING)
    assert len(archive.files("turns")) == 2
    assert archive.compact() > 0
    assert len(archive.files("turns")) == 1
    assert sorted(archive.turns()["credits"]) == [1, 42]


class Overtaken(Storage):
    """Opens turns as they were one batch ago, like a reader that a writer overtakes."""

    def open(self, layout, version=None):
        """Open a table."""
        if layout is TURNS_LAYOUT and version is None:
            version = super().open(layout).version() - 1
        return super().open(layout, version)


def test_reader_that_is_overtaken(archive, record):
    """Where a batch is recorded between two tables being opened, its tasks have their turns all the same."""
    record(body_a("a"))
    record(body_a("b", turns=2))
    snapshot = Snapshot.open(Overtaken(archive.uri))
    assert (snapshot.tasks.count(), snapshot.turns.count()) == (2, 3)


class CleanedUp(Storage):
    """Opens tasks first; then another process records a batch and deletes the state before from the log."""

    def open(self, layout, version=None):
        """Open a table."""
        table = super().open(layout, version)
        if layout is TASKS_LAYOUT and table.version() == 2:
            record_bodies(Archive(self.uri), body_a("c", turns=3))
            turns = delta_table(self, "turns")
            turns.create_checkpoint()
            for log in Path(self.uri, "turns", "_delta_log").glob("*[0-2].json"):
                log.unlink()
        return table


def test_reader_whose_state_is_cleaned_up(archive, record):
    """A reader that finds the state gone which it was about to open reads the later one, whole."""
    record(body_a("a"))
    record(body_a("b", turns=2))
    snapshot = Snapshot.open(CleanedUp(archive.uri))
    assert (snapshot.tasks.count(), snapshot.turns.count(), snapshot.paired) == (3, 6, True)


def test_earlier_states_know_what_was_missing(archive, sandbox, client, serve):
    """A state of the past says itself incomplete if it was: by discovered ids, and by failures."""
    archive.sync(sandbox.task_ids[:20], client=client)
    archive.discover(sandbox.worker_ids, client=client)
    latest = archive.status()
    assert latest.missing > 0
    assert archive.as_of(latest.version).status().missing == latest.missing
    assert archive.as_of(latest.version).turns().attrs["handinger"]["failed"] == latest.missing
    with serve(Reply(b"{}", status=404)).client() as other:
        archive.sync(sandbox.task_ids[:1], client=other, refresh="all")
    latest = archive.status()
    assert len(latest.failures) == 1
    assert archive.as_of(latest.version).status().failures.equals(latest.failures)


def test_files_are_kept_as_long_as_the_log(archive, record):
    """A checkpoint remembers replaced files for as long as earlier states can be named."""
    record(body_a("a"))
    configuration = delta_table(archive, "turns").metadata().configuration
    assert configuration["delta.deletedFileRetentionDuration"] == "interval 30 days"
