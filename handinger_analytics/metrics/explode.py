"""Structured outputs as columns."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from handinger_analytics import provenance
from handinger_analytics.errors import FrameError
from handinger_analytics.metrics.engines import STARTED_MS, TEXT, Input, open_frame, to_pandas

_KEYS = ("task_id", "seq", "worker_id", "started_at")
_MOST_COLUMNS = 1000
_MOST_LEVELS = 32
_EXACT_IN_FLOAT = 2**53
_DIGITS = 20
"""Of the longest Int64, with its sign."""

_KINDS = {b'"': "text", b"{": "json", b"[": "json", b"t": "bool", b"f": "bool", b"n": "null"}
"""What a JSON value is, by its first byte; all others begin a number."""

_RAW = msgspec.json.Decoder(msgspec.Raw)
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_STRING = msgspec.json.Decoder(str)

Path = tuple[str, ...]
"""Keys from the outermost object to a value; empty for the whole output."""


def explode_structured_output(turns: Any, *, prefix: str = "out.") -> pd.DataFrame:
    r"""Spread structured outputs over columns, one row per turn.

    Every field of the outputs becomes a column, those of nested objects with a dot between the
    keys: ``out.revenue.amount``. Workers with outputs of other shapes have other columns; to see one
    worker's alone, give its turns alone.

    Parameters
    ----------
    turns : DataFrame
        Turns, one row each: pandas, pyarrow, Polars (eager or lazy), a DuckDB relation or PySpark.
    prefix : str
        What the new columns begin with.

    Returns
    -------
    pandas.DataFrame
        ``turn_id`` and, if the turns have them, ``task_id``, ``seq``, ``worker_id`` and ``started_at``
        (UTC); then one column per field, in the order in which they first occur. Turns without an
        output or without a field have a missing value there, as for a JSON null. By what a field
        holds in all turns:

        - whole numbers: Int64; with fractions among them: float64;
        - true and false: boolean; text: text;
        - lists: text, their JSON as it was sent; so are empty objects, objects in which a key is
          repeated and those more than 32 levels deep; an output with half a surrogate pair, or nested
          without end, stays whole;
        - anything mixed, and numbers that Int64 or float64 cannot hold: text, what is not text
          itself as its JSON.

        An output that is no object, or an empty one, is in a column named as the prefix without its dot
        (``out``; ``value`` if nothing remains). A key that is empty, has a dot in it or begins with a
        quotation mark stands in quotation marks, as in JSON: ``out."a.b"``.

        More than 1,000 columns would help nobody: then the object with most different keys, such as a
        map from ids, becomes one column of JSON text, and the next, until the columns fit.
        ``attrs["handinger"]["folded"]`` lists them.

    Raises
    ------
    FrameError
        Not a frame, a column missing, an output that is not JSON text, or a prefix that gives a
        new column the name of another.

    Examples
    --------
    >>> explode_structured_output(turns)["out.revenue.amount"].sum()  # doctest: +SKIP

    Columns of each worker alone:

    >>> {
    ...     worker: explode_structured_output(its) for worker, its in turns.groupby("worker_id")
    ... }  # doctest: +SKIP
    """
    source = open_frame(turns, ["turn_id", "structured_output"], optional=_KEYS)
    rows = _read(source)
    outputs = rows.pop("structured_output")
    fields = _fields(outputs, rows["turn_id"], folded=set())
    folded = _to_fold(fields)
    if folded:
        fields = _fields(outputs, rows["turn_id"], folded)
    names = {path: _name(path, prefix) for path in fields}
    _check_names([*rows.columns, *names.values()], prefix)
    columns = {names[path]: values.column(len(rows)) for path, values in fields.items()}
    result = pd.concat([rows, pd.DataFrame(columns, index=rows.index)], axis=1)
    said = {"folded": sorted(_name(path, prefix) for path in folded)} if folded else {}
    return provenance.attach(result, source.attrs, said)


@dataclass(slots=True)
class _Field:
    """The values of one field: the rows they are in, their JSON, and what kinds there are."""

    rows: list[int] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)
    kinds: set[str] = field(default_factory=set)

    def add(self, sent: bytes, kind: str, row: int) -> None:
        """Take in one value."""
        self.rows.append(row)
        self.sent.append(sent)
        self.kinds.add(kind)

    def column(self, length: int) -> pd.Series[Any]:
        """Return the values as a column with a missing value in every other row."""
        values: Any = None
        if self.kinds == {"int"}:
            values = _integers(self.sent)
        elif self.kinds and self.kinds <= {"int", "float"}:
            values = _floats(self.sent)
        elif self.kinds == {"bool"}:
            values = pd.array([one == b"true" for one in self.sent], dtype="boolean")
        if values is None:
            values = pd.array([_text(one) for one in self.sent], dtype=TEXT)
        return pd.Series(values, index=self.rows).reindex(range(length))


def _read(source: Input) -> pd.DataFrame:
    """Collect outputs and keys."""
    present = source.frame.collect_schema().names()
    # The session of an engine decides in which zone it hands over times; milliseconds have none.
    names = {"started_at": STARTED_MS}
    keys = ["turn_id", *(names.get(key, key) for key in _KEYS if key in present)]
    rows = to_pandas(source.frame.select(*keys, "structured_output"))
    if STARTED_MS in rows:
        rows[STARTED_MS] = pd.to_datetime(rows[STARTED_MS], unit="ms", utc=True).dt.as_unit("ms")
    return rows.rename(columns={STARTED_MS: "started_at"})


def _fields(outputs: pd.Series[Any], turn_ids: pd.Series[Any], folded: set[Path]) -> dict[Path, _Field]:
    """Take the outputs apart; objects at the paths of ``folded`` stay whole."""
    fields: defaultdict[Path, _Field] = defaultdict(_Field)
    for row, (output, turn_id) in enumerate(zip(outputs, turn_ids, strict=True)):
        if pd.isna(output):
            continue
        sent = output.strip(" \t\r\n").encode()
        if _can_be_taken_apart(sent, turn_id):
            _collect(sent, (), row, fields, folded)
        else:
            fields[()].add(sent, "json", row)
    return fields


def _can_be_taken_apart(sent: bytes, turn_id: str) -> bool:
    """Tell whether it is JSON that Arrow can hold in pieces; refuse what is no JSON at all."""
    try:
        _RAW.decode(sent)
    except (msgspec.DecodeError, RecursionError):
        try:
            json.loads(sent)  # knows half surrogate pairs
        except RecursionError:
            return False
        except ValueError as error:
            found = f"{error}; found {sent[:40].decode(errors='ignore')!r}"
            raise FrameError(f"turn {turn_id!r}: structured_output is not JSON text: {found}") from None
        return False
    return True


def _collect(sent: bytes, path: Path, row: int, fields: defaultdict[Path, _Field], folded: set[Path]) -> None:
    if sent.startswith(b"{") and path not in folded and len(path) < _MOST_LEVELS:
        members = _members(sent)
        for key, value in members.items():
            _collect(bytes(value), (*path, key), row, fields, folded)
        if members:
            return
    kind = _kind(sent)
    if kind == "null" and not path:
        return
    found = fields[path]
    if kind != "null":
        found.add(sent, kind, row)


def _members(sent: bytes) -> dict[str, msgspec.Raw]:
    """Members of an object; none if a key is repeated, as all but one would be lost."""
    members = _OBJECT.decode(sent)
    # Encoded anew it is as long as before only if nothing is gone; white space may be, too.
    if len(msgspec.json.encode(members)) != len(sent):
        try:
            pairs = json.loads(sent, object_pairs_hook=list)
        except RecursionError:
            return {}
        if len(pairs) != len(members):
            return {}
    return members


def _kind(sent: bytes) -> str:
    known = _KINDS.get(sent[:1])
    return known or ("int" if sent.lstrip(b"-").isdigit() else "float")


def _integers(sent: list[bytes]) -> Any:
    """Return an array of Int64, or None if one is too large."""
    if max(map(len, sent)) > _DIGITS:
        return None
    values = [int(one) for one in sent]
    if not -(2**63) <= min(values) <= max(values) < 2**63:
        return None
    return pd.array(values, dtype="Int64")


def _floats(sent: list[bytes]) -> Any:
    """Return an array of float64, or None if one is too large or would lose digits before the point."""
    whole = _integers([one for one in sent if _kind(one) == "int"] or [b"0"])
    values = np.array([float(one) for one in sent])
    if whole is None or max(abs(whole)) > _EXACT_IN_FLOAT or not np.isfinite(values).all():
        return None
    return values


def _text(sent: bytes) -> str:
    if sent.startswith(b'"'):
        return _STRING.decode(sent)
    return sent.decode()


def _to_fold(fields: Iterable[Path]) -> set[Path]:
    """Choose the objects to keep whole so that the columns fit."""
    paths, folded = set(fields), set()
    while len(paths) > _MOST_COLUMNS:
        parents = {path[:depth]: None for path in paths for depth in range(len(path))}
        keys = Counter(parent[:-1] for parent in parents if parent) + Counter(path[:-1] for path in paths)
        widest = max(keys, key=lambda path: (keys[path], path))
        paths = {widest if path[: len(widest)] == widest else path for path in paths}
        folded.add(widest)
    return folded


def _name(path: Path, prefix: str) -> str:
    if not path:
        return prefix.rstrip(".") or "value"
    plain = (bool(key) and "." not in key and not key.startswith('"') for key in path)
    keys = (
        key if fine else json.dumps(key, ensure_ascii=False) for key, fine in zip(path, plain, strict=True)
    )
    return prefix + ".".join(keys)


def _check_names(names: list[str], prefix: str) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise FrameError(
            f"prefix {prefix!r} gives two columns the name {twice[0]!r}; use another, such as 'out.'"
        )
