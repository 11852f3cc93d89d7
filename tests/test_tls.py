"""Over https the key goes to a server that can prove who it is, and to no other."""

import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
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


def test_an_own_authority_is_trusted_as_requests_trusts_it(secure, authority, tmp_path, monkeypatch):
    """``REQUESTS_CA_BUNDLE`` names the authorities, as for any program that uses requests."""
    url, asked = secure
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    with Client("hdg_live_x", base_url=url, max_attempts=1) as client:
        assert client.retrieve_task("tsk_1").task.id == "tsk_1"
    assert asked == ["Bearer hdg_live_x"]
