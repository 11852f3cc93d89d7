"""The folder that `fetch --out` writes: what is there, and what may take its place."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

import click
import pandas as pd

from handinger_analytics.errors import ArgumentError, FileError, FrameError
from handinger_analytics.fetching.result import FetchResult
from handinger_analytics.locations import file_errors
from handinger_analytics.parquet.files import export_parquet, load_parquet
from handinger_analytics.text import count

CHART = "spend.png"
_TURNS, _TASKS, _FAILURES = "turns.parquet", "tasks.parquet", "failures.parquet"


class FetchFolder:
    """Tables of a fetch and their chart, which are not replaced by less.

    Parameters
    ----------
    path : Path
        The folder; it is made when there is something to write.
    asked : int
        How many tasks are to be fetched.
    overwrite : bool
        Replace what is there by less, too, and what cannot be read.

    Raises
    ------
    ArgumentError
        If there are more tasks than are asked for.
    FileError
        If the folder cannot be made or written to, or what is there cannot be read.
    """

    def __init__(self, path: Path, asked: int, *, overwrite: bool) -> None:
        self.path = path
        self._partial = path / "partial"
        _check_writable(path)
        self._task_ids, self._whole = (set[str](), set[str]()) if overwrite else _kept_in(path)
        if asked < len(self._task_ids):
            expected = f"a folder with no more tasks than the {asked:,} asked for"
            raise ArgumentError.unexpected("out", expected, len(self._task_ids), "--overwrite replaces them")

    def keep(self, result: FetchResult, *, text: bool) -> Path | None:
        """Write the tables of a fetch.

        Where tasks that are there did not come this time, those that came go to ``partial``. What an
        earlier fetch left of that, and its failures, are deleted once nothing is missing.

        Returns
        -------
        Path or None
            Where the tables are; None if no task came and nothing was written.

        Raises
        ------
        FileError
            If a table cannot be written.
        """
        if not (result.complete or len(result.tasks)):
            click.echo(f"{self.path}: nothing is written, since no task came", err=True)
            return None
        folder = self.path
        if not result.complete and (lost := self._whole - _whole(result.tasks, result.failures)):
            folder = self._partial
            missing = f"{len(lost):,} of its {count(len(self._task_ids), 'task')} not fetched"
            click.echo(f"{self.path}: {missing}, so its files stay; what came is in {folder}", err=True)
        with file_errors("make the folder", folder):
            folder.mkdir(parents=True, exist_ok=True)
        tables = {_TURNS: result.turns, _TASKS: result.tasks}
        if len(result.failures):
            tables[_FAILURES] = result.failures
        for name, frame in tables.items():
            export_parquet(frame, folder / name, text=text or name == _FAILURES)  # whose texts are ours
            click.echo(f"{folder / name}: {count(len(frame), 'row')}", err=True)
        if _FAILURES not in tables:
            _delete(folder / _FAILURES)
        if result.complete:
            _delete(*(self._partial / name for name in (_TURNS, _TASKS, _FAILURES, CHART)))
            with contextlib.suppress(OSError):  # it is not there, or has files that are not ours
                self._partial.rmdir()
        return folder


def _check_writable(path: Path) -> None:
    """Find out by doing it, and leave nothing behind: what the file system says of it may be wrong."""
    with file_errors("write to", path):
        made = [folder for folder in (path, *path.parents) if not folder.exists()]
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    with contextlib.suppress(OSError):  # somebody else has put something there meanwhile
        for folder in made:
            folder.rmdir()


def _kept_in(path: Path) -> tuple[set[str], set[str]]:
    """Return the ids of the tasks in a folder, and of those that have their turns."""
    table = next((path / name for name in (_TASKS, _TURNS) if (path / name).exists()), None)
    if table is None:
        return set(), set()
    try:
        tasks = load_parquet(table, columns="task_id")
        failures = path / _FAILURES
        failed = load_parquet(failures, columns="task_id") if failures.exists() else tasks.head(0)
    except (FileError, FrameError) as error:
        raise FileError(f"{error}; --overwrite replaces it") from None
    return set(tasks["task_id"]), _whole(tasks, failed)


def _whole(tasks: pd.DataFrame, failures: pd.DataFrame) -> set[str]:
    """Ids of the tasks that have their turns: of one without, the failure is known."""
    return set(tasks["task_id"]).difference(failures["task_id"])


def _delete(*files: Path) -> None:
    for file in files:
        with file_errors("delete", file):
            file.unlink(missing_ok=True)
