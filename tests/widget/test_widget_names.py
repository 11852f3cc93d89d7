"""Workers by their names: in the filter, the search, the card and the tables, and beside ids in frames."""

from __future__ import annotations

import pandas as pd
import pytest

from handinger_analytics import ArgumentError, Sandbox, fetch, load_parquet, parse_bodies
from handinger_analytics.widget.search import TaskIndex
from tests.samples import body_a
from tests.widget.driver import click, control, enter, entry, markup, matches, page

BODIES = [
    body_a("tsk_a", workerId="wrk_1", title="Alpha"),
    body_a("tsk_b", workerId="wrk_2", title="Beta"),
    body_a("tsk_c", workerId="wrk_3", title="Gamma"),
]


@pytest.fixture(scope="module")
def tasks() -> pd.DataFrame:
    """Parse a task of each of three workers."""
    return parse_bodies(BODIES).tasks


def choices(lookup) -> list[tuple[str, str]]:
    """Return texts and ids in the filter of workers, sorted, without that of no filter."""
    return sorted(control(lookup, "Worker").options[1:])


def found(lookup) -> list[str]:
    """Return task ids of the matches on offer."""
    return sorted(button.description.split("  ·  ")[-1] for button in matches(lookup))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        pytest.param(None, ["wrk_1", "wrk_2", "wrk_3"], id="none"),
        pytest.param({}, ["wrk_1", "wrk_2", "wrk_3"], id="empty"),
        pytest.param({"wrk_1": "Invoices"}, ["Invoices", "wrk_2", "wrk_3"], id="some"),
        pytest.param(
            {"wrk_1": "Invoices", "wrk_2": "Invoices\u200b"},
            ["Invoices (wrk_1)", "Invoices (wrk_2)", "wrk_3"],
            id="one name",
        ),
        pytest.param(
            {"wrk_1": "Invoices of all " + "very " * 20 + "old", "wrk_2": "Invoices of all " + "very " * 20},
            ["Invoices of all very…very very very old", "Invoices of all very…very very very very", "wrk_3"],
            id="alike at first",
        ),
        pytest.param({"wrk_1": "wrk_2"}, ["wrk_2", "wrk_2 (wrk_1)", "wrk_3"], id="the id of another"),
    ],
)
def test_the_filter_shows_names(open_lookup, client, tasks, names, expected):
    """Each worker is a choice of its own, and choosing it narrows the matches to its tasks."""
    lookup = open_lookup(client, source=tasks, names=names)
    assert lookup.wait(30)
    assert [text for text, _ in choices(lookup)] == expected
    for text, worker_id in choices(lookup):
        control(lookup, "Worker").label = text
        assert found(lookup) == list(tasks.loc[tasks["worker_id"] == worker_id, "task_id"])


@pytest.mark.parametrize(
    ("words", "ids"),
    [("sao", ["tsk_a"]), ("alpha paulo", ["tsk_a"]), ("wrk_1", ["tsk_a"]), ("beta paulo", []), ("", None)],
)
def test_a_task_is_found_by_the_name_of_its_worker(tasks, words, ids):
    """In any case and without accents, beside its title and the id."""
    names = pd.Series({"wrk_1": "Invoices of São Paulo", "wrk_9": "Elsewhere"})
    count, matching = TaskIndex(tasks, names).search(words)
    expected = list(tasks["task_id"]) if ids is None else ids
    assert sorted(match.task_id for match in matching) == expected
    assert count == len(expected)
    assert TaskIndex(tasks.head(0), names).search(words) == (0, [])


def test_words_on_the_page_find_a_worker(open_lookup, client, tasks):
    """As they are typed."""
    lookup = open_lookup(client, source=tasks, names={"wrk_2": "Weather"})
    assert lookup.wait(30)
    entry(lookup).value = "weath"
    assert found(lookup) == ["tsk_b"]


def test_card_and_comparison_show_names(open_lookup, client, sandbox):
    """The name alone, also in the copy that is saved; an id without a name stays."""
    (worker, task_id), (unnamed, other) = tasks_of_two_workers(client, sandbox)
    lookup = open_lookup(client, names={worker: "<b>Invoices</b> & more"})
    enter(lookup, task_id)
    assert "Worker <b>Invoices</b> & more Trigger" in page(lookup)
    enter(lookup, f"{task_id} {other}")
    for html in (markup(lookup), lookup._repr_mimebundle_()["text/html"]):
        assert f'<bdi title="{worker}">&lt;b&gt;Invoices&lt;/b&gt; &amp; more</bdi>' in html
        assert f"<code>{worker}" not in html
        assert f"<code>{unnamed[:20]}" in html


def tasks_of_two_workers(client, sandbox) -> list[tuple[str, str]]:
    """Return two workers, each with the id of one of its tasks."""
    tasks = fetch(sandbox.task_ids[:20], client=client).tasks.drop_duplicates("worker_id")
    return list(zip(tasks["worker_id"], tasks["task_id"], strict=True))[:2]


def test_frames_and_files_have_names_beside_ids(open_lookup, client, sandbox, tmp_path):
    """Whatever is handed out for a program has the id and, after it, the name."""
    (worker, task_id), (unnamed, other) = tasks_of_two_workers(client, sandbox)
    lookup = open_lookup(client, names={worker: "Invoices"})
    assert "worker_name" in lookup.tasks
    enter(lookup, f"{task_id} {other}")
    control(lookup, "File name").value = str(tmp_path / "week.parquet")
    click(lookup, "Save as Parquet")
    files = (load_parquet(tmp_path / "week-tasks.parquet"), load_parquet(tmp_path / "week.parquet"))
    for frame in (lookup.tasks, lookup.turns, *files):
        assert list(frame.columns[frame.columns.get_loc("worker_id") :][:2]) == ["worker_id", "worker_name"]
        named = dict(zip(frame["worker_id"], frame["worker_name"], strict=True))
        assert named == {worker: "Invoices", unnamed: unnamed}
    assert lookup.tasks.attrs["handinger"]["complete"] is True


def test_without_names_there_is_no_such_column(lookup):
    """Frames are as they were fetched."""
    assert "worker_name" not in (*lookup.tasks, *lookup.turns)


def test_a_webhook_log_has_names(open_lookup):
    """Workers whose log is searched are shown and found by their names."""
    with Sandbox(tasks=20, seed=7) as sandbox, sandbox.client() as client:
        lookup = open_lookup(client, source=sandbox.worker_ids, names={sandbox.worker_ids[0]: "Invoices"})
        assert lookup.wait(30)
        assert ("Invoices", sandbox.worker_ids[0]) in choices(lookup)


def test_names_that_are_no_names_are_refused(open_lookup):
    """At once, and not in a thread."""
    with pytest.raises(ArgumentError, match="names: expected a mapping or Series"):
        open_lookup(names="Invoices")
