"""The habits of the generated workers: how often, how large, how dear, how reliable."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PROFILES", "Profile"]

_OFFICE_WEEK = (1.0, 1.1, 1.1, 1.0, 0.8, 0.12, 0.1)
_EVEN_WEEK = (1.0, 1.0, 1.0, 1.0, 1.0, 0.8, 0.8)
_OFFICE_DAY = (
    (0.05,) * 6
    + (0.2, 0.6, 1.2, 1.5, 1.5, 1.3, 0.8, 1.0, 1.3, 1.3, 1.1, 0.7, 0.4)
    + (
        0.2,
        0.15,
        0.1,
        0.08,
        0.05,
    )
)
_INBOX_DAY = (0.3,) * 6 + (0.9, 1.5, 1.6, 1.2) + (0.9,) * 8 + (0.7, 0.6, 0.5, 0.4, 0.4, 0.3)
_MORNING_RUN = (0.0,) * 6 + (1.0,) + (0.0,) * 11 + (0.35,) + (0.0,) * 5
_NIGHT_BATCH = (1.2, 1.4, 1.4, 1.0, 0.6, 0.2) + (0.1,) * 16 + (0.4, 0.8)


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
    on_the_hour: bool = False


PROFILES: tuple[Profile, ...] = (
    Profile(
        name="helpdesk",
        share=0.36,
        triggers=(("api", 0.9), ("ui", 1.0)),
        input_tokens=900.0,
        output_tokens=160.0,
        ms_per_token=42.0,
        rate=0.5,
        error_rate=0.02,
        abort_rate=0.01,
        follow_up=0.48,
        gap_minutes=9.0,
        week=_EVEN_WEEK,
        day=_OFFICE_DAY,
    ),
    Profile(
        name="research",
        share=0.12,
        triggers=(("ui", 0.8), ("api", 1.0)),
        input_tokens=21_000.0,
        output_tokens=3_400.0,
        ms_per_token=55.0,
        rate=1.6,
        error_rate=0.06,
        abort_rate=0.05,
        follow_up=0.35,
        gap_minutes=75.0,
        week=_OFFICE_WEEK,
        day=_OFFICE_DAY,
    ),
    Profile(
        name="nightly",
        share=0.16,
        triggers=(("schedule", 1.0),),
        input_tokens=6_200.0,
        output_tokens=720.0,
        ms_per_token=48.0,
        rate=0.8,
        error_rate=0.04,
        abort_rate=0.0,
        follow_up=0.03,
        gap_minutes=240.0,
        week=_EVEN_WEEK,
        day=_MORNING_RUN,
        on_the_hour=True,
    ),
    Profile(
        name="inbox",
        share=0.18,
        triggers=(("email", 0.94), ("ui", 1.0)),
        input_tokens=2_300.0,
        output_tokens=380.0,
        ms_per_token=60.0,
        rate=1.0,
        error_rate=0.03,
        abort_rate=0.01,
        follow_up=0.4,
        gap_minutes=560.0,
        week=_OFFICE_WEEK,
        day=_INBOX_DAY,
    ),
    Profile(
        name="extraction",
        share=0.13,
        triggers=(("api", 1.0),),
        input_tokens=9_500.0,
        output_tokens=540.0,
        ms_per_token=38.0,
        rate=0.7,
        error_rate=0.11,
        abort_rate=0.01,
        follow_up=0.12,
        gap_minutes=4.0,
        week=_EVEN_WEEK,
        day=_NIGHT_BATCH,
    ),
    Profile(
        name="playground",
        share=0.05,
        triggers=(("ui", 1.0),),
        input_tokens=1_400.0,
        output_tokens=420.0,
        ms_per_token=50.0,
        rate=1.1,
        error_rate=0.05,
        abort_rate=0.14,
        follow_up=0.74,
        gap_minutes=3.0,
        week=_OFFICE_WEEK,
        day=_OFFICE_DAY,
    ),
)
