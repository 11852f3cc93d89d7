"""An answer is about what was asked for, and it has an end; whatever else comes costs one id."""

from __future__ import annotations

import gzip
import itertools
import json
import multiprocessing
import time

import pytest
import requests

import handinger_analytics as ha
from handinger_analytics import (
    APIConnectionError,
    APIResponseValidationError,
    APITimeoutError,
    SettingsError,
    fetch,
    fetch_tasks,
)
from handinger_analytics.sandbox import Sandbox
from tests.samples import body_a, encoded, task_b, turns_b
from tests.scripted import RawServer, Reply, asked_id, framed, task_asked_for

OWN_OR_GIVEN = pytest.mark.parametrize("session", [None, requests.Session()], ids=["own", "given"])


def task_of(target):
    """Return the id that a request for a task names."""
    return target.split("/")[3]


def mixed_up(generation, wrong):
    """Return a server's answers in which another task's parts stand: the whole, or the turns alone."""

    def answer(request):
        asked = asked_id(request)
        task_id = "other" if wrong == "task" and asked == "t2" else asked
        turns_of = "other" if asked == "t2" else asked
        if request.target.endswith("/turns"):
            return Reply(turns_b(turns_of))
        if generation == "B":
            return Reply(task_b(task_id))
        body = json.loads(body_a(task_id))
        body["turns"] = json.loads(body_a(turns_of))["turns"]
        return Reply(encoded(body))

    return answer


@OWN_OR_GIVEN
@pytest.mark.parametrize("wrong", ["task", "turns"])
def test_another_tasks_answer_is_no_row(serve, generation, wrong, session):
    """It is a failure that names both tasks; the task stays where only its turns are another's."""
    with serve(mixed_up(generation, wrong)).client(session=session) as client:
        result = fetch(["t1", "t2", "t3"], client=client, on_error="collect")
    assert not result.complete
    assert result.turns["task_id"].tolist() == ["t1", "t3"]
    assert result.tasks["task_id"].tolist() == (["t1", "t3"] if wrong == "task" else ["t1", "t2", "t3"])
    (failure,) = result.failures.to_dict("records")
    assert failure["task_id"] == "t2"
    assert failure["stage"] == wrong
    assert failure["error"] == "APIResponseValidationError"
    assert "task 't2': the answer is about task 'other'" in failure["message"]


@pytest.mark.parametrize("wrong", ["task", "turns"])
def test_another_tasks_answer_is_an_error_for_one_task(serve, generation, wrong):
    """`Client.retrieve_task` does not hand it out."""
    with serve(mixed_up(generation, wrong)).client() as client:
        assert client.retrieve_task("t1").turns[0].task_id == "t1"
        with pytest.raises(APIResponseValidationError, match="task 't2': the answer is about task 'other'"):
            client.retrieve_task("t2")


def test_turns_whose_body_names_another_task_are_refused(serve):
    """The id beside the items counts as well as those in them; it need not be there."""
    no_id = {"items": []}
    another = {"items": [], "taskId": "other"}
    with serve(
        Reply(task_b("t1")), Reply(encoded(no_id)), Reply(task_b("t1")), Reply(encoded(another))
    ).client() as client:
        assert client.retrieve_task("t1").turns == []
        with pytest.raises(
            APIResponseValidationError, match="turns of task 't1': the answer is about task 'other'"
        ):
            client.retrieve_task("t1")


def test_archive_keeps_no_other_tasks_rows(serve, generation, tmp_path):
    """A mixed-up answer is a failed id in the archive, too, which is asked for again."""
    archive = ha.Archive(tmp_path)
    with serve(mixed_up(generation, "task")).client() as client:
        archive.sync(["t1", "t2", "t3"], client=client)
    assert set(archive.turns()["task_id"]) == {"t1", "t3"}
    assert not archive.turns().attrs["handinger"]["complete"]


# Forks


def rows_of(ids):
    """Fetch in a forked process with the client it inherited; return the numbers of rows and strangers."""
    result = fetch(ids, client=INHERITED[0], on_error="collect", progress=False)
    return len(result.tasks), sum(task_id not in ids for task_id in result.tasks["task_id"]), result.complete


def task_read(task_id):
    """Read one task in a forked process."""
    return INHERITED[0].retrieve_task(task_id).task.id


INHERITED: list[ha.Client] = []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_forked_processes_do_not_share_connections(generation):
    """Four processes that inherit a client that was used get what they ask for, all of it, every time."""
    with Sandbox(tasks=1000, generation=generation) as sandbox:
        names = sandbox.task_ids
        with sandbox.client(max_connections=4) as client:
            fetch(names[:40], client=client)
            INHERITED[:] = [client]
            with multiprocessing.get_context("fork").Pool(4) as pool:
                parts = [names[first::4] for first in range(4)]
                for _ in range(20):
                    assert pool.map(rows_of, parts, chunksize=1) == [(250, 0, True)] * 4
                assert pool.map(task_read, names[:200]) == names[:200]
            # The connections of the parent work as before.
            assert fetch(names[:40], client=client).complete


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_forked_processes_with_a_given_session_get_no_other_tasks():
    """Connections of a session of the user's are shared by a fork; what is mixed up then is no row."""
    with Sandbox(tasks=200) as sandbox, requests.Session() as session:
        names = sandbox.task_ids
        with sandbox.client(session=session, max_attempts=2, timeout=5) as client:
            fetch(names[:40], client=client)
            INHERITED[:] = [client]
            with multiprocessing.get_context("fork").Pool(4) as pool:
                for _, strangers, _ in pool.map(
                    rows_of, [names[first::4] for first in range(4)], chunksize=1
                ):
                    assert strangers == 0


# Interim answers and framing


@pytest.mark.parametrize("interim", [[103], [100], [102, 103, 103]])
def test_interim_answers_are_read_over(interim):
    """Each id gets its own answer, however many early hints come before."""

    def answer(send, target):
        send(b"".join(f"HTTP/1.1 {status} Hint\r\nLink: </x>\r\n\r\n".encode() for status in interim))
        send(framed(body_a(task_of(target))))

    with RawServer(answer) as server, server.client(max_connections=1) as client:
        result = fetch(["t1", "t2", "t3", "t4"], client=client)
    assert result.tasks["task_id"].tolist() == ["t1", "t2", "t3", "t4"]
    assert len(server.targets) == 4


def test_interim_answers_that_a_given_session_does_not_know_make_no_rows():
    """Its later answers on that connection are those to the requests before, which shows by their ids."""
    tasks = itertools.count()

    def answer(send, target):
        if next(tasks) == 0:
            send(b"HTTP/1.1 103 Early Hints\r\n\r\n")
            time.sleep(0.05)
        send(framed(body_a(task_of(target))))

    names = [f"t{number}" for number in range(8)]
    with RawServer(answer) as server, requests.Session() as session:
        with server.client(session=session, max_connections=1) as client:
            result = fetch(names, client=client, on_error="collect")
    assert len(result.failures) >= 1
    assert sorted([*result.tasks["task_id"], *result.failures["task_id"]]) == names
    assert (result.turns["task_id"] == result.tasks["task_id"]).all()


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
BROKEN = {
    "chunk of -5": CHUNKED + b"-5\r\nabc\r\n",
    "chunk of 2**64": CHUNKED + b"FFFFFFFFFFFFFFFF\r\nabc",
    "chunk of letters": CHUNKED + b"xyz\r\nabc\r\n",
    "no chunk at all": CHUNKED,
    "length of 10**20": b"HTTP/1.1 200 OK\r\nContent-Length: 100000000000000000000\r\n\r\n{}",
    "length below zero": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{",
    "another protocol": b"SSH-2.0-OpenSSH_9.6\r\n",
    "status of letters": b"HTTP/1.1 abc\r\n\r\n",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "endless header": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000,
    "broken gzip": framed(b"\x1f\x8b broken", "200 OK", "Content-Encoding: gzip", "Connection: close"),
    "half a gzip": framed(
        gzip.compress(body_a("t3"))[:-20], "200 OK", "Content-Encoding: gzip", "Connection: close"
    ),
    "never asked for": framed(b"abc", "200 OK", "Content-Encoding: br", "Connection: close"),
}


@OWN_OR_GIVEN
@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_broken_framing_costs_one_id(broken, session):
    """Whatever is wrong with one answer, the others are rows."""

    def answer(send, target):
        if task_of(target) == "t3":
            send(broken)
            return False
        return send(framed(body_a(task_of(target))))

    names = [f"t{number}" for number in range(6)]
    with RawServer(answer) as server, server.client(max_attempts=1, session=session) as client:
        result = fetch(names, client=client, on_error="collect")
    assert result.tasks["task_id"].tolist() == ["t0", "t1", "t2", "t4", "t5"]
    assert result.failures["task_id"].tolist() == ["t3"]
    assert result.failures["error"].isin(["APIConnectionError", "APIResponseValidationError"]).all()


@OWN_OR_GIVEN
def test_compressed_answers_are_read(session):
    """As proxies send them."""
    zipped = framed(gzip.compress(body_a("t1")), "200 OK", "Content-Encoding: gzip")
    with RawServer(lambda send, _: send(zipped)) as server, server.client(session=session) as client:
        assert client.retrieve_task("t1").task.id == "t1"


# Bounds


def bomb(send, _):
    """Send five megabytes in a few kilobytes."""
    send(framed(gzip.compress(b"0" * 5_000_000), "200 OK", "Content-Encoding: gzip"))


def endless(send, _):
    """Send a body without an end."""
    send(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        send(b"[1, 2, 3, " * 10_000)


def large(send, _):
    """Send two megabytes of numbers."""
    send(framed(b"[" + b"1," * 1_000_000 + b"1]"))


def large_error(send, _):
    """Send them as what the server has to say about an error."""
    send(framed(b"[" + b"1," * 1_000_000 + b"1]", "500 Internal Server Error"))


@OWN_OR_GIVEN
@pytest.mark.parametrize("answer", [bomb, endless, large, large_error], ids=lambda answer: answer.__name__)
def test_answer_that_is_too_large_is_given_up_at_once(answer, session):
    """It is not asked for again, and the error says which bound it is."""
    with (
        RawServer(answer) as server,
        server.client(max_answer_bytes=1_000_000, session=session) as client,
        pytest.raises(
            APIResponseValidationError, match=r"^task 't1': .*larger than max_answer_bytes=1,000,000"
        ) as caught,
    ):
        client.retrieve_task("t1")
    assert caught.value.attempts == 1
    assert len(server.targets) == 1


@OWN_OR_GIVEN
def test_answer_of_just_the_size_is_read(session):
    """The bound is the number of bytes of the body."""
    body = body_a("t1")
    for answer in (framed(body), framed(gzip.compress(body), "200 OK", "Content-Encoding: gzip")):
        with RawServer(lambda send, _, answer=answer: send(answer)) as server:
            with server.client(max_answer_bytes=len(body), session=session) as client:
                assert client.retrieve_task("t1").task.id == "t1"
            with server.client(max_answer_bytes=len(body) - 1, session=session) as client:
                with pytest.raises(APIResponseValidationError, match="larger than max_answer_bytes"):
                    client.retrieve_task("t1")


def dripping_body(send, _):
    """Send a body byte by byte."""
    send(b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n")
    for _ in range(10_000):
        send(b"[")
        time.sleep(0.02)


def dripping_head(send, _):
    """Send a header byte by byte."""
    send(b"HTTP/1.1 200 OK\r\nX-Long: ")
    for _ in range(10_000):
        send(b"x")
        time.sleep(0.02)


def interim_for_ever(send, _):
    """Send one interim answer after the other."""
    for _ in itertools.count():
        send(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("answer", "session"),
    [
        pytest.param(dripping_body, None, id="body-own"),
        pytest.param(dripping_head, None, id="head-own"),
        pytest.param(interim_for_ever, None, id="interim-own"),
        pytest.param(dripping_body, requests.Session(), id="body-given"),
        pytest.param(dripping_head, requests.Session(), id="head-given"),
    ],
)
def test_answer_that_takes_too_long_is_given_up_at_once(answer, session):
    """Every byte comes in time, the whole does not; the error says which bound it is."""
    with (
        RawServer(answer) as server,
        server.client(timeout=10, max_answer_seconds=0.3, session=session) as client,
        pytest.raises(APITimeoutError, match=r"^task 't1': .*longer than max_answer_seconds=0\.3") as caught,
    ):
        client.retrieve_task("t1")
    assert caught.value.attempts == 1
    assert len(server.targets) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_answer_seconds", 0),
        ("max_answer_seconds", "1"),
        ("max_answer_bytes", 0),
        ("max_answer_bytes", 1.5),
    ],
)
def test_bounds_are_checked(name, value):
    """Seconds above 0, and a whole number of bytes."""
    with pytest.raises(SettingsError, match=rf"^{name}: expected"):
        ha.Client("hdg_live_x", **{name: value})


# What nobody foresaw


def test_error_of_a_hook_costs_the_id_that_it_is_about(serve):
    """An error of no kind that anybody foresaw is a row of the failures, with its type and its words."""

    def hook(answer, **_):
        if answer.url.endswith("t2"):
            raise LookupError("no such luck")

    session = requests.Session()
    session.hooks["response"].append(hook)
    with serve(task_asked_for).client(session=session, max_attempts=1) as client:
        result = fetch(["t1", "t2", "t3"], client=client, on_error="collect")
    assert result.tasks["task_id"].tolist() == ["t1", "t3"]
    (message,) = result.failures["message"]
    assert "LookupError: no such luck" in message


def test_time_out_of_range_costs_its_task(serve):
    """A time outside the years 1 to 9999 in UTC is a failure that names the field; the other rows stand."""

    def answer(request):
        body = json.loads(body_a(asked_id(request)))
        if asked_id(request) == "t2":
            body["turns"][0]["startedAt"] = "9999-12-31T23:59:59.999-12:00"
        return Reply(encoded(body))

    with serve(answer).client() as client:
        result = fetch(["t1", "t2", "t3"], client=client, on_error="collect")
    assert result.turns["task_id"].tolist() == ["t1", "t3"]
    assert result.failures["task_id"].tolist() == ["t2"]
    assert "startedAt" in result.failures["message"][0]
    assert "complete: NO" in repr(result)


def test_tasks_without_turns_ask_for_none(serve):
    """`fetch_tasks` does not look at turns, so another task's do not matter to it."""
    with serve(mixed_up("A", "turns")).client() as client:
        assert fetch_tasks(["t1", "t2"], client=client)["task_id"].tolist() == ["t1", "t2"]


def test_connection_error_is_still_one(serve):
    """A server that is not there is a connection error, which is tried again."""
    with ha.Client("hdg_live_x", base_url="http://127.0.0.1:1", max_attempts=2) as client:
        with pytest.raises(APIConnectionError, match=r"no complete answer .*\(after 2 attempts\)"):
            client.retrieve_task("t1")
