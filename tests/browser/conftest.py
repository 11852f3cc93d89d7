"""One Chromium and one server of each kind for all tests; a page and a kernel for each of them."""

from __future__ import annotations

import itertools
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.browser.servers import Running, start_lab, start_voila

CHROMIUM = os.environ.get("UI_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
SHOTS = os.environ.get("UI_SHOTS")
OPTIONS = [
    "--no-sandbox",  # root, containers
    "--disable-gpu",
    "--disable-dev-shm-usage",  # containers have little of it
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Nothing but the loopback address resolves: the tests are offline wherever they run.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
]
ICON_FONT = "https://cdn.jsdelivr.net/npm/@fortawesome/"
"""Voilà's own template asks for it, in vain: the browser has no way to reach it."""
ADVICE = "needs a browser: apt-get install -y --no-install-recommends chromium, or name one in UI_CHROMIUM"


@pytest.fixture(scope="session")
def browser():
    """Start Chromium; without one, CI fails and anybody else is told what to install."""
    if not CHROMIUM:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(ADVICE)
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=20_000)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS, timeout=60_000)
        yield started
        started.close()


@pytest.fixture(scope="session")
def context(browser):
    """Share what the browser has loaded once: JupyterLab is large."""
    context = browser.new_context(viewport={"width": 1200, "height": 1000}, reduced_motion="reduce")
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    yield context
    context.close()


@pytest.fixture
def page(context, request):
    """Open a page that remembers what went wrong in it: nothing may, and nothing may be asked outside.

    An exception in a handler of a widget is shown nowhere on the page: only the kernel's messages have it.
    """
    opened = context.new_page()
    opened.set_default_timeout(30_000)
    wrong: list[str] = []
    opened.on("pageerror", lambda error: wrong.append(f"script: {error}"))
    opened.on("request", lambda sent: wrong.extend(_outside(sent.url)))
    opened.on(
        "websocket", lambda ws: ws.on("framereceived", lambda frame: wrong.extend(_kernel_errors(frame)))
    )
    opened.wrong = wrong
    yield opened
    if SHOTS:
        opened.screenshot(path=Path(SHOTS) / f"{request.node.name}.png")
    opened.close()
    assert wrong == []


@pytest.fixture
def shoot() -> Callable[..., None]:
    """Return a function that takes a picture of an element, where UI_SHOTS names a folder for it."""

    def take(element, name: str) -> None:
        if SHOTS:
            Path(SHOTS).mkdir(parents=True, exist_ok=True)
            element.screenshot(path=Path(SHOTS) / f"{name}.png", animations="disabled")

    return take


@pytest.fixture(scope="session")
def lab(browser, tmp_path_factory) -> Iterator[Running]:
    """Start JupyterLab."""
    running = start_lab(tmp_path_factory.mktemp("lab"))
    yield running
    running.stop()


@pytest.fixture(scope="session")
def voila(browser, tmp_path_factory) -> Iterator[Running]:
    """Start Voilà."""
    running = start_voila(tmp_path_factory.mktemp("voila"))
    yield running
    running.stop()


@pytest.fixture
def run_in_lab(lab, page):
    """Return a function that opens cells as a notebook in JupyterLab, runs them and returns the page."""

    def run(name: str, *cells: str):
        # As a single document: no file browser, launcher or restored workspace.
        page.goto(
            f"{lab.url}doc/tree/{lab.write(name, *cells)}?token={lab.token}&reset",
            wait_until="domcontentloaded",
        )
        page.locator(".jp-NotebookPanel .jp-Cell").first.wait_for()
        page.evaluate(
            """async () => {
                await window.jupyterapp.restored;
                const session = window.jupyterapp.shell.currentWidget.sessionContext;
                await session.ready; await session.session.kernel.info;
            }"""
        )
        run_all(page)
        return page

    yield run
    lab.stop_kernels()


def run_all(page) -> None:
    """Run all cells; a cell that fails shows in the kernel's messages."""
    page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
    assert page.wrong == []


def _outside(url: str) -> list[str]:
    parts = urlsplit(url)
    is_web = parts.scheme in ("http", "https", "ws", "wss")
    own = parts.hostname == "127.0.0.1" or url.startswith(ICON_FONT)
    return [f"outside: {url}"] if is_web and not own else []


def _kernel_errors(frame: str | bytes) -> list[str]:
    """Exceptions in a frame of the protocol v1.kernel.websocket.jupyter.org.

    It begins with the number of offsets and the offsets, eight bytes each; between them lie channel,
    header, parent header, metadata, content and buffers.
    """
    if not isinstance(frame, bytes) or len(frame) < 8:
        return []
    count = int.from_bytes(frame[:8], "little")
    if not 6 <= count < 1000:
        return []
    offsets = [int.from_bytes(frame[8 * n : 8 * n + 8], "little") for n in range(1, count + 1)]
    channel, header, _, _, content = (frame[a:b] for a, b in itertools.pairwise(offsets[:6]))
    if channel != b"iopub" or json.loads(header).get("msg_type") != "error":
        return []
    error = json.loads(content)
    return [f"kernel: {error['ename']}: {error['evalue']}"]
