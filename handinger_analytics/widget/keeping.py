"""What was looked up, as files under a name a person gave."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from handinger_analytics.errors import FileError
from handinger_analytics.parquet import export_parquet

_SUFFIX = ".parquet"


def file_names(name: str) -> tuple[str, str]:
    """Files for the turns and for the tasks.

    Raises
    ------
    FileError
        Without a name.

    Examples
    --------
    >>> file_names("week 20"), file_names("~/may.parquet")
    (('week 20.parquet', 'week 20-tasks.parquet'), ('~/may.parquet', '~/may-tasks.parquet'))
    """
    stem = name.strip().removesuffix(_SUFFIX)
    if not stem:
        raise FileError("no file name: type one, such as turns.parquet")
    return f"{stem}{_SUFFIX}", f"{stem}-tasks{_SUFFIX}"


def existing(names: tuple[str, ...]) -> list[str]:
    """Those of the files that are on this machine already."""
    return [name for name in names if Path(name).expanduser().exists()]


def save(names: tuple[str, str], tasks: pd.DataFrame, turns: pd.DataFrame) -> None:
    """Write both frames with `export_parquet`.

    Raises
    ------
    FileError
        If a file cannot be written.
    """
    for name, frame in zip(names, (turns, tasks), strict=True):
        export_parquet(frame, name)
