"""The page of six plots."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
from matplotlib.figure import Figure
from matplotlib.testing.compare import compare_images

from handinger_analytics import plot_dashboard
from handinger_analytics.errors import ArgumentError, FrameError
from tests.plots.handmade import AWKWARD, captions, turns_of

SERIES = ".".join(mpl.__version__.split(".")[:2])
BASELINE = Path(__file__).parent / "baseline" / f"dashboard-matplotlib-{SERIES}.png"
"""What the dashboard of the sandbox looked like when a person last looked at it.

After a wanted change: look at the new picture, which the failing test names, and copy it here. Each series
of Matplotlib sets text a little wider or narrower, which moves everything, so each has its own.
"""
TOLERANCE = 8
"""Root mean square of the difference, of 255."""

compared = pytest.mark.skipif(
    not BASELINE.exists(), reason=f"no picture drawn by Matplotlib {SERIES} has been looked at"
)


def titles(figure) -> list[str]:
    """Titles of the six plots."""
    return [cell.axes[0].get_title() for cell in figure.subfigs]


def test_the_page_holds_six_plots(turns):
    """Spend, tokens, durations, the week, the tasks that cost most, waste."""
    figure = plot_dashboard(turns)
    assert isinstance(figure, Figure)
    first_words = [title.split()[0] for title in titles(figure)]
    assert first_words == ["Credits", "Tokens:", "Duration", "Credits", "12", "1,728"]
    assert figure.get_suptitle() == (
        "54,512 credits in 383 turns of 198 tasks, 2026-05-01 to 2026-06-30 (UTC)"
    )


@pytest.mark.slow
@compared
def test_the_page_looks_as_it_did(turns, tmp_path):
    """Compared with a picture that a person has looked at."""
    with plt.style.context("default"):
        plot_dashboard(turns, tz="Europe/Madrid", limit=3000).savefig(tmp_path / "dashboard.png", dpi=60)
    assert compare_images(str(BASELINE), str(tmp_path / "dashboard.png"), tol=TOLERANCE) is None


@compared
@pytest.mark.slow
def test_another_page_looks_different(turns, tmp_path):
    """The comparison notices when one plot of six shows other data."""
    with plt.style.context("default"):
        page = plot_dashboard(turns, tz="Asia/Tokyo", limit=3000)
        page.savefig(tmp_path / "dashboard.png", dpi=60)
    assert compare_images(str(BASELINE), str(tmp_path / "dashboard.png"), tol=TOLERANCE) is not None


def test_the_page_says_once_that_it_is_incomplete(incomplete_turns):
    """Under its title, not over each of the plots, and the frame keeps saying so."""
    figure = plot_dashboard(incomplete_turns)
    assert figure.get_suptitle().endswith("\nincomplete: 12 of 200 tasks not fetched")
    assert [captions(ax) for ax in figure.axes if captions(ax)] == []
    assert incomplete_turns.attrs["handinger"]["complete"] is False


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([], id="no rows"),
        pytest.param([{}], id="one point"),
        pytest.param(
            [{"credits": 0, "duration_ms": 0, "input_tokens": 0, "output_tokens": 0}], id="all zero"
        ),
        pytest.param([{"worker_id": text, "task_title": text} for text in AWKWARD], id="awkward"),
    ],
)
def test_odd_frames_fill_the_page(rows):
    """Nothing raises or warns."""
    figure = plot_dashboard(turns_of(*rows))
    figure.draw_without_rendering()
    assert all(titles(figure))


def test_options_reach_the_plots(turns):
    """Groups, limit and zone; further keywords go to the figure."""
    by = (column for column in ["triggered_by"])
    figure = plot_dashboard(turns, by=by, tz="Europe/Madrid", limit=77, figsize=(12, 10))
    spend, durations = figure.subfigs[0].axes[0], figure.subfigs[2].axes[0]
    assert spend.get_legend().get_title().get_text() == "triggered_by"
    assert spend.get_legend().get_texts()[0].get_text() == "limit 77"
    assert durations.get_ylabel() == "triggered_by"
    assert figure.get_size_inches().tolist() == [12, 10]
    assert sum("(Europe/Madrid)" in ax.get_xlabel() for ax in figure.axes) == 3


def test_a_mistake_leaves_no_figure(turns):
    """What the metrics refuse is refused before anything is drawn."""
    with pytest.raises(ArgumentError, match=r"^tz: expected an IANA name of a time zone, found 'Madrid'"):
        plot_dashboard(turns, tz="Madrid")
    with pytest.raises(FrameError, match="no column 'nope'"):
        plot_dashboard(turns, by="nope")
    with pytest.raises(ArgumentError, match="limit: expected credits"):
        plot_dashboard(turns, limit=-1)
    assert plt.get_fignums() == []


def test_a_dark_style_is_followed(turns):
    """Also by the figure."""
    with plt.style.context("dark_background"):
        before = dict(mpl.rcParams)
        assert plot_dashboard(turns).get_facecolor() == (0, 0, 0, 1)
        assert dict(mpl.rcParams) == before
