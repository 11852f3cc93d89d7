"""What a client needs to know, from arguments and the environment, with the key kept out of sight."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from handinger_analytics.errors import SettingsError

API_KEY_VARIABLE = "HANDINGER_API_KEY"
BASE_URL_VARIABLE = "HANDINGER_BASE_URL"
DEFAULT_BASE_URL = "https://handinger.com"

_LOOPBACK = re.compile(r"localhost|127(\.\d{1,3}){3}|::1")
_PRINTABLE = re.compile(r"[\x21-\x7e]+")


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

    Raises
    ------
    SettingsError
        For a value that cannot be used.
    """

    api_key: Secret = field(repr=False)
    base_url: str = DEFAULT_BASE_URL
    timeout: float = 30.0
    max_attempts: int = 6
    max_wait: float = 300.0
    max_connections: int = 16

    def __post_init__(self) -> None:
        _check_base_url(self.base_url)
        for name, smallest in (("max_attempts", 1), ("max_connections", 1)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < smallest:
                raise SettingsError(f"{name} is {value!r}; give a whole number from {smallest}")
        for name in ("timeout", "max_wait"):
            value = getattr(self, name)
            if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1e9:
                raise SettingsError(f"{name} is {value!r}; give seconds, 0 or more")
        if self.timeout == 0:
            raise SettingsError("timeout is 0, which leaves no time for any answer; give seconds above 0")


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
    if isinstance(value, Secret) and not isinstance(value.reveal(), str):
        raise SettingsError(f"api_key is of type {type(value.reveal()).__name__}: expected a string")
    secret = Secret((value.reveal() if isinstance(value, Secret) else value).strip())
    value = None  # a traceback shows the locals of this frame
    if not secret.reveal():
        raise SettingsError(
            f"no API key: set the environment variable {API_KEY_VARIABLE}, or pass api_key=. "
            "Without one, try handinger_analytics.Sandbox: it needs no key and no network"
        )
    if not _PRINTABLE.fullmatch(secret.reveal()):
        raise SettingsError(
            f"the API key in {origin} has white space or characters outside ASCII in it: copy it again"
        )
    return secret


def base_url_from(value: str | None) -> str:
    """Return the base URL that was given, or the environment's, or the default; no trailing slash."""
    url = (value or os.environ.get(BASE_URL_VARIABLE) or DEFAULT_BASE_URL).strip().rstrip("/")
    scheme, colon, rest = url.partition(":")
    return scheme.lower() + colon + rest


def _check_base_url(base_url: str) -> None:
    try:
        parts = urlsplit(base_url)
        host = parts.hostname
        parts.port  # noqa: B018 - reading it is what checks it
    except ValueError as error:
        raise SettingsError(f"the base URL cannot be read ({error}): try {DEFAULT_BASE_URL!r}") from None
    if parts.username or parts.password:
        raise SettingsError(
            "the base URL has a user name or password in it: leave them out, the key is enough"
        )
    if parts.scheme not in ("https", "http") or not host or parts.query or parts.fragment:
        raise SettingsError(
            f"the base URL is {base_url!r}: expected something like {DEFAULT_BASE_URL!r} "
            f"(from base_url= or {BASE_URL_VARIABLE})"
        )
    if parts.scheme == "http" and not _LOOPBACK.fullmatch(host):
        raise SettingsError(
            f"the base URL is {base_url!r}: over plain http anyone on the way could read the key. "
            "Use https; http is for a server on this machine only"
        )
