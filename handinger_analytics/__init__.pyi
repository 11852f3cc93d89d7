"""The names of the package, and where they come from; ``__init__.py`` loads them by this list."""

from .archive import Archive, SyncReport
from .bodies import parse_bodies
from .budget import budget_status
from .client import Client
from .discover import discover_task_ids, task_ids_from
from .errors import (
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
from .fetching import fetch, fetch_tasks, fetch_turns
from .metrics import (
    anomalies,
    check,
    durations,
    explode_structured_output,
    spend,
    summarize,
    tokens,
    top_tasks,
    waste,
)
from .parquet import export_parquet, load_parquet
from .plots import (
    plot_budget,
    plot_credits_vs_tokens,
    plot_dashboard,
    plot_durations,
    plot_heatmap,
    plot_pareto,
    plot_spend,
    plot_timeline,
    plot_tokens,
    plot_waste,
)
from .reporting import report
from .result import FetchResult
from .sandbox import Faults, Sandbox
from .schema import SCHEMA_VERSION
from .widget import TaskLookup
from .worker import WorkerState, fetch_schedules, fetch_worker

__all__ = [
    "SCHEMA_VERSION",
    "APIConnectionError",
    "APIError",
    "APIResponseValidationError",
    "APIStatusError",
    "APITimeoutError",
    "Archive",
    "AuthenticationError",
    "BadRequestError",
    "Client",
    "ConflictError",
    "Faults",
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
    "SyncReport",
    "TaskIdError",
    "TaskLookup",
    "UnprocessableEntityError",
    "WorkerState",
    "anomalies",
    "budget_status",
    "check",
    "discover_task_ids",
    "durations",
    "explode_structured_output",
    "export_parquet",
    "fetch",
    "fetch_schedules",
    "fetch_tasks",
    "fetch_turns",
    "fetch_worker",
    "load_parquet",
    "parse_bodies",
    "plot_budget",
    "plot_credits_vs_tokens",
    "plot_dashboard",
    "plot_durations",
    "plot_heatmap",
    "plot_pareto",
    "plot_spend",
    "plot_timeline",
    "plot_tokens",
    "plot_waste",
    "report",
    "spend",
    "summarize",
    "task_ids_from",
    "tokens",
    "top_tasks",
    "waste",
]
__version__: str
