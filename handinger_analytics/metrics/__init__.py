"""The numbers people ask for, on any engine.

Each function takes the turns frame of `handinger_analytics.fetch_turns`, or the same columns in pyarrow,
Polars, DuckDB or PySpark, and returns a small pandas DataFrame.
"""

from handinger_analytics.metrics.overview import summarize
from handinger_analytics.metrics.spending import spend

__all__ = ["spend", "summarize"]
