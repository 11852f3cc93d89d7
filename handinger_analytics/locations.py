"""Paths and URIs: what is there, replacing files whole or not at all, and what can go wrong.

A file is written beside its target under a temporary name and renamed when it is complete, so that
readers see the old content or the new, and an error leaves the old one. A folder takes two renames.
The target of a symbolic link is replaced, not the link. What is replaced keeps its permissions, and its
owner where we may set it. Pipes and devices are written to.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.fs as pafs

from handinger_analytics.errors import ArgumentError, FileError, HandingerError
from handinger_analytics.text import masked

Place = str | os.PathLike[str]
"""A path, or a URI that ``pyarrow.fs`` knows: ``s3://…``, ``gs://…``, ``file://…``."""


_DESCRIPTOR = re.compile(r"(?:/dev|/proc/self)/(?:fd/(\d{1,9})|std(?:out|(err)))")


def place_text(place: Place, argument: str = "path") -> str:
    """Return a place as text.

    Raises
    ------
    ArgumentError
        It is neither text nor a path.
    FileError
        It is empty, holds NUL, or is not UTF-8, which Arrow asks of all names.

    Examples
    --------
    >>> place_text("")
    Traceback (most recent call last):
    handinger_analytics.errors.FileError: path: expected a path or URI in UTF-8, without NUL, found ''
    """
    text = os.fspath(place) if isinstance(place, str | os.PathLike) else None
    if not isinstance(text, str):
        raise ArgumentError.unexpected(argument, "a path or URI", place)
    if not text or re.search("[\0\ud800-\udfff]", text):
        expected = "a path or URI in UTF-8, without NUL"
        raise FileError(str(ArgumentError.unexpected(argument, expected, masked(text))))
    return text


def shown_place(place: Place) -> str:
    """Return a place as messages show it: an address without user name, password and query.

    Examples
    --------
    >>> shown_place("s3://KEY:SECRET@bucket/turns"), shown_place("ids.csv")
    ('s3://***@bucket/turns', 'ids.csv')
    """
    text = os.fspath(place)
    return masked(text, text)


def located(place: Place, argument: str = "path") -> tuple[pafs.FileSystem, str]:
    """Return the file system of a place and the path within it.

    Raises
    ------
    ArgumentError
        It is neither text nor a path.
    FileError
        As for `place_text`, or it is no URI that can be used.
    """
    text = place_text(place, argument)
    if "://" in text:
        try:
            filesystem, within = pafs.FileSystem.from_uri(text)
        except (pa.ArrowException, OSError) as error:
            found = f"{shown_place(text)!r} is not a URI that can be used"
            raise FileError(f"{found}: {masked(error, text)}") from None
        if not within or "\0" in within:
            raise FileError(
                f"{shown_place(text)!r} is not a URI that can be used: it names no file or folder"
            )
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
        what = f"cannot {verb} {shown_place(place)!r}: no such file or folder"
        raise FileError(f"{what} ({masked(error, os.fspath(place))}){advice}") from None
    except (OSError, UnicodeError, pa.ArrowException) as error:
        reason = masked(error, os.fspath(place))
        raise FileError(f"cannot {verb} {shown_place(place)!r}: {reason}") from None


@contextlib.contextmanager
def written(place: Place, verb: str = "write") -> Iterator[IO[bytes]]:
    """Open a stream whose content is at a place when the block ends without an error.

    A pipe or device gets the content as it is written.

    Parameters
    ----------
    place : str or path
        A path or URI of a file, which is replaced if it is there, of a pipe or of a device.
    verb : str
        What is done, as in ``cannot write 'report.html'``.

    Raises
    ------
    ArgumentError
        The place is neither text nor a path.
    FileError
        It cannot be written; a file that was there is as it was.

    Examples
    --------
    >>> with written("note.txt") as stream:
    ...     stream.write(b"42 credits")
    10
    """
    filesystem, target = located(place)
    with file_errors(verb, place):
        local = isinstance(filesystem, pafs.LocalFileSystem)
        with _local_output(target) if local else _replaced_object(filesystem, target) as stream:
            yield stream


def _local_output(target: str) -> contextlib.AbstractContextManager[IO[bytes]]:
    if descriptor := _DESCRIPTOR.fullmatch(target):
        # Opening it by name would truncate a file that the shell appends to, and fails for a socket.
        number, is_stderr = descriptor.groups()
        return open(os.dup(int(number or (2 if is_stderr else 1))), "wb")
    try:
        mode = os.stat(target).st_mode
    except FileNotFoundError:
        return _replaced_file(os.path.realpath(target))
    if stat.S_ISREG(mode):
        return _replaced_file(os.path.realpath(target))
    if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode):
        return open(os.open(target, os.O_WRONLY), "wb")
    raise OSError("there is a folder, socket or block device of that name; choose another")


@contextlib.contextmanager
def _replaced_file(target: str) -> Iterator[IO[bytes]]:
    old = os.path.exists(target)
    if old:
        os.close(os.open(target, os.O_WRONLY))  # a file that may not be written is not replaced either
    temporary = _beside(target)
    try:
        # Nobody reads the new content before they may: the mode of the old file comes before it.
        with open(temporary, "xb", opener=_private if old else None) as stream:
            if old:
                _take_over(target, temporary)
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, target)
        fsync(pafs.LocalFileSystem(), os.path.dirname(target))
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


@contextlib.contextmanager
def _replaced_object(filesystem: pafs.FileSystem, target: str) -> Iterator[IO[bytes]]:
    temporary = _beside(target)
    try:
        with filesystem.open_output_stream(temporary) as stream:
            yield stream
        filesystem.move(temporary, target)
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
    target = os.path.realpath(target)
    temporary, old = _beside(target), _beside(target)
    try:
        if os.path.exists(target):
            os.mkdir(temporary, 0o700)
            _take_over(target, temporary)
        else:
            os.makedirs(temporary)
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
    """Return a temporary name in the same folder, short and such that readers of datasets overlook it."""
    return f"{os.path.dirname(target)}/.{uuid.uuid4().hex}.tmp"


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _take_over(target: str, temporary: str) -> None:
    """Give what replaces a file or folder its permissions, and its owner and group where we may."""
    shutil.copystat(target, temporary)
    os.utime(temporary)
    if hasattr(os, "chown"):
        old = os.stat(target)
        try:
            os.chown(temporary, -1, old.st_gid)
        except OSError:  # what the old group may do is not for another group
            os.chmod(temporary, stat.S_IMODE(old.st_mode) & ~stat.S_IRWXG)
        with contextlib.suppress(OSError):
            os.chown(temporary, old.st_uid, -1)


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
