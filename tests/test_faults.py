"""Servers that misbehave, and fetches that lose nothing."""

from __future__ import annotations

import itertools
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from http.client import HTTPConnection
from types import SimpleNamespace
from urllib.parse import quote, urlsplit

import pandas as pd
import pytest

from handinger_analytics import Client, RateLimitError, Sandbox, fetch
from handinger_analytics.api.client import requester_of
from handinger_analytics.sandbox import Faults
from tests.samples import body_a, encoded, task_b
from tests.scripted import Reply, task_asked_for

TASKS = 2000
OFTEN = [kind for kind in Faults.ALL if kind not in ("429-date", "429-bare", "duplicate-log-pages")]
KINDS = (*OFTEN * 20, "429-date", "429-bare")
"""Every kind of fault; the two that stop everybody for up to a second are drawn less often."""


def assert_same_rows(result, clean):
    """Compare every value of every row, but for when it was fetched."""
    for rows, expected in ((result.tasks, clean.tasks), (result.turns, clean.turns)):
        assert rows["fetched_at"].notna().all()
        rows, expected = rows.drop(columns="fetched_at"), expected.drop(columns="fetched_at")
        pd.testing.assert_frame_equal(rows, expected, check_flags=False)


def clean_run(task_ids, generation, seed, tasks=TASKS):
    """Fetch everything from a server that behaves."""
    with Sandbox(tasks=tasks, seed=seed, generation=generation) as sandbox, sandbox.client() as client:
        return fetch(task_ids, client=client, on_error="raise")


@pytest.mark.slow
def test_a_quarter_of_all_requests_failing_loses_nothing():
    """Two thousand tasks of each generation, side by side, every fault there is: as from a clean server."""
    faults = Faults(rate=0.25, kinds=KINDS, retry_after=0.005, slow=0.005)
    with (
        Sandbox(tasks=TASKS, seed=1, generation="A", faults=faults) as a,
        Sandbox(tasks=TASKS, seed=2, generation="B", faults=faults) as b,
        a.client(max_connections=48) as client_a,
        b.client(max_connections=48) as client_b,
        ThreadPoolExecutor(2) as pool,
    ):
        runs = [
            pool.submit(fetch, one.task_ids, client=client) for one, client in ((a, client_a), (b, client_b))
        ]
        results = [run.result() for run in runs]
        sandboxes = [(a, "A", 1), (b, "B", 2)]
        stats = [a.stats, b.stats]
        ids = [a.task_ids, b.task_ids]
    for result, (_, generation, seed), counted, task_ids in zip(results, sandboxes, stats, ids, strict=True):
        assert set(counted.by_fault) == set(KINDS), "every kind of fault was met"
        share = sum(counted.by_fault.values()) / counted.requests
        assert 0.2 < share < 0.3
        assert result.complete
        assert result.failures.empty
        assert result.tasks["task_id"].tolist() == task_ids
        assert not result.turns["turn_id"].duplicated().any()
        assert counted.distinct_tasks == TASKS
        assert_same_rows(result, clean_run(task_ids, generation, seed))


def truth_of(generation, seed):
    """Read every task of a server that behaves, with nothing but the standard library."""
    credits_of_tasks, credits_of_turns = {}, {}
    with Sandbox(tasks=TASKS, seed=seed, generation=generation) as sandbox:
        connection = HTTPConnection(urlsplit(sandbox.url).netloc)
        headers = {"Authorization": f"Bearer {sandbox.api_key}"}

        def body_of(path):
            connection.request("GET", path, headers=headers)
            return json.loads(connection.getresponse().read())

        for task_id in sandbox.task_ids:
            path = f"/api/tasks/{quote(task_id, safe='')}"
            body = body_of(path)
            turns = body["turns"] if generation == "A" else body_of(f"{path}/turns")["items"]
            credits_of_tasks[task_id] = body["task"]["totals"]["credits"]
            credits_of_turns |= {(task_id, turn["id"]): turn["credits"] for turn in turns}
        connection.close()
    return credits_of_tasks, credits_of_turns


@pytest.mark.slow
def test_a_quarter_of_all_answers_bad_in_twenty_ways_loses_doubles_and_mixes_nothing(generation):
    """Every id is a row that is right or a failure, and asking again for the failures completes the rows."""
    quick = [kind for kind in (*OFTEN, *Faults.HARD) if kind != "drip"]
    kinds = [*quick * 4, "drip"]  # each drip takes as long as an answer may take
    faults = Faults(rate=0.25, kinds=kinds, retry_after=0.005, slow=0.01, size=2**23)
    bounds = {"max_answer_seconds": 1, "max_answer_bytes": 2**22}
    credits_of_tasks, credits_of_turns = truth_of(generation, seed=1)
    with (
        Sandbox(tasks=TASKS, seed=1, generation=generation, faults=faults) as sandbox,
        sandbox.client(max_connections=48, **bounds) as client,
    ):
        task_ids = sandbox.task_ids
        result = fetch(task_ids, client=client, on_error="collect")
        stats = sandbox.stats
        assert len(set(kinds)) >= 20
        assert set(stats.by_fault) == set(kinds), "every kind of fault was met"
        assert 0.2 < sum(stats.by_fault.values()) / stats.requests < 0.3
        assert len(result.failures) > 50
        for _ in range(12):
            rows, failed = result.tasks["task_id"].tolist(), result.failures["task_id"].tolist()
            assert {*rows, *failed} == set(task_ids), "0 lost"
            assert len(rows) == len(set(rows)), "0 doubled"
            assert len(failed) == len(set(failed))
            turns = result.turns.set_index(["task_id", "turn_id"])["credits"].to_dict()
            assert len(turns) == len(result.turns)
            assert turns.items() <= credits_of_turns.items(), "0 foreign"
            assert dict(zip(rows, result.tasks["credits"], strict=True)).items() <= credits_of_tasks.items()
            whole = set(rows) - set(failed)
            assert turns.keys() >= {key for key in credits_of_turns if key[0] in whole}, "0 lost"
            if result.complete:
                break
            result = result.retry_failed()
    assert result.complete
    assert result.tasks["task_id"].tolist() == task_ids
    assert_same_rows(result, clean_run(task_ids, generation, seed=1))


@pytest.mark.slow
def test_two_fetches_over_one_client_survive_the_same_faults(generation):
    """They share the gate and the connections, and nothing else."""
    faults = Faults(rate=0.25, kinds=OFTEN, retry_after=0.005, slow=0.005, seed=3, max_in_a_row=2)
    with Sandbox(tasks=200, generation=generation, faults=faults) as sandbox, sandbox.client() as client:
        with ThreadPoolExecutor(2) as pool:
            halves = [
                pool.submit(fetch, part, client=client)
                for part in (sandbox.task_ids[:100], sandbox.task_ids[100:])
            ]
            results = [half.result() for half in halves]
        whole = fetch(sandbox.task_ids, client=client)
    assert [result.complete for result in results] == [True, True]
    turns = pd.concat([result.turns for result in results], ignore_index=True)
    assert turns["turn_id"].tolist() == whole.turns["turn_id"].tolist()
    assert turns["credits"].sum() == whole.turns["credits"].sum()


@pytest.mark.slow
def test_rate_limit_is_used_and_respected():
    """No id is lost, nine tenths of what is allowed are used, and hardly any request is refused."""
    tasks, rate = 1000, 80  # so few a second that a machine with other work keeps up
    with Sandbox(tasks=tasks, seed=5, rate_limit=rate) as sandbox, sandbox.client() as client:
        started = time.monotonic()
        result = fetch(sandbox.task_ids, client=client, on_error="raise")
        seconds = time.monotonic() - started
        stats = sandbox.stats
    assert result.tasks["task_id"].tolist() == sandbox.task_ids
    assert result.complete
    assert stats.by_status[200] == tasks
    refused = stats.by_status[429]
    allowed = rate + rate * seconds  # the bucket is full at the start
    assert refused <= 0.05 * stats.requests, f"{refused} of {stats.requests} were refused"
    assert stats.by_status[200] >= 0.9 * allowed, f"{stats.by_status[200]} of {allowed:.0f} allowed"


def test_a_third_of_all_requests_failing_loses_nothing():
    """Thirty tasks, and every fault that does not hold everybody back: a quick look at the whole."""
    kinds = [kind for kind in OFTEN if not kind.startswith("429")]
    faults = Faults(rate=0.33, kinds=kinds, retry_after=0.005, slow=0.005, max_in_a_row=1)
    with Sandbox(tasks=30, seed=1, generation="B", faults=faults) as sandbox, sandbox.client() as client:
        result = fetch(sandbox.task_ids, client=client, on_error="raise")
        assert sum(sandbox.stats.by_fault.values()) > 10
    assert_same_rows(result, clean_run(sandbox.task_ids, "B", 1, tasks=30))


@pytest.mark.slow
@pytest.mark.parametrize("kind", Faults.ALL[:-1])
def test_each_fault_alone_loses_nothing(kind):
    """Every second request, of tasks and of turns, goes wrong in one way, up to twice in a row."""
    faults = Faults(rate=0.5, kinds=kind, retry_after=0.01, slow=0.01, max_in_a_row=2)
    count = 12 if kind in OFTEN else 4
    with Sandbox(tasks=count, generation="B", faults=faults) as sandbox, sandbox.client() as client:
        result = fetch(sandbox.task_ids, client=client, on_error="raise")
        assert sandbox.stats.by_fault[kind] > 0
    assert result.complete
    assert len(result.tasks) == count


@pytest.mark.parametrize("kind", [*Faults.HARD[:-1], pytest.param(Faults.HARD[-1], marks=pytest.mark.slow)])
def test_each_hard_fault_costs_at_most_the_id_it_meets(generation, kind):
    """Twelve ids, one of them answered badly every time: eleven rows as ever, on the same connections."""
    names = Sandbox(tasks=12, seed=1).task_ids
    faults = Faults(0, always={names[5]: kind}, slow=0.05, size=2**23)
    bounds = {"max_attempts": 2, "max_answer_seconds": 1, "max_answer_bytes": 2**22}
    with Sandbox(tasks=12, seed=1, generation=generation, faults=faults) as sandbox:
        with sandbox.client(max_connections=2, **bounds) as client:
            result = fetch(names, client=client, on_error="collect")
    clean = clean_run(names, generation, seed=1, tasks=12)
    lost = [] if kind == "early-hints" else [names[5]]
    assert result.failures["task_id"].tolist() == lost
    assert_same_rows(only(result, lost), only(clean, lost))


def only(result, without):
    """Return the rows of a result that are not of some tasks."""
    kept = [
        frame[~frame["task_id"].isin(without)].reset_index(drop=True)
        for frame in (result.tasks, result.turns)
    ]
    return SimpleNamespace(tasks=kept[0], turns=kept[1])


@pytest.mark.parametrize(
    ("headers", "pause"),
    [
        pytest.param({"retry-after-ms": "500"}, 0.5, id="milliseconds"),
        pytest.param({"Retry-After": "1"}, 1, id="seconds", marks=pytest.mark.slow),
        pytest.param(
            {"Retry-After": formatdate(1e9 + 1, usegmt=True), "Date": formatdate(1e9, usegmt=True)},
            1,
            id="date",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_one_429_holds_every_thread(serve, headers, pause):
    """While the server asks for a pause it is asked nothing, by no thread."""
    refused = Reply(encoded({"error": "Slow down"}), 429, headers)
    server = serve(*[task_asked_for] * 5, refused, task_asked_for)
    with server.client(max_connections=4) as client:
        result = fetch([f"t{n}" for n in range(39)], client=client, on_error="raise")
    assert result.complete
    gaps = [after - before for before, after in itertools.pairwise(server.moments)]
    assert sum(gap > 0.9 * pause for gap in gaps) == 1
    assert len(gaps) == 39


def test_429_that_is_not_to_be_retried_holds_the_others_too(serve):
    """``x-should-retry: false`` is about this request; the limit is about all."""
    server = serve(Reply(b"", 429, {"Retry-After": "30", "x-should-retry": "false"}))
    with server.client() as client:
        with pytest.raises(RateLimitError):
            client.retrieve_task("t1")
        assert requester_of(client).gate.closed_for > 25


def test_limit_beyond_max_wait_makes_failures_that_say_so(serve):
    """An hour's wait is refused at once for every id, with seconds and setting; nobody keeps asking."""
    server = serve(Reply(encoded({"error": "Quota used up"}), 429, {"Retry-After": "3600"}))
    with server.client(max_wait=5) as client:
        result = fetch([f"t{n}" for n in range(50)], client=client, on_error="collect")
    assert len(server.paths) <= 16
    assert result.failures["error"].unique().tolist() == ["RateLimitError"]
    assert len(result.failures) == 50
    assert result.failures["message"].str.contains("more than is left of max_wait=5").all()
    assert result.failures["message"].str.contains("larger max_wait").all()
    sent = result.failures["attempts"].sum()
    assert sent == len(server.paths), "attempts count what was sent"


@pytest.mark.parametrize(("tasks", "attempts"), [(1, 2), pytest.param(4, 3, marks=pytest.mark.slow)])
def test_server_that_always_says_429_is_given_up(tasks, attempts):
    """Each id is asked ``max_attempts`` times at most, then becomes a failure."""
    names = Sandbox(tasks=tasks).task_ids
    faults = Faults(rate=0, always=dict.fromkeys(names, "429-seconds"), retry_after=0.01)
    with Sandbox(tasks=tasks, faults=faults) as sandbox, sandbox.client(max_attempts=attempts) as client:
        result = fetch(names, client=client, on_error="collect")
        assert sandbox.stats.requests == tasks * attempts
    assert result.failures["attempts"].tolist() == [attempts] * tasks
    assert result.failures["http_status"].tolist() == [429] * tasks
    assert result.failures["message"].str.contains(rf"rate limited .*after {attempts} attempts").all()


@pytest.mark.slow
def test_one_bad_id_is_not_asked_more_than_allowed(generation):
    """One layer of retries: six attempts are six requests."""
    names = Sandbox(tasks=5).task_ids
    with Sandbox(
        tasks=5, generation=generation, faults=Faults(rate=0, always={names[2]: "429-ms"}, retry_after=0.001)
    ) as sandbox:
        with sandbox.client() as client:
            result = fetch(names, client=client, on_error="collect")
        good = 4 if generation == "A" else 8
        assert sandbox.stats.requests == good + 6
    assert result.failures["attempts"].tolist() == [6]


@pytest.mark.slow
def test_failed_ids_of_a_bad_hour_are_healed_by_a_retry(generation):
    """With too few attempts many ids fail; asking again for those only completes the result."""
    faults = Faults(rate=0.4, kinds=("500", "502", "truncated-json"), seed=4)
    with (
        Sandbox(tasks=100, generation=generation, faults=faults) as sandbox,
        sandbox.client(max_attempts=1) as client,
    ):
        result = fetch(sandbox.task_ids, client=client, on_error="collect")
        assert len(result.failures) > 20
        for _ in range(20):
            result = result.retry_failed()
        assert result.complete
        assert result.tasks["task_id"].tolist() == sandbox.task_ids
    with Sandbox(tasks=100, generation=generation) as clean, clean.client() as client:
        assert_same_rows(result, fetch(clean.task_ids, client=client))


@pytest.mark.slow
def test_server_that_cannot_be_reached_does_not_cost_an_hour():
    """When none of the first ids got any answer, the rest become failures at once, and can be retried."""
    with Sandbox(tasks=200) as sandbox:
        names = sandbox.task_ids
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{unused.getsockname()[1]}"
            with Client("hdg_live_x", base_url=url, max_attempts=2, max_connections=4) as client:
                result = fetch(names, client=client, on_error="collect")
        assert result.failures["task_id"].tolist() == names
        assert result.failures["error"].unique().tolist() == ["APIConnectionError"]
        assert result.failures["attempts"].sum() < 30
        assert (
            result.failures["message"].str.contains("skipped, since the server answered no request").sum()
            > 180
        )
        with sandbox.client() as client:
            assert result.retry_failed(client=client).complete


def test_one_task_for_three_ids_counts_once(serve):
    """A server that mixes answers up does not double the spend: the other ids are failures."""
    with serve(Reply(body_a("x"))).client() as client:
        result = fetch(["x", "y", "z"], client=client, on_error="collect")
    assert result.tasks["task_id"].tolist() == ["x"]
    assert result.failures["task_id"].tolist() == ["y", "z"]
    assert result.failures["message"].str.contains("task '[yz]': the answer is about task 'x'").all()
    assert not result.complete


def test_task_that_is_gone_when_its_turns_are_asked_for_again_is_counted_once(serve):
    """Its row stays, its failure is the newer one, and nothing else is said to be missing."""
    gone = Reply(encoded({"error": "gone"}), 404)
    with serve(Reply(task_b("t1")), gone).client() as client:
        result = fetch(["t1"], client=client, on_error="collect").retry_failed()
    assert len(result.tasks) == 1
    assert result.failures["stage"].tolist() == ["task"]
    assert "complete: NO: 1 NotFoundError; see .failures" in repr(result)


def test_connection_that_breaks_later_is_tried_for_every_id():
    """Once anything was answered, no id is given up without having been asked for."""
    names = Sandbox(tasks=60).task_ids
    always = dict.fromkeys(names[1:], "reset-before-body")
    with Sandbox(tasks=60, faults=Faults(rate=0, always=always)) as sandbox:
        with sandbox.client(max_attempts=1, max_connections=1) as client:
            result = fetch(names, client=client, on_error="collect")
    assert result.failures["attempts"].tolist() == [1] * 59
