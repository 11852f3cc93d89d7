"""How much `spend` costs over what it stands for, and how much memory a scan takes.

Run as ``python -m tests.benchmarks.bench_spend``: spend by worker and day of a year in Madrid, against
the same answer in hand-written pandas and the same query in DuckDB's SQL.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from handinger_analytics.metrics.spend import spend
from tests.benchmarks.turns_parquet import turns_parquet

TZ = "Europe/Madrid"
SUMS = ["credits", "input_tokens", "output_tokens", "duration_ms"]
COLUMNS = ["worker_id", "started_at", *SUMS]
WANTED_RATIO = 1.3
WANTED_BYTES = 10**9


def ours(turns: object) -> pd.DataFrame:
    """Ask `spend`."""
    return spend(turns, by="worker_id", freq="D", tz=TZ)


def by_hand(turns: pd.DataFrame) -> pd.DataFrame:
    """Answer the same question in plain pandas: same days, zeros, order and columns."""
    day = turns["started_at"].dt.tz_convert(TZ).dt.normalize().rename("period")
    groups = turns.groupby(["worker_id", day], sort=False)
    table = groups[SUMS].sum()
    table.insert(1, "turns", groups.size())
    workers = table["credits"].groupby("worker_id").sum().sort_values(ascending=False).index
    days = pd.date_range(day.min(), day.max(), freq="D").as_unit("ms")
    index = pd.MultiIndex.from_product([workers, days], names=["worker_id", "period"])
    return table.reindex(index, fill_value=0).reset_index()


def in_sql(path: Path) -> pd.DataFrame:
    """Ask DuckDB in its own words; only the days on which something was spent."""
    import duckdb

    sums = ", ".join(f"sum({name})::BIGINT AS {name}" for name in SUMS)
    query = f"""
        SELECT worker_id, date_trunc('day', started_at AT TIME ZONE '{TZ}') AS period,
               count(*) AS turns, {sums}
        FROM read_parquet('{path}') GROUP BY ALL"""  # noqa: S608 - our own file and columns
    return duckdb.sql(query).df()


def scanned(path: Path) -> pd.DataFrame:
    """Ask `spend` over a DuckDB scan of the file."""
    import duckdb

    return ours(duckdb.read_parquet(str(path)))


def best(*answers: Callable[[], pd.DataFrame], rounds: int = 5) -> list[float]:
    """Shortest time of each, in seconds; they take turns, so that a busy machine hits them alike."""
    seconds: list[list[float]] = [[] for _ in answers]
    for _ in range(rounds):
        for answer, times in zip(answers, seconds, strict=True):
            begin = time.perf_counter()
            answer()
            times.append(time.perf_counter() - begin)
    return [min(times) for times in seconds]


def report(what: str, value: float, wanted: float, unit: str = "") -> None:
    """Print one line with what was wanted beside what was found."""
    verdict = "ok" if value <= wanted else "MISSED"
    print(f"{what:<58} {value:8.2f}{unit} (wanted: at most {wanted:g}{unit}) {verdict}")


def compare_pandas(path: Path) -> None:
    """Print the ratio against hand-written pandas, over a frame in memory."""
    turns = pd.read_parquet(path, columns=COLUMNS)
    pd.testing.assert_frame_equal(ours(turns), by_hand(turns))
    our_seconds, their_seconds = best(lambda: ours(turns), lambda: by_hand(turns))
    print(f"pandas in memory: spend {our_seconds:.2f} s, by hand {their_seconds:.2f} s")
    report("spend / hand-written pandas", our_seconds / their_seconds, WANTED_RATIO)


def compare_duckdb(path: Path) -> None:
    """Print the ratio against SQL, over a scan."""
    filled = scanned(path)
    numbers = ["worker_id", "turns", *SUMS]
    spent = in_sql(path).sort_values(["worker_id", "period"], ignore_index=True)
    dense = filled[filled["turns"] > 0].sort_values(["worker_id", "period"], ignore_index=True)
    pd.testing.assert_frame_equal(dense[numbers], spent[numbers])
    our_seconds, their_seconds = best(lambda: scanned(path), lambda: in_sql(path))
    print(f"DuckDB scan: spend {our_seconds:.2f} s, SQL {their_seconds:.2f} s")
    report("spend / the same query in SQL", our_seconds / their_seconds, WANTED_RATIO)


def peak_memory(path: Path) -> None:
    """Print the peak memory of this process after one scan."""
    scanned(path)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    report("peak memory of a process that scans with DuckDB", peak / 1e6, WANTED_BYTES / 1e6, " MB")


PARTS = {"pandas": compare_pandas, "duckdb": compare_duckdb, "memory": peak_memory}


def main() -> None:
    """Generate the file if need be and run each part in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    default = Path(tempfile.gettempdir()) / "handinger-analytics-benchmarks"
    parser.add_argument("--folder", type=Path, default=default, help="where the file is kept")
    parser.add_argument("--part", choices=PARTS, help="only this one, in this process")
    options = parser.parse_args()
    path = turns_parquet(options.folder, options.rows)
    if options.part:
        PARTS[options.part](path)
        return
    print(f"{options.rows:,} turns, {path.stat().st_size / 1e6:.0f} MB of Parquet")
    for part in PARTS:
        command = [sys.executable, "-m", "tests.benchmarks.bench_spend", "--part", part]
        rest = ["--rows", str(options.rows), "--folder", str(options.folder)]
        subprocess.run([*command, *rest], check=True)


if __name__ == "__main__":
    main()
