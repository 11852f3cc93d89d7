"""The folder of `fetch --out`, night after night: nothing in it is replaced by less."""

import re

import pandas as pd
import pytest

import handinger_analytics as ha
from handinger_analytics.sandbox.server import Reply
from tests.commands import GONE, REFUSED, TaskServer, failing, names_in, run
from tests.samples import body_a, task_b

TABLES = ["tasks.parquet", "turns.parquet"]
WHOLE = ["spend.png", *TABLES]
IN_PART = ["failures.parquet", *WHOLE]


@pytest.fixture
def server():
    """Run a server with three tasks."""
    running = TaskServer("tsk_1", "tsk_2", "tsk_3")
    yield running
    running.stop()


@pytest.fixture
def folder(tmp_path):
    """Name a folder that is not there yet."""
    return tmp_path / "nightly"


@pytest.fixture
def fetch(server, folder):
    """Return a function that fetches into the folder."""

    def fetch_into(*arguments, out=folder):
        return run("fetch", *arguments, "--out", out, environment=server.environment)

    return fetch_into


@pytest.fixture
def yesterday(fetch, folder):
    """Fetch three tasks into the folder; return what its files hold."""
    done = fetch("tsk_1", "tsk_2", "tsk_3")
    assert done.exit_code == 0, done.stderr
    return contents(folder)


def contents(folder):
    """Bytes of each file in a folder, without those below it."""
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


def ids_in(file):
    """Ids of the tasks in a table."""
    return list(ha.load_parquet(file)["task_id"])


def test_a_fetch_shows_names_and_money(fetch, tmp_path):
    """Workers by their names, and what their credits cost, in the tables that it prints."""
    (tmp_path / "names.csv").write_text("wrk_vk81XUHKHG-qr4,Invoices\n")
    options = ("--names", tmp_path / "names.csv", "--price", "0.5", "--currency", "EUR")
    done = fetch("tsk_1", "tsk_2", *options)
    assert done.exit_code == 0, done.stderr
    assert re.search(r"^worker +credits .* cost\nInvoices +84 .* 42.00 EUR$", done.stdout, re.MULTILINE)
    assert re.search(r"^cost +42.00 EUR$", done.stdout, re.MULTILINE)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--price", "1", "--currency", "EURO"], "--currency: expected an ISO 4217 code"),
        (["--currency", "EUR"], "--currency: expected a price beside it"),
        (["--price", "-1"], "--price: expected money per credit"),
    ],
)
def test_wrong_money_is_refused_before_the_first_request(fetch, server, folder, options, text):
    """Nothing is fetched or written for it."""
    done = fetch("tsk_1", *options)
    assert done.exit_code == 2
    assert text in done.stderr
    assert server.asked == []
    assert not folder.exists()


def test_tasks_without_turns_are_said(fetch, server):
    """They are in one table and not in the other."""
    server.replies["/api/tasks/tsk_2"] = Reply(body_a("tsk_2", turns=0))
    done = fetch("tsk_1", "tsk_2", "tsk_3")
    assert done.exit_code == 0, done.stderr
    assert done.stdout.endswith("\n1 task has no turns\n")
    assert "no turns" not in fetch("tsk_1", "tsk_3", "--overwrite").stdout


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_is_away_is_code_6(fetch, server, folder, yesterday, status):
    """Where no request gets more than 429 or 5xx nothing is written, and the failures are shown."""
    server.has(otherwise=failing(status))
    done = fetch("tsk_1", "tsk_2", "tsk_3")
    assert done.exit_code == 6
    assert contents(folder) == yesterday
    assert names_in(folder) == WHOLE
    assert "incomplete: 3 of 3 tasks" in done.stdout
    assert "tsk_2" in done.stdout
    assert "Overview" not in done.stdout
    assert f"{folder}: nothing is written, since no task came" in done.stderr


@pytest.mark.slow
def test_connections_that_break_are_code_6(fetch, server, folder, yesterday):
    """So are connections that bring no whole answer."""
    server.has(otherwise=Reply(b"{}", broken="short-body"))
    assert fetch("tsk_1", "tsk_2", "tsk_3").exit_code == 6
    assert contents(folder) == yesterday


@pytest.mark.slow
def test_nobody_at_the_address_is_code_6(fetch, server, folder, yesterday):
    """A server that is not running is away, whatever may be overwritten."""
    server.stop()
    assert fetch("tsk_1", "tsk_2", "tsk_3", "--overwrite").exit_code == 6
    assert contents(folder) == yesterday


def test_the_first_night_leaves_no_folder_without_a_server(fetch, server, tmp_path):
    """Where nothing is written, no folder is left either."""
    server.has(otherwise=failing(502))
    assert fetch("tsk_1", out=tmp_path / "a/b").exit_code == 6
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("reply", [GONE, failing(403)], ids=["404", "403"])
def test_an_answer_without_any_task_is_code_3(fetch, server, folder, yesterday, reply):
    """Where the server answers, but no id is found, old files stay, whatever may be overwritten."""
    server.has(otherwise=reply)
    server.replies["/api/tasks/tsk_2"] = failing(503)
    assert fetch("tsk_1", "tsk_2", "tsk_3").exit_code == 3
    done = fetch("tsk_1", "tsk_2", "tsk_3", "--overwrite")
    assert done.exit_code == 3
    assert contents(folder) == yesterday
    assert "incomplete: 3 of 3 tasks" in done.stdout


def test_fewer_ids_than_tasks_are_refused_before_the_first_request(fetch, server, folder, yesterday):
    """Ids count once each, however often and in whatever form they are given."""
    server.asked.clear()
    link = "https://v3.handinger.com/worker/w/task/tsk_1"
    done = fetch("tsk_1", link, "tsk_2", "tsk_1")
    assert done.exit_code == 2
    assert "--out: expected a folder with no more tasks than the 2 asked for, found 3" in done.stderr
    assert "--overwrite" in done.stderr
    assert server.asked == []
    assert contents(folder) == yesterday


@pytest.mark.slow
def test_overwrite_replaces_by_fewer_tasks(fetch, folder, yesterday):
    """Whoever says so gets what is asked for."""
    done = fetch("tsk_2", "--overwrite")
    assert done.exit_code == 0, done.stderr
    assert ids_in(folder / "tasks.parquet") == ids_in(folder / "turns.parquet") == ["tsk_2"]


@pytest.mark.slow
def test_as_many_other_tasks_replace_those_that_are_there(fetch, server, folder, yesterday):
    """A folder may be used again for other tasks, if they all come."""
    server.has("tsk_4", "tsk_5", "tsk_6")
    assert fetch("tsk_4", "tsk_5", "tsk_6").exit_code == 0
    assert ids_in(folder / "tasks.parquet") == ["tsk_4", "tsk_5", "tsk_6"]


def test_fewer_tasks_go_to_a_folder_of_their_own(fetch, server, folder, yesterday):
    """Where tasks that are there do not come, old files stay beside what came; stderr says both."""
    server.has("tsk_1", "tsk_3", otherwise=failing(503))
    done = fetch("tsk_1", "tsk_2", "tsk_3")
    assert done.exit_code == 3
    assert contents(folder) == yesterday
    assert names_in(folder / "partial") == IN_PART
    assert ids_in(folder / "partial/tasks.parquet") == ["tsk_1", "tsk_3"]
    assert ids_in(folder / "partial/failures.parquet") == ["tsk_2"]
    assert f"{folder}: 1 of its 3 tasks not fetched, so its files stay" in done.stderr
    assert f"what came is in {folder / 'partial'}" in done.stderr
    assert "Overview" in done.stdout
    assert run("spend", folder / "partial").exit_code == 3
    assert run("spend", folder).exit_code == 0


@pytest.mark.slow
def test_new_tasks_do_not_make_up_for_lost_ones(fetch, server, folder, yesterday):
    """As many tasks come as there are, but one of those that are there does not: its rows stay."""
    server.has("tsk_1", "tsk_3", "tsk_4", "tsk_5", otherwise=failing(503))
    assert fetch("tsk_1", "tsk_2", "tsk_3", "tsk_4", "tsk_5").exit_code == 3
    assert contents(folder) == yesterday
    assert ids_in(folder / "partial/tasks.parquet") == ["tsk_1", "tsk_3", "tsk_4", "tsk_5"]


@pytest.mark.slow
def test_more_tasks_replace_fewer_although_some_did_not_come(fetch, server, folder, yesterday):
    """What is there has all come again, so nothing is lost."""
    server.has("tsk_1", "tsk_2", "tsk_3", "tsk_4")
    assert fetch("tsk_1", "tsk_2", "tsk_3", "tsk_4", "tsk_gone").exit_code == 3
    assert names_in(folder) == IN_PART
    assert ids_in(folder / "tasks.parquet") == ["tsk_1", "tsk_2", "tsk_3", "tsk_4"]


def test_overwrite_replaces_by_what_came(fetch, server, folder, yesterday):
    """Fewer tasks than there are replace them if that was asked for."""
    server.has("tsk_1")
    assert fetch("tsk_1", "tsk_2", "tsk_3", "--overwrite").exit_code == 3
    assert names_in(folder) == IN_PART
    assert ids_in(folder / "tasks.parquet") == ["tsk_1"]


def without_turns(server, task_id):
    """Let the server speak generation B of one task, whose turns it does not give."""
    server.replies[f"/api/tasks/{task_id}"] = Reply(task_b(task_id))
    server.replies[f"/api/tasks/{task_id}/turns"] = failing(500)


@pytest.mark.slow
def test_a_task_without_its_turns_has_not_come(fetch, server, folder, yesterday):
    """The rows of its turns stay."""
    without_turns(server, "tsk_2")
    assert fetch("tsk_1", "tsk_2", "tsk_3").exit_code == 3
    assert contents(folder) == yesterday
    assert ids_in(folder / "partial/turns.parquet") == ["tsk_1", "tsk_3"]


@pytest.mark.slow
def test_turns_that_never_came_are_not_missed(fetch, server, folder):
    """A task whose turns are refused every night does not send every night's rows aside."""
    without_turns(server, "tsk_2")
    assert fetch("tsk_1", "tsk_2", "tsk_3").exit_code == 3
    server.has("tsk_1", "tsk_3", "tsk_4")
    without_turns(server, "tsk_2")
    assert fetch("tsk_1", "tsk_2", "tsk_3", "tsk_4").exit_code == 3
    assert names_in(folder) == IN_PART
    assert ids_in(folder / "turns.parquet") == ["tsk_1", "tsk_3", "tsk_4"]


@pytest.mark.slow
def test_failures_of_an_earlier_night_go(fetch, server, folder):
    """A complete fetch leaves no failures beside it."""
    fetch("tsk_1", "tsk_2", "tsk_3", "tsk_gone")
    assert names_in(folder) == IN_PART
    assert fetch("tsk_1", "tsk_2", "tsk_3").exit_code == 0
    assert names_in(folder) == WHOLE


@pytest.mark.slow
def test_a_complete_fetch_deletes_what_was_partial(fetch, server, folder, yesterday):
    """Its tables are older than those in the folder by then; files of the user's own stay."""
    for own in ([], ["notes.txt"]):
        server.has("tsk_1")
        assert fetch("tsk_1", "tsk_2", "tsk_3").exit_code == 3
        assert names_in(folder / "partial") == IN_PART
        for name in own:
            (folder / "partial" / name).write_text("mine")
        server.has("tsk_1", "tsk_2", "tsk_3")
        assert fetch("tsk_1", "tsk_2", "tsk_3").exit_code == 0
        assert names_in(folder) == [*(f"partial/{name}" for name in own), *WHOLE]
        assert (folder / "partial").exists() == bool(own)


@pytest.mark.slow
def test_a_key_refused_in_the_middle_keeps_what_came(fetch, server, folder):
    """The first time in the folder, later beside what is there."""
    server.has("tsk_1", "tsk_2", otherwise=Reply(REFUSED.body, 401, wait=0.3))
    assert fetch("tsk_1", "tsk_2", "tsk_3").exit_code == 5
    before = contents(folder)
    server.has("tsk_1", otherwise=Reply(REFUSED.body, 401, wait=0.3))
    assert fetch("tsk_1", "tsk_2", "tsk_3").exit_code == 5
    assert contents(folder) == before
    for name in TABLES:
        assert ids_in(folder / name) == ["tsk_1", "tsk_2"]
        assert ha.load_parquet(folder / name).attrs["handinger"]["complete"] is False
        assert ids_in(folder / "partial" / name) == ["tsk_1"]


@pytest.mark.slow
@pytest.mark.parametrize("name", [*TABLES, "failures.parquet"])
def test_a_table_that_cannot_be_read_is_not_replaced(fetch, server, folder, yesterday, name):
    """Nobody knows what is in it, unless it may be overwritten."""
    server.asked.clear()
    (folder / name).write_bytes(b"half a table")
    if name == "turns.parquet":
        (folder / "tasks.parquet").unlink()
    done = fetch("tsk_1", "tsk_2", "tsk_3")
    assert done.exit_code == 1
    assert name in done.stderr
    assert "--overwrite" in done.stderr
    assert done.stderr.count("\n") == 1
    assert server.asked == []
    assert (folder / name).read_bytes() == b"half a table"
    assert fetch("tsk_1", "--overwrite").exit_code == 0
    assert ids_in(folder / "tasks.parquet") == ["tsk_1"]


@pytest.mark.slow
def test_a_table_of_other_rows_is_not_replaced(fetch, folder):
    """A file of that name that is no table of tasks is somebody's own."""
    folder.mkdir()
    pd.DataFrame({"todo": ["call the bank"]}).to_parquet(folder / "tasks.parquet")
    done = fetch("tsk_1")
    assert done.exit_code == 1
    assert "--overwrite" in done.stderr
    assert list(pd.read_parquet(folder / "tasks.parquet")["todo"]) == ["call the bank"]


@pytest.mark.slow
def test_turns_alone_are_not_replaced_by_fewer(fetch, folder, yesterday):
    """Where only the turns are kept, their tasks count."""
    (folder / "tasks.parquet").unlink()
    assert fetch("tsk_1").exit_code == 2


@pytest.mark.parametrize("place", ["file/below", "file/far/below", "link/below", "x" * 300])
def test_a_folder_that_cannot_be_made_is_noticed_at_once(fetch, server, tmp_path, place):
    """Before the first request, in one line."""
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere" / "else")
    done = fetch("tsk_1", out=tmp_path / place)
    assert done.exit_code == 1
    assert done.stderr.startswith("error: cannot write to ")
    assert done.stderr.count("\n") == 1
    assert server.asked == []


@pytest.mark.slow
def test_a_chart_that_cannot_be_written_leaves_the_tables(fetch, server, folder):
    """One line says what is in the way, and the tables are there."""
    (folder / "spend.png").mkdir(parents=True)
    done = fetch("tsk_1")
    assert done.exit_code == 1
    assert "spend.png" in done.stderr.splitlines()[-1]
    assert done.stderr.splitlines()[-1].startswith("error: cannot write")
    assert ids_in(folder / "tasks.parquet") == ids_in(folder / "turns.parquet") == ["tsk_1"]


@pytest.mark.slow
def test_a_chart_that_is_a_link_stays_one(fetch, folder, tmp_path):
    """The picture is written where the link leads."""
    folder.mkdir()
    (folder / "spend.png").symlink_to(tmp_path / "public.png")
    assert fetch("tsk_1").exit_code == 0
    assert (folder / "spend.png").is_symlink()
    assert (tmp_path / "public.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_the_demo_does_not_replace_more_tasks_than_it_has(fetch, folder, yesterday):
    """It may be repeated, but not over more than it brings, unless that is asked for."""
    done = run("demo", "--tasks", 2, "--out", folder)
    assert done.exit_code == 2
    assert "--overwrite" in done.stderr
    assert contents(folder) == yesterday
    for _ in range(2):
        assert run("demo", "--tasks", 2, "--out", folder, "--overwrite").exit_code == 0
    assert len(ids_in(folder / "tasks.parquet")) == 2
    assert run("demo", "--tasks", 4, "--out", folder).exit_code == 0


def test_the_help_names_what_is_kept(fetch):
    """Whoever writes the job of the night reads there which codes it ends with."""
    text = " ".join(run("fetch", "--help").stdout.split())
    assert "`partial`" in text
    assert "exit code 6" in text
    assert "--overwrite" in text
