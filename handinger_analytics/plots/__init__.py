"""Pictures of what workers cost and how they behave.

Each function takes a frame, keyword-only options and ``ax`` (by default a new Axes), and returns the
Axes; `plot_dashboard` alone returns a Figure. None calls ``show`` or touches rcParams, so they follow
the style in use, light or dark.
"""

from handinger_analytics.plots.budget import plot_budget
from handinger_analytics.plots.dashboard import plot_dashboard
from handinger_analytics.plots.durations import plot_durations
from handinger_analytics.plots.heatmap import plot_heatmap
from handinger_analytics.plots.pareto import plot_pareto
from handinger_analytics.plots.scatter import plot_credits_vs_tokens
from handinger_analytics.plots.spend import plot_spend
from handinger_analytics.plots.timeline import plot_timeline
from handinger_analytics.plots.tokens import plot_tokens
from handinger_analytics.plots.waste import plot_waste

__all__ = [
    "plot_budget",
    "plot_credits_vs_tokens",
    "plot_dashboard",
    "plot_durations",
    "plot_heatmap",
    "plot_pareto",
    "plot_spend",
    "plot_timeline",
    "plot_tokens",
    "plot_waste",
]
