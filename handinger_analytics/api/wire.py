"""What the server sends, as typed records, whichever generation of the API it speaks.

Unknown enumeration values are kept, and so are unknown fields of tasks and turns, as ``extra``: a newer
server does not break an older toolkit, and nothing it sends of them is lost. Text that is not valid
Unicode (half of a surrogate pair, as a title cut in the middle of an emoji has it) becomes U+FFFD, since
no column can hold it.

Bodies are decoded strictly first. Only one that does not fit is looked at again: for fields that are
new, for whole numbers sent as floats, and for text that is not Unicode.
"""

from __future__ import annotations

import re
import threading
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from handinger_analytics.api.records import Extra, Int, Time, declared, extra_field, tolerant, wider

_NULL = Raw(b"null")


class Totals(Struct, rename="camel", gc=False, forbid_unknown_fields=True):
    """Sums over the turns of a task."""

    credits: Int
    duration_ms: Int
    turn_count: Int


class Task(Struct, rename="camel", gc=False, forbid_unknown_fields=True):
    """A conversation with a worker; ``extra`` is a JSON object of what else was sent of it.

    ``url`` is empty in bodies from before 2026-05-11, which have none.
    """

    id: str
    created_at: Time
    organization_id: str
    status: str
    title: str
    totals: Totals
    triggered_by: str
    worker_id: str
    url: str = ""
    completed_at: Time | None = None
    created_by_user_id: str | None = None
    extra: Extra = extra_field()


class File(Struct, rename="camel", gc=False, forbid_unknown_fields=True):
    """A file that a turn or worker produced."""

    media_type: str
    url: str
    filename: str | None = None
    size: Int | None = None


class Turn(Struct, rename="camel", gc=False, forbid_unknown_fields=True):
    """One exchange within a task; ``extra`` is a JSON object of what else was sent of it."""

    id: str
    credits: Int
    duration_ms: Int
    input: str
    input_tokens: Int
    output_text: str
    output_tokens: Int
    role: str
    seq: Int
    started_at: Time
    status: str
    task_id: str
    completed_at: Time | None = None
    structured_output: Raw = _NULL
    files: tuple[File, ...] | None = ()
    extra: Extra = extra_field()


class TaskWithTurns(Struct, rename="camel", gc=False, forbid_unknown_fields=True):
    """``GET /api/tasks/{taskId}``; generation B leaves ``turns`` out.

    What was sent beside ``task`` and ``turns`` is in ``extra``, and in that of the task.
    """

    task: Task
    turns: list[Turn] | UnsetType | None = UNSET
    extra: Extra = extra_field()


class TurnList(Struct, rename="camel", gc=False, forbid_unknown_fields=True):
    """``GET /api/tasks/{taskId}/turns``, generation B only."""

    items: list[Turn]
    task_id: str = ""
    extra: Extra = extra_field()


class SavedBody(Struct, rename="camel", gc=False, forbid_unknown_fields=True):
    """A body of either task endpoint, of either generation."""

    task: Task | UnsetType = UNSET
    turns: list[Turn] | UnsetType | None = UNSET
    items: list[Turn] | UnsetType = UNSET
    task_id: str = ""
    extra: Extra = extra_field()


class Usage(Struct, rename="camel"):
    """What a worker used; generation B says nothing about credits."""

    credits: Int | None = None
    duration_ms: Int | None = None


class OutputText(Struct):
    """A piece of an output message."""

    text: str
    type: str


class Output(Struct):
    """A message the worker put out."""

    id: str
    content: list[OutputText]
    role: str
    status: str
    type: str


class Source(Struct):
    """A page the worker read."""

    id: str
    type: str
    url: str
    title: str | None = None


class Worker(Struct):
    """``GET /api/workers/{workerId}``; its own keys are snake_case on the wire.

    ``url`` is empty in bodies from before 2026-05-11, which have none.
    """

    id: str
    files: list[File]
    messages: list[Raw]
    object: str
    output: list[Output]
    output_text: str
    running: bool
    sources: list[Source]
    status: str
    url: str = ""
    created_at: Int | None = None
    error: Raw = _NULL
    incomplete_details: Raw = _NULL
    metadata: Raw = _NULL
    structured_output: Raw = _NULL
    usage: Usage | None = None


class Webhook(Struct):
    """``GET /api/workers/{workerId}/webhook``, without the token, which is a secret of the user.

    Without a webhook ``url`` is None, and the log of deliveries stays empty.
    """

    url: str | None = None


class Execution(Struct, rename="camel", forbid_unknown_fields=True):
    """One delivery of a webhook."""

    id: str
    created_at: Time
    duration_ms: Int
    request_status: str
    url: str
    worker_id: str
    error_message: str | None = None
    response_status: Int | None = None
    task_id: str | None = None
    task_title: str | None = None
    extra: Extra = extra_field()


class ExecutionPage(Struct, rename="camel"):
    """``GET /api/workers/{workerId}/webhook/executions``."""

    logs: list[Execution]
    page: Int
    page_count: Int
    total_count: Int


class Schedule(Struct, rename="camel"):
    """A planned run of a worker."""

    id: str
    budget: str
    input: str
    type: str
    next_run_at: Time | None = None
    delay_in_seconds: Int | None = None
    cron: str | None = None
    interval_seconds: Int | None = None


class ScheduleList(Struct, rename="camel"):
    """``GET /api/workers/{workerId}/schedules``; ``timezone`` since July 2026."""

    schedules: list[Schedule]
    worker_id: str
    timezone: str | None = None


class MalformedBody(ValueError):
    """The body is not JSON: cut off, or something else altogether."""


class UnexpectedBody(ValueError):
    """The body is JSON of another shape than documented; says where."""


Record = TypeVar("Record", bound=Struct)


def decode(body: bytes, kind: type[Record]) -> Record:
    """Read a response body.

    Parameters
    ----------
    body : bytes
        The body as it was received.
    kind : type
        The record it should hold.

    Raises
    ------
    MalformedBody
        If it is not JSON.
    UnexpectedBody
        If a field is missing or of another type, for example
        ``turns[3].credits: expected int, found str``.

    Examples
    --------
    >>> decode(b'{"credits": 42.0, "durationMs": 7, "turnCount": 1}', Totals).credits
    42
    """
    try:
        try:
            record: Record = _decoder(kind).decode(body)
            return record
        except (msgspec.DecodeError, UnicodeDecodeError):
            return _look_again(body, kind)
    except RecursionError:
        raise UnexpectedBody("body: nested too deeply to be read") from None


_decoders: dict[type[Struct], msgspec.json.Decoder[Any]] = {}
_building = threading.Lock()


def _decoder(kind: type[Record]) -> msgspec.json.Decoder[Record]:
    """Return the decoder of a record; msgspec crashes when several threads build their first at once."""
    decoder = _decoders.get(kind)
    if decoder is None:
        with _building:
            decoder = _decoders.setdefault(kind, msgspec.json.Decoder(kind))
    return decoder


def _look_again(body: bytes, kind: type[Record]) -> Record:
    """Decode what does not fit at once: with new fields, then with floats and without lone surrogates."""
    record: Record
    with _building:
        met, newer, lenient = wider(kind), tolerant(kind, floats=False), tolerant(kind, floats=True)
    try:
        try:
            record = declared(_decoder(met).decode(body))
        except msgspec.ValidationError:
            record = declared(_decoder(newer).decode(body), body)
        return record
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    body = body.decode("utf-8", "replace").encode()
    body = _ESCAPE.sub(lambda escape: b"\\ufffd" if escape["lone"] else escape[0], body)
    try:
        record = declared(_without_floats(_decoder(lenient).decode(body), ""), body)
        return record
    except msgspec.ValidationError as error:
        raise UnexpectedBody(_explain(error)) from None
    except msgspec.DecodeError as error:
        raise MalformedBody(str(error)) from None


def _without_floats(value: Any, place: str) -> Any:
    """Return a value with whole floats as integers, where that is exact."""
    if isinstance(value, float):
        if not value.is_integer() or abs(value) >= 2**53:
            raise UnexpectedBody(f"{place}: expected int, found float (a fraction, which is never rounded)")
        return int(value)
    if isinstance(value, list | tuple):
        return type(value)(_without_floats(each, f"{place}[{at}]") for at, each in enumerate(value))
    if isinstance(value, Struct):
        names = zip(value.__struct_fields__, value.__struct_encode_fields__, strict=True)
        places = ((name, f"{place}.{sent_as}" if place else sent_as) for name, sent_as in names)
        return type(value)(*(_without_floats(getattr(value, name), where) for name, where in places))
    return value


_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<lone>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


_PLACE = re.compile(r" - at `\$\.?(?P<path>.*)`$")
_WRONG_TYPE = re.compile(r"Expected `(?P<expected>.+)`, got `(?P<found>.+)`")


def _explain(error: msgspec.ValidationError) -> str:
    """Say where in the body the problem is, then what was expected and found."""
    problem = str(error)
    path = "body"
    if place := _PLACE.search(problem):
        path = place["path"] or path
        problem = problem[: place.start()]
    if wrong := _WRONG_TYPE.fullmatch(problem):
        expected = wrong["expected"].replace("int | float", "int").replace(" | ", " or ")
        problem = f"expected {expected}, found {wrong['found']}"
    return f"{path}: {problem.replace('`', '').replace('Expected', 'expected')}"
