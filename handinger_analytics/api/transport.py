"""One exchange with the server: a path goes out with the key, an answer comes back, or none.

The only module that speaks HTTP. It sends GET and nothing else, so it can neither spend credits nor
change anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

from handinger_analytics.api.settings import Settings
from handinger_analytics.errors import SettingsError

Session = requests.Session


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server sent, read to its end.

    Attributes
    ----------
    status : int
        HTTP status.
    headers : mapping of str to str
        Looked up without regard to case.
    body : bytes
        Decompressed.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)  # a server may repeat the key in it


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """No complete answer came back.

    Attributes
    ----------
    cause : str
        What the HTTP library says about it.
    timed_out : bool
        Whether the server was reached and took too long.
    """

    cause: str
    timed_out: bool


class Transport:
    """Sends requests below the base URL of a client; threads may share it.

    Parameters
    ----------
    settings : Settings
        Base URL, key, timeout and number of connections.
    session : Session, optional
        Sends the requests, and is left open; by default a connection pool of its own does.

    Raises
    ------
    SettingsError
        No request can be made to the base URL.
    """

    def __init__(self, settings: Settings, session: Session | None = None) -> None:
        self._settings = settings
        self._adapter = HTTPAdapter(pool_connections=1, pool_maxsize=settings.max_connections, max_retries=0)
        self._pool: Any = None
        self._exchange = self._through_pool if session is None else partial(self._through_session, session)
        self._path_prefix = urlsplit(settings.base_url).path
        preparing = session or requests.Session()
        self._template = self._prepared(preparing)
        self._options: dict[str, Any] = {
            **preparing.merge_environment_settings(settings.base_url, {}, False, None, None)
        }
        if settings.base_url.startswith("http:"):
            self._options["proxies"] = {}  # a loopback host is never reached through a proxy

    def send(self, path: str) -> Answer | NoAnswer:
        """Send one request; redirects are not followed.

        That there is no answer is returned, not raised: the error of the HTTP library holds the
        request and with it the key, and would be the context of whatever is raised after it.
        """
        try:
            return self._exchange(path)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            # urllib3 counts a refused connection among the timeouts, too.
            timed_out = isinstance(error, (requests.Timeout, urllib3.exceptions.TimeoutError))
            refused = isinstance(error, urllib3.exceptions.NewConnectionError)
            return NoAnswer(str(error), timed_out and not refused)

    def close(self) -> None:
        """Close the connections, but not those of a given session; the next request opens new ones."""
        self._pool = None
        self._adapter.close()

    def _through_pool(self, path: str) -> Answer:
        """Send straight through the connection pool of the one host there is.

        For each request, a session of requests looks up the pool, keeps cookies, runs hooks and
        prepares for redirects; for small answers that takes as long as the exchange itself, and this
        API needs none of it. TLS, certificates, proxies and authentication are still those of requests.
        """
        pool = self._pool or self._opened_pool()
        answer = pool.urlopen(
            "GET",
            self._path_prefix + path,
            headers=self._template.headers,
            timeout=self._settings.timeout,
            retries=False,
            redirect=False,
        )
        return Answer(answer.status, answer.headers, answer.data)

    def _through_session(self, session: Session, path: str) -> Answer:
        request = self._template.copy()
        request.url = self._settings.base_url + path
        answer = session.send(request, timeout=self._settings.timeout, allow_redirects=False, **self._options)
        return Answer(answer.status_code, answer.headers, answer.content)

    def _opened_pool(self) -> Any:
        verify, proxies, cert = (self._options[name] for name in ("verify", "proxies", "cert"))
        pool: Any = self._adapter.get_connection_with_tls_context(self._template, verify, proxies, cert)
        self._adapter.cert_verify(pool, self._settings.base_url, verify, cert)
        self._pool = pool
        return pool

    def _prepared(self, session: Session) -> requests.PreparedRequest:
        base_url = self._settings.base_url
        headers = {
            "Accept": "application/json",
            "User-Agent": f"handinger-analytics/{version('handinger-analytics')}",
        }
        try:
            return session.prepare_request(
                requests.Request("GET", base_url, headers=headers, auth=self._with_key)
            )
        except requests.exceptions.InvalidURL as error:
            raise SettingsError.unexpected(
                "base_url", "the address of a host", base_url, str(error)
            ) from None

    def _with_key(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Set the key; as an explicit ``auth`` it also keeps ``.netrc`` from replacing it."""
        request.headers["Authorization"] = f"Bearer {self._settings.api_key.reveal()}"
        return request
