"""The habits of the generated workers: how often, how large, how expensive, how reliable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Profile:
    """What sets one generated worker apart from the others.

    Parameters
    ----------
    name : str
        Short name; it also selects the texts and the structured outputs.
    share : float
        Part of all tasks that this worker runs (the shares add up to 1).
    triggers : tuple of (str, float)
        What starts its tasks, with cumulative probabilities; the last one is 1.
    input_tokens, output_tokens : float
        Median tokens of a first turn.
    ms_per_token : float
        Milliseconds of wall clock for each token written.
    rate : float
        Price relative to the documented example task.
    error_rate, abort_rate : float
        Probability that a turn ends this way.
    follow_up : float
        Probability that a turn is followed by another one.
    gap_minutes : float
        Median minutes between the end of a turn and the follow-up.
    week : tuple of 7 float
        Relative activity by weekday, Monday first.
    day : tuple of 24 float
        Relative activity by UTC hour.
    on_the_hour : bool
        Whether its tasks start on the full hour, as scheduled ones do.
    """

    name: str
    share: float
    triggers: tuple[tuple[str, float], ...]
    input_tokens: float
    output_tokens: float
    ms_per_token: float
    rate: float
    error_rate: float
    abort_rate: float
    follow_up: float
    gap_minutes: float
    week: tuple[float, ...]
    day: tuple[float, ...]
    on_the_hour: bool


_API, _UI = (("api", 1.0),), (("ui", 1.0),)
_MOSTLY_API, _MOSTLY_UI = (("api", 0.9), ("ui", 1.0)), (("ui", 0.8), ("api", 1.0))
_EMAIL, _SCHEDULE = (("email", 0.94), ("ui", 1.0)), (("schedule", 1.0),)

_OFFICE = (1.0, 1.1, 1.1, 1.0, 0.8, 0.12, 0.1)
_EVEN = (1.0, 1.0, 1.0, 1.0, 1.0, 0.8, 0.8)

_FORENOON, _AFTERNOON = (0.2, 0.6, 1.2, 1.5, 1.5, 1.3), (0.8, 1.0, 1.3, 1.3, 1.1, 0.7)
_WORKDAY = (0.05,) * 6 + _FORENOON + _AFTERNOON + (0.4, 0.2, 0.15, 0.1, 0.08, 0.05)
_MAIL = (0.3,) * 6 + (0.9, 1.5, 1.6, 1.2) + (0.9,) * 8 + (0.7, 0.6, 0.5, 0.4, 0.4, 0.3)
_MORNING = (0.0,) * 6 + (1.0,) + (0.0,) * 11 + (0.35,) + (0.0,) * 5
_NIGHT = (1.2, 1.4, 1.4, 1.0, 0.6, 0.2) + (0.1,) * 16 + (0.4, 0.8)

_HABITS: Final[dict[str, tuple[Any, ...]]] = {
    "name": ("helpdesk", "research", "nightly", "inbox", "extraction", "playground"),
    "share": (0.36, 0.12, 0.16, 0.18, 0.13, 0.05),
    "triggers": (_MOSTLY_API, _MOSTLY_UI, _SCHEDULE, _EMAIL, _API, _UI),
    "input_tokens": (900.0, 21_000.0, 6_200.0, 2_300.0, 9_500.0, 1_400.0),
    "output_tokens": (160.0, 3_400.0, 720.0, 380.0, 540.0, 420.0),
    "ms_per_token": (42.0, 55.0, 48.0, 60.0, 38.0, 50.0),
    "rate": (0.5, 1.6, 0.8, 1.0, 0.7, 1.1),
    "error_rate": (0.02, 0.06, 0.04, 0.03, 0.11, 0.05),
    "abort_rate": (0.01, 0.05, 0.0, 0.01, 0.01, 0.14),
    "follow_up": (0.48, 0.35, 0.03, 0.4, 0.12, 0.74),
    "gap_minutes": (9.0, 75.0, 240.0, 560.0, 4.0, 3.0),
    "week": (_EVEN, _OFFICE, _EVEN, _OFFICE, _EVEN, _OFFICE),
    "day": (_WORKDAY, _WORKDAY, _MORNING, _MAIL, _NIGHT, _WORKDAY),
    "on_the_hour": (False, False, True, False, False, False),
}
"""A line for each habit, a column for each worker."""

PROFILES: Final = tuple(
    Profile(**dict(zip(_HABITS, column, strict=True))) for column in zip(*_HABITS.values(), strict=True)
)
