"""The archive as users see it."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterable, Mapping
from typing import cast

from handinger_analytics.api.client import Client, client_or_default
from handinger_analytics.api.identifiers import id_in_link
from handinger_analytics.archive import discovery, upkeep
from handinger_analytics.archive.layout import TASKS_LAYOUT
from handinger_analytics.archive.recording import delete, forget
from handinger_analytics.archive.repair import prepare
from handinger_analytics.archive.snapshot import version_at
from handinger_analytics.archive.storage import Storage
from handinger_analytics.archive.syncing import Policy, Refresh, Sync, SyncReport, plan
from handinger_analytics.archive.view import ArchiveView
from handinger_analytics.arguments import check_span, check_whole_number, utc_instant
from handinger_analytics.errors import FileError, TaskIdError
from handinger_analytics.fetching.discover import latest_deliveries, warn_of_gaps
from handinger_analytics.fetching.ids import normalize_task_ids, normalize_worker_ids
from handinger_analytics.fetching.progress import Progress
from handinger_analytics.locations import Place
from handinger_analytics.times import now as clock

_WEEK = dt.timedelta(days=7)


class Archive(ArchiveView):
    """Tasks and turns kept up to date in a folder or a bucket.

    Parameters
    ----------
    uri : str or path
        Folder, or ``s3://bucket/prefix``, ``gs://…``, ``abfss://…``. The first `sync` makes it.
    storage_options : mapping of str to str, optional
        Credentials and settings of the bucket, as ``deltalake`` takes them.

    Raises
    ------
    ArgumentError
        For a ``uri`` or ``storage_options`` of a wrong type.
    FileError
        For a folder whose name ``deltalake`` cannot use.

    Notes
    -----
    The tables are in Delta Lake format. A task that is in the archive has all of its turns, even if a sync
    is killed, and several processes may sync at the same time. On S3 this rests on conditional writes
    (``If-None-Match``), which AWS, Cloudflare R2 and MinIO have.

    An archive of schema 1 is read as it is, with nulls in the columns that came later. The first `sync`,
    `discover` or `vacuum` adds them to its tables; earlier versions of this package refuse it from then on.

    Examples
    --------
    >>> archive = ha.Archive("archive")
    >>> with ha.Sandbox(tasks=20) as sandbox, sandbox.client() as client:
    ...     report = archive.sync(sandbox.task_ids, client=client)
    >>> report.fetched, len(archive.tasks())
    (20, 20)
    """

    def __init__(self, uri: Place, *, storage_options: Mapping[str, str] | None = None) -> None:
        super().__init__(Storage.at(uri, storage_options))
        self._walked: frozenset[str] = frozenset()

    def exists(self) -> bool:
        """Tell whether there is an archive at this place.

        Raises
        ------
        FileError
            If the place cannot be read.

        Examples
        --------
        >>> ha.Archive("nowhere").exists()
        False
        """
        return self._storage.exists()

    def sync(
        self,
        task_ids: str | Iterable[str] | None = None,
        *,
        client: Client | None = None,
        refresh: Refresh = "unfinished",
        settle: dt.timedelta = _WEEK,
        max_age: dt.timedelta | None = None,
        batch: int = 2000,
        progress: Progress = None,
        cancel: threading.Event | None = None,
        now: dt.datetime | None = None,
    ) -> SyncReport:
        """Fetch what is not there yet or may have changed, and record it.

        Ids that could not be fetched before are tried first, whether they are asked for or not. A run that
        is killed, interrupted or stopped by an error loses at most the batch under way.

        Parameters
        ----------
        task_ids : str or iterable of str, optional
            Task ids or dashboard links, remembered from now on; by default all known ids.
        client : Client, optional
            By default one from the environment, closed after use.
        refresh : {"unfinished", "all"}
            Fetch again what was not final when it was last fetched, or everything. In either case a task
            is due that a webhook log names as newer than the last look at it.
        settle : timedelta, default 7 days
            A follow-up can reopen a finished task: it counts as final when it was fetched at least this
            long after its end. With ``timedelta(0)`` every finished task is final, and so is it where
            `discover` has just read the log of its worker down to what was known: that names follow-ups.
        max_age : timedelta, optional
            Fetch again also what was last fetched longer ago than this.
        batch : int, default 2000
            Tasks to fetch and record at a time; memory grows with it. What has come after 30 seconds is
            recorded at once.
        progress : bool or callable, optional
            As in `fetch`; it counts the tasks that are due.
        cancel : threading.Event, optional
            Set it from another thread to stop soon; what was fetched by then is recorded.
        now : aware datetime, optional
            Time to record for this sync and its rows, for a sandbox that has a clock of its own.

        Returns
        -------
        SyncReport
            ``fetched``, ``skipped``, ``new``, ``changed``, ``failed``, ``left`` and ``duration``.

        Raises
        ------
        FileError
            If the archive cannot be read or written; what was in it stays as it was.
        AuthenticationError
            If the key is not accepted.
        FetchInterrupted
            On Ctrl-C.
        ArgumentError
            For arguments that cannot be used.

        Examples
        --------
        >>> archive = ha.Archive("archive")
        >>> with ha.Sandbox(tasks=20) as sandbox, sandbox.client() as client:
        ...     report = archive.sync(sandbox.task_ids, client=client)
        >>> report.fetched, len(archive.tasks()), report.complete
        (20, 20, True)
        """
        check_whole_number(batch, "batch", "a number of tasks, 1 or more")
        policy = Policy(refresh, settle, max_age, self._walked)
        moment = utc_instant(now, "now")
        ids = None if task_ids is None else normalize_task_ids(task_ids)
        if ids is None and not self.exists():
            raise FileError(
                f"there is no archive at {self._storage.shown!r} whose ids could be synced: give task ids"
            )
        prepare(self._storage)
        self._walked = frozenset()
        todo = plan(self._storage, ids, policy, moment or clock())
        return Sync(self._storage, todo, moment).run(client, int(batch), progress, cancel)

    def discover(
        self,
        worker_ids: str | Iterable[str],
        *,
        client: Client | None = None,
        cancel: threading.Event | None = None,
    ) -> list[str]:
        """Find task ids in the webhook logs of workers and remember them for the next `sync`.

        Each delivery in a log means that a task has changed: the next `sync` fetches those that are newer
        than the last look at their task. A log is read down to the newest delivery that is known.

        Parameters
        ----------
        worker_ids : str or iterable of str
            Workers whose log to read, ids or dashboard links; only a worker's creator may.
        client : Client, optional
            By default one from the environment, closed after use.
        cancel : threading.Event, optional
            Set it from another thread to stop soon, with an error; what was found in the logs that were
            read is remembered.

        Returns
        -------
        list of str
            The ids on the pages that were read, known or not.

        Raises
        ------
        PermissionDeniedError
            If the key's user did not create the worker.
        FileError
            If the archive cannot be written.
        HandingerError
            If a log cannot be read (`APIError`), after the others were, or ``cancel`` was set.

        Warns
        -----
        PartialDataWarning
            If a log names no task, or nothing new while its worker has no webhook, with the reason: nothing
            is known of the tasks of such a worker, so that the archive is not complete. Also if a log no
            longer reaches back to where it was read last.

        Examples
        --------
        >>> archive = ha.Archive("archive")
        >>> with ha.Sandbox(tasks=20) as sandbox, sandbox.client() as client:
        ...     found = archive.discover(sandbox.worker_ids, client=client)
        >>> archive.status().missing == len(found)
        True
        """
        workers = normalize_worker_ids(worker_ids)
        with client_or_default(client) as used:
            logs, error = discovery.discover(self._storage, used, workers, cancel)
        self._walked -= {log.worker_id for log in logs}
        self._walked |= {log.worker_id for log in logs if log.tells_all}
        warn_of_gaps(logs)
        if error is not None:
            raise error
        return list(latest_deliveries(logs))

    def forget(self, task_ids: str | Iterable[str]) -> None:
        """Do not fetch these tasks any more, such as deleted ones; what is recorded of them stays.

        Parameters
        ----------
        task_ids : str or iterable of str
            Task ids or dashboard links. `sync` skips them from now on, whether they are asked for or not;
            given to it with ``refresh="all"``, they are fetched and known again. The id of a worker stands
            for what is known of its webhook log, until `discover` reads that again.

        Raises
        ------
        TaskIdError
            For something that cannot be an id, and for the link of a worker.
        FileError
            If there is no archive or it cannot be written.

        Examples
        --------
        >>> archive = ha.Archive("archive")
        >>> with ha.Sandbox(tasks=20) as sandbox, sandbox.client() as client:
        ...     report = archive.sync(sandbox.task_ids, client=client)
        >>> archive.forget(sandbox.task_ids[:3])
        >>> archive.status().forgotten
        3
        """
        ids = self._ids_of_tasks(task_ids)
        workers = discovery.forget_logs(self._storage, ids)
        self._walked -= workers
        forget(self._storage, [each for each in ids if each not in workers])

    def delete(self, task_ids: str | Iterable[str]) -> int:
        """Erase tasks for good: their rows, and after a `vacuum` the files that had them.

        The ids stay known as deleted: whoever names them, a caller of `sync`, also with
        ``refresh="all"``, or a webhook log, they are not asked for again. Ids that the archive does not
        know are kept as such, too.

        `as_of` shows the tasks until ``vacuum(timedelta(0))``, which takes all earlier states with it;
        what a killed process left goes with a vacuum a day later. A deletion that is killed is completed
        by the next `sync` or `vacuum`.

        Parameters
        ----------
        task_ids : str or iterable of str
            Task ids or dashboard links.

        Returns
        -------
        int
            How many of the tasks were in the archive.

        Raises
        ------
        TaskIdError
            For something that cannot be an id, and for the link of a worker.
        FileError
            If there is no archive or it cannot be written.

        Examples
        --------
        >>> from datetime import timedelta
        >>> archive = ha.Archive("archive")
        >>> with ha.Sandbox(tasks=20) as sandbox, sandbox.client() as client:
        ...     report = archive.sync(sandbox.task_ids, client=client)
        >>> archive.delete(sandbox.task_ids[:3])
        3
        >>> files = archive.vacuum(timedelta(0))
        >>> len(archive.tasks()), archive.status().deleted, archive.status().complete
        (17, 3, True)
        """
        return delete(self._storage, self._ids_of_tasks(task_ids))

    def _ids_of_tasks(self, task_ids: str | Iterable[str]) -> list[str]:
        """Check ids: what is a link of a worker is so by mistake, unless a known task is called so."""
        ids = normalize_task_ids(task_ids)
        links = {each for each in ids if id_in_link(each, "worker")}
        if mistaken := links and links.difference(self.known_ids()):
            expected = "tasks, or links with /task/ and an id in them"
            raise TaskIdError.unexpected("task_ids", expected, min(mistaken))
        return ids

    def compact(self) -> int:
        """Rewrite small files as few larger ones; `sync` does so in months that are over or have many.

        Returns
        -------
        int
            How many files there are fewer. The old ones stay until a `vacuum`.

        Raises
        ------
        FileError
            If there is no archive or it cannot be written.

        Examples
        --------
        >>> archive = ha.Archive("archive")
        >>> with ha.Sandbox(tasks=20) as sandbox, sandbox.client() as client:
        ...     report = archive.sync(sandbox.task_ids, client=client)
        >>> archive.compact()
        0
        """
        return upkeep.compact(self._storage)

    def vacuum(self, older_than: dt.timedelta = _WEEK) -> int:
        """Delete files that only states older than ``older_than`` need.

        Parameters
        ----------
        older_than : timedelta, default 7 days
            Afterwards `as_of` reaches back that far, and never farther than the log, which is kept for 30
            days. A span shorter than a read under way deletes files that the read still needs.

        Returns
        -------
        int
            How many files were deleted.

        Raises
        ------
        FileError
            If there is no archive or it cannot be written.
        ArgumentError
            For something else than a span of time.

        Examples
        --------
        >>> archive = ha.Archive("archive")
        >>> with ha.Sandbox(tasks=20) as sandbox, sandbox.client() as client:
        ...     report = archive.sync(sandbox.task_ids, client=client)
        >>> archive.vacuum()
        0
        """
        check_span(older_than, "older_than")
        return upkeep.vacuum(self._storage, older_than)

    def as_of(self, version: int | str | dt.datetime) -> ArchiveView:
        """Return the archive as it was. What webhook logs tell is of the latest state: it is not in this one.

        Parameters
        ----------
        version : int, str or aware datetime
            A ``status().version``, or a time.

        Returns
        -------
        ArchiveView
            To read from, like the archive itself.

        Raises
        ------
        FileError
            If there was no such state, or its log is gone (it is kept for 30 days).
        ArgumentError
            For something else than a number or a time.

        Examples
        --------
        >>> archive = ha.Archive("archive")
        >>> with ha.Sandbox(tasks=20) as sandbox, sandbox.client() as client:
        ...     report = archive.sync(sandbox.task_ids, client=client)
        >>> first = archive.as_of(archive.status().version)
        >>> archive.forget(sandbox.task_ids[0])
        >>> first.status().forgotten, archive.status().forgotten
        (0, 1)
        """
        if isinstance(version, str | dt.datetime):
            moment = cast("dt.datetime", utc_instant(version, "version"))
            return ArchiveView(self._storage, version_at(self._storage, moment))
        check_whole_number(version, "version", "a number, 0 or more, or a time", least=0)
        latest = self._storage.open(TASKS_LAYOUT).version()
        if version > latest:
            raise FileError(
                f"the archive {self._storage.shown!r} has no version {version}; the latest is {latest}"
            )
        self._storage.open(TASKS_LAYOUT, int(version))
        return ArchiveView(self._storage, int(version))
