"""An archive over two years of daily discoveries and syncs, with follow-ups up to 60 days late.

``python -m tests.benchmarks.bench_years`` runs for minutes. It fails if the archive is not what the server
has in the end, or took more looks at tasks or pages of logs than changes ask for; what changed is read from
the server without this package. It prints what an archive costs at 6, 12 and 24 months.
"""

import argparse
import datetime as dt
import itertools
import tempfile
import time
import urllib.parse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import pandas as pd
import requests

import handinger_analytics as ha
from handinger_analytics import Archive, Sandbox

START, DAY = dt.datetime(2024, 7, 1, 12, tzinfo=dt.UTC), dt.timedelta(days=1)
LOOKS_PER_CHANGE = 1.2


def main() -> None:
    """Run the months and print what they cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--months", type=int, default=24)
    parser.add_argument("--tasks", type=int, default=2000, help="in all of the months")
    parser.add_argument("--generation", default="A", choices=["A", "B"])
    options = parser.parse_args()
    marks = [months * 365 // 12 for months in sorted({6, 12, options.months}) if months <= options.months]
    print(run(options.tasks, marks, options.generation))


def run(tasks: int, marks: Sequence[int], generation: Literal["A", "B"]) -> str:
    """Discover and sync day by day, up to the last of the marks; return what the archive costs at each."""
    first = tasks * 60 // (marks[-1] + 60)
    sandbox = Sandbox(first, generation=generation, now=START, follow_up_days=60)
    with sandbox, sandbox.client() as client, tempfile.TemporaryDirectory() as folder:
        archive, rows = Archive(folder), []
        for day in range(marks[-1] + 1):
            archive.discover(sandbox.worker_ids, client=client)
            archive.sync(client=client, now=sandbox.now)
            if day in marks:
                rows.append(costs(archive, sandbox, client, folder, day))
            sandbox.advance(DAY if day < marks[-1] else 0 * DAY)
        looks = compare(archive, sandbox, client)
    return f"{looks}\n{pd.DataFrame(rows).set_index('day').T.to_string()}"


def costs(archive: Archive, sandbox: Sandbox, client: ha.Client, folder: str, day: int) -> dict[str, object]:
    """Measure an archive after the sync of a day."""
    before = sandbox.stats.by_route
    archive.discover(sandbox.worker_ids, client=client)
    pages = sandbox.stats.by_route["webhook"] - before["webhook"]
    assert pages == len(sandbox.worker_ids), f"{pages} pages though nothing is new"
    seconds = {
        "nothing to do, s": timed(lambda: archive.sync(client=client, now=sandbox.now, settle=0 * DAY)),
        "status(), s": min(timed(archive.status) for _ in range(3)),
        "turns(), s": min(timed(archive.turns) for _ in range(3)),
    }
    status = archive.status()
    data = [path for path in Path(folder).rglob("*.parquet") if "_delta_log" not in path.parts]
    return {
        "day": day,
        "tasks": status.tasks,
        "turns": status.turns,
        **{name: f"{value:.3f}" for name, value in seconds.items()},
        **{f"log of {name}, kB": size(Path(folder, name, "_delta_log")) for name in TABLES},
        "data files": status.files,
        "data, kB": status.size_bytes // 1000,
        "files until vacuum": len(data),
        "tasks looked at so far": sandbox.stats.by_route["task"],
    }


TABLES = ("ids", "turns", "tasks", "workers")


def size(folder: Path) -> int:
    """Kilobytes in a folder."""
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file()) // 1000


def timed(run: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def compare(archive: Archive, sandbox: Sandbox, client: ha.Client) -> str:
    """Check that the archive has all there is, and for how many looks."""
    looks = sandbox.stats.by_route
    log = [entry for worker_id in sandbox.worker_ids for entry in entries(sandbox, worker_id)]
    known = pd.DataFrame(log).dropna(subset="taskId").groupby("taskId")["createdAt"].min().map(moment)
    turns = {task_id: turns_of(sandbox, task_id) for task_id in known.index}
    changes = sum(map(changes_seen, turns.values(), known))
    credits = sum(turn["credits"] for its in turns.values() for turn in its)
    assert looks["task"] <= LOOKS_PER_CHANGE * changes
    kept, fetched = archive.turns(), ha.fetch_turns(list(known.index), client=client)
    assert archive.status().complete
    assert set(archive.known_ids()) == set(known.index)
    assert kept["credits"].sum() == credits
    left, right = (
        frame.drop(columns="fetched_at").sort_values("turn_id").reset_index(drop=True)
        for frame in (kept, fetched)
    )
    left.attrs = right.attrs = {}
    pd.testing.assert_frame_equal(left, right)
    return (
        f"{changes} changes a sync can see, {looks['task'] / changes:.3f} looks each, "
        f"{looks.get('turns', 0)} requests for turns; {looks['webhook']} pages of logs, "
        f"{len(kept)} turns, {credits} credits"
    )


def changes_seen(turns: list[dict[str, str]], known: dt.datetime) -> int:
    """Count the daily moments at which a known task is not as it was the day before.

    It is known, and first seen, at the first moment after its first delivery.
    """
    times = [moment(turn[name]) for turn in turns for name in ("startedAt", "completedAt") if turn[name]]
    return len({-((START - max(time, known, START)) // DAY) for time in times})


def moment(text: str) -> dt.datetime:
    """Read a time of the server."""
    return dt.datetime.fromisoformat(text)


def entries(sandbox: Sandbox, worker_id: str) -> Iterator[dict[str, str]]:
    """Yield the entries of a whole log."""
    for page in itertools.count(1):
        answer = read(sandbox, f"/api/workers/{worker_id}/webhook/executions?page={page}")
        yield from answer["logs"]
        if page >= answer["pageCount"]:
            return


def turns_of(sandbox: Sandbox, task_id: str) -> list[dict[str, str]]:
    """Read the turns of a task, of either generation."""
    path = f"/api/tasks/{urllib.parse.quote(task_id, safe='')}"
    body = read(sandbox, path)
    return body["turns"] if "turns" in body else read(sandbox, f"{path}/turns")["items"]


def read(sandbox: Sandbox, path: str):
    """Read a body without this package."""
    headers = {"Authorization": f"Bearer {sandbox.api_key}"}
    return requests.get(sandbox.url + path, headers=headers, timeout=30).json()


if __name__ == "__main__":
    main()
