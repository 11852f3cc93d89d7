"""What all tests and examples share: no settings of the developer, no open figures, the names of examples."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest

import handinger_analytics as ha

os.environ["MPLBACKEND"] = "agg"  # a developer's own may need a screen, or a notebook


def pytest_xdist_auto_num_workers() -> int:
    """Start three workers for two processors: tests wait for servers and timers for a third of their time."""
    return max(1, 3 * (os.cpu_count() or 1) // 2)


def pytest_collection_finish() -> None:
    """Keep garbage collections from looking at what imports left: that took 8 % of the time of all tests."""
    gc.freeze()


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the developer's own settings out of the environment."""
    for name in os.environ:
        if name.startswith("HANDINGER_"):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _closed_figures() -> Iterator[None]:
    """Close what a test drew, if it drew anything."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture(scope="session")
def example_frames() -> dict[str, pd.DataFrame]:
    """Fetch tasks, turns and schedules of a sandbox; they are the same in every run."""
    with ha.Sandbox(tasks=200, seed=7) as sandbox, sandbox.client() as client:
        result = ha.fetch(sandbox.task_ids, client=client)
        schedules = ha.fetch_schedules(sandbox.worker_ids, client=client)
    return {"tasks": result.tasks, "turns": result.turns, "schedules": schedules}


@pytest.fixture(autouse=True)
def _names_in_examples(
    request: pytest.FixtureRequest, doctest_namespace: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Give an example in a docstring its names, and a folder of its own to write to."""
    if isinstance(request.node, pytest.DoctestItem):
        monkeypatch.chdir(request.getfixturevalue("tmp_path"))
        doctest_namespace.update(request.getfixturevalue("example_frames"), ha=ha, pd=pd)
