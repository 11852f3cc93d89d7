"""The API key is seen by the one host it is for, and by nobody else."""

from __future__ import annotations

import gc
import http.client
import logging
import os
import re
import signal
import sys
import threading
import time
import traceback
import warnings
from contextlib import contextmanager

import pyarrow.parquet as pq
import pytest
import requests
from IPython.core.ultratb import VerboseTB

import handinger_analytics as ha
from handinger_analytics import (
    APIStatusError,
    Client,
    HandingerError,
    NotFoundError,
    SettingsError,
    discover_task_ids,
    fetch,
    fetch_executions,
    fetch_schedules,
    fetch_worker,
)
from handinger_analytics.api.client import requester_of
from handinger_analytics.api.transport import Transport
from handinger_analytics.sandbox import Faults, Sandbox
from tests.commands import run
from tests.samples import body_a, encoded
from tests.scripted import Reply

CANARY = "hdg_live_CANARY7f3d9a2b5c8e1460"
PIECE = CANARY[:20]
"""Long enough to tell the key from others, so nobody may see this much of it either."""


@pytest.fixture
def guarded():
    """Run a sandbox of generation B, which takes two requests, whose key is the canary; some ids fail."""
    names = Sandbox(tasks=12).task_ids
    kinds = ["404", "500", "html-200", "reset-before-body", "short-body", "403", "422", "truncated-json"]
    always = dict(zip(names, kinds, strict=False))
    with Sandbox(tasks=12, generation="B", api_key=CANARY, faults=Faults(rate=0, always=always)) as running:
        yield running


def shown_by(error, frames="/handinger_analytics/"):
    """Return all that a traceback shows of an error: texts, causes, and locals of the frames of ours."""
    seen, todo, texts = set(), [error], []
    while todo:
        one = todo.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        texts += [str(one), repr(one), repr(one.args), repr(vars(one))]
        texts += traceback.format_exception(one, chain=False)
        todo += [one.__cause__, one.__context__]
        for frame, _ in traceback.walk_tb(one.__traceback__):
            if frames in frame.f_code.co_filename:
                texts += [f"{name} = {shown(value)}" for name, value in frame.f_locals.items()]
    return "\n".join(texts)


def shown(value):
    """Return the repr of a local as debuggers show it, also where that fails."""
    try:
        return repr(value)
    except Exception as error:
        return f"<{type(value).__name__}: {error}>"


def causes_of(error):
    """Return an error and all that led to it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def test_our_own_frames_are_looked_at():
    """The search finds a key that does stand in a frame of ours: it can fail."""
    code = compile("def leaky(key):\n    raise ValueError('boom')", "/x/handinger_analytics/leaky.py", "exec")
    space: dict[str, object] = {}
    exec(code, space)  # noqa: S102 - a frame that looks like ours
    with pytest.raises(ValueError, match="boom") as caught:
        space["leaky"](CANARY)
    assert CANARY in shown_by(caught.value)


def test_no_repr_shows_the_key():
    """Client, settings, secret, gate and transport."""
    with Client(CANARY) as client:
        requester = requester_of(client)
        for thing in (
            client,
            requester,
            requester.settings,
            requester.settings.api_key,
            requester.gate,
            Transport(requester.settings),
        ):
            assert PIECE not in repr(thing)
            assert PIECE not in str(thing)
            assert PIECE not in f"{thing}"
        assert repr(client) == "Client('https://handinger.com')"


@pytest.mark.parametrize("max_attempts", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_no_error_shows_the_key(guarded, max_attempts):
    """Neither its text, nor its causes, nor the locals of our frames, for every way to fail."""
    with guarded.client(max_attempts=max_attempts) as client:
        result = fetch(guarded.task_ids, client=client, on_error="collect")
        assert len(result.failures) == 8
        for task_id in result.failures["task_id"]:
            with pytest.raises(HandingerError) as caught:
                client.retrieve_task(task_id)
            assert PIECE not in shown_by(caught.value)
        with pytest.raises(HandingerError) as caught:
            fetch(guarded.task_ids, client=client, on_error="raise")
        assert PIECE not in shown_by(caught.value)
        with pytest.raises(NotFoundError) as caught:
            fetch_worker("wrk_nope", client=client)
        assert PIECE not in shown_by(caught.value)
    assert PIECE not in result.failures.to_csv()


def test_unreachable_host_shows_no_key(monkeypatch):
    """The texts and causes of connection errors name the host only."""
    monkeypatch.setenv("HANDINGER_API_KEY", CANARY)
    monkeypatch.setenv("HANDINGER_BASE_URL", "http://127.0.0.1:1")
    with (
        Client(max_attempts=2) as client,
        pytest.raises(HandingerError, match="no complete answer") as caught,
    ):
        client.retrieve_task("t")
    assert PIECE not in shown_by(caught.value)


def test_refused_key_is_not_repeated(sandbox):
    """A 401 says that the key was not accepted, not which."""
    with sandbox.client(api_key=CANARY) as client, pytest.raises(ha.AuthenticationError) as caught:
        fetch(sandbox.task_ids, client=client)
    assert PIECE not in shown_by(caught.value)
    assert PIECE not in repr(caught.value.result)


@pytest.mark.parametrize("bad", [f"{CANARY} x", f"{CANARY}é", f"{CANARY}\x7f"])
@pytest.mark.parametrize("through", ["argument", "environment"])
def test_key_that_cannot_be_sent_is_not_shown(monkeypatch, bad, through):
    """A key copied with a blank in it is still a key."""
    if through == "environment":
        monkeypatch.setenv("HANDINGER_API_KEY", bad)
    with pytest.raises(SettingsError, match="copy it again") as caught:
        Client(bad if through == "argument" else None)
    assert PIECE not in shown_by(caught.value)


@pytest.mark.parametrize(
    "options", [{"base_url": "http://handinger.com"}, {"timeout": -1}, {"max_attempts": 0}]
)
def test_refused_settings_do_not_show_the_key(options):
    """An error in another argument does not bring the key into the traceback."""
    with pytest.raises(SettingsError) as caught:
        Client(CANARY, **options)
    assert PIECE not in shown_by(caught.value)


def test_no_log_shows_the_key(guarded, caplog):
    """Even with every logger at its most talkative."""
    caplog.set_level(logging.DEBUG)
    for name in list(logging.root.manager.loggerDict):
        logging.getLogger(name).setLevel(logging.DEBUG)
    with guarded.client(max_attempts=2) as client:
        fetch(guarded.task_ids, client=client, on_error="collect")
    assert caplog.records, "urllib3 writes to its log, so there is something to search"
    for record in caplog.records:
        assert PIECE not in record.getMessage()
        assert PIECE not in repr(record.args)


def test_no_output_warning_attrs_or_file_shows_the_key(guarded, capfd, tmp_path):
    """Progress bar, warning, provenance and the footer of a Parquet file."""
    with guarded.client(max_attempts=1) as client, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = fetch(guarded.task_ids, client=client, progress=True)
    assert len(caught) == 1
    assert PIECE not in str(caught[0].message)
    out, err = capfd.readouterr()
    assert "12/12" in err
    assert PIECE not in out + err
    for frame in (result.tasks, result.turns, result.failures):
        assert PIECE not in repr(frame.attrs)
        assert PIECE not in repr(vars(frame))
    assert PIECE not in repr(result) + result._repr_html_()
    path = tmp_path / "turns.parquet"
    ha.export_parquet(result.turns, path)
    assert CANARY.encode() not in path.read_bytes()
    assert PIECE not in str(pq.read_metadata(path).metadata)


ECHOES = {
    "alone": CANARY,
    "header": f"No access with 'Authorization: Bearer {CANARY}'",
    "cut-at-its-end": "x" * 170 + CANARY,
    "cut-in-its-middle": "x" * 176 + CANARY,
    "after-much-noise": "\x01" * 775 + CANARY,
}


@pytest.mark.parametrize("status", [200, 404, 500])
@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES)
def test_server_that_repeats_the_key_does_not_get_it_into_a_message(serve, status, echo):
    """Neither whole nor cut off in the middle, neither in the text nor in our locals."""
    for body in (echo.encode(), encoded({"error": echo})) if status != 200 else [echo.encode()]:
        with serve(Reply(body, status)).client(api_key=CANARY, max_attempts=1) as client:
            with pytest.raises(HandingerError) as caught:
                client.retrieve_task("tsk_1")
        text = shown_by(caught.value)
        for length in range(len(CANARY), 14, -1):
            assert CANARY[:length] not in text, f"{length} characters of the key are shown"


def test_redirect_that_repeats_the_key_does_not_show_it(serve):
    """Not in the address the error names."""
    location = f"https://evil.example.com/?key={CANARY}"
    with serve(Reply(b"", 302, {"Location": location})).client(api_key=CANARY) as client:
        with pytest.raises(APIStatusError, match="redirects to 'https://evil") as caught:
            client.retrieve_task("tsk_1")
    assert PIECE not in shown_by(caught.value)


@pytest.mark.parametrize("own_session", [False, True])
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_key_is_not_sent_where_a_redirect_points(serve, status, own_session):
    """Another port is another server; nothing at all is sent there."""
    other = serve(Reply(body_a("tsk_1")))
    server = serve(
        Reply(b"", status, {"Location": f"{other.url.replace('127.0.0.1', 'localhost')}/api/tasks/tsk_1"})
    )
    with requests.Session() as session:
        with server.client(api_key=CANARY, session=session if own_session else None) as client:
            with pytest.raises(APIStatusError, match=str(status)):
                client.retrieve_task("tsk_1")
    assert other.paths == []


@pytest.mark.parametrize("own_session", [False, True])
def test_netrc_does_not_replace_the_key(serve, monkeypatch, tmp_path, own_session):
    """A password for the same host in ``.netrc`` is somebody else's."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    server = serve(Reply(body_a("tsk_1")))
    assert requests.utils.get_netrc_auth(server.url) == ("somebody", "else")
    with requests.Session() as session:
        with server.client(api_key=CANARY, session=session if own_session else None) as client:
            client.retrieve_task("tsk_1")
    assert [headers["Authorization"] for headers in server.headers] == [f"Bearer {CANARY}"]


@pytest.mark.parametrize("own_session", [False, True])
@pytest.mark.parametrize("scheme", ["http", "HTTP"])
def test_proxy_of_the_environment_is_not_used_for_this_machine(serve, monkeypatch, scheme, own_session):
    """Over plain http a proxy would read the key."""
    proxy = serve(Reply(body_a("tsk_1")))
    server = serve(Reply(body_a("tsk_1")))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, proxy.url)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    url = server.url.replace("http", scheme)
    with requests.Session() as session:
        with server.client(api_key=CANARY, base_url=url, session=session if own_session else None) as client:
            client.retrieve_task("tsk_1")
    assert proxy.paths == []
    assert server.paths == ["/api/tasks/tsk_1"]


@pytest.mark.parametrize(
    "url", ["http://handinger.com", "http://192.168.0.1", "http://127.0.0.1.nip.io", "ftp://127.0.0.1"]
)
def test_key_is_not_handed_to_a_client_that_would_send_it_in_the_clear(url):
    """Refused when the client is made, before anything is sent."""
    with pytest.raises(SettingsError, match="base_url"):
        Client(CANARY, base_url=url)


def test_key_is_in_no_thread_name_or_result():
    """What a fetch leaves behind does not hold the key where it is shown."""
    with Sandbox(tasks=5, api_key=CANARY) as sandbox, sandbox.client() as client:
        result = fetch(sandbox.task_ids, client=client)
    assert not [thread for thread in threading.enumerate() if PIECE in repr(thread)]
    assert PIECE not in repr(vars(result))


def test_cause_of_an_error_holds_no_request(guarded):
    """Tools that show whole objects find no header: errors carry no response, no cause and no context."""
    with guarded.client(max_attempts=1) as client:
        for task_id in guarded.task_ids[:8]:
            with pytest.raises(HandingerError) as caught:
                client.retrieve_task(task_id)
            for error in causes_of(caught.value):
                held = gc.get_referents(*vars(error).values())
                assert not any(
                    isinstance(thing, requests.PreparedRequest | requests.Response) for thing in held
                )
                assert not any(
                    isinstance(value, requests.PreparedRequest | requests.Response)
                    for value in vars(error).values()
                )


def test_interpreter_hook_shows_no_key(guarded, capsys):
    """What a terminal prints for an uncaught error."""
    with guarded.client(max_attempts=1) as client:
        try:
            client.retrieve_task(guarded.task_ids[0])
        except HandingerError:
            sys.excepthook(*sys.exc_info())
    printed = capsys.readouterr().err
    assert "NotFoundError" in printed
    assert not re.search(PIECE, printed)


@contextmanager
def interrupted_when_asked(server):
    """Press Ctrl-C as soon as a server was asked for something."""

    def press():
        for _ in range(500):
            if server.paths:
                break
            time.sleep(0.01)
        time.sleep(0.05)  # until the client waits for the answer
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    thread = threading.Thread(target=press)
    thread.start()
    try:
        yield
    finally:
        thread.join()
        signal.signal(signal.SIGINT, before)


WAITING = {
    "retrieve_task": lambda client: client.retrieve_task("tsk_1"),
    "fetch_worker": lambda client: fetch_worker("wrk_1", client=client),
    "discover_task_ids": lambda client: discover_task_ids("wrk_1", client=client),
    "fetch_executions": lambda client: fetch_executions("wrk_1", client=client),
    "fetch_schedules": lambda client: fetch_schedules("wrk_1", client=client),
    "fetch": lambda client: fetch(["tsk_1", "tsk_2"], client=client),
    "with_cancel": lambda client: client.retrieve_worker("wrk_1", cancel=threading.Event()),
}


@pytest.mark.slow
@pytest.mark.parametrize("session", [None, requests.Session()], ids=["own", "given"])
@pytest.mark.parametrize("wait", WAITING.values(), ids=WAITING)
def test_interrupt_shows_no_key_in_any_frame(serve, wait, session):
    """Not in the locals of the HTTP libraries either, as IPython shows them with ``%xmode Verbose``."""
    server = serve(Reply(b"", wait=30))
    with server.client(api_key=CANARY, session=session) as client:
        with interrupted_when_asked(server), pytest.raises(KeyboardInterrupt) as caught:
            wait(client)
        error = caught.value
        assert PIECE not in shown_by(error, frames="")
        verbose = VerboseTB(include_vars=True).text(type(error), error, error.__traceback__)
        assert "handinger_analytics" in verbose
        assert PIECE not in verbose
        # Otherwise the threads that still wait would hold up the end of the test.
        server.stop()


def test_debugging_of_the_http_library_prints_no_key(serve, monkeypatch, capsys):
    """``http.client.HTTPConnection.debuglevel`` prints requests with their headers; not ours.

    A session of the user's prints what it prints: that is out of our hands.
    """
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
    with serve(Reply(body_a("tsk_1"))).client(api_key=CANARY) as client:
        client.retrieve_task("tsk_1")
    assert PIECE not in "".join(capsys.readouterr())


@pytest.mark.parametrize("session", [None, requests.Session()], ids=["own", "given"])
def test_no_logger_shows_the_key(guarded, caplog, session):
    """Ours says what is tried again and given up; nobody's says the key, at DEBUG, through either way."""
    caplog.set_level(logging.DEBUG)
    with guarded.client(max_attempts=2, session=session) as client:
        fetch(guarded.task_ids, client=client, on_error="collect")
    ours = [record for record in caplog.records if record.name == "handinger_analytics"]
    assert {record.levelno for record in ours} == {logging.INFO}
    for record in caplog.records:
        assert PIECE not in record.getMessage()
        assert PIECE not in repr(record.args)


def test_loop_of_redirects_shows_no_key(serve):
    """A server that redirects to itself is not followed, through either way."""
    for session in (None, requests.Session()):
        server = serve(Reply(b"", 302, {"Location": "/api/tasks/tsk_1"}))
        with server.client(api_key=CANARY, session=session) as client:
            with pytest.raises(APIStatusError, match="redirects to") as caught:
                client.retrieve_task("tsk_1")
        assert len(server.paths) == 1
        assert PIECE not in shown_by(caught.value, frames="")


def test_client_that_was_refused_shows_itself(capsys):
    """A traceback that shows locals shows the half-made client, too, and its repr does not fail."""
    with pytest.raises(SettingsError) as caught:
        Client(CANARY, timeout=-1)
    assert "Client()" in shown_by(caught.value)


PROXY_PASSWORD = "pa/CANARYss"  # noqa: S105 - made up


@pytest.mark.parametrize("session", [None, requests.Session()], ids=["own", "given"])
@pytest.mark.parametrize(
    "proxy", [f"http://user:{PROXY_PASSWORD}@127.0.0.1:1", "http://user:CANARY@127.0.0.1:1"]
)
def test_password_of_a_proxy_is_not_shown(monkeypatch, proxy, session):
    """Neither whole nor in part, whether the proxy's address can be read or not."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with Client(CANARY, base_url="https://handinger.example", max_attempts=1, session=session) as client:
        with pytest.raises(HandingerError) as caught:
            client.retrieve_task("tsk_1")
    text = shown_by(caught.value)
    assert "CANARY" not in text
    assert "user:" not in text


def test_custom_headers_are_not_shown(serve, monkeypatch):
    """They often hold the token of a gateway; a server that repeats one does not get it into a message."""
    monkeypatch.setenv("HANDINGER_CUSTOM_HEADERS", f"X-Gateway: {CANARY}")
    server = serve(Reply(encoded({"error": f"bad {CANARY}"}), 404))
    with server.client() as client:
        with pytest.raises(NotFoundError) as caught:
            client.retrieve_task("tsk_1")
        assert PIECE not in repr(requester_of(client).settings)
    assert server.headers[0]["X-Gateway"] == CANARY
    assert PIECE not in shown_by(caught.value)


ADDRESSES = [
    "https://user:CANARY@127.0.0.1:1/x",
    "https://CANARY@127.0.0.1:1/x",
    "s3://CANARY1:CANARY+2/CANARY3@bucket/x",
    "s3://CANARY1:CANARY2%2FCANARY3@bucket/x?region=none&endpoint_override=127.0.0.1:1&scheme=none",
    "az://container/x?se=2027&sig=CANARY%3D",
    "file:///nowhere/x?sig=CANARY",
    "file:///nowhere/x#token=CANARY",
]


def said_of(error):
    """Return all that a person sees of an error: its text, its repr and its traceback."""
    return "\n".join([str(error), repr(error), *traceback.format_exception(error)])


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize(
    "use",
    [
        pytest.param(ha.load_parquet, id="load"),
        pytest.param(lambda place: ha.parse_bodies(f"{place}.jsonl"), id="bodies"),
        pytest.param(lambda place: Client("hdg_live_x", base_url=place), id="base_url"),
    ],
)
def test_secrets_of_an_address_are_in_no_error(use, address):
    """User names, passwords and signatures of a place are not said, whatever is wrong with it."""
    with pytest.raises(HandingerError) as caught:
        use(address)
    assert "CANARY" not in said_of(caught.value)


@pytest.mark.parametrize("address", ADDRESSES[:3])
def test_an_archive_does_not_show_the_secrets_of_its_address(address):
    """Neither its repr nor its errors do, and the address is used as it was given."""
    archive = ha.Archive(address)
    assert archive.uri == address
    assert "CANARY" not in repr(archive)
    for use in (archive.status, archive.sync, lambda: archive.forget("tsk_1")):
        with pytest.raises(HandingerError) as caught:
            use()
        assert "CANARY" not in said_of(caught.value)


@pytest.mark.parametrize("address", [each for each in ADDRESSES if "region" not in each])
@pytest.mark.parametrize("command", ["spend", "report"])
def test_commands_do_not_print_the_secrets_of_an_address(command, address):
    """What a command says of a place that it cannot read goes into logs."""
    ended = run(command, address)
    assert ended.exit_code == 1
    assert "CANARY" not in ended.output
    assert "***" in ended.output


def test_a_place_with_a_secret_is_read(tmp_path):
    """The address still works, and what is read names it without the secret."""
    saved = tmp_path / "saved.jsonl"
    saved.write_bytes(body_a("t1") + b"\n<html>\n")
    result = ha.parse_bodies(f"{saved.as_uri()}?sig=CANARY.jsonl", on_error="collect")
    assert result.tasks["task_id"].tolist() == ["t1"]
    assert result.failures["task_id"].tolist() == [f"{saved.as_uri()}?***:2"]
    assert "CANARY" not in result.failures.to_string()


def test_redirects_are_shown_without_their_secrets(serve):
    """A gateway may redirect to an address that is signed."""
    server = serve(Reply(b"", 302, {"Location": "https://user:CANARY@files.example/x?X-Sig=CANARY"}))
    with server.client(max_attempts=1) as client, pytest.raises(HandingerError) as caught:
        client.retrieve_task("tsk_1")
    assert "CANARY" not in said_of(caught.value)
    assert "files.example/x" in str(caught.value)
