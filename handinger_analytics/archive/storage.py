"""Where an archive lives: opening, making and changing its tables, and what can go wrong with that."""

from __future__ import annotations

import contextlib
import functools
import os
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pyarrow as pa
import pyarrow.fs as pafs

from handinger_analytics import provenance
from handinger_analytics.archive.layout import LAYOUTS, STATISTICS, Layout
from handinger_analytics.errors import FileError, SettingsError
from handinger_analytics.provenance import SCHEMA_VERSION

if TYPE_CHECKING:
    from deltalake import CommitProperties, DeltaTable

T = TypeVar("T")

_SCHEMA_KEY = f"{provenance.KEY}.schema"
_FILE_SIZE = 32 * 2**20  # for other tools that compact: a merge holds the files it changes in memory
_CHECKPOINT_EVERY = 10  # opening a table reads the commits since the last checkpoint
_CONFLICTS = 30
_LONGEST_PAUSE = 2.0
_CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|[\x00-\x1f\x7f-\x9f↳]")
_UNUSABLE = re.compile(r"%[0-9A-Fa-f]{2}|[][|^\\\x00-\x1f\x7f\ud800-\udfff]")  # deltalake misreads or crashes
_SECRET = re.compile("key|secret|token|password|sas|credential", re.IGNORECASE)
_HINTS = (
    ("os error 28|No space left|StorageFull", "the disk is full: free some space and sync again"),
    ("os error 122|Disk quota", "the quota is used up: free some space and sync again"),
    ("os error 27|File too large", "a file may not grow that large here: raise the limit (ulimit -f)"),
    (
        "os error (?:30|13|1)\\)|ReadOnlyFilesystem|Read-only|[Pp]ermission ?[Dd]enied",
        "it cannot be {done}: check who owns it, and that it is not mounted read-only",
    ),
    (
        "status: 40[13]|AccessDenied|Forbidden|Unauthorized|InvalidAccessKey|SignatureDoesNotMatch",
        "the storage refuses these credentials: check storage_options",
    ),
    ("Unknown scheme", "this kind of address is not known: give a folder, s3://, gs:// or abfss://"),
    ("NoSuchBucket|ContainerNotFound", "there is no such bucket: check the address"),
    (
        r"errno 2\]|os error 2\)|No such file",
        "a file of this state is gone, perhaps by a vacuum: read a later state",
    ),
    (
        "error sending request|[Cc]onnect|timed out|dns error",
        "the storage cannot be reached: check the address, the network and storage_options",
    ),
)


@dataclass(frozen=True)
class Storage:
    """A folder, or a prefix in a bucket, that holds the tables of an archive.

    Attributes
    ----------
    uri : str
        Folder, or ``s3://…``, ``gs://…``, ``abfss://…``.
    options : mapping of str to str
        Credentials and settings of the bucket, as ``deltalake`` takes them; in no repr.
    """

    uri: str
    options: Mapping[str, str] = field(default_factory=dict, repr=False)

    def exists(self) -> bool:
        """Whether an archive is there."""
        deltalake = _deltalake()
        with self.errors("read"):
            return bool(deltalake.DeltaTable.is_deltatable(self._uri(LAYOUTS[-1]), self._options))

    def create(self) -> None:
        """Make the tables that are not there yet."""
        deltalake = _deltalake()
        with self.errors("write"):
            for layout in LAYOUTS:
                if not deltalake.DeltaTable.is_deltatable(self._uri(layout), self._options):
                    committed(functools.partial(self._create, layout))

    def _create(self, layout: Layout) -> None:
        # "ignore", because another process may have made the table in the meantime.
        _deltalake().DeltaTable.create(
            self._uri(layout),
            schema=layout.schema,
            mode="ignore",
            partition_by=layout.partition_by,
            name=f"handinger {layout.name}",
            configuration={
                _SCHEMA_KEY: str(SCHEMA_VERSION),
                "delta.targetFileSize": str(_FILE_SIZE),
                "delta.deletedFileRetentionDuration": "interval 30 days",  # as long as the log
                "delta.checkpointInterval": str(_CHECKPOINT_EVERY),
                "delta.dataSkippingStatsColumns": ",".join(STATISTICS[layout.name]),
            },
            raise_if_key_not_exists=False,
            storage_options=self._options,
        )

    def open(self, layout: Layout, version: int | None = None) -> DeltaTable:
        """Open a table, the latest version of it by default.

        Raises
        ------
        FileError
            If it is not there, or its columns are of another version of this package.
        """
        deltalake = _deltalake()
        with self.errors("read"):
            try:
                table: DeltaTable = deltalake.DeltaTable(
                    self._uri(layout), version=version, storage_options=self._options
                )
            except deltalake.exceptions.TableNotFoundError as error:
                raise FileError(
                    f"there is no archive at {self.uri!r} ({_one_line(str(error))}); "
                    "Archive(…).sync(task_ids) makes one"
                ) from None
        self._check_schema(table)
        return table

    @contextlib.contextmanager
    def errors(self, verb: str) -> Iterator[None]:
        """Turn what goes wrong with the storage into a `FileError` that says what to try."""
        deltalake = _deltalake()
        try:
            yield
        except FileError:
            raise
        except deltalake.exceptions.CommitFailedError as error:
            self._raise(verb, error, "other processes write to it all the time; try again later")
        except (deltalake.exceptions.DeltaError, OSError, pa.ArrowException) as error:
            self._raise(verb, error, "see the message of the storage")

    def _raise(self, verb: str, error: Exception, fallback: str) -> None:
        text = _one_line(str(error))
        for name, value in self.options.items():
            if _SECRET.search(name) and value:
                text = text.replace(value, "***")
        hint = next((hint for pattern, hint in _HINTS if re.search(pattern, text)), fallback)
        done, unchanged = (
            ("read", "") if verb == "read" else ("written", " What was in the archive is as it was.")
        )
        hint = hint.format(done=done)
        raise FileError(f"cannot {verb} the archive {self.uri!r}: {hint}.{unchanged} ({text})") from None

    def _uri(self, layout: Layout) -> str:
        return f"{self.uri.rstrip('/')}/{layout.name}"

    @property
    def _options(self) -> dict[str, str] | None:
        return dict(self.options) or None

    def _check_schema(self, table: DeltaTable) -> None:
        found = table.metadata().configuration.get(_SCHEMA_KEY)
        if found == str(SCHEMA_VERSION):
            return
        if found is None or not found.isdecimal():
            raise FileError(
                f"{self.uri!r} holds Delta tables that this package did not write; choose another folder"
            )
        if int(found) > SCHEMA_VERSION:
            raise FileError(
                f"the archive {self.uri!r} has columns of version {found}, this package knows "
                f"{SCHEMA_VERSION}: upgrade handinger-analytics"
            )
        raise FileError(
            f"the archive {self.uri!r} has columns of version {found}, this package writes {SCHEMA_VERSION}: "
            "sync its ids into a new folder, and keep the old one until that is complete"
        )


def location(uri: str | os.PathLike[str], options: Mapping[str, str] | None) -> Storage:
    """Read what a user gave as the place of an archive."""
    text = os.fspath(uri) if isinstance(uri, str | os.PathLike) else None
    if not isinstance(text, str) or not text.strip():
        raise FileError(f"uri is {uri!r}: expected a folder, or an address such as s3://bucket/prefix")
    if text.startswith("file://"):
        text = url2pathname(urlsplit(text).path)
    if "://" not in text:
        text = os.path.abspath(os.path.expanduser(text))
        if found := _UNUSABLE.search(text):
            raise FileError(
                f"deltalake cannot use a path with {found[0]!r} in it: choose another than {text!r}"
            )
    return Storage(text, _checked_options(options))


def _checked_options(options: Mapping[str, str] | None) -> dict[str, str]:
    expected = "expected a mapping of str to str, as deltalake takes them"
    if not isinstance(options, Mapping | None):
        raise SettingsError(f"storage_options is of type {type(options).__name__}: {expected}")
    for name, value in (options or {}).items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise SettingsError(f"storage_options[{name!r}] is of type {type(value).__name__}: {expected}")
    return dict(options or {})


def committed(change: Callable[[], T]) -> T:
    """Make a change, again while other writers are faster.

    ``change`` reads the table anew, so that each attempt builds on what the others wrote. Pauses grow
    exponentially with full jitter (Brooker, *Exponential Backoff and Jitter*, 2015).
    """
    conflict = conflict_error()
    for attempt in range(_CONFLICTS):
        try:
            return change()
        except conflict:
            if attempt == _CONFLICTS - 1:
                raise
        time.sleep(random.uniform(0, min(_LONGEST_PAUSE, 0.05 * 2**attempt)))
    raise AssertionError  # not reached: the last attempt returns or raises


def conflict_error() -> type[Exception]:
    """Class of what deltalake raises where another writer was faster."""
    error: type[Exception] = _deltalake().exceptions.CommitFailedError
    return error


def filesystem(table: DeltaTable) -> pafs.FileSystem:
    """Files of a table, the log among them."""
    if table.table_uri.startswith("file://"):
        # Without Python in between, which would wait for its turn among the threads that fetch.
        local, folder = pafs.FileSystem.from_uri(table.table_uri)
        return pafs.SubTreeFileSystem(folder, local)
    from deltalake.fs import DeltaStorageHandler

    return pafs.PyFileSystem(DeltaStorageHandler(table.table_uri, table._storage_options))


def commit_properties(metadata: Mapping[str, Any] | None = None) -> CommitProperties:
    """Properties of a commit that fails where another one came first, and of what it carries."""
    custom = {provenance.KEY: dict(metadata)} if metadata is not None else None
    properties: CommitProperties = _deltalake().CommitProperties(custom, max_commit_retries=0)
    return properties


def _deltalake() -> Any:
    try:
        import deltalake
        import deltalake.exceptions
    except ImportError:
        raise FileError("an archive needs deltalake: pip install 'handinger-analytics[archive]'") from None
    return deltalake


def _one_line(text: str) -> str:
    return " ".join(_CONTROL.sub(" ", text).split())[:500]
