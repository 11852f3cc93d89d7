"""Task ids in text, columns and files of any kind."""

from __future__ import annotations

import gzip
import io
import sys
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest

import handinger_analytics as ha
from handinger_analytics.fetching.id_sources import ids_in_file

LINK = "https://v3.handinger.com/worker/wrk_1/task/my%20own%2Fid"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param(
            f"see tsk_b, {LINK}. Also (tsk_a) and tsk_b!", ["tsk_b", "my own/id", "tsk_a"], id="text"
        ),
        pytest.param("nothing here", [], id="no ids"),
        pytest.param("tsk_a is in tasks.csv", ["tsk_a"], id="sentence that ends with a name"),
        pytest.param("tsk_a\ntasks.csv", ["tsk_a"], id="lines"),
        pytest.param("https://v3.handinger.com/worker/w/task/a.csv", ["a.csv"], id="link that ends so"),
        pytest.param(["own-id", LINK, "own-id"], ["own-id", "my own/id"], id="list"),
        pytest.param(["tasks.csv"], ["tasks.csv"], id="name in a list"),
        pytest.param(pd.Series(["a", "b", "a"]), ["a", "b"], id="column"),
        pytest.param(pd.DataFrame({"task_id": ["a", "b"]}), ["a", "b"], id="frame"),
    ],
)
def test_ids_are_picked_out(source, expected):
    """Ids and links are found in the order met, each once."""
    assert ha.task_ids_from(source) == expected


@pytest.mark.parametrize("blank", [None, float("nan"), np.nan, pd.NA, pd.NaT, "", " ", "\ufeff\xa0"])
@pytest.mark.parametrize(
    "kind",
    [list, pd.Series, lambda values: pd.DataFrame({"task_id": values})],
    ids=["list", "series", "frame"],
)
def test_blank_cells_are_left_out_and_counted(blank, kind):
    """A gap in a column is no reason to refuse the rest; one warning in the line of the user counts them."""
    message = r"^task_ids: 2 of 4 values are blank and were left out$"
    with pytest.warns(UserWarning, match=message) as caught:
        assert ha.task_ids_from(kind(["a", blank, "b", blank])) == ["a", "b"]
    assert [warning.filename for warning in caught] == [__file__]


def test_the_position_of_what_is_no_id_counts_blank_cells():
    """An error names the place in what was given."""
    with (
        pytest.warns(UserWarning, match="1 of 3"),
        pytest.raises(ha.TaskIdError, match=r"^task_ids\[2\]: .*found 7; ids are text"),
    ):
        ha.task_ids_from(["a", None, 7])


ROWS = [["n", "Task ID", "title"], ["1", "007", "a, b; c"], ["2", "NA", 'say "hi"'], ["3", LINK, "é"]]
FOUND = ["007", "NA", "my own/id"]


def csv_text(separator, rows=ROWS):
    """Return a table as text, quoted where necessary."""
    stream = io.StringIO()
    pd.DataFrame(rows).to_csv(stream, sep=separator, index=False, header=False)
    return stream.getvalue()


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_csv_is_read_as_it_is(tmp_path, separator, encoding, packed):
    """Whatever program wrote it, its ids are found by the header, and stay the text that they are."""
    data = csv_text(separator).replace("\n", "\r\n").encode(encoding)
    path = tmp_path / ("ids.csv.gz" if packed else "ids.TSV")
    path.write_bytes(gzip.compress(data) if packed else data)
    assert ha.task_ids_from(path) == ha.task_ids_from(str(path)) == FOUND


def test_a_spreadsheet_is_read_as_it_is(tmp_path):
    """Numbers are the digits that were typed, blank rows are none, blank cells are counted."""
    book = openpyxl.Workbook()
    for row in [["n", "taskId"], [1, "tsk_a"], [None, None], [2, 123], [3, None], [4, "007"], [5, LINK]]:
        book.active.append(row)
    book.save(tmp_path / "ids.xlsx")
    with pytest.warns(UserWarning, match="1 of 5 values are blank"):
        assert ha.task_ids_from(str(tmp_path / "ids.xlsx")) == ["tsk_a", "123", "007", "my own/id"]


def test_without_openpyxl_a_spreadsheet_says_what_to_install(tmp_path, monkeypatch):
    """The error names the extra."""
    openpyxl.Workbook().save(tmp_path / "ids.xlsx")
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(ha.FileError, match=r"needs openpyxl: pip install 'handinger-analytics\[excel\]'"):
        ha.task_ids_from(tmp_path / "ids.xlsx")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param("id;url\n1;tsk_a\n2;tsk_b\n", ["tsk_a", "tsk_b"], id="values"),
        pytest.param(f"title,link\nx,{LINK}\ny,{LINK}b\n", ["my own/id", "my own/idb"], id="links"),
        pytest.param("x,tsk_a\ny,tsk_b\n", ["tsk_a", "tsk_b"], id="no header"),
        pytest.param("tsk_a\ntsk_b\n", ["tsk_a", "tsk_b"], id="one column, no header"),
        pytest.param("task\nown\n", ["own"], id="short name"),
        pytest.param("task ID,task_id\na,b\n", ["b"], id="exact name first"),
        pytest.param("task_id\n007\nNA\n\nnull\n", ["007", "NA", "null"], id="blank lines"),
        pytest.param("task_id,n\n", [], id="header alone"),
    ],
)
def test_the_column_is_found(tmp_path, content, expected):
    """By its name, by one like it, or by its values."""
    (tmp_path / "ids.csv").write_text(content)
    assert ha.task_ids_from(tmp_path / "ids.csv") == expected


def test_a_column_can_be_named(tmp_path):
    """In frames, CSV and Parquet files alike; then no other one is taken in its place."""
    frame = pd.DataFrame({"Job": ["own"], "task_id": ["tsk_a"]})
    frame.to_parquet(tmp_path / "ids.parquet")
    frame.to_csv(tmp_path / "ids.csv")
    for source in (frame, tmp_path / "ids.parquet", tmp_path / "ids.csv"):
        assert ha.task_ids_from(source, column="job") == ["own"]
        with pytest.raises(ha.FrameError, match=r"no column 'jobs'; there are .*Job, task_id"):
            ha.task_ids_from(source, column="jobs")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (f"* tsk_a\n* {LINK}\n", ["tsk_a", "my own/id"]),
        ("#1\r\nmy own, too\r\n\r\ntsk_a", ["#1", "my own, too", "tsk_a"]),
        ("tsk_a,tsk_b;tsk_c", ["tsk_a", "tsk_b", "tsk_c"]),
        ("n,task_id\n1,own\n", ["own"]),
        ("", []),
    ],
)
@pytest.mark.parametrize("name", ["notes.txt", "notes"])
def test_a_text_file_is_a_list_or_running_text(tmp_path, content, expected, name):
    """A line is one id of any form; where ids stand among other text in a line, they alone are taken."""
    (tmp_path / name).write_bytes(content.encode())
    assert ha.task_ids_from(tmp_path / name) == expected


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("nowhere.csv", None),
        ("no where.txt", None),
        ("bad.parquet", b"no parquet"),
        ("bad.xlsx", b"PK\x03\x04 no spreadsheet"),
        ("binary.txt", b"\x00\x01\xff\x81"),
        ("bad.csv", b'task_id,n\n"tsk_a,1\n'),
        ("ragged.csv", b"task_id,n\ntsk_a,1,2\n"),
        ("bad.csv.gz", b"task_id\ntsk_a\n"),
        ("cut.csv.gz", gzip.compress(b"task_id\ntsk_a\n" * 99, mtime=0)[:30]),
        ("broken.csv.gz", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path, name, content):
    """Whatever is wrong with it, the error is one of files, and says which."""
    if content is not None:
        (tmp_path / name).write_bytes(content)
    for given in (tmp_path / name, str(tmp_path / name)):
        with pytest.raises(ha.FileError, match=name):
            ha.task_ids_from(given)


@pytest.mark.parametrize("content", ["", "\n \n", "task_id", "id\n", "Task\n", "\ufefftask_id,n\n"])
@pytest.mark.parametrize("name", ["ids.csv", "ids.TSV", "ids.csv.gz", "ids.txt", "ids"])
def test_a_file_without_ids_has_none(tmp_path, name, content):
    """Whether it is empty or has a header alone, whatever it is called."""
    data = content.encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    assert ids_in_file(tmp_path / name, lines=True) == [] == ha.task_ids_from(tmp_path / name)


def test_a_table_of_blank_cells_has_no_ids(tmp_path):
    """As a file of text has none."""
    (tmp_path / "blank.csv").write_text(",\n,\n")
    assert ids_in_file(tmp_path / "blank.csv") == []
    openpyxl.Workbook().save(tmp_path / "ids.xlsx")
    assert ids_in_file(tmp_path / "ids.xlsx") == []


@pytest.mark.parametrize("header", ["task_id", "taskId", "Task ID", "TASK", "id", "\ufeffID"])
@pytest.mark.parametrize("name", ["ids.csv", "ids.txt", "ids"])
def test_the_header_of_one_column_is_no_id(tmp_path, name, header):
    """In a list as in a table, in front of ids of any form; further down it may be one."""
    for ids in (["own", "007", "id"], ["tsk_a", "tsk_b"]):
        (tmp_path / name).write_text("\n".join([header, *ids]))
        assert ids_in_file(tmp_path / name, lines=True) == ids


def test_a_frame_without_ids_lists_its_columns():
    """The names are there to choose from."""
    with pytest.raises(ha.FrameError, match="no column 'task_id'; there are id, title"):
        ha.task_ids_from(pd.DataFrame({"id": ["a"], "title": ["b"]}))


def test_a_uri_is_read_as_a_path(tmp_path):
    """Files are found wherever PyArrow finds them."""
    (tmp_path / "ids.csv.gz").write_bytes(gzip.compress(b"task_id\nown\n"))
    assert ha.task_ids_from(Path(tmp_path / "ids.csv.gz").as_uri()) == ["own"]


def test_in_a_list_a_line_is_one_id(tmp_path):
    """Without comments, with white space and separators in it."""
    (tmp_path / "ids.txt").write_text(f"# a, b\n  my own; id\t\n\n{LINK}\nsee tsk_1\n")
    assert ids_in_file(tmp_path / "ids.txt", lines=True) == ["# a, b", "my own; id", LINK, "see tsk_1"]
