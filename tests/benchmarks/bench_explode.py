"""How fast structured outputs become columns.

``python -m tests.benchmarks.bench_explode`` prints ratios, all from one run, against
``pandas.json_normalize`` of the same outputs and against only decoding them with json.
"""

from __future__ import annotations

import json

import pandas as pd

from handinger_analytics import Sandbox, explode_structured_output, fetch_turns
from tests.benchmarks.bench_spend import best

OUTPUTS, TASKS, ROUNDS = 100_000, 1_000, 5


def sandbox_turns() -> pd.DataFrame:
    """Fetch turns with a structured output, of workers whose outputs differ, and repeat them."""
    with Sandbox(tasks=TASKS, seed=7) as sandbox, sandbox.client() as client:
        turns = fetch_turns(sandbox.task_ids, client=client, progress=False)
    turns = turns.dropna(subset="structured_output")
    times = -(-OUTPUTS // len(turns))
    return pd.concat([turns] * times, ignore_index=True).head(OUTPUTS)


def with_json_normalize(outputs: pd.Series) -> pd.DataFrame:
    return pd.json_normalize(list(map(json.loads, outputs)))


if __name__ == "__main__":
    turns = sandbox_turns()
    outputs = turns["structured_output"]
    ours = explode_structured_output(turns)
    theirs = with_json_normalize(outputs).add_prefix("out.")
    assert set(theirs) <= set(ours)
    assert ours["out.revenue.amount"].sum() == theirs["out.revenue.amount"].sum()
    seconds = best(
        lambda: explode_structured_output(turns),
        lambda: with_json_normalize(outputs),
        lambda: pd.DataFrame({"output": list(map(json.loads, outputs))}),
        rounds=ROUNDS,
    )
    print(
        f"{OUTPUTS:,} outputs, {outputs.str.len().sum() / 1e6:.0f} MB, {len(theirs.columns)} fields, "
        f"best of {ROUNDS} rounds"
    )
    names = ("explode_structured_output", "pandas.json_normalize", "only json.loads")
    for name, took in zip(names, seconds, strict=True):
        print(f"  {name:<26}{took:>7.3f} s   explode takes {seconds[0] / took:.2f} times as long")
