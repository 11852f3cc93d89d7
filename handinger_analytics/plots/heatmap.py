"""When in the week work is done."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh

from handinger_analytics import provenance
from handinger_analytics.arguments import check_word
from handinger_analytics.errors import ArgumentError
from handinger_analytics.metrics.spend import spend
from handinger_analytics.plots.axes import closed_on_error, no_turns, open_axes, styled
from handinger_analytics.plots.groups import COLOUR_MAP
from handinger_analytics.plots.units import Unit

Measure = Literal["credits", "turns"]
"""What `plot_heatmap` adds up."""

_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@closed_on_error
def plot_heatmap(
    turns: Any,
    *,
    measure: Measure = "credits",
    tz: str = "UTC",
    price: float | None = None,
    currency: str | None = None,
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:
    """Draw weekday by hour, coloured by what was spent in turns that started then.

    Parameters
    ----------
    turns : DataFrame
        Turns, one row each: pandas, pyarrow, Polars (eager or lazy), a DuckDB relation or PySpark.
    measure : {"credits", "turns"}
        What is added up.
    tz : str
        IANA name of the time zone whose clock decides the weekday and the hour.
    price : float, optional
        Money per credit, to draw what credits cost instead of them.
    currency : str, optional
        Currency of ``price``, an ISO 4217 code such as "EUR".
    ax : matplotlib Axes, optional
        Where to draw; by default a new figure.
    **kwargs
        Passed to `matplotlib.axes.Axes.pcolormesh`.

    Returns
    -------
    matplotlib Axes
        The scale stands in an Axes of its own beside it.

    Raises
    ------
    ArgumentError
        An unknown ``measure``, ``tz`` or ``currency``, or a ``price`` below 0 or of turns.
    FrameError
        As in `handinger_analytics.spend`.

    Examples
    --------
    >>> ax = ha.plot_heatmap(turns, measure="turns", tz="Europe/Madrid")
    >>> ax.get_title()
    'Turns by weekday and hour'
    """
    check_word(measure, "measure", get_args(Measure))
    unit = Unit(price, currency)
    if measure == "turns" and price is not None:
        what = "None beside measure='turns', since credits alone have a price"
        raise ArgumentError.unexpected("price", what, price, "leave one of them out")
    hours = spend(turns, freq="h", tz=tz)
    week = np.zeros((7, 24), dtype=np.int64)
    np.add.at(week, (hours["period"].dt.day_of_week, hours["period"].dt.hour), hours[measure])
    noun, name = (unit.noun, unit.label) if measure == "credits" else ("Turns", "turns")
    title = f"{noun} by weekday and hour"
    ax = open_axes(ax, provenance.of(hours), title=title, xlabel=f"hour ({tz})")
    if hours.empty:
        return no_turns(ax)
    style = {
        "cmap": COLOUR_MAP,
        "edgecolors": ax.get_facecolor(),
        "linewidth": 0.5,
        "vmin": 0,
        "vmax": unit.scaled(week.max()) or 1,
    }
    cells = unit.scaled(week)
    mesh = ax.pcolormesh(np.arange(25), np.arange(8), cells, **styled(QuadMesh, style, kwargs))
    ax.set_xticks(np.arange(24) + 0.5, [str(hour) if hour % 3 == 0 else "" for hour in range(24)])
    ax.set_yticks(np.arange(7) + 0.5, _WEEKDAYS)
    ax.tick_params(length=0)
    ax.invert_yaxis()
    unit.axis(ax.figure.colorbar(mesh, ax=ax, label=name).ax.yaxis)
    return ax
