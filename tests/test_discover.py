"""Task ids from the webhook log, text, files and columns."""

import datetime as dt
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest

import handinger_analytics as ha
from handinger_analytics.sandbox import Faults, Sandbox
from handinger_analytics.tables.schema import EXECUTIONS
from tests.samples import encoded
from tests.scripted import LogServer, Reply, delivery

NOON = dt.datetime(2026, 6, 1, 12, tzinfo=dt.UTC)


def page(number, of, *task_ids, worker_id="wrk_1"):
    """Return a page of the log; an entry's time follows its task id."""
    logs = [
        delivery(
            task_id,
            dt.datetime(2026, 5, 11 + position, 9, 14, 49, tzinfo=dt.UTC),
            id=f"whx_{number}_{position}",
            workerId=worker_id,
        )
        for position, task_id in enumerate(task_ids)
    ]
    return Reply(json.dumps({"logs": logs, "page": number, "pageCount": of, "totalCount": 9}).encode())


def test_every_logged_task_is_found_once(sandbox, client):
    """All pages of all workers are read; ids that exist are found, none twice."""
    ids = ha.discover_task_ids(sandbox.worker_ids, client=client)
    assert len(ids) == len(set(ids)) > 100
    assert set(ids) <= set(sandbox.task_ids)


def test_pages_that_repeat_entries_change_nothing():
    """A log whose pages shift while it is read gives the same ids."""
    faults = Faults(rate=1, kinds=("duplicate-log-pages",))
    with Sandbox(tasks=200) as calm, Sandbox(tasks=200, faults=faults) as shifting:
        expected = ha.discover_task_ids(calm.worker_ids, client=calm.client())
        assert sorted(ha.discover_task_ids(shifting.worker_ids, client=shifting.client())) == sorted(expected)


def test_a_log_that_grows_is_read_to_its_new_end(serve):
    """When a page is added during the walk, it is read, too."""
    server = serve(page(1, 2, "a", "b"), page(2, 3, "b", "c"), page(3, 3, "d"))
    with server.client() as client:
        assert ha.discover_task_ids("wrk_1", client=client) == ["a", "b", "c", "d"]
    assert [path.rpartition("?")[2] for path in server.paths] == ["page=1", "page=2", "page=3"]


def test_a_cache_that_ignores_the_page_is_said():
    """Pages that repeat, while the log has more deliveries than came, are an error."""
    server = LogServer()
    log = [delivery(f"tsk_{at}", NOON - at * dt.timedelta(minutes=1)) for at in range(120)]

    def ignore(page: int) -> None:
        server.log = [*log[:50], *log[:50], *log[:20]]

    with server.client() as client:
        server.log = log
        assert len(ha.discover_task_ids("wrk_1", client=client)) == 120
        server.before_page = ignore
        with pytest.raises(ha.APIResponseValidationError, match="pages repeat, 50 of 120 deliveries came"):
            ha.discover_task_ids("wrk_1", client=client)
    server.stop()


def test_the_frame_has_the_latest_delivery(serve):
    """One row a task, with its title, worker and when it was last seen; entries without a task count not."""
    server = serve(page(1, 1, "a", None, "a", "b"))
    with server.client() as client:
        frame = ha.discover_task_ids(["wrk_1"], client=client, as_frame=True)
    assert frame.to_dict("list") == {
        "task_id": ["a", "b"],
        "task_title": ["title of a", "title of b"],
        "worker_id": ["wrk_1", "wrk_1"],
        "last_seen": [pd.Timestamp("2026-05-13 09:14:49Z"), pd.Timestamp("2026-05-14 09:14:49Z")],
    }


def test_a_link_names_its_worker(serve):
    """Of a dashboard link the worker is taken, not the task."""
    server = serve(page(1, 1, "a"))
    with server.client() as client:
        ha.discover_task_ids("https://v3.handinger.com/worker/wrk_5/task/tsk_2", client=client)
    assert server.paths == ["/api/workers/wrk_5/webhook/executions?page=1"]


def test_an_empty_log_gives_an_empty_frame_of_the_same_dtypes(serve):
    """No entries, no rows, the same columns and dtypes."""
    with serve(page(1, 0)).client() as client, serve(page(1, 1, "a")).client() as other:
        with pytest.warns(ha.PartialDataWarning, match="'wrk_1' names no task: it has no webhook"):
            empty = ha.discover_task_ids("wrk_1", client=client, as_frame=True)
        full = ha.discover_task_ids("wrk_1", client=other, as_frame=True)
    assert len(empty) == 0
    assert list(empty.dtypes.items()) == list(full.dtypes.items())


def test_a_cancelled_walk_asks_for_no_further_page():
    """Cancelled while a page is under way, it ends at once, and gives no list with a hole in it."""
    with Sandbox(tasks=200, latency=0.5) as slow, slow.client() as client, ThreadPoolExecutor() as pool:
        cancel = threading.Event()
        walk = pool.submit(ha.discover_task_ids, slow.worker_ids, client=client, cancel=cancel)
        while slow.stats.requests == 0:
            assert not walk.done()
        cancel.set()
        with pytest.raises(ha.HandingerError, match=r"webhook log of worker .*, page 1: cancelled"):
            walk.result()
        assert slow.stats.by_route["webhook"] == 1


def test_a_worker_of_somebody_else(sandbox, client):
    """A 403 says who may read the log."""
    with pytest.raises(ha.PermissionDeniedError, match="Only the creator of a worker may read"):
        ha.discover_task_ids(sandbox.forbidden_worker_id, client=client)


DELIVERY = delivery("tsk_1", dt.datetime(2026, 5, 11, 9, 14, 49, tzinfo=dt.UTC))
OTHER = delivery(
    None,
    dt.datetime(2026, 5, 12, 9, 14, 49, 5000, tzinfo=dt.UTC),
    requestStatus="error",
    responseStatus=None,
    errorMessage="connection refused",
    taskTitle=None,
    attempt={"number": 2},
)


def log_page(number: int, of: int, *logs: dict[str, object]) -> Reply:
    """Return a page of the log with these entries."""
    return Reply(encoded({"logs": logs, "page": number, "pageCount": of, "totalCount": 9}))


def test_executions_are_rows_with_all_that_was_sent(serve):
    """One row per delivery, each once, newest first; what has no column is in extra."""
    server = serve(log_page(1, 2, DELIVERY), log_page(2, 2, DELIVERY, OTHER))
    with server.client() as client:
        log = ha.fetch_executions("wrk_1", client=client)
    assert log.columns.to_list() == [column.name for column in EXECUTIONS]
    kinds = log[["created_at", "duration_ms", "request_status", "response_status"]].dtypes.astype(str)
    assert kinds.to_list() == ["datetime64[ms, UTC]", "int64", "category", "Int64"]
    other, first = log.astype(object).where(log.notna(), None).to_dict("records")
    assert first == {
        "execution_id": DELIVERY["id"],
        "worker_id": "wrk_1",
        "task_id": "tsk_1",
        "task_title": "title of tsk_1",
        "created_at": pd.Timestamp("2026-05-11 09:14:49Z"),
        "duration_ms": 1,
        "request_status": "success",
        "response_status": 200,
        "error_message": None,
        "url": "https://example.com",
        "extra": None,
    }
    assert other["created_at"] == pd.Timestamp("2026-05-12 09:14:49.005Z")
    assert (other["error_message"], other["response_status"]) == ("connection refused", None)
    assert json.loads(other["extra"]) == {"attempt": {"number": 2}}


def test_executions_of_an_empty_log_have_the_same_columns(serve):
    """No deliveries, no rows, the same dtypes, and a warning that says why."""
    with serve(log_page(1, 0)).client() as client, serve(log_page(1, 1, DELIVERY)).client() as other:
        with pytest.warns(ha.PartialDataWarning, match="names no task"):
            empty = ha.fetch_executions("wrk_1", client=client)
        full = ha.fetch_executions("wrk_1", client=other)
    assert len(empty) == 0
    assert empty.dtypes.astype(str).to_dict() == full.dtypes.astype(str).to_dict()
    assert list(empty["request_status"].cat.categories) == ["success", "error"]


def test_executions_of_several_workers(sandbox, client):
    """Workers come in the order given, of each the newest delivery first; the tasks are those discovered."""
    workers = sandbox.worker_ids[::-1]
    log = ha.fetch_executions([*workers, workers[0]], client=client)
    assert log["execution_id"].is_unique
    assert list(log["worker_id"].unique()) == workers
    for _, rows in log.groupby("worker_id"):
        assert rows["created_at"].is_monotonic_decreasing
    assert set(log["task_id"].dropna()) == set(ha.discover_task_ids(workers, client=client))


def test_a_worker_without_a_webhook_is_said(sandbox, client):
    """Its log stays empty however much it spends, which is not the same as no spend."""
    with pytest.warns(ha.PartialDataWarning, match="it has no webhook, so its tasks are not known") as caught:
        ids = ha.discover_task_ids([sandbox.silent_worker_id, sandbox.worker_ids[0]], client=client)
    assert ids
    assert len(caught) == 1
    assert caught[0].filename == __file__
