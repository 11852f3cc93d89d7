"""Authorization, errors, connections and life cycle of the sandbox server."""

from __future__ import annotations

import socket
import threading
from datetime import datetime
from http.client import HTTPConnection, RemoteDisconnected
from time import sleep
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest

from handinger_analytics import ArgumentError
from handinger_analytics.sandbox import Sandbox
from handinger_analytics.sandbox.server import HttpServer, Reply

EXAMPLE_PATH = "/api/tasks/tsk_2Z-YWz3hFq6VlW"


def exchange(sandbox, data):
    """Send raw bytes and return everything the server sends until it closes."""
    where = urlsplit(sandbox.url)
    with socket.create_connection((where.hostname, where.port), timeout=20) as connection:
        connection.sendall(data)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
        return received


@pytest.mark.parametrize(
    ("authorization", "message"),
    [
        pytest.param(None, "Missing", id="missing"),
        pytest.param("hdg_live_x", "Malformed", id="no scheme"),
        pytest.param("Basic abc", "Malformed", id="other scheme"),
        pytest.param("Bearer ", "Missing|Malformed", id="no key"),
        pytest.param("Bearer hdg_live_wrong", "Unknown", id="wrong key"),
    ],
)
def test_key_is_required(sandbox_a, get, authorization, message):
    """Without the right bearer key the answer is 401 with the documented error body."""
    reply = get(sandbox_a, EXAMPLE_PATH, authorization=authorization)
    assert reply.status == 401
    assert any(part in reply.json["error"] for part in message.split("|"))
    assert "wrong" not in reply.json["error"]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/api",
        "/api/tasks",
        "/api/tasks/",
        "/api/tasks/x/",
        "/api/tasks/x/other",
        "/api/workers/x/webhook",
        "/elsewhere",
    ],
)
def test_unknown_routes(sandbox_b, get, path):
    """A path that is not a route is 404."""
    assert get(sandbox_b, path).status == 404


@pytest.mark.parametrize("path", ["/api/tasks/tsk_nope", "/api/workers/wrk_nope"])
@pytest.mark.parametrize("generation", ["A", "B"])
def test_unknown_ids_are_named(sandbox_a, sandbox_b, get, path, generation):
    """An unknown id is 404 and the message names it."""
    reply = get(sandbox_a if generation == "A" else sandbox_b, path)
    assert reply.status == 404
    assert path.rsplit("/", 1)[1] in reply.json["error"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "BREW"])
def test_only_get(sandbox_a, get, method):
    """Any other method is 405, with a body of its own or without."""
    with_body = method in ("POST", "PUT", "PATCH")
    reply = get(sandbox_a, EXAMPLE_PATH, method=method, body=b"{}" if with_body else None)
    assert reply.status == 405
    assert reply.headers["allow"] == "GET"
    assert (reply.body == b"") == (method == "HEAD")


def test_connection_is_kept_after_a_refused_post(sandbox_a):
    """The body of a refused request is skipped, so the connection serves the next one."""
    where = urlsplit(sandbox_a.url)
    connection = HTTPConnection(where.hostname, where.port, timeout=20)
    headers = {"Authorization": f"Bearer {sandbox_a.api_key}"}
    connection.request("POST", EXAMPLE_PATH, body=b"x" * 200_000, headers=headers)
    refused = connection.getresponse()
    refused.read()
    connected = connection.sock
    connection.request("GET", EXAMPLE_PATH, headers=headers)
    response = connection.getresponse()
    assert (refused.status, response.status) == (405, 200)
    assert connection.sock is connected
    response.read()
    connection.close()


@pytest.mark.parametrize("header", ["Transfer-Encoding: chunked", "Content-Length: 9999999"])
def test_connection_is_closed_after_a_body_that_cannot_be_skipped(sandbox_a, header):
    """Where the next request would begin is not known, or too far away."""
    reply = exchange(sandbox_a, f"POST {EXAMPLE_PATH} HTTP/1.1\r\n{header}\r\n\r\n".encode())
    assert reply.startswith(b"HTTP/1.1 405 ")
    assert b"Connection: close" in reply


def test_requests_may_be_pipelined(sandbox_a):
    """Two requests in one packet are answered one after the other."""
    one = f"GET {EXAMPLE_PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {sandbox_a.api_key}\r\n"
    data = f"{one}\r\n{one}Connection: close\r\n\r\n".encode()
    assert exchange(sandbox_a, data).count(b"HTTP/1.1 200 OK") == 2


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"nonsense\r\n\r\n", id="no request line"),
        pytest.param(b"GET /x HTTP/2.0\r\n\r\n", id="version"),
        pytest.param(b"GET /x\r\n\r\n", id="no version"),
        pytest.param(b"GET x HTTP/1.1\r\n\r\n", id="target"),
        pytest.param(b"GET /x HTTP/1.1\r\nno colon\r\n\r\n", id="header"),
        pytest.param(b"GET /x HTTP/1.1\r\nName : x\r\n\r\n", id="space before the colon"),
    ],
)
def test_malformed_requests(sandbox_a, data):
    """What is not HTTP/1.x is answered with 400 and a closed connection."""
    assert exchange(sandbox_a, data).startswith(b"HTTP/1.1 400 ")


def test_endless_headers_are_cut_off(sandbox_a):
    """A header or a request line beyond all measure is answered with 431."""
    for data in (b"GET / HTTP/1.1\r\nX: " + b"x" * 65_536, b"GET /" + b"x" * 65_536):
        assert exchange(sandbox_a, data).startswith(b"HTTP/1.1 431 ")


def test_http_1_0_closes(sandbox_a):
    """A client of HTTP/1.0 gets its answer and an end."""
    head = f"GET {EXAMPLE_PATH} HTTP/1.0\r\nauthorization: bearer {sandbox_a.api_key}\r\n\r\n"
    assert b"Connection: close" in exchange(sandbox_a, head.encode())


def test_clients_that_leave_do_no_harm(sandbox_a, get, capfd):
    """A client that hangs up in the middle of a request leaves no trace and no noise."""
    where = urlsplit(sandbox_a.url)
    for data in (b"", b"GET /api/ta", f"GET {EXAMPLE_PATH} HTTP/1.1\r\n\r\n".encode()):
        with socket.create_connection((where.hostname, where.port)) as connection:
            connection.sendall(data)
    assert get(sandbox_a, EXAMPLE_PATH).status == 200
    assert capfd.readouterr() == ("", "")


def test_bug_in_a_server_is_reported(capfd):
    """What goes wrong while a reply is made ends the connection, and its traceback is printed."""
    server = HttpServer(lambda request: Reply(b"", status=int("nonsense")))
    with pytest.raises(RemoteDisconnected):
        urlopen(server.url, timeout=20)  # noqa: S310 - a loopback server
    server.stop()
    assert "nonsense" in capfd.readouterr().err


def test_stop_releases_threads_connections_and_the_port(get):
    """After stop no thread is left, kept-alive connections are closed, the port is free."""
    before = set(threading.enumerate())
    sandbox = Sandbox(tasks=5, latency=0.0)
    sandbox.start()
    where = urlsplit(sandbox.url)
    idle = socket.create_connection((where.hostname, where.port), timeout=20)
    kept = HTTPConnection(where.hostname, where.port, timeout=20)
    kept.request("GET", EXAMPLE_PATH, headers={"Authorization": f"Bearer {sandbox.api_key}"})
    kept.getresponse().read()
    sandbox.stop()
    assert set(threading.enumerate()) <= before
    assert idle.recv(1) == b""
    assert kept.sock.recv(1) == b""
    assert sandbox.stats.open_connections == 0
    idle.close()
    kept.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((where.hostname, where.port), timeout=20)
    with Sandbox(tasks=1, port=where.port) as again:
        assert get(again, EXAMPLE_PATH).status == 200


def test_stop_does_not_wait_for_slow_answers(get):
    """An answer that is waiting for its latency does not hold up stop."""
    sandbox = Sandbox(tasks=1, latency=3600.0)
    sandbox.start()
    where = urlsplit(sandbox.url)
    connection = HTTPConnection(where.hostname, where.port, timeout=20)
    connection.request("GET", EXAMPLE_PATH, headers={"Authorization": f"Bearer {sandbox.api_key}"})
    while not sandbox.stats.requests:
        sleep(0.005)
    sandbox.stop()
    with pytest.raises(ConnectionError):
        connection.getresponse()
    connection.close()


def test_life_cycle():
    """Starting twice is an error, stopping twice is not, and there is no URL without a server."""
    sandbox = Sandbox(tasks=1)
    with pytest.raises(RuntimeError, match="not running"):
        _ = sandbox.url
    with pytest.raises(RuntimeError, match="not running"):
        sandbox.wait()
    with sandbox:
        with pytest.raises(RuntimeError, match=r"already running at http://127\.0\.0\.1:"):
            sandbox.start()
        assert sandbox.url.startswith("http://127.0.0.1:")
    sandbox.stop()
    with sandbox:
        assert sandbox.url.startswith("http://127.0.0.1:")


def test_wait_returns_when_stopped():
    """`wait` blocks until another thread stops the sandbox."""
    with Sandbox(tasks=1) as sandbox:
        waiting = threading.Thread(target=sandbox.wait)
        waiting.start()
        assert waiting.is_alive()
        sandbox.stop()
        waiting.join(20)
        assert not waiting.is_alive()


def test_repr_keeps_the_key():
    """The key is not in the repr."""
    with Sandbox(tasks=1) as sandbox:
        assert sandbox.api_key not in repr(sandbox)
        assert sandbox.url.rsplit(":", 1)[1] in repr(sandbox)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tasks": -1}, "tasks: expected a whole number from 0, found -1"),
        ({"tasks": 1.5}, "tasks: expected a whole number from 0, found 1.5"),
        ({"seed": "x"}, "seed: expected a whole number, found 'x'"),
        ({"days": 0}, "days: expected a whole number from 1, found 0"),
        ({"turns_per_task": 0}, "turns_per_task: expected a whole number from 1, found 0"),
        ({"generation": "C"}, r"generation: expected 'A', 'A\+files' or 'B', found 'C'"),
        ({"follow_up_days": -1}, "follow_up_days: expected a whole number from 0, found -1"),
        ({"now": datetime(2026, 1, 1)}, "now: expected a timezone-aware datetime, found datetime"),
        ({"api_key": ""}, "api_key: expected visible ASCII"),
        ({"rate_limit": 0}, "rate_limit: expected requests per second above 0, found 0"),
        ({"latency": -0.1}, "latency: expected seconds, 0 or more, found -0.1"),
        ({"port": 65536}, "port: expected a whole number from 0 to 65535, found 65536"),
        ({"faults": 1.5}, "rate: expected a number from 0 to 1, found 1.5"),
    ],
)
def test_bad_arguments(arguments, message):
    """A bad argument is refused with its name, what was found and what is accepted."""
    with pytest.raises(ArgumentError, match=message) as raised:
        Sandbox(**arguments)
    assert isinstance(raised.value, ValueError)


def test_latency_does_not_queue(get):
    """Answers wait side by side: several connections are open at once."""
    together = 6
    barrier = threading.Barrier(together)
    statuses = []
    with Sandbox(tasks=1, latency=0.2) as sandbox:

        def ask():
            barrier.wait(20)
            statuses.append(get(sandbox, EXAMPLE_PATH).status)

        threads = [threading.Thread(target=ask) for _ in range(together)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert statuses == [200] * together
        assert sandbox.stats.max_open_connections > 1


def test_rate_limit(get):
    """Over one second's worth of requests the answer is 429 with whole seconds to wait."""
    with Sandbox(tasks=1, rate_limit=0.01) as sandbox:
        assert get(sandbox, EXAMPLE_PATH).status == 200
        reply = get(sandbox, EXAMPLE_PATH)
        assert reply.status == 429
        assert reply.headers["retry-after"] == "1"
        assert set(reply.json) == {"error"}
        assert sandbox.stats.by_fault == {"rate-limit": 1}


def test_stats_count_what_happened(get):
    """Requests, answers and tasks are counted; a snapshot stays as it was taken."""
    with Sandbox(tasks=5, generation="B") as sandbox:
        first = sandbox.stats
        get(sandbox, EXAMPLE_PATH)
        get(sandbox, EXAMPLE_PATH)
        get(sandbox, EXAMPLE_PATH + "/turns")
        get(sandbox, "/api/tasks/nope")
        get(sandbox, EXAMPLE_PATH, authorization=None)
        get(sandbox, f"/api/workers/{sandbox.worker_ids[0]}")
        stats = sandbox.stats
    assert first.requests == 0
    assert stats.requests == 6
    assert (stats.served, stats.distinct_tasks) == (2, 1)
    assert stats.by_status == {200: 4, 404: 1, 401: 1}
    assert stats.by_route == {"task": 4, "turns": 1, "worker": 1}
    assert stats.by_fault == {}
    assert stats.connections == 6
    assert stats.max_open_connections >= 1


def test_own_client():
    """`client()` gives this package's client, set up for the sandbox."""
    with Sandbox(tasks=3) as sandbox, sandbox.client(max_attempts=1) as client:
        record = client.retrieve_task(sandbox.task_ids[0])
        assert record is not None
        assert sandbox.stats.distinct_tasks == 1
