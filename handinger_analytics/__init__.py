"""Tasks, turns and credits of Handinger workers, as DataFrames.

The names below are loaded when they are first used, so that importing the package costs little and
neither matplotlib nor ipywidgets is loaded before a plot or widget is asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from handinger_analytics.bodies import parse_bodies
    from handinger_analytics.client import Client
    from handinger_analytics.discover import discover_task_ids, task_ids_from
    from handinger_analytics.errors import (
        APIConnectionError,
        APIError,
        APIResponseValidationError,
        APIStatusError,
        APITimeoutError,
        AuthenticationError,
        BadRequestError,
        ConflictError,
        FetchInterrupted,
        FileError,
        FrameError,
        HandingerError,
        IncompleteFetchError,
        InternalServerError,
        NotFoundError,
        PartialDataWarning,
        PermissionDeniedError,
        RateLimitError,
        SettingsError,
        TaskIdError,
        UnprocessableEntityError,
    )
    from handinger_analytics.fetching import fetch, fetch_tasks, fetch_turns
    from handinger_analytics.metrics import check, durations, spend, summarize, tokens, top_tasks, waste
    from handinger_analytics.parquet import export_parquet, load_parquet
    from handinger_analytics.plots import plot_spend
    from handinger_analytics.result import FetchResult
    from handinger_analytics.sandbox import Sandbox
    from handinger_analytics.schema import SCHEMA_VERSION
    from handinger_analytics.worker import WorkerState, fetch_schedules, fetch_worker

__all__ = [
    "SCHEMA_VERSION",
    "APIConnectionError",
    "APIError",
    "APIResponseValidationError",
    "APIStatusError",
    "APITimeoutError",
    "AuthenticationError",
    "BadRequestError",
    "Client",
    "ConflictError",
    "FetchInterrupted",
    "FetchResult",
    "FileError",
    "FrameError",
    "HandingerError",
    "IncompleteFetchError",
    "InternalServerError",
    "NotFoundError",
    "PartialDataWarning",
    "PermissionDeniedError",
    "RateLimitError",
    "Sandbox",
    "SettingsError",
    "TaskIdError",
    "UnprocessableEntityError",
    "WorkerState",
    "check",
    "discover_task_ids",
    "durations",
    "export_parquet",
    "fetch",
    "fetch_schedules",
    "fetch_tasks",
    "fetch_turns",
    "fetch_worker",
    "load_parquet",
    "parse_bodies",
    "plot_spend",
    "spend",
    "summarize",
    "task_ids_from",
    "tokens",
    "top_tasks",
    "waste",
]

_MODULES = {
    "bodies": ("parse_bodies",),
    "client": ("Client",),
    "discover": ("discover_task_ids", "task_ids_from"),
    "errors": (
        "APIConnectionError",
        "APIError",
        "APIResponseValidationError",
        "APIStatusError",
        "APITimeoutError",
        "AuthenticationError",
        "BadRequestError",
        "ConflictError",
        "FetchInterrupted",
        "FileError",
        "FrameError",
        "HandingerError",
        "IncompleteFetchError",
        "InternalServerError",
        "NotFoundError",
        "PartialDataWarning",
        "PermissionDeniedError",
        "RateLimitError",
        "SettingsError",
        "TaskIdError",
        "UnprocessableEntityError",
    ),
    "fetching": ("fetch", "fetch_tasks", "fetch_turns"),
    "metrics": ("check", "durations", "spend", "summarize", "tokens", "top_tasks", "waste"),
    "parquet": ("export_parquet", "load_parquet"),
    "plots": ("plot_spend",),
    "result": ("FetchResult",),
    "sandbox": ("Sandbox",),
    "schema": ("SCHEMA_VERSION",),
    "worker": ("WorkerState", "fetch_schedules", "fetch_worker"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return importlib.import_module("importlib.metadata").version("handinger-analytics")
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
