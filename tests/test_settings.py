"""What a client is told, and what it refuses to be told."""

from __future__ import annotations

import copy
import pickle

import pytest

from handinger_analytics import Client, SettingsError
from handinger_analytics.api.client import requester_of
from handinger_analytics.api.settings import Secret, api_key_from, base_url_from

KEY = "hdg_live_canary"


def settings(base_url="https://handinger.com", **options):
    """Return settings with a key."""
    return requester_of(Client(KEY, base_url=base_url, **options)).settings


def test_no_key_says_which_variable_to_set():
    """Without a key the error names the variable, and the way that needs none."""
    with pytest.raises(SettingsError, match=r"HANDINGER_API_KEY.*Sandbox"):
        Client()


@pytest.mark.parametrize("blank", ["", "  ", "\n"])
def test_blank_key_counts_as_no_key(monkeypatch, blank):
    """A variable that is set to nothing is as good as none."""
    monkeypatch.setenv("HANDINGER_API_KEY", blank)
    with pytest.raises(SettingsError, match="no API key"):
        Client()


def test_key_and_base_url_come_from_the_environment(monkeypatch):
    """The official SDKs' variables are read, white space around them is not part of them."""
    monkeypatch.setenv("HANDINGER_API_KEY", f" {KEY}\n")
    monkeypatch.setenv("HANDINGER_BASE_URL", "https://example.com/api-behind/ ")
    with Client() as client:
        assert requester_of(client).settings.api_key.reveal() == KEY
        assert requester_of(client).settings.base_url == "https://example.com/api-behind"


def test_arguments_come_before_the_environment(monkeypatch):
    """What is passed wins over what is set."""
    monkeypatch.setenv("HANDINGER_API_KEY", "hdg_live_other")
    monkeypatch.setenv("HANDINGER_BASE_URL", "https://other.example.com")
    with Client(KEY, base_url="https://example.com") as client:
        assert requester_of(client).settings.api_key.reveal() == KEY
        assert requester_of(client).settings.base_url == "https://example.com"


def test_default_base_url_is_the_service():
    """Nothing set means the real service."""
    assert base_url_from(None) == "https://handinger.com"


@pytest.mark.parametrize("key", ["hdg live", "hdg\x00", "hdg_é", "hdg\nX-Evil: 1"])
def test_key_that_no_header_can_hold_is_refused(key):
    """White space, control and non-ASCII characters are refused, and the text does not show the key."""
    with pytest.raises(SettingsError, match="copy it again") as caught:
        api_key_from(key)
    assert "hdg" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://handinger.com",
        "http://10.0.0.1",
        "http://128.0.0.1",
        "http://0.0.0.0:80",
        "http://localhost.evil.com",
        "http://127.0.0.1.evil.com",
        "HTTP://handinger.com",
    ],
)
def test_plain_http_to_another_machine_is_refused(url):
    """The key goes over https only, unless the server is on this machine."""
    with pytest.raises(SettingsError, match="plain http"):
        settings(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:8000",
        "http://LOCALHOST",
        "http://127.0.0.1:1",
        "http://127.9.9.9",
        "http://[::1]:80",
    ],
)
def test_plain_http_to_this_machine_is_accepted(url):
    """A server on a loopback address may speak plain http."""
    assert settings(url).base_url == url


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1@evil.com", "https://user:secret@handinger.com", "https://user@handinger.com"]
)
def test_credentials_in_the_base_url_are_refused_unseen(url):
    """A user name in the URL is refused without repeating it."""
    with pytest.raises(SettingsError, match="user name or password") as caught:
        settings(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "handinger.com",
        "ftp://handinger.com",
        "https://",
        "https:///x",
        "https://h?x=1",
        "https://h#x",
        "//h",
        "/",
        " ",
    ],
)
def test_what_is_no_base_url_is_refused_with_an_example(url):
    """The error shows what was found and what one looks like."""
    with pytest.raises(SettingsError, match=r"expected something like 'https://handinger\.com'"):
        settings(url)


@pytest.mark.parametrize("url", ["https://[::1", "https://h:port", "https://h:99999"])
def test_unreadable_base_url_is_a_settings_error(url):
    """What the URL parser trips over becomes an error of ours."""
    with pytest.raises(SettingsError, match="cannot be read"):
        settings(url)


@pytest.mark.parametrize("name", ["max_attempts", "max_connections"])
@pytest.mark.parametrize("value", [0, -1, 1.5, "4", True, None])
def test_counts_are_whole_numbers_from_one(name, value):
    """A count that is none is refused by name."""
    with pytest.raises(SettingsError, match=rf"^{name}: expected a whole number from 1, found"):
        settings(**{name: value})


@pytest.mark.parametrize("name", ["timeout", "max_wait"])
@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), "4", True, None])
def test_times_are_seconds(name, value):
    """A time that is none is refused by name."""
    with pytest.raises(SettingsError, match=rf"^{name}: expected seconds.*, found"):
        settings(**{name: value})


def test_timeout_of_zero_is_refused_and_max_wait_of_zero_is_not():
    """No time for an answer is a mistake; no patience is a choice."""
    with pytest.raises(SettingsError, match=r"^timeout: expected seconds above 0, found 0$"):
        settings(timeout=0)
    assert settings(max_wait=0).max_wait == 0


def test_settings_do_not_change():
    """Settings are frozen."""
    with pytest.raises(AttributeError):
        settings().timeout = 1


def test_secret_cannot_be_copied_out_by_accident():
    """Neither pickling nor copying takes the key along."""
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(settings())
    with pytest.raises(TypeError, match="not pickled"):
        copy.deepcopy(Secret(KEY))


@pytest.mark.parametrize(
    ("opening", "closing"),
    ["''", '""', "``", "\u2018\u2019", "\u201c\u201d", "'\"", ("'", ""), ("", '"'), ("", "\u201d")],
)
@pytest.mark.parametrize("through", ["argument", "environment"])
def test_quotes_around_the_key_are_refused_unseen(monkeypatch, opening, closing, through):
    """A key that was copied with its quotes says so, and where, but not what it is."""
    key = f"{opening}{KEY}{closing}"
    monkeypatch.setenv("HANDINGER_API_KEY", key)
    name = "api_key" if through == "argument" else "HANDINGER_API_KEY"
    with pytest.raises(SettingsError, match=rf"^{name}: .*without quotes around it") as caught:
        Client(key if through == "argument" else None)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "advice"),
    [
        ("https://handinger.com/api", "leave out /api"),
        ("https://handinger.com/api/", "leave out /api"),
        ("https://handinger.com/api/tasks/tsk_1", "leave out /api"),
        ("https://example.com/prefix/api", "leave out /api"),
        ("https://v3.handinger.com/worker/wrk_1", "link to the dashboard"),
        ("https://v3.handinger.com/worker/wrk_1/task/tsk_1", "link to the dashboard"),
        ("https://handinger.com?", "expected something like"),
        ("https://handinger.com#", "expected something like"),
        ("https://handinger.com/?", "expected something like"),
        ("'https://handinger.com'", "leave the quotes out"),
        ('"https://handinger.com"', "leave the quotes out"),
        ("“https://handinger.com”", "leave the quotes out"),
        ("https://handinger.com'", "leave the quotes out"),
        ("http://127.999.1.1", "plain http"),
        ("http://127.1", "plain http"),
        ("http://127.0.0.1.", "plain http"),
        ("http://[::2]", "plain http"),
    ],
)
@pytest.mark.parametrize("through", ["argument", "environment"])
def test_base_url_that_every_request_would_fail_at_is_refused_with_advice(monkeypatch, url, advice, through):
    """The error says what to leave out."""
    monkeypatch.setenv("HANDINGER_BASE_URL", url)
    with pytest.raises(SettingsError, match=advice):
        settings(url if through == "argument" else None)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/prefix",
        "https://example.com/api-behind",
        "https://example.com/my-api",
        "https://example.com/apis/v2",
        "https://api.example.com",
    ],
)
def test_path_prefixes_are_accepted(url):
    """An API behind a gateway may live under a path."""
    assert settings(url).base_url == url


@pytest.mark.parametrize(
    "line", ["no colon", ": value-s3cret", "X Team: s3cret", "X-Team: s3cret\x07", "X-Team: s3crét"]
)
def test_line_that_is_no_header_is_refused_unseen(monkeypatch, line):
    """The error names the variable and the line, whose text may be a secret."""
    monkeypatch.setenv("HANDINGER_CUSTOM_HEADERS", f"X-A: 1\n\n{line}")
    with pytest.raises(SettingsError, match=r"^HANDINGER_CUSTOM_HEADERS: .* line 3") as caught:
        Client(KEY)
    assert "s3cr" not in str(caught.value)
    assert "colon" not in str(caught.value)


@pytest.mark.parametrize("name", ["Authorization", "authorization", "HOST", "Content-Length", "Connection"])
def test_custom_headers_that_would_break_requests_are_refused_unseen(monkeypatch, name):
    """The key and the framing of requests are not for others to set."""
    monkeypatch.setenv("HANDINGER_CUSTOM_HEADERS", f"{name}: s3cret")
    with pytest.raises(SettingsError, match=f"found {name} in line 1") as caught:
        Client(KEY)
    assert "s3cret" not in str(caught.value)


def test_values_of_custom_headers_are_not_shown(monkeypatch):
    """They are in no repr of the settings."""
    monkeypatch.setenv("HANDINGER_CUSTOM_HEADERS", "X-Token: s3cret-value")
    assert "s3cret" not in repr(settings())
