"""Many task ids in, frames and failures out."""
