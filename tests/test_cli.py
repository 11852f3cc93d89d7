"""The command line as a user meets it: its own process, its files, its exit codes."""

import os
import re
import signal
import subprocess
import sys

import pandas as pd
import pytest

import handinger_analytics as ha
from handinger_analytics.cli.show import show_table
from handinger_analytics.sandbox import Faults, Sandbox
from handinger_analytics.text import terminal_text


def run(*arguments, cwd, stdin="", **environment):
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "handinger_analytics", *arguments],
        cwd=cwd,
        env={**os.environ, **environment},
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def served_by(sandbox):
    """Return the environment that points a command at a sandbox."""
    return {"HANDINGER_BASE_URL": sandbox.url, "HANDINGER_API_KEY": sandbox.api_key}


def test_demo_leaves_tables_files_and_a_chart(tmp_path, generation):
    """Without a key or network, the demo shows the spend and leaves what it fetched."""
    done = run("demo", "--out", "here", "--generation", generation, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Spend per worker" in done.stdout
    assert re.search(r"^credits +54,512 +credits$", done.stdout, re.MULTILINE)
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == [
        "spend.png",
        "tasks.parquet",
        "turns.parquet",
    ]
    assert len(ha.load_parquet(tmp_path / "here/tasks.parquet")) == 200
    assert (tmp_path / "here/spend.png").read_bytes().startswith(b"\x89PNG")


def test_fetch_from_the_environment(sandbox, tmp_path):
    """Ids from arguments and a file, links too, are fetched from the server in the environment."""
    first, second, third = sandbox.task_ids[:3]
    (tmp_path / "ids.txt").write_text(f"{second}\n\nhttps://v3.handinger.com/worker/w/task/{third}\n")
    done = run(
        "fetch", first, "--ids-from", "ids.txt", "--out", "o", "--no-text", cwd=tmp_path, **served_by(sandbox)
    )
    assert done.returncode == 0, done.stderr
    tasks = ha.load_parquet(tmp_path / "o/tasks.parquet")
    assert list(tasks["task_id"]) == [first, second, third]
    assert "title" not in tasks


@pytest.mark.parametrize("source", ["ids.txt", "-"])
def test_comments_in_a_file_of_ids_are_not_ids(sandbox, tmp_path, source):
    """Blank lines, comments, a byte order mark and Windows line ends are no part of any id."""
    quick, odd = sandbox.task_ids[0], next(one for one in sandbox.task_ids if "#" in one)
    content = f"\ufeff# of May\r\n\r\n{quick}\r\n \t# tsk_gone\r\n  {odd} \r\n#"
    (tmp_path / "ids.txt").write_bytes(content.encode())
    command = ("fetch", "--ids-from", source, "--out", "o")
    done = run(*command, cwd=tmp_path, stdin=content, **served_by(sandbox))
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(ha.load_parquet(tmp_path / "o/tasks.parquet")["task_id"]) == [quick, odd]


def test_a_file_of_ids_with_comments_alone(tmp_path):
    """Comments alone are no ids, and nothing is fetched."""
    (tmp_path / "ids.txt").write_text("# nothing yet\n\n")
    done = run("fetch", "--ids-from", "ids.txt", "--out", "o", cwd=tmp_path)
    assert done.returncode == 2
    assert "give task ids" in done.stderr


def test_a_file_of_ids_that_is_not_utf8(tmp_path):
    """A file in another encoding, as PowerShell writes it, is named, with what to do."""
    (tmp_path / "ids.txt").write_text("tsk_1\n", encoding="utf-16")
    done = run("fetch", "--ids-from", "ids.txt", "--out", "o", cwd=tmp_path)
    assert done.returncode == 2
    assert "'ids.txt' is not UTF-8 text" in done.stderr
    assert "Traceback" not in done.stderr


def test_partial_data_says_so_everywhere(sandbox, tmp_path):
    """A failed id is in the table, in a file, in the metadata, and in the exit code."""
    done = run("fetch", sandbox.task_ids[0], "tsk_gone", "--out", "o", cwd=tmp_path, **served_by(sandbox))
    assert done.returncode == 3
    assert "INCOMPLETE" in done.stdout
    assert "tsk_gone" in done.stdout
    assert list(ha.load_parquet(tmp_path / "o/failures.parquet")["task_id"]) == ["tsk_gone"]
    assert ha.load_parquet(tmp_path / "o/turns.parquet").attrs["handinger"]["complete"] is False


@pytest.mark.parametrize(
    ("arguments", "environment", "code", "text"),
    [
        pytest.param(["fetch", "--out", "o"], {}, 2, "give task ids", id="no ids"),
        pytest.param(["fetch", "a"], {}, 2, "--out", id="no folder"),
        pytest.param(["fetch", "a", "--out", "o"], {}, 1, "HANDINGER_API_KEY", id="no key"),
        pytest.param(
            ["fetch", "a", "--out", "o"],
            {"HANDINGER_API_KEY": "k", "HANDINGER_BASE_URL": "http://example.com"},
            1,
            "https",
            id="plain http",
        ),
    ],
)
def test_errors_are_one_line_and_a_code(tmp_path, arguments, environment, code, text):
    """What is wrong stands on stderr without a traceback."""
    done = run(*arguments, cwd=tmp_path, **environment)
    assert done.returncode == code
    assert text in done.stderr
    assert "Traceback" not in done.stderr


def test_a_key_that_is_not_accepted_is_code_5(sandbox, tmp_path):
    """A wrong key ends the command at once with a code of its own."""
    wrong = {**served_by(sandbox), "HANDINGER_API_KEY": "hdg_live_wrong"}
    done = run("fetch", *sandbox.task_ids[:9], "--out", "o", cwd=tmp_path, **wrong)
    assert done.returncode == 5
    assert "not accepted" in done.stderr
    assert "hdg_live_wrong" not in done.stderr


def test_an_interrupted_fetch_keeps_what_it_has(tmp_path):
    """Ctrl-C leaves the rows so far, marked incomplete, and code 130."""
    with Sandbox(tasks=400, latency=0.1, faults=Faults(rate=0)) as slow:
        process = subprocess.Popen(
            [sys.executable, "-m", "handinger_analytics", "fetch", *slow.task_ids, "--out", "o"],
            cwd=tmp_path,
            env={**os.environ, **served_by(slow)},
            stderr=subprocess.PIPE,
        )
        while slow.stats.served < 60:
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    turns = ha.load_parquet(tmp_path / "o/turns.parquet")
    assert len(turns)
    assert turns.attrs["handinger"]["complete"] is False


def test_sandbox_serves_other_programs(tmp_path):
    """The command prints what to export, and serves until it is interrupted."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "handinger_analytics", "sandbox", "--tasks", "3"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    url, key = (process.stdout.readline().strip().partition("=")[2] for _ in range(2))
    task_id = process.stdout.readline().split("for example ")[1].split()[0]
    with ha.Client(key, base_url=url) as client:
        assert client.retrieve_task(task_id).task.id == task_id
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 0


def test_help_does_not_load_pandas():
    """Asking for help costs no more than reading it."""
    script = (
        "import sys; from handinger_analytics.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print({'pandas', 'pyarrow', 'matplotlib', 'requests', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"


def test_text_from_a_server_does_not_drive_the_terminal(capsys):
    """Escape sequences, control characters and direction marks are not printed; long text is cut."""
    assert terminal_text("\x1b[31mred\x1b[0m\x07\r\n\u202egnp.exe\x9b2J") == "redgnp.exe2J"
    show_table("t", pd.DataFrame({"title": ["\x1b[2Jclear", "x" * 99], "n": [1234567, 1]}))
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "clear" in shown
    assert "x" * 59 + "…" in shown
    assert "1,234,567" in shown


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Keep what the demo leaves, and an incomplete copy of its turns."""
    folder = tmp_path_factory.mktemp("kept")
    assert run("demo", "--out", "demo", cwd=folder).returncode == 0
    (folder / "part").mkdir()
    turns = ha.load_parquet(folder / "demo/turns.parquet")
    turns.attrs["handinger"] |= {"complete": False, "failed": 3}
    ha.export_parquet(turns, folder / "part/turns.parquet")
    return folder


def test_spend_of_a_folder(kept):
    """The table has the groups asked for, and the cost."""
    done = run("spend", "demo", "--by", "status", "--price", "0.5", cwd=kept)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^completed +52,784 .* 26,392$", done.stdout, re.MULTILINE)


def test_what_is_incomplete_stays_so(kept):
    """A frame that was fetched in part ends with code 3 and says why, whoever reads it later."""
    done = run("spend", "part/turns.parquet", cwd=kept)
    assert done.returncode == 3
    assert "INCOMPLETE: 3 of 200 tasks failed" in done.stderr


def test_budget_check_has_a_code_of_its_own(kept):
    """Code 4 when the limit is crossed, and only if that was asked for."""
    turns = ha.load_parquet(kept / "demo/turns.parquet")
    now = pd.Timestamp.now("UTC").as_unit("ms")
    ha.export_parquet(turns.assign(started_at=now), kept / "now.parquet")
    done = run("budget", "now.parquet", "--limit", "100", "--check", cwd=kept)
    assert done.returncode == 4, done.stderr
    assert done.stdout.startswith("over the limit: 54,512 of 100 credits are spent")
    assert run("budget", "now.parquet", "--limit", "100", cwd=kept).returncode == 0


def test_report_is_written(kept):
    """One page, from the folder that fetch leaves."""
    done = run("report", "demo", "--out", "page.html", "--title", "May & June", cwd=kept)
    assert done.returncode == 0, done.stderr
    assert "<title>May &amp; June" in (kept / "page.html").read_text()


def test_discover_prints_ids(sandbox, tmp_path):
    """One id a line, ready for fetch."""
    done = run("discover", *sandbox.worker_ids, cwd=tmp_path, **served_by(sandbox))
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.splitlines()) <= set(sandbox.task_ids)
    assert len(done.stdout.splitlines()) > 100
