"""One request at a time: what is sent, what comes of each answer, and what is worth another attempt."""

from __future__ import annotations

import gzip
import inspect
import json
import math
import re
import socket
import threading
import time
from email.utils import formatdate
from urllib.parse import quote
from urllib.request import Request, urlopen

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from handinger_analytics import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    APIStatusError,
    APITimeoutError,
    ArgumentError,
    AuthenticationError,
    BadRequestError,
    Client,
    ConflictError,
    HandingerError,
    InternalServerError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    Sandbox,
    SettingsError,
    TaskIdError,
    UnprocessableEntityError,
    fetch,
)
from handinger_analytics.api.client import requester_of
from handinger_analytics.api.responses import read_answer
from handinger_analytics.api.transport import Answer
from handinger_analytics.api.wire import TaskWithTurns
from handinger_analytics.sandbox import Faults
from tests.samples import TURN, WORKER, body_a, encoded, one_turn
from tests.scripted import Reply, task_asked_for

SOON = {"retry-after-ms": "1"}
GOOD = Reply(body_a("tsk_1"))
SETTINGS = requester_of(Client("hdg_live_x")).settings


def says(text, status, **headers):
    """Return the documented error body with a status."""
    return Reply(encoded({"error": text}), status, headers)


def test_task_is_read_whole_in_either_generation(sandbox, client):
    """Task and turns are what a plain HTTP client gets from the same server."""
    for task_id in sandbox.task_ids[:10]:

        def get(path):
            request = Request(f"{sandbox.url}{path}", headers={"Authorization": f"Bearer {sandbox.api_key}"})  # noqa: S310
            return json.loads(urlopen(request).read())  # noqa: S310 - the sandbox, on this machine

        sent = get(f"/api/tasks/{quote(task_id, safe='')}")
        turns = sent.get("turns")
        if turns is None:
            turns = get(f"/api/tasks/{quote(task_id, safe='')}/turns")["items"]
        read = client.retrieve_task(task_id)
        assert read.task.id == sent["task"]["id"] == task_id
        assert read.task.totals.credits == sent["task"]["totals"]["credits"]
        assert [(turn.id, turn.credits, turn.input) for turn in read.turns] == [
            (turn["id"], turn["credits"], turn["input"]) for turn in turns
        ]


def test_generation_is_recognised_from_the_answer(sandbox, client, generation):
    """One request a task in generation A, two in B."""
    before = sandbox.stats.requests
    client.retrieve_task(sandbox.task_ids[0])
    assert sandbox.stats.requests - before == {"A": 1, "B": 2}[generation]


def test_one_connection_serves_one_thread(generation):
    """Connections are kept alive."""
    with Sandbox(tasks=10, generation=generation) as sandbox, sandbox.client() as client:
        for task_id in sandbox.task_ids:
            client.retrieve_task(task_id)
        assert sandbox.stats.connections == 1


def test_request_says_who_asks_and_what_is_wanted(serve):
    """Bearer authentication, JSON wanted, our name; and GET, or the server would have refused."""
    server = serve(GOOD)
    with server.client(api_key="hdg_live_x") as client:
        client.retrieve_task("tsk_1")
    (headers,) = server.headers
    assert headers["Authorization"] == "Bearer hdg_live_x"
    assert headers["Accept"] == "application/json"
    assert re.fullmatch(r"handinger-analytics/\d+\.\d+.*", headers["User-Agent"])
    assert headers["Cookie"] is None


@pytest.mark.parametrize(
    ("task_id", "segment"),
    [
        ("tsk_2Z-YWz3hFq6VlW", "tsk_2Z-YWz3hFq6VlW"),
        ("a/b", "a%2Fb"),
        ("a?b#c", "a%3Fb%23c"),
        ("%2F", "%252F"),
        ("é 🙂", "%C3%A9%20%F0%9F%99%82"),
        ("+&=;:@", "%2B%26%3D%3B%3A%40"),
        (".", "%2E"),
        ("..", "%2E%2E"),
        ("../../admin", "..%2F..%2Fadmin"),
        ("\\..\\", "%5C..%5C"),
        ("a\r\nX-Evil: 1", "a%0D%0AX-Evil%3A%201"),
        ("\x00", "%00"),
    ],
)
def test_any_id_is_one_segment_of_the_path(serve, task_id, segment):
    """Whatever an id holds, it neither climbs the path nor ends it."""
    server = serve(task_asked_for)
    with server.client() as client:
        client.retrieve_task(task_id)
        client.retrieve_task(task_id)
    assert server.paths == [f"/api/tasks/{segment}"] * 2


def test_half_a_surrogate_pair_in_an_id_is_not_sent_as_something_else(serve):
    """An id that UTF-8 cannot hold is refused: what would be asked for instead might exist."""
    server = serve(says("No such task", 404))
    pattern = r"^task_id: expected valid Unicode, .*surrogate"
    with server.client() as client, pytest.raises(TaskIdError, match=pattern):
        client.retrieve_task("tsk_\ud83d")
    assert server.paths == []
    with pytest.raises(TaskIdError, match=r"^task_ids\[1\]: expected valid Unicode, .*surrogate"):
        fetch(["tsk_1", "tsk_\ud83d"], client=client)


@pytest.mark.parametrize("status", [pytest.param(429, marks=pytest.mark.slow), 503])
def test_no_time_to_wait_is_not_no_wait(serve, status):
    """``Retry-After: 0`` from a server that goes on refusing does not use up all attempts at once."""
    server = serve(*[says("Busy.", status, **{"Retry-After": "0"})] * 2, GOOD)
    with server.client() as client:
        client.retrieve_task("tsk_1")
    assert server.moments[2] - server.moments[0] > 0.01


@pytest.mark.parametrize("base_url", ["https://exa mple.com", "https://*", "https://.example.com"])
def test_a_base_url_that_names_no_host(base_url):
    """What no request can be made to is an error of the settings."""
    with pytest.raises(SettingsError, match=r"^base_url: expected the address of a host, found"):
        Client("hdg_live_x", base_url=base_url)


@pytest.mark.parametrize("bad", ["", None, 5, b"tsk"])
def test_what_cannot_be_an_id_is_not_sent(serve, bad):
    """Neither as a task nor as a worker."""
    server = serve(GOOD)
    with server.client() as client:
        for ask in (
            client.retrieve_task,
            client.retrieve_worker,
            client.retrieve_schedules,
            client.retrieve_webhook,
            client.retrieve_webhook_executions,
        ):
            with pytest.raises(TaskIdError, match="expected a non-empty string"):
                ask(bad)
        with pytest.raises(TaskIdError, match="expected a non-empty string"):
            client.retrieve_worker("wrk_1", "")
    assert server.paths == []


def test_other_endpoints_have_their_documented_paths(serve):
    """Worker with and without a task, log pages, schedules; below a path prefix."""
    server = serve(
        Reply(encoded(WORKER)),
        Reply(encoded(WORKER)),
        Reply(encoded({"logs": [], "page": 3, "pageCount": 3, "totalCount": 0})),
        Reply(encoded({"schedules": [], "workerId": "w/1"})),
    )
    with server.client(base_url=f"{server.url}/prefix/") as client:
        client.retrieve_worker("w/1")
        client.retrieve_worker("w/1", "a&b=c/d")
        client.retrieve_webhook_executions("w/1", page=3)
        client.retrieve_schedules("w/1")
    assert server.paths == [
        "/prefix/api/workers/w%2F1",
        "/prefix/api/workers/w%2F1?taskId=a%26b%3Dc%2Fd",
        "/prefix/api/workers/w%2F1/webhook/executions?page=3",
        "/prefix/api/workers/w%2F1/schedules",
    ]


def test_dashboard_links_stand_for_the_ids_in_them(serve):
    """Wherever an id of a task or worker is taken."""
    link = "https://v3.handinger.com/worker/wrk%201/task/a%2Fb"
    server = serve(
        task_asked_for,
        Reply(encoded(WORKER)),
        Reply(encoded({"logs": [], "page": 1, "pageCount": 1, "totalCount": 0})),
        Reply(encoded({"url": None, "token": None})),
        Reply(encoded({"schedules": [], "workerId": "wrk 1"})),
    )
    with server.client() as client:
        client.retrieve_task(link)
        client.retrieve_worker(link, link)
        client.retrieve_webhook_executions(link)
        assert client.retrieve_webhook(link).url is None
        client.retrieve_schedules(link)
    assert server.paths == [
        "/api/tasks/a%2Fb",
        "/api/workers/wrk%201?taskId=a%2Fb",
        "/api/workers/wrk%201/webhook/executions?page=1",
        "/api/workers/wrk%201/webhook",
        "/api/workers/wrk%201/schedules",
    ]


def test_token_of_a_webhook_is_neither_kept_nor_shown(serve):
    """Its address is, and half an answer is not quoted."""
    whole = encoded({"url": "https://example.com/hook", "token": "whs_canary"})
    with serve(Reply(whole)).client() as client:
        webhook = client.retrieve_webhook("wrk_1")
    assert webhook.url == "https://example.com/hook"
    assert "canary" not in repr(webhook)
    assert not [name for name in dir(webhook) if "token" in name]
    with serve(Reply(whole[:-2])).client(max_attempts=1) as client:
        with pytest.raises(APIResponseValidationError, match="webhook of worker 'wrk_1'") as caught:
            client.retrieve_webhook("wrk_1")
    assert "canary" not in str(caught.value)


def test_defaults_are_those_that_are_documented():
    """Seconds, attempts and connections without a word from the user."""
    given = {name: each.default for name, each in inspect.signature(Client).parameters.items()}
    documented = {
        "timeout": 30.0,
        "max_attempts": 6,
        "max_wait": 300.0,
        "max_connections": 16,
        "max_answer_seconds": 120.0,
        "max_answer_bytes": 256 * 2**20,
    }
    assert {name: given[name] for name in documented} == documented


def test_tab_completion_shows_what_a_user_needs():
    """A client asks for five things, and is closed."""
    with Client("hdg_live_x") as client:
        assert [name for name in dir(client) if not name.startswith("_")] == [
            "close",
            "retrieve_schedules",
            "retrieve_task",
            "retrieve_webhook",
            "retrieve_webhook_executions",
            "retrieve_worker",
        ]


@pytest.mark.parametrize("page", [0, -1, 1.5, "1", True])
def test_page_is_a_whole_number(serve, page):
    """Pages are counted from 1."""
    with serve(GOOD).client() as client, pytest.raises(ArgumentError, match="page: expected a whole number"):
        client.retrieve_webhook_executions("wrk_1", page=page)


FINAL = [
    (400, BadRequestError, "unexpected answer"),
    (401, AuthenticationError, "API key was not accepted; check HANDINGER_API_KEY"),
    (403, PermissionDeniedError, "no access"),
    (404, NotFoundError, "not found; check the id"),
    (422, UnprocessableEntityError, "refused the request as malformed"),
    (418, APIStatusError, "unexpected answer"),
]
PASSING = [
    (408, APIStatusError, "unexpected answer"),
    (409, ConflictError, "unexpected answer"),
    (425, APIStatusError, "unexpected answer"),
    (429, RateLimitError, "rate limited"),
    (500, InternalServerError, "the server failed"),
    (502, InternalServerError, "the server failed"),
    (503, InternalServerError, "the server failed"),
    (504, InternalServerError, "the server failed"),
    (599, InternalServerError, "the server failed"),
]

PASSING_QUICKLY = [
    pytest.param(*each, marks=pytest.mark.slow) if each[0] == 429 else each  # it pauses for a second
    for each in PASSING
]


@pytest.mark.parametrize(("status", "error", "meaning"), FINAL)
def test_final_status_is_an_error_at_once(serve, status, error, meaning):
    """It names the id, says what it means and what the server says, and is not asked again."""
    server = serve(says("Because \x1b[31mso.", status), GOOD)
    pattern = rf"^task 'tsk_1': .*{meaning}.*\(status {status}, the server says \"Because so\.\"\)$"
    with server.client() as client, pytest.raises(error, match=pattern) as caught:
        client.retrieve_task("tsk_1")
    assert (caught.value.http_status, caught.value.attempts) == (status, 1)
    assert type(caught.value) is error
    assert len(server.paths) == 1


@pytest.mark.parametrize(("status", "error", "meaning"), PASSING_QUICKLY)
def test_passing_status_is_asked_again(serve, status, error, meaning):
    """A good answer after two bad ones is what counts."""
    bad = says("Later.", status, **SOON)
    server = serve(bad, bad, GOOD)
    with server.client() as client:
        assert client.retrieve_task("tsk_1").task.id == "tsk_1"
    assert len(server.paths) == 3


@pytest.mark.parametrize(("status", "error", "meaning"), PASSING_QUICKLY)
def test_passing_status_that_does_not_pass_is_an_error(serve, status, error, meaning):
    """It is asked ``max_attempts`` times, not once more, and says so."""
    server = serve(says("Later.", status, **SOON))
    pattern = (
        rf"^task 'tsk_1': {meaning} \(status {status}, the server says \"Later\.\"\) \(after 3 attempts\)$"
    )
    with server.client(max_attempts=3) as client, pytest.raises(error, match=pattern) as caught:
        client.retrieve_task("tsk_1")
    assert (caught.value.http_status, caught.value.attempts) == (status, 3)
    assert type(caught.value) is error
    assert len(server.paths) == 3


def test_all_errors_have_one_root():
    """``except HandingerError`` catches every one of them."""
    for _, error, _ in FINAL + PASSING:
        assert issubclass(error, APIStatusError)
    for error in (APIStatusError, APIConnectionError, APIResponseValidationError):
        assert issubclass(error, APIError)
    assert issubclass(APITimeoutError, APIConnectionError)
    assert issubclass(APIError, HandingerError)


@pytest.mark.parametrize(
    ("status", "wish", "asked"), [(404, "true", 2), (400, "true", 2), (500, "false", 1), (429, "false", 1)]
)
def test_server_has_the_last_word_on_another_attempt(serve, status, wish, asked):
    """``x-should-retry`` goes before the table of statuses."""
    server = serve(says("Hm.", status, **SOON, **{"x-should-retry": wish}), GOOD)
    with server.client() as client:
        if wish == "true":
            client.retrieve_task("tsk_1")
        else:
            with pytest.raises(APIStatusError, match=str(status)):
                client.retrieve_task("tsk_1")
    assert len(server.paths) == asked


def waited(serve, headers, status=503):
    """Return how long a client waits because of these headers."""
    server = serve(Reply(b"", status, headers), GOOD)
    with server.client() as client:
        started = time.monotonic()
        client.retrieve_task("tsk_1")
        return time.monotonic() - started


@pytest.mark.slow
@pytest.mark.parametrize(
    ("status", "headers"),
    [
        pytest.param(429, {"Retry-After": "0.6"}, id="429-seconds"),
        pytest.param(503, {"Retry-After": "0.6"}, id="503-seconds"),
        pytest.param(503, {"retry-after-ms": "600"}, id="milliseconds"),
        pytest.param(503, {"retry-after-ms": "600", "Retry-After": "50"}, id="milliseconds-first"),
        pytest.param(
            503,
            {"Retry-After": formatdate(1e9 + 1, usegmt=True), "Date": formatdate(1e9, usegmt=True)},
            id="date",
        ),
    ],
)
def test_asked_wait_is_kept(serve, headers, status):
    """The next attempt comes after the time the server named, by its own clock, and not much later."""
    assert 0.6 <= waited(serve, headers, status) < 10


@pytest.mark.slow
@pytest.mark.parametrize(
    "headers",
    [
        {"Retry-After": "0"},
        {"Retry-After": "-5"},
        {"Retry-After": formatdate(0, usegmt=True)},
        {"retry-after-ms": "-1"},
    ],
)
def test_asked_wait_that_is_over_is_none(serve, headers):
    """Zero, less than zero and a date gone by mean at once."""
    started = time.monotonic()
    for _ in range(2):
        waited(serve, headers)
    assert time.monotonic() - started < 2


ODD_WAITS = [
    "",
    " ",
    "soon",
    "nan",
    "1,5",
    "0x10",
    "²",
    "Wed, 21 Oct 2026",
    "Wed, 99 Oct 2026 99:99:99 GMT",
    "Wed, 21 Oct 2026 07:28:00 +9999999",
    "Wed, 21 Oct 99999999999 07:28:00 GMT",
]


@pytest.mark.parametrize("header", ["Retry-After", "retry-after-ms"])
@pytest.mark.parametrize("value", ODD_WAITS)
def test_asked_wait_that_makes_no_sense_is_ignored(header, value):
    """It is as if the server had not asked for any."""
    answer = Answer(503, {header: value.encode().decode("latin-1")}, b"")
    assert read_answer(answer, TaskWithTurns, SETTINGS).wait is None


def test_without_an_asked_wait_the_client_backs_off_by_itself(serve):
    """It asks again all the same."""
    server = serve(Reply(b"", 503, {"Retry-After": "²".encode().decode("latin-1")}), GOOD)
    with server.client() as client:
        assert client.retrieve_task("tsk_1").task.id == "tsk_1"


def test_date_header_that_makes_no_sense_is_ignored(serve):
    """The own clock serves instead."""
    headers = {"Retry-After": formatdate(0, usegmt=True), "Date": "Wed, 21 Oct 99999999999 07:28:00 GMT"}
    assert waited(serve, headers) < 10


@pytest.mark.parametrize("value", ["inf", "1e999", "Infinity"])
def test_endless_wait_does_not_close_the_client_for_ever(serve, value):
    """A header that is no number of seconds must not lame every later request of the client."""
    server = serve(Reply(b"", 429, {"Retry-After": value}), GOOD)
    with server.client(max_wait=5) as client:
        try:
            client.retrieve_task("tsk_1")
        except RateLimitError:
            pass
        assert requester_of(client).gate.closed_for < 60


@settings(max_examples=300)
@given(
    value=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40)
    | st.sampled_from(["Wed, 21 Oct 2026 07:28:00 GMT", "Wed, 21 Oct 2026 07:28:00 -0000"]).flatmap(
        lambda text: st.integers(0, len(text) - 1).flatmap(
            lambda at: st.sampled_from("0 9:,-+GZ").map(lambda new: text[:at] + new * 3 + text[at + 1 :])
        )
    )
)
def test_no_header_makes_a_client_stumble(value):
    """Any Retry-After is a time to wait or none, of the error the status stands for."""
    rejection = read_answer(Answer(503, {"Retry-After": value}, b""), TaskWithTurns, SETTINGS)
    assert rejection.error is InternalServerError
    assert rejection.wait is None or 0 <= rejection.wait < math.inf


@pytest.mark.parametrize(("status", "error"), [(429, RateLimitError), (503, InternalServerError)])
def test_wait_beyond_max_wait_is_said_at_once(serve, status, error):
    """Nobody waits an hour without having agreed to: the error has the seconds and the setting."""
    server = serve(says("Slow down.", status, **{"Retry-After": "3600"}))
    pattern = r"task 'tsk_1': .*wait 3,600 s, more than is left of max_wait=10\. Try again later, or"
    started = time.monotonic()
    with server.client(max_wait=10) as client, pytest.raises(error, match=pattern) as caught:
        client.retrieve_task("tsk_1")
    assert time.monotonic() - started < 5
    assert (caught.value.http_status, caught.value.attempts) == (status, 1)
    assert len(server.paths) == 1


@pytest.mark.slow
def test_max_wait_is_counted_over_all_attempts(serve):
    """Three waits of 0.3 s fit into a second, a fourth does not."""
    server = serve(says("Later.", 503, **{"retry-after-ms": "300"}))
    with (
        server.client(max_wait=1, max_attempts=50) as client,
        pytest.raises(InternalServerError, match="max_wait=1") as caught,
    ):
        client.retrieve_task("tsk_1")
    assert caught.value.attempts == len(server.paths) == 4


@pytest.mark.parametrize(
    "body", [b"<html>We will be right back", b"", b'{"task": {"id": "tsk_1"', b"\xff\xfe\x00"]
)
def test_broken_answer_with_status_200_is_asked_again(serve, body):
    """HTML, nothing, half a body, noise: a proxy hiccup, not an answer."""
    server = serve(Reply(body), GOOD)
    with server.client() as client:
        assert client.retrieve_task("tsk_1").task.id == "tsk_1"
    assert len(server.paths) == 2


def test_broken_answer_that_stays_is_reported_with_its_beginning(serve):
    """The first 200 characters show what stands in the way."""
    server = serve(Reply(b"<html>" + "é".encode() * 500))
    with server.client(max_attempts=2) as client, pytest.raises(APIResponseValidationError) as caught:
        client.retrieve_task("tsk_1")
    message = str(caught.value)
    assert message.startswith("task 'tsk_1': the answer is not JSON")
    assert "<html>" + "é" * 194 + "'" in message
    assert "é" * 195 not in message
    assert message.endswith("(after 2 attempts)")
    assert (caught.value.http_status, caught.value.attempts) == (200, 2)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (one_turn(credits="42"), r"turns\[0\]\.credits: expected int, found str"),
        (
            one_turn(credits=42.5),
            r"turns\[0\]\.credits: expected int, found float \(a fraction, which is never rounded\)",
        ),
        (encoded({"task": {}}), r"task: .*missing required field id"),
        (encoded({"error": "Quota"}), r"body: .*missing required field task"),
        (encoded([]), r"body: expected object, found array"),
        (b'{"task": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "expected object|nested too deeply"),
    ],
)
def test_answer_of_another_shape_is_an_error_with_its_place(serve, body, problem):
    """It names the id and the path inside the body; asking again would not help."""
    server = serve(Reply(body), GOOD)
    pattern = rf"^task 'tsk_1': the answer is not what the API documents: .*({problem})"
    with server.client() as client, pytest.raises(APIResponseValidationError, match=pattern) as caught:
        client.retrieve_task("tsk_1")
    assert (caught.value.http_status, caught.value.attempts) == (200, 1)
    assert len(server.paths) == 1


def test_turns_that_cannot_be_read_say_that_it_was_the_turns(serve):
    """In generation B the second request has its own name."""
    server = serve(
        Reply(encoded({"task": json.loads(body_a())["task"]})),
        Reply(encoded({"items": [TURN | {"seq": "1"}]})),
    )
    with (
        server.client() as client,
        pytest.raises(
            APIResponseValidationError,
            match=r"^turns of task 'tsk_1': .*items\[0\]\.seq: expected int, found str",
        ),
    ):
        client.retrieve_task("tsk_1")
    assert server.paths == ["/api/tasks/tsk_1", "/api/tasks/tsk_1/turns"]


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"plain words", 'the server says "plain words"'),
        (b"", r"\(status 404\)"),
        (encoded(["a"]), r"says \"\['a'\]\""),
        (encoded({"error": {"code": 5}}), "code"),
        (encoded({"error": "x" * 1000}), 'says "x{200}"'),
        ("é🙂".encode()[:-1], 'says "é\ufffd'),
        (b'{"error": "half \\ud83d"}', "half"),
        (b"[" * 100_000, r"\[\[\["),
        (b"a\x00b\x1b]0;title\x07c\r\nd", "a b ]0;title c d"),
    ],
)
def test_whatever_an_error_says_is_shown_short_and_on_one_line(serve, body, shown):
    """The text of an error is a stranger's: cut, cleaned of control characters, never a crash."""
    server = serve(Reply(body, 404))
    with server.client() as client, pytest.raises(NotFoundError, match=shown) as caught:
        client.retrieve_task("tsk_1")
    assert len(str(caught.value)) < 500
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]", str(caught.value))


def test_control_characters_of_an_id_do_not_reach_a_terminal(serve):
    """An id is shown as Python would write it."""
    server = serve(says("No.", 404))
    with server.client() as client, pytest.raises(NotFoundError, match=r"task 'a\\x1b\[31m'"):
        client.retrieve_task("a\x1b[31m")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_is_not_followed(serve, status):
    """The key is not carried on to an address somebody else chose."""
    other = serve(GOOD)
    server = serve(Reply(b"", status, {"Location": f"{other.url}/api/tasks/tsk_1"}))
    with (
        server.client() as client,
        pytest.raises(APIStatusError, match=r"redirects to 'http://127.*HANDINGER_BASE_URL"),
    ):
        client.retrieve_task("tsk_1")
    assert other.paths == []
    assert len(server.paths) == 1


@pytest.mark.parametrize("kind", ["reset-before-body", "reset-mid-body", "short-body"])
def test_cut_connection_is_a_connection_error(kind):
    """It is asked again; the error that remains names the id and the attempts."""
    faults = Faults(rate=0, always={"tsk_2Z-YWz3hFq6VlW": kind})
    pattern = r"^task 'tsk_2Z-YWz3hFq6VlW': no complete answer \(.*\) \(after 2 attempts\)$"
    with Sandbox(tasks=1, faults=faults) as sandbox, sandbox.client(max_attempts=2) as client:
        with pytest.raises(APIConnectionError, match=pattern) as caught:
            client.retrieve_task("tsk_2Z-YWz3hFq6VlW")
        assert sandbox.stats.requests == 2
    assert (caught.value.http_status, caught.value.attempts) == (None, 2)
    assert not isinstance(caught.value, APITimeoutError)


@pytest.mark.parametrize("kind", ["slow-first-byte", "slow-body"])
def test_late_answer_is_a_timeout(kind):
    """No byte within the timeout, at the start or in the middle."""
    faults = Faults(rate=0, always={"tsk_2Z-YWz3hFq6VlW": kind}, slow=5)
    with Sandbox(tasks=1, faults=faults) as sandbox, sandbox.client(max_attempts=1, timeout=0.2) as client:
        with pytest.raises(APITimeoutError, match="task 'tsk_2Z-YWz3hFq6VlW': no answer in time") as caught:
            client.retrieve_task("tsk_2Z-YWz3hFq6VlW")
    assert caught.value.http_status is None


def test_nobody_listening_is_a_connection_error():
    """A refused connection is retried, then said."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with Client("hdg_live_x", base_url=url, max_attempts=2) as client:
            with pytest.raises(
                APIConnectionError, match=r"task 't': no complete answer.*refused.*after 2 att"
            ) as caught:
                client.retrieve_task("t")
    assert type(caught.value) is APIConnectionError, "it is not a matter of time"


def test_compressed_answers_are_read_and_broken_ones_asked_again(serve):
    """A body that does not unpack is a broken answer."""
    packed = gzip.compress(body_a("tsk_1"))
    server = serve(
        Reply(b"no gzip", 200, {"Content-Encoding": "gzip"}), Reply(packed, 200, {"Content-Encoding": "gzip"})
    )
    with server.client() as client:
        assert client.retrieve_task("tsk_1").task.id == "tsk_1"
    assert len(server.paths) == 2


def test_cookies_are_neither_kept_nor_sent(serve):
    """The key is all the identity there is."""
    server = serve(Reply(body_a(), 200, {"Set-Cookie": "track=1"}))
    with server.client() as client:
        client.retrieve_task("tsk_1")
        client.retrieve_task("tsk_1")
    assert [headers["Cookie"] for headers in server.headers] == [None, None]


def test_own_session_is_used_and_left_open(sandbox):
    """A user's session sends the requests, with its own headers, and outlives the client."""
    sent = []

    class Session(requests.Session):
        closed = False

        def send(self, request, **options):
            sent.append(request.headers["X-Mine"])
            return super().send(request, **options)

        def close(self):
            self.closed = True
            super().close()

    with Session() as session:
        session.headers["X-Mine"] = "yes"
        session.headers["Authorization"] = "Basic somebody-else"
        with sandbox.client(session=session) as client:
            requester_of(client).read_task(sandbox.task_ids[0], threading.Event())
        assert sent == ["yes"]
        assert not session.closed


def test_refused_key_reaches_the_user_as_advice(sandbox):
    """The sandbox's own 401 and 403, as a user meets them."""
    with sandbox.client(api_key="hdg_live_wrong") as client:
        with pytest.raises(
            AuthenticationError, match=r"make a new key in the dashboard.*Unknown or revoked API key"
        ):
            client.retrieve_task(sandbox.task_ids[0])
    with sandbox.client() as client:
        with pytest.raises(PermissionDeniedError, match=f"worker '{sandbox.forbidden_worker_id}'"):
            client.retrieve_worker(sandbox.forbidden_worker_id)
        with pytest.raises(NotFoundError, match="task 'tsk_nope': not found"):
            client.retrieve_task("tsk_nope")
