"""What the examples in docstrings may use: the package, pandas, and frames of a sandbox."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

import handinger_analytics as ha


@pytest.fixture(scope="session")
def example_frames() -> dict[str, pd.DataFrame]:
    """Tasks, turns and schedules of a sandbox; the same in every run."""
    with ha.Sandbox(tasks=200, seed=7) as sandbox, sandbox.client() as client:
        result = ha.fetch(sandbox.task_ids, client=client)
        schedules = ha.fetch_schedules(sandbox.worker_ids, client=client)
    return {"tasks": result.tasks, "turns": result.turns, "schedules": schedules}


@pytest.fixture(autouse=True)
def _names_in_examples(
    request: pytest.FixtureRequest, doctest_namespace: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Give an example its names, and a folder of its own to write to."""
    if isinstance(request.node, pytest.DoctestItem):
        monkeypatch.chdir(request.getfixturevalue("tmp_path"))
        doctest_namespace.update(request.getfixturevalue("example_frames"), ha=ha, pd=pd)
