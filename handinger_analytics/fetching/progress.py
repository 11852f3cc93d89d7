"""A progress bar on stderr, for when a person is looking."""

from __future__ import annotations

import sys
from typing import Self, TextIO

from tqdm import tqdm


class _Bar(tqdm):  # type: ignore[type-arg]  # it is generic for type checkers only
    monitor_interval = 0  # no thread of its own: it is drawn often enough


class ProgressBar:
    """Counts finished tasks and those not fetched, and says when the server makes us wait.

    Parameters
    ----------
    total : int
        Tasks in all.
    shown : bool or None
        None shows the bar where stderr is a terminal or a notebook.
    """

    def __init__(self, total: int, shown: bool | None) -> None:
        disable = sys.stderr is None or not (_is_interactive(sys.stderr) if shown is None else shown)
        self._bar = _Bar(
            total=total,
            unit=" tasks",
            disable=disable,
            file=sys.stderr,
            dynamic_ncols=True,
            mininterval=0.2,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.close()

    def show(self, done: int, failed: int = 0, pause: float = 0.0) -> None:
        """Draw how many tasks are done, how many of them were not fetched, and the seconds of a pause."""
        notes = [f"{failed} not fetched"] * (failed > 0) + [f"rate limited, {pause:.0f} s"] * (pause >= 0.5)
        self._bar.set_postfix_str(", ".join(notes), refresh=False)
        self._bar.update(done - self._bar.n)
        if notes:
            self._bar.refresh()


def _is_interactive(stream: TextIO) -> bool:
    """Whether a person is looking: a terminal, or the output of a notebook, which is none."""
    return stream.isatty() or type(stream).__module__.startswith("ipykernel")
