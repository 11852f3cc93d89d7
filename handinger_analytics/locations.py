"""Where things lie: paths and URIs, what is there, writing in one step, and what can go wrong."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.fs as pafs

from handinger_analytics.errors import FileError, HandingerError

Place = str | os.PathLike[str]
"""A path, or a URI that ``pyarrow.fs`` knows: ``s3://…``, ``gs://…``, ``file://…``."""


def located(place: Place) -> tuple[pafs.FileSystem, str]:
    """File system and the path within it.

    Raises
    ------
    FileError
        It is no URI that can be used.
    """
    text = os.fspath(place)
    if "://" in text:
        try:
            filesystem, within = pafs.FileSystem.from_uri(text)
        except (pa.ArrowInvalid, OSError) as error:
            raise FileError(f"{text!r} is not a URI that can be used: {error}") from None
        return filesystem, within
    return pafs.LocalFileSystem(), str(Path(text).expanduser().absolute())


@contextlib.contextmanager
def file_errors(verb: str, place: Place) -> Iterator[None]:
    """Turn what goes wrong with a file into a `FileError`."""
    try:
        yield
    except HandingerError:
        raise
    except FileNotFoundError as error:
        raise FileError(f"cannot {verb} {os.fspath(place)!r}: no such file or folder ({error})") from None
    except (OSError, pa.ArrowException) as error:
        raise FileError(f"cannot {verb} {os.fspath(place)!r}: {error}") from error


@contextlib.contextmanager
def replaced(filesystem: pafs.FileSystem, target: str) -> Iterator[pa.NativeFile]:
    """Open a stream whose content takes the place of a file when the block ends, all of it or nothing."""
    folder, _, name = target.rpartition("/")
    temporary = f"{folder}/.{name}.{uuid.uuid4().hex}.tmp"
    try:
        with filesystem.open_output_stream(temporary) as stream:
            yield stream
        fsync(filesystem, temporary)
        filesystem.move(temporary, target)
        fsync(filesystem, folder)
    except BaseException:
        with contextlib.suppress(OSError):
            filesystem.delete_file(temporary)
        raise


def fsync(filesystem: pafs.FileSystem, path: str) -> None:
    """Make a local file or folder survive a power cut.

    In a bucket the service does; on Windows nobody can open a folder to ask for it.
    """
    if isinstance(filesystem, pafs.LocalFileSystem) and os.name == "posix":
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
