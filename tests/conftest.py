"""What all tests share: a clean environment, a clean sandbox, and a server that says what it is told."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator

import pytest
from hypothesis import settings

from handinger_analytics.sandbox import Sandbox
from tests.scripted import Reply, ScriptedServer

settings.register_profile("repeatable", database=None, derandomize=True, deadline=None)
settings.load_profile("repeatable")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch):
    """Take the developer's own settings out of the environment."""
    for name in os.environ:
        if name.startswith("HANDINGER_"):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _closed_figures():
    """Close what a test drew, if it drew anything."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture(scope="session", params=["A", "B"])
def generation(request) -> str:
    """Name each generation of the API in turn."""
    return request.param


@pytest.fixture(scope="session")
def sandbox(generation) -> Iterator[Sandbox]:
    """Run a well-behaved sandbox of either generation."""
    with Sandbox(tasks=120, seed=7, generation=generation) as running:
        yield running


@pytest.fixture
def client(sandbox):
    """Open a client of the well-behaved sandbox."""
    with sandbox.client() as opened:
        yield opened


@pytest.fixture
def serve() -> Iterator[Callable[..., ScriptedServer]]:
    """Return a function that starts a server which gives the replies it is handed, in turn."""
    servers: list[ScriptedServer] = []

    def start(*replies: Reply) -> ScriptedServer:
        servers.append(ScriptedServer(replies))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()
