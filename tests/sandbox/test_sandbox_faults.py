"""Misbehaviour as a client sees it."""

from __future__ import annotations

import gzip
import json
import socket
import threading
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, IncompleteRead
from urllib.parse import quote, urlsplit

import pytest

from handinger_analytics import ArgumentError
from handinger_analytics.sandbox import Faults, Sandbox
from handinger_analytics.sandbox.api import route_of
from handinger_analytics.sandbox.faults import FaultDrawer

EXAMPLE_ID = "tsk_2Z-YWz3hFq6VlW"
EXAMPLE_PATH = f"/api/tasks/{EXAMPLE_ID}"


def always(kind, **more):
    """Return a sandbox whose documented task always goes wrong in one way."""
    return Sandbox(tasks=3, faults=Faults(rate=0, always={EXAMPLE_ID: kind}, **more))


@pytest.mark.parametrize(
    ("kind", "header", "value"),
    [
        ("429-seconds", "retry-after", "0.2"),
        ("429-ms", "retry-after-ms", "200"),
        ("429-bare", None, None),
    ],
)
def test_too_many_requests(get, kind, header, value):
    """The 429 answers carry the documented body and ask for a wait in different ways."""
    with always(kind) as sandbox:
        reply = get(sandbox, EXAMPLE_PATH)
        assert sandbox.stats.by_fault == {kind: 1}
    assert reply.status == 429
    assert set(reply.json) == {"error"}
    hints = {name: reply.headers[name] for name in reply.headers if name.startswith("retry-")}
    assert hints == ({header: value} if header else {})


def test_too_many_requests_until_a_date(get):
    """One 429 names an HTTP date about a second ahead of its own Date header."""
    with always("429-date") as sandbox:
        headers = get(sandbox, EXAMPLE_PATH).headers
    ahead = parsedate_to_datetime(headers["retry-after"]) - parsedate_to_datetime(headers["date"])
    assert 0 <= ahead.total_seconds() <= 2


def test_asked_wait_can_be_set(get):
    """`retry_after` is what the 429 answers ask for."""
    with always("429-seconds", retry_after=2) as sandbox:
        assert get(sandbox, EXAMPLE_PATH).headers["retry-after"] == "2"


@pytest.mark.parametrize("kind", ["500", "502", "503"])
def test_server_errors(get, kind):
    """A 500 is JSON; 502 and 503 are HTML, as from a gateway."""
    with always(kind) as sandbox:
        reply = get(sandbox, EXAMPLE_PATH)
    assert reply.status == int(kind)
    is_json = reply.headers["content-type"].startswith("application/json")
    assert is_json == (kind == "500")
    assert reply.body.startswith(b'{"error"' if is_json else b"<!doctype html>")


@pytest.mark.parametrize("status", ["400", "401", "403", "404", "408", "409", "422", "500"])
def test_plain_statuses(get, status):
    """An id may always be answered with a plain status, both of its paths and nothing else."""
    with Sandbox(generation="B", tasks=3, faults=Faults(0, always={EXAMPLE_ID: status})) as sandbox:
        for path in (EXAMPLE_PATH, EXAMPLE_PATH + "/turns"):
            reply = get(sandbox, path)
            assert reply.status == int(status)
            assert set(reply.json) == {"error"}
        assert get(sandbox, f"/api/tasks/{sandbox.task_ids[0]}").status == 200


def test_always_takes_odd_ids_and_paths(get):
    """`always` knows decoded ids and encoded paths."""
    task_id = "100% coverage"
    path = f"/api/tasks/{quote(task_id)}"
    for name in (task_id, path):
        with Sandbox(faults=Faults(0, always={name: "409"})) as sandbox:
            assert get(sandbox, path).status == 409
    with Sandbox(generation="B", faults=Faults(0, always={f"{path}/turns": "500"})) as sandbox:
        assert (get(sandbox, path).status, get(sandbox, f"{path}/turns").status) == (200, 500)


def test_reset_before_body(get):
    """The connection is reset before an answer."""
    with always("reset-before-body") as sandbox:
        with pytest.raises(ConnectionResetError):
            get(sandbox, EXAMPLE_PATH)
        assert (sandbox.stats.by_status, sandbox.stats.served) == ({}, 0)


def test_reset_mid_body(get):
    """The connection breaks in the middle of the body."""
    with always("reset-mid-body") as sandbox:
        with pytest.raises((ConnectionResetError, IncompleteRead)):
            get(sandbox, EXAMPLE_PATH)
        assert sandbox.stats.served == 0


def test_truncated_json(get):
    """The HTTP answer is whole, its JSON is not."""
    with always("truncated-json") as sandbox:
        reply = get(sandbox, EXAMPLE_PATH)
        assert sandbox.stats.served == 0
    assert reply.status == 200
    assert int(reply.headers["content-length"]) == len(reply.body)
    assert reply.body.startswith(b'{"task":{')
    with pytest.raises(ValueError, match=r"Unterminated|Expecting|delimiter"):
        json.loads(reply.body.decode(errors="replace"))


def test_short_body(get):
    """Fewer bytes arrive than Content-Length says."""
    with always("short-body") as sandbox, pytest.raises(IncompleteRead) as raised:
        get(sandbox, EXAMPLE_PATH)
    assert raised.value.partial.startswith(b'{"task":{')
    assert raised.value.expected > 0


def test_html_with_status_200(get):
    """An HTML page arrives with status 200."""
    with always("html-200") as sandbox:
        reply = get(sandbox, EXAMPLE_PATH)
        assert sandbox.stats.served == 0
    assert (reply.status, reply.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert reply.body.startswith(b"<!doctype html>")


@pytest.mark.parametrize("kind", ["slow-first-byte", "slow-body"])
def test_slow_answers_are_right_in_the_end(get, kind):
    """A slow answer is the right one."""
    with always(kind, slow=0.05) as sandbox:
        slow = get(sandbox, EXAMPLE_PATH)
        assert (sandbox.stats.served, sandbox.stats.by_fault) == (1, {kind: 1})
    with Sandbox(tasks=3) as sandbox:
        assert slow.body == get(sandbox, EXAMPLE_PATH).body


def received(sandbox):
    """Return all bytes that are sent for the documented task, up to the end of the connection."""
    where = urlsplit(sandbox.url)
    fields = f"Authorization: Bearer {sandbox.api_key}\r\nConnection: close\r\n"
    with socket.create_connection((where.hostname, where.port), timeout=20) as connection:
        connection.sendall(f"GET {EXAMPLE_PATH} HTTP/1.1\r\n{fields}\r\n".encode())
        with connection.makefile("rb") as stream:
            return stream.read()


def test_early_hints_come_before_the_answer(get):
    """An interim answer is followed by the right one, on a connection that stays open."""
    with always("early-hints") as sandbox:
        interim, answer, body = received(sandbox).split(b"\r\n\r\n")
        assert sandbox.stats.served == 1
    assert interim.startswith(b"HTTP/1.1 103 Early Hints\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    with Sandbox(tasks=3) as calm:
        assert body == get(calm, EXAMPLE_PATH).body


@pytest.mark.parametrize(
    ("kind", "framing"),
    [
        ("bad-chunk-size", b"\r\n\r\n-5\r\nabc"),
        ("huge-chunk", b"\r\n\r\nFFFFFFFFFFFFFFFF\r\nabc"),
        ("huge-length", b"Content-Length: 100000000000000000000\r\n"),
    ],
)
def test_bad_framing(kind, framing):
    """The bytes that frame the body are wrong; then the connection is closed."""
    with always(kind) as sandbox:
        raw = received(sandbox)
        assert sandbox.stats.served == 0
    assert framing in raw
    assert (b"Transfer-Encoding: chunked\r\n" in raw) == kind.endswith(("chunk", "size"))


@pytest.mark.parametrize("generation", ["A", "B"])
def test_answers_about_another_task(get, generation):
    """A task that exists, or its turns, stands in for the one that was asked for."""
    faults = Faults(0, always={EXAMPLE_ID: "foreign-task"})
    with Sandbox(tasks=3, generation=generation, faults=faults) as sandbox:
        other = get(sandbox, EXAMPLE_PATH).json["task"]["id"]
        assert other in sandbox.task_ids
        assert other != EXAMPLE_ID
        if generation == "B":
            turns = get(sandbox, EXAMPLE_PATH + "/turns").json
            assert {turn["taskId"] for turn in turns["items"]} == {other} == {turns["taskId"]}
        assert sandbox.stats.served == 0


@pytest.mark.parametrize("generation", ["A", "B"])
def test_turns_of_another_task(get, generation):
    """The task is right, its turns are those of another."""
    faults = Faults(0, always={EXAMPLE_ID: "foreign-turns"})
    with Sandbox(tasks=3, generation=generation, faults=faults) as sandbox:
        body = get(sandbox, EXAMPLE_PATH).json
        assert body["task"]["id"] == EXAMPLE_ID
        turns = body["turns"] if generation == "A" else get(sandbox, EXAMPLE_PATH + "/turns").json["items"]
        assert EXAMPLE_ID not in {turn["taskId"] for turn in turns}


@pytest.mark.parametrize("generation", ["A", "B"])
def test_time_outside_the_calendar_in_utc(get, generation):
    """One time is valid where it was written, and in UTC in the year 10000."""
    faults = Faults(0, always={EXAMPLE_ID: "time-out-of-range"})
    with Sandbox(tasks=3, generation=generation, faults=faults) as sandbox:
        body = get(sandbox, EXAMPLE_PATH).json
    time = body["turns"][0]["startedAt"] if generation == "A" else body["task"]["createdAt"]
    assert time == "9999-12-31T23:59:59.999-12:00"


def test_oversize_answers_are_small_until_they_are_unpacked(get):
    """Some kilobytes become as many bytes as asked for, and the right body at the end."""
    with always("oversize", size=5_000_000) as sandbox:
        reply = get(sandbox, EXAMPLE_PATH)
    body = gzip.decompress(reply.body)
    assert reply.headers["content-encoding"] == "gzip"
    assert len(reply.body) < 50_000
    assert len(body) > 5_000_000
    with Sandbox(tasks=3) as calm:
        assert body.lstrip(b" ") == get(calm, EXAMPLE_PATH).body


def test_dripping_answer_is_right_in_the_end(get):
    """Every byte of the body comes alone, and all come."""
    with always("drip", slow=0.00001) as sandbox, Sandbox(tasks=3) as calm:
        assert get(sandbox, EXAMPLE_PATH).body == get(calm, EXAMPLE_PATH).body


def test_dripping_answer_ends_with_the_sandbox(get):
    """A sandbox that is stopped does not wait for the last byte."""
    with always("drip", slow=3600) as sandbox:
        where = urlsplit(sandbox.url)
        connection = HTTPConnection(where.hostname, where.port, timeout=20)
        connection.request("GET", EXAMPLE_PATH, headers={"Authorization": f"Bearer {sandbox.api_key}"})
        assert connection.getresponse().status == 200
    connection.close()


def test_hard_kinds_are_drawn_only_where_they_are_named():
    """By default a client that retries gets through; those about tasks leave other routes alone."""
    assert not set(Faults.HARD) & set(Faults.ALL)
    assert Faults(0.5).kinds == Faults.ALL
    named = FaultDrawer(Faults(1, kinds=[*Faults.HARD], max_in_a_row=1000))
    task, worker = route_of(EXAMPLE_PATH), route_of("/api/workers/wrk_1")
    assert {named.draw(task) for _ in range(200)} == set(Faults.HARD)
    about_tasks = {"foreign-task", "foreign-turns", "time-out-of-range"}
    assert {named.draw(worker) for _ in range(200)} == set(Faults.HARD) - about_tasks


def test_disturbed_log_repeats_but_loses_nothing(get):
    """Disturbed log pages begin with entries of the page before, and nothing is missing."""
    faults = Faults(rate=1, kinds="duplicate-log-pages", max_in_a_row=100)
    with Sandbox(faults=faults) as sandbox, Sandbox() as calm:
        path = f"/api/workers/{sandbox.worker_ids[0]}/webhook/executions"
        count = get(sandbox, path).json["pageCount"]
        disturbed = [get(sandbox, f"{path}?page={n}").json["logs"] for n in range(1, count + 1)]
        proper = [get(calm, f"{path}?page={n}").json["logs"] for n in range(1, count + 1)]
    assert disturbed[0] == proper[0]
    for number in range(1, count):
        assert disturbed[number] == proper[number - 1][-3:] + proper[number]


def test_disturbed_log_leaves_other_routes_alone(get):
    """Where there are no pages, that fault does nothing."""
    with Sandbox(tasks=3, faults=Faults(1, kinds=["duplicate-log-pages"])) as sandbox:
        assert get(sandbox, EXAMPLE_PATH).status == 200
        assert sandbox.stats.by_fault == {}


def test_never_more_than_three_in_a_row(get):
    """Even at rate 1 every fourth request of a path is answered properly."""
    with Sandbox(tasks=3, faults=Faults(rate=1, kinds=["503"])) as sandbox:
        statuses = [get(sandbox, EXAMPLE_PATH).status for _ in range(8)]
        assert statuses == [503, 503, 503, 200] * 2
        assert sandbox.stats.by_fault == {"503": 6}


def outcomes(get, sandbox, paths):
    """Return what became of each request: a status or the name of an error."""
    results = []
    for path in paths:
        try:
            results.append(get(sandbox, path).status)
        except (OSError, HTTPException) as broken:
            results.append("short" if isinstance(broken, IncompleteRead) else "reset")
    return results


def test_draws_are_repeatable():
    """The n-th request of a path meets the same fault in every run, in whatever order."""
    routes = [route_of(f"/api/tasks/{number}") for number in range(50)]
    first, second = FaultDrawer(Faults(0.5, seed=3)), FaultDrawer(Faults(0.5, seed=3))
    forward = [[first.draw(route) for route in routes] for _ in range(6)]
    backward = [[second.draw(route) for route in reversed(routes)][::-1] for _ in range(6)]
    other = FaultDrawer(Faults(0.5, seed=4))
    assert forward == backward
    assert forward != [[other.draw(route) for route in routes] for _ in range(6)]
    assert 100 < sum(kind is not None for row in forward for kind in row) < 200


@pytest.mark.slow
def test_all_kinds_at_once(get):
    """By default all kinds are drawn; several threads at once still get every task."""
    assert Faults(0.5).kinds == Faults.ALL
    with Sandbox(tasks=60, faults=Faults(0.5, slow=0.005)) as sandbox:
        paths = [f"/api/tasks/{quote(task_id, safe='')}" for task_id in sandbox.task_ids]
        threads = [threading.Thread(target=outcomes, args=(get, sandbox, paths * 5)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        stats = sandbox.stats
    assert stats.requests == 4 * 5 * 60
    assert set(stats.by_fault) == set(Faults.ALL) - {"duplicate-log-pages"}
    assert 0.3 < sum(stats.by_fault.values()) / stats.requests < 0.7
    assert stats.distinct_tasks == 60


def test_a_number_is_a_rate(get):
    """`faults=` takes a plain rate too."""
    with Sandbox(tasks=3, faults=0) as calm, Sandbox(tasks=3, faults=1.0) as wild:
        outcomes(get, calm, [EXAMPLE_PATH] * 4)
        outcomes(get, wild, [EXAMPLE_PATH] * 4)
        assert sum(calm.stats.by_fault.values()) == 0
        assert sum(wild.stats.by_fault.values()) == 3


def test_key_comes_before_faults(get):
    """A wrong key is 401 whatever the faults."""
    with Sandbox(tasks=3, faults=1.0) as sandbox:
        assert get(sandbox, EXAMPLE_PATH, authorization="Bearer nope").status == 401


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rate": -0.1}, "rate: expected a number from 0 to 1, found -0.1"),
        ({"rate": float("nan")}, "rate: expected a number from 0 to 1, found nan"),
        ({"seed": "x"}, "seed: expected a whole number, found 'x'"),
        (
            {"kinds": ["504"]},
            "kinds: expected '429-seconds', .*-pages', .* or 'drip', found '504'",
        ),
        ({"always": {"x": "999"}}, "always: expected '429-seconds', .* or '422', found '999'"),
        ({"slow": -1}, "slow: expected seconds, 0 or more, found -1"),
        ({"retry_after": float("inf")}, "retry_after: expected seconds, 0 or more, found inf"),
        ({"size": 1.5}, "size: expected bytes, a whole number from 0, found 1.5"),
        ({"max_in_a_row": -1}, "max_in_a_row: expected a whole number from 0, found -1"),
    ],
)
def test_bad_faults(arguments, message):
    """A bad field is refused with its name, what was found and what is accepted."""
    with pytest.raises(ArgumentError, match=message):
        Faults(**arguments)
