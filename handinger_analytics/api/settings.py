"""What a client needs to know, from arguments and the environment, with the key kept out of sight."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from handinger_analytics.api.identifiers import id_in_link
from handinger_analytics.arguments import check_number, check_whole_number
from handinger_analytics.errors import SettingsError
from handinger_analytics.text import masked

API_KEY_VARIABLE = "HANDINGER_API_KEY"
BASE_URL_VARIABLE = "HANDINGER_BASE_URL"
HEADERS_VARIABLE = "HANDINGER_CUSTOM_HEADERS"
DEFAULT_BASE_URL = "https://handinger.com"

_PRINTABLE = re.compile(r"[\x21-\x7e]+")
_QUOTES = "'\"`\N{LEFT SINGLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK}" + (
    "\N{LEFT DOUBLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK}"
)
_HEADER = re.compile(r"(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(?P<value>[\x20-\x7e\t]*)")
_OUR_HEADERS = ("authorization", "connection", "content-length", "host", "transfer-encoding")
_LEAST_SECRET = 8  # a shorter value of a header may stand in any message


class Secret:
    """A value that shows itself as ``***`` wherever it is printed.

    Examples
    --------
    >>> Secret("hdg_live_abc")
    ***
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value itself."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    def __reduce__(self) -> tuple[type[Secret], tuple[str]]:
        raise TypeError("a Secret is not pickled: read the key from the environment where it is needed")


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of a client, checked.

    Attributes
    ----------
    base_url : str
        Scheme and host, and a path prefix if the API lives under one; no trailing slash.
    timeout : float
        Seconds to wait for a connection, and for each piece of an answer.
    max_attempts : int
        How often one request is sent at most.
    max_wait : float
        Seconds that one request may spend waiting between its attempts, all told.
    max_connections : int
        Requests under way at once at most.
    max_answer_seconds : float
        Seconds one answer may take from the request to its last byte.
    max_answer_bytes : int
        Bytes one answer may have, decompressed.
    custom_headers : mapping of str to str
        Headers that go with every request; their values may be secrets.

    Raises
    ------
    SettingsError
        For a value that cannot be used.
    """

    api_key: Secret = field(repr=False)
    base_url: str
    timeout: float
    max_attempts: int
    max_wait: float
    max_connections: int
    max_answer_seconds: float
    max_answer_bytes: int
    custom_headers: Mapping[str, str] = field(repr=False)

    def __post_init__(self) -> None:
        _check_base_url(self.base_url)
        check_number(self.timeout, "timeout", "seconds above 0", above=0, error=SettingsError)
        check_number(self.max_wait, "max_wait", "seconds, 0 or more", least=0, error=SettingsError)
        check_whole_number(self.max_attempts, "max_attempts", error=SettingsError)
        check_whole_number(self.max_connections, "max_connections", error=SettingsError)
        what = "seconds above 0"
        check_number(self.max_answer_seconds, "max_answer_seconds", what, above=0, error=SettingsError)
        check_whole_number(self.max_answer_bytes, "max_answer_bytes", error=SettingsError)

    def without_secrets(self, text: str) -> str:
        """Take the key, and the values of headers of the user's own, out of a text."""
        text = text.replace(self.api_key.reveal(), "***")
        for value in self.custom_headers.values():
            if len(value) >= _LEAST_SECRET:
                text = text.replace(value, "***")
        return text


def api_key_from(value: str | Secret | None) -> Secret:
    """Wrap the key that was given, or the one in the environment.

    Raises
    ------
    SettingsError
        Without a key, or with one that cannot be sent in a header. The message never shows it.
    """
    origin = "api_key" if value is not None else API_KEY_VARIABLE
    if value is None:
        value = os.environ.get(API_KEY_VARIABLE, "")
    secret = value if isinstance(value, Secret) else Secret(value)
    value = None  # a traceback shows the locals of this frame
    if not isinstance(secret.reveal(), str):
        raise SettingsError(f"api_key: expected a string, found one of type {type(secret.reveal()).__name__}")
    secret = Secret(secret.reveal().strip())
    if not secret.reveal():
        raise SettingsError(
            f"no API key: set the environment variable {API_KEY_VARIABLE}, or pass api_key=. "
            "Without one, try handinger_analytics.Sandbox: it needs no key and no network"
        )
    if secret.reveal()[0] in _QUOTES or secret.reveal()[-1] in _QUOTES:
        raise SettingsError(f"{origin}: expected a key without quotes around it; leave them out")
    if not _PRINTABLE.fullmatch(secret.reveal()):
        raise SettingsError(
            f"{origin}: expected a key without white space and characters outside ASCII; copy it again"
        )
    return secret


def base_url_from(value: str | None) -> str:
    """Return the base URL that was given, or the environment's, or the default; no trailing slash."""
    url = (value or os.environ.get(BASE_URL_VARIABLE) or DEFAULT_BASE_URL).strip().rstrip("/")
    scheme, colon, rest = url.partition(":")
    return scheme.lower() + colon + rest


def custom_headers_from_environment() -> dict[str, str]:
    """Read the headers that go with every request, lines ``Name: value`` as in the official SDKs.

    Raises
    ------
    SettingsError
        For a line that is no header, or one that would replace a header this package sets.
    """
    headers = {}
    lines = os.environ.get(HEADERS_VARIABLE, "").splitlines()
    for number, line in enumerate(map(str.strip, lines), 1):
        header = _HEADER.fullmatch(line)
        if header is None and line:
            raise SettingsError(
                f"{HEADERS_VARIABLE}: expected lines such as 'X-Team: research', found another thing in line "
                f"{number}; its text is not shown, since it may be a secret"
            )
        if header is not None and header["name"].lower() in _OUR_HEADERS:
            raise SettingsError(
                f"{HEADERS_VARIABLE}: expected headers that go beside the key, found {header['name']} in "
                f"line {number}; leave it out"
            )
        if header is not None:
            headers[header["name"]] = header["value"]
    return headers


def _check_base_url(base_url: str) -> None:
    try:
        parts = urlsplit(base_url)
        host = parts.hostname
        parts.port  # noqa: B018 - reading it is what checks it
    except ValueError as error:
        reason = "it has a user name or password" if "@" in base_url else error  # which may quote half of it
        raise SettingsError(
            f"base_url: expected something like {DEFAULT_BASE_URL!r}, found one that cannot be read: {reason}"
        ) from None
    if parts.username or parts.password:
        raise SettingsError(
            "base_url: expected one without user name or password; leave them out, the key is enough"
        )
    expected = f"something like {DEFAULT_BASE_URL!r} (from base_url= or {BASE_URL_VARIABLE})"
    quoted, shown = base_url != base_url.strip(_QUOTES), masked(base_url)
    if parts.scheme not in ("https", "http") or not host or quoted or "?" in base_url or "#" in base_url:
        advice = "leave the quotes out" if quoted else ""
        raise SettingsError.unexpected("base_url", expected, shown, advice)
    if id_in_link(base_url, "worker"):
        advice = f"this is a link to the dashboard: use {DEFAULT_BASE_URL!r}, and give the link as an id"
        raise SettingsError.unexpected("base_url", expected, shown, advice)
    if parts.path.endswith("/api") or "/api/" in parts.path:
        advice = "leave out /api and what comes after it: it is part of every request"
        raise SettingsError.unexpected("base_url", expected, shown, advice)
    if parts.scheme == "http" and not _is_loopback(host):
        raise SettingsError.unexpected(
            "base_url",
            "https, or plain http to this machine",
            shown,
            "over plain http anyone on the way could read the key",
        )


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
