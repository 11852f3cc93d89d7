"""Discovery: reads the webhook logs of workers and remembers what they name, and how far each is known."""

from __future__ import annotations

import dataclasses
import operator
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from handinger_analytics.api.client import Client
from handinger_analytics.archive.files import open_files, replace_files
from handinger_analytics.archive.layout import IDS_LAYOUT, LAYOUTS, WORKERS_LAYOUT
from handinger_analytics.archive.recording import note, remember
from handinger_analytics.archive.repair import prepare
from handinger_analytics.archive.snapshot import dataset, known_logs
from handinger_analytics.archive.storage import Storage
from handinger_analytics.errors import APIError, AuthenticationError
from handinger_analytics.fetching.discover import Log, latest_deliveries, walk
from handinger_analytics.tables.build import table
from handinger_analytics.tables.schema import WORKER_LOGS
from handinger_analytics.times import LAST_MS, milliseconds


def discover(
    storage: Storage, client: Client, worker_ids: Sequence[str], cancel: threading.Event | None
) -> tuple[list[Log], APIError | None]:
    """Read each log down to what is known, and remember what was read, also where an error ends it.

    A walk that broke off counts as none. Returns also the first error of a log that cannot be read.
    """
    if storage.exists():
        prepare(storage)
    stored = filter(operator.itemgetter("newest_at"), known_logs(storage).to_pylist())
    # Of a log that was found empty later, nothing is known that a walk could come down to.
    known = {row["worker_id"]: row["newest_at"] for row in stored if row["known_since"] <= row["newest_at"]}
    logs: list[Log] = []
    errors: list[APIError] = []
    try:
        for worker_id in worker_ids:
            try:
                logs.append(walk(client, worker_id, cancel, known.get(worker_id)))
            except AuthenticationError:
                raise
            except APIError as error:
                errors.append(error)
    finally:
        if logs:
            _record(storage, logs)
    return logs, next(iter(errors), None)


def _record(storage: Storage, logs: Sequence[Log]) -> None:
    """Remember what logs name, then how far they are known: killed in between, the next walk reads on."""
    storage.create((*LAYOUTS, WORKERS_LAYOUT))
    latest = latest_deliveries(logs)
    ids = remember(storage, latest, (delivery.created_at for delivery in latest.values()))
    oldest = min((milliseconds(each.created_at) for log in logs for each in log.new), default=LAST_MS)
    note(
        storage,
        lambda before: dataclasses.replace(before.advanced(ids=ids), seen=min(before.seen, oldest - 1)),
    )

    def rows(stored: pa.Table) -> pa.Table:
        before = {row["worker_id"]: row for row in stored.to_pylist()}
        return WORKERS_LAYOUT.stored(
            table(WORKER_LOGS, [_row(log, before.get(log.worker_id, {})) for log in logs])
        )

    _replace_rows(storage, [log.worker_id for log in logs], rows)


def _row(log: Log, before: Mapping[str, Any]) -> SimpleNamespace:
    """Say how far a log is known after a walk; of two at the same time the one that began later counts."""
    times = [delivery.created_at for delivery in log.deliveries]
    newest_before = before.get("newest_at")
    anew = min(times) if times else newest_before and log.began  # what was in it is gone
    row = {
        "worker_id": log.worker_id,
        "known_since": before["known_since"] if before and log.reached else anew,
        "walked_at": log.began,
        "silent": None if log.has_webhook else log.silence,
    }
    if before and before["walked_at"] > log.began:
        row = {**before}
    newest_at = max([*times, *filter(None, [newest_before])], default=None)
    return SimpleNamespace(**{**row, "newest_at": newest_at})


def forget_logs(storage: Storage, worker_ids: Collection[str]) -> set[str]:
    """Forget the logs of workers that are not the ids of known tasks, too; return these workers."""
    named = pc.field("task_id").isin([*worker_ids])
    tasks = dataset(storage.open(IDS_LAYOUT), IDS_LAYOUT).to_table(columns=["task_id"], filter=named)
    logs = {*known_logs(storage)["worker_id"].to_pylist()}
    forgotten = logs.intersection(worker_ids) - {*tasks["task_id"].to_pylist()}
    if forgotten:
        _replace_rows(storage, forgotten, lambda stored: stored.schema.empty_table())
    return forgotten


def _replace_rows(
    storage: Storage, worker_ids: Collection[str], rows: Callable[[pa.Table], pa.Table]
) -> None:
    """Replace what is stored of workers."""

    def write() -> None:
        workers = storage.open(WORKERS_LAYOUT)
        files = open_files(workers, WORKERS_LAYOUT.schema)
        stored = files.to_table()
        named = pc.is_in(stored["worker_id"], value_set=pa.array(worker_ids, pa.string()))
        parts = [stored.filter(pc.invert(named)), rows(stored.filter(named))]
        replace_files(workers, WORKERS_LAYOUT, [pa.concat_tables(parts)], files.files, None)

    storage.change(write)
