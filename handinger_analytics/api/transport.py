"""One exchange with the server: a path goes out with the key, an answer comes back, or none.

The only module that sends. It sends GET and nothing else, so it can neither spend credits nor change
anything.
"""

from __future__ import annotations

import gzip
import io
import os
import ssl
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

from handinger_analytics.api.connections import AnswerTooLarge, AnswerTooSlow, bounded
from handinger_analytics.api.settings import Settings
from handinger_analytics.api.waiting import awaited
from handinger_analytics.errors import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    APITimeoutError,
    SettingsError,
)
from handinger_analytics.text import masked

Session = requests.Session

_PIECE = 65_536
_NO_RETRIES = urllib3.Retry.from_int(False, redirect=False)  # made once: it takes as long as a header
_VERSION = version("handinger-analytics")


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
        Why, in words; it may quote what the server sent.
    error : type
        Class of the error that this is.
    worth_another_attempt : bool
        Whether asking again may help.
    """

    cause: str
    error: type[APIError]
    worth_another_attempt: bool = True


class Transport:
    """Sends requests below the base URL of a client; threads may share it, processes may not.

    Parameters
    ----------
    settings : Settings
        Settings of the client.
    session : Session, optional
        Sends the requests, and is left open; by default a connection pool of its own does.

    Raises
    ------
    SettingsError
        No request can be made to the base URL, or the session is none of requests.
    """

    def __init__(self, settings: Settings, session: Session | None = None) -> None:
        if session is not None and not isinstance(session, Session):
            advice = "other HTTP libraries cannot stand in for it"
            raise SettingsError.unexpected("session", "a requests.Session", session, advice)
        self._settings = settings
        self._session = session
        self._adapter = HTTPAdapter(pool_connections=1, pool_maxsize=settings.max_connections, max_retries=0)
        self._pool: Any = None
        self._path_prefix = urlsplit(settings.base_url).path
        own = Session()
        own.headers["Accept-Encoding"] = "gzip"
        del own.headers["Connection"]  # to stay open is what HTTP/1.1 does anyway
        self._template = self._prepared(own, "")
        self._options = self._environment(own)

    def send(self, path: str, cancel: threading.Event | None = None) -> Answer | NoAnswer:
        """Send one request; redirects are not followed.

        That there is no answer is returned, not raised, and an interrupt is raised anew: the frames and
        errors of the HTTP library hold the request and with it the key.

        Parameters
        ----------
        path : str
            Below the base URL, percent-encoded, with its query.
        cancel : threading.Event, optional
            When set, a given session is not waited for any longer.

        Raises
        ------
        Cancelled
            ``cancel`` was set.
        """
        if self._session is not None:
            exchange = partial(self._through_session, self._session, path)
            try:
                return awaited(exchange, seconds=self._settings.max_answer_seconds, cancel=cancel)
            except TimeoutError:
                return self._without_answer(AnswerTooSlow())
        try:
            return self._through_pool(path)
        except Exception as error:  # the standard library lets through what broken framing makes it meet
            return self._without_answer(error)
        except BaseException as error:
            interrupt = error.with_traceback(None)
            interrupt.__context__ = None
        raise interrupt

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
            retries=_NO_RETRIES,
            redirect=False,
            decode_content=False,
        )
        body = answer.data
        if answer.headers.get("Content-Encoding", "identity") != "identity":
            with gzip.GzipFile(fileobj=io.BytesIO(body)) as unzipped:
                body = unzipped.read(self._settings.max_answer_bytes + 1)
        if len(body) > self._settings.max_answer_bytes:
            raise AnswerTooLarge
        return Answer(answer.status, answer.headers, body)

    def _through_session(self, session: Session, path: str) -> Answer | NoAnswer:
        """Send through a session as its owner has set it up by now: headers, parameters, hooks, cookies."""
        try:
            request = self._prepared(session, path)
            options = {"timeout": self._settings.timeout, **self._environment(session)}
            _check_proxy(str(request.url), options["proxies"])
            try:
                answer = session.send(request, allow_redirects=False, **options)
            except requests.RequestException as error:
                if error.response is None:
                    raise
                answer = error.response  # a hook raised for its status
            with answer:
                body = bytearray()
                for piece in answer.iter_content(_PIECE):
                    body += piece
                    if len(body) > self._settings.max_answer_bytes:
                        raise AnswerTooLarge
                return Answer(answer.status_code, answer.headers, bytes(body))
        except Exception as error:  # also what a hook or adapter of the user's raises
            return self._without_answer(error)

    def _without_answer(self, error: Exception) -> NoAnswer:
        settings = self._settings
        if isinstance(error, AnswerTooLarge):
            what = f"the answer is larger than max_answer_bytes={settings.max_answer_bytes:,}"
            return NoAnswer(what, APIResponseValidationError, worth_another_attempt=False)
        if isinstance(error, AnswerTooSlow):
            what = f"the answer took longer than max_answer_seconds={settings.max_answer_seconds:g}"
            return NoAnswer(what, APITimeoutError, worth_another_attempt=False)
        return _no_answer(error)

    def _opened_pool(self) -> Any:
        verify, proxies, cert = (self._options[name] for name in ("verify", "proxies", "cert"))
        _check_proxy(self._settings.base_url, proxies)
        pool: Any = self._adapter.get_connection_with_tls_context(self._template, verify, proxies, cert)
        self._adapter.cert_verify(pool, self._settings.base_url, verify, cert)
        pool.ConnectionCls = bounded(
            type(pool).ConnectionCls, self._settings.max_answer_seconds, self._settings.max_answer_bytes
        )
        self._pool = pool
        return pool

    def _environment(self, session: Session) -> dict[str, Any]:
        """Proxies and certificates, from a session and the environment."""
        options = session.merge_environment_settings(self._settings.base_url, {}, True, None, None)
        if self._settings.base_url.startswith("http:"):
            options["proxies"] = {}  # a loopback host is never reached through a proxy
        return dict(options)

    def _prepared(self, session: Session, path: str) -> requests.PreparedRequest:
        base_url = self._settings.base_url
        try:
            request = session.prepare_request(
                requests.Request("GET", base_url, headers=self._headers(session), auth=self._with_key)
            )
        except requests.exceptions.InvalidURL as error:
            raise SettingsError.unexpected(
                "base_url", "the address of a host", base_url, str(error)
            ) from None
        # Set afterwards, since requests decodes `%2E%2E` in an address to dots that climb the path.
        query = urlsplit(str(request.url)).query
        request.url = base_url + path + (("&" if "?" in path else "?") + query if query else "")
        return request

    def _headers(self, session: Session) -> dict[str, str]:
        """Headers of ours and of the environment, which come before those of the session."""
        headers = {"Accept": "application/json"}
        if session.headers.get("User-Agent") == requests.utils.default_user_agent():
            headers["User-Agent"] = f"handinger-analytics/{_VERSION}"
        return headers | dict(self._settings.custom_headers)

    def _with_key(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Set the key; as an explicit ``auth`` it also keeps ``.netrc`` from replacing it."""
        request.headers["Authorization"] = f"Bearer {self._settings.api_key.reveal()}"
        return request


def _check_proxy(url: str, proxies: Mapping[str, str]) -> None:
    """Refuse a proxy without a host, at which requests stumbles with a TypeError."""
    proxy = requests.utils.select_proxy(url, proxies)
    if proxy and not urllib3.util.parse_url(proxy).host:
        raise requests.exceptions.InvalidProxyURL


def _no_answer(error: Exception) -> NoAnswer:
    """Say why there was no answer, and whether there may be one next time."""
    if problem := _problem_of_settings(error):
        return NoAnswer(f"no answer ({problem})", APIConnectionError, worth_another_attempt=False)
    known = isinstance(error, requests.RequestException | urllib3.exceptions.HTTPError)
    cause = masked(str(error) if known else f"{type(error).__name__}: {error}")
    # urllib3 counts a refused connection among the timeouts, too.
    refused = isinstance(error, urllib3.exceptions.NewConnectionError)
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError) and not refused:
        return NoAnswer(f"no answer in time ({cause})", APITimeoutError)
    return NoAnswer(f"no complete answer ({cause})", APIConnectionError)


def _problem_of_settings(error: Exception) -> str | None:
    """Say what is wrong with certificates or the proxy, which no other attempt can change."""
    proxies = _set_in_environment("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
    bundles = _set_in_environment("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return (
                "the server's certificate could not be verified; set REQUESTS_CA_BUNDLE to a file with the "
                f"certificates of your network: {cause.reason}, {cause.verify_message}"
            )
        if _is_about_a_certificate_file(cause):
            return f"check {bundles or 'verify and cert of the session'}: {cause}"
        if isinstance(cause, requests.exceptions.InvalidSchema) and "SOCKS" in str(cause):
            return "a SOCKS proxy needs the package PySocks; pip install 'requests[socks]'"
        if isinstance(cause, requests.exceptions.InvalidURL | urllib3.exceptions.LocationValueError):
            # What it says can be half of a password.
            where = proxies or "proxies of the session"
            return f"{where}: expected the address of a proxy, such as http://proxy.example.com:3128"
        if isinstance(cause, OSError) and "Tunnel connection failed: 407" in str(cause):
            return f"the proxy wants a user name and a password; put them into {proxies or 'its address'}"
    return None


def _is_about_a_certificate_file(cause: BaseException) -> bool:
    if isinstance(cause, ssl.SSLError):
        return cause.library in ("PEM", "X509") or "PEM lib" in str(cause)
    # requests raises a plain OSError for a path where there is nothing.
    missing = type(cause) is OSError and str(cause).startswith("Could not find")
    return missing or isinstance(cause, FileNotFoundError)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and all that it wraps or came from."""
    todo, seen = [error], set()
    while todo:
        cause = todo.pop()
        if id(cause) not in seen:
            seen.add(id(cause))
            yield cause
            wrapped = (*cause.args, getattr(cause, "reason", None), cause.__cause__, cause.__context__)
            todo += [each for each in wrapped if isinstance(each, BaseException)]


def _set_in_environment(*names: str) -> str:
    return " and ".join(name for name in names if os.environ.get(name))
