"""Sandbox data, on every engine."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from handinger_analytics.fetching.fetch import fetch
from handinger_analytics.fetching.result import FetchResult
from handinger_analytics.fetching.workers import fetch_schedules
from handinger_analytics.sandbox import Sandbox

ELSEWHERE = "America/Bogota"
"""Session time zone of the engines that have one: neither UTC nor a zone that is asked for."""


@pytest.fixture(scope="session")
def fetched() -> FetchResult:
    """Two hundred tasks and their turns, fetched over HTTP."""
    with Sandbox(tasks=200, seed=7) as sandbox, sandbox.client() as client:
        return fetch(sandbox.task_ids, client=client)


@pytest.fixture(scope="session")
def schedules() -> pd.DataFrame:
    """Give what the workers plan to run."""
    with Sandbox(tasks=200, seed=7) as sandbox, sandbox.client() as client:
        return fetch_schedules(sandbox.worker_ids, client=client)


@pytest.fixture(scope="session")
def turns(fetched: FetchResult) -> pd.DataFrame:
    """Give the turns as a user has them."""
    return fetched.turns


@pytest.fixture(scope="session")
def files(fetched: FetchResult, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Write turns and tasks to Parquet, and turns whose times have no zone, and no turns at all."""
    folder = tmp_path_factory.mktemp("engines")
    rows = fetched.rows
    started = rows.turns.schema.get_field_index("started_at")
    tables = {
        "turns": rows.turns,
        "tasks": rows.tasks,
        "naive": rows.turns.set_column(started, "started_at", rows.turns["started_at"].cast("timestamp[us]")),
        "empty": rows.turns.slice(0, 0),
    }
    for name, table in tables.items():
        pq.write_table(table, folder / f"{name}.parquet")
    return {name: folder / f"{name}.parquet" for name in tables}


@pytest.fixture(scope="session")
def spark() -> Iterator[Any]:
    """Spark in this process, on loopback alone."""
    sql = pytest.importorskip("pyspark.sql", reason="needs the extra [spark]")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java 17: install a JRE, for example openjdk-17-jre-headless")
    settings = {
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.sql.session.timeZone": ELSEWHERE,
        "spark.sql.shuffle.partitions": "1",
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.codegen.wholeStage": "false",  # compiling costs more than it saves on few rows
    }
    builder = sql.SparkSession.builder.master("local[2]").appName("tests")
    for key, value in settings.items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    yield session
    session.stop()


@pytest.fixture(params=["pandas", "pandas-arrow", "pyarrow", "polars", "polars-lazy", "duckdb", "pyspark"])
def read(request: pytest.FixtureRequest) -> Iterator[Callable[[Path], Any]]:
    """Give a function that opens a Parquet file the way users of that engine do."""
    engine = request.param
    if engine == "pandas":
        yield pd.read_parquet
    elif engine == "pandas-arrow":
        yield lambda path: pq.read_table(path).to_pandas(types_mapper=pd.ArrowDtype)
    elif engine == "pyarrow":
        yield pq.read_table
    elif engine.startswith("polars"):
        polars = pytest.importorskip("polars", reason="needs the extra [polars]")
        yield polars.read_parquet if engine == "polars" else polars.scan_parquet
    elif engine == "duckdb":
        duckdb = pytest.importorskip("duckdb", reason="needs the extra [duckdb]")
        with duckdb.connect() as connection:
            connection.execute(f"SET TimeZone = '{ELSEWHERE}'")
            yield lambda path: connection.read_parquet(str(path))
    else:
        session = request.getfixturevalue("spark")
        yield lambda path: session.read.parquet(str(path))
