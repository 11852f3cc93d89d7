"""Legends beside the data, on Axes of the user in a figure that lays nothing out."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pytest

import handinger_analytics as ha
from tests.plots.handmade import drawn

LEGENDS = {
    "plot_spend": {"by": "worker_id"},
    "plot_tokens": {},
    "plot_credits_vs_tokens": {"by": "worker_id"},
    "plot_waste": {},
    "plot_timeline": {},
    "plot_budget": {"limit": 30_000, "as_of": "2026-06-20T00:00+00:00"},
}


@pytest.mark.parametrize("name", LEGENDS)
@pytest.mark.parametrize("shape", [(1, 1), (2, 2)], ids=["alone", "of four"])
def test_the_data_give_way_to_the_legend(name, shape, turns):
    """It lies beside the data and within the place that the Axes had."""
    turns["worker_id"] = turns["worker_id"] + " with quite a long name"
    _, cells = plt.subplots(*shape, squeeze=False)
    ax = cells[0, 0]
    place = ax.get_window_extent().frozen()
    drawn(getattr(ha, name)(turns, ax=ax, **LEGENDS[name]))
    data, legend = ax.get_window_extent(), ax.get_legend().get_window_extent()
    assert data.x0 >= place.x0 - 1
    assert data.x1 < legend.x0 < legend.x1 <= place.x1 + 1
    assert place.y0 - 1 <= legend.y0 < legend.y1 <= place.y1 + 1
    assert data.width >= 0.25 * place.width


def test_the_data_get_their_place_back(turns):
    """After the legend is taken away, or another is put over the data."""
    figure, ax = plt.subplots()
    whole = ax.get_window_extent().bounds
    drawn(ha.plot_spend(turns, by="worker_id", ax=ax))
    narrow = ax.get_window_extent().bounds
    ax.clear()
    drawn(ha.plot_spend(turns, by="worker_id", ax=ax))
    assert ax.get_window_extent().bounds == pytest.approx(narrow)
    ax.legend(loc="upper right")
    figure.canvas.draw()
    assert ax.get_window_extent().bounds == pytest.approx(whole)


def test_a_later_layout_is_followed(turns):
    """Nothing is cut off after the figure was told to lay itself out tightly."""
    figure, ax = plt.subplots()
    drawn(ha.plot_spend(turns, by="worker_id", ax=ax))
    figure.tight_layout()
    drawn(ax)
    assert ax.get_tightbbox().x1 <= figure.bbox.x1
    assert ax.get_tightbbox().x1 >= 0.95 * figure.bbox.x1


def test_a_legend_in_an_inset_stays_in_it(turns):
    """Also an Axes that another one places."""
    _, outer = plt.subplots()
    ax = outer.inset_axes([0.1, 0.1, 0.8, 0.8])
    drawn(ha.plot_spend(turns, by="worker_id", ax=ax))
    place, data = outer.get_window_extent(), ax.get_window_extent()
    assert data.x0 == pytest.approx(place.x0 + 0.1 * place.width, abs=1)
    assert ax.get_legend().get_window_extent().x1 <= place.x0 + 0.9 * place.width + 1
