"""How long each plot of 100,000 turns takes, and how much of that is Matplotlib's own.

Run as ``python -m tests.benchmarks.bench_plots``. The time is that of calling the plot and rendering
the figure, best of three. The share is taken from a profile: what our functions spend inside functions of
Matplotlib they call, plus the rendering.
"""

from __future__ import annotations

import argparse
import cProfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

import handinger_analytics as ha
from tests.benchmarks.turns_parquet import turns_parquet

WANTED_SECONDS = 2.0
ROUNDS = 3
TZ = "Europe/Madrid"
MATPLOTLIB = str(Path(mpl.__file__).parent)
OURS = str(Path(ha.__file__).parent / "plots")


def pictures(turns: pd.DataFrame) -> dict[str, Callable[[], Any]]:
    """Return each plot, by what it is called."""
    return {
        "plot_spend": lambda: ha.plot_spend(turns, tz=TZ),
        "plot_spend by worker, days": lambda: ha.plot_spend(turns, by="worker_id", freq="D", tz=TZ),
        "plot_spend by worker, hours": lambda: ha.plot_spend(turns, by="worker_id", freq="h", tz=TZ),
        "plot_spend cumulative": lambda: ha.plot_spend(turns, by="worker_id", cumulative=True, tz=TZ),
        "plot_tokens": lambda: ha.plot_tokens(turns, tz=TZ),
        "plot_tokens by worker": lambda: ha.plot_tokens(turns, by="worker_id"),
        "plot_durations": lambda: ha.plot_durations(turns),
        "plot_durations by worker": lambda: ha.plot_durations(turns, by="worker_id"),
        "plot_credits_vs_tokens": lambda: ha.plot_credits_vs_tokens(turns),
        "plot_credits_vs_tokens by worker": lambda: ha.plot_credits_vs_tokens(turns, by="worker_id"),
        "plot_heatmap": lambda: ha.plot_heatmap(turns, tz=TZ),
        "plot_pareto": lambda: ha.plot_pareto(turns),
        "plot_timeline": lambda: ha.plot_timeline(turns, tz=TZ),
        "plot_budget": lambda: ha.plot_budget(turns, limit=90_000, tz=TZ, as_of="2026-06-18T12:00Z"),
        "plot_waste": lambda: ha.plot_waste(turns),
        "plot_dashboard": lambda: ha.plot_dashboard(turns, tz=TZ),
    }


def render(picture: Callable[[], Any]) -> None:
    """Draw a picture as far as its pixels."""
    drawn = picture()
    figure = drawn if isinstance(drawn, Figure) else drawn.figure
    figure.canvas.draw()
    plt.close(figure)


def seconds(picture: Callable[[], Any]) -> float:
    """Shortest time of a few."""
    times = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        render(picture)
        times.append(time.perf_counter() - begin)
    return min(times)


def matplotlib_share(picture: Callable[[], Any]) -> float:
    """Part of the time that is spent in calls from here or from our plots into Matplotlib."""
    profile = cProfile.Profile()
    profile.runcall(render, picture)
    total = inside = 0.0
    for entry in profile.getstats():
        here = getattr(entry.code, "co_filename", "")
        if getattr(entry.code, "co_name", "") == "render":
            total = entry.totaltime
        if here.startswith(OURS) or here == __file__:
            calls = entry.calls or ()
            inside += sum(
                call.totaltime
                for call in calls
                if getattr(call.code, "co_filename", "").startswith(MATPLOTLIB)
            )
    return inside / total


def main() -> None:
    """Print a line per plot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    rows = parser.parse_args().rows
    mpl.use("Agg")
    turns = pd.read_parquet(
        turns_parquet(Path(tempfile.gettempdir()) / "handinger-analytics-benchmarks", rows)
    )
    turns["task_title"] = "Report of " + turns["task_id"]
    print(
        f"{len(turns):,} turns, {turns['task_id'].nunique():,} tasks, {turns['worker_id'].nunique()} workers"
    )
    render(pictures(turns.head(10))["plot_spend"])
    for name, picture in pictures(turns).items():
        wanted = WANTED_SECONDS * (6 if name == "plot_dashboard" else 1)
        took, share = seconds(picture), matplotlib_share(picture)
        verdict = "ok" if took < wanted else "MISSED"
        print(f"{name:<34} {took:5.2f} s (wanted: under {wanted:g} s) {verdict}, {share:4.0%} in Matplotlib")


if __name__ == "__main__":
    main()
