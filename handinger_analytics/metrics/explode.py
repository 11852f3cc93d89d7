"""Structured outputs, and other JSON of a column, as columns."""

from __future__ import annotations

import contextlib
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import msgspec
import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from handinger_analytics import provenance
from handinger_analytics.errors import ArgumentError, FrameError
from handinger_analytics.metrics.engines import STARTED_MS, STRING, OpenFrame, collect, open_frame, utc_times
from handinger_analytics.tables.frames import json_text
from handinger_analytics.text import message_text

_KEYS = ("turn_id", "task_id", "seq", "worker_id", "started_at")
_MOST_COLUMNS = 1000
_MOST_LEVELS = 32
_EXACT_IN_FLOAT = 2**53
_DIGITS = 20
"""Of the longest Int64, with its sign."""

_KINDS = {b'"': "text", b"{": "json", b"[": "json", b"t": "bool", b"f": "bool"}
"""What a JSON value is, by its first byte; all others begin a number."""

_RAW = msgspec.json.Decoder(msgspec.Raw)
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_STRING = msgspec.json.Decoder(str)

Path = tuple[str, ...]
"""Keys from the outermost object to a value; empty for the whole output."""

Fields = defaultdict[Path, dict[int, bytes]]
"""JSON of the values of each field, by row."""


def explode_structured_output(
    turns: Any, *, column: str = "structured_output", prefix: str = "out."
) -> pd.DataFrame:
    r"""Spread structured outputs over columns, one row per turn.

    Every field of the outputs becomes a column, those of nested objects with a dot between the
    keys: ``out.revenue.amount``. Workers with outputs of other shapes have other columns; to see one
    worker's alone, give its turns alone.

    Parameters
    ----------
    turns : DataFrame
        Turns, one row each, or tasks: pandas, pyarrow, Polars (eager or lazy), a DuckDB relation or PySpark.
    column : str
        The column to spread, such as ``extra``. It holds JSON text, or lists and dicts; None, NaN and NA
        are missing.
    prefix : str
        What the new columns begin with. An empty one lets a field pass for a column of turns or tasks.

    Returns
    -------
    pandas.DataFrame
        ``turn_id``, ``task_id``, ``seq``, ``worker_id`` and ``started_at`` (UTC), those that are
        there; then one column per field, in the order in which they first occur. Turns without an
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

        More than 1,000 columns would help nobody. Then objects stay whole, each in one column of JSON
        text, until the columns fit. Of the objects that are enough alone, the one with the fewest
        values is taken, such as a map from ids; so the whole output is the last resort. Where several
        objects within it are enough, and each has at least as many keys as there are of them, they
        are taken instead. ``attrs["handinger"]["folded"]`` lists what stays whole.

    Raises
    ------
    ArgumentError
        A prefix that gives a new column the name of another, or a ``column`` that is no name.
    FrameError
        Not a frame, a column missing, or a value that is not JSON; the message names its turn.

    Examples
    --------
    >>> outputs = ha.explode_structured_output(turns)
    >>> outputs["out.revenue.amount"].describe().round(2)
    count       67.00
    mean      8750.09
    std       3192.98
    min       3476.10
    25%       6339.65
    50%       8398.37
    75%      10522.14
    max      18895.22
    Name: out.revenue.amount, dtype: float64

    Columns of each worker alone:

    >>> for worker, rows in turns.groupby("worker_id"):
    ...     print(worker, *list(ha.explode_structured_output(rows).filter(like="out."))[:3])
    t_org_123_w_D5C47F63555AE063383C2A0DF8 out.lines out.total_lines out.codes
    wrk_8Vo8zGRVLK1ZBg out.category out.priority out.sentiment
    wrk_INnTYUaCt-FccQ out.place out.revenue.amount out.revenue.currency
    wrk_P9vBKzPC6YSTWw out.intent out.reply
    wrk_ZHRJ6UGUl3ZQig
    wrk_dXstm_gNS5PbYQ
    """
    if not isinstance(column, str):
        raise ArgumentError.unexpected("column", "the name of a column", column)
    source = open_frame(turns, [column], optional=_KEYS)
    rows, outputs = _collected(source, column)
    fields = _fields(outputs, rows, column, folded=set())
    folded = _to_fold(fields)
    if folded:
        fields = _fields(outputs, rows, column, folded)
    names = {path: _name(path, prefix) for path in fields}
    _check_names([*rows.columns, *names.values()], prefix)
    columns = {names[path]: _column(values, len(rows)) for path, values in fields.items()}
    result = pd.concat([rows, pd.DataFrame(columns, index=rows.index)], axis=1)
    note = {"folded": sorted(_name(path, prefix) for path in folded)} if folded else {}
    return provenance.attach(result, source.attrs, note)


def _collected(source: OpenFrame, column: str) -> tuple[pd.DataFrame, Sequence[Any]]:
    """Collect the keys, and the outputs beside them."""
    present = [name for name in source.frame.collect_schema().names() if name != column]
    if not {"turn_id", "task_id"} & {*present}:
        raise FrameError(f"turns: no column 'turn_id' or 'task_id', which says whose {column!r} it is")
    # The session of an engine decides in which zone it hands over times; milliseconds have none.
    times = {"started_at": nw.col(STARTED_MS).alias("started_at")}
    keys = [times.get(key, nw.col(key)) for key in _KEYS if key in present]
    native = source.frame.to_native()
    here = isinstance(native, pd.DataFrame)  # collecting as Arrow would give all dicts the same keys
    rows = collect(source.frame.select(*keys, *([] if here else [column])))
    outputs = native[column] if here else rows.pop(column)
    if "started_at" in rows:
        rows["started_at"] = utc_times(rows["started_at"])
    return rows, outputs.tolist()


def _fields(outputs: Sequence[Any], rows: pd.DataFrame, column: str, folded: set[Path]) -> Fields:
    """Take the outputs apart; objects at the paths of ``folded`` stay whole."""
    fields: Fields = defaultdict(dict)
    for row, output in enumerate(outputs):
        try:
            text = json_text(output)
            if text is None:
                continue
            sent = text.strip(" \t\r\n").encode()
            can_be_taken_apart = _can_be_taken_apart(sent)
        except (TypeError, ValueError, RecursionError) as error:
            where = f"{rows.columns[0].removesuffix('_id')} {rows.iloc[row, 0]!r}: {column}"
            found = message_text(output, 40)
            raise FrameError(f"{where} is not JSON text: {error}; found {found!r}") from None
        if can_be_taken_apart:
            _take_apart(sent, (), row, fields, folded)
        else:
            fields[()][row] = sent
    return fields


def _can_be_taken_apart(sent: bytes) -> bool:
    """Tell whether it is JSON that Arrow can hold in pieces; a ValueError if it is no JSON at all."""
    try:
        _RAW.decode(sent)
    except (msgspec.DecodeError, RecursionError):
        with contextlib.suppress(RecursionError):
            json.loads(sent)  # it accepts half surrogate pairs
        return False
    return True


def _take_apart(sent: bytes, path: Path, row: int, fields: Fields, folded: set[Path]) -> None:
    """Add the values of an object to their fields, or the value itself if it is none or stays whole."""
    if sent.startswith(b"{") and path not in folded and len(path) < _MOST_LEVELS:
        members = _members(sent)
        for key, value in members.items():
            _take_apart(bytes(value), (*path, key), row, fields, folded)
        if members:
            return
    if sent != b"null":
        fields[path][row] = sent
    elif path:
        _ = fields[path]  # a field that is null in all turns is a column, too


def _members(sent: bytes) -> dict[str, msgspec.Raw]:
    """Members of an object; none if a key is repeated, as all but one would be lost."""
    members = _OBJECT.decode(sent)
    # Encoded anew it is as long as before only if nothing is gone; white space may be, too.
    if len(msgspec.json.encode(members)) == len(sent):
        return members
    with contextlib.suppress(RecursionError):
        if len(json.loads(sent, object_pairs_hook=list)) == len(members):
            return members
    return {}


def _column(field: dict[int, bytes], length: int) -> pd.Series[Any]:
    """Return the values of a field as a column with a missing value in every other row."""
    sent = [*field.values()]
    kinds, values = {_kind(one) for one in sent}, None
    if kinds == {"int"}:
        values = _integers(sent)
    elif kinds in ({"float"}, {"int", "float"}):
        values = _floats(sent)
    elif kinds == {"bool"}:
        values = pd.array([one == b"true" for one in sent], dtype="boolean")
    if values is None:
        values = pd.array([_text(one) for one in sent], dtype=STRING)
    return pd.Series(values, index=[*field]).reindex(range(length))


def _kind(sent: bytes) -> str:
    return _KINDS.get(sent[:1]) or ("int" if sent.lstrip(b"-").isdigit() else "float")


def _integers(sent: list[bytes]) -> Any:
    """Return an array of Int64, or None if one is too large."""
    if max(map(len, sent)) > _DIGITS:
        return None
    values = [int(one) for one in sent]
    return pd.array(values, dtype="Int64") if -(2**63) <= min(values) <= max(values) < 2**63 else None


def _floats(sent: list[bytes]) -> Any:
    """Return an array of float64, or None if one is too large or would lose digits before the point."""
    whole = _integers([one for one in sent if _kind(one) == "int"] or [b"0"])
    values = np.array([float(one) for one in sent])
    exact = whole is not None and max(abs(whole)) <= _EXACT_IN_FLOAT and np.isfinite(values).all()
    return values if exact else None


def _text(sent: bytes) -> str:
    """Return a JSON text's characters, and anything else as it was sent."""
    if sent.startswith(b'"'):
        with contextlib.suppress(msgspec.DecodeError):  # half a surrogate pair
            return _STRING.decode(sent)
    return sent.decode()


def _to_fold(fields: Fields) -> set[Path]:
    """Choose the objects to keep whole so that the columns fit and little is lost."""
    excess = len(fields) - _MOST_COLUMNS
    if excess <= 0:
        return set()
    keys, columns, values = defaultdict[Path, set[str]](set), Counter[Path](), Counter[Path]()
    for path, field in fields.items():
        for depth, key in enumerate(path):
            parent = path[:depth]
            keys[parent].add(key)
            columns[parent] += 1
            values[parent] += len(field)
    enough = [path for path in keys if columns[path] > excess]
    whole = min(enough, key=lambda path: (values[path], -len(path), path))
    within = [path for path in keys if len(path) > len(whole) and path[: len(whole)] == whole]
    chosen: set[Path] = set()
    for path in sorted(within, key=lambda path: -len(keys[path])):
        if len(keys[path]) <= len(chosen):
            break
        if not any(path[: len(other)] == other[: len(path)] for other in chosen):  # one within the other
            chosen.add(path)
            excess -= columns[path] - 1
            if excess <= 0:
                return chosen
    return {whole}


def _name(path: Path, prefix: str) -> str:
    return prefix + ".".join(map(_key, path)) if path else prefix.rstrip(".") or "value"


def _key(key: str) -> str:
    plain = key and "." not in key and not key.startswith('"')
    return key if plain else json.dumps(key, ensure_ascii=False)


def _check_names(names: list[str], prefix: str) -> None:
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        expected = f"text that gives no two columns the name {repeated[0]!r}"
        raise ArgumentError.unexpected("prefix", expected, prefix, "use another, such as 'out.'")
