"""Paths and URIs: what is there, replacing files whole or not at all, and what can go wrong.

A file is written beside its target under a temporary name and renamed when it is complete, so that
readers see the old content or the new, and an error leaves the old one. A folder takes two renames.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.fs as pafs

from handinger_analytics.errors import FileError, HandingerError

Place = str | os.PathLike[str]
"""A path, or a URI that ``pyarrow.fs`` knows: ``s3://…``, ``gs://…``, ``file://…``."""


def located(place: Place) -> tuple[pafs.FileSystem, str]:
    """Return the file system of a place and the path within it.

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
    return pafs.LocalFileSystem(), str(Path(os.path.expanduser(text)).absolute())


@contextlib.contextmanager
def file_errors(verb: str, place: Place) -> Iterator[None]:
    """Turn errors of the file system and of Arrow into a `FileError` that names the place."""
    try:
        yield
    except HandingerError:
        raise
    except FileNotFoundError as error:
        advice = "" if verb == "read" else "; make its folder first"
        what = f"cannot {verb} {os.fspath(place)!r}: no such file or folder"
        raise FileError(f"{what} ({error}){advice}") from None
    except (OSError, pa.ArrowException) as error:
        raise FileError(f"cannot {verb} {os.fspath(place)!r}: {error}") from error


@contextlib.contextmanager
def replaced(filesystem: pafs.FileSystem, target: str) -> Iterator[pa.NativeFile]:
    """Open a stream whose content replaces a file when the block ends without an error."""
    temporary = _beside(target)
    try:
        with filesystem.open_output_stream(temporary) as stream:
            yield stream
        fsync(filesystem, temporary)
        filesystem.move(temporary, target)
        fsync(filesystem, os.path.dirname(target))
    except BaseException:
        with contextlib.suppress(OSError):
            filesystem.delete_file(temporary)
        raise


@contextlib.contextmanager
def replaced_folder(filesystem: pafs.FileSystem, target: str) -> Iterator[str]:
    """Yield the path to write a folder to, which replaces another when the block ends without an error.

    Buckets cannot rename folders: there it is the target itself.
    """
    if not isinstance(filesystem, pafs.LocalFileSystem):
        yield target
        return
    temporary, old = _beside(target), _beside(target)
    try:
        yield temporary
        if os.path.exists(target):
            os.rename(target, old)
        try:
            os.rename(temporary, target)
        except OSError:
            if os.path.exists(old):
                os.rename(old, target)
            raise
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _beside(target: str) -> str:
    """Return a temporary name in the same folder, which readers of datasets overlook."""
    folder, _, name = target.rpartition("/")
    return f"{folder}/.{name}.{uuid.uuid4().hex}.tmp"


def fsync(filesystem: pafs.FileSystem, *paths: str) -> None:
    """Make local files or folders survive a power cut.

    In a bucket the service does; on Windows nobody can open a folder to ask for it.
    """
    if isinstance(filesystem, pafs.SubTreeFileSystem):
        filesystem, paths = filesystem.base_fs, tuple(filesystem.base_path + path for path in paths)
    if isinstance(filesystem, pafs.LocalFileSystem) and os.name == "posix":
        for path in paths:
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
