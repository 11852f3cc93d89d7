"""What the API shows of a worker: its state, its webhook log and its schedules."""

from __future__ import annotations

from bisect import bisect_right
from datetime import datetime
from random import Random
from threading import Lock
from typing import cast

from handinger_analytics.sandbox.content import JsonObject, hash_text
from handinger_analytics.sandbox.profiles import PROFILES
from handinger_analytics.sandbox.timeline import DAY, HOUR, MINUTE
from handinger_analytics.sandbox.world import TaskView, World, iso

_PAGE_SIZE = 50
"""Entries on one page of the webhook log."""

_REPEATED = 3
"""Entries of the previous page with which a page begins if `repeat` is set."""

HOOK = "https://example.com/handinger-webhook"
"""Where all workers report to."""

_Delivery = tuple[int, int, int, int]
"""Time, position of the task (-1: none), number of the turn, attempt."""


def worker_state(worker_id: str, view: TaskView | None, *, generation: str) -> JsonObject:
    """Return the worker object: the state and the messages of one task.

    Parameters
    ----------
    worker_id : str
        The worker.
    view : TaskView or None
        The task to describe; None for a worker that has not run any.
    generation : {"A", "A+files", "B"}
        Generation B leaves the credits out of ``usage``.
    """
    turns = view.turns if view else []
    status = view.task["status"] if view else "pending"
    if status not in ("pending", "running"):
        status = "completed"
    created = datetime.fromisoformat(cast(str, view.task["createdAt"])) if view else None
    answered = [turn for turn in turns if turn["outputText"]]
    state: JsonObject = {
        "id": worker_id,
        "created_at": int(created.timestamp()) if created else None,
        "error": None,
        "files": [file for turn in turns for file in cast(list[JsonObject], turn["files"])],
        "incomplete_details": None,
        "messages": [message for turn in turns for message in _messages(turn)],
        "metadata": {"taskId": view.task["id"]} if view else {},
        "object": "worker",
        "output": [_output(turn) for turn in answered],
        "output_text": answered[-1]["outputText"] if answered else "",
        "running": status == "running",
        "sources": _sources(answered),
        "status": status,
        "structured_output": turns[-1]["structuredOutput"] if turns else None,
        "url": f"https://v3.handinger.com/worker/{worker_id}",
    }
    if view:
        totals = cast(JsonObject, view.task["totals"])
        usage: JsonObject = {"durationMs": totals["durationMs"]}
        state["usage"] = {"credits": totals["credits"], **usage} if generation != "B" else usage
    return state


def _messages(turn: JsonObject) -> list[JsonObject]:
    name = str(turn["id"])
    asked = {"type": "text", "text": turn["input"]}
    messages: list[JsonObject] = [{"id": f"{name}-in", "role": "user", "parts": [asked]}]
    if turn["outputText"]:
        told = {"type": "text", "text": turn["outputText"]}
        messages.append({"id": f"{name}-out", "role": "assistant", "parts": [told]})
    return messages


def _output(turn: JsonObject) -> JsonObject:
    return {
        "id": f"{turn['id']}-out",
        "content": [{"text": turn["outputText"], "type": "output_text"}],
        "role": "assistant",
        "status": "completed",
        "type": "message",
    }


def _sources(answered: list[JsonObject]) -> list[JsonObject]:
    link = "https://example.com/report?id=7&lang=en"
    return [
        {
            "id": f"{turn['id']}-source",
            "title": "Report n.º 7 <draft>" if number % 2 == 0 else None,
            "type": "url",
            "url": link,
        }
        for number, turn in enumerate(answered)
        if link in cast(str, turn["outputText"])
    ]


class WebhookLog:
    """The deliveries of one worker: one for each finished turn, and another for each failed one.

    Parameters
    ----------
    world : World
        Where the tasks come from.
    worker : int
        Position of the worker in ``world.worker_ids``.
    """

    def __init__(self, world: World, worker: int) -> None:
        self._world, self._worker = world, worker
        self._deliveries: list[_Delivery] = []
        self._known = 0
        self._lock = Lock()

    def page(self, number: int, now: int, *, repeat: bool = False) -> JsonObject:
        """Return one page, newest entries first.

        Parameters
        ----------
        number : int
            From 1; a page past the end is empty.
        now : int
            Only deliveries made by then are in the log, milliseconds since 1970.
        repeat : bool
            Begin the page with the last entries of the page before, as happens to readers when new
            deliveries arrive while they turn pages. Nothing is left out.
        """
        deliveries = self._up_to_date()
        total = bisect_right(deliveries, now, key=lambda delivery: delivery[0])
        first = (number - 1) * _PAGE_SIZE
        last = min(first + _PAGE_SIZE, total)
        if repeat:
            first = max(first - _REPEATED, 0)
        return {
            "logs": [self._entry(deliveries[total - 1 - place]) for place in range(first, last)],
            "page": number,
            "pageCount": -(-total // _PAGE_SIZE),
            "totalCount": total,
        }

    def _up_to_date(self) -> list[_Delivery]:
        """Return the deliveries, oldest first, after adding those of tasks that are new."""
        with self._lock:
            indices = self._world.tasks_of_worker[self._worker]
            count = len(indices)
            if count > self._known:
                fresh = [
                    delivery
                    for index in indices[self._known : count]
                    for delivery in self._deliveries_of(index)
                ]
                if not self._known:
                    fresh.append((fresh[0][0] - HOUR, -1, 0, 0))
                # A new list: a reader in another thread keeps the one it has.
                self._deliveries = sorted(self._deliveries + fresh)
                self._known = count
            return self._deliveries

    def _deliveries_of(self, index: int) -> list[_Delivery]:
        deliveries: list[_Delivery] = []
        for number, turn in enumerate(self._world.plan(index)):
            moment = turn.completed + 400 + turn.input_tokens % 1_200
            deliveries.append((moment, index, number, 0))
            if _fails(index, number):
                deliveries.append((moment + MINUTE, index, number, 1))
        return deliveries

    def _entry(self, delivery: _Delivery) -> JsonObject:
        moment, index, number, attempt = delivery
        worker_id = self._world.worker_ids[self._worker]
        rng = Random(f"{worker_id}/hook/{index}/{number}/{attempt}")
        failed = index >= 0 and attempt == 0 and _fails(index, number)
        reached = not failed or rng.random() < 0.6
        task_id, title = self._world.id_and_title(index) if index >= 0 else (None, None)
        name = hash_text(f"{worker_id}/{index}/{number}/{attempt}")
        return {
            "id": f"whx_{index + 1}-{number}-{attempt}-{name}",
            "createdAt": iso(moment),
            "durationMs": rng.randint(60, 900) if reached else 10_000,
            "errorMessage": ("HTTP 503" if reached else "connect ETIMEDOUT") if failed else None,
            "requestStatus": "error" if failed else "success",
            "responseStatus": (503 if failed else 200) if reached else None,
            "taskId": task_id,
            "taskTitle": title,
            "url": HOOK,
            "workerId": worker_id,
        }


def _fails(index: int, number: int) -> bool:
    """Tell whether the first delivery of a turn fails, as one in 16 does."""
    return (index * 7 + number) % 16 == 5


def schedules(worker: int, start: int, now: int) -> list[JsonObject]:
    """Return the schedules of a worker (a position) that still have a run ahead at `now`.

    Parameters
    ----------
    worker : int
        Position of the worker.
    start, now : int
        The initial and the present moment, milliseconds since 1970.
    """
    morning = (now - 6 * HOUR) // DAY * DAY + DAY + 6 * HOUR
    next_hour = now // HOUR * HOUR + HOUR
    rows: tuple[tuple[str, int, str, str, str, JsonObject], ...] = (
        ("nightly", morning, "standard", "Morning numbers", "cron", {"cron": "0 6 * * *"}),
        ("nightly", next_hour, "low", "Watch the queue", "interval", {"intervalSeconds": 3600}),
        ("research", start + 3 * DAY, "unlimited", "Résumé de juin", "scheduled", {}),
        ("inbox", start + 2 * DAY, "high", "Ask again", "delayed", {"delayInSeconds": 172_800}),
    )
    return [
        {
            "id": f"sch_{number}",
            "budget": budget,
            "input": text,
            "type": kind,
            **more,
            "nextRunAt": iso(moment),
        }
        for number, (name, moment, budget, text, kind, more) in enumerate(rows)
        if name == PROFILES[worker].name and moment > now
    ]
