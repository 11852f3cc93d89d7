"""How long the widget makes people wait: for a big task to be on screen, and for matches with each key.

Run as ``python -m tests.benchmarks.bench_widget``. The answer of the server does not count; what comes
after it does: frames, HTML, the picture, and the browser's layout where a Chromium is installed.
"""

from __future__ import annotations

import os
import shutil
import statistics
import time
from collections.abc import Callable

import numpy as np
import pandas as pd

from handinger_analytics import Sandbox, TaskLookup, fetch
from tests.benchmarks.bench_spend import report
from tests.widget.driver import control, entry, markup, matches

TURNS = 500
TASKS = 100_000
WANTED_ON_SCREEN = 1.5
WANTED_PER_KEY = 100.0
WORDS = (
    "invoice",
    "refund",
    "Barcelona",
    "São Paulo",
    "Zürich",
    "report",
    "customer",
    "desk",
    "東京",
    "weekly",
)


def seconds(act: Callable[[], object]) -> float:
    """Time one call."""
    begin = time.perf_counter()
    act()
    return time.perf_counter() - begin


def big_task() -> None:
    """Print how long after the answer of the server a task with many turns is on screen."""
    with Sandbox(tasks=1, turns_per_task=TURNS) as sandbox, sandbox.client() as client:
        (task_id,) = sandbox.task_ids
        warm = TaskLookup(client)
        warm.look_up(task_id)
        warm.wait()
        lookup = TaskLookup(client)

        def look_up() -> None:
            lookup.look_up(task_id)
            lookup.wait()

        answered = min(seconds(lambda: fetch(task_id, client=client, progress=False)) for _ in range(5))
        complete = min(seconds(look_up) for _ in range(5))
    html = markup(lookup)
    assert html.count('<tbody class="ha-turn">') == TURNS
    layout = browser_seconds(html)
    print(f"{TURNS} turns: answer {answered:.2f} s, with widget and chart {complete:.2f} s")
    print("browser: " + ("no Chromium found" if layout is None else f"{layout:.2f} s to lay the page out"))
    on_screen = complete - answered + (layout or 0)
    report(f"task with {TURNS} turns on screen after its answer", on_screen, WANTED_ON_SCREEN, " s")


def browser_seconds(html: str) -> float | None:
    """Time Chromium takes to parse some HTML and lay it out, None without one."""
    chromium = os.environ.get("UI_CHROMIUM") or shutil.which("chromium")
    if not chromium:
        return None
    from playwright.sync_api import sync_playwright

    script = """html => {
        const begin = performance.now();
        document.body.innerHTML = html;
        document.body.getBoundingClientRect();
        return (performance.now() - begin) / 1000;
    }"""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        found: float = min(page.evaluate(script, html) for _ in range(3))
        browser.close()
    return found


def typing() -> None:
    """Print how long a key takes until the matches are on offer."""
    random = np.random.default_rng(7)
    titles = [" ".join(random.choice(WORDS, 6)) for _ in range(TASKS)]
    created = pd.date_range("2026-01-01", periods=TASKS, freq="min", tz="UTC").as_unit("ms")
    source = pd.DataFrame(
        {
            "task_id": [f"tsk_{number:014}" for number in range(TASKS)],
            "title": titles,
            "worker_id": [f"wrk_{number % 40}" for number in range(TASKS)],
            "status": pd.Categorical(random.choice(["completed", "error"], TASKS)),
            "created_at": created,
        }
    )
    lookup = TaskLookup(source=source)
    read = seconds(lookup.wait)
    box, keys = entry(lookup), []
    for words in ("sao paulo inv", "tsk_0000000009", "late zürich 東京 desk", "nothing like it"):
        for end in range(1, len(words) + 1):
            keys.append(1000 * seconds(lambda text=words[:end]: setattr(box, "value", text)))
        box.value = ""
    assert control(lookup, "Status").layout.display is None
    assert matches(lookup)
    print(f"{TASKS:,} tasks: read in {read:.2f} s; {len(keys)} keys, median {statistics.median(keys):.1f} ms")
    report("slowest key", max(keys), WANTED_PER_KEY, " ms")


if __name__ == "__main__":
    big_task()
    typing()
