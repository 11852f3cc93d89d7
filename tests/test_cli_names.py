"""Names and money on the command line: the file of names, and the tables that show them."""

import re

import pandas as pd
import pytest

import handinger_analytics as ha
from tests.commands import run
from tests.metrics.turns_by_hand import turns_table

ROWS = [
    {"credits": 246_900, "worker_id": "wrk_a"},
    {"credits": 200, "worker_id": "wrk_b"},
    {"credits": 7, "worker_id": "wrk_c"},
]
TABLE = "wrk_a,Invoices\nhttps://v3.handinger.com/worker/wrk_b/task/tsk_1,Reports\n"


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """Keep three workers' turns in a folder and work there."""
    turns = turns_table(ROWS).to_pandas()
    turns.attrs["handinger"] = {"complete": True, "requested": 1, "failed": 0}
    ha.export_parquet(turns, tmp_path / "turns.parquet")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def spend_of_workers(*options):
    """Run ``spend`` by worker."""
    return run("spend", "turns.parquet", "--by", "worker_id", *options)


def first_column(table):
    """Return what stands before the numbers of each row, header first."""
    header, *rows = table.splitlines()[2:]
    return [header.split()[0], *(re.match(r"(.*?) +[\d,]+ ", row)[1] for row in rows)]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(TABLE.encode(), id="no header"),
        pytest.param(f"worker_id,worker_name\n{TABLE}".encode(), id="header"),
        pytest.param(f"Worker ID,x\n{TABLE}".encode(), id="header by hand"),
        pytest.param(f",0\n{TABLE}".encode(), id="header of a Series"),
        pytest.param(f'"Worker, id";"Name"\n{TABLE.replace(",", ";")}'.encode(), id="quoted header"),
        pytest.param(TABLE.replace(",", ', "').replace("\n", '"\n').encode(), id="space before quotes"),
        pytest.param(f" \n\t\n{TABLE} \n".encode(), id="lines of white space"),
        pytest.param(TABLE.replace("/wrk_b/task/tsk_1", "/wrk_b?a=1;b=2").encode(), id="link of parts"),
        pytest.param(TABLE.replace(",", "|").encode(), id="bars"),
        pytest.param(TABLE.encode("utf-8-sig"), id="byte order mark"),
        pytest.param(TABLE.replace(",", "\t").encode("utf-16"), id="UTF-16, tabs"),
        pytest.param(TABLE.replace(",", ";").replace("\n", "\r\n").encode("cp1252"), id="Windows"),
        pytest.param(f'\n"wrk_a","Invoices"\n\n,\n{TABLE}wrk_c,\n'.encode(), id="blank lines and names"),
    ],
)
def test_names_from_a_file(kept, content):
    """A table of two columns in any encoding, with or without a header; who has no name keeps the id."""
    (kept / "names.csv").write_bytes(content)
    done = spend_of_workers("--names", "names.csv")
    assert done.exit_code == 0, done.stderr
    assert first_column(done.stdout) == ["worker", "Invoices", "Reports", "wrk_c"]


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("wrk_a,Größe\n", "Größe"),
        ('wrk_a,"Sales, EMEA; all"\n', "Sales, EMEA; all"),
        ("wrk_a;Sales, EMEA\n", "Sales, EMEA"),
        ('wrk_a,"Two\nlines"\n', "Two lines"),
        ("wrk_a,\x1b[31mred\n", "red"),
        ("wrk_a,wrk_c\n", "wrk_c (wrk_a)"),
        (f"wrk_a,{'long ' * 20}\n", "long long long long long long long…"),
    ],
)
def test_names_as_people_write_them(kept, content, name):
    """They stand in one line of the table, without what drives a terminal, and tell workers apart."""
    (kept / "names.csv").write_text(content, encoding="utf-8")
    assert first_column(spend_of_workers("--names", "names.csv").stdout)[1] == name


def test_two_workers_of_one_name_stay_two(kept):
    """Each is a row, told apart by its id."""
    (kept / "names.csv").write_text("wrk_a,Invoices\nwrk_b,Invoices\n")
    shown = first_column(spend_of_workers("--names", "names.csv").stdout)
    assert shown == ["worker", "Invoices (wrk_a)", "Invoices (wrk_b)", "wrk_c"]


@pytest.mark.parametrize(
    "ids",
    [
        [f"organization_4711_production_worker_{n:04}" for n in range(3)],
        [f"organization_4711_production_of_the_whole_of_europe_worker_{n:04}_of_all" for n in range(3)],
    ],
)
@pytest.mark.parametrize("name", [None, "Invoices for the customers in Europe"])
def test_workers_of_long_ids_stay_apart(kept, ids, name):
    """The rows show how the ids differ."""
    turns = turns_table([{"worker_id": each, "credits": 9} for each in ids]).to_pandas()
    ha.export_parquet(turns, "turns.parquet")
    (kept / "names.csv").write_text("".join(f"{each},{name}\n" for each in ids))
    _, *shown = first_column(spend_of_workers(*(["--names", "names.csv"] if name else [])).stdout)
    assert len(set(shown)) == 3
    assert all(f"{n:04}" in label for n, label in enumerate(shown))


def test_a_column_of_the_user_keeps_its_name(kept):
    """Beside their ``worker`` the names of the workers stand under ``worker_id``."""
    turns_table(ROWS).to_pandas().drop(columns="files").assign(worker="mine").to_parquet("turns.parquet")
    (kept / "names.csv").write_text(TABLE)
    done = spend_of_workers("--by", "worker", "--names", "names.csv")
    header, first, *_ = done.stdout.splitlines()[2:]
    assert header.split()[:2] == ["worker_id", "worker"]
    assert first.split()[:2] == ["Invoices", "mine"]


@pytest.mark.parametrize("command", [("spend",), ("spend", "--by", "worker_id")])
@pytest.mark.parametrize(
    ("content", "words"),
    [(TABLE, ""), ("name,id\nInvoices,wrk_a\n", "--names: no worker here has one of its ids\n")],
)
def test_names_of_nobody_here(kept, command, content, words):
    """It is said, as the columns may be swapped."""
    (kept / "names.csv").write_text(content)
    done = run(*command, "turns.parquet", "--names", "names.csv")
    assert done.exit_code == 0, done.stderr
    assert done.stderr == words


def test_names_from_no_file(kept):
    """Wrong usage, with the option and the file."""
    done = spend_of_workers("--names", "nofile.csv")
    assert done.exit_code == 2
    assert re.search("Invalid value for '--names': .*nofile.csv", done.stderr)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("worker_id\nwrk_a\n", r"two columns, .*, in line 1, found \['worker_id'\]"),
        ("wrk_a,Invoices\n\nwrk_b\n", r"two columns, .*, in line 3, found \['wrk_b'\]"),
        ("wrk_a,Invoices\nwrk_b,Sales, EMEA\n", r".* in line 2, found \['wrk_b', 'Sales', ' EMEA'\]"),
        ("wrk_a,Invoices\n ,Reports\n", r".* in line 2, found \[' ', 'Reports'\]"),
        ('wrk_a,"Invoices\n', "two columns, .*, in line 1, found 'unexpected end of data'"),
        ("wrk_a,Invoices\nwrk_a,Reports\n", r"one name for a worker, found \['Invoices', 'Reports'\]"),
    ],
)
def test_a_file_that_has_no_names(kept, content, text):
    """What is wrong is said of the option, with the line, before anything is read."""
    (kept / "names.csv").write_text(content)
    done = run("spend", "nowhere", "--by", "worker_id", "--names", "names.csv")
    assert done.exit_code == 2, done.stderr
    assert re.search(f"Error: --names: expected {text}", done.stderr)


def test_a_file_that_is_no_text(kept):
    """A spreadsheet is not taken for text."""
    (kept / "names.xlsx").write_bytes(b"PK\x03\x04\0\0")
    done = spend_of_workers("--names", "names.xlsx")
    assert done.exit_code == 1
    assert done.stderr == "error: expected text in UTF-8, UTF-16 or Windows-1252, found other bytes\n"


@pytest.mark.parametrize(
    ("options", "cost"),
    [
        (["--price", "0.005"], "1,234.5"),
        (["--price", "0.005", "--currency", "EUR"], "1,234.50 EUR"),
        (["--price", "0.005", "--currency", "jpy"], "1,235 JPY"),
    ],
)
def test_money_in_a_table(kept, options, cost):
    """With its currency, as that is written, and no column for the currency alone."""
    header, first, *_ = spend_of_workers(*options).stdout.splitlines()[2:]
    assert header.split()[-1] == "cost"
    assert first.endswith(f" {cost}")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--price", "1", "--currency", "EURO"], "--currency: expected an ISO 4217 code of a currency"),
        (["--currency", "EUR"], "--currency: expected a price beside it, found 'EUR'"),
    ],
)
def test_wrong_money_is_wrong_usage(kept, options, text):
    """The option is named."""
    done = spend_of_workers(*options)
    assert done.exit_code == 2
    assert f"Error: {text}" in done.stderr


def test_a_budget_in_money(kept):
    """Its rows and its reason name the money."""
    today = pd.Timestamp.now("UTC")
    started = pd.date_range(end=today, periods=24, freq="12h").strftime("%Y-%m-%dT%H:%MZ")
    turns = turns_table([{"credits": 10, "started_at": start} for start in started]).to_pandas()
    turns.attrs["handinger"] = {
        "complete": True,
        "requested": 1,
        "failed": 0,
        "fetched_at": today.isoformat(),
    }
    ha.export_parquet(turns, "turns.parquet")
    options = ("--period", "year", "--price", "0.5", "--currency", "eur")
    done = run("budget", "turns.parquet", "--limit", 100_000, *options)
    assert done.exit_code == 0, done.stderr
    assert re.search(r"; they cost [\d,.]+ EUR; ", done.stdout)
    assert re.search(r"^cost +[\d,.]+ EUR$", done.stdout, re.MULTILINE)
    assert re.search(r"^projected_cost +[\d,.]+ EUR$", done.stdout, re.MULTILINE)


def test_what_is_not_known_is_said(kept):
    """Turns that do not say whether all are here end with these words and code 3."""
    turns_table(ROWS).to_pandas().drop(columns="files").to_parquet("plain.parquet")
    done = run("spend", "plain.parquet")
    assert done.stderr == "not known whether all tasks are here\n"
    assert done.exit_code == 3
