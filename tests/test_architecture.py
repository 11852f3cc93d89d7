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

HOUSE = [
    "errors",
    "text",
    "times",
    "arguments",
    "locations",
    "provenance",
    "api",
    "tables",
    "fetching",
    "parquet",
    "metrics",
    "budget",
    "archive",
    "sources",
    "plots",
    "reporting",
    "sandbox",
    "widget",
    "cli",
    "__main__",
]
"""The rooms. One imports only from rooms above its own, and modules of one room from that room."""

EDGES = ["widget", "cli"]
"""Rooms that nobody imports."""

HEAVY = ["matplotlib", "ipywidgets", "IPython", "pandas", "pyarrow", "requests", "msgspec", "tqdm", "click"]
ENGINES = ["polars", "duckdb", "pyspark", "deltalake"]


def parts_of(path: Path) -> str:
    """Return the first name below the package: a module or a folder."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> Iterator[tuple[str, str, bool]]:
    """Yield what a file imports, for the type checker too: module, name (or ""), whether deferred."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "", node.col_offset > 0) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                if inner in MODULES and f"{node.module}.{alias.name}" not in FUNCTIONS:
                    yield inner, "", node.col_offset > 0
                else:
                    yield str(node.module), alias.name, node.col_offset > 0


def module_of(path: Path) -> str:
    """Return the dotted name of a file."""
    parts = [part for part in path.relative_to(PACKAGE.parent).with_suffix("").parts if part != "__init__"]
    return ".".join(parts)


FILES = sorted(PACKAGE.rglob("*.py"))
MODULES = {module_of(path) for path in FILES}
FUNCTIONS = set[str]()
"""Modules that a package hands on a function of the same name for; there are none."""


def own_imports(path: Path) -> Iterator[tuple[str, str, bool]]:
    """Yield what a file takes from this package: module, name, whether deferred."""
    for module, name, deferred in imports_of(path):
        if module.partition(".")[0] == "handinger_analytics":
            yield module, name, deferred


def room_of(module: str) -> str:
    """Return the room of a module of this package; "" for the table of contents."""
    return module.split(".")[1] if "." in module else ""


ROOMED = [path for path in FILES if parts_of(path) not in ("__init__", "sandbox")]
"""The table of contents loads by name, and the sandbox has a rule of its own."""


@pytest.mark.parametrize("path", ROOMED, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_up_the_house(path):
    """Every import, deferred ones and those for types too, goes to a room above or stays in its own."""
    room = parts_of(path)
    assert room in HOUSE, f"{room} is no room of the house"
    for module, _, _ in own_imports(path):
        used = room_of(module)
        if used == room or not used:
            continue
        assert used not in EDGES or room == "__main__", f"{module} is an edge"
        assert used != "sandbox" or room == "cli", "of the rooms the command line alone starts sandboxes"
        assert HOUSE.index(used) < HOUSE.index(room), f"{room} imports {module}"


def test_no_circle_within_a_room():
    """Modules import each other in one direction, for types too."""
    graph = {module_of(path): {module for module, _, _ in own_imports(path)} for path in FILES}
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " -> ".join([*trail, module])
        if module not in done:
            for used in graph.get(module, ()):
                visit(used, (*trail, module))
            done.add(module)

    for module in graph:
        visit(module, ())


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_private_crosses_modules(path):
    """No module imports a name with an underscore, or reaches for one in a module of this package."""
    modules = {}
    for module, name, _ in own_imports(path):
        assert not name.startswith("_"), f"{name} of {module} is private"
        if not name:
            modules[module.rpartition(".")[2]] = module
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            private = node.attr.startswith("_") and not node.attr.startswith("__")
            assert not private, f"{node.attr} of {modules[node.value.id]} is private"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_private_of_other_objects(path):
    """Private attributes are used on ``self`` and ``cls``, or in the module that defines them."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    defined = {
        node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and is_own(node.value)
    } | {
        node.target.id for node in ast.walk(tree) if isinstance(node, ast.AnnAssign) and is_name(node.target)
    }
    defined |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute) or not node.attr.startswith("_") or node.attr.startswith("__"):
            continue
        foreign = not is_own(node.value) and node.attr not in defined | FOREIGN
        assert not foreign, f"line {node.lineno}: {ast.unparse(node)}"


FOREIGN = {"_storage_options"}
"""Attributes of other libraries for which there is no public way: deltalake."""


def is_own(node: ast.expr) -> bool:
    """Tell whether an expression is ``self`` or ``cls``."""
    return isinstance(node, ast.Name) and node.id in ("self", "cls")


def is_name(node: ast.expr) -> bool:
    """Tell whether an expression is a plain name."""
    return isinstance(node, ast.Name)


def test_sandbox_is_independent():
    """It uses nothing of the package but its errors, and the client that its shortcut opens when asked."""
    used = {
        (module, deferred)
        for path in FILES
        if parts_of(path) == "sandbox"
        for module, _, deferred in own_imports(path)
        if room_of(module) != "sandbox"
    }
    assert used <= {("handinger_analytics.errors", False), ("handinger_analytics.api.client", True)}


def test_no_room_is_called_like_a_function():
    """A submodule at the top would hide the function of the same name, since names there are lazy."""
    assert {parts_of(path) for path in FILES}.isdisjoint(handinger_analytics.__all__)


def test_one_door_to_the_network():
    """Only the exchange with the server, and the connections it uses, know the HTTP libraries."""
    doors = {
        module_of(path)
        for path in FILES
        for module, _, _ in imports_of(path)
        if module.split(".")[0] in ("requests", "urllib3", "http") and parts_of(path) != "sandbox"
    }
    assert doors == {"handinger_analytics.api.connections", "handinger_analytics.api.transport"}


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
        handinger_analytics.fetsch  # type: ignore[attr-defined]  # noqa: B018 - asking for it is the test


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
