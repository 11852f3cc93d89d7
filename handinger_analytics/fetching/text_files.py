"""Files as people have them: compressed or not, text in UTF-8, in UTF-16, or as Windows writes it."""

from __future__ import annotations

import codecs
import contextlib
import gzip
import io
import zlib
from collections.abc import Iterator
from typing import cast

import pyarrow.fs as pafs

from handinger_analytics.errors import FileError
from handinger_analytics.locations import Place, file_errors, located


@contextlib.contextmanager
def opened(place: Place) -> Iterator[io.BufferedReader]:
    """Open a file at a path or URI; one whose name ends in ``.gz`` is read decompressed.

    Raises
    ------
    FileError
        It cannot be read, now or in the block.

    Examples
    --------
    >>> from pathlib import Path
    >>> _ = Path("ids.txt").write_text("tsk_1")
    >>> with opened("ids.txt") as stream:
    ...     stream.read()
    b'tsk_1'
    """
    with file_errors("read", place):
        filesystem, within = located(place)
        local = isinstance(filesystem, pafs.LocalFileSystem)
        with open(within, "rb") if local else filesystem.open_input_file(within) as raw:
            packed = within.lower().endswith(".gz")
            buffered = gzip.GzipFile(fileobj=raw) if packed else raw if local else io.BufferedReader(raw)
            try:
                yield cast(io.BufferedReader, buffered)  # GzipFile has its methods
            except (EOFError, zlib.error) as error:
                raise OSError(f"it is not what gzip wrote ({error})") from None


def encoding_of(start: bytes) -> str:
    r"""Return the encoding that the first bytes of a text tell, UTF-8 where they tell none.

    Examples
    --------
    >>> encoding_of("tsk_1".encode("utf-16")), encoding_of(b"tsk_1")
    ('utf-16', 'utf-8-sig')
    """
    return "utf-16" if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"


def text_of(data: bytes) -> str:
    r"""Return the text that bytes are.

    Raises
    ------
    FileError
        If they are none.

    Examples
    --------
    >>> text_of("é".encode("utf-16")), text_of("é".encode()), text_of("é".encode("cp1252"))
    ('é', 'é', 'é')
    """
    for encoding in (encoding_of(data), "cp1252"):
        with contextlib.suppress(UnicodeDecodeError):
            text = data.decode(encoding)
            if "\0" not in text:
                return text
    raise FileError("expected text in UTF-8, UTF-16 or Windows-1252, found other bytes")
