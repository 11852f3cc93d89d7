from __future__ import annotations

import pandas as pd
import pytest

from handinger_analytics import FileError, load_parquet
from handinger_analytics.widget.history import file_names
from tests.widget.driver import click, control, enter, page

EXAMPLE = "tsk_2Z-YWz3hFq6VlW"


def test_save_and_read_back(lookup, sandbox, tmp_path):
    """The button writes turns under the name given and tasks beside them; both read back as they were."""
    enter(lookup, " ".join(sandbox.task_ids[:3]))
    control(lookup, "File name").value = str(tmp_path / "week.parquet")
    click(lookup, "Save as Parquet")
    pd.testing.assert_frame_equal(load_parquet(tmp_path / "week.parquet"), lookup.turns)
    pd.testing.assert_frame_equal(load_parquet(tmp_path / "week-tasks.parquet"), lookup.tasks)
    assert f"and 3 tasks to {tmp_path}/week-tasks.parquet" in page(lookup)


def test_file_of_somebody_else_is_not_replaced_unasked(lookup, tmp_path):
    """A file that is there already is replaced when the button is pressed again, and not before."""
    there = tmp_path / "week.parquet"
    there.write_text("mine")
    enter(lookup, EXAMPLE)
    control(lookup, "File name").value = str(there)
    click(lookup, "Save as Parquet")
    assert "week.parquet exists already. Press the button again to replace it." in page(lookup)
    assert there.read_text() == "mine"
    click(lookup, "Save as Parquet")
    assert len(load_parquet(there)) == 1


@pytest.mark.parametrize("name", ["x" * 300, "a\0b", "~nobody-of-that-name/week"], ids=ascii)
def test_name_that_no_file_can_have(lookup, name):
    """The notice says what is wrong, in words."""
    enter(lookup, EXAMPLE)
    control(lookup, "File name").value = name
    click(lookup, "Save as Parquet")
    assert "Not saved" in page(lookup)


def test_own_file_is_renewed(lookup, sandbox, tmp_path):
    """A file of this widget is written again without a question."""
    control(lookup, "File name").value = str(tmp_path / "week")
    for task_id in sandbox.task_ids[:2]:
        enter(lookup, task_id)
        click(lookup, "Save as Parquet")
    assert len(load_parquet(tmp_path / "week-tasks.parquet")) == 2


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "There is no file name: type one"),
        ("no/such/folder/week", "Not saved: Cannot write 'no/such/folder/week.parquet'"),
    ],
)
def test_name_that_cannot_be_used(lookup, name, words):
    """A name under which nothing can be written is said in plain words."""
    enter(lookup, EXAMPLE)
    control(lookup, "File name").value = name
    click(lookup, "Save as Parquet")
    assert words in page(lookup)


def test_file_names():
    """The ending is added where it is missing, and tasks go beside the turns."""
    assert file_names("may.parquet") == ("may.parquet", "may-tasks.parquet")
    assert file_names(" s3://bucket/may ") == ("s3://bucket/may.parquet", "s3://bucket/may-tasks.parquet")
    with pytest.raises(FileError, match="no file name"):
        file_names(" .parquet")
