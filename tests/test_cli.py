"""The command line as a user meets it: its files, its tables, its exit codes."""

import os
import re
import signal
import subprocess
import sys

import pandas as pd
import pytest
from click.testing import CliRunner

import handinger_analytics as ha
from handinger_analytics.cli import COMMANDS, main
from handinger_analytics.cli.output import show_table
from handinger_analytics.sandbox import Faults, Sandbox
from handinger_analytics.text import terminal_text


@pytest.fixture(scope="module")
def sandbox():
    """Run a well-behaved sandbox; which generation it speaks is no matter of the command line."""
    with Sandbox(tasks=120, seed=7) as running:
        yield running


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Return a function that runs a command to its end in a folder, by default a fresh one."""

    def invoke(*arguments, cwd=tmp_path, stdin=None, **environment):
        monkeypatch.chdir(cwd)
        return CliRunner().invoke(main, arguments, input=stdin, env=environment, catch_exceptions=False)

    return invoke


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Keep what the demo leaves, and an incomplete copy of its turns."""
    folder = tmp_path_factory.mktemp("kept")
    assert CliRunner().invoke(main, ["demo", "--out", str(folder / "demo")]).exit_code == 0
    (folder / "part").mkdir()
    turns = ha.load_parquet(folder / "demo/turns.parquet")
    turns.attrs["handinger"] |= {"complete": False, "failed": 3}
    ha.export_parquet(turns, folder / "part/turns.parquet")
    return folder


def served_by(sandbox):
    """Return the environment that points a command at a sandbox."""
    return {"HANDINGER_BASE_URL": sandbox.url, "HANDINGER_API_KEY": sandbox.api_key}


def test_demo_leaves_tables_files_and_a_chart(run, tmp_path, generation):
    """Without a key or network, the demo shows the spend and leaves what it fetched."""
    done = run("demo", "--out", "here", "--generation", generation)
    assert done.exit_code == 0, done.stderr
    assert "Spend per worker" in done.stdout
    assert re.search(r"^credits +54,512 +credits$", done.stdout, re.MULTILINE)
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == [
        "spend.png",
        "tasks.parquet",
        "turns.parquet",
    ]
    assert len(ha.load_parquet(tmp_path / "here/tasks.parquet")) == 200
    assert (tmp_path / "here/spend.png").read_bytes().startswith(b"\x89PNG")


def test_fetch_from_the_environment(run, sandbox, tmp_path):
    """Ids from arguments and a file, links too, are fetched from the server in the environment."""
    first, second, third = sandbox.task_ids[:3]
    (tmp_path / "ids.txt").write_text(f"{second}\n\nhttps://v3.handinger.com/worker/w/task/{third}\n")
    done = run("fetch", first, "--ids-from", "ids.txt", "--out", "o", "--no-text", **served_by(sandbox))
    assert done.exit_code == 0, done.stderr
    tasks = ha.load_parquet(tmp_path / "o/tasks.parquet")
    assert list(tasks["task_id"]) == [first, second, third]
    assert "title" not in tasks


def test_partial_data_says_so_everywhere(run, sandbox, tmp_path):
    """A failed id is in the table, in a file, in the metadata, and in the exit code."""
    done = run("fetch", sandbox.task_ids[0], "tsk_gone", "--out", "o", **served_by(sandbox))
    assert done.exit_code == 3
    assert "\nincomplete: 1 of 2 tasks not fetched\n" in done.stdout
    assert "tsk_gone" in done.stdout
    assert list(ha.load_parquet(tmp_path / "o/failures.parquet")["task_id"]) == ["tsk_gone"]
    assert ha.load_parquet(tmp_path / "o/turns.parquet").attrs["handinger"]["complete"] is False


def test_without_text_failures_keep_their_words(run, sandbox, tmp_path):
    """What went wrong is said by us, so it stays in a folder that holds no text of models."""
    done = run("fetch", sandbox.task_ids[0], "tsk_gone", "--out", "o", "--no-text", **served_by(sandbox))
    assert done.exit_code == 3
    failures = ha.load_parquet(tmp_path / "o/failures.parquet")
    assert failures[["task_id", "stage", "error"]].values.tolist() == [["tsk_gone", "task", "NotFoundError"]]
    assert "404" in failures["message"][0]


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
def test_errors_are_one_line_and_a_code(run, arguments, environment, code, text):
    """What is wrong stands on stderr without a traceback."""
    done = run(*arguments, **environment)
    assert done.exit_code == code
    assert text in done.stderr


def test_an_error_of_the_process(tmp_path):
    """Started by its name, a command ends in the same way, and prints no traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "handinger_analytics", "spend", "nowhere"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: cannot read 'nowhere': no such file or folder")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["spend", "x", "--tz", "Europe/Madird"], "--tz: expected an IANA name of a time zone"),
        (["spend", "demo", "--price", "nan"], "--price: expected money per credit"),
        (["budget", "demo", "--limit", "5", "--tz", ""], "--tz: expected an IANA name of a time zone"),
        (["fetch", "a", "", "--out", "o"], "[TASK_ID...]: expected a non-empty string, found ''"),
    ],
)
def test_a_wrong_option_is_wrong_usage(run, kept, arguments, text):
    """What the library says of an argument is said of the option, with exit code 2 and the usage."""
    done = run(*arguments, cwd=kept, HANDINGER_API_KEY="k")
    assert done.exit_code == 2, done.stderr
    assert f"Error: {text}" in done.stderr
    assert done.stderr.startswith(f"Usage: main {arguments[0]} [OPTIONS]")


def test_a_key_that_is_not_accepted_is_code_5(run, sandbox):
    """A wrong key ends the command at once with a code of its own."""
    wrong = {**served_by(sandbox), "HANDINGER_API_KEY": "hdg_live_wrong"}
    done = run("fetch", *sandbox.task_ids[:9], "--out", "o", **wrong)
    assert done.exit_code == 5
    assert "not accepted" in done.stderr
    assert "hdg_live_wrong" not in done.stderr


@pytest.mark.slow
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


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_its_help(run, name):
    """The list of commands has a line for each, and each explains its options."""
    assert f"  {name} " in run("--help").stdout
    done = run(name, "-h")
    assert done.exit_code == 0
    assert done.stdout.startswith(f"Usage: main {name} ")


def test_an_unknown_command(run):
    """A command that does not exist is wrong usage."""
    done = run("sped")
    assert done.exit_code == 2
    assert "No such command 'sped'" in done.stderr


def test_tables_are_aligned(capsys):
    """Text stands on the left, numbers on the right, absent values are empty, and no rows are said."""
    frame = pd.DataFrame(
        {
            "worker": ["a", "bcd", None],
            "credits": [1_234_567, 8, 9],
            "share": [0.5, float("nan"), 1234.0],
            "value": [1, 2.5, pd.Timestamp("2026-05-01T08:00Z")],
        }
    )
    show_table("Spend", frame)
    show_table("Nothing", frame.head(0))
    assert capsys.readouterr().out.splitlines() == [
        "",
        "Spend",
        "worker   credits share value",
        "a      1,234,567   0.5 1",
        "bcd            8       2.5",
        "               9 1,234 2026-05-01 08:00 UTC",
        "",
        "Nothing",
        "(no rows)",
    ]


def test_text_from_a_server_does_not_drive_the_terminal(capsys):
    """Escape sequences, control characters and direction marks are not printed; long text is cut."""
    assert terminal_text("\x1b[31mred\x1b[0m\x07\r\n\u202egnp.exe\x9b2J") == "redgnp.exe2J"
    show_table("t", pd.DataFrame({"title": ["\x1b[2Jclear", "x" * 99], "n": [1234567, 1]}))
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "clear" in shown
    assert "x" * 59 + "…" in shown
    assert "1,234,567" in shown


def test_spend_of_a_folder(run, kept):
    """The table has the groups asked for, and the cost."""
    done = run("spend", "demo", "--by", "status", "--price", "0.5", cwd=kept)
    assert done.exit_code == 0, done.stderr
    assert re.search(r"^completed +52,784 .* 26,392$", done.stdout, re.MULTILINE)


def test_what_is_incomplete_stays_so(run, kept):
    """A frame that was fetched in part ends with code 3 and says why, whoever reads it later."""
    done = run("spend", "part/turns.parquet", cwd=kept)
    assert done.exit_code == 3
    assert "incomplete: 3 of 200 tasks not fetched" in done.stderr


def test_budget_check_has_a_code_of_its_own(run, kept):
    """Code 4 when the limit is crossed, and only if that was asked for."""
    turns = ha.load_parquet(kept / "demo/turns.parquet")
    now = pd.Timestamp.now("UTC").as_unit("ms")
    ha.export_parquet(turns.assign(started_at=now), kept / "now.parquet")
    done = run("budget", "now.parquet", "--limit", "100", "--check", cwd=kept)
    assert done.exit_code == 4, done.stderr
    assert done.stdout.startswith("over the limit: 54,512 of 100 credits are spent")
    assert run("budget", "now.parquet", "--limit", "100", cwd=kept).exit_code == 0


@pytest.mark.parametrize("options", [[], ["--check"]])
def test_a_budget_of_which_nothing_is_known_is_not_kept(run, kept, options):
    """Turns fetched before the month began tell nothing about it: code 3, not 0."""
    turns = ha.load_parquet(kept / "demo/turns.parquet")
    turns["started_at"] = pd.Timestamp("2024-05-01", tz="UTC").as_unit("ms")
    turns.attrs["handinger"]["fetched_at"] = "2024-05-02T00:00:00Z"
    ha.export_parquet(turns, kept / "old.parquet")
    done = run("budget", "old.parquet", "--limit", "100", *options, cwd=kept)
    assert done.exit_code == 3
    assert done.stdout.startswith("not known: nothing is known of the period; fetch the turns again;")


@pytest.mark.slow
def test_report_is_written(run, kept):
    """One page, from the folder that fetch leaves."""
    done = run("report", "demo", "--out", "page.html", "--title", "May & June", cwd=kept)
    assert done.exit_code == 0, done.stderr
    assert "<title>May &amp; June" in (kept / "page.html").read_text()
