"""Many turns in Parquet, generated once from a seed: the numbers and ids of a year, without text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from handinger_analytics.tables.schema import STATUSES, TRIGGERS, TURNS, arrow_schema

_CHUNK = 1_000_000
_WORKERS = 50
_YEAR_MS = 365 * 86_400_000
_FIRST_MS = 1_767_225_600_000  # 2026-01-01
_COLUMNS = tuple(column for column in TURNS if not column.text)


def turns_parquet(folder: Path, rows: int) -> Path:
    """Return the file with that many turns, written on first use."""
    path = folder / f"turns-{rows}.parquet"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    rng = np.random.default_rng(7)
    with pq.ParquetWriter(unfinished, arrow_schema(_COLUMNS), compression="zstd") as writer:
        for first in range(0, rows, _CHUNK):
            writer.write_table(_chunk(rng, np.arange(first, min(first + _CHUNK, rows))))
    unfinished.rename(path)
    return path


def _chunk(rng: np.random.Generator, number: np.ndarray) -> pa.Table:
    size = len(number)
    worker = np.minimum(rng.geometric(0.08, size) - 1, _WORKERS - 1)
    started = rng.integers(_FIRST_MS, _FIRST_MS + _YEAR_MS, size)
    duration = rng.lognormal(9, 1, size).astype(np.int64)
    tokens = rng.lognormal(7, 1, size).astype(np.int64)
    values = {
        "turn_id": _ids("trn_", number),
        "task_id": _ids("tsk_", number // 3),
        "seq": number % 3,
        "role": _words(("assistant",), np.zeros(size, np.int32)),
        "status": _words(STATUSES, rng.choice(5, size, p=[0.01, 0.01, 0.9, 0.05, 0.03])),
        "started_at": pa.array(started).cast(pa.timestamp("ms", tz="UTC")),
        "completed_at": pa.array(started + duration).cast(pa.timestamp("ms", tz="UTC")),
        "duration_ms": duration,
        "credits": 1 + tokens // 200,
        "input_tokens": tokens,
        "output_tokens": tokens // 4,
        "worker_id": _ids("wrk_", worker),
        "organization_id": _ids("org_", np.zeros(size, np.int64)),
        "created_by_user_id": _ids("usr_", rng.integers(0, 200, size), rng.random(size) < 0.3),
        "triggered_by": _words(TRIGGERS, rng.integers(0, 4, size)),
    }
    schema = arrow_schema(_COLUMNS)
    arrays = [
        pa.array(values[f.name]) if isinstance(values[f.name], np.ndarray) else values[f.name] for f in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def _ids(prefix: str, number: np.ndarray, absent: np.ndarray | None = None) -> pa.Array:
    digits = pa.array(number, mask=absent).cast(pa.string())
    return pc.binary_join_element_wise(prefix, pc.utf8_lpad(digits, 26, "0"), "")


def _words(words: tuple[str, ...], code: np.ndarray) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(code.astype(np.int32)), pa.array(words))
