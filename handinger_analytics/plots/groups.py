"""The groups of a frame: which are shown, in what order, and the colour each has in every plot of it.

Groups are ordered by what they spent over the whole frame, so `plot_spend` and `plot_durations` of
one frame give a worker the same colour. Statuses have colours of their own, the same in all frames.

The colours are those of Matthew Petroff, "Accessible Color Sequences for Data Visualization" (2021),
arXiv:2107.02270, chosen so that people with any common colour blindness can tell them apart, on light
and on dark ground; his two greys are left to "other" and to what has no group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from handinger_analytics.metrics.names import Names, check_names, shown_names
from handinger_analytics.plots.labels import MAX_LENGTH, label, seen
from handinger_analytics.text import cut_apart

PALETTE = ("#3f90da", "#ffa90e", "#bd1f01", "#832db6", "#a96b59", "#e76300", "#b9ac70", "#92dadd")
OTHER_COLOUR = "#94a4a2"
COLOUR_MAP = "viridis"
"""For amounts; the style's own may begin with white or black, in which small amounts would vanish."""
STATUS_COLOURS = {
    "completed": "#3f90da",
    "error": "#bd1f01",
    "aborted": "#ffa90e",
    "running": "#92dadd",
    "pending": "#b9ac70",
}
_UNKNOWN_STATUS_COLOURS = tuple(colour for colour in PALETTE if colour not in STATUS_COLOURS.values())
_MOST_SHOWN = len(PALETTE)
_LONGEST_VALUE = 28
"""Characters of a label, where that is not a name."""


@dataclass(frozen=True, slots=True)
class Groups:
    """The groups that a plot tells apart.

    Attributes
    ----------
    title : str
        What the groups are, for a legend; empty where all rows are one.
    by : list of str
        Columns that make a group; none means that all rows are one.
    keys : list of tuple
        Values of ``by`` of the groups that have a colour of their own, biggest spender first.
    labels : list of str
        One per key, and "other" after them if some groups were folded into it.
    colours : list of str
        One per label.
    """

    title: str
    by: list[str]
    keys: list[tuple[Any, ...]]
    labels: list[str]
    colours: list[str]

    @classmethod
    def ranked(
        cls, frame: pd.DataFrame, by: list[str], *, names: Names = None, everything: str = ""
    ) -> Groups:
        """Take the groups of a frame whose rows are sorted, biggest spender first.

        Workers are labelled by their ``names``. Without ``by`` all rows are one group, labelled
        ``everything``.
        """
        called = check_names(names)
        if not by:
            return cls("", [], [()], [everything], [PALETTE[0]])
        distinct = frame[by].drop_duplicates()
        every = [_key(row) for row in distinct.itertuples(index=False, name=None)]
        keys = every[:_MOST_SHOWN]
        columns = [
            _labels([key[place] for key in every], called if column == "worker_id" else {})
            for place, column in enumerate(by)
        ]
        labels = [" / ".join(parts) for parts in zip(*columns, strict=True)]
        colours = _status_colours(keys) if by == ["status"] else list(PALETTE[: len(keys)])
        if len(every) > len(keys):
            folded = len(every) - len(keys)
            labels, colours = [*labels, f"other ({folded:,})"], [*colours, OTHER_COLOUR]
        titles = ["worker" if called and column == "worker_id" else label(column) for column in by]
        return cls(", ".join(titles), by, keys, labels, colours)

    def positions(self, frame: pd.DataFrame) -> NDArray[np.intp]:
        """Return the position among ``labels`` of the group of each row."""
        if not self.by or frame.empty:
            return np.zeros(len(frame), dtype=np.intp)
        position = {key: index for index, key in enumerate(self.keys)}
        codes = frame.groupby(self.by, dropna=False, sort=False, observed=True).ngroup()
        distinct = frame.loc[~codes.duplicated(), self.by]
        found = [
            position.get(_key(row), len(self.keys)) for row in distinct.itertuples(index=False, name=None)
        ]
        return np.asarray(found, dtype=np.intp)[codes.to_numpy()]


def _labels(values: Sequence[Any], called: dict[str, str]) -> list[str]:
    """Label the first values; what is drawn of them is cut so that no two look the same."""
    drawn = {worker: seen(name) for worker, name in called.items()}
    shown = shown_names(values, drawn, MAX_LENGTH, MAX_LENGTH) if called else {}
    named = {name for value, name in shown.items() if value in called}
    texts = [seen(shown.get(value, value)) for value in values]
    apart = cut_apart([text for text in texts if text not in named], _LONGEST_VALUE)
    return [label(apart.get(text, text), len(text)) for text in texts[:_MOST_SHOWN]]


def _status_colours(keys: list[tuple[Any, ...]]) -> list[str]:
    unknown = iter(_UNKNOWN_STATUS_COLOURS * _MOST_SHOWN)
    return [STATUS_COLOURS.get(key[0]) or next(unknown) for key in keys]


def _key(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(None if pd.isna(part) else part for part in row)
