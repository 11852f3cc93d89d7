from __future__ import annotations

import datetime as dt

import pandas as pd
import pytest

from handinger_analytics import FrameError, Sandbox, discover_task_ids, export_parquet, fetch, parse_bodies
from handinger_analytics.api.identifiers import link_to, path_segment
from handinger_analytics.fetching.result import fetched_of
from handinger_analytics.widget.search import TaskIndex, entered_ids
from tests.samples import body_a
from tests.scripted import task_asked_for
from tests.widget.driver import click, control, enter, entry, matches, page

BODIES = [
    body_a("tsk_a", title="Invoice for São Paulo", createdAt="2026-05-01T22:30:00.000Z"),
    body_a("tsk_b", title="Late invoice", createdAt="2026-05-03T10:00:00.000Z", status="error"),
    body_a("my id", title="<b>Refund</b>", createdAt="2026-05-02T10:00:00.000Z", workerId="wrk_other"),
]


@pytest.fixture(scope="module")
def parsed():
    """Parse three tasks with known titles."""
    return parse_bodies(BODIES)


@pytest.fixture(scope="module")
def fetched_tasks(sandbox):
    """Fetch the tasks of the well-behaved sandbox."""
    with sandbox.client() as client:
        return fetch(sandbox.task_ids, client=client).tasks


def texts(lookup) -> list[str]:
    """Return the matches on offer, without the marks that isolate their direction."""
    return [button.description.replace("\u2068", "").replace("\u2069", "") for button in matches(lookup)]


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        pytest.param("tsk_a", ["tsk_a"], id="one"),
        pytest.param("tsk_a,tsk_b;tsk_a\ntsk_c", ["tsk_a", "tsk_b", "tsk_c"], id="separators"),
        pytest.param("tsk_a tsk_b, tsk_c", ["tsk_a", "tsk_b", "tsk_c"], id="spaces"),
        pytest.param(" tsk_a \t;,\ntsk_b\n", ["tsk_a", "tsk_b"], id="several separators"),
        pytest.param('["tsk_a", "tsk_b"]', ["tsk_a", "tsk_b"], id="a Python list"),
        pytest.param("<https://v3.handinger.com/worker/w/task/a%20b>.", ["a b"], id="a link in a text"),
        pytest.param("own-id (odd)", ["own-id", "(odd)"], id="any other word is an id as it stands"),
        pytest.param("100%", ["100%"], id="percent sign"),
        pytest.param("\ufefftsk_a\u200b,\xa0tsk_b", ["tsk_a", "tsk_b"], id="unseen characters"),
        pytest.param("tasks.csv", ["tasks.csv"], id="no file is read"),
    ],
)
def test_entered_ids(text, ids):
    """Ids and links are told apart by separators, and freed of quotes and brackets."""
    assert entered_ids(text) == ids


@pytest.mark.parametrize(
    "task_id", [" padded\n", "https://v3.handinger.com/worker/wrk_1/task/tsk_1", "tasks.csv", "#1"]
)
def test_a_link_is_looked_up_exactly(open_lookup, serve, task_id):
    """Whatever id a link names is asked for as it is, once decoded."""
    server = serve(task_asked_for)
    with server.client() as client:
        lookup = open_lookup(client)
        enter(lookup, link_to(task_id, "wrk_1"))
    assert server.paths == [f"/api/tasks/{path_segment(task_id)}"]
    assert lookup.value.tasks["task_id"].tolist() == [task_id]


def test_entered_words():
    """With a source, words are a search, unless one of them is an id or all of them are."""
    known = {"my id", "own-id"}
    assert entered_ids("late invoice", known) == []
    assert entered_ids("my id", known) == ["my id"]
    assert entered_ids("own-id", known) == ["own-id"]
    assert entered_ids("late tsk_1", known) == ["late", "tsk_1"]


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        pytest.param("invoice", ["tsk_b", "tsk_a"], id="newest first"),
        pytest.param("PAULO inv", ["tsk_a"], id="all words, any case, parts of words"),
        pytest.param("sao", ["tsk_a"], id="without its accent"),
        pytest.param("são", ["tsk_a"], id="with its accent"),
        pytest.param("tsk_", ["tsk_b", "tsk_a"], id="id"),
        pytest.param("wrk_other", ["my id"], id="worker"),
        pytest.param("", ["tsk_b", "my id", "tsk_a"], id="no words"),
        pytest.param("umbrella", [], id="nothing"),
        pytest.param(".*", [], id="no pattern"),
    ],
)
def test_search_words(parsed, words, ids):
    """Every word must be in the title, the id or the worker."""
    count, found = TaskIndex(parsed.tasks).search(words)
    assert (count, [match.task_id for match in found]) == (len(ids), ids)


def test_search_limit(parsed):
    """The count is of all matches, however few are returned."""
    count, found = TaskIndex(parsed.tasks).search("invoice", limit=1)
    assert (count, len(found)) == (2, 1)


def test_search_filters(parsed):
    """Status, worker and moments narrow the matches; the end is not part of the range."""
    index = TaskIndex(parsed.tasks)
    created = dt.datetime(2026, 5, 2, 10, tzinfo=dt.UTC)

    def ids(**filters) -> list[str]:
        return [match.task_id for match in index.search("", **filters)[1]]

    assert ids(status="error") == ["tsk_b"]
    assert ids(worker_id="wrk_other") == ["my id"]
    assert ids(since=created) == ["tsk_b", "my id"]
    assert ids(before=created) == ["tsk_a"]
    assert (index.statuses, index.workers) == (["completed", "error"], ["wrk_vk81XUHKHG-qr4", "wrk_other"])


def test_turns_are_a_source(parsed):
    """A frame of turns offers each of its tasks once, at the start of its first turn."""
    turns = parse_bodies([body_a("tsk_a", turns=3, title="Invoice")]).turns
    count, (match,) = TaskIndex(turns).search("invoice")
    assert (count, match.task_id, match.status) == (1, "tsk_a", None)
    assert match.at == dt.datetime(2026, 5, 11, 9, 14, 22, tzinfo=dt.UTC)


def test_frame_without_tasks_is_refused():
    """A frame that has no tasks in it is refused with the columns it has."""
    with pytest.raises(FrameError, match=r"expected the columns of tasks .* found day, credits"):
        TaskIndex(pd.DataFrame({"day": [1], "credits": [2]}))


def test_type_and_choose(open_lookup, client, parsed):
    """Matches change with each key, and choosing one looks it up, whatever its id."""
    lookup = open_lookup(client, source=parsed.tasks)
    assert lookup.wait(30)
    assert "Type words to search 3 tasks" in page(lookup)
    assert len(matches(lookup)) == 3
    entry(lookup).value = "i"
    entry(lookup).value = "inv"
    assert texts(lookup) == [
        "Late invoice  ·  2026-05-03 10:00  ·  error  ·  tsk_b",
        "Invoice for São Paulo  ·  2026-05-01 22:30  ·  completed  ·  tsk_a",
    ]
    entry(lookup).value = "refund"
    assert texts(lookup) == ["<b>Refund</b>  ·  2026-05-02 10:00  ·  completed  ·  my id"]
    matches(lookup)[0].click()
    assert lookup.wait(30)
    assert fetched_of(lookup.value).task_ids == ("my id",)
    assert matches(lookup) == []


def test_enter_with_words(open_lookup, client, parsed):
    """Enter looks the only match up, and asks for more words or fewer otherwise."""
    lookup = open_lookup(client, source=parsed.tasks)
    assert lookup.wait(30)
    enter(lookup, "invoice")
    assert "2 tasks match: choose one, or type more words." in page(lookup)
    enter(lookup, "red umbrella")
    assert "No task matches these words." in page(lookup)
    assert lookup.value is None
    enter(lookup, "late")
    assert fetched_of(lookup.value).task_ids == ("tsk_b",)


@pytest.mark.parametrize("text", ["tsk_elsewhere", "in-no-source-1234"])
def test_ids_that_the_source_lacks(open_lookup, client, parsed, text):
    """What matches nothing and may be an id is looked up on Enter, whatever it begins with."""
    lookup = open_lookup(client, source=parsed.tasks)
    assert lookup.wait(30)
    entry(lookup).value = text
    assert matches(lookup) == []
    enter(lookup, text)
    assert fetched_of(lookup.value).task_ids == (text,)


def test_part_of_an_id(open_lookup, sandbox, client, fetched_tasks):
    """While an id is typed its task stays on offer; the whole id takes the matches away."""
    wanted = sandbox.task_ids[3]
    lookup = open_lookup(client, source=fetched_tasks)
    assert lookup.wait(30)
    for length in range(9, len(wanted)):
        entry(lookup).value = wanted[:length]
        assert [text.split("  ·  ")[-1] for text in texts(lookup)] == [wanted]
    entry(lookup).value = wanted
    assert matches(lookup) == []
    enter(lookup, wanted[:9])
    assert fetched_of(lookup.value).task_ids == (wanted,)


def test_part_of_many_ids(open_lookup, client):
    """Enter on the beginning of several ids asks which one, and asks the server nothing."""
    lookup = open_lookup(client, source=parse_bodies([body_a("tsk_ab1"), body_a("tsk_ab2")]).tasks)
    assert lookup.wait(30)
    enter(lookup, "tsk_ab")
    assert "2 tasks match: choose one, or type more words." in page(lookup)
    assert lookup.value is None


def test_filters_make_no_id_of_a_word(open_lookup, client, parsed):
    """A word whose tasks the filters hide is not taken for an id."""
    lookup = open_lookup(client, source=parsed.tasks)
    assert lookup.wait(30)
    control(lookup, "Status").value = "error"
    enter(lookup, "refund")
    assert "No task matches these words." in page(lookup)
    assert lookup.value is None


@pytest.mark.parametrize("words", ["red umbrella", "invoice"])
def test_words_renew_the_failures(open_lookup, client, parsed, words):
    """What failed in the lookup before is gone once words were searched on Enter."""
    lookup = open_lookup(client, source=parsed.tasks)
    assert lookup.wait(30)
    enter(lookup, "tsk_elsewhere")
    assert "tsk_elsewhere There is no such task." in page(lookup)
    enter(lookup, words)
    assert "There is no such task." not in page(lookup)


def test_filters_of_the_page(open_lookup, client, parsed):
    """Filters narrow the matches; days are those of the zone, both ends included."""
    lookup = open_lookup(client, source=parsed.tasks, tz="Europe/Madrid")
    assert lookup.wait(30)
    assert (control(lookup, "Worker").label, control(lookup, "Status").label) == ("any", "any")
    control(lookup, "From").value = dt.date(2026, 5, 2)
    control(lookup, "To").value = dt.date(2026, 5, 2)
    assert [text.split("  ·  ")[-1] for text in texts(lookup)] == ["my id", "tsk_a"]
    control(lookup, "Worker").value = "wrk_other"
    assert [text.split("  ·  ")[-1] for text in texts(lookup)] == ["my id"]
    control(lookup, "Status").value = "error"
    assert matches(lookup) == []
    assert "No task matches." in page(lookup)


def test_without_a_source_nothing_is_offered(lookup):
    """Without a source there are no filters and no matches, and words are looked up as ids."""
    entry(lookup).value = "invoice"
    assert matches(lookup) == []
    click(lookup, "Look up")
    assert "invoice There is no such task" in page(lookup)


@pytest.mark.parametrize("kind", ["tasks", "turns"])
@pytest.mark.parametrize("text", [True, False])
def test_parquet_is_a_source(open_lookup, client, parsed, tmp_path, kind, text):
    """A file of tasks or turns is a source, also one written without text, by its ids and workers."""
    path = tmp_path / "some.parquet"
    export_parquet(getattr(parsed, kind), path, text=text)
    lookup = open_lookup(client, source=str(path))
    assert lookup.wait(30)
    entry(lookup).value = "late" if text else "wrk_vk81"
    expected = ["tsk_b"] if text else ["tsk_a", "tsk_b"]
    assert sorted(description.split("  ·  ")[-1] for description in texts(lookup)) == expected


def test_missing_file_is_said(open_lookup, client, tmp_path):
    """A file that is not there is said in plain words, and ids can be looked up all the same."""
    lookup = open_lookup(client, source=tmp_path / "gone.parquet")
    assert lookup.wait(30)
    assert "Nothing can be searched: Cannot read" in page(lookup)
    assert "gone.parquet" in page(lookup)
    enter(lookup, "tsk_2Z-YWz3hFq6VlW")
    assert len(lookup.tasks) == 1


def test_webhook_log_is_a_source(open_lookup):
    """Worker ids are a source: what their webhook log names can be found by its title."""
    with Sandbox(tasks=60, seed=7) as sandbox, sandbox.client() as client:
        log = discover_task_ids(sandbox.worker_ids, client=client, as_frame=True)
        wanted = log[log["task_title"].str.len() > 10].iloc[0]
        lookup = open_lookup(client, source=sandbox.worker_ids)
        assert lookup.wait(30)
        assert f"search {len(log)} tasks" in page(lookup)
        entry(lookup).value = wanted["task_title"]
        ids = [description.split("  ·  ")[-1] for description in texts(lookup)]
        assert wanted["task_id"] in ids
        matches(lookup)[ids.index(wanted["task_id"])].click()
        assert lookup.wait(30)
    assert lookup.tasks["task_id"].tolist() == [wanted["task_id"]]


def test_webhook_log_of_another_organization(open_lookup):
    """A worker whose log may not be read is said in plain words."""
    with Sandbox(tasks=1) as sandbox, sandbox.client() as client:
        lookup = open_lookup(client, source=[sandbox.forbidden_worker_id])
        assert lookup.wait(30)
    assert "Nothing can be searched: Your key has no access to it." in page(lookup)


def test_webhook_log_that_stays_empty(open_lookup):
    """Where no worker has a webhook, it is said that their tasks are not known; not that there are none."""
    with Sandbox(tasks=20) as sandbox, sandbox.client() as client:
        lookup = open_lookup(client, source=[sandbox.silent_worker_id])
        assert lookup.wait(30)
        assert "it has no webhook, so its tasks are not known" in page(lookup)
        both = open_lookup(client, source=[sandbox.silent_worker_id, sandbox.worker_ids[0]])
        assert both.wait(30)
        assert "Type words to search" in page(both)


def test_fetched_frames_are_a_source(open_lookup, client, fetched_tasks):
    """What was fetched can be searched as it is."""
    lookup = open_lookup(client, source=fetched_tasks)
    assert lookup.wait(30)
    assert "The newest 8 of 120 tasks; more words narrow them down" in page(lookup)
