"""How often a plot reads the frame of a lazy engine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

import handinger_analytics as ha
from tests.plots.handmade import turns_of

TURNS = turns_of(*({"worker_id": f"wrk_{n % 3}", "credits": n, "seq": n} for n in range(30)))


@pytest.fixture
def scans() -> list[int]:
    """Collect how many rows were read, an entry each time."""
    return []


@pytest.fixture
def polars_turns(scans) -> Any:
    """Give turns that Polars asks a Python source for, once per scan."""
    polars = pytest.importorskip("polars")
    plugins = pytest.importorskip("polars.io.plugins")
    whole = polars.from_pandas(TURNS)

    def read(with_columns: Any, predicate: Any, n_rows: Any, batch_size: Any) -> Iterator[Any]:
        scans.append(len(whole))
        some = whole if predicate is None else whole.filter(predicate)
        yield (some if with_columns is None else some.select(with_columns)).head(n_rows or len(whole))

    return plugins.register_io_source(read, schema=whole.schema)


@pytest.fixture
def duckdb_turns(scans, tmp_path) -> Iterator[Any]:
    """Give turns whose rows DuckDB shows to a Python function whenever it reads them."""
    duckdb = pytest.importorskip("duckdb")
    TURNS.to_parquet(tmp_path / "turns.parquet")

    def seen(values: Any) -> Any:
        scans.append(len(values))
        return pa.array([True] * len(values))

    with duckdb.connect() as connection:
        connection.create_function("seen", seen, ["BIGINT"], "BOOLEAN", type="arrow", side_effects=True)
        yield connection.read_parquet(str(tmp_path / "turns.parquet")).filter("seen(seq)")


@pytest.mark.parametrize("engine", ["polars_turns", "duckdb_turns"])
@pytest.mark.parametrize(
    ("name", "options", "most"),
    [
        pytest.param("plot_spend", {}, 2, id="spend"),
        pytest.param("plot_spend", {"by": "worker_id"}, 2, id="spend by worker"),
        pytest.param("plot_spend", {"by": "worker_id", "freq": "h"}, 2, id="spend by worker and hour"),
        pytest.param("plot_tokens", {}, 2, id="tokens"),
        pytest.param("plot_tokens", {"by": "worker_id"}, 1, id="tokens by worker"),
        pytest.param("plot_heatmap", {}, 2, id="heatmap"),
        pytest.param("plot_waste", {}, 1, id="waste"),
        pytest.param("plot_durations", {}, 1, id="durations"),
        pytest.param("plot_durations", {"by": "worker_id"}, 2, id="durations by worker"),
        pytest.param("plot_credits_vs_tokens", {"by": "worker_id"}, 2, id="credits against tokens"),
        pytest.param("plot_budget", {"limit": 99, "as_of": "2026-05-20T12:00Z"}, 3, id="budget"),
    ],
)
def test_the_frame_is_read_as_often_as_needed(name, options, most, engine, scans, request):
    """Once for the first and last start where there are periods, once for what is drawn or said of it."""
    turns = request.getfixturevalue(engine)
    scans.clear()
    ax = getattr(ha, name)(turns, **options)
    assert ax.get_title() == getattr(ha, name)(TURNS, **options).get_title()
    assert sum(scans) == most * len(TURNS)
