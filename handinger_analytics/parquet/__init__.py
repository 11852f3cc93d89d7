"""Frames as Parquet: one file, or a partitioned dataset; local or in a bucket."""
