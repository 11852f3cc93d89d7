"""What is at a place after it was written to, and what no place can be.

A matrix of targets and writers: whatever is there, it is replaced whole, written to, or left as it was.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

import handinger_analytics as ha
from handinger_analytics import ArgumentError, FileError
from handinger_analytics.locations import written
from handinger_analytics.sources import kept_at
from tests.samples import TASK, TURN

tty = pytest.importorskip("tty", reason="Windows has other permissions, pipes and devices")

OLD = ha.parse_bodies([json.dumps({"task": TASK, "turns": [TURN]})])
NEW = ha.parse_bodies([json.dumps({"task": TASK, "turns": [TURN | {"input": os.urandom(100_000).hex()}]})])
NOBODY = 65_534


def write_picture(path):
    """Draw a picture, and keep it as every writer of a single file does."""
    figure = Figure()
    figure.subplots().plot([1, 2])
    with written(path) as stream:
        figure.savefig(stream, format="png", dpi=300)


WRITERS = {
    "Parquet": lambda path: ha.export_parquet(NEW.turns, path),
    "report": lambda path: ha.report(NEW.tasks, NEW.turns, path),
    "picture": write_picture,
    "dataset": lambda path: ha.export_parquet(NEW.turns, path, partition_by="month"),
}

# What is there afterwards: content, permissions, "/" for a folder. New files get 640, new folders 750.
TABLE = """
target          | Parquet              | report               | picture              | dataset
missing         | new 640              | new 640              | new 640              | new 750/
file            | new 664              | new 664              | new 664              | error, old 664
private file    | new 600              | new 600              | new 600              | error, old 600
link            | link, new 600        | link, new 600        | link, new 600        | error, link, old 600
link to a link  | link, new 600        | link, new 600        | link, new 600        | error, link, old 600
dangling link   | link, new 640        | link, new 640        | link, new 640        | link, new 750/
lost link       | error, link          | error, link          | error, link          | link, new 750/
circle of links | error, link          | error, link          | error, link          | error, link
folder          | error, old 755/      | error, old 755/      | error, old 755/      | error, old 755/
link to a folder| error, link, old 755/| error, link, old 755/| error, link, old 755/| error, link, old 755/
dataset         | error, old 700/      | error, old 700/      | error, old 700/      | new 700/
link to dataset | error, link, old 700/| error, link, old 700/| error, link, old 700/| link, new 700/
pipe            | new in pipe          | new in pipe          | new in pipe          | error, pipe
link to a pipe  | new in link, pipe    | new in link, pipe    | new in link, pipe    | error, link, pipe
terminal        | new in terminal      | new in terminal      | new in terminal      | error, terminal
full disk       | error, old 600       | error, old 600       | error, old 600       | error, old 700/
full and missing| error, nothing       | error, nothing       | error, nothing       | error, nothing
read-only       | error, old 444       | error, old 444       | error, old 444       | error, old 555/
read-only folder| error, old 600       | error, old 600       | error, old 600       | error, old 700/
"""


def cells():
    """Split the table into cases, in the order in which one reads."""
    heading, *rows = ([cell.strip() for cell in line.split("|")] for line in TABLE.strip().splitlines())
    for target, *outcomes in rows:
        for writer, outcome in zip(heading[1:], outcomes, strict=True):
            # A report takes a third of a second.
            marks = [pytest.mark.slow] if writer == "report" and target not in ("link", "pipe") else []
            yield pytest.param(target, writer, outcome, marks=marks, id=f"{target}-{writer}")


def make(target, writer, box):
    """Make what the name of a target says; return its path, and the two ends of a pipe or terminal."""
    path = box / "target"
    match target:
        case "file":
            old_file(path, 0o664)
        case "private file":
            old_file(path, 0o600)
        case "link":
            old_file(link(path, "real"), 0o600)
        case "link to a link":
            old_file(link(link(path, "between"), "real"), 0o600)
        case "dangling link":
            link(path, "real")
        case "lost link":
            link(path, "nowhere/real")
        case "circle of links":
            link(link(path, "between"), "target")
        case "folder":
            old_folder(path)
        case "link to a folder":
            old_folder(link(path, "real"))
        case "dataset":
            old_dataset(path, 0o700)
        case "link to dataset":
            old_dataset(link(path, "real"), 0o700)
        case "pipe":
            return path, pipe(path)
        case "link to a pipe":
            return path, pipe(link(path, "real"))
        case "terminal":
            ends = os.openpty()
            tty.setraw(ends[1])
            return Path(os.ttyname(ends[1])), ends
        case "full disk" | "read-only folder":
            old_dataset(path, 0o700) if writer == "dataset" else old_file(path, 0o600)
        case "read-only":
            old_dataset(path, 0o555) if writer == "dataset" else old_file(path, 0o444)
    return path, None


def old_file(path, mode):
    """Write a file for others to replace."""
    path.write_text("old")
    path.chmod(mode)


def old_folder(path):
    """Make a folder with something in it that is not ours."""
    path.mkdir()
    old_file(path / "mine.txt", 0o600)
    path.chmod(0o755)


def old_dataset(path, mode):
    """Write a dataset for others to replace."""
    ha.export_parquet(OLD.turns, path, partition_by="day")
    path.chmod(mode)


def link(path, target):
    """Make a relative link; return where it leads."""
    path.symlink_to(target)
    return path.parent / target


def pipe(path):
    """Make a named pipe; return its ends, the one to read first."""
    os.mkfifo(path)
    ends = os.open(path, os.O_RDONLY | os.O_NONBLOCK), os.open(path, os.O_WRONLY)
    os.set_blocking(ends[0], True)
    return ends


@contextlib.contextmanager
def drained(ends):
    """Yield a list that has what was written to a pipe or terminal, once all writers closed it."""
    parts = []

    def read():
        with contextlib.suppress(OSError):  # a terminal whose last writer is gone is an error to read
            while part := os.read(ends[0], 65_536):
                parts.append(part)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield parts
    finally:
        os.close(ends[1])
        thread.join()
        os.close(ends[0])


@contextlib.contextmanager
def unprivileged(*paths):
    """Be somebody whom permissions bind, and who owns these files and folders."""
    if os.geteuid() != 0:
        yield
        return
    for path in paths:
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def content(path):
    """Return what is in a file, or in all files of a folder."""
    if path.is_dir():
        return {each.relative_to(path): each.read_bytes() for each in path.rglob("*") if each.is_file()}
    return path.read_bytes() if path.is_file() else None


def complete(writer, path):
    """Tell whether a file or folder is all that the writer has to say."""
    if writer == "report":
        page = path.read_text(encoding="utf-8")
        return page.startswith("<!doctype html>") and page.rstrip().endswith("</html>")
    if writer == "picture":
        return path.read_bytes().startswith(b"\x89PNG") and path.read_bytes().endswith(b"IEND\xaeB`\x82")
    return ha.load_parquet(path).equals(NEW.turns)


def described(path, writer, before):
    """Say what is there, in the words of the table."""
    words = ["link"] if path.is_symlink() else []
    with contextlib.suppress(OSError):
        mode = path.stat().st_mode
        if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode):
            words.append("pipe" if stat.S_ISFIFO(mode) else "terminal")
        else:
            state = "old" if content(path) == before else "new" if complete(writer, path) else "damaged"
            words.append(f"{state} {stat.S_IMODE(mode):o}{'/' * path.is_dir()}")
    return ", ".join(words or ["nothing"])


@pytest.fixture
def box():
    """Make a folder that everybody may look into, where new files get 640."""
    umask = os.umask(0o027)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)
        Path(folder).chmod(0o755)
    os.umask(umask)


@pytest.mark.parametrize(("target", "writer", "outcome"), list(cells()))
def test_what_is_there_afterwards(target, writer, outcome, box, request):
    """Each writer does to each target what the table says, and leaves nothing beside it."""
    path, ends = make(target, writer, box)
    before = content(path)
    names = {*os.listdir(box)}
    refused, came = "", []
    with contextlib.ExitStack() as conditions:
        if ends:
            came = conditions.enter_context(drained(ends))
        if target.startswith("full"):
            request.getfixturevalue("small_files")
        if target == "read-only folder":
            box.chmod(0o555)
        if target.startswith("read-only"):
            conditions.enter_context(unprivileged(box, *box.rglob("*")))
        try:
            WRITERS[writer](path)
        except FileError as error:
            refused = "error, " if str(path) in str(error) else f"{error}, "
        there = described(path, writer, before)
    if came:
        received = box / "received"
        received.write_bytes(b"".join(came))
        there = f"{'new' if complete(writer, received) else 'damaged'} in {there}"
        received.unlink()
    assert refused + there == outcome
    assert {*os.listdir(box)} - names <= {"target", "real", "nowhere"}


@pytest.mark.slow
@pytest.mark.parametrize("writer", WRITERS)
def test_a_disk_without_space(writer, box):
    """A disk of its own, too small for the new content, keeps the old."""
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=40k", "tmpfs", box], capture_output=True
    ).returncode:
        pytest.skip("only root may mount a disk")
    try:
        path, _ = make("full disk", writer, box)
        before = content(path)
        with pytest.raises(FileError, match="No space left on device"):
            WRITERS[writer](path)
        assert content(path) == before
        assert os.listdir(box) == ["target"]
    finally:
        subprocess.run(["umount", box], check=True)


@pytest.mark.parametrize("name", ["r" * 255, "€" * 85, ".hidden", " "])
@pytest.mark.parametrize("writer", [name for name in WRITERS if name != "report"])
def test_any_name_that_the_file_system_takes(writer, name, box):
    """The name may have all of its 255 bytes."""
    WRITERS[writer](box / name)
    assert os.listdir(box) == [name]
    assert complete(writer, box / name)


def test_nobody_reads_what_they_may_not(box):
    """New content has the permissions of the old file from the first byte on."""
    old_file(box / "target", 0o600)
    with written(box / "target") as stream:
        stream.write(b"new")
        assert {stat.S_IMODE(each.stat().st_mode) for each in box.iterdir()} == {0o600}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to others")
def test_owner_and_group_are_kept_where_we_may(box):
    """Root keeps both; others lose a group that is not theirs, and with it what that group could do."""
    path = box / "target"
    old_file(path, 0o640)
    os.chown(path, NOBODY, 12_345)
    write_picture(path)
    assert (path.stat().st_uid, path.stat().st_gid, path.stat().st_mode & 0o777) == (NOBODY, 12_345, 0o640)
    os.chown(box, NOBODY, NOBODY)
    with unprivileged():
        write_picture(path)
    assert (path.stat().st_uid, path.stat().st_gid, path.stat().st_mode & 0o777) == (NOBODY, 0, 0o600)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_error_in_the_middle_leaves_the_old_file(error, box):
    """Whatever ends the writing, the old file is there and nothing else."""
    old_file(box / "target", 0o640)

    def write():
        with written(box / "target") as stream:
            stream.write(b"new")
            raise error

    with pytest.raises(error):
        write()
    assert (os.listdir(box), (box / "target").read_text()) == (["target"], "old")


def test_an_open_descriptor_is_written_to(box):
    """What a shell opened by ``>>`` keeps what it had, and a pipe without a name is written to."""
    (box / "all.txt").write_text("old, ")
    with open(box / "all.txt", "a") as appended, written(f"/dev/fd/{appended.fileno()}") as stream:
        stream.write(b"new")
    assert (box / "all.txt").read_text() == "old, new"
    ends = os.pipe()
    with drained(ends) as came:
        WRITERS["Parquet"](f"/dev/fd/{ends[1]}")
    (box / "received").write_bytes(b"".join(came))
    assert complete("Parquet", box / "received")


@pytest.mark.slow
def test_standard_output_is_a_place(box):
    """A command appends its file to what the shell says."""
    ha.export_parquet(NEW.turns, box / "turns.parquet")
    ha.export_parquet(NEW.tasks, box / "tasks.parquet")
    (box / "page.html").write_text("old, ")
    command = [sys.executable, "-m", "handinger_analytics", "report", ".", "--out", "/dev/stdout"]
    with open(box / "page.html", "a") as appended:
        subprocess.run(command, cwd=box, check=True, stdout=appended, stderr=subprocess.DEVNULL)
    assert (box / "page.html").read_text(encoding="utf-8").startswith("old, <!doctype html>")


TAKERS = {
    **{name: WRITERS[name] for name in ("Parquet", "report", "picture", "dataset")},
    "load_parquet": ha.load_parquet,
    "source": lambda place: kept_at(place).turns(),
    "archive": lambda place: ha.Archive(place).turns(),
}


@pytest.mark.parametrize(
    "place",
    [
        "a\0b",
        "a\ud800b",
        "x" * 256,
        "file:///tmp/a%00b",
        "file:///tmp/a\ud800b",
        "s3://",
        "s3://\udcff",
    ],
    ids=ascii,
)
@pytest.mark.parametrize("taker", TAKERS)
def test_text_that_is_no_place(taker, place):
    """It is an error of ours wherever a place is taken."""
    with pytest.raises(FileError):
        TAKERS[taker](place)


@pytest.mark.parametrize("taker", [name for name in TAKERS if name != "archive"])
def test_an_empty_name_is_no_place(taker):
    """The error says what is expected."""
    with pytest.raises(
        FileError, match=r"(path|place): expected a path or URI in UTF-8, without NUL, found ''"
    ):
        TAKERS[taker]("")


@pytest.mark.parametrize("place", [None, 3, b"turns", ["turns"]])
@pytest.mark.parametrize("taker", TAKERS)
def test_what_is_no_path_at_all(taker, place):
    """A value of another type is a wrong argument."""
    with pytest.raises(ArgumentError, match=r"^(path|place|uri): expected a .*, found"):
        TAKERS[taker](place)


def test_a_home_that_nobody_has_is_a_folder_that_is_missing(box, monkeypatch):
    """As in a shell, ``~name`` of an unknown user is a name like any other."""
    monkeypatch.chdir(box)
    (box / "~nobody-of-that-name").mkdir()
    path = ha.report(NEW.tasks, NEW.turns, "~nobody-of-that-name/page.html")
    assert path.exists()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (key, value)
        for key in (b"handinger", b"PANDAS_ATTRS", b"handinger.dtypes")
        for value in (b"{", b"[1]", b"3", b"null", b"\xff\xfe{", b"[" * 100_000)
    ]
    + [
        (b"handinger", b'{"schema": "two"}'),
        (b"handinger.dtypes", b'{"input": "Int64"}'),
        (b"handinger.dtypes", b'{"credits": "int2048"}'),
        (b"handinger.dtypes", b'{"credits": {}}'),
        (b"handinger.dtypes", b'{"credits": "int8"}'),
    ],
    ids=lambda value: ascii(value)[:25],
)
def test_odd_metadata(key, value, box):
    """Whatever stands in the metadata of a file, the error is ours and names the file."""
    ha.export_parquet(NEW.turns, box / "turns.parquet")
    table = pq.read_table(box / "turns.parquet")
    pq.write_table(
        table.replace_schema_metadata({**table.schema.metadata, key: value}), box / "turns.parquet"
    )
    with pytest.raises(FileError, match=r"turns\.parquet"):
        ha.load_parquet(box / "turns.parquet")


def test_odd_provenance_is_put_into_words(box):
    """Counts that are no numbers, in a file that says it is incomplete, are left out of the caption."""
    turns = OLD.turns.copy()
    turns.attrs["handinger"] = {"complete": False, "failed": "2", "requested": [3]}
    ha.export_parquet(turns, box / "turns.parquet")
    figure = ha.plot_spend(ha.load_parquet(box / "turns.parquet")).figure
    words = " ".join(text.get_text() for text in figure.findobj(Text))
    assert "incomplete: not all of the tasks were fetched" in words


def test_names_of_columns_that_are_no_text(box):
    """A byte that went wrong in a name is an error that names the file."""
    ha.export_parquet(OLD.turns, box / "turns.parquet")
    good = (box / "turns.parquet").read_bytes()
    (box / "turns.parquet").write_bytes(good.replace(b"output_text", b"output\xfftext"))
    with pytest.raises(FileError, match=r"cannot read .*turns\.parquet"):
        ha.load_parquet(box / "turns.parquet")


@pytest.mark.parametrize("value", [b"{", b"{}", b"[3]", b"\xff"])
def test_odd_metadata_of_a_dataset(value, box):
    """What a dataset says of its partitions is not trusted either."""
    ha.export_parquet(OLD.turns, box / "turns", partition_by="month")
    noted = pq.read_schema(box / "turns/_common_metadata")
    pq.write_metadata(
        noted.with_metadata({**noted.metadata, b"handinger.partition_by": value}),
        box / "turns/_common_metadata",
    )
    with pytest.raises(FileError, match="its metadata is damaged"):
        ha.load_parquet(box / "turns")


def test_a_dataset_of_another_program(box):
    """Others name a file as we do, without our metadata; the data are read."""
    table = pa.table({"credits": [1, 2]})
    (box / "others").mkdir()
    pq.write_table(table, box / "others/part.0.parquet")
    pq.write_metadata(table.schema, box / "others/_common_metadata")
    assert list(ha.load_parquet(box / "others")["credits"]) == [1, 2]
