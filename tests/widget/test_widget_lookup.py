from __future__ import annotations

import html
import json
import re
import threading

import ipywidgets as w
import pandas as pd
import pytest
from traitlets import TraitError

from handinger_analytics import Archive, ArgumentError, FetchResult, Sandbox, TaskLookup
from handinger_analytics.sandbox import Faults
from handinger_analytics.tables.schema import TASKS, TURNS
from tests.samples import body_a
from tests.scripted import Reply
from tests.widget.driver import click, control, enter, entry, eventually, markup, page, parts

EXAMPLE = "tsk_2Z-YWz3hFq6VlW"
LINK = f"https://v3.handinger.com/worker/wrk_vk81XUHKHG-qr4/task/{EXAMPLE}"
CANARY = "hdg_live_canary7c3d9e1f"


def found(lookup) -> list[str]:
    """Return the ids that were found, in order."""
    return lookup.tasks["task_id"].tolist()


def test_click_shows_the_documented_task(lookup):
    """An id in the box and a click bring card, turn and frames of the documented example."""
    entry(lookup).value = EXAMPLE
    click(lookup, "Look up")
    words = page(lookup)
    assert "Found 1 task, 1 turn, 42 credits." in words
    assert "Weather report for Barcelona completed" in words
    assert f"{EXAMPLE} Open in the dashboard" in words
    assert "Credits 42 Turns 1 Tokens in 1,842 Tokens out 312 Duration 25.8 s" in words
    assert "Created 2026-05-11 09:14:22 Finished 2026-05-11 09:14:48" in words
    assert "Worker wrk_vk81XUHKHG-qr4 Trigger api" in words
    assert "What's the weather today in Barcelona?" in words
    assert '"temperatureCelsius": "bar"' in words
    assert "barcelona.csv text/csv, 1,204 bytes" in words
    assert isinstance(lookup.value, FetchResult)
    assert lookup.value.complete
    assert (lookup.tasks["credits"].tolist(), lookup.turns["input_tokens"].tolist()) == ([42], [1842])


def test_enter_looks_up(lookup):
    """Enter in the box does what the button does."""
    enter(lookup, EXAMPLE)
    assert found(lookup) == [EXAMPLE]


def test_times_are_in_the_zone(open_lookup, client):
    """Times are shown in the zone that was asked for, which is named."""
    lookup = open_lookup(client, tz="Europe/Madrid")
    enter(lookup, EXAMPLE)
    assert "Created 2026-05-11 11:14:22" in page(lookup)
    assert "Times in Europe/Madrid" in page(lookup)


def test_chart_is_drawn(lookup):
    """A picture with words for who cannot see it stands between card and turns."""
    enter(lookup, EXAMPLE)
    pictures = [part.value for part in parts(lookup) if isinstance(part, w.HTML) and "<img" in part.value]
    assert len(pictures) == 1
    assert 'alt="Timeline and credits of 1 turn;' in pictures[0]
    assert 'src="data:image/png;base64,iVBORw0KGgo' in pictures[0]


def test_many_ids_and_links(lookup, sandbox):
    """Ids and links between separators are looked up together, each once, in the order entered."""
    one, two = sandbox.task_ids[:2]
    enter(lookup, f"{two}, {LINK};{one} \t;,\n{two}")
    assert found(lookup) == [two, EXAMPLE, one]
    assert lookup.value.complete
    assert "3 tasks, times in UTC" in page(lookup)


def test_click_returns_at_once(open_lookup):
    """The answer is fetched off the main thread: the click is over while the server still thinks."""
    with Sandbox(tasks=1, latency=0.5) as slow, slow.client() as client:
        lookup = open_lookup(client)
        entry(lookup).value = EXAMPLE
        control(lookup, "Look up").click()
        assert not lookup.wait(timeout=0)
        assert "Looking up" in page(lookup)
        assert lookup.wait(30)
    assert found(lookup) == [EXAMPLE]


def test_second_click_waits_its_turn(open_lookup):
    """While a lookup is under way another click starts nothing."""
    with Sandbox(tasks=1, latency=0.3) as slow, slow.client() as client:
        lookup = open_lookup(client)
        entry(lookup).value = EXAMPLE
        control(lookup, "Look up").click()
        control(lookup, "Look up").click()
        assert "A lookup is under way" in page(lookup)
        assert lookup.wait(30)
        assert slow.stats.requests == 1


def test_unknown_id_is_named(lookup, sandbox):
    """An id that is not there is named with advice, and the others are shown all the same."""
    enter(lookup, f"tsk_nowhere {sandbox.task_ids[3]}")
    assert "1 id not fetched" in page(lookup)
    assert "tsk_nowhere There is no such task. Check the id" in page(lookup)
    assert lookup.value.failures["task_id"].tolist() == ["tsk_nowhere"]
    assert found(lookup) == [sandbox.task_ids[3]]
    assert not lookup.value.complete


def test_id_with_a_space(lookup, sandbox, client):
    """An id with a space is taken for two, the page says what to do, and doing it helps."""
    odd = next(task_id for task_id in sandbox.task_ids if " " in task_id)
    enter(lookup, odd)
    assert "For an id with one of them in it, paste its dashboard link" in page(lookup)
    link = client.retrieve_task(odd).task.url
    enter(lookup, link)
    assert found(lookup) == [odd]


def test_nothing_entered(lookup):
    """Without anything in the box the page says what to type."""
    click(lookup, "Look up")
    assert "Type or paste a task id" in page(lookup)
    assert lookup.value is None


def test_no_key(open_lookup):
    """Without a client and a key the page says which variable to set."""
    lookup = open_lookup()
    enter(lookup, EXAMPLE)
    assert "No API key: set the environment variable HANDINGER_API_KEY" in page(lookup)
    assert lookup.value is None


def test_client_from_the_environment(open_lookup, sandbox, monkeypatch):
    """Without a client the key is read at the time of the lookup, not before."""
    lookup = open_lookup()
    monkeypatch.setenv("HANDINGER_API_KEY", sandbox.api_key)
    monkeypatch.setenv("HANDINGER_BASE_URL", sandbox.url)
    enter(lookup, EXAMPLE)
    assert found(lookup) == [EXAMPLE]


def test_wrong_key(open_lookup, sandbox):
    """A key that is not accepted is said in plain words, without showing it."""
    with sandbox.client(api_key=CANARY) as client:
        lookup = open_lookup(client)
        enter(lookup, EXAMPLE)
    assert "The API key was not accepted. Check HANDINGER_API_KEY" in page(lookup)
    assert CANARY not in markup(lookup)
    assert lookup.value is None


def test_forbidden(open_lookup):
    """A task of another organization is said to be one."""
    with (
        Sandbox(tasks=1, faults=Faults(rate=0, always={EXAMPLE: "403"})) as strict,
        strict.client() as client,
    ):
        lookup = open_lookup(client)
        enter(lookup, EXAMPLE)
    assert "Your key has no access to it. Use a key of the organization it belongs to." in page(lookup)


def test_offline_then_try_again(open_lookup):
    """Without a connection the page says so, and the button tries again what failed."""
    sandbox = Sandbox(tasks=1)
    sandbox.start()
    port = int(sandbox.url.rsplit(":", 1)[1])
    client = sandbox.client(max_attempts=1)
    sandbox.stop()
    lookup = open_lookup(client)
    enter(lookup, EXAMPLE)
    assert "No connection to the server. Check the network, then try again." in page(lookup)
    assert control(lookup, "Try again").layout.display is None
    with Sandbox(tasks=1, port=port):
        click(lookup, "Try again")
    assert found(lookup) == [EXAMPLE]
    assert control(lookup, "Try again").layout.display == "none"
    assert lookup.tasks.attrs["handinger"]["failed"] == 0


@pytest.mark.slow
def test_rate_limit_counts_down(open_lookup):
    """The seconds a rate limit asks for are counted down, and a cancel does not wait for their end."""
    faults = Faults(rate=0, always={EXAMPLE: "429-seconds"}, retry_after=40)
    with Sandbox(tasks=1, faults=faults) as strict, strict.client() as client:
        lookup = open_lookup(client)
        entry(lookup).value = EXAMPLE
        control(lookup, "Look up").click()
        eventually(lambda: "The server limits how fast it may be asked" in page(lookup))
        eventually(lambda: "going on in 39 s" in page(lookup))
        eventually(lambda: "going on in 38 s" in page(lookup))
        control(lookup, "Cancel").click()
        assert lookup.wait(5)
    assert "Cancelled. Nothing found." in page(lookup)


@pytest.mark.slow
def test_rate_limit_beyond_max_wait(open_lookup):
    """A wait longer than the client bears is a failure, and the seconds until it makes sense are shown."""
    faults = Faults(rate=0, always={EXAMPLE: "429-seconds"}, retry_after=40)
    with Sandbox(tasks=1, faults=faults) as strict, strict.client(max_wait=1) as client:
        lookup = open_lookup(client)
        enter(lookup, EXAMPLE)
        assert "The server limits how fast it may be asked. Wait a little" in page(lookup)
        eventually(lambda: "it may be asked again in 3" in page(lookup))


@pytest.mark.slow
def test_cancel_a_slow_answer(open_lookup):
    """A cancel ends a lookup whose answer would take half a minute; what came before is kept."""
    with Sandbox(tasks=3, faults=Faults(rate=0, always={EXAMPLE: "slow-first-byte"}, slow=30)) as slow:
        lookup = open_lookup(slow.client())
        quick = slow.task_ids[0]
        entry(lookup).value = f"{quick} {EXAMPLE}"
        control(lookup, "Look up").click()
        eventually(lambda: slow.stats.requests == 2)
        assert not control(lookup, "Cancel").disabled
        control(lookup, "Cancel").click()
        assert "Cancelling" in page(lookup)
        assert lookup.wait(5)
        assert page(lookup).startswith("Cancelled. Found 1 task")
        assert found(lookup) == [quick]
        assert not lookup.value.complete
        assert control(lookup, "Cancel").disabled
        enter(lookup, slow.task_ids[1])
        assert found(lookup) == [quick, slow.task_ids[1]]


def test_clear_forgets(lookup, sandbox):
    """After a clear nothing is left on the page, in value or in the frames."""
    enter(lookup, sandbox.task_ids[0])
    click(lookup, "Clear")
    assert page(lookup) == "Cleared."
    assert lookup.value is None
    assert found(lookup) == []
    assert entry(lookup).value == ""


def test_clear_drops_the_lookup_under_way(open_lookup):
    """An answer that comes after a clear does not bring anything back."""
    with Sandbox(tasks=1, latency=0.4) as slow:
        lookup = open_lookup(slow.client())
        entry(lookup).value = EXAMPLE
        control(lookup, "Look up").click()
        click(lookup, "Clear")
    assert (lookup.value, found(lookup), page(lookup)) == (None, [], "Cleared.")


def test_go_back_and_compare(lookup, sandbox):
    """Earlier lookups are shown again without asking the server, several of them side by side."""
    one, two = sandbox.task_ids[:2]
    enter(lookup, one)
    enter(lookup, two)
    requests = sandbox.stats.requests
    history = control(lookup, "Looked up")
    assert history.value == (two,)
    history.value = (one,)
    assert lookup.wait(30)
    assert f"{one} Open in the dashboard" in page(lookup)
    assert two not in page(lookup)
    history.value = (two, one)
    assert lookup.wait(30)
    assert "2 tasks, times in UTC" in page(lookup)
    assert "Turn by turn: credits and duration" in page(lookup)
    assert one in page(lookup)
    assert two in page(lookup)
    assert sandbox.stats.requests == requests


def test_frames_grow_without_repeats(lookup, sandbox):
    """The frames have every task once with the documented dtypes, however often it is looked up."""
    ids = sandbox.task_ids
    enter(lookup, f"{ids[2]} {ids[0]}")
    enter(lookup, f"{ids[5]} {ids[2]} tsk_nowhere")
    assert found(lookup) == [ids[2], ids[0], ids[5]]
    assert list(lookup.tasks) == [column.name for column in TASKS]
    assert list(lookup.turns) == [column.name for column in TURNS]
    assert isinstance(lookup.tasks["status"].dtype, pd.CategoricalDtype)
    assert str(lookup.turns["started_at"].dtype) == "datetime64[ms, UTC]"
    assert lookup.turns["turn_id"].is_unique
    assert lookup.tasks["turn_count"].sum() == len(lookup.turns)
    attrs = lookup.turns.attrs["handinger"]
    assert (attrs["requested"], attrs["failed"], attrs["complete"]) == (4, 1, False)


def test_frames_before_the_first_lookup(lookup):
    """Before anything is looked up the frames are empty and have their columns."""
    assert (len(lookup.tasks), list(lookup.tasks)) == (0, [column.name for column in TASKS])
    assert (len(lookup.turns), list(lookup.turns)) == (0, [column.name for column in TURNS])


def test_task_lost_later_keeps_its_rows(open_lookup, serve):
    """A task that was found once stays, although it cannot be fetched the next time."""
    server = serve(Reply(body_a("tsk_1", turns=2)), Reply(b"{}", 404))
    lookup = open_lookup(server.client())
    enter(lookup, "tsk_1")
    enter(lookup, "tsk_1")
    assert "There is no such task" in page(lookup)
    assert (found(lookup), len(lookup.turns)) == (["tsk_1"], 2)


def test_value_can_be_observed_and_not_set(lookup):
    """Observers of value hear of each lookup; setting it is an error."""
    heard = []
    lookup.observe(lambda change: heard.append(change["new"]), "value")
    enter(lookup, EXAMPLE)
    assert heard == [lookup.value]
    with pytest.raises(TraitError, match="value"):
        lookup.value = None


def test_observer_that_fails_does_no_harm(lookup):
    """Code of others that fails in a lookup is reported in plain words, and the widget goes on."""

    def fail(_):
        lookup.unobserve(fail, "value")
        raise ZeroDivisionError("oh")

    lookup.observe(fail, "value")
    enter(lookup, EXAMPLE)
    assert "The widget has an error (ZeroDivisionError: oh). Please report it." in page(lookup)
    assert "Traceback" not in page(lookup)
    enter(lookup, EXAMPLE)
    assert "Found 1 task" in page(lookup)


def test_chart_that_fails_ends_no_lookup(lookup, sandbox):
    """What goes wrong with a chart is reported, and a lookup that began meanwhile brings its task."""
    one, two = sandbox.task_ids[:2]

    def fail(change):
        if "<figure>" in change["new"] and not lookup.value.failures.size and two not in found(lookup):
            lookup.look_up(two)
            raise ZeroDivisionError("oh")

    for part in parts(lookup):
        if isinstance(part, w.HTML):
            part.observe(fail, "value")
    said = sentences(lookup)
    enter(lookup, one)
    assert "The widget has an error (ZeroDivisionError: oh). Please report it." in said
    assert found(lookup) == [one, two]
    assert page(lookup).startswith("Found 1 task")
    assert control(lookup, "Cancel").disabled


def test_source_that_fails_ends_no_lookup(open_lookup, tmp_path):
    """What goes wrong with a source is reported, and the lookup under way brings its task."""
    go_on = threading.Event()

    class Broken(Archive):
        def tasks(self, columns=None, **rest):
            go_on.wait(30)
            raise ZeroDivisionError("oh")

    with Sandbox(tasks=1, latency=0.3) as slow, slow.client() as client:
        lookup = open_lookup(client, source=Broken(tmp_path))
        said = sentences(lookup)
        lookup.look_up(EXAMPLE)
        go_on.set()
        eventually(lambda: "The widget has an error (ZeroDivisionError: oh). Please report it." in said)
        assert not control(lookup, "Cancel").disabled
        assert lookup.wait(30)
    assert found(lookup) == [EXAMPLE]
    assert control(lookup, "Cancel").disabled


def sentences(lookup) -> list[str]:
    """Return a list that will hold every sentence the widget says from now on."""
    said: list[str] = []

    def hear(change):
        said.append(" ".join(html.unescape(re.sub(r"<[^>]*>", " ", change["new"])).split()))

    for part in parts(lookup):
        if isinstance(part, w.HTML):
            part.observe(hear, "value")
    return said


def test_nothing_in_a_title_is_obeyed(open_lookup):
    """Titles that are HTML, control characters or spreadsheet formulas are shown as text everywhere."""
    with Sandbox(tasks=120, seed=7) as sandbox:
        lookup = open_lookup(sandbox.client())
        enter(
            lookup,
            " ".join(task_id for task_id in sandbox.task_ids if " " not in task_id and ";" not in task_id),
        )
    titles = set(lookup.tasks["title"])
    assert '<img src=x onerror="window.__pwned=1">' in titles
    assert any("\x1b" in title for title in titles)
    assert "<img src=x" not in markup(lookup)
    assert "<script" not in markup(lookup)
    assert "\x1b" not in json.dumps([part.get_state() for part in parts(lookup)], default=str)
    assert '<img src=x onerror="window.__pwned=1">' in html.unescape(markup(lookup))


def test_key_is_nowhere(open_lookup):
    """The key is in no state that a notebook saves, in no text and in no picture of the widget."""
    with Sandbox(tasks=5, api_key=CANARY) as sandbox:
        lookup = open_lookup(sandbox.client(), source=sandbox.worker_ids)
        enter(lookup, f"{EXAMPLE} tsk_nowhere")
        saved = json.dumps(w.Widget.get_manager_state(), default=str)
        bundle = json.dumps(lookup._repr_mimebundle_())
    assert EXAMPLE in saved
    assert EXAMPLE in bundle
    assert CANARY not in saved + bundle + repr(lookup) + repr(lookup.value) + str(lookup.tasks.attrs)


def test_two_widgets_share_nothing(open_lookup, client):
    """What happens in one widget leaves another one alone."""
    one, two = open_lookup(client), open_lookup(client)
    enter(one, EXAMPLE)
    assert (two.value, len(two.tasks), entry(two).value) == (None, 0, "")
    assert not {id(part) for part in parts(one)} & {id(part) for part in parts(two)}


def test_close_leaves_nothing_behind(client):
    """A closed widget is out of the registry of widgets with all of its parts, and its threads end."""
    before = set(w.Widget.get_manager_state()["state"])
    lookup = TaskLookup(client)
    enter(lookup, EXAMPLE)
    lookup.close()
    lookup.close()
    assert set(w.Widget.get_manager_state()["state"]) == before
    eventually(
        lambda: not [t for t in threading.enumerate() if t.name in ("handinger-widget", "handinger-ticker")]
    )


def test_unknown_zone_is_refused():
    """A zone that does not exist is refused when the widget is made."""
    with pytest.raises(ArgumentError, match="tz: expected an IANA name of a time zone, found 'Mars/Base'"):
        TaskLookup(tz="Mars/Base")


def test_every_control_has_a_name(lookup):
    """Whoever hears the page hears what each control is for."""
    controls = [
        part
        for part in parts(lookup)
        if isinstance(part, w.Text | w.Button | w.Dropdown | w.DatePicker | w.SelectMultiple)
        and "ha-match" not in part._dom_classes
    ]
    assert [part.description for part in controls] == [
        "Task ids, links or words",
        "Look up",
        "Cancel",
        "Status",
        "Worker",
        "From",
        "To",
        "Try again",
        "Looked up (choose several to compare)",
        "Clear",
        "File name",
        "Save as Parquet",
    ]
