"""What the records of the wire share: types of fields, and what becomes of fields that are new.

A record is strict. Its variants, made by `tolerant`, take what is new and whole numbers sent as floats;
`declare` makes such a record the strict one, with what was sent beyond it as JSON text in ``extra``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import cache, reduce
from itertools import filterfalse
from operator import or_
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
from msgspec import Meta, Raw, Struct, field

Int = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Time = Annotated[dt.datetime, Meta(tz=True)]

_encode = msgspec.json.Encoder().encode
_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_OBJECTS = msgspec.json.Decoder(list[dict[str, Raw]])


def extra_field() -> Any:
    """Make the field for what was sent beyond the others; no text has the name it goes by on the wire."""
    return field(default=None, name="\uffff")


@cache
def tolerant(kind: Any, *, floats: bool) -> Any:
    """Return a type like this one that takes floats as integers; of a record one that has new fields, too."""
    if kind == Int:
        return Int | float if floats else Int
    if isinstance(kind, type) and issubclass(kind, Struct):
        fields = [
            (
                each.name,
                tolerant(each.type, floats=floats),
                field(default=each.default, name=each.encode_name),
            )
            for each in msgspec.structs.fields(kind)
        ]
        return msgspec.defstruct(kind.__name__, fields, bases=(kind,), forbid_unknown_fields=False)
    origin = get_origin(kind)
    if origin is None or origin is Annotated:
        return kind
    parts = tuple(tolerant(part, floats=floats) for part in get_args(kind))
    return reduce(or_, parts) if origin in (Union, UnionType) else origin[parts]


def declare(record: Any, body: bytes) -> None:
    """Make a record of `tolerant`, decoded from ``body``, the declared one with ``extra``."""
    _declare(record, _OBJECT.decode(body))


def _declare(record: Any, members: dict[str, Raw]) -> dict[str, Any]:
    """Declare a record; return what was sent beyond it and beyond ``extra`` of its parts."""
    kind: Any = type(record)
    declared, is_known, parts, keeps = _shape(kind)
    record.__class__ = declared  # it has the same fields, and to copy them would take as long as to decode
    beyond: dict[str, Any] = {name: members[name] for name in filterfalse(is_known, members)}
    for name, sent_as in parts:
        part = getattr(record, name)
        if isinstance(part, Struct):
            if of_part := _declare(part, _OBJECT.decode(members[sent_as])):
                beyond[sent_as] = of_part
        elif part:
            of_parts = list(map(_declare, part, _OBJECTS.decode(members[sent_as])))
            if any(of_parts):
                beyond[sent_as] = of_parts
    if keeps and beyond:
        record.extra, beyond = _encode(beyond).decode(), {}
    return beyond


@cache
def _shape(kind: Any) -> tuple[Any, Callable[[str], bool], list[tuple[str, str]], bool]:
    """Return the declared record, what knows its names, its fields with records, and if it has ``extra``."""
    fields = msgspec.structs.fields(kind)
    names = frozenset(each.encode_name for each in fields)
    parts = [(each.name, each.encode_name) for each in fields if _holds_records(each.type)]
    return kind.__base__, names.__contains__, parts, "extra" in kind.__struct_fields__


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
