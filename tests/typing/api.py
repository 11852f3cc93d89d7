"""What users write, as type checkers see it: never executed, checked by mypy and pyright, both strict.

A line whose words are wrong carries ``type: ignore``; both checkers report one that is not needed.
"""

import datetime as dt
import threading
from pathlib import Path
from typing import Any, assert_type

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import handinger_analytics as ha


def fetching(ids: list[str], cancel: threading.Event) -> None:
    """Ids in, frames out."""
    with ha.Client(api_key="hdg_live_1", timeout=5.0) as client:
        assert_type(client.retrieve_task("tsk_1"), ha.TaskWithTurns)
        assert_type(client.retrieve_worker("wrk_1"), ha.Worker)
        assert_type(client.retrieve_webhook("wrk_1"), ha.Webhook)
        assert_type(client.retrieve_webhook_executions("wrk_1", page=2), ha.ExecutionPage)
        assert_type(client.retrieve_schedules("wrk_1"), ha.ScheduleList)
        result = ha.fetch(ids, client=client, on_error="collect", progress=False, cancel=cancel)
    assert_type(result, ha.FetchResult)
    assert_type(result.tasks, pd.DataFrame)
    assert_type(result.turns, pd.DataFrame)
    assert_type(result.failures, pd.DataFrame)
    assert_type(result.complete, bool)
    assert_type(result.retry_failed(), ha.FetchResult)
    assert_type(ha.fetch_turns("tsk_1", dtype_backend="pyarrow"), pd.DataFrame)
    assert_type(ha.fetch_tasks(pd.Series(["tsk_1"])), pd.DataFrame)
    assert_type(ha.task_ids_from(Path("ids.csv"), column="id"), list[str])
    assert_type(ha.task_ids_from("ids.xlsx"), list[str])
    assert_type(ha.parse_bodies([b"{}", "{}", {"task": {}}, Path("saved.jsonl")]), ha.FetchResult)
    assert_type(ha.parse_bodies("saved.jsonl"), ha.FetchResult)

    ha.fetch(ids, on_error="ignore")  # type: ignore[arg-type]
    ha.fetch(ids, dtype_backend="polars")  # type: ignore[arg-type]
    ha.fetch([1, 2])  # type: ignore[list-item]
    ha.fetch(ids, client)  # type: ignore[call-arg]


def workers() -> None:
    """Ask what a worker is doing, plans and did."""
    state = ha.fetch_worker("wrk_1", task_id="tsk_1")
    assert_type(state, ha.WorkerState)
    assert_type(state.messages, pd.DataFrame)
    assert_type(ha.fetch_schedules(["wrk_1", "wrk_2"]), pd.DataFrame)
    assert_type(ha.fetch_executions(["wrk_1", "wrk_2"]), pd.DataFrame)
    assert_type(ha.discover_task_ids("wrk_1"), list[str])
    assert_type(ha.discover_task_ids("wrk_1", as_frame=True), pd.DataFrame)


def metrics(turns: pd.DataFrame, tasks: pd.DataFrame) -> None:
    """Frames in, small frames out."""
    assert_type(ha.combine(turns, turns), pd.DataFrame)
    assert_type(ha.spend(turns, by=["worker_id", "status"], freq="D", tz="Europe/Madrid"), pd.DataFrame)
    assert_type(ha.spend(turns, by="worker_id", price=0.012), pd.DataFrame)
    assert_type(ha.top_tasks(turns, n=5, measure="duration_ms"), pd.DataFrame)
    assert_type(ha.summarize(turns), pd.DataFrame)
    assert_type(ha.check(tasks, turns), pd.DataFrame)
    assert_type(ha.budget_status(turns, limit=50_000, period="quarter"), pd.DataFrame)
    assert_type(ha.budget_status(turns, limit=50_000, as_of=dt.datetime.now(dt.UTC)), pd.DataFrame)

    names = {"wrk_1": "Invoices"}
    assert_type(ha.spend(turns, by="worker_id", names=names, price=0.012, currency="EUR"), pd.DataFrame)
    assert_type(ha.waste(turns, by="worker_id", names=pd.Series(names)), pd.DataFrame)
    assert_type(ha.budget_status(turns, limit=50_000, price=0.012, currency="EUR"), pd.DataFrame)

    ha.spend(turns, names="names.csv")  # type: ignore[arg-type]
    ha.spend(turns, freq="fortnight")  # type: ignore[arg-type]
    ha.spend(turns, "worker_id")  # type: ignore[call-arg]
    ha.top_tasks(turns, measure="seconds")  # type: ignore[arg-type]
    ha.budget_status(turns)  # type: ignore[call-arg]
    ha.budget_status(turns, limit=50_000, period="fortnight")  # type: ignore[arg-type]
    ha.budget_status(turns, budget=50_000)  # type: ignore[call-arg]


def plots(turns: pd.DataFrame, ax: Axes) -> None:
    """Every plot gives its Axes, the dashboard its Figure."""
    assert_type(ha.plot_spend(turns, by="worker_id", limit=500, ax=ax, alpha=0.5), Axes)
    assert_type(ha.plot_budget(turns, limit=500), Axes)
    assert_type(ha.plot_heatmap(turns, measure="turns"), Axes)
    assert_type(ha.plot_waste(turns, names={"wrk_1": "Invoices"}, price=0.012, currency="EUR"), Axes)
    assert_type(ha.plot_dashboard(turns, limit=500, names=pd.Series({"wrk_1": "Invoices"})), Figure)
    assert_type(ha.report(ha.fetch_tasks("tsk_1"), turns, "report.html", price=0.012), Path | str)

    ha.plot_heatmap(turns, measure="tokens")  # type: ignore[arg-type]
    ha.plot_spend(turns, freq="day")  # type: ignore[arg-type]


def files(turns: pd.DataFrame) -> None:
    """Frames as files."""
    ha.export_parquet(turns, Path("turns.parquet"), text=False, keep="task_title")
    ha.export_parquet(turns, "turns", partition_by="worker_id")
    assert_type(ha.load_parquet("turns.parquet", columns=["credits"], since="2026-05-01"), pd.DataFrame)
    assert_type(ha.load_parquet("turns.parquet", since=dt.date(2026, 5, 1)), pd.DataFrame)

    ha.load_parquet("turns.parquet", dtype_backend="polars")  # type: ignore[arg-type]


def archives() -> None:
    """Read pandas frames, unless another engine is named."""
    archive = ha.Archive(Path("handinger"), storage_options={"AWS_REGION": "eu-south-2"})
    assert_type(archive.sync(["tsk_1"], batch=100, settle=dt.timedelta(days=3)), ha.SyncReport)
    assert_type(archive.discover("wrk_1"), list[str])
    assert_type(archive.turns(["credits"], since="2026-05-01"), pd.DataFrame)
    assert_type(archive.tasks(), pd.DataFrame)
    assert_type(archive.turns(engine="duckdb"), Any)
    assert_type(archive.turns("credits", since=dt.date(2026, 5, 1)), pd.DataFrame)
    assert_type(archive.as_of(3), ha.ArchiveView)
    assert_type(archive.as_of(3).turns(), pd.DataFrame)
    assert_type(archive.status(), ha.ArchiveStatus)

    archive.turns(engine="spark")  # type: ignore[call-overload]
    archive.sync(refresh="always")  # type: ignore[arg-type]


def sandboxes() -> None:
    """Run one for as long as it is needed."""
    with ha.Sandbox(tasks=10, seed=7, generation="B", faults=ha.Faults()) as sandbox:
        assert_type(sandbox, ha.Sandbox)
        assert_type(sandbox.task_ids, list[str])
        assert_type(sandbox.client(), ha.Client)
        assert_type(sandbox.stats, ha.Stats)
    ha.Sandbox(generation="C")  # type: ignore[arg-type]


def errors() -> None:
    """One root; a wrong argument is a ValueError, too."""
    try:
        ha.fetch_turns("tsk_1")
    except ha.FetchInterrupted as interrupt:
        so_far: ha.FetchResult = interrupt.result
        assert_type(so_far.retry_failed(), ha.FetchResult)
    except ha.NotFoundError as error:
        status: ha.APIStatusError = error
        assert_type(status.http_status, int | None)
    except ha.HandingerError:
        raise
    argument: ValueError = ha.ArgumentError.unexpected("n", "a number", "many", "give 3")
    raise argument
