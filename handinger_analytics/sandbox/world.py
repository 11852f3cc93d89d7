"""The generated organization: workers and tasks, and what they look like at a given moment.

A :class:`World` is a pure function of its arguments. It keeps id, creation time and worker of every
task, and makes the content of a task when somebody asks for it.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from threading import Lock
from urllib.parse import quote

from handinger_analytics.sandbox import example
from handinger_analytics.sandbox.content import ODD_IDS, UNSAFE_TITLES, JsonObject, TaskWriter
from handinger_analytics.sandbox.profiles import PROFILES
from handinger_analytics.sandbox.timeline import (
    MINUTE,
    WEEK,
    Arrival,
    PlannedTurn,
    Planner,
    Progress,
    arrivals_after,
    arrivals_before,
)

_NEVER = 1 << 62
"""A moment that does not come."""


def iso(moment: int) -> str:
    """Return milliseconds since 1970 as the API writes times.

    Examples
    --------
    >>> iso(0)
    '1970-01-01T00:00:00.000Z'
    """
    utc = datetime(1970, 1, 1) + timedelta(milliseconds=moment)
    return f"{utc.isoformat(timespec='milliseconds')}Z"


def _token(kind: str, *parts: object) -> str:
    digest = blake2b("/".join(map(str, parts)).encode(), digest_size=10, key=kind.encode()).digest()
    return f"{kind}_{urlsafe_b64encode(digest)[:14].decode()}"


@dataclass(frozen=True, slots=True)
class TaskView:
    """A task as the API shows it at one moment.

    Parameters
    ----------
    task : dict
        The task object.
    turns : list of dict
        The turn objects that exist by then, each with its ``files``.
    until : int
        The view holds until this moment (exclusive), milliseconds since 1970.
    """

    task: JsonObject
    turns: list[JsonObject]
    until: int


class World:
    """All workers and tasks of one generated organization.

    Parameters
    ----------
    planner : Planner
        Plans their turns, and knows the seed and the initial moment.
    tasks : int
        How many tasks exist at that moment.
    days : int
        They are created within so many days before it.
    """

    def __init__(self, planner: Planner, tasks: int, days: int) -> None:
        seed, now = planner.seed, planner.now
        self._planner, self._tasks, self._days, self._seed, self._start = planner, tasks, days, seed, now
        self.worker_ids = [_token("wrk", seed, profile.name) for profile in PROFILES]
        # One worker carries an identifier of the older form.
        self.worker_ids[-2] = f"t_org_123_w_{blake2b(str(seed).encode()).hexdigest()[:26].upper()}"
        self.forbidden_worker_id = _token("wrk", seed, "another organization")
        self.silent_worker_id = _token("wrk", seed, "no webhook")
        self._progress: dict[int, Progress] = {}
        arrivals = arrivals_before(tasks, seed=seed, days=days, now=now)
        if tasks >= 10 and planner.turns_per_task is None:
            self._put_in_progress(arrivals)
        self._titles = _spread(UNSAFE_TITLES, tasks, 0.25)
        self._odd_ids = _spread(ODD_IDS, tasks, 0.75)
        self._arrivals: list[Arrival] = []
        self._ids: list[str] = []
        self._index: dict[str, int] = {}
        self.tasks_of_worker: list[list[int]] = [[] for _ in PROFILES]
        self._weeks = 0
        self._growing = Lock()
        self._append(arrivals)
        self.grow(now)

    def grow(self, now: int) -> None:
        """Make sure that every task created up to `now` is known."""
        with self._growing:
            while self._start + self._weeks * WEEK <= now:
                week = self._weeks
                self._append(
                    arrivals_after(week, tasks=self._tasks, seed=self._seed, days=self._days, now=self._start)
                )
                self._weeks += 1

    def task_ids(self, now: int) -> list[str]:
        """Return the identifiers of the tasks that exist at `now`, oldest first."""
        return self._ids[: bisect_right(self._arrivals, (now, len(PROFILES)))]

    def latest_task(self, worker: int, now: int) -> str | None:
        """Return the most recently created task of a worker (a position), if it has any."""
        indices = self.tasks_of_worker[worker]
        count = bisect_right(indices, now, key=lambda index: self._arrivals[index][0])
        return self._ids[indices[count - 1]] if count else None

    def view(self, task_id: str, now: int) -> TaskView | None:
        """Return a task as it is at `now`; None when there is no such task by then."""
        if task_id == example.EXAMPLE_TASK_ID:
            return TaskView(dict(example.EXAMPLE_TASK), [dict(example.EXAMPLE_TURN)], _NEVER)
        index = self._index.get(task_id)
        if index is None or self._arrivals[index][0] > now:
            return None
        plan = self.plan(index)
        started = [turn for turn in plan if turn.started <= now]
        changes = (moment for turn in plan for moment in (turn.started, turn.completed))
        until = min((moment for moment in changes if moment > now), default=_NEVER)
        # The writer draws title, origin and turns from one generator: the order is part of the data.
        writer = self._writer(index)
        title = self._title(index, writer)
        origin = writer.origin()
        turns = [
            self._turn(task_id, seq, turn, writer, ended=turn.completed <= now)
            for seq, turn in enumerate(started)
        ]
        ended = [turn for turn in started if turn.completed <= now]
        task = self._task(index, title, origin, ended, turns)
        return TaskView(task, turns, until)

    def plan(self, index: int) -> list[PlannedTurn]:
        """Return the turns of a task in numbers, those of the future included."""
        return self._planner.plan(index, self._arrivals[index], self._progress.get(index))

    def id_and_title(self, index: int) -> tuple[str, str]:
        """Return the identifier and the title of a task."""
        return self._ids[index], self._title(index, self._writer(index))

    def _append(self, arrivals: list[Arrival]) -> None:
        for arrival in arrivals:
            index = len(self._arrivals)
            task_id = self._odd_ids.get(index) or _token("tsk", self._seed, index)
            self._ids.append(task_id)
            # Readers find a task through its identifier, so that comes last.
            self._arrivals.append(arrival)
            self.tasks_of_worker[arrival[1]].append(index)
            self._index[task_id] = index

    def _put_in_progress(self, arrivals: list[Arrival]) -> None:
        """Change arrivals in place, so that a few tasks are pending, running or followed up at the start."""
        each = 2 if len(arrivals) >= 100 else 1
        for index, (created, worker) in enumerate(arrivals):
            arrivals[index] = (min(created, self._start - 10 * MINUTE), worker)
        for number in range(each):
            last = len(arrivals) - 1 - number
            arrivals[last] = (self._start - 2_500 * (number + 1), 0)
            arrivals[last - each] = (self._start - 31_000 * (number + 1), 1)
            self._progress[last] = "pending"
            self._progress[last - each] = "running"
            self._progress[last - 3 * each] = "follow-up"

    def _writer(self, index: int) -> TaskWriter:
        return TaskWriter(self._seed, index, PROFILES[self._arrivals[index][1]])

    def _title(self, index: int, writer: TaskWriter) -> str:
        title = writer.title()
        return self._titles.get(index, title)

    def _turn(
        self, task_id: str, seq: int, turn: PlannedTurn, writer: TaskWriter, *, ended: bool
    ) -> JsonObject:
        question = writer.question(seq)
        return {
            "id": _token("trn", self._seed, task_id, seq),
            "completedAt": iso(turn.completed) if ended else None,
            "credits": turn.credits if ended else 0,
            "durationMs": turn.duration_ms if ended else 0,
            "input": question,
            "inputTokens": turn.input_tokens if ended else 0,
            "outputText": writer.answer(turn.status, turn.output_tokens) if ended else "",
            "outputTokens": turn.output_tokens if ended else 0,
            "role": "user",
            "seq": seq,
            "startedAt": iso(turn.started),
            "status": turn.status if ended else "running",
            "structuredOutput": writer.structured_output(turn.status) if ended else None,
            "taskId": task_id,
            "files": writer.files(task_id, seq) if ended else [],
        }

    def _task(
        self,
        index: int,
        title: str,
        origin: tuple[str, str | None],
        ended: list[PlannedTurn],
        turns: list[JsonObject],
    ) -> JsonObject:
        created, worker = self._arrivals[index]
        task_id, worker_id = self._ids[index], self.worker_ids[worker]
        return {
            "id": task_id,
            "completedAt": turns[-1]["completedAt"] if turns else None,
            "createdAt": iso(created),
            "createdByUserId": origin[1],
            "organizationId": example.EXAMPLE_ORGANIZATION_ID,
            "status": turns[-1]["status"] if turns else "pending",
            "title": title,
            "totals": {
                "credits": sum(turn.credits for turn in ended),
                "durationMs": sum(turn.duration_ms for turn in ended),
                "turnCount": len(turns),
            },
            "triggeredBy": origin[0],
            "url": f"https://v3.handinger.com/worker/{worker_id}/task/{quote(task_id, safe='')}",
            "workerId": worker_id,
        }


def _spread(values: tuple[str, ...], tasks: int, phase: float) -> dict[int, str]:
    """Give `values` to tasks far apart: position to value, at most every third task."""
    used = values[: tasks // 3]
    return {int((number + phase) * tasks / len(used)): value for number, value in enumerate(used)}
