"""Over https the key goes to a server that can prove who it is, and to no other."""

import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
import trustme

from handinger_analytics import APIConnectionError, Client
from tests.samples import body_a


class _Answer(BaseHTTPRequestHandler):
    asked: list[str]

    def do_GET(self):
        self.asked.append(self.headers["Authorization"])
        body = body_a("tsk_1")
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Keep the test's output clean."""


@pytest.fixture(autouse=True)
def _plain_machine(monkeypatch):
    """Take certificates of the developer's machine out of the environment."""
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)


@pytest.fixture
def authority():
    """Make a certificate authority that no machine trusts by itself."""
    return trustme.CA()


@pytest.fixture
def secure(authority):
    """Serve a task over TLS with a certificate of that authority: its URL, and what it was asked."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    asked: list[str] = []
    handler = type("Handler", (_Answer,), {"asked": asked})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"https://localhost:{server.server_address[1]}", asked
        server.shutdown()
        thread.join()


def test_a_server_that_cannot_prove_itself_gets_no_key(secure):
    """An unknown certificate ends the connection before anything is asked."""
    url, asked = secure
    with Client("hdg_live_x", base_url=url, max_attempts=1) as client:
        with pytest.raises(APIConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
            client.retrieve_task("tsk_1")
    assert asked == []


@pytest.mark.parametrize("session", [None, requests.Session()], ids=["own", "given"])
def test_an_unknown_certificate_is_not_asked_again_and_says_what_to_set(secure, session):
    """No other attempt changes it, and the error names the variable."""
    url, asked = secure
    with Client("hdg_live_x", base_url=url, session=session) as client:
        with pytest.raises(APIConnectionError, match="set REQUESTS_CA_BUNDLE to a file") as caught:
            client.retrieve_task("tsk_1")
    assert caught.value.attempts == 1
    assert asked == []


@pytest.mark.parametrize("session", [None, requests.Session()], ids=["own", "given"])
def test_a_certificate_of_another_host_is_not_asked_again(secure, authority, tmp_path, monkeypatch, session):
    """A trusted authority is not enough: the certificate must be that of the host."""
    url, asked = secure
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    with Client("hdg_live_x", base_url=url.replace("localhost", "127.0.0.1"), session=session) as client:
        with pytest.raises(APIConnectionError, match="certificate could not be verified") as caught:
            client.retrieve_task("tsk_1")
    assert caught.value.attempts == 1
    assert asked == []


def test_an_own_authority_is_trusted_as_requests_trusts_it(secure, authority, tmp_path, monkeypatch):
    """``REQUESTS_CA_BUNDLE`` names the authorities, as for any program that uses requests."""
    url, asked = secure
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    with Client("hdg_live_x", base_url=url, max_attempts=1) as client:
        assert client.retrieve_task("tsk_1").task.id == "tsk_1"
    assert asked == ["Bearer hdg_live_x"]


def test_a_session_may_bring_its_own_authority(secure, authority, tmp_path):
    """What ``verify`` of a session names is trusted, also when it is set after the client was made."""
    url, asked = secure
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with requests.Session() as session, Client("hdg_live_x", base_url=url, session=session) as client:
        session.verify = str(tmp_path / "ca.pem")
        assert client.retrieve_task("tsk_1").task.id == "tsk_1"
    assert asked == ["Bearer hdg_live_x"]


@pytest.mark.parametrize("name", ["cert", "verify"])
def test_a_file_of_a_session_that_is_no_certificate_is_named(secure, authority, tmp_path, name):
    """One attempt, and the error names the attributes of the session."""
    url, asked = secure
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    (tmp_path / "notes.pem").write_text("shopping list")
    with requests.Session() as session, Client("hdg_live_x", base_url=url, session=session) as client:
        session.verify = str(tmp_path / "ca.pem")
        setattr(session, name, str(tmp_path / "notes.pem"))
        with pytest.raises(APIConnectionError, match="verify and cert of the session") as caught:
            client.retrieve_task("tsk_1")
    assert caught.value.attempts == 1
    assert asked == []
