"""What the widget tests share: lookups that are closed again, and a sandbox with one awkward task."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from handinger_analytics import Sandbox, TaskLookup


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """Run a well-behaved sandbox; which generation it speaks is no matter of the widget."""
    with Sandbox(tasks=120, seed=7, generation="B") as running:
        yield running


@pytest.fixture
def open_lookup() -> Iterator[Callable[..., TaskLookup]]:
    """Return a function that makes a widget; all are closed afterwards."""
    opened: list[TaskLookup] = []

    def make(*args, **kwargs) -> TaskLookup:
        opened.append(TaskLookup(*args, **kwargs))
        return opened[-1]

    yield make
    for lookup in opened:
        lookup.close()
        lookup.wait(5)


@pytest.fixture
def lookup(open_lookup, client) -> TaskLookup:
    """Make a widget for the well-behaved sandbox."""
    return open_lookup(client)
