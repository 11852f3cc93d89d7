"""The numbers people ask for, on any engine.

Each function has a module of its own, named as it. It takes the turns frame of
`handinger_analytics.fetch_turns`, or the same columns in pyarrow, Polars, DuckDB or PySpark, and returns
a small pandas DataFrame.
"""
