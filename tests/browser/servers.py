"""JupyterLab and Voilà as real processes, with nothing of the developer's own settings in them."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

ROOT = Path(__file__).parents[2]
STARTS_WITHIN = 90

_QUIET_LAB = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
    "@jupyterlab/docmanager-extension:plugin": {"autosave": False},
}
_FOLDERS = (
    "JUPYTER_CONFIG_DIR",
    "JUPYTER_DATA_DIR",
    "JUPYTER_RUNTIME_DIR",
    "JUPYTERLAB_SETTINGS_DIR",
    "JUPYTERLAB_WORKSPACES_DIR",
    "IPYTHONDIR",
    "MPLCONFIGDIR",
)


@dataclass
class Running:
    """A server that answers: its address, its token and the folder of its notebooks."""

    process: subprocess.Popen[bytes]
    url: str
    token: str
    folder: Path

    def write(self, name: str, *cells: str) -> str:
        """Write a notebook whose kernel is named, so that nobody is asked for one."""
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
            metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        )
        nbformat.write(notebook, self.folder / name)
        return name

    def stop_kernels(self) -> None:
        """Stop the kernels of all notebooks."""
        for session in self._ask("GET", "api/sessions"):
            self._ask("DELETE", f"api/sessions/{session['id']}")

    def stop(self) -> None:
        """Ask the process to end, kernels and all, and make it."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(5)

    def _ask(self, method: str, path: str) -> Any:
        headers = {"Authorization": f"token {self.token}"}
        request = urllib.request.Request(f"{self.url}{path}", method=method, headers=headers)  # noqa: S310 - our own server
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 - our own server
            return json.loads(answer.read() or b"null")


def start_lab(folder: Path) -> Running:
    """Start JupyterLab on a port it chooses itself."""
    token, environment = secrets.token_hex(16), _environment(folder)
    overrides = folder / "jupyter_config_dir" / "labconfig" / "default_setting_overrides.json"
    overrides.parent.mkdir()
    overrides.write_text(json.dumps(_QUIET_LAB))
    process = _start(
        folder,
        environment,
        "jupyterlab",
        "--no-browser",
        "--allow-root",
        "--expose-app-in-browser",
        "--ServerApp.ip=127.0.0.1",
        "--ServerApp.port=0",
        "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={folder / 'notebooks'}",
        f"--IdentityProvider.token={token}",
        "--ServerApp.terminals_enabled=False",
        "--ServerApp.shutdown_no_activity_timeout=600",
        "--LabApp.news_url=",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    )
    noted = Path(environment["JUPYTER_RUNTIME_DIR"]) / f"jpserver-{process.pid}.json"

    def address() -> str:
        url: str = json.loads(noted.read_text())["url"]
        urllib.request.urlopen(f"{url}api/status?token={token}", timeout=2).close()  # noqa: S310 - our own server
        return url

    return Running(process, _once_up(process, folder, address), token, folder / "notebooks")


def start_voila(folder: Path) -> Running:
    """Start Voilà, which notes its port nowhere, on one that is free now."""
    token, environment = secrets.token_hex(16), _environment(folder)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    notebooks = folder / "notebooks"
    options = ("--no-browser", f"--port={port}", "--Voila.ip=127.0.0.1", f"--token={token}")
    process = _start(folder, environment, "voila", str(notebooks), *options)

    def address() -> str:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return f"http://127.0.0.1:{port}/"

    return Running(process, _once_up(process, folder, address), token, notebooks)


def _environment(folder: Path) -> dict[str, str]:
    """Environment with folders of its own, in which this package can be imported."""
    ours = ("JUPYTER", "JPY_", "IPYTHON", "MPLBACKEND", "HANDINGER_")
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(ours) and not name.lower().endswith("_proxy")
    }
    for name in _FOLDERS:
        (folder / name.lower()).mkdir(parents=True)
        environment[name] = str(folder / name.lower())
    (folder / "notebooks").mkdir()
    environment["PYTHONPATH"] = str(ROOT)
    return environment


def _start(folder: Path, environment: dict[str, str], module: str, *options: str) -> subprocess.Popen[bytes]:
    with (folder / "server.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", module, *options],
            env=environment,
            cwd=folder / "notebooks",
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _once_up(process: subprocess.Popen[bytes], folder: Path, address: Callable[[], str]) -> str:
    deadline = time.monotonic() + STARTS_WITHIN
    while True:
        try:
            return address()
        except (OSError, ValueError):
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                raise RuntimeError(
                    f"the server did not start:\n{(folder / 'server.log').read_text()}"
                ) from None
            time.sleep(0.1)
