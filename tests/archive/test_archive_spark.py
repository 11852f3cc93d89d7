"""Spark reads an archive without any Delta package: by its Parquet files."""

from __future__ import annotations

import pandas as pd
import pytest

import handinger_analytics as ha
from tests.metrics.conftest import spark  # noqa: F401 - one Spark for the whole run, it is slow to start


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # Spark's own start-up code warns about what it uses itself
def test_spend_on_spark(archive, sandbox, client, spark):  # noqa: F811 - the fixture of that name
    """`spend` of the files that the archive names is that of a fetch."""
    archive.sync(sandbox.task_ids, client=client, batch=30)
    archive.compact()
    turns = spark.read.parquet(*archive.files("turns"))
    expected = ha.spend(ha.fetch_turns(sandbox.task_ids, client=client), by="worker_id", freq="D")
    expected.attrs = {}
    pd.testing.assert_frame_equal(ha.spend(turns, by="worker_id", freq="D"), expected)
    tasks = spark.read.parquet(*archive.files("tasks"))
    assert tasks.count() == 120
