"""What to do about an error of the storage, told from the words of deltalake, Arrow and the system."""

from __future__ import annotations

import re
from typing import Literal

_BACKTRACE = re.compile(r"\s+0: <unknown>.*", re.DOTALL)
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
        "a file of this state is gone, perhaps by a vacuum: read a later state; if it is the latest, take "
        "the file out with DeltaTable(…).repair() of deltalake, then sync with refresh='all'",
    ),
    (
        "error sending request|[Cc]onnect|timed out|dns error",
        "the storage cannot be reached: check the address, the network and storage_options",
    ),
    (
        "Kernel error.*(?:log segment|checkpoint|[Jj]son|EOF|[Pp]arquet)",
        "the log of one of its tables is damaged: move that table's folder away, and sync makes it again",
    ),
)
_OTHERWISE = "see the message of the storage"


def without_backtrace(text: str) -> str:
    """Return the words of an error alone; deltalake puts an arrow before the cause of one."""
    return _BACKTRACE.sub("", text.replace("↳", " "))


def hint_for(text: str, verb: Literal["read", "write"], conflict: bool) -> str:
    """Say what to try after an error with this text; ``conflict`` is that others committed first."""
    otherwise = "other processes write to it all the time; try again later" if conflict else _OTHERWISE
    hint = next((hint for pattern, hint in _HINTS if re.search(pattern, text)), otherwise)
    return hint.format(done="read" if verb == "read" else "written")
