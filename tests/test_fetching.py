"""Many ids in, frames and failures out."""

from __future__ import annotations

import asyncio
import io
import json
import re
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote
from urllib.request import Request, urlopen

import pandas as pd
import pytest

from handinger_analytics import (
    ArgumentError,
    AuthenticationError,
    IncompleteFetchError,
    PartialDataWarning,
    Sandbox,
    fetch,
    fetch_tasks,
    fetch_turns,
)
from handinger_analytics.fetching.pool import gather
from handinger_analytics.fetching.result import fetched_of
from handinger_analytics.sandbox import Faults
from tests.samples import body_a
from tests.scripted import Reply

FAST = {"max_attempts": 1}


def body_of(sandbox, path):
    """Read a body with nothing but the standard library."""
    request = Request(f"{sandbox.url}{path}", headers={"Authorization": f"Bearer {sandbox.api_key}"})  # noqa: S310
    with urlopen(request) as answer:  # noqa: S310 - the sandbox, on this machine
        return answer.read()


def rows_by_hand(sandbox, task_ids):
    """Return the rows of tasks and turns as a plain reading of the documentation gives them."""
    tasks, turns = [], []
    for task_id in task_ids:
        body = json.loads(body_of(sandbox, f"/api/tasks/{quote(task_id, safe='')}"))
        task = body["task"]
        items = body.get("turns")
        if items is None:
            items = json.loads(body_of(sandbox, f"/api/tasks/{quote(task_id, safe='')}/turns"))["items"]
        context = {
            "worker_id": task["workerId"],
            "organization_id": task["organizationId"],
            "created_by_user_id": task["createdByUserId"],
            "triggered_by": task["triggeredBy"],
        }
        tasks.append(
            {
                "task_id": task["id"],
                "title": task["title"],
                "status": task["status"],
                "created_at": time_of(task["createdAt"]),
                "completed_at": time_of(task["completedAt"]),
                "duration_ms": task["totals"]["durationMs"],
                "credits": task["totals"]["credits"],
                "turn_count": task["totals"]["turnCount"],
                "url": task["url"],
                "extra": None,
                **context,
            }
        )
        turns += [
            {
                "turn_id": turn["id"],
                "task_id": turn["taskId"],
                "seq": turn["seq"],
                "role": turn["role"],
                "status": turn["status"],
                "started_at": time_of(turn["startedAt"]),
                "completed_at": time_of(turn["completedAt"]),
                "duration_ms": turn["durationMs"],
                "credits": turn["credits"],
                "input_tokens": turn["inputTokens"],
                "output_tokens": turn["outputTokens"],
                "input": turn["input"],
                "output_text": turn["outputText"],
                "structured_output": turn["structuredOutput"],
                "files": [
                    {
                        "filename": file["filename"],
                        "media_type": file["mediaType"],
                        "url": file["url"],
                        "size": file.get("size"),
                    }
                    for file in turn.get("files", [])
                ],
                "task_title": task["title"],
                "extra": None,
                **context,
            }
            for turn in items
        ]
    return tasks, turns


def time_of(text):
    """Return a time of the wire."""
    return None if text is None else pd.Timestamp(text)


def plain(frame):
    """Return the rows of a frame as dicts, with None for what is missing, without the time of the fetch."""
    rows = frame.drop(columns="fetched_at").to_dict("records")
    for row in rows:
        for name, value in row.items():
            if pd.isna(value):
                row[name] = None
        if "files" in row:
            row["files"] = json.loads(row["files"])
        if row.get("structured_output") is not None:
            row["structured_output"] = json.loads(row["structured_output"])
    return rows


def assert_same(result, other):
    """Compare the frames of two fetches, but for the time of each."""
    for left, right in ((result.tasks, other.tasks), (result.turns, other.turns)):
        left, right = left.drop(columns="fetched_at"), right.drop(columns="fetched_at")
        pd.testing.assert_frame_equal(left, right, check_flags=False)


@pytest.fixture(scope="module")
def expected(sandbox):
    """Read everything once, by hand."""
    return rows_by_hand(sandbox, sandbox.task_ids)


@pytest.mark.parametrize("backend", ["numpy", "pyarrow"])
def test_frames_are_what_the_server_sent(sandbox, client, expected, backend):
    """Every value of every column of every row, in either generation."""
    result = fetch(sandbox.task_ids, client=client, dtype_backend=backend)
    assert plain(result.tasks) == expected[0]
    assert plain(result.turns) == expected[1]
    assert result.complete
    assert result.failures.empty


def test_files_come_with_the_task_or_with_the_turns():
    """The last step of generation A gives the rows of generation B, in one request a task."""
    frames = []
    for generation in ("A+files", "B"):
        with Sandbox(tasks=40, generation=generation) as sandbox, sandbox.client() as client:
            frames.append(fetch(sandbox.task_ids, client=client).turns.drop(columns="fetched_at"))
            requests = sandbox.stats.by_route
        assert (requests["task"], requests.get("turns", 0)) == (40, 40 if generation == "B" else 0)
    pd.testing.assert_frame_equal(*frames, check_flags=False)
    assert (frames[0]["files"] != "[]").any()


def test_structured_output_is_the_text_that_was_sent(sandbox, client, generation):
    """Byte for byte, as it stands in the body."""
    turns = fetch_turns(sandbox.task_ids, client=client).dropna(subset="structured_output")
    assert len(turns) > 10
    for task_id, rows in turns.groupby("task_id"):
        path = f"/api/tasks/{quote(task_id, safe='')}" + ("/turns" if generation == "B" else "")
        body = body_of(sandbox, path)
        for text in rows["structured_output"]:
            assert f'"structuredOutput":{text}'.encode() in body


def test_order_is_the_callers_and_repeats_are_fetched_once(sandbox, client):
    """Ids, repeats and links in any mixture; each task is asked for once."""
    a, b, c = sandbox.task_ids[5], sandbox.task_ids[3], sandbox.task_ids[9]
    before = sandbox.stats.by_route["task"] if sandbox.stats.by_route else 0
    link = f"https://v3.handinger.com/worker/wrk_x/task/{quote(b, safe='')}"
    result = fetch(pd.Series([a, link, c, a, b]), client=client)
    assert result.tasks["task_id"].tolist() == [a, b, c]
    assert result.turns["task_id"].drop_duplicates().tolist() == [a, b, c]
    assert fetched_of(result).task_ids == (a, b, c)
    assert sandbox.stats.by_route["task"] - before == 3


def test_shortcuts_give_one_frame(sandbox, client, expected, generation):
    """`fetch_tasks` asks for nothing it does not show."""
    ids = sandbox.task_ids[:20]
    assert plain(fetch_turns(ids, client=client)) == plain(fetch(ids, client=client).turns)
    before = sandbox.stats.requests
    tasks = fetch_tasks(ids, client=client)
    assert sandbox.stats.requests - before == 20
    assert plain(tasks) == expected[0][:20]


@pytest.mark.parametrize("backend", ["numpy", "pyarrow"])
def test_no_ids_give_frames_without_rows(sandbox, client, backend):
    """Same columns and dtypes as a full one, and complete."""
    empty = fetch([], client=client, dtype_backend=backend)
    full = fetch(sandbox.task_ids[:5], client=client, dtype_backend=backend)
    for name in ("tasks", "turns", "failures"):
        assert len(getattr(empty, name)) == 0
        pd.testing.assert_series_equal(getattr(empty, name).dtypes, getattr(full, name).dtypes)
    assert empty.complete


def test_client_comes_from_the_environment_and_is_closed(sandbox, monkeypatch):
    """The two variables are enough; no connection is left open."""
    monkeypatch.setenv("HANDINGER_API_KEY", sandbox.api_key)
    monkeypatch.setenv("HANDINGER_BASE_URL", sandbox.url)
    assert len(fetch_tasks(sandbox.task_ids[0])) == 1


def test_connections_are_bounded_and_kept(generation):
    """Never more than asked for, and not one for each request."""
    with Sandbox(tasks=100, generation=generation, latency=0.005) as sandbox:
        with sandbox.client(max_connections=5) as client:
            fetch(sandbox.task_ids, client=client)
        assert sandbox.stats.max_open_connections <= 5
        assert sandbox.stats.connections <= 5
        assert sandbox.stats.requests >= 100


def failing(always, generation="A", **options):
    """Return a sandbox in which some ids fail for good."""
    return Sandbox(tasks=30, seed=7, generation=generation, faults=Faults(rate=0, always=always, **options))


@pytest.fixture(scope="module")
def names():
    """Ids that every sandbox of this size and seed has."""
    return Sandbox(tasks=30, seed=7).task_ids


@pytest.fixture
def trouble(names, generation):
    """Run a sandbox in which four ids fail, each in its own way."""
    always = {names[3]: "500", names[7]: "404", names[8]: "html-200", names[20]: "reset-before-body"}
    with failing(always, generation) as sandbox:
        yield sandbox


def test_failures_are_rows(trouble, names):
    """One row per failed id in the caller's order, with what is needed to act on it."""
    with trouble.client(**FAST) as client:
        result = fetch([*reversed(names), "tsk_nope"], client=client, on_error="collect")
    rows = result.failures.to_dict("records")
    assert [row["task_id"] for row in rows] == [names[20], names[8], names[7], names[3], "tsk_nope"]
    assert [row["error"] for row in rows] == [
        "APIConnectionError",
        "APIResponseValidationError",
        "NotFoundError",
        "InternalServerError",
        "NotFoundError",
    ]
    assert result.failures["http_status"].tolist() == [pd.NA, 200, 404, 500, 404]
    assert {row["stage"] for row in rows} == {"task"}
    assert {row["attempts"] for row in rows} == {1}
    for row in rows:
        assert repr(row["task_id"]) in row["message"]
    assert "We will be right back" in rows[1]["message"]
    good = [task_id for task_id in reversed(names) if task_id not in result.failures["task_id"].tolist()]
    assert result.tasks["task_id"].tolist() == good
    assert not result.complete


def test_attrs_say_what_is_missing(trouble, names):
    """The same plain dict on every frame, so that it survives saving and copying."""
    with trouble.client(**FAST) as client:
        result = fetch(names, client=client, on_error="collect")
        whole = fetch(names[:3], client=client)
    attrs = result.turns.attrs["handinger"]
    fetched_at = attrs.pop("fetched_at")
    assert attrs == {"schema": 2, "requested": 30, "failed": 4, "complete": False}
    assert pd.Timestamp(fetched_at).utcoffset() == pd.Timedelta(0)
    assert abs(pd.Timestamp(fetched_at) - pd.Timestamp.now("UTC")) < pd.Timedelta(minutes=5)
    for frame in (result.tasks, result.failures):
        assert frame.attrs["handinger"] == {**attrs, "fetched_at": fetched_at}
    assert json.loads(json.dumps(result.tasks.attrs)) == result.tasks.attrs
    assert {**whole.tasks.attrs["handinger"], "fetched_at": ""} == {
        "schema": 2,
        "requested": 3,
        "failed": 0,
        "complete": True,
        "fetched_at": "",
    }


@pytest.mark.parametrize("function", [fetch, fetch_tasks, fetch_turns])
def test_failures_warn_by_default_where_the_user_stands(trouble, names, function):
    """The count, the first cause and the way to the rest; at the user's own line."""
    with trouble.client(**FAST) as client:
        pattern = (
            r"^4 of 30 tasks not fetched, the first with InternalServerError: "
            r".*\.failures.*retry_failed"
        )
        with pytest.warns(PartialDataWarning, match=pattern) as caught:
            function(names, client=client)
    assert [warning.filename for warning in caught] == [__file__]


@pytest.mark.parametrize("function", [fetch, fetch_tasks, fetch_turns])
def test_failures_raise_at_the_end_when_asked(trouble, names, function):
    """The error carries what could be fetched."""
    with trouble.client(**FAST) as client:
        with pytest.raises(IncompleteFetchError, match=r"^4 of 30 tasks not fetched") as caught:
            function(names, client=client, on_error="raise")
    assert len(caught.value.result.tasks) == 26
    assert len(caught.value.result.failures) == 4


def test_failures_are_collected_silently_when_asked(trouble, names):
    """No warning at all."""
    with trouble.client(**FAST) as client, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fetch(names, client=client, on_error="collect")
    assert caught == []


def test_unknown_on_error_is_refused_before_anything_is_sent(sandbox, client):
    """The error names the three words."""
    before = sandbox.stats.requests
    with pytest.raises(ArgumentError, match="expected 'warn', 'raise' or 'collect', found 'ignore'"):
        fetch(sandbox.task_ids, client=client, on_error="ignore")
    assert sandbox.stats.requests == before


def test_unknown_backend_is_refused_before_anything_is_sent(sandbox, client):
    """A typing error does not cost a fetch of ten thousand tasks."""
    before = sandbox.stats.requests
    with pytest.raises(ValueError, match=r"^dtype_backend: expected 'numpy' or 'pyarrow', found 'polars'"):
        fetch(sandbox.task_ids[:3], client=client, dtype_backend="polars").tasks  # noqa: B018
    assert sandbox.stats.requests == before


def test_task_stays_when_only_its_turns_failed(names):
    """In generation B the task's own row is kept, and the stage says what is missing."""
    with failing({f"/api/tasks/{quote(names[4], safe='')}/turns": "500"}, "B") as sandbox:
        with sandbox.client(**FAST) as client:
            result = fetch(names, client=client, on_error="collect")
    assert result.tasks["task_id"].tolist() == names
    assert names[4] not in set(result.turns["task_id"])
    (row,) = result.failures.to_dict("records")
    assert (row["task_id"], row["stage"], row["http_status"]) == (names[4], "turns", 500)
    assert row["message"].startswith(f"turns of task {names[4]!r}")
    assert not result.complete
    assert result.tasks.attrs["handinger"]["failed"] == 1


def test_retry_fetches_only_what_is_missing(trouble, names, generation):
    """The result is the whole of a clean fetch, in the caller's order."""
    order = [*names[10:], *names[:10]]
    with trouble.client(**FAST) as client:
        first = fetch(order, client=client, on_error="collect")
    with Sandbox(tasks=30, seed=7, generation=generation) as clean, clean.client() as client:
        healed = first.retry_failed(client=client)
        assert clean.stats.by_route["task"] == 4
        whole = fetch(order, client=client)
    assert healed.complete
    assert healed.failures.empty
    assert_same(healed, whole)
    assert healed.tasks.attrs["handinger"]["complete"]
    assert len(first.failures) == 4, "the first result stays as it was"


def test_retry_uses_the_first_client_and_keeps_what_fails_again(trouble, names):
    """Still failing ids stay failures; nothing else changes."""
    with trouble.client(**FAST) as client:
        first = fetch(names, client=client, on_error="collect")
        before = trouble.stats.by_route["task"]
        second = first.retry_failed()
        assert trouble.stats.by_route["task"] - before == 4
    pd.testing.assert_frame_equal(first.failures, second.failures, check_flags=False)
    pd.testing.assert_frame_equal(first.turns, second.turns, check_flags=False)


def test_retry_of_a_complete_result_asks_nothing(sandbox, client):
    """There is nothing to do."""
    result = fetch(sandbox.task_ids[:5], client=client)
    before = sandbox.stats.requests
    again = result.retry_failed()
    assert sandbox.stats.requests == before
    pd.testing.assert_frame_equal(again.turns, result.turns, check_flags=False)


def turnless(names):
    """Return a result whose tasks 4 and 5 lack their turns."""
    always = {f"/api/tasks/{quote(name, safe='')}/turns": "500" for name in names[4:6]}
    with failing(always, "B") as sandbox, sandbox.client(**FAST) as client:
        return fetch(names, client=client, on_error="collect")


def test_retry_heals_missing_turns(names):
    """The task is there once, with its turns in their place."""
    first = turnless(names)
    with Sandbox(tasks=30, seed=7, generation="B") as clean, clean.client() as client:
        healed = first.retry_failed(client=client)
        whole = fetch(names, client=client)
    assert_same(healed, whole)


def test_retry_that_fails_earlier_does_not_lose_the_task(names):
    """What the first fetch brought is not thrown away by a worse second one."""
    first = turnless(names)
    with failing({names[4]: "500"}, "B") as worse, worse.client(**FAST) as client:
        second = first.retry_failed(client=client)
    assert second.tasks["task_id"].tolist() == names
    assert second.failures["task_id"].tolist() == [names[4]]


def test_retry_with_a_refused_key_does_not_lose_the_tasks(names):
    """The error's result has at least what was there before."""
    first = turnless(names)
    with Sandbox(tasks=30, seed=7, generation="B") as clean, clean.client(api_key="hdg_live_wrong") as client:
        with pytest.raises(AuthenticationError) as caught:
            first.retry_failed(client=client)
    assert caught.value.result.tasks["task_id"].tolist() == names
    assert not caught.value.result.complete


def test_refused_key_stops_at_once_and_keeps_what_is_there(names, generation):
    """A 401 in the middle: the rows before it are on the error, nothing is asked after it."""
    with failing({names[10]: "401"}, generation) as sandbox, sandbox.client(max_connections=1) as client:
        with pytest.raises(AuthenticationError, match=re.escape(repr(names[10]))) as caught:
            fetch(names, client=client, on_error="collect")
        assert sandbox.stats.by_route["task"] == 11
    result = caught.value.result
    assert result.tasks["task_id"].tolist() == names[:10]
    assert not result.complete
    assert caught.value.http_status == 401


def test_one_odd_answer_costs_one_id(serve):
    """Whatever a server puts into one answer, the others are not lost with it."""
    replies = [Reply(body_a(f"t{n}")) for n in range(5)]
    replies[2] = Reply(b"[" * 100_000, 404)
    with serve(*replies).client(max_connections=1) as client:
        result = fetch([f"t{n}" for n in range(5)], client=client, on_error="collect")
    assert result.tasks["task_id"].tolist() == ["t0", "t1", "t3", "t4"]
    assert result.failures["task_id"].tolist() == ["t2"]


@pytest.mark.slow
def test_cancel_returns_what_is_there(generation):
    """Setting the event ends the fetch soon, without an error; the rest can be fetched later."""
    cancel = threading.Event()
    with (
        Sandbox(tasks=80, generation=generation, latency=0.02) as sandbox,
        sandbox.client(max_connections=4) as client,
    ):
        with ThreadPoolExecutor() as pool:
            future = pool.submit(fetch, sandbox.task_ids, client=client, cancel=cancel, on_error="raise")
            while sandbox.stats.served < 20:
                assert not future.done()
            cancel.set()
            result = future.result(timeout=30)
        assert 15 <= len(result.tasks) < 80
        assert not result.complete
        assert result.failures.empty
        assert "not fetched" in repr(result)
        whole = result.retry_failed()
        assert whole.complete
        assert whole.tasks["task_id"].tolist() == sandbox.task_ids
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("handinger-fetch")]


def test_works_inside_a_running_event_loop(sandbox, client):
    """As in a notebook, whose own loop is running."""

    async def cell():
        return fetch(sandbox.task_ids[:10], client=client)

    assert asyncio.run(cell()).tasks["task_id"].tolist() == sandbox.task_ids[:10]


def test_two_fetches_at_once_do_not_mix(generation):
    """Two sandboxes, two clients, two sets of rows; and two fetches over one client."""
    with (
        Sandbox(tasks=80, seed=1, generation=generation) as one,
        Sandbox(tasks=80, seed=2, generation="A") as two,
    ):
        with one.client() as first, two.client() as second, ThreadPoolExecutor(3) as pool:
            runs = [
                pool.submit(fetch, one.task_ids, client=first),
                pool.submit(fetch, two.task_ids, client=second),
                pool.submit(fetch, one.task_ids[::-1], client=first),
            ]
            results = [run.result() for run in runs]
        assert [result.complete for result in results] == [True] * 3
        assert results[0].tasks["task_id"].tolist() == one.task_ids
        assert results[1].tasks["task_id"].tolist() == two.task_ids
        assert results[2].tasks["task_id"].tolist() == one.task_ids[::-1]
        assert results[0].turns["credits"].sum() == results[2].turns["credits"].sum()


class Terminal(io.StringIO):
    """A stderr at which a person looks."""

    def isatty(self):
        """Say so."""
        return True


@pytest.mark.parametrize("progress", [None, False])
def test_nobody_looking_sees_nothing(sandbox, client, capfd, progress):
    """Neither on stdout nor on stderr."""
    fetch(sandbox.task_ids, client=client, progress=progress)
    assert capfd.readouterr() == ("", "")


def shares(text):
    """Return the percentages a bar went through."""
    return [int(share) for share in re.findall(r"(\d+)%", text)]


def test_bar_goes_to_stderr_and_ends_at_all(sandbox, client, capsys):
    """It never passes 100 %."""
    fetch(sandbox.task_ids, client=client, progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "120/120" in err
    assert max(shares(err)) == 100
    assert "not fetched" not in err


def test_bar_counts_failures_as_done_and_says_so(trouble, names, capsys):
    """A failed id is finished too."""
    with trouble.client(**FAST) as client:
        fetch(names, client=client, progress=True, on_error="collect")
    err = capsys.readouterr().err
    assert "30/30" in err
    assert "4 not fetched" in err
    assert max(shares(err)) == 100


@pytest.mark.slow
def test_bar_says_when_the_server_makes_us_wait(serve, capsys):
    """The pause is shown with its seconds."""
    server = serve(Reply(b"", 429, {"Retry-After": "0.7"}), Reply(body_a("tsk_1")))
    with server.client() as client:
        fetch("tsk_1", client=client, progress=True)
    assert re.search(r"rate limited, 1 s", capsys.readouterr().err)


def test_bar_is_shown_on_a_terminal_by_default(sandbox, client, monkeypatch):
    """A person at a terminal sees it without asking; ``progress=False`` takes it away."""
    for progress, shown in ((None, True), (False, False)):
        terminal = Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        fetch(sandbox.task_ids[:5], client=client, progress=progress)
        assert ("5/5" in terminal.getvalue()) == shown


def test_no_id_is_begun_when_time_is_up():
    """The first ids are rows, those at the end are neither rows nor failures, and no request was sent."""
    with Sandbox(tasks=60, latency=0.05) as slow, slow.client(max_connections=2) as client:
        fetched, error = gather(client, slow.task_ids, show=lambda *_: None, seconds=0.2)
        asked = slow.stats.requests
    assert error is None
    assert 0 < asked < 60
    assert fetched.rows.task_positions.tolist() == list(range(asked))
    assert fetched.failed == {}


def test_program_without_a_stderr_can_fetch(sandbox, client, monkeypatch):
    """A windowed program has none."""
    monkeypatch.setattr(sys, "stderr", None)
    assert fetch(sandbox.task_ids[:5], client=client).complete


def test_result_shows_itself(sandbox, client, expected):
    """Counts, credits, period and completeness, as text and as HTML."""
    tasks, turns = expected
    result = fetch(sandbox.task_ids, client=client)
    text = repr(result)
    assert "tasks: 120 of 120 asked for" in text
    assert f"turns: {len(turns):,}\n" in text
    assert f"credits: {sum(task['credits'] for task in tasks):,}\n" in text
    starts = [turn["started_at"] for turn in turns]
    assert f"period: {min(starts):%Y-%m-%d %H:%M} to {max(starts):%Y-%m-%d %H:%M} UTC" in text
    assert text.endswith("complete: yes")
    assert "120 of 120" in result._repr_html_()


def test_tab_completion_shows_what_a_user_needs(sandbox, client):
    """Three frames, whether they are whole, and a way to ask again."""
    result = fetch(sandbox.task_ids[:2], client=client)
    assert [name for name in dir(result) if not name.startswith("_")] == [
        "complete",
        "failures",
        "retry_failed",
        "tasks",
        "turns",
    ]


def test_result_shows_what_failed(trouble, names):
    """A half-fetched week cannot pass for a cheap one."""
    with trouble.client(**FAST) as client:
        result = fetch(names, client=client, on_error="collect")
    for text in (repr(result), result._repr_html_()):
        assert "26 of 30" in text
        assert "1 NotFoundError" in text
        assert re.search(r"NO:.*retry_failed", text)
