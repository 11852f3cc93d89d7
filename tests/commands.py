"""Commands run in this process, and a server whose answers change from night to night."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from handinger_analytics.cli import main
from handinger_analytics.sandbox.server import HttpServer, Reply, Request
from tests.samples import body_a

GONE = Reply(b'{"error":"Not found."}', 404)
REFUSED = Reply(b'{"error":"Unknown key."}', 401)


def failing(status: int) -> Reply:
    """Answer with a status that the client need not try again."""
    return Reply(b"{}", status, {"x-should-retry": "false"})


class TaskServer(HttpServer):
    """Has the tasks it is given, and one reply for everything else; both may change."""

    def __init__(self, *task_ids: str) -> None:
        self.asked: list[str] = []
        self.replies: dict[str, Reply] = {}
        self.otherwise = GONE
        self.has(*task_ids)
        super().__init__(self._reply)

    def has(self, *task_ids: str, otherwise: Reply = GONE) -> None:
        """Have these tasks from now on, one turn each."""
        self.replies = {f"/api/tasks/{task_id}": Reply(body_a(task_id)) for task_id in task_ids}
        self.otherwise = otherwise

    @property
    def environment(self) -> dict[str, str]:
        """Variables that point a command at this server."""
        return {"HANDINGER_BASE_URL": self.url, "HANDINGER_API_KEY": "hdg_live_x"}

    def _reply(self, request: Request) -> Reply:
        self.asked.append(request.target)
        return self.replies.get(request.target, self.otherwise)


def run(*arguments: object, environment: dict[str, str] | None = None, **options: Any) -> Result:
    """Run a command in this process."""
    words = [str(argument) for argument in arguments]
    return CliRunner().invoke(main, words, env=environment, catch_exceptions=False, **options)


def start(*arguments: object, environment: dict[str, str], **options: Any) -> subprocess.Popen[str]:
    """Start a command as a process of its own, in development mode, which tells what is ignored without."""
    words = [str(argument) for argument in arguments]
    return subprocess.Popen(
        [sys.executable, "-X", "dev", "-W", "ignore", "-m", "handinger_analytics", *words],
        env=os.environ | environment,
        text=True,
        **options,
    )


def names_in(folder: Path) -> list[str]:
    """Paths of the files in a folder and below."""
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())
