"""The widget: what it knows, and what happens when somebody touches it."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from importlib import resources
from typing import Any, Literal

import ipywidgets as w
import pandas as pd
import traitlets
from IPython.display import display

from handinger_analytics.api.client import Client, client_or_default, requester_of
from handinger_analytics.api.identifiers import as_given
from handinger_analytics.api.pacing import Gate
from handinger_analytics.arguments import zone_info
from handinger_analytics.errors import HandingerError
from handinger_analytics.fetching.fetch import fetch
from handinger_analytics.fetching.result import FetchResult, fetched_of
from handinger_analytics.metrics.names import Names, check_names, with_names
from handinger_analytics.text import count
from handinger_analytics.widget.answer import AnswerPanel
from handinger_analytics.widget.chart import timeline_image
from handinger_analytics.widget.controls import InputRow, StatusBar, descendants
from handinger_analytics.widget.finder import Finder
from handinger_analytics.widget.history import History
from handinger_analytics.widget.messages import WAITING, error_words, found, looking_up, worth_another_try
from handinger_analytics.widget.rendering import problems
from handinger_analytics.widget.search import TaskIndex
from handinger_analytics.widget.session import empty_session, merged
from handinger_analytics.widget.sources import Source, check_source, open_source
from handinger_analytics.widget.state import Job, State, repeat

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
    names : mapping or Series of str, optional
        Names of workers by their ids, to be shown instead of them and searched. `tasks`, `turns` and
        saved files have them in a column ``worker_name``.

    Attributes
    ----------
    value : FetchResult or None
        What the last lookup brought; a trait, so that it can be observed. None before the first.
    tasks, turns : DataFrame
        All tasks looked up so far, in the order first asked for, and all of their turns.

    Raises
    ------
    ArgumentError
        For an unknown time zone, ``names`` that are none, and something that cannot be a source.

    Notes
    -----
    Lookups run in threads: a click returns at once, and `wait` when all is done; observers of ``value``
    are called in such a thread. A saved notebook keeps the last card and table as plain HTML, for
    places where no widget is alive (GitHub, nbviewer, exported HTML). The key is in none of it.

    Examples
    --------
    >>> with ha.Sandbox(tasks=3) as sandbox:
    ...     lookup = ha.TaskLookup(sandbox.client())
    ...     lookup.look_up(sandbox.task_ids[0])
    ...     lookup.wait(timeout=30)
    True
    >>> len(lookup.tasks)
    1
    """

    value = traitlets.Instance(FetchResult, allow_none=True, read_only=True)

    def __init__(
        self, client: Client | None = None, *, source: Source = None, tz: str = "UTC", names: Names = None
    ) -> None:
        self._zone, self._names = zone_info(tz), None if names is None else check_names(names)
        if source is not None:
            check_source(source)
        self._client = client
        self._state, self._ticker = State(), threading.Event()
        self._input, self._finder, self._status = InputRow(), Finder(self._zone, self._names), StatusBar()
        self._answer, self._history = AnswerPanel(self._zone, self._names), History()
        css = resources.files(__package__).joinpath("style.css").read_text(encoding="utf-8")
        style = w.HTML(f"<style>{css}</style>", layout={"display": "none"})
        super().__init__([style, self._input, self._finder, self._status, self._answer, self._history])
        self.add_class("ha-lookup")
        self._connect()
        if source is not None:
            self._status.say("Reading what can be searched…", "busy")
            job = self._begin("source")
            self._run(lambda: self._read_source(source, job), job)

    def _connect(self) -> None:
        """Say what happens when somebody touches a control."""
        self._input.box.observe(lambda _: self._search(), "value")
        self._input.on_enter(self.look_up)
        self._input.cancel.on_click(lambda _: self.cancel())
        self._finder.on_filter(self._search)
        self._finder.on_choice(lambda task_id: self._start([task_id]))
        self._status.again.on_click(lambda _: self._start(self._state.retry_ids))
        self._history.choices.observe(lambda change: self._on_history(list(change["new"])), "value")
        self._history.clear.on_click(lambda _: self.clear())
        self._history.save.on_click(lambda _: self._save())

    @property
    def tasks(self) -> pd.DataFrame:
        """All tasks looked up so far, columns as in ``schema.TASKS``."""
        return with_names(self._state.session.tasks.copy(), self._names)

    @property
    def turns(self) -> pd.DataFrame:
        """All turns looked up so far, columns as in ``schema.TURNS``."""
        return with_names(self._state.session.turns.copy(), self._names)

    def look_up(self, text: str | None = None) -> None:
        """Do what the button does, after entering ``text`` if it is given; returns at once."""
        if text is not None:
            self._input.box.value = text
        entered = self._input.box.value.strip()
        if not entered:
            self._status.say("Type or paste a task id or a dashboard link first.")
        elif ids := self._finder.wanted(entered):
            self._start(ids)
        else:
            self._status.report()
            self._status.say(*self._finder.advice)

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
        return self._state.wait(timeout)

    def cancel(self) -> None:
        """Stop the lookup under way within two seconds; what it brought by then is kept.

        Where none is, but the source is still being read, stop that at once.
        """
        with self._state.lock:
            jobs = self._state.jobs
            if lookup := jobs.get("lookup"):
                lookup.cancel.set()
                self._status.say("Cancelling…", "busy")
            elif reading := jobs.get("source"):
                reading.cancel.set()
                self._end(reading)
                self._status.say("Cancelled: nothing can be searched. Type or paste ids or links.")

    def clear(self) -> None:
        """Forget everything that was looked up; a lookup under way is cancelled."""
        with self._state.lock:
            if lookup := self._state.jobs.get("lookup"):
                lookup.cancel.set()
                self._end(lookup)
            self._state.session, self._state.retry_ids = empty_session(), ()
            self.set_trait("value", None)
            self._history.forget()
            self._show([])
            self._status.report()
            self._input.box.value = ""
            self._status.say("Cleared.")

    def close(self) -> None:
        """Stop what is under way, and free the widget and everything in it."""
        if self.comm is None:
            return
        with self._state.lock:
            for job in list(self._state.jobs.values()):
                job.cancel.set()
                self._state.end(job)
        self._ticker.set()
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

    def _read_source(self, source: Source, job: Job) -> None:
        index, problem = None, ""
        try:
            index = TaskIndex(open_source(source, self._client, job.cancel), self._names)
        except HandingerError as error:
            problem = error_words(error)
        with self._state.lock:
            if not self._end(job):
                return  # somebody cancelled meanwhile
            if index is None:
                self._status.say(f"Nothing can be searched: {problem}", "bad")
                return
            self._finder.search_in(index)
            if "lookup" not in self._state.jobs and self.value is None:
                self._status.say(f"Type words to search {count(len(index.ids), 'task')}, or an id.")
                self._search()

    def _search(self) -> None:
        self._finder.follow(self._input.box.value.strip())

    def _start(self, ids: Sequence[str]) -> None:
        """Look ids up off the main thread, one lookup at a time."""
        with self._state.lock:
            if "lookup" in self._state.jobs:
                self._status.say("A lookup is under way: wait for it, or cancel it.", "busy")
                return
            job = self._begin("lookup")
            self._finder.withdraw()
            self._status.report()
            self._status.say(looking_up(ids), "busy")
        self._run(lambda: self._look_up(list(ids), job), job)

    def _look_up(self, ids: list[str], job: Job) -> None:
        began, result, problem = time.monotonic(), None, ""
        try:
            with client_or_default(self._client) as client:
                gate = requester_of(client).gate
                with self._state.lock:
                    if self._state.under_way(job):
                        self._ticker.set()
                        self._ticker = repeat(lambda: self._tick(gate, job, ids, began))
                given = map(as_given, ids)  # ids are decoded already, and would be once more
                result = fetch(given, client=client, on_error="collect", progress=False, cancel=job.cancel)
        except HandingerError as error:
            result, problem = error.result, error_words(error)
        with self._state.lock:
            if not self._end(job):
                return  # somebody cleared the widget meanwhile
            self._status.tick("")
            self._take(result)
            if problem or result is None:
                self._state.retry_ids = ids
                self._status.report(again=True)
                self._status.say(problem, "bad")
            else:
                self._tell(result, cancelled=job.cancel.is_set())
        self._draw()

    def _tick(self, gate: Gate, job: Job, ids: list[str], began: float) -> bool:
        """Show the seconds of a lookup, or those that the server asks to wait; False when there are none."""
        pause = math.ceil(gate.closed_for)
        with self._state.lock:
            busy = self._state.under_way(job)
            if busy and not job.cancel.is_set():
                self._status.say(WAITING if pause else looking_up(ids), "busy")
            if pause:
                self._status.tick(f"{'going on' if busy else 'it may be asked again'} in {pause:,} s")
            else:
                self._status.tick(f"{time.monotonic() - began:.0f} s" if busy else "")
        return busy or pause > 0

    def _take(self, result: FetchResult | None) -> None:
        """Add what a lookup brought to the session, and show it."""
        ids: list[str] = []
        if result is not None and (len(result.failures) or len(result.tasks)):
            ids = list(result.tasks["task_id"])
            self._state.session = merged(self._state.session, result)
            self.set_trait("value", FetchResult(fetched_of(result), client=self._client))
        self._show(ids)
        self._history.put(self._state.session.tasks, ids)

    def _tell(self, result: FetchResult, *, cancelled: bool) -> None:
        """Say what a lookup brought, and what it did not."""
        asked, failures = fetched_of(result).task_ids, result.failures
        here = set(result.tasks["task_id"])
        retry_ids = [one for one in asked if one not in here] if cancelled else worth_another_try(failures)
        self._state.retry_ids = retry_ids
        self._status.report(problems(failures, self._input.box.value), again=bool(retry_ids))
        words = f"{'Cancelled. ' if cancelled else ''}{found(result)}."
        self._status.say(words, "good" if result.complete else "bad")

    def _on_history(self, ids: list[str]) -> None:
        if ids and set(ids) != set(self._answer.tasks["task_id"]):
            with self._state.lock:
                self._show(ids)
            self._run(self._draw)

    def _show(self, ids: list[str]) -> None:
        """Show tasks of the session."""
        tasks, turns = self._state.session.tasks, self._state.session.turns
        self._answer.show(tasks[tasks["task_id"].isin(ids)], turns[turns["task_id"].isin(ids)])

    def _draw(self) -> None:
        """Add the chart, which takes longer, unless something else is on view by then."""
        turns = self._answer.turns
        picture = timeline_image(turns, self._zone)
        with self._state.lock:
            if turns is self._answer.turns:
                self._answer.chart.value = picture

    def _save(self) -> None:
        if files := self._history.file_names():
            turns, tasks = self.turns, self.tasks
            self._run(lambda: self._history.save_frames(files, turns, tasks))

    def _begin(self, kind: Literal["lookup", "source"]) -> Job:
        job = self._state.jobs[kind] = Job(kind)
        self._input.cancel.disabled = False
        return job

    def _end(self, job: Job | None) -> bool:
        """End a job, and offer to cancel while there is another; False where it had ended already."""
        with self._state.lock:
            ended = self._state.end(job)
            self._input.cancel.disabled = not self._state.jobs
            return ended

    def _run(self, work: Callable[[], None], job: Job | None = None) -> None:
        """Work off the main thread. Whatever goes wrong is said, and ends no other job than its own."""

        def guarded() -> None:
            try:
                work()
            except Exception as error:  # a person looks at the widget, not at a traceback
                _log.debug("an error in a thread of the widget", exc_info=True)
                with self._state.lock:
                    self._end(job)
                    words = f"The widget has an error ({type(error).__name__}: {error}). Please report it."
                    self._status.say(words, "bad")

        self._state.run(guarded, job)
