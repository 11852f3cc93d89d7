"""What all tests share: a well-behaved sandbox, and a server that says what it is told."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator

import pytest
from hypothesis import settings

from handinger_analytics.sandbox import Sandbox
from handinger_analytics.sandbox.server import Request
from tests.scripted import Reply, ScriptedServer

settings.register_profile("repeatable", database=None, derandomize=True, deadline=None)
settings.load_profile("repeatable")

collect_ignore = ["typing"]  # for type checkers, never executed


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

    def start(*replies: Reply | Callable[[Request], Reply]) -> ScriptedServer:
        servers.append(ScriptedServer(replies))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def small_files() -> Iterator[None]:
    """Let no file grow beyond 50,000 bytes, as on a full disk."""
    resource = pytest.importorskip("resource", reason="Windows has no limits on the size of files")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    signal.signal(signal.SIGXFSZ, handler)
