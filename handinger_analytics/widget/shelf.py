"""Panel with what was looked up in the session: go back, compare, clear, take away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import ipywidgets as w
import pandas as pd

from handinger_analytics.errors import FileError, HandingerError
from handinger_analytics.parquet import export_parquet
from handinger_analytics.text import count, page_text
from handinger_analytics.widget.markup import titled
from handinger_analytics.widget.notices import error_words, notice
from handinger_analytics.widget.parts import NARROW, button, classed, row, shown

_SUFFIX = ".parquet"


class Shelf(w.VBox):  # type: ignore[misc]  # ipywidgets ships no types
    """Offers the looked-up tasks again; out of sight while there are none.

    Parameters
    ----------
    view : callable
        Called with the ids of the tasks that were chosen, one or several.
    clear : callable
        Called when somebody wants to forget them.
    save : callable
        Called with the names of the files for turns and for tasks.
    """

    def __init__(
        self,
        view: Callable[[list[str]], None],
        clear: Callable[[], None],
        save: Callable[[tuple[str, str]], None],
    ) -> None:
        self._recent: list[str] = []
        self._ours: set[str] = set()
        self._history = w.SelectMultiple(
            description="Looked up (choose several to compare)",
            rows=4,
            style=NARROW,
            layout={"width": "auto"},
        )
        self._name = w.Text(value=f"turns{_SUFFIX}", description="File name", style=NARROW)
        self._notice = w.HTML()
        clear_button = button("Clear", "Forget everything that was looked up")
        save_button = button("Save as Parquet", "Write all turns, and beside them all tasks, to files")
        super().__init__(
            [classed(self._history, "ha-history"), row(clear_button, self._name, save_button), self._notice]
        )
        self.add_class("ha-panel")
        self._history.observe(lambda change: view(list(change["new"])), "value")
        clear_button.on_click(lambda _: clear())
        save_button.on_click(lambda _: self._on_save(save))
        shown(self, False)

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
        self._history.options = list(zip(labels, self._recent, strict=True))
        self._history.index = tuple(range(len(ids)))
        shown(self, bool(self._recent))

    def say(self, text: str, kind: str = "info") -> None:
        """Say one sentence where the button is that somebody just pressed, see `notice`."""
        self._notice.value = notice(text, kind)

    def empty(self) -> None:
        """Forget all tasks."""
        self._recent, self._notice.value = [], ""
        self._history.options = []
        shown(self, False)

    def _on_save(self, save: Callable[[tuple[str, str]], None]) -> None:
        """Save, but replace a file of somebody else's only when asked twice."""
        try:
            names = file_names(self._name.value)
        except FileError as error:
            self.say(str(error), "bad")
            return
        there = [name for name in names if name not in self._ours and Path(name).expanduser().exists()]
        self._ours.update(names)
        if there:
            self.say(f"{' and '.join(there)} exists already. Press the button again to replace it.")
        else:
            save(names)


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


def saved(names: tuple[str, str], tasks: pd.DataFrame, turns: pd.DataFrame) -> tuple[str, str]:
    """Write the turns, and the tasks beside them, with `export_parquet`.

    Returns
    -------
    tuple of str
        What was written or went wrong, and the kind of `notice` that is.
    """
    try:
        for name, frame in zip(names, (turns, tasks), strict=True):
            export_parquet(frame, name)
    except HandingerError as error:
        return f"Not saved: {error_words(error)}", "bad"
    words = f"Saved {count(len(turns), 'turn')} to {names[0]} and {count(len(tasks), 'task')} to {names[1]}."
    return words, "good"
