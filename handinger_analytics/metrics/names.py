"""What users know and turns do not: the names of workers, and what a credit costs."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from typing import TypeAlias, TypeVar

import numpy as np
import pandas as pd

from handinger_analytics.api.identifiers import ids_from
from handinger_analytics.errors import ArgumentError
from handinger_analytics.text import cut, cut_apart, is_missing, one_line, picture_text, trimmed, visible

Names: TypeAlias = "Mapping[str, str] | pd.Series[str] | None"
"""Names of workers by their ids or dashboard links."""

_Id = TypeVar("_Id", bound=Hashable)

COLUMN = "worker_name"
_CREDITS = ("credits", "wasted_credits")
_STRING = pd.StringDtype(na_value=np.nan)

_READABLE = 200
"""Characters of a name that are looked at before it is cut for a table."""
_SHORTEST, _LONGEST_ID = 12, 20
"""Characters that are left of a name and of an id that stand together."""
_RESERVED = re.compile(r"\(none\)|\(empty\)|other \([\d,]+\)|total")
"""What plots call groups that are no workers."""


def check_names(names: Names) -> dict[str, str]:
    """Return the names by the ids of the workers, without those that are blank or missing.

    Raises
    ------
    ArgumentError
        Neither a mapping nor a Series, a key that is no id, a name that is no text, or two names for one
        worker.

    Examples
    --------
    >>> check_names({"https://v3.handinger.com/worker/wrk_1": "Invoices", "wrk_2": " "})
    {'wrk_1': 'Invoices'}
    """
    if names is None:
        return {}
    if not isinstance(names, Mapping | pd.Series):
        advice = "of a frame: frame.set_index('worker_id')['name']"
        raise ArgumentError.unexpected("names", "a mapping or Series of worker ids to names", names, advice)
    called: dict[str, str] = {}
    ids = ids_from([*enumerate(names.keys())], "worker", "names")
    for worker_id, (_, given) in zip(ids, names.items(), strict=True):
        name = "" if is_missing(given) else given
        if not isinstance(name, str):
            raise ArgumentError.unexpected(f"names[{worker_id!r}]", "a name, which is text", name)
        # Halves of surrogate pairs fit into no file and no page.
        name = trimmed(name.encode(errors="replace").decode())
        if visible(name) and called.setdefault(worker_id, name) != name:
            both = [called[worker_id], name]
            raise ArgumentError.unexpected(f"names[{worker_id!r}]", "one name for a worker", both)
    return called


def with_names(frame: pd.DataFrame, names: Names) -> pd.DataFrame:
    """Return the frame with a column ``worker_name`` (str) after ``worker_id``.

    An unknown id is its own name. Without names, or without a column ``worker_id``, the frame itself is
    returned.

    Examples
    --------
    >>> with_names(pd.DataFrame({"worker_id": ["wrk_1", "wrk_2"], "credits": [7, 5]}), {"wrk_1": "Invoices"})
      worker_id worker_name  credits
    0     wrk_1    Invoices        7
    1     wrk_2       wrk_2        5
    """
    called = check_names(names)
    if names is None or "worker_id" not in frame:
        return frame
    named = frame.drop(columns=COLUMN, errors="ignore")  # of an earlier call
    words = [called.get(worker_id, worker_id) for worker_id in named["worker_id"]]
    after = list(named).index("worker_id") + 1
    named.insert(after, COLUMN, pd.Series(words, named.index, dtype=_STRING))
    return named


def shown_names(ids: Iterable[_Id], names: Names, longest: int = 36, whole: int = 60) -> dict[_Id, str]:
    """Return what people see of each worker: its name, or the id where it has none.

    A name that other workers have, or that is the id of another or a word of the plots, is followed by the
    id. Names that look the same, also after they were cut, count as the same.

    Parameters
    ----------
    ids : iterable
        Ids of workers; missing ones are left out.
    names : mapping or Series
        Their names.
    longest, whole : int
        Most characters of a name alone, and of one with its id.

    Examples
    --------
    >>> shown_names(["wrk_1", "wrk_2", "wrk_3"], {"wrk_1": "Invoices", "wrk_2": "Invoices"})
    {'wrk_1': 'Invoices (wrk_1)', 'wrk_2': 'Invoices (wrk_2)', 'wrk_3': 'wrk_3'}
    """
    called = check_names(names)
    ids = [worker_id for worker_id in ids if not is_missing(worker_id)]
    short, short_ids = cut_apart(called.values(), longest), cut_apart(called, _LONGEST_ID)
    alone: dict[Hashable, str] = {worker_id: short[name] for worker_id, name in called.items()}
    rooms = {each: min(longest, max(whole - len(f" ({short_ids[each]})"), _SHORTEST)) for each in called}
    long = {
        worker_id: f"{cut(name, rooms[worker_id])} ({short_ids[worker_id]})"
        for worker_id, name in called.items()
        if name != worker_id
    }
    seen = Counter(map(_look, [*{*ids, *called}, *alone.values(), *long.values()]))
    unclear = {each for each in long if seen[look := _look(alone[each])] > 1 or _RESERVED.fullmatch(look)}
    shown = alone | {each: long[each] for each in unclear}
    return {each: shown.get(each, str(each)) for each in ids}


def _look(name: Hashable) -> str:
    return unicodedata.normalize("NFC", picture_text(name))


def with_shown_names(frame: pd.DataFrame, names: Names) -> pd.DataFrame:
    """Return the frame with what people see of each worker in place of ``worker_id``.

    Long names are cut. Without names, or without a column ``worker_id``, the frame itself is returned.

    Examples
    --------
    >>> with_shown_names(pd.DataFrame({"worker_id": ["wrk_1"], "credits": [7]}), {"wrk_1": "Invoices"})
      worker_id  credits
    0  Invoices        7
    """
    if names is None or "worker_id" not in frame:
        return frame
    readable = {worker_id: one_line(name, _READABLE) for worker_id, name in check_names(names).items()}
    shown = shown_names(frame["worker_id"], readable)
    return frame.assign(worker_id=frame["worker_id"].astype(object).map(shown))


def with_cost(frame: pd.DataFrame, price: float | None, currency: str | None) -> pd.DataFrame:
    """Return the frame with what its credits cost (float64) and the currency (str), in columns at its end.

    Without a price the frame itself is returned, without a currency there is no column of that name.

    Examples
    --------
    >>> with_cost(pd.DataFrame({"credits": [700], "wasted_credits": [50]}), 0.01, "EUR")
       credits  wasted_credits  cost  wasted_cost currency
    0      700              50   7.0          0.5      EUR
    """
    if price is None:
        return frame
    there = [name for name in _CREDITS if name in frame]
    priced = frame.assign(**{name.replace("credits", "cost"): frame[name] * float(price) for name in there})
    if currency is not None:
        priced["currency"] = pd.Series(currency, priced.index, dtype=_STRING)
    return priced
