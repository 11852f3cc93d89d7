from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.widget.driver import enter

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "notebooks" / "03-task-lookup.ipynb"
EXAMPLE = "tsk_2Z-YWz3hFq6VlW"
KEY = "hdg_live_canary7c3d9e1f"
VIEW = "application/vnd.jupyter.widget-view+json"


def executed(notebook: nbformat.NotebookNode, folder: Path) -> nbformat.NotebookNode:
    """Run a notebook; an exception in a handler leaves an error output without failing the cell."""
    NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    ).execute()
    assert [
        output
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if output.output_type == "error"
    ] == []
    return notebook


@pytest.fixture
def kernel_finds_us(monkeypatch, tmp_path):
    """Let a kernel import this package, and keep the files of IPython and Matplotlib out of the home."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for name in ("IPYTHONDIR", "MPLCONFIGDIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))


def test_mimebundle_reads_without_a_kernel(lookup):
    """Beside the live view the bundle has card and table as plain HTML and as text."""
    before = lookup._repr_mimebundle_()
    assert before["text/plain"].startswith("TaskLookup: no task on view.")
    assert "pip install ipywidgets" in before["text/plain"]
    enter(lookup, EXAMPLE)
    bundle = lookup._repr_mimebundle_()
    assert bundle[VIEW]["model_id"] == lookup.model_id
    for kind in ("text/html", "text/plain"):
        assert "Weather report for Barcelona" in bundle[kind]
        assert "2026-05-11 09:14:22" in bundle[kind]
        assert "<script" not in bundle[kind]
    assert "It&#39;s currently 21°C" in bundle["text/html"]


def test_repr_is_text(lookup):
    """Where there is no front end at all, repr has the answer and says what to install."""
    enter(lookup, EXAMPLE)
    assert repr(lookup).splitlines()[1].startswith(f"  Weather report for Barcelona [{EXAMPLE}] completed")
    assert "pip install ipywidgets" in repr(lookup)


def test_plain_display_is_quiet(lookup, capsys):
    """Outside IPython a lookup prints nothing by itself."""
    enter(lookup, EXAMPLE)
    assert capsys.readouterr() == ("", "")


@pytest.mark.slow
def test_saved_notebook_keeps_the_answer_and_no_key(sandbox, tmp_path, kernel_finds_us):
    """Later lookups renew the static copy in the output of the cell; the key is nowhere in the file."""
    server = "from handinger_analytics import Client\nfrom pathlib import Path\n"
    (tmp_path / "key").write_text(sandbox.api_key)
    server += f"client = Client(Path('key').read_text(), base_url={sandbox.url!r})"
    notebook = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell(cell)
            for cell in (
                f"{server}\nfrom handinger_analytics import TaskLookup\nlookup = TaskLookup(client)",
                f"lookup.look_up({EXAMPLE!r}); assert lookup.wait(60)\nlookup",
                f"lookup.look_up({sandbox.task_ids[0]!r}); assert lookup.wait(60)",
            )
        ]
    )
    saved = executed(notebook, tmp_path)
    live, copy = saved.cells[1].outputs
    assert VIEW in live["data"]
    assert "text/html" not in live["data"]
    assert sandbox.task_ids[0] in copy["data"]["text/html"]
    assert EXAMPLE not in copy["data"]["text/html"]
    text = json.dumps(saved)
    assert "widget-state+json" in text
    assert sandbox.task_ids[0] in json.dumps(saved.metadata["widgets"])
    assert sandbox.api_key not in text


@pytest.mark.slow
def test_example_notebook_runs(tmp_path, kernel_finds_us):
    """The notebook in the repository has no outputs, and runs without a key."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert all(
        cell.outputs == [] and cell.execution_count is None
        for cell in notebook.cells
        if cell.cell_type == "code"
    )
    cells = executed(notebook, tmp_path).cells
    assert "Weather report for Barcelona" in cells[-1].outputs[-1]["data"]["text/plain"]
    live, copy = next(
        cell for cell in cells if "ha.TaskLookup(" in cell.source and cell.cell_type == "code"
    ).outputs
    assert VIEW in live["data"]
    assert "Weather report for Barcelona" in copy["data"]["text/html"]


@pytest.mark.slow
def test_matplotlib_waits_for_a_chart():
    """Making a widget loads no Matplotlib; the first chart does."""
    code = "import sys, handinger_analytics as ha; ha.TaskLookup(); print('matplotlib' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
