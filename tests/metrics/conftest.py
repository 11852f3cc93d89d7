"""Sandbox data, on every engine."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from handinger_analytics.tables.frames import from_pandas
from handinger_analytics.tables.schema import TASKS, TURNS

ELSEWHERE = "America/Bogota"
"""Session time zone of the engines that have one: neither UTC nor a zone that is asked for."""


@pytest.fixture(scope="session")
def turns(example_frames: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Give the turns of two hundred tasks as a user has them."""
    return example_frames["turns"]


@pytest.fixture(scope="session")
def schedules(example_frames: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Give what the workers plan to run."""
    return example_frames["schedules"]


@pytest.fixture(scope="session")
def files(
    example_frames: dict[str, pd.DataFrame], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """Write turns and tasks to Parquet, and turns whose times have no zone, and no turns at all."""
    folder = tmp_path_factory.mktemp("engines")
    turns = from_pandas(example_frames["turns"], {column.name: column for column in TURNS})
    tasks = from_pandas(example_frames["tasks"], {column.name: column for column in TASKS})
    started = turns.schema.get_field_index("started_at")
    tables = {
        "turns": turns,
        "tasks": tasks,
        "naive": turns.set_column(started, "started_at", turns["started_at"].cast("timestamp[us]")),
        "empty": turns.slice(0, 0),
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


SLOW_SPARK = pytest.param("pyspark", marks=pytest.mark.slow)  # it starts a Java machine


@pytest.fixture(params=["pandas", "pandas-arrow", "pyarrow", "polars", "polars-lazy", "duckdb", SLOW_SPARK])
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
