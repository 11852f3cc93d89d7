"""The widget: what it knows, and what happens when somebody touches it."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pandas as pd
import traitlets
from IPython.display import HTML, display
from ipywidgets import ValueWidget, VBox

from handinger_analytics.client import Client, opened
from handinger_analytics.errors import HandingerError
from handinger_analytics.fetching import fetch
from handinger_analytics.metrics.checks import zone_info
from handinger_analytics.pacing import Gate
from handinger_analytics.result import FetchResult
from handinger_analytics.widget import keeping, notices
from handinger_analytics.widget.background import Jobs, Ticker
from handinger_analytics.widget.cards import overview
from handinger_analytics.widget.chart import timeline_image
from handinger_analytics.widget.controls import Controls, descendants, shown
from handinger_analytics.widget.conversation import turns_table
from handinger_analytics.widget.markup import count, moment, one_line, titled
from handinger_analytics.widget.saved import static_html, static_text
from handinger_analytics.widget.search import (
    Match,
    Source,
    TaskIndex,
    check_source,
    day_start,
    entered_ids,
    open_source,
)
from handinger_analytics.widget.session import empty_session, merged


class TaskLookup(VBox, ValueWidget):  # type: ignore[misc]  # ipywidgets ships no types
    """Look task ids up without writing code.

    Type or paste ids and dashboard links (between white space, commas or semicolons), press Enter or
    the button, and read the task, its turns and when they ran. Whoever does not know the id types
    words: where there is a ``source``, it is searched with each key, and a match is looked up by
    choosing it. An id with a space in it is entered as a dashboard link, or chosen from the matches.

    Parameters
    ----------
    client : Client, optional
        By default one is made from the environment for each lookup, so that the key is needed then
        and not before.
    source : DataFrame, str, path or iterable of str, optional
        What to search: a frame of tasks or turns, the path of a Parquet file, or ids of workers
        whose webhook log is read. A string is a path where it ends in ``.parquet``, has a separator
        in it or names something on disk, else the id of one worker.
    tz : str
        IANA name of the zone in which times are shown and days are picked.

    Attributes
    ----------
    value : FetchResult or None
        What the last lookup brought; a trait, so that it can be observed. None before the first.
    tasks : DataFrame
        All tasks looked up so far, columns as in ``schema.TASKS``, in the order first asked for.
    turns : DataFrame
        All of their turns, columns as in ``schema.TURNS``.

    Raises
    ------
    FrameError
        For an unknown time zone.
    SettingsError
        For something that cannot be a source.

    Notes
    -----
    Lookups run in threads: a click returns at once, `wait` returns when all is done. Observers of
    ``value`` are called in such a thread.

    A notebook saved with a lookup in it also keeps the last card and table as plain HTML, for places
    where no widget is alive (GitHub, nbviewer, exported HTML). The key is in none of it.

    Examples
    --------
    >>> from handinger_analytics import Sandbox
    >>> with Sandbox(tasks=3) as sandbox:
    ...     lookup = TaskLookup(sandbox.client())
    ...     lookup.look_up(sandbox.task_ids[0])
    ...     lookup.wait(timeout=30)
    True
    >>> len(lookup.tasks)
    1
    """

    value = traitlets.Instance(FetchResult, allow_none=True, read_only=True)

    def __init__(self, client: Client | None = None, source: Source | None = None, tz: str = "UTC") -> None:
        zone = zone_info(tz)
        check_source(source)
        controls = Controls()
        super().__init__(controls.rows)
        self.add_class("ha-lookup")
        self._controls, self._client, self._zone = controls, client, zone
        self._jobs, self._ticker, self._lock = Jobs(), Ticker(), threading.RLock()
        self._under_way: threading.Event | None = None
        self._index: TaskIndex | None = None
        self._session = empty_session()
        self._recent: list[str] = []
        self._on_view: list[str] = []
        self._found: list[Match] = []
        self._failed: list[str] = []
        self._to_replace: tuple[str, str] | None = None
        self._static_id = ""
        self._listen()
        if source is not None:
            self._say("Reading what can be searched…", "busy")
            self._jobs.start(lambda: self._read_source(source))

    @property
    def tasks(self) -> pd.DataFrame:
        """All tasks looked up so far, columns as in ``schema.TASKS``."""
        return self._session.tasks.copy()

    @property
    def turns(self) -> pd.DataFrame:
        """All turns looked up so far, columns as in ``schema.TURNS``."""
        return self._session.turns.copy()

    def look_up(self, text: str | None = None) -> None:
        """Do what the button does, after entering ``text`` if it is given; returns at once."""
        if text is not None:
            self._controls.entry.value = text
        entered = self._controls.entry.value.strip()
        if not entered:
            self._say("Type or paste a task id or a dashboard link first.")
        elif ids := entered_ids(entered, self._index and self._index.ids):
            self._start(ids)
        else:
            self._choose(self._offer_matches())

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until nothing is under way any more.

        Parameters
        ----------
        timeout : float, optional
            Seconds; by default as long as it takes.

        Returns
        -------
        bool
            False if the time ran out.
        """
        return self._jobs.wait(timeout)

    def cancel(self) -> None:
        """Stop the lookup under way within two seconds; what it brought by then is kept."""
        if (under_way := self._under_way) is not None:
            under_way.set()
            self._say("Cancelling…", "busy")

    def clear(self) -> None:
        """Forget everything that was looked up, and stop what is under way."""
        self.cancel()
        with self._lock:
            self._session, self._recent, self._failed = empty_session(), [], []
            self.set_trait("value", None)
            self._controls.entry.value = ""
            self._controls.history.options = []
            self._show([])
            self._report("", [])
            self._say("Cleared.")
        shown(self._controls.keep, False)

    def close(self) -> None:
        """Stop what is under way, and free the widget and everything in it."""
        if self.comm is None:
            return
        self.cancel()
        self._ticker.stop()
        for widget in descendants(self)[1:]:
            widget.unobserve_all()
            widget.close()
        self.unobserve_all()
        super().close()

    def __repr__(self) -> str:
        return static_text(*self._view(), self._zone)

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        bundle: dict[str, Any] = super()._repr_mimebundle_(**kwargs)
        return {**bundle, "text/plain": repr(self), "text/html": static_html(*self._view(), self._zone)}

    def _ipython_display_(self, **_: Any) -> None:
        """Show the widget, and beside it a hidden static copy that each lookup brings up to date."""
        view = super()._repr_mimebundle_()
        if view is None:
            return
        display({**view, "text/plain": "TaskLookup"}, raw=True)
        self._static_id = self._static_id or f"handinger-{uuid4().hex}"
        display(HTML(static_html(*self._view(), self._zone)), display_id=self._static_id)

    def _listen(self) -> None:
        c = self._controls
        c.entry.observe(lambda _: self._offer_matches(), "value")
        c.entry.on_msg(self._on_entry_message)
        for control in (c.status, c.worker, c.since, c.until):
            control.observe(lambda _: self._offer_matches(), "value")
        for position, button in enumerate(c.matches):
            button.on_click(lambda _, position=position: self._start([self._found[position].task_id]))
        c.history.observe(self._on_history, "value")
        for button, act in (
            (c.look_up, self.look_up),
            (c.cancel, self.cancel),
            (c.again, lambda: self._start(self._failed)),
            (c.clear, self.clear),
            (c.save, self._on_save),
        ):
            button.on_click(lambda _, act=act: act())

    def _on_entry_message(self, _: Any, content: dict[str, Any], __: Any) -> None:
        if content.get("event") == "submit":
            self.look_up()
