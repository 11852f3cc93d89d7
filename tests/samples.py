"""Response bodies written by hand from the API's documentation."""

from __future__ import annotations

import json
from typing import Any

TASK: dict[str, Any] = {
    "id": "tsk_2Z-YWz3hFq6VlW",
    "completedAt": "2026-05-11T09:14:48.000Z",
    "createdAt": "2026-05-11T09:14:22.000Z",
    "createdByUserId": "usr_7yh-91XzM2nQ4",
    "organizationId": "org_8s1Df9aLp-1z",
    "status": "completed",
    "title": "Weather report for Barcelona",
    "totals": {"credits": 42, "durationMs": 25812, "turnCount": 1},
    "triggeredBy": "api",
    "url": "https://v3.handinger.com/worker/wrk_vk81XUHKHG-qr4/task/tsk_2Z-YWz3hFq6VlW",
    "workerId": "wrk_vk81XUHKHG-qr4",
}
TURN: dict[str, Any] = {
    "id": "trn_4Hq-9Vk2pLm8Rx",
    "completedAt": "2026-05-11T09:14:48.000Z",
    "credits": 42,
    "durationMs": 25812,
    "input": "What's the weather today in Barcelona?",
    "inputTokens": 1842,
    "outputText": "It's currently 21°C and sunny in Barcelona.",
    "outputTokens": 312,
    "role": "user",
    "seq": 0,
    "startedAt": "2026-05-11T09:14:22.000Z",
    "status": "completed",
    "structuredOutput": {"temperatureCelsius": "bar", "conditions": "bar"},
    "taskId": "tsk_2Z-YWz3hFq6VlW",
}
FILES: list[dict[str, Any]] = [
    {"filename": "a.csv", "mediaType": "text/csv", "url": "https://handinger.com/files/a.csv", "size": 1204},
    {"filename": None, "mediaType": "image/png", "url": "https://handinger.com/files/1"},
]
WORKER: dict[str, Any] = {
    "id": "wrk_1",
    "created_at": 1747000000,
    "error": None,
    "files": FILES,
    "incomplete_details": None,
    "messages": [{}, {"role": "user", "content": "Hello"}],
    "metadata": {"foo": "bar"},
    "object": "worker",
    "output": [
        {
            "id": "out_1",
            "content": [{"text": "one", "type": "output_text"}, {"text": "two", "type": "output_text"}],
            "role": "assistant",
            "status": "completed",
            "type": "message",
        }
    ],
    "output_text": "one two",
    "running": False,
    "sources": [{"id": "src_1", "title": None, "type": "url", "url": "https://example.com"}],
    "status": "completed",
    "structured_output": {"foo": "bar"},
    "url": "https://v3.handinger.com/worker/wrk_1",
    "usage": {"credits": 7, "durationMs": 900},
}


def encoded(content: object) -> bytes:
    """Bytes of a JSON body."""
    return json.dumps(content, ensure_ascii=False).encode()


def task_of(task_id: str, **changes: Any) -> dict[str, Any]:
    """Return the documented task under another id, with some fields changed."""
    return TASK | {"id": task_id} | changes


def turn_of(task_id: str, seq: int = 0, **changes: Any) -> dict[str, Any]:
    """Return the documented turn as part of another task, with some fields changed."""
    return TURN | {"id": f"trn_{task_id}_{seq}", "taskId": task_id, "seq": seq} | changes


def body_a(task_id: str = "tsk_1", turns: int = 1, **changes: Any) -> bytes:
    """Body of generation A: a task with its turns; ``changes`` go into the task."""
    return encoded(
        {"task": task_of(task_id, **changes), "turns": [turn_of(task_id, n) for n in range(turns)]}
    )


def task_b(task_id: str = "tsk_1", **changes: Any) -> bytes:
    """Body of the task endpoint in generation B."""
    return encoded({"task": task_of(task_id, **changes)})


def turns_b(task_id: str = "tsk_1", turns: int = 1, **changes: Any) -> bytes:
    """Body of the turns endpoint in generation B; ``changes`` go into each turn."""
    items = [turn_of(task_id, n, files=FILES, **changes) for n in range(turns)]
    return encoded({"items": items, "taskId": task_id})


def one_turn(**changes: Any) -> bytes:
    """Body of generation A with one turn, some of whose fields are changed."""
    return encoded({"task": TASK, "turns": [TURN | changes]})
