"""Turns to draw: fetched from a sandbox, and incomplete ones."""

from __future__ import annotations

import matplotlib as mpl
import pandas as pd
import pytest

from handinger_analytics.fetching.fetch import fetch
from handinger_analytics.fetching.result import FetchResult
from handinger_analytics.sandbox import Sandbox

mpl.use("Agg")


@pytest.fixture(scope="session")
def fetched() -> FetchResult:
    """Two hundred tasks and their turns, fetched over HTTP."""
    with Sandbox(tasks=200, seed=7) as sandbox, sandbox.client() as client:
        return fetch(sandbox.task_ids, client=client, progress=False)


@pytest.fixture
def turns(fetched: FetchResult) -> pd.DataFrame:
    """Give each test turns of its own, of two months."""
    return fetched.turns.copy()


@pytest.fixture
def few_turns(turns: pd.DataFrame) -> pd.DataFrame:
    """Give each test turns of its own, of the first two weeks."""
    return turns.sort_values("started_at").head(80).reset_index(drop=True)


@pytest.fixture
def incomplete_turns(few_turns: pd.DataFrame) -> pd.DataFrame:
    """Say of the turns that 12 of 200 tasks could not be fetched."""
    few_turns.attrs["handinger"] = {"schema": 1, "requested": 200, "failed": 12, "complete": False}
    return few_turns
