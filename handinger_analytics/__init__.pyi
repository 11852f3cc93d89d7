"""The names of the package, and where they come from; ``__init__.py`` loads them by this list."""

from .api.client import Client
from .api.wire import (
    Execution,
    ExecutionPage,
    Schedule,
    ScheduleList,
    Task,
    TaskWithTurns,
    Turn,
    Webhook,
    Worker,
)
from .archive.archive import Archive
from .archive.status import ArchiveStatus
from .archive.syncing import SyncReport
from .archive.view import ArchiveView
from .budget.status import budget_status
from .errors import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    APIStatusError,
    APITimeoutError,
    ArgumentError,
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
from .fetching.bodies import parse_bodies
from .fetching.discover import discover_task_ids, fetch_executions
from .fetching.fetch import fetch, fetch_tasks, fetch_turns
from .fetching.ids import task_ids_from
from .fetching.result import FetchResult
from .fetching.workers import WorkerState, fetch_schedules, fetch_worker
from .metrics.anomalies import anomalies
from .metrics.check import check
from .metrics.combine import combine
from .metrics.durations import durations
from .metrics.explode import explode_structured_output
from .metrics.spend import spend
from .metrics.summarize import summarize
from .metrics.tokens import tokens
from .metrics.top_tasks import top_tasks
from .metrics.waste import waste
from .parquet.files import export_parquet, load_parquet
from .plots.budget import plot_budget
from .plots.dashboard import plot_dashboard
from .plots.durations import plot_durations
from .plots.heatmap import plot_heatmap
from .plots.pareto import plot_pareto
from .plots.scatter import plot_credits_vs_tokens
from .plots.spend import plot_spend
from .plots.timeline import plot_timeline
from .plots.tokens import plot_tokens
from .plots.waste import plot_waste
from .provenance import SCHEMA_VERSION
from .reporting.page import report
from .sandbox import Faults, Sandbox, Stats
from .widget.lookup import TaskLookup

__all__ = [
    "SCHEMA_VERSION",
    "APIConnectionError",
    "APIError",
    "APIResponseValidationError",
    "APIStatusError",
    "APITimeoutError",
    "Archive",
    "ArchiveStatus",
    "ArchiveView",
    "ArgumentError",
    "AuthenticationError",
    "BadRequestError",
    "Client",
    "ConflictError",
    "Execution",
    "ExecutionPage",
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
    "Schedule",
    "ScheduleList",
    "SettingsError",
    "Stats",
    "SyncReport",
    "Task",
    "TaskIdError",
    "TaskLookup",
    "TaskWithTurns",
    "Turn",
    "UnprocessableEntityError",
    "Webhook",
    "Worker",
    "WorkerState",
    "anomalies",
    "budget_status",
    "check",
    "combine",
    "discover_task_ids",
    "durations",
    "explode_structured_output",
    "export_parquet",
    "fetch",
    "fetch_executions",
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
