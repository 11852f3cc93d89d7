"""When looked-up turns ran and what they cost, as a picture in HTML."""

from __future__ import annotations

import base64
import io
from zoneinfo import ZoneInfo

import pandas as pd

from handinger_analytics.text import count
from handinger_analytics.widget.rendering import render

MOST_TASKS = 20
"""Tasks in the picture at most: those looked up first."""
MOST_TURNS = 40
"""Turns of a single task in the picture at most: the last ones."""


def timeline_image(turns: pd.DataFrame, zone: ZoneInfo) -> str:
    """Draw `plot_timeline`, and the credits beside it, without opening a window.

    Parameters
    ----------
    turns : DataFrame
        Columns as in ``schema.TURNS``.
    zone : ZoneInfo
        Zone of the time axis.

    Returns
    -------
    str
        HTML; empty where there are no turns.
    """
    if turns.empty:
        return ""
    from matplotlib.figure import Figure

    from handinger_analytics.plots.timeline import plot_timeline

    drawn = _some(turns).sort_values(["started_at", "task_id", "seq"])
    drawn.attrs = {}  # other ids of the session may be missing: these tasks are here
    key = "task_id" if len(drawn["task_id"].unique()) > 1 else "seq"
    credits = drawn.groupby(key, sort=False)["credits"].sum()
    figure = Figure(figsize=(10, 1.3 + 0.27 * max(5, len(credits))), layout="constrained")
    times, costs = figure.subplots(1, 2, width_ratios=[4, 1], sharey=True)
    costs.barh(range(len(credits)), credits.to_numpy(), height=0.6, color="0.6")
    costs.set(title="Credits", xlabel="credits")
    costs.bar_label(costs.containers[0], [f"{value:,}" for value in credits], padding=3, fontsize="small")
    costs.margins(x=0.45)
    plot_timeline(drawn, n=MOST_TASKS, tz=zone.key, ax=times)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=110)
    data = base64.b64encode(picture.getvalue()).decode()
    words = f"Timeline and credits of {count(len(drawn), 'turn')}; the tables have the numbers"
    return render("picture", data, words)


def _some(turns: pd.DataFrame) -> pd.DataFrame:
    """As many turns as a small picture can show."""
    tasks = turns["task_id"].unique()
    if len(tasks) == 1:
        return turns.tail(MOST_TURNS)
    return turns[turns["task_id"].isin(tasks[:MOST_TASKS])]
