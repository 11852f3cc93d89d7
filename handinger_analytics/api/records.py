"""What the records of the wire share: types of fields, and what becomes of fields that are new.

A record is strict. Its variants take whole numbers sent as floats, any fields that are new (`tolerant`),
or those alone that were met before (`wider`), which takes hardly longer than what is known. `declared`
turns them into the record itself, with what was sent beyond its fields as JSON text in ``extra``.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import cache, reduce
from itertools import filterfalse, repeat
from operator import or_
from types import UnionType
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

import msgspec
from msgspec import Meta, Raw, Struct, field

Int = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Time = Annotated[dt.datetime, Meta(tz=True)]

_NOT_SENT = Raw(b"")
_MOST_MET = 32
_UNFIT = re.compile(r'[\x00-\x1f"\\]')
"""Characters that a name of a field must not have."""

_encode = msgspec.json.Encoder().encode
_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_OBJECTS = msgspec.json.Decoder(list[dict[str, Raw]])

_met: defaultdict[Any, dict[str, None]] = defaultdict(dict)
"""Names of the new fields that were met, by record; a dict, as several threads may meet one at once."""


Extra = Annotated[str, Meta(pattern="(?!)")] | None
"""What was sent beyond the other fields: no text that a server sends under the name of it fits."""


def extra_field() -> Any:
    """Make the field of type `Extra`, by a name that stands for no character."""
    return field(default=None, name="\uffff")


def tolerant(kind: Any, *, floats: bool) -> Any:
    """Return a variant of a record that has any further field, and floats for integers if wanted."""
    return _variant(kind, floats, met=None)


def wider(kind: Any) -> Any:
    """Return a variant of a record that has the new fields that were met, and no others."""
    return _variant(kind, False, sum(map(len, _met.values())))


@cache
def _variant(kind: Any, floats: bool, met: int | None) -> Any:
    """Return a variant of a record, or a type of variants, as of when so many new fields were met."""
    if kind == Int:
        return Int | float if floats else Int
    if isinstance(kind, type) and issubclass(kind, Struct):
        fields = [
            (each.name, _variant(each.type, floats, met), field(default=each.default, name=each.encode_name))
            for each in msgspec.structs.fields(kind)
        ]
        names = [] if met is None else list(_met[kind])
        if met is not None and not names and [each for _, each, _ in fields] == _types(kind):
            return kind  # neither it nor a part of it has anything new
        fields += [(f"_{at}", Raw, field(default=_NOT_SENT, name=name)) for at, name in enumerate(names)]
        return msgspec.defstruct(kind.__name__, fields, bases=(kind,), forbid_unknown_fields=met is not None)
    origin = get_origin(kind)
    if origin is None or origin is Annotated:
        return kind
    parts = tuple(_variant(part, floats, met) for part in get_args(kind))
    return reduce(or_, parts) if origin in (Union, UnionType) else origin[parts]


def declared(record: Any, body: bytes | None = None) -> Any:
    """Return the record that a variant stands for.

    Parameters
    ----------
    record : Struct
        Of `wider` or `tolerant`.
    body : bytes, optional
        What a record of `tolerant` was decoded from: there are its new fields.
    """
    return _declared(record, None if body is None else _OBJECT.decode(body))[0]


def _declared(variant: Any, members: dict[str, Raw] | None) -> tuple[Any, dict[str, Any]]:
    """Return a record, and what was sent beyond its fields and beyond ``extra`` of its parts."""
    kind: Any = type(variant)
    record, length, new, is_known, parts, keeps = _shape(kind)
    values = [*msgspec.structs.astuple(variant)]
    beyond: dict[str, Any]
    if members is None:
        beyond = {name: value for name, value in zip(new, values[length:], strict=True) if value}
    else:
        beyond = {name: members[name] for name in filterfalse(is_known, members)}
        _meet(record, beyond)
    for at, name in parts:
        part = values[at]
        if isinstance(part, Struct):
            values[at], of_part = _declared(part, members and _OBJECT.decode(members[name]))
            if of_part:
                beyond[name] = of_part
        elif part:
            objects = repeat(None) if members is None else _OBJECTS.decode(members[name])
            pairs = [*map(_declared, part, objects)]
            values[at] = type(part)(each for each, _ in pairs)
            if any(of_parts := [of_each for _, of_each in pairs]):
                beyond[name] = of_parts
    if keeps and beyond:
        values[length - 1], beyond = _encode(beyond).decode(), {}
    return record(*values[:length]), beyond


def _meet(record: Any, names: Iterable[str]) -> None:
    """Remember names of new fields, which the next body has, too, but not without end."""
    met = _met[record]
    for name in names:
        if len(met) < _MOST_MET and not _UNFIT.search(name):
            met.setdefault(name)


class _Shape(NamedTuple):
    """What `_declared` needs to know of a variant.

    Attributes
    ----------
    record : type
        The record that it is a variant of.
    length : int
        How many fields that has.
    new : list of str
        Names on the wire of the fields after those.
    is_known : callable
        Tells names of its fields on the wire from others.
    parts : list of (int, str)
        Where among the fields are variants, and their names on the wire.
    keeps : bool
        Whether its last field is ``extra``.
    """

    record: Any
    length: int
    new: list[str]
    is_known: Callable[[str], bool]
    parts: list[tuple[int, str]]
    keeps: bool


@cache
def _shape(variant: Any) -> _Shape:
    record = variant.__base__
    names = [each.encode_name for each in msgspec.structs.fields(variant)]
    fields = msgspec.structs.fields(record)
    parts = [
        (at, each.encode_name)
        for at, (each, of_variant) in enumerate(zip(fields, _types(variant), strict=False))
        if each.type != of_variant and _holds_records(each.type)
    ]
    new = names[len(fields) :]
    return _Shape(record, len(fields), new, frozenset(names).__contains__, parts, fields[-1].name == "extra")


def _types(kind: Any) -> list[Any]:
    return [each.type for each in msgspec.structs.fields(kind)]


def _holds_records(kind: Any) -> bool:
    is_record = isinstance(kind, type) and issubclass(kind, Struct)
    return is_record or any(map(_holds_records, get_args(kind)))


def add_extra(task: Any, beside: str) -> None:
    """Add what was sent beside a task, or beside its turns, to its ``extra``.

    A name that the task itself has there is left to it; the other then stands under ``body``.
    """
    own, others = _OBJECT.decode(task.extra or "{}"), _OBJECT.decode(beside)
    repeated = {name: others.pop(name) for name in own.keys() & others}
    task.extra = _encode({**own, **others, **({"body": repeated} if repeated else {})}).decode()
