"""The report: one file that opens anywhere and does nothing but show."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from handinger_analytics import export_parquet, report
from handinger_analytics.errors import ArgumentError, FileError, FrameError
from handinger_analytics.fetching.fetch import fetch
from handinger_analytics.fetching.result import FetchResult
from handinger_analytics.sandbox import Sandbox

AS_OF = "2026-06-18T12:00Z"
ATTACKS = (
    "<script>window.hijacked = true</script>",
    '<img src=x onerror="window.hijacked = true">',
    '"><svg onload="window.hijacked = true">',
    "{{ 7 * 7 }}{% raise %}",
    "--></svg><script>window.hijacked = true</script>",
    "\x00\u202ekcart\u202c $x$",
)

NAMES = {
    "wrk_ZHRJ6UGUl3ZQig": "Invoices",
    "wrk_INnTYUaCt-FccQ": "Invoices",
    "wrk_P9vBKzPC6YSTWw": "Sales <b>$x$</b>",
}
"""What three of the six workers of the sandbox are called."""


class Page(HTMLParser):
    """What a browser would find in the file."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.html = path.read_text(encoding="utf-8")
        self.feed(self.html)
        self.text = " ".join(" ".join(self.texts).split())

    def handle_starttag(self, tag, attrs):
        """Keep a tag."""
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        """Keep a text."""
        self.texts.append(data)

    def all(self, name: str) -> list[str | None]:
        """Values of an attribute, in all tags."""
        return [attrs[name] for _, attrs in self.tags if name in attrs]

    @property
    def links(self) -> list[str | None]:
        """Where the page leads."""
        return [attrs.get("href") for tag, attrs in self.tags if tag == "a"]


@pytest.fixture(scope="session")
def fetched() -> FetchResult:
    """Two hundred tasks and their turns, fetched over HTTP."""
    with Sandbox(tasks=200, seed=7) as sandbox, sandbox.client() as client:
        return fetch(sandbox.task_ids, client=client, progress=False)


@pytest.fixture
def tasks(fetched) -> pd.DataFrame:
    """Give each test tasks of its own: the twenty most expensive ones, and those that still run."""
    spent = fetched.turns.groupby("task_id")["credits"].sum()
    shown = fetched.tasks["task_id"].isin(spent.nlargest(20).index) | (fetched.tasks["status"] == "running")
    return fetched.tasks[shown].reset_index(drop=True)


@pytest.fixture
def turns(fetched, tasks) -> pd.DataFrame:
    """Give each test the turns of its tasks."""
    return fetched.turns[fetched.turns["task_id"].isin(tasks["task_id"])].reset_index(drop=True)


@pytest.fixture(scope="session")
def whole(fetched, tmp_path_factory) -> Page:
    """Write a report of all that was fetched, with everything that a report may hold."""
    options = {"limit": 28_000, "price": 0.5, "tz": "Europe/Madrid", "title": "May & June"}
    options |= {"currency": "EUR", "names": NAMES}
    return write(fetched.tasks, fetched.turns, tmp_path_factory.mktemp("whole"), **options)


@pytest.fixture
def attacked(tasks, turns) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Put markup into everything a server or a model may have written."""
    titles = [ATTACKS[n % len(ATTACKS)] for n in range(len(turns))]
    workers = dict(zip(turns["worker_id"].unique(), ATTACKS, strict=False))
    turns["task_title"] = titles
    turns["worker_id"] = turns["worker_id"].map(workers)
    tasks["worker_id"] = tasks["worker_id"].map(workers)
    urls = (f"javascript:{ATTACKS[0]}", f'https://x/"{ATTACKS[1]}')
    tasks["url"] = [urls[n % 2] for n in range(len(tasks))]
    return tasks, turns


def write(tasks, turns, folder: Path, **options) -> Page:
    """Write a report and read it."""
    path = report(tasks, turns, folder / "report.html", **{"as_of": AS_OF, **options})
    assert path == folder / "report.html"
    return Page(path)


def test_the_report_has_all_its_parts(whole):
    """Overview, spend, top tasks, waste, anomalies, budget, completeness, and four pictures."""
    ids = {attrs["aria-labelledby"] for tag, attrs in whole.tags if tag == "section"}
    assert ids == {"overview", "spend", "top", "waste", "anomalies", "budget", "completeness"}
    assert Counter(tag for tag, _ in whole.tags)["svg"] == 4
    assert "May & June" in whole.text
    assert "<title>May &amp; June</title>" in whole.html
    assert "2026-05-01 20:00 to 2026-06-30 13:59, Europe/Madrid" in whole.text


def test_the_numbers_are_those_of_the_frames(fetched, whole):
    """Credits, cost and counts of the whole, and the most expensive task first."""
    total = fetched.turns["credits"].sum()
    assert f"credits {total:,}" in whole.text
    assert f"cost {total / 2:,.2f}" in whole.text
    assert f"turns {len(fetched.turns):,}" in whole.text
    dearest = fetched.turns.groupby("task_id")["credits"].sum().idxmax()
    assert whole.links[0] == fetched.tasks.set_index("task_id").loc[dearest, "url"]
    assert len(whole.links) == 15


def test_workers_have_their_names(whole):
    """In each table, with the id where two have one name, and as text; an unknown id stays an id."""
    workers = ["Invoices (wrk_ZHRJ6UGUl3ZQig)", "Invoices (wrk_INnTYUaCt-FccQ)", "Sales <b>$x$</b>"]
    for name in (*workers, "wrk_dXstm_gNS5PbYQ"):
        assert whole.texts.count(name) > 1
    assert set(whole.texts).isdisjoint(NAMES)


def test_credits_have_their_money(fetched, whole):
    """In the overview, the tables and the reasons of the budget, with the currency."""
    spent = fetched.turns.groupby("worker_id")["credits"].sum() / 2
    wasted = fetched.turns[fetched.turns["status"].isin(["error", "aborted"])]["credits"].sum() / 2
    dearest = fetched.turns.groupby("task_id")["credits"].sum().max() / 2
    june = fetched.turns[fetched.turns["started_at"] >= "2026-05-31T22:00Z"]
    june = june[june["started_at"] < AS_OF]["credits"].sum() / 2
    for cost in (*spent, dearest):
        assert f"{cost:,.2f} EUR" in whole.texts
    assert f"cost {spent.sum():,.2f} EUR tasks" in whole.text
    assert f"they cost {june:,.2f} EUR" in whole.texts
    heading = whole.texts.index("credits wasted")
    assert whole.texts[heading:].count("cost") == 1
    costs = re.findall(r"([\d,.]+) EUR", " ".join(whole.texts[heading : whole.texts.index("Anomalies")]))
    assert sum(float(cost.replace(",", "")) for cost in costs) == pytest.approx(wasted)


def test_tasks_without_turns_are_said(fetched, whole):
    """They are not among the tasks that have spent something."""
    assert len(fetched.tasks) == 200
    assert "tasks 198 turns" in whole.text
    assert "2 tasks have no turns" in whole.texts


@pytest.mark.slow
def test_turns_that_are_not_here_are_no_missing_turns_of_a_task(tasks, turns, tmp_path):
    """A report of some of the turns does not count the tasks whose turns are others."""
    page = write(tasks, turns[turns["started_at"] >= "2026-06-15"], tmp_path)
    assert "have no turns" not in page.text


@pytest.mark.slow
def test_budget_and_price_are_optional(tasks, turns, tmp_path):
    """Without them the report speaks of neither."""
    page = write(tasks, turns, tmp_path)
    assert "Budget" not in page.text
    assert "cost" not in page.text.replace("Tasks that cost most", "")
    assert Counter(tag for tag, _ in page.tags)["svg"] == 3


def test_the_file_stands_alone(whole):
    """It loads nothing, runs nothing, and every name in it is used once."""
    tags = {tag for tag, _ in whole.tags}
    assert tags.isdisjoint({"script", "link", "iframe", "object", "embed", "img", "base", "form"})
    assert whole.all("src") == []
    assert not any(name.startswith("on") for _, attrs in whole.tags for name in attrs)
    assert "@import" not in whole.html
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", whole.html))
    elsewhere = [attrs["xlink:href"] for _, attrs in whole.tags if "xlink:href" in attrs]
    inline = [target for target in elsewhere if not target.startswith("data:image/png;base64,")]
    assert all(target.startswith("#") for target in inline)
    assert max(Counter(whole.all("id")).values()) == 1
    assert {target.removeprefix("#") for target in inline} <= set(whole.all("id"))
    (policy,) = [attrs for _, attrs in whole.tags if attrs.get("http-equiv") == "Content-Security-Policy"]
    assert policy["content"].startswith("default-src 'none'; style-src 'unsafe-inline'")


@pytest.mark.slow
def test_markup_in_the_data_is_text(attacked, tmp_path):
    """Titles and ids are shown as they are, none becomes a tag, an attribute or a template."""
    clean = {"svg": 4}
    page = write(*attacked, folder=tmp_path, limit=28_000, title=ATTACKS[0])
    tags = Counter(tag for tag, _ in page.tags)
    assert (tags["script"], tags["img"], tags["svg"]) == (0, 0, clean["svg"])
    for attack in ATTACKS[:5]:
        assert attack in page.text
    assert "49{" not in page.text
    assert not any(name.startswith("on") for _, attrs in page.tags for name in attrs)
    assert "\x00" not in page.html
    assert "\u202e" not in page.html


@pytest.mark.slow
def test_only_https_is_linked(tasks, turns, tmp_path):
    """Any other address leaves the title as plain text."""
    good = "https://v3.handinger.com/worker/wrk_a/task/tsk_1"
    bad = [
        "http://v3.handinger.com/",
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "data:text/html,hello",
        "//v3.handinger.com/",
        "https://",
        "https://[broken",
        "",
    ]
    dearest = turns.groupby("task_id")["credits"].sum().nlargest(len(bad) + 1).index
    tasks["url"] = tasks["task_id"].map(dict(zip(dearest, [*bad, good], strict=True))).fillna("")
    assert write(tasks, turns, tmp_path).links == [good]


def test_an_incomplete_fetch_is_said_first(tasks, turns, tmp_path):
    """Before any number, as an alert."""
    turns.attrs["handinger"] = {"requested": 200, "failed": 12, "complete": False}
    page = write(tasks, turns, tmp_path)
    assert ("p", {"class": "warning", "role": "alert"}) in page.tags
    assert page.text.index("incomplete: 12 of 200 tasks not fetched") < page.text.index("Overview")


def test_frames_that_do_not_say_where_they_come_from_are_said_first(tasks, turns, tmp_path):
    """Rows that a merge or another engine returned are not taken for all there are."""
    done = tasks[~tasks["status"].isin(["running", "pending"])]
    kept = turns[turns["task_id"].isin(done["task_id"])]
    page = write(done, pd.DataFrame(dict(kept)), tmp_path, limit=100)
    assert ("p", {"class": "warning", "role": "alert"}) in page.tags
    words = "not known whether all tasks are here"
    assert page.text.index(words) < page.text.index("Overview") < page.text.index("Budget")
    assert page.text.count(words) == 3  # above, in the reasons of the budget, and at the check


@pytest.mark.slow
def test_a_complete_fetch_of_finished_tasks_has_no_warning(tasks, turns, tmp_path):
    """Running tasks are the only thing the sandbox leaves open."""
    done = tasks[~tasks["status"].isin(["running", "pending"])]
    kept = turns[turns["task_id"].isin(done["task_id"])]
    assert 'role="alert"' in write(tasks, turns, tmp_path).html
    page = write(done, kept, tmp_path)
    assert 'role="alert"' not in page.html
    assert "Every task has all its turns" in page.text


@pytest.mark.slow
def test_missing_turns_are_listed(tasks, turns, tmp_path):
    """A task whose turns do not add up is named with both numbers."""
    task = turns.groupby("task_id")["credits"].sum().idxmax()
    page = write(tasks, turns[turns["task_id"] != task], tmp_path)
    assert f"{task} turns missing" in page.text


def test_no_rows_make_a_report(tasks, turns, tmp_path):
    """Every part is there and says that there is nothing."""
    page = write(tasks.head(0), turns.head(0), tmp_path, limit=100, price=1.0)
    for text in ("no turns", "No turns.", "No tasks.", "Nothing was wasted.", "Budget: not enough data"):
        assert text in page.text


@pytest.mark.slow
def test_the_same_data_give_the_same_file(tasks, turns, tmp_path):
    """Whatever style is in use, and byte for byte, so that reports can be compared."""
    first = write(tasks, turns, tmp_path, limit=28_000).html
    with plt.style.context("dark_background"):
        assert write(tasks, turns, tmp_path, limit=28_000).html == first
    assert plt.get_fignums() == []


@pytest.mark.slow
def test_any_engine_makes_the_same_report(tasks, turns, tmp_path):
    """Apart from what only a pandas frame can say about its fetch."""
    polars = pytest.importorskip("polars")
    options = {"names": NAMES, "price": 0.5, "limit": 100}
    pandas = write(*(pd.DataFrame(dict(frame)) for frame in (tasks, turns)), folder=tmp_path, **options).html
    lazy = []
    for frame in (tasks, turns):
        export_parquet(frame, tmp_path / "frame.parquet")
        lazy.append(polars.read_parquet(tmp_path / "frame.parquet").lazy())
    assert write(*lazy, folder=tmp_path, **options).html == pandas


@pytest.mark.slow
def test_a_report_is_replaced_whole(tasks, turns, tmp_path):
    """Nothing is left beside it, and others may read it as far as the user's mask allows."""
    (tmp_path / "report.html").write_text("old")
    page = write(tasks, turns, tmp_path)
    assert page.html.startswith("<!doctype html>")
    assert page.html.rstrip().endswith("</html>")
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]
    (tmp_path / "plain").touch()
    assert (tmp_path / "report.html").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.slow
def test_a_place_that_cannot_be_written_is_named(tasks, turns, tmp_path):
    """The error is ours, names the path, and leaves nothing behind."""
    with pytest.raises(
        FileError, match=r"cannot write the report .*nowhere.report\.html.*no such .*make its folder first"
    ):
        report(tasks, turns, tmp_path / "nowhere" / "report.html")
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(FileError, match=r"cannot write the report .*folder\.html"):
        report(tasks, turns, tmp_path / "folder.html")
    assert [file.name for file in tmp_path.iterdir()] == ["folder.html"]


@pytest.mark.slow
def test_a_tilde_is_the_home_folder(tasks, turns, tmp_path, monkeypatch):
    """As in a shell."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert report(tasks, turns, "~/r.html") == tmp_path / "r.html"
    assert (tmp_path / "r.html").exists()


@pytest.mark.slow
def test_a_uri_is_a_place_too(tasks, turns, tmp_path):
    """It is written as the path would be, and returned as it was given."""
    uri = (tmp_path / "report.html").as_uri()
    assert report(tasks, turns, uri, as_of=AS_OF) == uri
    assert (tmp_path / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    with pytest.raises(FileError, match=r"'nowhere://report\.html' is not a URI that can be used"):
        report(tasks, turns, "nowhere://report.html")


def test_mistakes_are_those_of_the_metrics(tasks, turns, tmp_path):
    """And no file is written."""
    with pytest.raises(ArgumentError, match=r"^tz: expected an IANA name of a time zone, found 'Madrid'"):
        write(tasks, turns, tmp_path, tz="Madrid")
    with pytest.raises(FrameError, match="no column 'url'"):
        write(tasks.drop(columns="url"), turns, tmp_path)
    with pytest.raises(ArgumentError, match="price: expected money per credit"):
        write(tasks, turns, tmp_path, price=-1)
    assert list(tmp_path.iterdir()) == []


def opened(path: Path) -> dict[str, dict]:
    """Open a file at 1280 and 390 pixels; CI must have a browser."""
    if not (shutil.which("chromium") or shutil.which("google-chrome")):
        advice = "needs a browser: apt-get install -y --no-install-recommends chromium"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(advice)
    program = Path(__file__).with_name("open_in_chromium.py")
    shots = filter(None, [os.environ.get("UI_SHOTS")])
    done = subprocess.run(
        [sys.executable, str(program), str(path), *shots], check=True, capture_output=True, timeout=120
    )
    return json.loads(done.stdout)


@pytest.mark.slow
def test_a_browser_shows_it_and_nothing_else_happens(attacked, tmp_path):
    """No console message, no request, no script of the data; the page is never wider than the window."""
    write(*attacked, folder=tmp_path, limit=28_000, price=0.5, title=ATTACKS[1])
    both = opened(tmp_path / "report.html")
    assert list(both) == ["desktop", "phone"]
    for seen in both.values():
        assert seen["console"] == []
        assert seen["requests"] == []
        assert seen["hijacked"] is False
        assert seen["title"] == ATTACKS[1]
        assert ATTACKS[0] in seen["text"]
        assert seen["pictures"] == 4
        assert len(seen["headings"]) == 7
        assert seen["page_width"] <= seen["window_width"]
        assert all(link.startswith("https://") for link in seen["links"])


@pytest.mark.slow
def test_a_long_id_leaves_the_numbers_in_view(tasks, turns, tmp_path):
    """On a desktop no table is wider than its place, however long the ids of workers are."""
    ids = {worker: f"wrk_{number}" + "x" * 300 for number, worker in enumerate(turns["worker_id"].unique())}
    turns["worker_id"], tasks["worker_id"] = turns["worker_id"].map(ids), tasks["worker_id"].map(ids)
    write(tasks, turns, tmp_path)
    widths = opened(tmp_path / "report.html")["desktop"]["table_widths"]
    assert len(widths) >= 3
    assert all(needed <= there for needed, there in widths)


@pytest.mark.slow
def test_the_browser_would_have_noticed(tmp_path):
    """The same titles unescaped, in a page without our policy, do run and do ask for things."""
    (tmp_path / "naive.html").write_text(f"<title>x</title>{ATTACKS[0]}{ATTACKS[1]}")
    seen = opened(tmp_path / "naive.html")["phone"]
    assert seen["hijacked"] is True
    assert seen["requests"] == [(tmp_path / "x").as_uri()]
    assert seen["console"] != []
