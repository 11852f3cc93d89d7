"""How fast response bodies become the turns frame.

``python -m tests.benchmarks.bench_bodies`` prints ratios, all from one run, against
``pandas.json_normalize`` with the same dtypes and against only decoding the bodies with msgspec.
"""

import gc
import json
import time
from collections.abc import Callable

import msgspec
import pandas as pd

import handinger_analytics as ha
from handinger_analytics.api import wire
from tests.benchmarks.server import body, task_ids

BODIES, TURNS, ROUNDS = 20_000, 5, 7
RENAMED = {
    "id": "turn_id",
    "taskId": "task_id",
    "startedAt": "started_at",
    "completedAt": "completed_at",
    "durationMs": "duration_ms",
    "inputTokens": "input_tokens",
    "outputTokens": "output_tokens",
    "outputText": "output_text",
    "structuredOutput": "structured_output",
    "task.workerId": "worker_id",
    "task.organizationId": "organization_id",
    "task.createdByUserId": "created_by_user_id",
    "task.triggeredBy": "triggered_by",
    "task.title": "task_title",
}
CONTEXT = ["workerId", "organizationId", "createdByUserId", "triggeredBy", "title"]


def with_toolkit(bodies: list[bytes]) -> pd.DataFrame:
    return ha.parse_bodies(bodies).turns


def with_json_normalize(bodies: list[bytes]) -> pd.DataFrame:
    """Build the same columns and dtypes the way pandas offers."""
    records = [json.loads(body) for body in bodies]
    for record in records:
        for turn in record["turns"]:
            turn["structuredOutput"] = json.dumps(turn["structuredOutput"])
    frame = pd.json_normalize(records, "turns", [["task", name] for name in CONTEXT]).rename(columns=RENAMED)
    for name in ("started_at", "completed_at"):
        frame[name] = pd.to_datetime(frame[name], utc=True).dt.as_unit("ms")
    return frame.astype(
        dict.fromkeys(["role", "status", "triggered_by"], "category")
        | dict.fromkeys(["turn_id", "task_id", "input", "output_text", "structured_output"], "str")
        | dict.fromkeys(["worker_id", "organization_id", "created_by_user_id", "task_title"], "str")
    )


def only_decoding(bodies: list[bytes]) -> list[wire.TaskWithTurns]:
    decoder = msgspec.json.Decoder(wire.TaskWithTurns)
    return [decoder.decode(body) for body in bodies]


def only_decoding_untyped(bodies: list[bytes]) -> list[object]:
    return [msgspec.json.decode(body) for body in bodies]


def seconds(run: Callable[[], object]) -> float:
    gc.collect()
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


if __name__ == "__main__":
    bodies = [body(task_id, TURNS) for task_id in task_ids(BODIES)]
    assert list(with_toolkit(bodies)["credits"]) == list(with_json_normalize(bodies)["credits"])
    runs = {
        "parse_bodies(…).turns": (with_toolkit, ROUNDS),
        "msgspec into records": (only_decoding, ROUNDS),
        "msgspec into dicts": (only_decoding_untyped, ROUNDS),
        "pandas.json_normalize": (with_json_normalize, 2),
    }
    best = dict.fromkeys(runs, float("inf"))
    for number in range(ROUNDS):
        for name, (run, rounds) in runs.items():
            if number < rounds:
                best[name] = min(best[name], seconds(lambda run=run: run(bodies)))
    ours = best["parse_bodies(…).turns"]
    print(
        f"{BODIES:,} bodies of {TURNS} turns, {sum(map(len, bodies)) / 1e6:.0f} MB, best of {ROUNDS} rounds"
    )
    for name, took in best.items():
        print(f"  {name:<24}{took:>7.3f} s   parse_bodies takes {ours / took:.2f} times as long")
