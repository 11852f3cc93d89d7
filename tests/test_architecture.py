"""Who may import whom, and what an import costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

import handinger_analytics

PACKAGE = Path(handinger_analytics.__file__).parent

LAYERS = [
    ("errors", "schema"),
    ("settings", "times"),
    ("wire", "pacing", "ids", "progress"),
    ("answers", "rows"),
    ("frames",),
    ("client", "metrics"),
    ("pool", "budget"),
    ("result",),
    ("fetching", "bodies", "worker", "discover", "plots", "parquet"),
    ("archive", "reporting"),
    ("widget", "cli"),
    ("__main__",),
]
"""A module imports only from lines above its own; modules on one line do not import each other."""

HEAVY = ["matplotlib", "ipywidgets", "IPython", "pandas", "pyarrow", "requests", "msgspec", "tqdm", "click"]
ENGINES = ["polars", "duckdb", "pyspark", "deltalake"]


def parts_of(path: Path) -> str:
    """Return the first name below the package: a module or a folder."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> Iterator[tuple[str, bool, bool]]:
    """Yield what a file imports: full name, whether for the type checker only, whether deferred."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            yield name, id(node) in for_types, node.col_offset > 0


FILES = sorted(PACKAGE.rglob("*.py"))


def own_imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Yield the modules of this package that a file uses at run time, and whether deferred."""
    for name, for_types, deferred in imports_of(path):
        if name.startswith("handinger_analytics.") and not for_types:
            yield name.split(".")[1], deferred


LAYERED = [path for path in FILES if parts_of(path) not in ("__init__", "sandbox")]
"""The table of contents loads by name, and the sandbox has a rule of its own."""


@pytest.mark.parametrize("path", LAYERED, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path):
    """Every import, deferred ones too, goes to a lower layer or stays in the own folder."""
    module = parts_of(path)
    ranks = {name: rank for rank, names in enumerate(LAYERS) for name in names}
    assert module in ranks, f"{module} is not in the table of layers"
    for used, _ in own_imports(path):
        if used == "sandbox":
            assert module in ("cli", "__main__"), "the sandbox is for tests, demos and the command line"
        elif used != module:
            assert ranks[used] < ranks[module], f"{module} imports {used}"


def test_sandbox_is_independent():
    """It uses nothing of the package, but for the client that its shortcut opens when asked."""
    used = {
        (name, deferred)
        for path in FILES
        if parts_of(path) == "sandbox"
        for name, deferred in own_imports(path)
        if name != "sandbox"
    }
    assert used == {("client", True)}


def test_one_door_to_the_network():
    """Only the client, and the reading of its answers, know the HTTP library."""
    doors = {
        parts_of(path)
        for path in FILES
        for name, _, _ in imports_of(path)
        if name.split(".")[0] in ("requests", "urllib3", "http") and parts_of(path) != "sandbox"
    }
    assert doors <= {"client", "answers"}


def test_table_of_contents_is_sorted_and_whole():
    """The stub names each lazily loaded name once, by the alphabet, and nothing else is public."""
    stub = ast.parse((PACKAGE / "__init__.pyi").read_text(encoding="utf-8"))
    names = [alias.name for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert len(names) == len(set(names))
    assert handinger_analytics.__all__ == sorted(names)
    assert set(names) <= set(dir(handinger_analytics))


@pytest.mark.parametrize("name", handinger_analytics.__all__)
def test_every_name_can_be_loaded(name):
    """And says what it is."""
    value = getattr(handinger_analytics, name)
    assert value is getattr(handinger_analytics, name)
    if callable(value):
        assert value.__doc__


def test_unknown_name_is_an_attribute_error():
    """The usual words for a name that is not there."""
    with pytest.raises(AttributeError, match="No handinger_analytics attribute fetsch"):
        handinger_analytics.fetsch  # noqa: B018 - asking for it is the test


def test_version_is_the_one_of_the_distribution():
    """``__version__`` is what was installed."""
    assert handinger_analytics.__version__ == version("handinger-analytics")


def loaded_by(statement: str) -> set[str]:
    """Return the top-level modules that are loaded after a statement in a fresh interpreter."""
    code = f"import sys\n{statement}\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_import_costs_next_to_nothing():
    """Neither plots, widgets, frames nor any engine are loaded by importing the package."""
    loaded = loaded_by("import handinger_analytics")
    assert "handinger_analytics" in loaded
    assert loaded.isdisjoint(HEAVY + ENGINES)


def test_fetching_loads_neither_plots_nor_widgets_nor_engines():
    """The main job needs requests, pandas and Arrow only."""
    loaded = loaded_by("from handinger_analytics import fetch, fetch_worker, parse_bodies, Client")
    assert "pandas" in loaded
    assert loaded.isdisjoint(["matplotlib", "ipywidgets", "IPython", *ENGINES])


def test_sandbox_starts_without_the_toolkit():
    """A server for other programs does not load pandas or requests."""
    loaded = loaded_by("from handinger_analytics import Sandbox\nwith Sandbox(tasks=1) as s: s.url")
    assert loaded.isdisjoint(HEAVY + ENGINES)
