"""How far a fetch has come: a bar on stderr, for when a person is looking, or a call for a program."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from typing import Any, Self

from handinger_analytics.errors import ArgumentError

Progress = bool | Callable[[int, int, int], object] | None
"""Whether to show a bar, or what to call with ``(done, failed, total)``."""

Show = Callable[[int, int, float], object]
"""Called with ``(done, failed, pause)``, as `ProgressBar.show` is."""


class ProgressBar:
    """Counts finished tasks and those not fetched, and says when the server makes us wait.

    Parameters
    ----------
    total : int
        Tasks in all.
    progress : bool, callable or None
        None shows the bar where stderr is a terminal or a notebook; a callable is called instead,
        whenever something has changed.

    Raises
    ------
    ArgumentError
        For any other ``progress``.
    """

    def __init__(self, total: int, progress: Progress) -> None:
        if not (progress is None or isinstance(progress, bool) or callable(progress)):
            expected = "True, False, None or something to call with (done, failed, total)"
            raise ArgumentError.unexpected("progress", expected, progress)
        self._total = total
        self._call = progress if callable(progress) else None
        self._told: tuple[int, int] | None = None
        self._bar: Any = None
        shown = progress is True or (progress is None and _is_interactive(sys.stderr))
        if shown and os.environ.get("TQDM_DISABLE", "0") in ("", "0"):  # tqdm reads it when it is imported
            with contextlib.suppress(Exception):
                self._bar = _bar(total)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            with contextlib.suppress(Exception):
                self._bar.close()

    def show(self, done: int, failed: int = 0, pause: float = 0.0) -> None:
        """Show how many tasks are done, how many of them were not fetched, and the seconds of a pause."""
        if self._call is not None and self._told != (done, failed):
            call, self._call = self._call, None  # one that raises is not called again
            call(done, failed, self._total)
            self._call, self._told = call, (done, failed)
        if self._bar is not None and not self._bar.disable:
            try:
                self._draw(done, failed, pause)
            except Exception:  # a stream of another kind, closed, or gone: the fetch goes on without a bar
                self._bar.disable = True

    def _draw(self, done: int, failed: int, pause: float) -> None:
        notes = [f"{failed} not fetched"] * (failed > 0) + [f"rate limited, {pause:.0f} s"] * (pause >= 0.5)
        self._bar.set_postfix_str(", ".join(notes), refresh=False)
        self._bar.update(done - self._bar.n)
        if notes:
            self._bar.refresh()


def _bar(total: int) -> Any:
    """Make a bar of the kind that stderr can show."""
    options: dict[str, Any] = {"total": total, "unit": " tasks", "mininterval": 0.2}
    if _is_notebook(sys.stderr):
        from tqdm.notebook import tqdm_notebook as tqdm
    else:
        from tqdm import tqdm  # type: ignore[assignment]  # the one is a subclass of the other

        # The delay keeps it from writing before an error can be caught.
        options |= {"file": sys.stderr, "dynamic_ncols": True, "delay": 1e-9}
    # No thread of its own, since it is drawn often enough.
    return type("Bar", (tqdm,), {"monitor_interval": 0})(**options)


def _is_interactive(stream: Any) -> bool:
    """Whether a person is looking: a terminal, or the output of a notebook, which is none."""
    try:
        return _is_notebook(stream) or bool(stream.isatty())
    except Exception:  # None, closed, or of a kind that does not say
        return False


def _is_notebook(stream: Any) -> bool:
    return type(stream).__module__.startswith("ipykernel")
