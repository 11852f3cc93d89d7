"""Frames as Parquet: one file, or a partitioned dataset; local or in a bucket."""

from handinger_analytics.parquet.files import export_parquet, load_parquet

__all__ = ["export_parquet", "load_parquet"]
