from __future__ import annotations

import json
import re

import pandas as pd
import pytest

from handinger_analytics import Sandbox, fetch, load_parquet
from handinger_analytics.sandbox import Faults

pytestmark = pytest.mark.slow

EXAMPLE = "tsk_2Z-YWz3hFq6VlW"
EVIL = '<img src=x onerror="window.__pwned=1">'
KEY = "hdg_live_canary7c3d9e1f"


@pytest.fixture(scope="module")
def sandbox():
    """Run the server that all of these notebooks ask; one task is answered half a minute late."""
    with Sandbox(
        tasks=60, api_key=KEY, faults=Faults(rate=0, always={"slow": "slow-first-byte"}, slow=30)
    ) as running:
        yield running


@pytest.fixture
def open_panel(run_in_lab, lab, sandbox, tmp_path):
    """Return a function that runs a notebook with a widget in it and returns the widget on the page."""

    def show(name: str, *before: str, source: str = "None", names: str = "None"):
        (tmp_path / "key").write_text(KEY)
        page = run_in_lab(
            f"{name}.ipynb",
            "from pathlib import Path\nimport pandas as pd\nfrom handinger_analytics import Client",
            "from handinger_analytics import TaskLookup",
            f"client = Client(Path({str(tmp_path / 'key')!r}).read_text(), base_url={sandbox.url!r})",
            *before,
            f"lookup = TaskLookup(client, source={source}, tz='Europe/Madrid', names={names})\nlookup",
        )
        return page.locator(".jp-OutputArea .ha-lookup")

    return show


def entry(panel):
    """Return the box."""
    return panel.get_by_role("textbox", name="Task ids, links or words")


def says(panel, words: str):
    """Wait until the widget announces something."""
    from playwright.sync_api import expect

    expect(panel.get_by_role("alert").first).to_contain_text(words)


def test_look_up_read_and_keep(open_panel, sandbox, shoot, tmp_path, lab, page):
    """Enter, the button, the keyboard and the clipboard look tasks up; a turn is read; files are written."""
    from playwright.sync_api import expect

    panel = open_panel("read")
    entry(panel).fill(EXAMPLE)
    entry(panel).press("Enter")
    says(panel, "Found 1 task, 1 turn, 42 credits.")
    expect(panel.get_by_role("heading", name="Weather report for Barcelona")).to_be_visible()
    picture = panel.get_by_role("img", name="Timeline and credits of 1 turn")
    page.wait_for_function(
        "image => image.complete && image.naturalWidth > 600", arg=picture.element_handle()
    )
    shoot(panel, "card")

    answer = panel.locator("pre", has_text="It's currently 21°C and sunny in Barcelona")
    expect(answer).to_be_hidden()
    panel.locator("summary", has_text="What's the weather today").press("Enter")
    expect(answer).to_be_visible()
    expect(panel.locator("pre", has_text='"temperatureCelsius": "bar"')).to_be_visible()
    shoot(panel, "turn")

    one, two = sandbox.task_ids[:2]
    page.evaluate("text => navigator.clipboard.writeText(text)", f"{one}\n{two}\ntsk_nowhere")
    entry(panel).fill("")
    entry(panel).press("ControlOrMeta+v")
    panel.get_by_role("button", name="Look up", exact=True).click()
    says(panel, "Found 2 tasks")
    expect(panel.locator(".ha-failures")).to_contain_text("tsk_nowhere There is no such task.")
    shoot(panel, "several")

    panel.get_by_label("File name").fill(str(tmp_path / "week"))
    panel.get_by_role("button", name="Save as Parquet").click()
    expect(panel.get_by_role("alert").last).to_contain_text("and 3 tasks to ")
    assert load_parquet(tmp_path / "week-tasks.parquet")["task_id"].tolist() == [EXAMPLE, one, two]
    assert set(load_parquet(tmp_path / "week.parquet")["task_id"]) == {EXAMPLE, one, two}
    shoot(panel, "saved")

    expect(page.locator(".ha-static")).to_be_hidden()
    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    page.wait_for_function("() => !window.jupyterapp.shell.currentWidget.context.model.dirty")
    file = (lab.folder / "read.ipynb").read_text()
    kept = "".join(
        "".join(output["data"].get("text/html", ""))
        for cell in json.loads(file)["cells"]
        for output in cell.get("outputs", ())
        if "data" in output
    )
    assert one in kept
    assert "Turn by turn" in kept
    assert KEY not in file


def test_keyboard_order(open_panel, page):
    """The Tab key goes through the controls from top to bottom, and no hidden one is among them."""
    panel = open_panel("keyboard")
    entry(panel).fill(EXAMPLE)
    entry(panel).press("Enter")
    says(panel, "Found 1 task")
    entry(panel).focus()
    names = []
    for _ in range(9):
        page.keyboard.press("Tab")
        names.append(
            page.evaluate(
                "() => { const e = document.activeElement;"
                " const named = e.labels?.[0] ?? e;"
                " return named.getAttribute('aria-label') ?? named.innerText.trim(); }"
            )
        )
    expected = [
        "Look up",
        "Open in the dashboard ↗",
        "Turns",
        "What's the weather today in Barcelona?",
        "Looked up (choose several to compare)",
        "Clear",
        "File name",
        "Save as Parquet",
    ]
    assert [name.replace("\xa0", " ") for name in names[:8]] == expected


def test_search_and_choose(open_panel, sandbox, shoot, tmp_path, page):
    """Words offer matches with each key, and the keyboard chooses one."""
    from playwright.sync_api import expect

    with sandbox.client() as client:
        tasks = fetch(sandbox.task_ids, client=client, progress=False).tasks
    tasks.to_pickle(tmp_path / "tasks")
    wanted = tasks[tasks["title"].str.contains("invoice")].sort_values("created_at").iloc[-1]
    panel = open_panel("search", source=f"pd.read_pickle({str(tmp_path / 'tasks')!r})")
    says(panel, "Type words to search 60 tasks")
    entry(panel).press_sequentially("invoi", delay=20)
    first = panel.locator("button.ha-match").first
    expect(first).to_contain_text(wanted["task_id"])
    shoot(panel, "search")
    first.press("Enter")
    says(panel, "Found 1 task")
    expect(panel.locator(".ha-sub code")).to_have_text(wanted["task_id"])
    expect(first).to_be_hidden()


def test_workers_have_names(open_panel, sandbox, shoot, tmp_path):
    """The filter offers two workers of one name as two, each chosen by its own; names stand in the table."""
    from playwright.sync_api import expect

    with sandbox.client() as client:
        tasks = fetch(sandbox.task_ids, client=client, progress=False).tasks
    tasks.to_pickle(tmp_path / "tasks")
    first, second, third = tasks["worker_id"].value_counts().index[:3]
    names = {first: "Invoices", second: "Invoices", third: EVIL}
    panel = open_panel("names", source=f"pd.read_pickle({str(tmp_path / 'tasks')!r})", names=f"{names}")
    says(panel, "Type words to search 60 tasks")
    count = panel.locator(".ha-matches .ha-muted")
    for worker_id in (first, second):
        panel.get_by_label("Worker").select_option(label=f"Invoices ({worker_id})")
        expect(count).to_contain_text(f"{(tasks['worker_id'] == worker_id).sum()} tasks")
    shoot(panel, "names-search")
    panel.get_by_label("Worker").select_option(label="any")
    entry(panel).fill(" ".join(tasks.drop_duplicates("worker_id")["task_id"]))
    entry(panel).press("Enter")
    says(panel, f"Found {tasks['worker_id'].nunique()} tasks")
    cells = panel.locator(".ha-tasks tbody td:nth-child(3)")
    expect(cells.filter(has_text="Invoices")).to_have_count(2)
    expect(cells.filter(has_text=EVIL)).to_have_count(1)
    shoot(panel, "names-compared")


def test_slow_server_then_cancel(open_panel, sandbox, shoot):
    """While a server is slow the page says so and stays alive; a cancel ends it; an unknown id is named."""
    from playwright.sync_api import expect

    panel = open_panel("slow")
    entry(panel).fill("slow")
    entry(panel).press("Enter")
    says(panel, "Looking up slow")
    expect(panel.locator(".ha-clock")).to_have_text(re.compile(r"[12] s"))
    shoot(panel, "busy")
    panel.get_by_role("button", name="Cancel").click()
    says(panel, "Cancelled. Nothing found.")
    shoot(panel, "cancelled")
    entry(panel).fill("tsk_nowhere")
    entry(panel).press("Enter")
    expect(panel.locator(".ha-failures")).to_contain_text("tsk_nowhere There is no such task.")
    shoot(panel, "unknown")


@pytest.mark.parametrize("escaping", [True, False], ids=["escaped", "not escaped"])
def test_title_is_not_obeyed(open_panel, sandbox, escaping, page, shoot):
    """A title that is HTML is shown as it is; with the escaping taken out, the very same page obeys it."""
    from playwright.sync_api import expect

    evil = pd.Series(sandbox.task_ids, dtype="str")
    with sandbox.client() as client:
        tasks = fetch(evil, client=client, progress=False).tasks
    task_id = tasks.loc[tasks["title"] == EVIL, "task_id"].item()
    unsafe = "import jinja2.runtime, markupsafe\njinja2.runtime.escape = markupsafe.Markup"
    panel = open_panel(f"title-{escaping}", *([] if escaping else [unsafe]))
    entry(panel).fill(task_id)
    entry(panel).press("Enter")
    says(panel, "Found 1 task")
    if escaping:
        expect(panel.get_by_role("heading")).to_have_text(EVIL)
        expect(panel.locator("img[src=x]")).to_have_count(0)
        page.wait_for_timeout(500)  # an onerror would come late
        assert page.evaluate("window.__pwned") is None
        shoot(panel, "title")
    else:
        page.wait_for_function("window.__pwned === 1")


def test_failing_cell_is_noticed(run_in_lab, page):
    """The tests themselves: an exception in a cell or a handler of a widget does not go unnoticed."""
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        run_in_lab("wrong.ipynb", "1 / 0")
    page.wrong.clear()
