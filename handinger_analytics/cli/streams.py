"""stdout and stderr of a command: what is wrong with them does not end its work."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO, cast


class Stream:
    """A text stream that takes everything: what it cannot encode is replaced, what nobody takes is dropped.

    Attributes
    ----------
    error : OSError or None
        Why text was dropped.
    """

    buffer = None  # click would write to it past `write`

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.error: OSError | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write text and flush it, as far as that can be done."""
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        try:
            self._stream.write(text.encode(encoding, "replace").decode(encoding))
            self._stream.flush()
        except OSError as error:
            self.error = error
            # What is still buffered is flushed when the interpreter ends, and would fail again.
            with contextlib.suppress(OSError, AttributeError), open(os.devnull, "wb") as nowhere:
                os.dup2(nowhere.fileno(), self._stream.fileno())
        return len(text)

    def flush(self) -> None:
        """Have nothing to do: `write` has flushed."""


@contextlib.contextmanager
def lasting_streams() -> Iterator[Stream | None]:
    """Let stdout and stderr take everything in the block; yields stdout, None if the process has none."""
    before = sys.stdout, sys.stderr
    output, errors = (None if stream is None else Stream(stream) for stream in before)
    sys.stdout, sys.stderr = cast(TextIO, output), cast(TextIO, errors)
    try:
        yield output
    finally:
        sys.stdout, sys.stderr = before
