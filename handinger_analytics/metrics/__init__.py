"""The numbers people ask for, on any engine.

Each function takes the turns frame of `handinger_analytics.fetch_turns`, or the same columns in pyarrow,
Polars, DuckDB or PySpark, and returns a small pandas DataFrame.
"""

from handinger_analytics.metrics.anomalies import anomalies
from handinger_analytics.metrics.overview import summarize
from handinger_analytics.metrics.ranking import top_tasks
from handinger_analytics.metrics.reconcile import check
from handinger_analytics.metrics.spending import spend
from handinger_analytics.metrics.structured import explode_structured_output
from handinger_analytics.metrics.usage import durations, tokens
from handinger_analytics.metrics.wasted import waste

__all__ = [
    "anomalies",
    "check",
    "durations",
    "explode_structured_output",
    "spend",
    "summarize",
    "tokens",
    "top_tasks",
    "waste",
]
