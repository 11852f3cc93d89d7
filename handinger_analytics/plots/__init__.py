"""Pictures of what workers cost and how they behave.

Each function takes a frame, keyword-only options and ``ax`` (by default a new Axes), and returns the
Axes. None calls ``show`` or touches rcParams, so they follow the style in use, light or dark.
"""

from handinger_analytics.plots.spend import plot_spend
from handinger_analytics.plots.timeline import plot_timeline

__all__ = ["plot_spend", "plot_timeline"]
