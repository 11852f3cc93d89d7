"""The notebooks run from top to bottom, anywhere, without a key, and are kept without their outputs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request: pytest.FixtureRequest) -> nbformat.NotebookNode:
    """Read each notebook as it is kept."""
    return nbformat.read(request.param, as_version=4)


def outputs_of(notebook: nbformat.NotebookNode) -> Iterator[tuple[str, nbformat.NotebookNode]]:
    """Yield what each cell gave, with its source."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            yield cell.source, output


@pytest.mark.slow
def test_runs(notebook: nbformat.NotebookNode, tmp_path: Path) -> None:
    """In an empty folder and without settings every cell gives its answer, no error and no warning."""
    client = NotebookClient(notebook, timeout=180, kernel_name="python3", allow_errors=True)
    client.execute(cwd=str(tmp_path))
    errors = [
        (source, output.evalue) for source, output in outputs_of(notebook) if output.output_type == "error"
    ]
    assert errors == []
    warned = [source for source, output in outputs_of(notebook) if "Warning" in output.get("text", "")]
    assert warned == []


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, marks=[pytest.mark.slow] * ("archive" in path.stem), id=path.stem)
        for path in NOTEBOOKS
    ],
)
def test_code_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a kernel, too, its cells run one after the other, without a warning."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            exec(cell.source, names)  # noqa: S102 - our own notebook


def test_kept_without_outputs(notebook: nbformat.NotebookNode) -> None:
    """What is in the repository is what a person wrote: no outputs, no counts, nothing of one machine."""
    assert list(outputs_of(notebook)) == []
    assert all(cell.get("execution_count") is None for cell in notebook.cells)
    assert all(cell.metadata == {} for cell in notebook.cells)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert notebook.metadata.kernelspec.name == "python3"
    assert notebook.metadata.language_info == {"name": "python"}
    nbformat.validate(notebook)
