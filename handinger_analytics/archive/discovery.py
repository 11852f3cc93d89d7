"""Discovery: reads the webhook logs of workers and remembers what they name, and how far each is known."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from handinger_analytics.api.client import Client
from handinger_analytics.archive.files import open_files, replace_files
from handinger_analytics.archive.layout import LAYOUTS, WORKERS_LAYOUT
from handinger_analytics.archive.recording import publish, remember
from handinger_analytics.archive.repair import prepare
from handinger_analytics.archive.snapshot import known_logs
from handinger_analytics.archive.storage import Storage
from handinger_analytics.fetching.discover import Log, latest_deliveries, walk
from handinger_analytics.tables.build import table
from handinger_analytics.tables.schema import WORKER_LOGS
from handinger_analytics.times import now


def discover(
    storage: Storage, client: Client, worker_ids: Sequence[str], cancel: threading.Event | None
) -> list[Log]:
    """Read each log down to what is known, and remember what was read, also where an error ends it.

    A walk that broke off counts as none.
    """
    if storage.exists():
        prepare(storage)
    known = {row["worker_id"]: row for row in known_logs(storage).to_pylist()}
    logs: list[Log] = []
    try:
        for worker_id in worker_ids:
            logs.append(walk(client, worker_id, cancel, known.get(worker_id, {}).get("newest_at")))
    finally:
        if logs:
            _record(storage, logs, known)
    return logs


def _row(log: Log, before: Mapping[str, Any]) -> SimpleNamespace:
    """Say how far a log is known after a walk, by what was known before."""
    times = [delivery.created_at for delivery in log.deliveries]
    newest_before = before.get("newest_at")
    has_named_tasks = newest_before is not None and before["silent"] is None
    return SimpleNamespace(
        worker_id=log.worker_id,
        known_since=min(times) if times and not log.reached else before.get("known_since"),
        newest_at=max([*times, *filter(None, [newest_before])], default=None),
        walked_at=now(),
        silent=None if log.has_webhook or has_named_tasks else log.silence,
    )


def _record(storage: Storage, logs: Sequence[Log], known: Mapping[str, Any]) -> None:
    """Remember what logs name, then how far they are known: killed in between, the next walk reads on."""
    storage.create((*LAYOUTS, WORKERS_LAYOUT))
    latest = latest_deliveries(logs)
    publish(storage, ids=remember(storage, latest, (delivery.created_at for delivery in latest.values())))
    records = [_row(log, known.get(log.worker_id, {})) for log in logs]
    rows = WORKERS_LAYOUT.stored(table(WORKER_LOGS, records))

    def write() -> None:
        workers = storage.open(WORKERS_LAYOUT)
        files = open_files(workers, WORKERS_LAYOUT.schema)
        stored = files.to_table()
        others = stored.filter(pc.invert(pc.is_in(stored["worker_id"], value_set=rows["worker_id"])))
        replace_files(workers, WORKERS_LAYOUT, [pa.concat_tables([others, rows])], files.files, None)

    storage.change(write)
