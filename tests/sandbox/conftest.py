"""What the sandbox tests share: one plain HTTP client and two running sandboxes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from handinger_analytics.sandbox import Sandbox


@dataclass(frozen=True)
class Reply:
    """One answer as it came over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


Get = Callable[..., Reply]


@pytest.fixture
def get() -> Get:
    """Return a function that sends one request over a connection of its own."""

    def send(
        sandbox: Sandbox,
        path: str,
        *,
        method: str = "GET",
        authorization: str | None = "",
        body: bytes | None = None,
    ) -> Reply:
        where = urlsplit(sandbox.url)
        connection = HTTPConnection(where.hostname or "", where.port, timeout=20)
        try:
            if authorization == "":
                authorization = f"Bearer {sandbox.api_key}"
            headers = {} if authorization is None else {"Authorization": authorization}
            connection.request(method, path, body=body, headers=headers)
            response = connection.getresponse()
            fields = {name.lower(): value for name, value in response.getheaders()}
            return Reply(response.status, fields, response.read())
        finally:
            connection.close()

    return send


@pytest.fixture
def task_path() -> Callable[[str], str]:
    """Return a function that makes the path of a task."""
    return lambda task_id: f"/api/tasks/{quote(task_id, safe='')}"


@pytest.fixture(scope="module")
def sandbox_a() -> Iterator[Sandbox]:
    """Start a generation A sandbox."""
    with Sandbox(tasks=200, seed=7, generation="A") as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def sandbox_b() -> Iterator[Sandbox]:
    """Start a generation B sandbox with the same data."""
    with Sandbox(tasks=200, seed=7, generation="B") as sandbox:
        yield sandbox
