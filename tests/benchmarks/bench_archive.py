"""What an archive costs on top of a fetch, and what it saves when reading.

``python -m tests.benchmarks.bench_archive`` prints ratios, all from one run; server, fetch and syncs
are processes of their own. ``--tasks 10000`` makes it shorter.
"""

import argparse
import contextlib
import gc
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.compute as pc

import handinger_analytics as ha
from handinger_analytics import Archive
from handinger_analytics.archive.recording import record_rows, remember
from handinger_analytics.archive.storage import Storage
from handinger_analytics.fetching.result import fetched_of
from handinger_analytics.tables.build import Rows
from handinger_analytics.times import now
from tests.benchmarks.server import API_KEY, task_ids

TURNS, ROUNDS, MONTHS = 5, 5, 24


@contextlib.contextmanager
def server(tasks: int) -> Iterator[str]:
    """Run the benchmark server as a process; yield its URL."""
    command = [sys.executable, "-m", "tests.benchmarks.server", f"--tasks={tasks}", f"--turns={TURNS}"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        yield process.stdout.readline().strip()
        process.stdin.close()


def measured(run: Callable[[], object]) -> tuple[float, int]:
    """Return seconds, and the bytes by which memory grew at its peak."""
    gc.collect()
    process = psutil.Process()
    before = peak = process.memory_info().rss
    stop = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not stop.wait(0.01):
            peak = max(peak, process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    started = time.perf_counter()
    run()
    seconds = time.perf_counter() - started
    stop.set()
    watcher.join()
    return seconds, peak - before


def job(kind: str, url: str, tasks: int, place: str) -> None:
    """Fetch or sync in this process, and print how long it took and what it needed."""
    ids = task_ids(tasks)
    with ha.Client(API_KEY, base_url=url) as client:
        ha.fetch(ids[:200], client=client, progress=False)  # what the first fetch loads is not growth
        if kind == "fetch":
            numbers = measured(lambda: ha.fetch(ids, client=client, progress=False))
        else:
            Archive(f"{place}-first").sync(ids[:200], client=client)
            numbers = measured(lambda: Archive(place).sync(ids, client=client))
    print(json.dumps(numbers))


def in_a_process(kind: str, url: str, tasks: int, place: Path) -> tuple[float, int]:
    """Run a job as a process; return its seconds and bytes.

    Arrow's own pool keeps what ended threads have freed; the system's shows what is really held.
    """
    command = [
        sys.executable,
        "-m",
        "tests.benchmarks.bench_archive",
        "--job",
        kind,
        url,
        str(tasks),
        str(place),
    ]
    environment = os.environ | {"ARROW_DEFAULT_MEMORY_POOL": "system"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return tuple(json.loads(done.stdout))


def compare_with_fetch(tasks: int, folder: Path) -> None:
    """Print time and memory of syncs beside those of a fetch."""
    few = tasks // 5
    with server(tasks) as url:
        before, _ = in_a_process("fetch", url, tasks, folder / "unused")
        _, growth_of_few = in_a_process("sync", url, few, folder / "few")
        synced, growth = in_a_process("sync", url, tasks, folder / "many")
        after, _ = in_a_process("fetch", url, tasks, folder / "unused")
        archive = Archive(folder / "many")
        with ha.Client(API_KEY, base_url=url) as client:
            again, _ = measured(lambda: archive.sync(task_ids(tasks), client=client))
    assert archive.status().turns == TURNS * tasks
    fetched = (before + after) / 2  # what else the machine does changes meanwhile
    print(f"{tasks:,} tasks of {TURNS} turns, synced in batches of 2,000")
    print(f"  sync takes {synced / fetched:.2f} times a fetch ({synced:.0f} s, {fetched:.0f} s)")
    print(
        f"  its memory grows {growth / growth_of_few:.2f} times as much as that of {few:,} tasks "
        f"({growth / 1e6:.0f} MB, {growth_of_few / 1e6:.0f} MB)"
    )
    print(f"  a second sync takes {again / synced:.4f} of the first ({again:.2f} s)")
    print(f"  {archive.status().size_bytes / 1e6:.0f} MB in {archive.status().files} files")


def compare_reading(tasks: int, folder: Path) -> None:
    """Print what it takes to read a part and the whole of two years."""
    archive = Archive(folder / "months")
    fill_months(archive, tasks)
    since, until = "2026-05-01", "2026-06-01"
    runs = {
        "all columns of all months": lambda: archive.turns(),
        "credits of all months": lambda: archive.turns(["credits"]),
        "credits of one month": lambda: archive.turns(["credits"], since=since, until=until),
    }
    best = dict.fromkeys(runs, float("inf"))
    for _ in range(ROUNDS):
        for name, run in runs.items():
            best[name] = min(best[name], measured(run)[0])
    month = best["credits of one month"]
    print(f"{archive.status().turns:,} turns of {MONTHS} months, best of {ROUNDS} rounds")
    for name, seconds in best.items():
        print(f"  {name:<28}{seconds:.3f} s, {month / seconds:.3f} of it is one month's credits")


def fill_months(archive: Archive, tasks: int) -> None:
    """Record the same tasks in each of 24 months, under other ids."""
    each = tasks // MONTHS
    with server(each) as url, ha.Client(API_KEY, base_url=url) as client:
        rows = fetched_of(ha.fetch(task_ids(each), client=client, progress=False)).rows
    storage = Storage.at(archive.uri)
    storage.create()
    for month in range(MONTHS):
        tasks_then, turns_then = (moved(table, month) for table in (rows.tasks, rows.turns))
        version = remember(storage, tasks_then["task_id"].to_pylist())
        then = Rows(tasks_then, turns_then, rows.task_positions, rows.turn_positions)
        record_rows(storage, then, version, now(), now())


def moved(table: pa.Table, months: int) -> pa.Table:
    """Return the rows under other ids and some months earlier."""
    for index, field in enumerate(table.schema):
        if field.name in ("task_id", "turn_id"):
            moved_ids = pc.binary_join_element_wise(table[field.name], f"{months}", "-")
            table = table.set_column(index, field, moved_ids)
        elif pa.types.is_timestamp(field.type):
            span = pa.scalar(months * 30 * 86_400_000, pa.duration("ms"))
            table = table.set_column(index, field, pc.subtract(table[field.name], span))
    return table


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--job", nargs=4, metavar=("KIND", "URL", "TASKS", "PLACE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.job:
        kind, url, tasks, place = arguments.job
        job(kind, url, int(tasks), place)
    else:
        with tempfile.TemporaryDirectory() as folder:
            compare_reading(arguments.tasks, Path(folder))
            compare_with_fetch(arguments.tasks, Path(folder))
