"""Where files lie, and what can go wrong there."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.fs as pafs

from handinger_analytics.errors import FileError, FrameError


def located(path: str | os.PathLike[str]) -> tuple[pafs.FileSystem, str]:
    """File system and the path within it."""
    text = os.fspath(path)
    if "://" in text:
        try:
            filesystem, within = pafs.FileSystem.from_uri(text)
        except (pa.ArrowInvalid, OSError) as error:
            raise FileError(f"{text!r} is not a URI that can be used: {error}") from None
        return filesystem, within
    return pafs.LocalFileSystem(), str(Path(text).expanduser().absolute())


@contextlib.contextmanager
def file_errors(verb: str, path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn what goes wrong with a file into a `FileError`."""
    try:
        yield
    except (FileError, FrameError):
        raise
    except FileNotFoundError as error:
        raise FileError(f"cannot {verb} {os.fspath(path)!r}: no such file or folder ({error})") from None
    except (OSError, pa.ArrowException) as error:
        raise FileError(f"cannot {verb} {os.fspath(path)!r}: {error}") from error


def sync(filesystem: pafs.FileSystem, path: str) -> None:
    """Make a local file or folder survive a power cut; elsewhere the service does, on Windows nobody can."""
    if isinstance(filesystem, pafs.LocalFileSystem) and os.name == "posix":
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
