"""Sessions of the user's own, and what the machine says about certificates and proxies."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import threading
import time

import httpx
import pytest
import requests
import responses
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

import handinger_analytics as ha
from handinger_analytics import APIConnectionError, Client, HandingerError, SettingsError
from handinger_analytics.sandbox.server import Reply
from tests.commands import run
from tests.samples import body_a
from tests.scripted import RawServer, framed, task_asked_for

KEY = "hdg_live_canary"
ELSEWHERE = "https://handinger.example"  # no such host: what is tested never gets as far
PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
BUNDLE_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


@pytest.fixture(autouse=True)
def _plain_machine(monkeypatch):
    """Take proxies and certificates of the developer's machine out of the environment."""
    for name in (*PROXY_VARIABLES, *map(str.upper, PROXY_VARIABLES), *BUNDLE_VARIABLES):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(params=["own", "given"])
def session(request):
    """Name a session: the client's own, and one that is given."""
    return None if request.param == "own" else requests.Session()


def refused(session, url=ELSEWHERE):
    """Ask for a task and return the error, which must have come at the first attempt."""
    with Client(KEY, base_url=url, session=session) as client, pytest.raises(APIConnectionError) as caught:
        client.retrieve_task("tsk_1")
    assert caught.value.attempts == 1
    return str(caught.value)


def test_bundle_that_is_not_there_is_named(session, monkeypatch, tmp_path):
    """The error of a certificate file that is missing names the variable and the file."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "missing.pem"))
    message = refused(session)
    assert "check REQUESTS_CA_BUNDLE" in message
    assert "missing.pem" in message


def test_bundle_that_is_no_certificate_is_named(session, monkeypatch, tmp_path):
    """The error of a file with other things than certificates names the variable."""
    (tmp_path / "notes.pem").write_text("shopping list")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "notes.pem"))
    with RawServer(lambda *_: False) as server:
        assert "check REQUESTS_CA_BUNDLE" in refused(session, server.url.replace("http:", "https:"))


@pytest.mark.parametrize("name", ["cert", "verify"])
def test_certificate_of_a_session_that_is_missing_is_named(name, tmp_path):
    """The error names the attributes of the session and the file that is not there."""
    with requests.Session() as given:
        setattr(given, name, str(tmp_path / "missing.pem"))
        message = refused(given)
    assert "verify and cert of the session" in message
    assert "missing.pem" in message


def test_socks_without_its_package_names_the_package(session, monkeypatch):
    """A SOCKS proxy needs a package, which is not installed here."""
    monkeypatch.setitem(sys.modules, "socks", None)
    monkeypatch.setenv("HTTPS_PROXY", "socks5://127.0.0.1:1")
    assert "pip install 'requests[socks]'" in refused(session)


@pytest.mark.parametrize(
    "proxy",
    [
        "http://user:pa/ss@proxy:3128",
        "http://user:pa#ss@proxy:3128",
        "http://user:pa?ss@proxy:3128",
        "http://user:pass@",
        "http://user:pass@proxy:port",
        "http://user:pass@proxy:99999",
        "http://user:pass@[::1",
        "htp://user:pass@proxy:3128",
        "http://",
        "://",
    ],
)
def test_malformed_proxy_is_named_and_its_password_is_not(session, monkeypatch, proxy):
    """The error names the variable and shows what an address looks like, but no part of the password."""
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    message = refused(session)
    assert "HTTPS_PROXY: expected the address of a proxy" in message
    assert "pa" not in message.partition("(")[2].replace("expected the address of a proxy", "")


def test_proxy_that_wants_a_password_says_where_to_put_it(session, monkeypatch):
    """Status 407 is not asked again, and the error names the variable."""
    with RawServer(lambda send, _: send(framed(b"", "407 Proxy Authentication Required"))) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        assert "put them into HTTPS_PROXY" in refused(session)
        assert proxy.targets == ["handinger.example:443"]


def test_proxy_that_fails_for_a_while_is_asked_again(session, monkeypatch):
    """Another status of a proxy is neither about certificates nor about passwords, and may pass."""
    with RawServer(lambda send, _: send(framed(b"", "502 Bad Gateway"))) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with Client(KEY, base_url=ELSEWHERE, session=session, max_attempts=2) as client:
            with pytest.raises(APIConnectionError, match="no complete answer") as caught:
                client.retrieve_task("tsk_1")
    assert caught.value.attempts == 2


def test_proxies_of_a_session_are_used():
    """A proxy that a session names gets the request, and is named in the error."""
    with RawServer(lambda send, _: send(framed(b"", "407 Proxy Authentication Required"))) as proxy:
        with requests.Session() as given:
            given.proxies["https"] = proxy.url
            assert "user name and a password" in refused(given)
        assert proxy.targets == ["handinger.example:443"]


@pytest.mark.parametrize(
    ("name", "value"), [("REQUESTS_CA_BUNDLE", "/missing.pem"), ("HTTPS_PROXY", "http://user:pa/ss@proxy")]
)
def test_fetch_has_a_row_for_each_id(monkeypatch, session, name, value):
    """Each failure names the variable."""
    monkeypatch.setenv(name, value)
    with Client(KEY, base_url=ELSEWHERE, session=session) as client:
        failures = ha.fetch(["tsk_1", "tsk_2"], client=client, on_error="collect", progress=False).failures
    assert failures["task_id"].tolist() == ["tsk_1", "tsk_2"]
    assert failures["message"].str.contains(name).all()


@pytest.mark.parametrize(
    ("name", "value"), [("REQUESTS_CA_BUNDLE", "/missing.pem"), ("HTTPS_PROXY", "http://user:pa/ss@proxy")]
)
def test_commands_say_it_in_one_line(monkeypatch, tmp_path, name, value):
    """The line names the variable; there is no traceback, and no file of a fetch that brought nothing."""
    monkeypatch.setenv(name, value)
    environment = {"HANDINGER_API_KEY": KEY, "HANDINGER_BASE_URL": ELSEWHERE}
    done = run("discover", "wrk_1", environment=environment)
    assert done.exit_code == 1
    assert name in done.stderr
    assert done.stderr.count("\n") == 1
    done = run("fetch", "tsk_1", "--out", tmp_path / "nightly", environment=environment)
    assert done.exit_code == 6
    assert name in done.output
    assert not list(tmp_path.rglob("*.parquet"))


def raising_session():
    """Return a session that raises for each status of an error, as many set theirs up."""
    given = requests.Session()
    given.hooks["response"].append(lambda answer, *_, **__: answer.raise_for_status())
    return given


def test_hook_that_raises_leaves_a_404_what_it_is(serve):
    """The status of the answer counts, not that a hook raised for it."""
    server = serve(Reply(b'{"error":"Not found."}', 404))
    with server.client(session=raising_session()) as client, pytest.raises(ha.NotFoundError) as caught:
        client.retrieve_task("tsk_1")
    assert (caught.value.attempts, len(server.paths)) == (1, 1)


def test_hook_that_raises_does_not_hide_a_refused_key(serve):
    """A 401 ends the fetch."""
    server = serve(Reply(b"{}", 401))
    with server.client(session=raising_session(), max_connections=1) as client:
        with pytest.raises(ha.AuthenticationError):
            ha.fetch(["tsk_1", "tsk_2", "tsk_3"], client=client, progress=False)


@pytest.mark.parametrize("status", [429, 503])
def test_hook_that_raises_leaves_passing_statuses_passing(serve, status):
    """What would be asked again is asked again, after the wait that the server asks for."""
    server = serve(Reply(b"{}", status, {"retry-after-ms": "1"}), task_asked_for)
    with server.client(session=raising_session()) as client:
        assert client.retrieve_task("tsk_1").task.id == "tsk_1"
    assert len(server.paths) == 2


def test_session_is_used_as_it_is_by_then(serve):
    """Parameters, headers, cookies and hooks that are set after the client was made are honoured."""
    server = serve(task_asked_for)
    statuses = []
    with requests.Session() as given, server.client(session=given) as client:
        given.params = {"team": "research"}
        given.headers["User-Agent"] = "nightly/1"
        given.headers["X-Team"] = "research"
        given.cookies.set("route", "b")
        given.hooks["response"].append(lambda answer, *_, **__: statuses.append(answer.status_code))
        given.auth = ("user", "password")
        client.retrieve_task("tsk_1")
    assert server.paths == ["/api/tasks/tsk_1?team=research"]
    headers = server.headers[0]
    assert (headers["User-Agent"], headers["X-Team"], headers["Cookie"]) == (
        "nightly/1",
        "research",
        "route=b",
    )
    assert headers["Authorization"] == "Bearer hdg_live_scripted"
    assert statuses == [200]


def test_headers_of_a_session_do_not_replace_the_key(serve):
    """Authorization is always that of the client."""
    server = serve(task_asked_for)
    with requests.Session() as given, server.client(session=given) as client:
        given.headers["Authorization"] = "Basic other"
        client.retrieve_task("tsk_1")
    assert server.headers[0].get_all("Authorization") == ["Bearer hdg_live_scripted"]


def test_adapter_of_a_session_may_retry(serve):
    """An adapter with retries of urllib3 asks again by itself."""
    server = serve(Reply(b"{}", 503), task_asked_for)
    with requests.Session() as given, server.client(session=given, max_attempts=1) as client:
        given.mount("http://", HTTPAdapter(max_retries=Retry(2, status_forcelist=[503])))
        assert client.retrieve_task("tsk_1").task.id == "tsk_1"
    assert len(server.paths) == 2


@pytest.mark.parametrize("other", [httpx.Client(), requests, requests.Session, "session", 0])
def test_what_is_no_session_of_requests_is_refused(other):
    """The error says what is needed, before anything is sent."""
    with pytest.raises(SettingsError, match=r"^session: expected a requests\.Session, found"):
        Client(KEY, session=other)


def test_mocks_answer_a_given_session():
    """What stands in for a server under a session of requests is asked, key and all."""
    with responses.RequestsMock() as mock, requests.Session() as given:
        mock.get("https://handinger.com/api/tasks/tsk_1", body=body_a("tsk_1"))
        with Client(KEY, session=given) as client:
            assert client.retrieve_task("tsk_1").task.id == "tsk_1"
        assert mock.calls[0].request.headers["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    "lines", ["X-Team: research\nAccept: text/x", "\r\nX-Team:research\r\n\r\naccept: text/x\r\n"]
)
def test_custom_headers_go_with_every_request(serve, session, monkeypatch, lines):
    """Each line of the variable is a header, blank lines are none, and they come before ours."""
    monkeypatch.setenv("HANDINGER_CUSTOM_HEADERS", f"{lines}\nUser-Agent: nightly/1")
    server = serve(task_asked_for)
    with server.client(session=session) as client:
        client.retrieve_task("tsk_1")
        client.retrieve_task("tsk_2")
    for headers in server.headers:
        assert headers["X-Team"] == "research"
        assert headers.get_all("Accept") == ["text/x"]
        assert headers.get_all("User-Agent") == ["nightly/1"]
        assert headers["Authorization"] == "Bearer hdg_live_scripted"


def test_what_is_tried_again_is_logged_without_the_key(serve, session, caplog):
    """Retries, pauses with their reason and length, and what was given up, none above INFO."""
    caplog.set_level(logging.DEBUG, "handinger_analytics")
    limited = Reply(b"{}", 429, {"retry-after-ms": "20"})
    failed = Reply(KEY.encode(), 503, {"retry-after-ms": "1"})
    with serve(limited, failed, failed).client(api_key=KEY, session=session, max_attempts=3) as client:
        with pytest.raises(ha.InternalServerError):
            client.retrieve_task("tsk_1")
    records = [record for record in caplog.records if record.name == "handinger_analytics"]
    texts = "\n".join(record.getMessage() for record in records)
    assert "task 'tsk_1': rate limited; no request goes out for 0.0 s" in texts
    assert "attempt 2 brought nothing: the server failed (status 503" in texts
    assert "given up: task 'tsk_1': the server failed" in texts
    assert max(record.levelno for record in records) == logging.INFO
    assert KEY not in texts


def test_nothing_is_printed_where_nobody_listens(serve, capfd):
    """Without handlers the log is silent."""
    with serve(Reply(b"{}", 503, {"retry-after-ms": "1"}), task_asked_for).client() as client:
        client.retrieve_task("tsk_1")
    assert capfd.readouterr() == ("", "")


def cancelled(client, waiting):
    """Ask for a task, cancel as soon as it waits, and return the error and how long it took to come."""
    cancel, moments = threading.Event(), []

    def stop():
        while not waiting():
            time.sleep(0.005)
        moments.append(time.monotonic())
        cancel.set()

    stopper = threading.Thread(target=stop)
    stopper.start()
    with pytest.raises(HandingerError) as caught:
        client.retrieve_task("tsk_1", cancel=cancel)
    ended = time.monotonic()
    stopper.join()
    return str(caught.value), ended - moments[0]


def test_cancelled_call_leaves_a_hanging_server(session):
    """The call ends at once, and the client can be used again."""
    hanging = threading.Event()

    def answer(send, target):
        if target.endswith("tsk_1"):
            return hanging.wait(20) and False
        return send(framed(body_a(target.rsplit("/", 1)[1])))

    with RawServer(answer) as server, server.client(session=session, max_connections=1) as client:
        message, seconds = cancelled(client, lambda: server.targets)
        assert message == "task 'tsk_1': cancelled"
        assert seconds < 1
        assert client.retrieve_task("tsk_2").task.id == "tsk_2"
        hanging.set()


def test_cancelled_call_leaves_a_pause(serve, session):
    """A rate limit of a minute does not keep a call that was cancelled."""
    server = serve(Reply(b"{}", 429, {"Retry-After": "60"}))
    with server.client(session=session) as client:
        message, seconds = cancelled(client, lambda: server.paths)
    assert message == "task 'tsk_1': cancelled"
    assert seconds < 1


def test_call_that_is_cancelled_before_it_begins_sends_nothing(serve, session):
    """An event that is set already ends the call."""
    server, cancel = serve(task_asked_for), threading.Event()
    cancel.set()
    with server.client(session=session) as client:
        with pytest.raises(HandingerError, match="cancelled"):
            client.retrieve_task("tsk_1", cancel=cancel)
        assert server.paths == []
        assert client.retrieve_task("tsk_1").task.id == "tsk_1"


INTERRUPTED = """
import sys
import handinger_analytics as ha, requests

session = requests.Session() if sys.argv[2] == "given" else None
with ha.Client("hdg_live_x", base_url=sys.argv[1], max_connections=2, session=session) as client:
    try:
        ha.fetch([f"hang_{n}" for n in range(6)], client=client, progress=False)
    except KeyboardInterrupt:
        print(client.retrieve_task("tsk_1").task.id, flush=True)
        print(len(ha.fetch(["tsk_2", "tsk_3"], client=client, progress=False).tasks), flush=True)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT cannot be sent to one process there")
@pytest.mark.parametrize("kind", ["own", "given"])
def test_client_works_at_once_after_an_interrupt(kind):
    """The requests that were left behind at a hanging server take no room from later ones."""
    hanging = threading.Event()

    def answer(send, target):
        if "hang" in target:
            return hanging.wait(60) and False
        return send(framed(body_a(target.rsplit("/", 1)[1])))

    with (
        RawServer(answer) as server,
        subprocess.Popen(
            [sys.executable, "-c", INTERRUPTED, server.url, kind], stdout=subprocess.PIPE, text=True
        ) as child,
    ):
        while len(server.targets) < 2:
            assert child.poll() is None
            time.sleep(0.005)
        child.send_signal(signal.SIGINT)
        try:
            out, _ = child.communicate(timeout=15)
        finally:
            child.kill()
            hanging.set()
    assert out.split() == ["tsk_1", "2"]
    assert child.returncode == 0
