"""The documents tell the truth: their code runs, what they name is there, and nothing is left out."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import handinger_analytics as ha
from handinger_analytics.cli import main
from handinger_analytics.tables import schema
from tests.test_architecture import HOUSE

ROOT = Path(__file__).parent.parent
README, CHANGELOG, CONTRIBUTING = (
    (ROOT / f"{name}.md").read_text(encoding="utf-8") for name in ("README", "CHANGELOG", "CONTRIBUTING")
)
COMMANDS = [name for name in main.list_commands(click.Context(main)) if name != "help"]


def blocks(text: str, language: str) -> list[str]:
    """Return the fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


CONSOLE = [
    line.removeprefix("$ ").replace(".venv/bin/", "").split("  #")[0].strip()
    for block in blocks(README, "console")
    for line in block.splitlines()
    if line.startswith("$ ") and "HANDINGER_API_KEY" not in line
]


@pytest.fixture
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ha.Sandbox]:
    """Run a sandbox which the environment names, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    with ha.Sandbox(tasks=60, seed=7) as running:
        monkeypatch.setenv("HANDINGER_BASE_URL", running.url)
        monkeypatch.setenv("HANDINGER_API_KEY", running.api_key)
        yield running


def filled_in(text: str, sandbox: ha.Sandbox) -> str:
    """Put real ids where a text has an ellipsis."""
    return text.replace("wrk_…", sandbox.worker_ids[0]).replace("tsk_…", sandbox.task_ids[0])


def test_python_of_the_readme_runs(sandbox):
    """Its blocks run one after the other, as in one notebook, without a warning."""
    names: dict[str, object] = {"ids": sandbox.task_ids}
    found = blocks(README, "python")
    assert found
    for block in found:
        exec(filled_in(block, sandbox), names)  # noqa: S102 - our own README


@pytest.mark.slow
def test_commands_of_the_readme_run(sandbox, tmp_path):
    """Its commands run one after the other, as in one terminal; over budget is an answer, too."""
    bin_ = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{bin_}{os.pathsep}{os.environ['PATH']}"}
    assert CONSOLE
    for line in CONSOLE:
        command = ["bash", "-o", "pipefail", "-c", filled_in(line, sandbox)]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode in ((0, 4) if "--check" in line else (0,)), f"{line}\n{done.stderr}"


def test_commands_of_the_readme_have_their_options():
    """Every command and option that it shows is there."""
    for line in CONSOLE:
        for part in line.split("|"):
            name, *arguments = part.split()[1:]
            command = main.get_command(click.Context(main), name)
            assert command is not None, line
            known = {option for parameter in command.params for option in parameter.opts}
            assert {word for word in arguments if word.startswith("--")} <= known, line


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_are_in_the_changelog(name):
    """So a new command is told to users."""
    assert f"`{name}`" in CHANGELOG


@pytest.mark.parametrize("name", [name for name in ha.__all__ if name.islower()])
def test_functions_are_in_the_changelog(name):
    """So a new function is told to users."""
    assert f"`{name}`" in CHANGELOG


def test_functions_of_the_documents_are_there():
    """No text names a function of the package that it does not have."""
    told = re.findall(r"\bha\.([A-Za-z_]+)", README + CONTRIBUTING)
    told += [
        name for name in re.findall(r"`(\w+)`", README) if name.startswith(("plot_", "fetch_", "export_"))
    ]
    assert told
    assert set(told) <= set(ha.__all__)


@pytest.mark.parametrize(
    ("frame", "columns"),
    [("tasks", schema.TASKS), ("turns", schema.TURNS), ("failures", schema.FAILURES)],
    ids=["tasks", "turns", "failures"],
)
def test_columns_of_the_readme(frame, columns):
    """Its table has the columns of each frame, in their order."""
    row = next(line for line in README.splitlines() if line.startswith(f"| {frame} |"))
    assert re.findall(r"`(\w+)`", row) == [column.name for column in columns]


def test_places_in_the_documents_are_there():
    """No text sends anybody to a file or folder that is gone."""
    told = re.findall(
        r"[`(]((?:handinger_analytics|tests|notebooks|\.ci)/[\w./-]*\w/?)[`)]", README + CONTRIBUTING
    )
    assert told
    assert [place for place in told if not (ROOT / place).exists()] == []


def test_functions_in_the_documents_are_where_they_say():
    """Whoever follows a task through the code, or looks for something, finds each function in its file."""
    told = re.findall(r"`([\w.]+)`(?: and `\w+`)? (?:\||in) `(handinger_analytics/[\w/]+\.py)`", CONTRIBUTING)
    assert len(told) > 40
    for name, path in told:
        scope: ast.AST = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        for part in name.split("."):
            found = [node for node in ast.iter_child_nodes(scope) if part in names_of(node)]
            assert found, f"{name} is not in {path}"
            scope = found[0]


def names_of(node: ast.AST) -> set[str]:
    """Return what a statement defines."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return {target.id for target in targets if isinstance(target, ast.Name)}


def test_recipes_in_the_documents_are_there():
    """`just` knows what they tell people to type."""
    recipes = re.findall(r"^(\w+).*:$", (ROOT / "justfile").read_text(encoding="utf-8"), re.MULTILINE)
    told = re.findall(r"\bjust ([a-z]+)\b", README + CONTRIBUTING)
    assert told
    assert set(told) <= set(recipes)


@pytest.mark.parametrize("room", [room for room in HOUSE if room != "__main__"])
def test_rooms_are_on_the_map(room):
    """Whoever opens the package for the first time finds in CONTRIBUTING what each room is for."""
    assert re.search(rf"^ *{room}(/|\.py) ", CONTRIBUTING, re.MULTILINE)


def test_no_example_is_skipped():
    """Every example in a docstring runs."""
    told = {path: path.read_text(encoding="utf-8") for path in (ROOT / "handinger_analytics").rglob("*.py")}
    assert [path.name for path, text in told.items() if "doctest: +SKIP" in text] == []
