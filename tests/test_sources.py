"""What is kept at a place, found by one rule."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import handinger_analytics as ha
from handinger_analytics import FileError, FrameError
from handinger_analytics.sources import kept_at

WITHOUT_DELTALAKE = """
import sys
from click.testing import CliRunner
from handinger_analytics.cli import main
sys.modules["deltalake"] = None
for place in sys.argv[1:]:
    done = CliRunner().invoke(main, ["spend", place])
    print(done.exit_code, " ".join(done.output.split()))
"""


@pytest.fixture(scope="module")
def places(example_frames, tmp_path_factory) -> Path:
    """Make a folder with an archive, a folder as ``fetch --out`` leaves it, a file and a dataset."""
    folder = tmp_path_factory.mktemp("places")
    with ha.Sandbox(tasks=200, seed=7) as sandbox, sandbox.client() as client:
        ha.Archive(folder / "archive").sync(sandbox.task_ids, client=client)
    (folder / "fetched").mkdir()
    for name in ("tasks", "turns"):
        ha.export_parquet(example_frames[name], folder / f"fetched/{name}.parquet")
    ha.export_parquet(pd.DataFrame({"task_id": ["tsk_gone"]}), folder / "fetched/failures.parquet")
    (folder / "fetched/spend.png").write_bytes(b"\x89PNG")
    ha.export_parquet(example_frames["turns"], folder / "turns.parquet")
    ha.export_parquet(example_frames["turns"], folder / "dataset", partition_by="month")
    return folder


FORMS = {
    "path": lambda path: path,
    "text": str,
    "slash": lambda path: f"{path}/",
    "address": lambda path: path.as_uri(),
}


@pytest.mark.parametrize(
    ("kind", "form"),
    [
        (kind, form)
        for kind in ("archive", "fetched", "dataset", "turns.parquet")
        for form in FORMS
        if (kind, form) != ("turns.parquet", "slash")  # that is no name of a file
    ],
)
def test_turns_of_every_kind_of_place(places, example_frames, kind, form):
    """Turns are read from whatever keeps them, however the place is written."""
    kept = kept_at(FORMS[form](places / kind))
    assert isinstance(kept, ha.Archive) == (kind == "archive")
    turns = kept.turns(columns=["turn_id", "credits"])
    expected = example_frames["turns"][["turn_id", "credits"]]
    assert sorted(turns.itertuples(index=False)) == sorted(expected.itertuples(index=False))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["archive", "fetched"])
def test_tasks_of_a_place(places, example_frames, kind, form):
    """Tasks are found beside the turns."""
    tasks = kept_at(FORMS[form](places / kind)).tasks(columns=["task_id"])
    assert set(tasks["task_id"]) == set(example_frames["tasks"]["task_id"])


def test_wrong_places(places):
    """A place with nothing in it, a column that is not there and an unknown scheme are said."""
    with pytest.raises(FileError, match=r"cannot read '.*none': no such file or folder"):
        kept_at(places / "none").turns()
    with pytest.raises(FrameError, match="no column 'cost'"):
        kept_at(places / "fetched").turns(columns="cost")
    with pytest.raises(FileError, match=r"'nowhere://bucket/.*' is not a URI that can be used"):
        kept_at("nowhere://bucket").turns()
    with pytest.raises(FileError, match="is a Delta table"):
        kept_at(places / "archive/turns").turns()


def test_parquet_is_read_without_deltalake(places):
    """Without the extra for archives, all but archives are read; of an archive, what it needs is said."""
    addresses = [(places / kind).as_uri() for kind in ("fetched", "turns.parquet", "archive")]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_DELTALAKE, *addresses], capture_output=True, text=True, check=True
    )
    *read, refused = done.stdout.splitlines()
    assert [line[:8] for line in read] == ["0 Spend "] * 2
    assert all(" 54,512 " in line for line in read)
    assert refused == "1 error: an archive needs deltalake: pip install 'handinger-analytics[archive]'"
