"""Dates along an axis while clocks are set back."""

from __future__ import annotations

import pandas as pd
import pytest

import handinger_analytics as ha
from tests.plots.handmade import drawn, turns_of

TWO_O_CLOCK = ["02:00\nCEST", "02:00\nCET"]


def x_labels(ax) -> list[str]:
    """Texts under the ticks that lie within the axis."""
    low, high = ax.get_xlim()
    return [tick.label1.get_text() for tick in ax.xaxis.get_major_ticks() if low <= tick.get_loc() <= high]


def started(*instants: str) -> pd.DataFrame:
    """Return turns that start then."""
    return turns_of(*[{"started_at": instant} for instant in instants])


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        pytest.param("22:30", "02:10", ["Oct-25", "01:00", *TWO_O_CLOCK, "03:00"], id="night"),
        pytest.param("00:05", "01:05", TWO_O_CLOCK, id="nothing else"),
        pytest.param("01:05", "03:05", ["02:00\nCET", "03:00", "04:00"], id="second alone"),
        pytest.param("01:05", "01:10", ["2026-10-25 02:00\nCET"], id="one bar"),
    ],
)
@pytest.mark.parametrize("name", ["plot_spend", "plot_tokens"])
def test_a_repeated_hour_says_by_which_time_it_is(name, first, last, expected):
    """As clocks go back both hours are called two; no other tick is marked."""
    day = "24" if first > last else "25"
    turns = started(f"2026-10-{day}T{first}+00:00", f"2026-10-25T{last}+00:00")
    ax = drawn(getattr(ha, name)(turns, freq="h", tz="Europe/Madrid"))
    assert x_labels(ax)[-len(expected) :] == expected


def test_a_repeated_midnight_is_told_apart():
    """In Havana the first hour of a day comes twice."""
    turns = started("2026-11-01T03:30+00:00", "2026-11-01T06:30+00:00")
    ax = drawn(ha.plot_spend(turns, freq="h", tz="America/Havana"))
    assert x_labels(ax) == ["23:00", "Nov-01\nCDT", "Nov-01\nCST", "01:00"]


@pytest.mark.parametrize("freq", ["D", "MS"])
def test_days_that_begin_in_a_repeated_hour_are_days(freq):
    """There is nothing to tell apart."""
    turns = started("2026-11-01T05:30+00:00", "2026-12-02T12:00+00:00")
    ax = drawn(ha.plot_spend(turns, freq=freq, tz="America/Havana"))
    assert not any("\n" in text for text in x_labels(ax))
    alone = drawn(ha.plot_spend(turns.head(1), freq=freq, tz="America/Havana"))
    assert x_labels(alone) == [{"D": "2026-11-01", "MS": "2026-11"}[freq]]


def test_bars_of_turns_stand_in_the_hour_they_ran_in():
    """A tick within a repeated hour, here on ten minutes, says which of the two it is."""
    turns = started("2026-10-25T00:05+00:00")
    turns["completed_at"] = pd.Timestamp("2026-10-25T00:50+00:00")
    ax = drawn(ha.plot_timeline(turns, tz="Europe/Madrid"))
    shown = x_labels(ax)
    assert shown
    assert all(text.startswith("02:") and text.endswith("\nCEST") for text in shown)
