"""Panel with what was looked up in the session: go back, compare, clear, take away."""

from __future__ import annotations

import os
from collections.abc import Sequence

import ipywidgets as w
import pandas as pd

from handinger_analytics.errors import FileError, HandingerError
from handinger_analytics.parquet.files import export_parquet
from handinger_analytics.text import count, page_text
from handinger_analytics.widget.controls import NARROW, button, classed, row, set_visible
from handinger_analytics.widget.messages import error_words
from handinger_analytics.widget.rendering import render, titled

_SUFFIX = ".parquet"


class History(w.VBox):  # type: ignore[misc]  # ipywidgets ships no types
    """Offers the looked-up tasks again; out of sight while there are none."""

    def __init__(self) -> None:
        self._recent: list[str] = []
        self._own_files: set[str] = set()
        self.choices = w.SelectMultiple(
            description="Looked up (choose several to compare)",
            rows=4,
            style=NARROW,
            layout={"width": "auto"},
        )
        self.clear = button("Clear", "Forget everything that was looked up")
        self.save = button("Save as Parquet", "Write all turns, and beside them all tasks, to files")
        self._name = w.Text(value=f"turns{_SUFFIX}", description="File name", style=NARROW)
        self._notice = w.HTML()
        super().__init__(
            [classed(self.choices, "ha-history"), row(self.clear, self._name, self.save), self._notice]
        )
        self.add_class("ha-panel")
        set_visible(self, False)

    def put(self, tasks: pd.DataFrame, ids: Sequence[str]) -> None:
        """Put tasks on top, and select them.

        Parameters
        ----------
        tasks : DataFrame
            All tasks of the session.
        ids : sequence of str
            Those that just came.
        """
        self._recent = list(dict.fromkeys([*ids, *self._recent]))
        titles = dict(zip(tasks["task_id"], tasks["title"], strict=True))
        # ipywidgets finds a selection by its label, so labels must differ: the whole id is in each.
        labels = [
            f"\u2068{titled(titles[task_id], 60)}\u2069  ·  {page_text(task_id)}" for task_id in self._recent
        ]
        self.choices.options = list(zip(labels, self._recent, strict=True))
        self.choices.index = tuple(range(len(ids)))
        set_visible(self, bool(self._recent))

    def forget(self) -> None:
        """Forget all tasks."""
        self._recent, self._notice.value = [], ""
        self.choices.options = []
        set_visible(self, False)

    def file_names(self) -> tuple[str, str] | None:
        """Return where to save turns and tasks; None where no name was given.

        Also None for files that are there and were not saved from here, until asked a second time.
        """
        try:
            names = file_names(self._name.value)
        except FileError as error:
            self._notice.value = render("notice", error, "bad")
            return None
        others = [name for name in names if name not in self._own_files]
        there = [name for name in others if os.path.exists(os.path.expanduser(name))]
        self._own_files.update(names)
        if there:
            words = f"{' and '.join(there)} exists already. Press the button again to replace it."
            self._notice.value = render("notice", words)
        return None if there else names

    def save_frames(self, names: tuple[str, str], turns: pd.DataFrame, tasks: pd.DataFrame) -> None:
        """Write turns and tasks with `export_parquet`, and say what was written or went wrong."""
        try:
            export_parquet(turns, names[0])
            export_parquet(tasks, names[1])
        except HandingerError as error:
            self._notice.value = render("notice", f"Not saved: {error_words(error)}", "bad")
            return
        saved = f"{count(len(turns), 'turn')} to {names[0]} and {count(len(tasks), 'task')} to {names[1]}"
        self._notice.value = render("notice", f"Saved {saved}.", "good")


def file_names(name: str) -> tuple[str, str]:
    """Files for the turns and for the tasks.

    Raises
    ------
    FileError
        Without a name.

    Examples
    --------
    >>> file_names("week 20"), file_names("~/may.parquet")
    (('week 20.parquet', 'week 20-tasks.parquet'), ('~/may.parquet', '~/may-tasks.parquet'))
    """
    stem = name.strip().removesuffix(_SUFFIX)
    if not stem:
        raise FileError("There is no file name: type one, such as turns.parquet")
    return f"{stem}{_SUFFIX}", f"{stem}-tasks{_SUFFIX}"
