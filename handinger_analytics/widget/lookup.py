"""The widget: what it knows, and what happens when somebody touches it."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from importlib import resources
from typing import Any

import ipywidgets as w
import pandas as pd
import traitlets
from IPython.display import display

from handinger_analytics.api.client import Client, client_or_default, requester_of
from handinger_analytics.api.pacing import Gate
from handinger_analytics.arguments import zone_info
from handinger_analytics.errors import HandingerError
from handinger_analytics.fetching.fetch import fetch
from handinger_analytics.fetching.result import FetchResult, fetched_of
from handinger_analytics.text import count
from handinger_analytics.widget.answer import Answer
from handinger_analytics.widget.background import Jobs, Ticker
from handinger_analytics.widget.entry import Entry
from handinger_analytics.widget.finder import Finder
from handinger_analytics.widget.notices import (
    WAITING,
    brought,
    bug_words,
    busy_words,
    error_words,
    failures_list,
    spaces_hint,
    worth_another_try,
)
from handinger_analytics.widget.parts import descendants
from handinger_analytics.widget.session import empty_session, merged
from handinger_analytics.widget.shelf import Shelf, saved
from handinger_analytics.widget.sources import Source, check_source, open_source
from handinger_analytics.widget.standing import Standing

_log = logging.getLogger(__name__)


class TaskLookup(w.VBox, w.ValueWidget):  # type: ignore[misc]  # ipywidgets ships no types
    """Look task ids up without writing code.

    Type or paste ids and dashboard links (between white space, commas or semicolons), press Enter or
    the button, and read the task, its turns and when they ran. Whoever does not know the id types
    words, or the beginning of an id: where there is a ``source``, it is searched with each key, and a
    match is looked up by choosing it, or by Enter where it is the only one. What matches nothing can
    still be the id of a task that the source lacks. An id with a space in it is entered as a dashboard
    link, or chosen from the matches.

    Parameters
    ----------
    client : Client, optional
        By default one is made from the environment for each lookup, so that the key is needed then
        and not before.
    source : DataFrame, Archive, str, path or iterable of str, optional
        What to search: tasks or turns (pandas, pyarrow, Polars, DuckDB or PySpark); an archive or what
        its ``as_of`` returns; the path or URI of an archive, of a folder of ``fetch --out`` or of a
        Parquet file; or ids of workers whose webhook log is read. A string is a path where it ends in
        ``.parquet``, has a separator in it or names something on disk, else the id of one worker.
    tz : str
        IANA name of the zone in which times are shown and days are picked.

    Attributes
    ----------
    value : FetchResult or None
        What the last lookup brought; a trait, so that it can be observed. None before the first.
    tasks, turns : DataFrame
        All tasks looked up so far, in the order first asked for, and all of their turns.

    Raises
    ------
    FrameError, SettingsError
        For an unknown time zone, and for something that cannot be a source.

    Notes
    -----
    Lookups run in threads: a click returns at once, and `wait` when all is done; observers of ``value``
    are called in such a thread. A saved notebook keeps the last card and table as plain HTML, for
    places where no widget is alive (GitHub, nbviewer, exported HTML). The key is in none of it.

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

    def __init__(
        self, client: Client | None = None, *, source: Source | None = None, tz: str = "UTC"
    ) -> None:
        self._zone = zone_info(tz)
        if source is not None:
            check_source(source)
        self._client = client
        self._jobs, self._ticker, self._lock = Jobs(), Ticker(), threading.RLock()
        self._under_way: threading.Event | None = None
        self._reading: threading.Event | None = None
        self._session = empty_session()
        self._failed: Sequence[str] = ()
        self._entry = Entry(self._search, self.look_up, self.cancel)
        self._finder = Finder(self._zone, lambda task_id: self._start([task_id]), self._search)
        self._standing = Standing(lambda: self._start(self._failed))
        self._answer = Answer(self._zone)
        self._shelf = Shelf(self._on_history, self.clear, self._save)
        css = resources.files(__package__).joinpath("style.css").read_text(encoding="utf-8")
        style = w.HTML(f"<style>{css}</style>", layout={"display": "none"})
        super().__init__([style, self._entry, self._finder, self._standing, self._answer, self._shelf])
        self.add_class("ha-lookup")
        if source is not None:
            self._standing.say("Reading what can be searched…", "busy")
            self._reading = reading = threading.Event()
            self._offer_cancel()
            self._run(lambda: self._read_source(source, reading))

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
            self._entry.text = text
        entered = self._entry.text.strip()
        if not entered:
            self._standing.say("Type or paste a task id or a dashboard link first.")
        elif ids := self._finder.wanted(entered):
            self._start(ids)
        else:
            self._standing.report()
            self._standing.say(*self._finder.advice)

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
        """Stop the lookup under way within two seconds; what it brought by then is kept.

        Where none is, but the source is still being read, stop that at once.
        """
        with self._lock:
            if self._under_way is not None:
                self._under_way.set()
                self._standing.say("Cancelling…", "busy")
            elif self._reading is not None:
                self._reading.set()
                self._reading = None
                self._offer_cancel()
                self._standing.say("Cancelled: nothing can be searched. Type or paste ids or links.")

    def clear(self) -> None:
        """Forget everything that was looked up; a lookup under way is cancelled."""
        with self._lock:
            if self._under_way is not None:
                self._under_way.set()
            self._under_way = None
            self._session, self._failed = empty_session(), ()
            self.set_trait("value", None)
            self._shelf.empty()
            self._show([])
            self._standing.report()
            self._offer_cancel()
        self._entry.text = ""
        self._standing.say("Cleared.")

    def close(self) -> None:
        """Stop what is under way, and free the widget and everything in it."""
        if self.comm is None:
            return
        with self._lock:
            for under_way in filter(None, (self._under_way, self._reading)):
                under_way.set()
            self._reading = None
        self._ticker.stop()
        for widget in descendants(self)[1:]:
            widget.unobserve_all()
            widget.close()
        super().close()

    def __repr__(self) -> str:
        return self._answer.as_text()

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        live = super()._repr_mimebundle_(**kwargs)
        return {**live, "text/plain": repr(self), "text/html": self._answer.as_html()}

    def _ipython_display_(self, **_: Any) -> None:
        """Show the widget, and the copy of its answer that a saved notebook keeps."""
        live = {**super()._repr_mimebundle_(), "text/plain": "TaskLookup"}
        display(live, raw=True)
        self._answer.leave_copy()

    def _read_source(self, source: Source, reading: threading.Event) -> None:
        index, problem = None, ""
        try:
            index = open_source(source, self._client, reading)
        except HandingerError as error:
            problem = error_words(error)
        with self._lock:
            if self._reading is not reading:
                return  # somebody cancelled meanwhile
            self._reading = None
            self._offer_cancel()
        if index is None:
            self._standing.say(f"Nothing can be searched: {problem}", "bad")
            return
        self._finder.search_in(index)
        if self._under_way is None and self.value is None:
            self._standing.say(f"Type words to search {count(len(index.ids), 'task')}, or an id.")
            self._search()

    def _offer_cancel(self) -> None:
        """Offer to cancel while there is something to."""
        with self._lock:
            self._entry.offer_cancel(self._under_way is not None or self._reading is not None)

    def _search(self) -> None:
        self._finder.follow(self._entry.text.strip())

    def _start(self, ids: Sequence[str]) -> None:
        """Look ids up off the main thread, one lookup at a time."""
        with self._lock:
            if self._under_way is not None:
                self._standing.say("A lookup is under way: wait for it, or cancel it.", "busy")
                return
            self._under_way = under_way = threading.Event()
            self._offer_cancel()
        self._finder.withdraw()
        self._standing.report()
        self._standing.say(busy_words(ids), "busy")
        self._run(lambda: self._fetch(list(ids), under_way))

    def _fetch(self, ids: list[str], under_way: threading.Event) -> None:
        began, result, problem = time.monotonic(), None, ""
        try:
            with client_or_default(self._client) as client:
                self._ticker.start(lambda: self._tick(requester_of(client).gate, under_way, ids, began))
                result = fetch(ids, client=client, on_error="collect", progress=False, cancel=under_way)
        except HandingerError as error:
            result, problem = error.result, error_words(error)
        with self._lock:
            if self._under_way is not under_way:
                return  # somebody cleared the widget meanwhile
            self._under_way = None
            self._standing.tick("")
            self._take(result)
            self._offer_cancel()
        if problem or result is None:
            self._failed = ids
            self._standing.report(again=True)
            self._standing.say(problem, "bad")
        else:
            self._tell(result, cancelled=under_way.is_set())
        self._answer.draw()

    def _tick(self, gate: Gate, under_way: threading.Event, ids: list[str], began: float) -> bool:
        """Show the seconds of a lookup, or those that the server asks to wait; False when there are none."""
        pause = math.ceil(gate.closed_for)
        with self._lock:
            busy = self._under_way is under_way
            if busy and not under_way.is_set():
                self._standing.say(WAITING if pause else busy_words(ids), "busy")
            if pause:
                self._standing.tick(f"{'going on' if busy else 'it may be asked again'} in {pause:,} s")
            else:
                self._standing.tick(f"{time.monotonic() - began:.0f} s" if busy else "")
        return busy or pause > 0

    def _take(self, result: FetchResult | None) -> None:
        """Add what a lookup brought to the session, and show it."""
        found: list[str] = []
        if result is not None and (len(result.failures) or len(result.tasks)):
            found = list(dict.fromkeys(result.tasks["task_id"]))
            self._session = merged(self._session, result)
            self.set_trait("value", FetchResult(fetched_of(result), client=self._client))
        self._show(found)
        self._shelf.put(self._session.tasks, found)

    def _tell(self, result: FetchResult, *, cancelled: bool) -> None:
        """Say what a lookup brought, and what it did not."""
        failures, words = result.failures, brought(result)
        if cancelled:
            words = f"Cancelled. {words}"
            self._failed = [
                one for one in fetched_of(result).task_ids if one not in set(result.tasks["task_id"])
            ]
        else:
            self._failed = worth_another_try(failures)
        if len(failures):
            words += f"; {count(len(failures), 'id')} could not be fetched"
        hint = spaces_hint(self._entry.text, failures)
        self._standing.report(failures_list(failures) + hint, again=bool(self._failed))
        self._standing.say(f"{words}.", "good" if result.complete else "bad")

    def _on_history(self, ids: list[str]) -> None:
        if ids and set(ids) != set(self._answer.tasks["task_id"]):
            self._show(ids)
            self._run(self._answer.draw)

    def _show(self, ids: list[str]) -> None:
        """Show tasks of the session."""
        tasks, turns = self._session.tasks, self._session.turns
        self._answer.show(tasks[tasks["task_id"].isin(ids)], turns[turns["task_id"].isin(ids)])

    def _save(self, names: tuple[str, str]) -> None:
        self._run(lambda: self._shelf.say(*saved(names, self._session.tasks, self._session.turns)))

    def _run(self, job: Callable[[], None]) -> None:
        """Run a job off the main thread; whatever goes wrong is said, and the widget stays usable."""

        def guarded() -> None:
            try:
                job()
            except Exception as error:  # a person looks at the widget, not at a traceback
                _log.debug("a job of the widget failed", exc_info=True)
                self._under_way = self._reading = None
                self._offer_cancel()
                self._standing.say(bug_words(error), "bad")

        self._jobs.start(guarded)
