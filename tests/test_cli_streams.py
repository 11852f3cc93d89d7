"""stdout and stderr of commands: pipes nobody reads, full disks, encodings that lack characters."""

import io
import os
import subprocess
import sys

import pytest

import handinger_analytics as ha
from handinger_analytics.cli import main
from handinger_analytics.sandbox import Sandbox
from tests.commands import TaskServer, names_in, run, start

TITLE = "Wetter in Zürich ☀"
FULL = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no full device here")


@pytest.fixture(scope="module")
def sandbox():
    """Run a sandbox whose workers have a webhook log."""
    with Sandbox(tasks=20, seed=7) as running:
        yield running


@pytest.fixture(scope="module")
def kept(tmp_path_factory, sandbox):
    """Keep turns: all, a part, and in an archive; titles have what few encodings have."""
    folder = tmp_path_factory.mktemp("kept")
    with sandbox.client() as client:
        turns = ha.fetch_turns(sandbox.task_ids[:5], client=client, progress=False)
        ha.Archive(folder / "archive").sync(sandbox.task_ids[:5], client=client, progress=False)
    turns["task_title"] = TITLE
    ha.export_parquet(turns, folder / "turns.parquet")
    turns.attrs["handinger"] |= {"complete": False, "failed": 3}
    ha.export_parquet(turns, folder / "part.parquet")
    return folder


@pytest.fixture
def end(kept, sandbox, monkeypatch):
    """Return a function that runs a command in this process and returns the code it ends with."""
    monkeypatch.chdir(kept)
    monkeypatch.setenv("HANDINGER_BASE_URL", sandbox.url)
    monkeypatch.setenv("HANDINGER_API_KEY", sandbox.api_key)

    def end_with(*arguments, stdout=None, stderr=None):
        with monkeypatch.context() as patched:
            if stdout is not None:
                patched.setattr(sys, "stdout", stdout)
            if stderr is not None:
                patched.setattr(sys, "stderr", stderr)
            with pytest.raises(SystemExit) as ended:
                main([str(argument) for argument in arguments], prog_name="handinger-analytics")
            assert (sys.stdout, sys.stderr) == (stdout or sys.stdout, stderr or sys.stderr)
        return ended.value.code or 0

    return end_with


def unread_pipe():
    """Open the writing end of a pipe nobody reads."""
    reading, writing = os.pipe()
    os.close(reading)
    return os.fdopen(writing, "w", encoding="utf-8")


COMMANDS = [
    pytest.param(["--help"], 0, id="help"),
    pytest.param(["--version"], 0, id="version"),
    pytest.param(["budget", "-h"], 0, id="help of a command"),
    pytest.param(["spend", "turns.parquet"], 0, id="spend"),
    pytest.param(["spend", "part.parquet"], 3, id="spend of a part"),
    pytest.param(["budget", "turns.parquet", "--limit", "1"], 0, id="budget"),
    pytest.param(["status", "archive"], 0, id="status"),
    pytest.param(["sync", "archive", "--verbose"], 0, id="sync"),
    pytest.param(["discover", *Sandbox(tasks=20, seed=7).worker_ids], 0, id="discover"),
]


@pytest.mark.parametrize(("arguments", "code"), COMMANDS)
def test_nobody_reads_on(end, capfd, arguments, code):
    """As in `| head -1`: the command ends with the code of its work, and says nothing of the pipe."""
    with unread_pipe() as pipe:
        assert end(*arguments, stdout=pipe) == code
    said = capfd.readouterr().err
    assert "incomplete" in said if code else said == ""


@FULL
@pytest.mark.parametrize(("arguments", "code"), COMMANDS)
def test_a_full_disk_under_stdout(end, capfd, arguments, code):
    """Output that is lost is an error in one line, but what is missing in the work stays in the code."""
    with open("/dev/full", "w", encoding="utf-8") as full:
        assert end(*arguments, stdout=full) == (code or 1)
    lines = capfd.readouterr().err.splitlines()
    assert lines[-1] == "error: cannot write to stdout: [Errno 28] No space left on device"
    assert len(lines) == (2 if code else 1)


@FULL
@pytest.mark.parametrize(
    "arguments", [["spend", "nowhere"], ["sped"], ["spend", "turns.parquet", "--by", "x"]]
)
def test_nowhere_to_complain(end, arguments):
    """An error keeps its code where stderr takes no text."""
    expected = end(*arguments)
    assert expected in (1, 2)
    with open("/dev/full", "w", encoding="utf-8") as full:
        assert end(*arguments, stdout=full, stderr=full) == expected
    with unread_pipe() as pipe:
        assert end(*arguments, stderr=pipe) == expected


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "latin-1", "utf-8", "utf-16"])
def test_an_encoding_that_lacks_characters(end, encoding):
    """Those are replaced, in titles as well as in the text of errors."""
    shown = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict")
    said = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict")
    assert end("spend", "turns.parquet", "--by", "task_title", stdout=shown) == 0
    assert TITLE.encode(encoding, "replace").decode(encoding) in shown.buffer.getvalue().decode(encoding)
    assert end("spend", TITLE, stderr=said) == 1
    assert TITLE.encode(encoding, "replace").decode(encoding) in said.buffer.getvalue().decode(encoding)


def test_names_that_are_no_text(end):
    """Bytes that are no UTF-8 in the name of a file, which Python takes for lone surrogates."""
    said = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="strict")
    assert end("spend", os.fsdecode(b"caf\xe9"), stderr=said) == 1
    assert b"caf" in said.buffer.getvalue()


class Plain:
    """A stream that can write, and nothing else."""

    def __init__(self):
        self.text = ""

    def write(self, text):
        """Take text."""
        self.text += text

    def flush(self):
        """Have nothing to do."""


@pytest.mark.parametrize("make", [io.StringIO, Plain])
def test_streams_of_other_kinds(end, make):
    """One that has neither encoding nor descriptor gets the text as it is."""
    shown = make()
    assert end("spend", "turns.parquet", "--by", "task_title", stdout=shown) == 0
    assert TITLE in (shown.getvalue() if make is io.StringIO else shown.text)


@pytest.mark.slow
def test_fetch_through_a_pipe_keeps_everything(end, tmp_path, sandbox, capfd):
    """Tables and chart are there, whoever stopped reading."""
    with unread_pipe() as pipe:
        assert end("fetch", *sandbox.task_ids, "--out", tmp_path / "o", stdout=pipe) == 0
    assert names_in(tmp_path) == ["o/spend.png", "o/tasks.parquet", "o/turns.parquet"]
    assert "Broken pipe" not in capfd.readouterr().err
    with unread_pipe() as pipe:
        assert end("fetch", *sandbox.task_ids, "tsk_gone", "--out", tmp_path / "o", stderr=pipe) == 3
    assert "o/failures.parquet" in names_in(tmp_path)


@FULL
def test_fetch_to_a_full_disk_keeps_everything(end, tmp_path, sandbox, capfd):
    """Tables and chart are on another disk."""
    with open("/dev/full", "w", encoding="utf-8") as full:
        assert end("fetch", *sandbox.task_ids, "--out", tmp_path / "o", stdout=full) == 1
    assert names_in(tmp_path) == ["o/spend.png", "o/tasks.parquet", "o/turns.parquet"]
    assert capfd.readouterr().err.splitlines()[-1].startswith("error: cannot write to stdout")


def test_no_output_at_all(monkeypatch, kept):
    """A process without stdout and stderr, as one of pythonw, does its work."""
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", None)
        patched.setattr(sys, "stderr", None)
        with pytest.raises(SystemExit) as ended:
            main(["spend", str(kept / "part.parquet")])
    assert ended.value.code == 3


@pytest.fixture
def server():
    """Run a server with one task."""
    running = TaskServer("tsk_1")
    yield running
    running.stop()


@pytest.mark.slow
def test_a_process_whose_reader_is_gone(tmp_path, server):
    """Nothing is on stderr about a pipe, nor when the interpreter ends."""
    arguments = ("fetch", "tsk_1", "tsk_gone", "--out", "o")
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with start(*arguments, environment=server.environment, cwd=tmp_path, **pipes) as process:
        process.stdout.close()
        said = process.stderr.read()
    assert process.returncode == 3, said
    assert [line.partition(":")[0] for line in said.splitlines()] == [
        "o/turns.parquet",
        "o/tasks.parquet",
        "o/failures.parquet",
        "o/spend.png",
    ]


@FULL
@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_a_process_on_a_full_disk(tmp_path, server, encoding):
    """One line, and none when the interpreter ends."""
    environment = {**server.environment, "PYTHONIOENCODING": encoding}
    with (
        open("/dev/full", "w", encoding="utf-8") as full,
        start(
            *("fetch", "tsk_1", "--out", "o"),
            environment=environment,
            cwd=tmp_path,
            stdout=full,
            stderr=subprocess.PIPE,
        ) as process,
    ):
        said = process.stderr.read()
    assert process.returncode == 1, said
    assert said.splitlines()[-1] == "error: cannot write to stdout: [Errno 28] No space left on device"
    assert len(said.splitlines()) == 4
    assert names_in(tmp_path) == ["o/spend.png", "o/tasks.parquet", "o/turns.parquet"]


@FULL
@pytest.mark.slow
def test_a_process_that_can_say_nothing(tmp_path, server):
    """The work is done, and the code tells that nobody was told of it."""
    with open("/dev/full", "w", encoding="utf-8") as full:
        arguments = ("fetch", "tsk_1", "--out", "o")
        with start(
            *arguments, environment=server.environment, cwd=tmp_path, stdout=full, stderr=full
        ) as process:
            assert process.wait(60) == 1
    assert names_in(tmp_path) == ["o/spend.png", "o/tasks.parquet", "o/turns.parquet"]


@pytest.mark.slow
def test_a_process_in_cp1252(kept):
    """As in a console of Windows, what is not in its alphabet is replaced."""
    with start(
        *("spend", "turns.parquet", "--by", "task_title"),
        environment={"PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0"},
        cwd=kept,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="cp1252",
    ) as process:
        shown, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, "")
    assert "Wetter in Zürich ?" in shown


def test_the_runner_of_click_reads_everything(kept):
    """Tests of other people's commands, which call this one, see its output."""
    assert TITLE in run("spend", kept / "turns.parquet", "--by", "task_title").stdout
