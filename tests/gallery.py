"""Every plot in three styles, on sandbox data, to be looked at.

Run as ``python -m tests.gallery DIR``; it writes one PNG per plot and style.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

import handinger_analytics as ha
from handinger_analytics.fetching.fetch import fetch
from handinger_analytics.sandbox import Sandbox

TZ = "Europe/Madrid"
STYLES: dict[str, Any] = {
    "notebook": "default",
    "dark": "dark_background",
    "report": ["seaborn-v0_8-whitegrid", {"figure.figsize": (4.6, 3.2), "font.size": 8, "savefig.dpi": 150}],
}


def pictures(turns: pd.DataFrame) -> dict[str, Callable[[], Any]]:
    """Return what is drawn, by name of the file."""
    longest = turns["task_id"].value_counts().index[0]
    running = turns.loc[turns["status"] == "running", "task_id"].iloc[0]
    incomplete = turns.copy(deep=False)
    incomplete.attrs = {"handinger": {"requested": 200, "failed": 12, "complete": False}}
    many = pd.concat([turns] * 20, ignore_index=True)
    first, second, third, *_ = turns["worker_id"].unique()
    names = {first: "Invoices $5 to $9", second: "Weather reports of all cities", third: "_hidden"}
    twins = {first: "Weather reports of all cities, north", second: "Weather reports of all cities, south"}
    euros: dict[str, Any] = {"price": 0.012, "currency": "EUR"}
    yen: dict[str, Any] = {"price": 2, "currency": "JPY"}
    dinars: dict[str, Any] = {"price": 1e-6, "currency": "KWD"}
    june = "2026-06-18T12:00Z"
    old, lost = turns.copy(deep=False), turns[turns["started_at"] < june].copy()
    old.attrs = {"handinger": {"complete": True, "fetched_at": "2026-06-30T12:00:00+00:00"}}
    lost.attrs = {}
    return {
        "spend": lambda: ha.plot_spend(turns, tz=TZ),
        "spend_by_worker": lambda: ha.plot_spend(turns, by="worker_id", tz=TZ, limit=3000),
        "spend_by_title": lambda: ha.plot_spend(turns, by="task_title", freq="W", tz=TZ),
        "spend_cumulative": lambda: ha.plot_spend(turns, by="worker_id", cumulative=True, limit=60_000),
        "spend_incomplete": lambda: ha.plot_spend(incomplete, by="triggered_by", tz=TZ),
        "spend_few_days": lambda: ha.plot_spend(turns.tail(30), by="worker_id", tz=TZ),
        "spend_hours": lambda: ha.plot_spend(turns.tail(5), by="worker_id", tz=TZ),
        "spend_one_turn": lambda: ha.plot_spend(turns.head(1)),
        "tokens": lambda: ha.plot_tokens(turns, tz=TZ),
        "tokens_by_worker": lambda: ha.plot_tokens(turns, by="worker_id"),
        "durations": lambda: ha.plot_durations(turns),
        "durations_by_worker": lambda: ha.plot_durations(turns, by="worker_id"),
        "credits_vs_tokens": lambda: ha.plot_credits_vs_tokens(turns, by="worker_id"),
        "credits_vs_tokens_many": lambda: ha.plot_credits_vs_tokens(many),
        "heatmap": lambda: ha.plot_heatmap(turns, tz=TZ),
        "pareto": lambda: ha.plot_pareto(turns),
        "timeline": lambda: ha.plot_timeline(turns, tz=TZ),
        "timeline_one_task": lambda: ha.plot_timeline(turns[turns["task_id"] == longest], tz=TZ),
        "timeline_running": lambda: ha.plot_timeline(turns[turns["task_id"] == running], tz=TZ),
        "budget": lambda: ha.plot_budget(turns, limit=40_000, tz=TZ, as_of="2026-06-18T12:00Z"),
        "budget_exceeded": lambda: ha.plot_budget(turns, limit=15_000, tz=TZ, as_of="2026-06-18T12:00Z"),
        "budget_little_data": lambda: ha.plot_budget(turns, limit=5_000, as_of="2026-05-05T12:00Z"),
        "waste": lambda: ha.plot_waste(turns),
        "dashboard": lambda: ha.plot_dashboard(incomplete, tz=TZ, limit=3000),
        "named_spend": lambda: ha.plot_spend(turns, by="worker_id", tz=TZ, limit=3000, names=names, **euros),
        "named_durations": lambda: ha.plot_durations(turns, by="worker_id", names=twins),
        "named_tokens": lambda: ha.plot_tokens(turns, by="worker_id", names=twins),
        "named_credits_vs_tokens": lambda: ha.plot_credits_vs_tokens(turns, by="worker_id", names=names),
        "named_waste": lambda: ha.plot_waste(turns, names=twins, **euros),
        "named_dashboard": lambda: ha.plot_dashboard(incomplete, tz=TZ, limit=3000, names=names, **yen),
        "money_spend": lambda: ha.plot_spend(turns, cumulative=True, price=0.012),
        "money_heatmap": lambda: ha.plot_heatmap(turns, tz=TZ, **yen),
        "money_pareto": lambda: ha.plot_pareto(turns, **dinars),
        "budget_unknown": lambda: ha.plot_budget(old, limit=40_000, tz=TZ, as_of="2026-07-18T12:00Z"),
        "budget_half_known": lambda: ha.plot_budget(lost, limit=40_000, tz=TZ, as_of="2026-06-28T12:00Z"),
        "money_budget": lambda: ha.plot_budget(turns, limit=40_000, tz=TZ, as_of=june, **euros),
        "no_turns": lambda: ha.plot_spend(turns.head(0), by="worker_id"),
    }


def draw(folder: Path) -> list[Path]:
    """Draw the gallery and return the files written."""
    with Sandbox(tasks=200, seed=7) as sandbox, sandbox.client() as client:
        turns = fetch(sandbox.task_ids, client=client, progress=False).turns
    written = []
    folder.mkdir(parents=True, exist_ok=True)
    for style, settings in STYLES.items():
        with plt.style.context(settings):
            for name, picture in pictures(turns).items():
                drawn = picture()
                figure = drawn if isinstance(drawn, Figure) else drawn.figure
                written.append(folder / f"{name}-{style}.png")
                figure.savefig(written[-1])
                plt.close(figure)
    return written


def main() -> None:
    """Draw the gallery into the folder named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    mpl.use("Agg")
    for path in draw(parser.parse_args().folder):
        print(path)


if __name__ == "__main__":
    main()
