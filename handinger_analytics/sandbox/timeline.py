"""When things happen: creation times of all tasks, and the turns of one task in numbers.

Everything here is a pure function of its arguments: no wall clock and no shared random state.
Times are integers, milliseconds since 1970-01-01T00:00Z.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace
from itertools import accumulate
from math import exp
from random import Random
from typing import Literal

from handinger_analytics.sandbox.profiles import PROFILES, Profile

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEEK = 7 * DAY

_MAX_TURNS = 20
_LONGEST_TURN = 2 * HOUR
_CREDITS_PER_INPUT_TOKEN = 0.005
_CREDITS_PER_OUTPUT_TOKEN = 0.1
_RUNAWAY_PROBABILITY = 0.004
_LATE_PROBABILITY = 0.05

Arrival = tuple[int, int]
"""Creation time of a task in milliseconds, and the position of its worker in ``PROFILES``."""

Progress = Literal["pending", "running", "follow-up"]
"""What a task that is under way at the initial ``now`` is made to do."""


def arrivals_before(tasks: int, *, seed: int, days: int, now: int) -> list[Arrival]:
    """Return exactly `tasks` creations in the `days` before `now`, in order."""
    # The text seeds every draw: in other words the organization would be another one.
    return _arrivals(tasks, Random(f"{seed}/births"), now - days * DAY, days * 24, latest=now - 1)


def arrivals_after(week: int, *, tasks: int, seed: int, days: int, now: int) -> list[Arrival]:
    """Return the creations of one week after `now` (week 0 begins at `now`), at the same pace."""
    count = tasks * 7 * (week + 1) // days - tasks * 7 * week // days
    start = now + week * WEEK
    return _arrivals(count, Random(f"{seed}/births/{week}"), start, 7 * 24, latest=start + WEEK - 1)


def _arrivals(count: int, rng: Random, start: int, hours: int, *, latest: int) -> list[Arrival]:
    arrivals: list[Arrival] = []
    share = 0.0
    for worker, profile in enumerate(PROFILES):
        first = round(count * share)
        share += profile.share
        cumulative = list(accumulate(_weight(profile, start + hour * HOUR) for hour in range(hours)))
        for _ in range(round(count * share) - first):
            hour = min(bisect_right(cumulative, rng.random() * cumulative[-1]), hours - 1)
            slot = start + hour * HOUR
            if profile.on_the_hour:
                moment = -(-slot // HOUR) * HOUR + rng.randrange(4 * SECOND)
            else:
                moment = slot + rng.randrange(HOUR)
            arrivals.append((min(moment, latest), worker))
    return sorted(arrivals)


def _weight(profile: Profile, moment: int) -> float:
    hour = -(-moment // HOUR) if profile.on_the_hour else (moment + HOUR // 2) // HOUR
    # The first of January 1970 was a Thursday.
    return profile.week[(hour // 24 + 3) % 7] * profile.day[hour % 24]


@dataclass(frozen=True, slots=True)
class PlannedTurn:
    """One turn in numbers, as it will be when it has ended.

    Parameters
    ----------
    started, completed : int
        Milliseconds since 1970.
    duration_ms : int
        Wall clock the server reports; a little less than ``completed - started``.
    credits, input_tokens, output_tokens : int
        What the turn used.
    status : str
        ``completed``, ``error`` or ``aborted``.
    """

    started: int
    completed: int
    duration_ms: int
    credits: int
    input_tokens: int
    output_tokens: int
    status: str


@dataclass(frozen=True, slots=True)
class Planner:
    """Plans the turns of any task from its position alone.

    Parameters
    ----------
    seed : int
        Seed of the whole sandbox.
    now : int
        The initial moment, milliseconds since 1970.
    turns_per_task : int or None
        Exact number of turns, all of them ended by `now`; None for a realistic mix.
    follow_up_days : int
        Some tasks get one more turn up to so many days after their last one; 0 for none.
    """

    seed: int
    now: int
    turns_per_task: int | None
    follow_up_days: int

    def plan(self, index: int, arrival: Arrival, progress: Progress | None) -> list[PlannedTurn]:
        """Return the turns of one task in order, those after the initial ``now`` included."""
        created, worker = arrival
        profile = PROFILES[worker]
        rng = Random(f"{self.seed}/plan/{index}")
        count = self.turns_per_task or _turn_count(profile, rng)
        if progress == "follow-up":
            count = max(count, 2)
        clock = created + int(_long_tailed(rng, 700, 0.7))
        if progress == "pending":
            clock = self.now + 5 * SECOND
        plan: list[PlannedTurn] = []
        for seq in range(count):
            least = 0
            if progress == "running" and seq == 0:
                least = self.now - clock + 2 * MINUTE
            elif progress == "follow-up" and seq == 1:
                clock, least = max(clock, self.now - 40 * SECOND), 4 * MINUTE
            turn = _turn(profile, rng, seq, clock, least)
            plan.append(turn)
            clock = turn.completed + MINUTE + int(_long_tailed(rng, profile.gap_minutes, 1.3) * MINUTE)
        if self.turns_per_task and created < self.now <= plan[-1].completed:
            plan = _compressed(plan, created, self.now)
        return plan + self._late(index, profile, plan)

    def _late(self, index: int, profile: Profile, plan: list[PlannedTurn]) -> list[PlannedTurn]:
        """Return the turn that somebody asks for days after the last one, mostly none."""
        # A generator of its own: the other turns are the same with and without late ones.
        rng = Random(f"{self.seed}/follow-up/{index}")
        if not self.follow_up_days or rng.random() >= _LATE_PROBABILITY:
            return []
        started = plan[-1].completed + int(rng.uniform(0, self.follow_up_days * DAY)) + MINUTE
        return [_turn(profile, rng, len(plan), started, 0)]


def _long_tailed(rng: Random, median: float, sigma: float) -> float:
    """Draw from the lognormal distribution with this median and this spread."""
    return median * exp(sigma * rng.gauss(0.0, 1.0))


def _turn_count(profile: Profile, rng: Random) -> int:
    if rng.random() < 0.006:
        return rng.randint(12, _MAX_TURNS)
    count = 1
    while count < _MAX_TURNS and rng.random() < profile.follow_up:
        count += 1
    return count


def _turn(profile: Profile, rng: Random, seq: int, started: int, least: int) -> PlannedTurn:
    """Draw one turn that starts at `started` and takes `least` milliseconds or more."""
    context = profile.input_tokens * (1 + 0.4 * seq)
    input_tokens = 1 + int(_long_tailed(rng, context, 0.7))
    output_tokens = 1 + int(_long_tailed(rng, profile.output_tokens, 0.8))
    if rng.random() < _RUNAWAY_PROBABILITY:
        input_tokens, output_tokens = 9 * input_tokens, 14 * output_tokens
    draw = rng.random()
    status, part = "completed", 1.0
    if draw < profile.error_rate:
        status, part = "error", rng.random()
    elif draw < profile.error_rate + profile.abort_rate:
        status, part = "aborted", rng.random()
    output_tokens = int(output_tokens * part)
    duration = 600 + int(output_tokens * _long_tailed(rng, profile.ms_per_token, 0.35))
    duration = max(min(duration, _LONGEST_TURN), least)
    price = input_tokens * _CREDITS_PER_INPUT_TOKEN + output_tokens * _CREDITS_PER_OUTPUT_TOKEN
    return PlannedTurn(
        started=started,
        completed=started + duration + int(rng.random() * 250),
        duration_ms=duration,
        credits=round(price * profile.rate * part * rng.uniform(0.92, 1.08)),
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        status=status,
    )


def _compressed(plan: list[PlannedTurn], created: int, now: int) -> list[PlannedTurn]:
    """Compress the times of a plan so that its last turn ends at `now`."""
    scale = (now - created) / (plan[-1].completed - created)

    def moved(moment: int) -> int:
        return created + int((moment - created) * scale)

    return [
        replace(
            turn,
            started=moved(turn.started),
            completed=moved(turn.completed),
            duration_ms=moved(turn.completed) - moved(turn.started),
        )
        for turn in plan
    ]
