"""How fast tasks are fetched, against the official SDK and against a bare urllib3 loop.

``python -m tests.benchmarks.bench_fetch`` prints a table of ratios, all from one run; the server is
a process of its own.
"""

import asyncio
import contextlib
import gc
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import psutil
import urllib3
from handinger import AsyncHandinger, DefaultAioHttpClient, Handinger

import handinger_analytics as ha
from handinger_analytics.fetching.result import fetched_of
from tests.benchmarks.server import API_KEY, task_ids

TASKS, TURNS, THREADS, ROUNDS = 3000, 5, 16, 4
LATENCY, CONNECTIONS = 0.05, 32
MEMORY_TASKS = 20_000


@contextlib.contextmanager
def server(tasks: int, latency: float = 0.0) -> Iterator[str]:
    command = [sys.executable, "-m", "tests.benchmarks.server", f"--tasks={tasks}", f"--turns={TURNS}"]
    process = subprocess.Popen(
        [*command, f"--latency={latency}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        yield process.stdout.readline().strip()
        process.stdin.close()


def seconds(run: Callable[[], object]) -> float:
    """Return how long it takes."""
    gc.collect()
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def ours(url: str, ids: list[str], connections: int = THREADS) -> None:
    with ha.Client(API_KEY, base_url=url, max_connections=connections) as client:
        turns = ha.fetch(ids, client=client, progress=False).turns
    assert len(turns) == TURNS * len(ids)


def urllib3_loop(url: str, ids: list[str]) -> None:
    """Fetch with as many threads, and throw the bodies away."""
    pool = urllib3.PoolManager(maxsize=THREADS)
    headers = {"Authorization": f"Bearer {API_KEY}"}
    todo = iter(ids)

    def work() -> None:
        for task_id in todo:
            pool.request("GET", f"{url}/api/tasks/{task_id}", headers=headers)

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def sdk_loop(url: str, ids: list[str]) -> None:
    with Handinger(api_key=API_KEY, base_url=url) as client:
        for task_id in ids:
            client.tasks.retrieve(task_id)


def sdk_threads(url: str, ids: list[str]) -> None:
    with Handinger(api_key=API_KEY, base_url=url) as client, ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(client.tasks.retrieve, ids))


def sdk_async(url: str, ids: list[str], **options: object) -> None:
    async def run() -> None:
        todo = iter(ids)
        async with AsyncHandinger(api_key=API_KEY, base_url=url, **options) as client:

            async def work() -> None:
                for task_id in todo:
                    await client.tasks.retrieve(task_id)

            await asyncio.gather(*(work() for _ in range(THREADS)))

    asyncio.run(run())


def sdk_aiohttp(url: str, ids: list[str]) -> None:
    sdk_async(url, ids, http_client=DefaultAioHttpClient())


def compare_speed() -> None:
    """Take turns, so that what else the machine does meets all alike, and keep the best of each."""
    ids = task_ids(TASKS)
    runs = {
        "fetch": ours,
        "urllib3, bodies dropped": urllib3_loop,
        "SDK, loop": sdk_loop,
        "SDK, threads": sdk_threads,
        "SDK, async httpx": sdk_async,
        "SDK, async aiohttp": sdk_aiohttp,
    }
    best = dict.fromkeys(runs, float("inf"))
    with server(TASKS) as url:
        for _ in range(ROUNDS):
            for name, run in runs.items():
                best[name] = min(best[name], seconds(lambda run=run: run(url, ids)))
    print(f"{TASKS:,} tasks of {TURNS} turns, no latency, {THREADS} connections, best of {ROUNDS} rounds")
    for name, took in best.items():
        print(
            f"  {name:<24}{TASKS / took:>7,.0f} tasks/s   fetch is {took / best['fetch']:.2f} times as fast"
        )


def compare_with_latency() -> None:
    ids = task_ids(TASKS)
    with server(TASKS, LATENCY) as url:
        took = min(seconds(lambda: ours(url, ids, CONNECTIONS)) for _ in range(2))
    ideal = CONNECTIONS / LATENCY
    share = TASKS / took / ideal
    print(f"{LATENCY * 1000:.0f} ms latency, {CONNECTIONS} connections: {share:.2f} of {ideal:.0f} tasks/s")


def measure_memory() -> None:
    process = psutil.Process()
    peak, stop = 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not stop.wait(0.01):
            peak = max(peak, process.memory_info().rss)

    with server(MEMORY_TASKS) as url, ha.Client(API_KEY, base_url=url) as client:
        ha.fetch(task_ids(100), client=client, progress=False)  # what the first fetch loads is not growth
        gc.collect()
        before = process.memory_info().rss
        watcher = threading.Thread(target=watch)
        watcher.start()
        result = ha.fetch(task_ids(MEMORY_TASKS), client=client, progress=False)
        stop.set()
        watcher.join()
    rows = fetched_of(result).rows
    size = rows.tasks.nbytes + rows.turns.nbytes
    growth = (peak - before) / size
    print(f"{MEMORY_TASKS:,} tasks: memory grew by {growth:.2f} times the {size / 1e6:.0f} MB of the tables")


if __name__ == "__main__":
    measure_memory()
    compare_speed()
    compare_with_latency()
