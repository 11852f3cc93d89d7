"""Ids on the command line: what `discover` prints, and what `--ids-from` and the arguments read."""

from __future__ import annotations

import io
import json
import sys
from tempfile import TemporaryDirectory

import openpyxl
import pytest
from click.testing import CliRunner
from hypothesis import example, given, settings
from hypothesis import strategies as st

import handinger_analytics as ha
from handinger_analytics.cli import main
from handinger_analytics.fetching.id_sources import id_line, ids_in_text
from handinger_analytics.fetching.ids import normalize_task_ids
from handinger_analytics.sandbox import Sandbox
from handinger_analytics.text import terminal_text
from handinger_analytics.widget.search import entered_ids
from tests.scripted import Reply, ScriptedServer, asked_id, task_asked_for

ODD = [
    "#1",
    "# of May",
    " padded\t",
    "two\nlines",
    "\r",
    "\ufeffbom",
    "nbsp\xa0",
    "\u200bunseen",
    "red\x1b[31m",
    "nul\x00",
    "tasks.csv",
    "My ids.xlsx",
    "https://v3.handinger.com/worker/wrk_1/task/tsk_1",
    " https://v3.handinger.com/worker/wrk_1/task/%20",
    "worker_id,task_id",
    "Task ID;x",
    "task_id",
    "-",
    "--out",
    "..",
    "a/b",
    "task",
    "worker",
    'quoted "a", b',
    "résumé-東京-🙂",
    "x\u2028y\x85z",
    "end.",
    "(end)",
]


@pytest.fixture(scope="module")
def sandbox():
    """Run a well-behaved sandbox; which generation it speaks is no matter of the command line."""
    with Sandbox(tasks=120, seed=7) as running:
        yield running


@pytest.fixture
def run(sandbox, tmp_path, monkeypatch):
    """Return a function that runs a command in a fresh folder against the sandbox."""
    monkeypatch.chdir(tmp_path)
    environment = {"HANDINGER_BASE_URL": sandbox.url, "HANDINGER_API_KEY": sandbox.api_key}

    def invoke(*arguments, stdin=None):
        return CliRunner().invoke(main, arguments, input=stdin, env=environment, catch_exceptions=False)

    return invoke


def log_of(task_ids, worker_id="wrk_1"):
    """Return a webhook log that names tasks."""
    entry = {
        "id": "whx_1",
        "createdAt": "2026-05-11T09:14:49.000Z",
        "durationMs": 1,
        "requestStatus": "success",
        "url": "https://example.com",
        "workerId": worker_id,
    }
    logs = [entry | {"taskId": task_id} for task_id in task_ids]
    return Reply(json.dumps({"logs": logs, "page": 1, "pageCount": 1, "totalCount": len(logs)}).encode())


def read_back(task_ids, worker_id="wrk_1"):
    """Run ``discover | fetch --ids-from -`` with these ids in the log; return what was asked and kept."""
    asked = []

    def answer(request):
        if "/webhook/" in request.target:
            return log_of(task_ids, worker_id)
        asked.append(asked_id(request))
        return task_asked_for(request)

    server, runner = ScriptedServer([answer]), CliRunner()
    environment = {"HANDINGER_BASE_URL": server.url, "HANDINGER_API_KEY": "hdg_live_x"}
    with TemporaryDirectory() as folder:
        found = runner.invoke(main, ["discover", "wrk_1"], env=environment, catch_exceptions=False)
        assert all(terminal_text(line) == line for line in found.stdout.split("\n"))
        command = ["fetch", "--ids-from", "-", "--out", folder]
        done = runner.invoke(main, command, input=found.stdout, env=environment, catch_exceptions=False)
        server.stop()
        assert (found.exit_code, done.exit_code) == (0, 0), found.output + done.output
        return asked, ha.load_parquet(f"{folder}/tasks.parquet")["task_id"].tolist()


@pytest.mark.filterwarnings("always::handinger_analytics.PartialDataWarning")
def test_discover_says_a_worker_without_a_webhook(run, sandbox):
    """The ids of the others are printed, and exit code 3 says that these are not all."""
    result = run("discover", sandbox.silent_worker_id, sandbox.worker_ids[0])
    assert result.exit_code == 3
    assert f"warning: the webhook log of worker '{sandbox.silent_worker_id}' names no task" in result.stderr
    assert result.stdout == run("discover", sandbox.worker_ids[0]).stdout != ""


def test_what_discover_prints_fetch_reads_back():
    """Each id is asked for as it is, whatever is in it."""
    asked, kept = read_back(ODD)
    assert (sorted(asked), kept) == (sorted(ODD), ODD)


@pytest.mark.slow
@settings(max_examples=50)
@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1, unique=True),
    st.text(st.characters(exclude_categories=["Cs"])),
)
def test_whatever_ids_discover_prints_fetch_reads_them_back(task_ids, worker_id):
    """So it is for any text."""
    asked, kept = read_back(task_ids, worker_id)
    assert (sorted(asked), kept) == (sorted(task_ids), task_ids)


@given(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
    st.text(st.characters(exclude_categories=["Cs"])),
)
@example("worker", "task")
@example("task", "")
def test_every_reader_decodes_a_link(task_id, worker_id):
    """A link gives its id in a list, in running text, in the widget's box and as an argument."""
    link = id_line(f"{task_id} ", worker_id)
    assert normalize_task_ids([link]) == [f"{task_id} "]
    assert ha.task_ids_from(f"see {link}, ({link}).") == [f"{task_id} "]
    assert entered_ids(f'"{link}"') == [f"{task_id} "]
    assert ids_in_text(link) == [link]


def test_discover_prints_ids(run, sandbox):
    """One id a line, ready for fetch."""
    done = run("discover", *sandbox.worker_ids)
    assert done.exit_code == 0, done.stderr
    assert set(done.stdout.splitlines()) <= set(sandbox.task_ids)
    assert len(done.stdout.splitlines()) > 100


def test_what_stdout_cannot_hold_is_printed_as_a_link(monkeypatch, sandbox, run):
    """Where characters would be replaced on their way, an id is written in ASCII."""
    monkeypatch.setenv("HANDINGER_BASE_URL", sandbox.url)
    monkeypatch.setenv("HANDINGER_API_KEY", sandbox.api_key)
    stdout = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    monkeypatch.setattr(sys, "stdout", stdout)
    with pytest.raises(SystemExit) as ended:
        main(["discover", *sandbox.worker_ids])
    assert ended.value.code == 0
    stdout.seek(0)
    lines = stdout.read().splitlines()
    with sandbox.client() as client:
        assert normalize_task_ids(lines) == ha.discover_task_ids(sandbox.worker_ids, client=client)
    assert "".join(lines).isascii()


@pytest.mark.parametrize("source", ["ids.txt", "ids", "-"])
def test_a_line_is_one_id(run, sandbox, tmp_path, source):
    """Blank lines, a byte order mark, Windows line ends and white space around are no part of any id."""
    quick, odd = sandbox.task_ids[0], next(one for one in sandbox.task_ids if "#" in one)
    content = f"\ufeff\r\n{quick}\r\n \t#1\r\n  {odd} \r\n".encode()
    (tmp_path / "ids.txt").write_bytes(content)
    (tmp_path / "ids").write_bytes(content)
    done = run("fetch", "--ids-from", source, "--out", "o", stdin=content)
    assert done.exit_code == 3, done.stdout + done.stderr
    assert ha.load_parquet(tmp_path / "o/tasks.parquet")["task_id"].tolist() == [quick, odd]
    assert ha.load_parquet(tmp_path / "o/failures.parquet")["task_id"].tolist() == ["#1"]


def test_a_file_without_ids(run, tmp_path):
    """Blank lines are no ids, and nothing is fetched."""
    (tmp_path / "ids.txt").write_text("\n \n")
    for more in ([], ["tsk_1"]):
        done = run("fetch", *more, "--ids-from", "ids.txt", "--out", "o")
        assert done.exit_code == 2
        assert "found none in 'ids.txt'; give task ids" in done.stderr


@pytest.mark.parametrize(("name", "content"), [("ids.csv", b""), ("ids.tsv", b""), ("ids", b"task_id\n")])
def test_an_empty_file_passes_where_that_is_allowed(run, tmp_path, name, content):
    """A table as a text; the error names the option, where the command has it."""
    (tmp_path / name).write_bytes(content)
    done = run("sync", "archive", "--ids-from", name)
    assert done.exit_code == 2
    assert f"found none in '{name}'; give task ids in it, or --allow-empty" in done.stderr
    done = run("sync", "archive", "--ids-from", "-", "--allow-empty", stdin=content)
    assert (done.exit_code, done.output) == (0, "")
    assert run("sync", "archive", "--ids-from", name, "--allow-empty").exit_code == 0
    assert "--allow-empty" not in run("delete", "archive", "--ids-from", name).stderr


@pytest.mark.slow
def test_files_of_ids_as_people_have_them(run, sandbox, tmp_path):
    """PowerShell's UTF-16, a CSV with semicolons by name and on stdin, a spreadsheet with blank cells."""
    first, second = sandbox.task_ids[:2]
    (tmp_path / "ids.txt").write_text(f"{first}\n{second}\n", encoding="utf-16")
    (tmp_path / "ids.csv").write_text(f"n;Task ID\n1;{first} \n2;{second}\n")
    book = openpyxl.Workbook()
    for cell in ("task_id", first, " ", second):
        book.active.append([cell])
    book.save(tmp_path / "ids.xlsx")
    for source in ("ids.txt", "ids.csv", "ids.xlsx", "-"):
        stdin = (tmp_path / "ids.csv").read_bytes()
        done = run("fetch", "--ids-from", source, "--out", "o", stdin=stdin)
        assert done.exit_code == 0, done.output
        assert ha.load_parquet(tmp_path / "o/tasks.parquet")["task_id"].tolist() == [first, second]
        assert ("white space around 1 of 2 ids was removed" in done.stderr) is (source in ("ids.csv", "-"))
        assert ("--ids-from: 1 blank cell left out" in done.stderr) is (source == "ids.xlsx")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("ids.csv", b"id,n\nown,1\n", "no column 'task_id'; there are id, n"),
        ("ids.xlsx", b"PK", "cannot read task ids from 'ids.xlsx'"),
        ("ids", b"\x00\x81\xff", "cannot read task ids from 'ids': expected text"),
        ("-", b"\x00\x81\xff", "expected text in UTF-8"),
    ],
)
def test_a_file_that_gives_no_ids_is_wrong_usage(run, tmp_path, name, content, message):
    """The error is one of the option, with exit code 2."""
    (tmp_path / name).write_bytes(content)
    done = run("fetch", "--ids-from", name, "--out", "o", stdin=content)
    assert done.exit_code == 2
    assert "Invalid value for '--ids-from': " in done.stderr
    assert message in done.stderr


@pytest.mark.parametrize("command", ["fetch", "sync", "forget"])
def test_a_file_among_the_ids_is_wrong_usage(run, sandbox, command):
    """The error names the option that reads it."""
    done = run(command, "o", "tasks.csv", *(["--out", "o"] if command == "fetch" else []))
    assert done.exit_code == 2
    assert "'tasks.csv' is the name of a file: its ids are read with --ids-from" in done.stderr


@pytest.mark.parametrize("given", ["{}\r", " {}", "https://v3.handinger.com/worker/w/task/{}\n"])
def test_white_space_around_an_argument_is_left_out_and_said(run, sandbox, tmp_path, given):
    """What a list with Windows line ends gives to ``xargs`` is fetched."""
    task_id = sandbox.task_ids[0]
    done = run("fetch", given.format(task_id), "--out", "o")
    assert done.exit_code == 0, done.output
    assert "white space around 1 of 1 id was removed" in done.stderr
    assert ha.load_parquet(tmp_path / "o/tasks.parquet")["task_id"].tolist() == [task_id]


@pytest.mark.filterwarnings("default:worker_ids")
def test_a_warning_is_a_line(serve):
    """It says what was left out, without the place in the code."""
    server = serve(Reply(b"{}", 403))
    environment = {"HANDINGER_API_KEY": "hdg_live_x", "HANDINGER_BASE_URL": server.url}
    ran = CliRunner().invoke(main, ["discover", "wrk_1 "], env=environment)
    assert ran.stderr.startswith(
        "warning: worker_ids: white space around 1 of 1 id was removed, the first is 'wrk_1 '\nerror: "
    )
