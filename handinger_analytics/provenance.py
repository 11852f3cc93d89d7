"""Where rows come from, and whether all of them are there: made, kept, read, merged and worded here.

Provenance is a small plain dict, ``{"schema": 2, "requested": n, "failed": m, "complete": bool,
"fetched_at": iso}``. It travels in ``DataFrame.attrs`` and in the metadata of Arrow schemas and of
Parquet files, so that a half-fetched week never passes for a cheap one.
"""

from __future__ import annotations

import contextlib
import copy
import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds

from handinger_analytics.arguments import utc_instant
from handinger_analytics.errors import ArgumentError
from handinger_analytics.times import EPOCH, LAST_MS, MILLISECOND

KEY = "handinger"
"""Under this key it stands in ``DataFrame.attrs`` and in the metadata of an Arrow schema."""

SCHEMA_VERSION = 2
"""Version of the columns in `handinger_analytics.tables.schema`.

It goes up when a column is added, renamed, retyped or removed.
"""

PANDAS_ATTRS = b"PANDAS_ATTRS"
"""Under this key pandas keeps ``attrs`` in the metadata of Parquet files, and under "pandas" in Arrow's."""

Provenance = dict[str, Any]

_KINDS: dict[str, Any] = {"schema": int, "requested": int, "failed": int, "complete": bool, "fetched_at": str}


def made(requested: int, failed: int, complete: bool, fetched_at: dt.datetime | None) -> Provenance:
    """Make the provenance of rows that were fetched.

    Parameters
    ----------
    requested, failed : int
        Tasks that were asked for, and those of them that were not fetched.
    complete : bool
        Whether every one of them is here with its turns.
    fetched_at : datetime or None
        When the fetch ended, UTC.
    """
    return {
        "schema": SCHEMA_VERSION,
        "requested": requested,
        "failed": failed,
        "complete": complete,
        "fetched_at": fetched_at and fetched_at.isoformat(timespec="milliseconds"),
    }


def attach(frame: pd.DataFrame, *provenances: Provenance) -> pd.DataFrame:
    """Give a frame the provenance of what it was made from; nothing where that is not known."""
    if known := merged(*provenances):
        frame.attrs[KEY] = known
    return frame


def merged(*provenances: Provenance) -> Provenance:
    """Merge several: the later wins, but the whole is incomplete if any part is.

    Examples
    --------
    >>> merged({"complete": False, "failed": 1}, {"complete": True, "failed": 0})
    {'complete': False, 'failed': 0}
    """
    whole: Provenance = {}
    for part in provenances:
        whole |= part
    if any(part.get("complete") is False for part in provenances):
        whole["complete"] = False
    return whole


def combined(provenances: Sequence[Provenance], tasks: int) -> Provenance:
    """Say where rows of several fetches come from, of which one row of each turn or task was kept.

    Parameters
    ----------
    provenances : sequence of dict
        What each of the frames says; empty where one says nothing.
    tasks : int
        Tasks in the rows that were kept.

    Returns
    -------
    dict
        Empty if no frame says anything; without ``complete`` where that is not known.

    Examples
    --------
    >>> may = {"failed": 1, "complete": False, "fetched_at": "2026-05-31T00:00:00.000+00:00"}
    >>> combined([may, {}], tasks=20)["requested"]
    21
    """
    said = [part for part in provenances if part.keys() - {"schema"}]
    if not said:
        return {}
    failed = sum(part.get("failed") or 0 for part in said)
    latest: Provenance = max(filter(fetched_at, said), key=lambda part: fetched_at(part) or EPOCH, default={})
    complete = {part.get("complete") for part in provenances}
    whole = {**made(tasks + failed, failed, complete == {True}, None), "fetched_at": latest.get("fetched_at")}
    if None in complete and False not in complete:
        del whole["complete"]
    return whole


def of(frame: Any) -> Provenance:
    """Return a copy of what a pandas frame, Arrow table or dataset says of itself, or nothing.

    Frames of other engines carry nothing along.
    """
    if isinstance(frame, pd.DataFrame):
        return copy.deepcopy(_plain(frame.attrs))
    known: Provenance = {}
    if isinstance(frame, pa.Table | ds.Dataset):
        with contextlib.suppress(ValueError):
            known = in_metadata(frame.schema.metadata)
    if known and isinstance(frame, ds.FileSystemDataset):
        with contextlib.suppress(ValueError):  # a filtered one has no files to ask
            return _of_files(frame) or known
    return known


def _of_files(dataset: ds.FileSystemDataset) -> Provenance:
    """Combine what the files of a dataset say, whose schema is that of the first; nothing if that is mute."""
    said: list[Provenance] = []
    for file in dataset.get_fragments():
        part = in_metadata(file.physical_schema.metadata)
        if not part and not said:
            break  # an archive says it in the schema alone, and has thousands of files
        if part not in said:
            said.append(part)
    if len(said) < 2:
        return said[0] if said else {}
    return combined(said, sum((part.get("requested") or 0) - (part.get("failed") or 0) for part in said))


def fetched_at(provenance: Provenance) -> dt.datetime | None:
    """Return when the rows were fetched, UTC; None where it does not say so, or nothing that can be.

    Examples
    --------
    >>> fetched_at({"fetched_at": "2026-06-12T12:00:00.000+00:00"})
    datetime.datetime(2026, 6, 12, 12, 0, tzinfo=datetime.timezone.utc)
    """
    try:
        instant = utc_instant(provenance.get("fetched_at"), "fetched_at")
    except ArgumentError:
        return None
    return None if instant is None or instant < EPOCH else instant


def note_fetched(provenance: Provenance, fetched_ms: Any) -> None:
    """Note the last ``fetched_at`` of rows, milliseconds since 1970 UTC, where there is one."""
    if pd.notna(fetched_ms) and 0 <= fetched_ms <= LAST_MS:
        instant = EPOCH + int(fetched_ms) * MILLISECOND
        provenance["fetched_at"] = instant.isoformat(timespec="milliseconds")


def as_metadata(provenance: Provenance) -> dict[bytes, bytes]:
    """Write it as an entry for the metadata of an Arrow schema.

    Raises
    ------
    TypeError
        It holds what JSON cannot.
    """
    return {KEY.encode(): json.dumps(provenance).encode()}


def in_metadata(metadata: Mapping[bytes, bytes] | None) -> Provenance:
    """Read it from the metadata of an Arrow schema; empty where there is none.

    Raises
    ------
    ValueError
        The metadata are damaged.
    """
    own, attrs, of_pandas = (
        json.loads((metadata or {}).get(key, b"{}")) for key in (KEY.encode(), PANDAS_ATTRS, b"pandas")
    )
    inner = of_pandas.get("attributes") if isinstance(of_pandas, dict) else None
    return _plain({KEY: own}) or _plain(attrs) or _plain(inner)


def _plain(attrs: Any) -> Provenance:
    """Return what attrs say, without values that are of another type than ours."""
    found = attrs.get(KEY) if isinstance(attrs, dict) else None
    if not isinstance(found, dict):
        return {}
    kinds = {key: _KINDS.get(key, type(value)) for key, value in found.items()}
    return {key: value for key, value in found.items() if value is None or type(value) is kinds[key]}


def incompleteness(provenance: Provenance) -> str | None:
    """Say what is missing, None where nothing is known to be.

    Examples
    --------
    >>> incompleteness({"complete": False, "failed": 2, "requested": 300})
    'incomplete: 2 of 300 tasks not fetched'
    """
    if provenance.get("complete", True):
        return None
    failed, requested = provenance.get("failed"), provenance.get("requested")
    if failed and isinstance(failed, int) and isinstance(requested, int):
        return f"incomplete: {failed:,} of {requested:,} tasks not fetched"
    return "incomplete: not all of the tasks were fetched"


def doubt(provenance: Provenance) -> str | None:
    """Say that nothing is known of what is missing, None where something is.

    Rows that lost where they come from, as in other engines, are not taken for all there are.

    Examples
    --------
    >>> doubt({"fetched_at": "2026-06-12T12:00:00.000+00:00"})
    'not known whether all tasks are here'
    """
    return None if isinstance(provenance.get("complete"), bool) else "not known whether all tasks are here"
