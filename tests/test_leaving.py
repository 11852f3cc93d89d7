"""What leaves the process or the thread: results in pickles, progress, and calls that are cancelled."""

from __future__ import annotations

import copy
import io
import multiprocessing
import pickle
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import nbclient
import nbformat
import pytest
import requests

import handinger_analytics as ha
from handinger_analytics import ArgumentError, FetchInterrupted, HandingerError, errors, fetch
from handinger_analytics.sandbox import Faults, Sandbox
from tests.scripted import Reply, task_asked_for

# Pickles and copies


@pytest.fixture
def partial_result():
    """Fetch ten tasks, of which one is not there, with a client that is given."""
    names = Sandbox(tasks=10).task_ids
    with Sandbox(tasks=10, faults=Faults(rate=0, always={names[3]: "404"})) as sandbox:
        with sandbox.client() as client:
            yield fetch(names, client=client, on_error="collect")


COPIES = {
    "pickle": lambda thing: pickle.loads(pickle.dumps(thing)),  # noqa: S301 - our own
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
}


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("looked_at", [False, True])
def test_result_travels_without_its_client(partial_result, copied, looked_at):
    """Rows, failures and provenance are the same; the client, which has the key, stays behind."""
    if looked_at:
        assert len(partial_result.turns)
    travelled = copied(partial_result)
    assert repr(travelled) == repr(partial_result)
    for name in ("tasks", "turns", "failures"):
        assert getattr(travelled, name).equals(getattr(partial_result, name))
        assert getattr(travelled, name).attrs == getattr(partial_result, name).attrs
    assert not travelled.complete


def test_copied_result_retries_with_a_client_that_is_given(partial_result):
    """It asks for what is missing, and no more."""
    travelled = pickle.loads(pickle.dumps(partial_result))  # noqa: S301 - our own
    with Sandbox(tasks=10) as sandbox, sandbox.client() as client:
        assert travelled.retry_failed(client=client).complete
        assert sandbox.stats.by_route["task"] == 1


ERRORS = [
    errors.ArgumentError.unexpected("n", "a number", "x"),
    errors.SettingsError("no key"),
    errors.TaskIdError("no id"),
    errors.FrameError("no column"),
    errors.FileError("no file"),
    errors.IncompleteFetchError("two missing"),
    *[
        kind("not found", http_status=404, attempts=2)
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.APIError)
    ],
    errors.FetchInterrupted("interrupted", None),
    errors.PartialDataWarning("part"),
]


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_errors_travel_with_what_they_carry(partial_result, error, copied):
    """Words, status, attempts, argument and result arrive."""
    error.result = partial_result
    travelled = copied(error)
    assert type(travelled) is type(error)
    assert str(travelled) == str(error)
    assert repr(travelled.result) == repr(partial_result)
    for name in ("http_status", "attempts", "argument"):
        assert getattr(travelled, name, None) == getattr(error, name, None)


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
def test_client_does_not_travel(copied):
    """It has the key: the error says what to do instead."""
    with (
        ha.Client("hdg_live_x") as client,
        pytest.raises(TypeError, match=r"Client holds the key.*make one in each"),
    ):
        copied(client)


def fetched_elsewhere(key, url, names):
    """Fetch in another process with a client of its own, which the result remembers."""
    with ha.Client(key, base_url=url, max_attempts=1) as client:
        return fetch(names, client=client, on_error="collect", progress=False)


@pytest.mark.slow
@pytest.mark.parametrize("start", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_results_and_errors_come_out_of_other_processes(start):
    """A pool of processes hands out what it fetched, and why it could not, whichever way it is started."""
    context = multiprocessing.get_context(start)
    with Sandbox(tasks=8) as sandbox, ProcessPoolExecutor(2, mp_context=context) as pool:
        names = sandbox.task_ids
        came = pool.submit(fetched_elsewhere, sandbox.api_key, sandbox.url, names).result()
        assert came.complete
        assert came.tasks["task_id"].tolist() == names
        refused = pool.submit(fetched_elsewhere, "hdg_live_wrong", sandbox.url, names)
        with pytest.raises(ha.AuthenticationError, match="API key was not accepted") as caught:
            refused.result()
        assert len(caught.value.result.tasks) == 0


# Progress


class Stream(io.StringIO):
    """A terminal that goes away after some writes."""

    def __init__(self, writes, error):
        super().__init__()
        self.left, self.error = writes, error

    def isatty(self):
        """Say yes."""
        return True

    def write(self, text):
        """Take it while there are writes left."""
        self.left -= 1
        if self.left < 0:
            raise self.error
        return super().write(text)


class NoTerminal:
    """What some hosts put in place of stderr: it can be written to, and that is all."""

    def write(self, text):
        """Take it."""
        return len(text)

    def flush(self):
        """Do nothing."""


def closed():
    """Return a stream that is closed."""
    stream = io.StringIO()
    stream.close()
    return stream


STREAMS = {
    "no isatty": NoTerminal,
    "closed": closed,
    "none": lambda: None,
    "gone at once": lambda: Stream(0, OSError(5, "Input/output error")),
    "gone in the middle": lambda: Stream(2, OSError(5, "Input/output error")),
    "closed in the middle": lambda: Stream(2, ValueError("I/O operation on closed file")),
    "cannot encode": lambda: Stream(1, UnicodeEncodeError("ascii", "█", 0, 1, "ordinal not in range")),
}


@pytest.mark.parametrize("progress", [None, True])
@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)
def test_bar_that_cannot_be_shown_costs_no_row(serve, monkeypatch, stream, progress):
    """The fetch goes on without it."""
    monkeypatch.setattr(sys, "stderr", stream())
    # An id that is not fetched makes the bar draw at once.
    with serve(Reply(b"", 404), task_asked_for).client(max_connections=1) as client:
        result = fetch(["t1", "t2", "t3"], client=client, on_error="collect", progress=progress)
    assert result.tasks["task_id"].tolist() == ["t2", "t3"]


@pytest.mark.parametrize("progress", [None, True])
def test_bar_is_off_where_tqdm_is_told_so(sandbox, client, monkeypatch, progress):
    """``TQDM_DISABLE`` counts, as in other programs."""
    stream = Stream(1000, OSError())
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TQDM_DISABLE", "1")
    assert fetch(sandbox.task_ids[:3], client=client, progress=progress).complete
    assert stream.getvalue() == ""


def test_callable_is_told_how_far_it_is(serve, capsys):
    """Done, not fetched and all, in the calling thread, up to the end; nothing is printed."""
    told, threads = [], set()

    def progress(done, failed, total):
        told.append((done, failed, total))
        threads.add(threading.current_thread())

    with serve(Reply(b"", 404), task_asked_for).client(max_connections=1) as client:
        fetch(["t1", "t2", "t3"], client=client, on_error="collect", progress=progress)
    assert (told[0], told[-1]) == ((0, 0, 3), (3, 1, 3))
    assert told == sorted(set(told))
    assert threads == {threading.current_thread()}
    assert capsys.readouterr().err == ""


class Stop(BaseException):
    """What Streamlit ends a script with is no `Exception` either."""


@pytest.mark.slow
@pytest.mark.parametrize("kind", [LookupError, Stop])
def test_error_of_a_callable_loses_no_row(serve, kind):
    """It is raised as it is, with what was fetched in its ``.result``."""

    def progress(done, failed, total):
        if done:
            raise kind("my mistake")

    with serve(task_asked_for, Reply(b"", wait=60)).client(max_connections=1) as client:
        with pytest.raises(kind, match="my mistake") as caught:
            fetch(["t1", "t2"], client=client, progress=progress)
    result = vars(caught.value)["result"]
    assert result.tasks["task_id"].tolist() == ["t1"]
    assert len(result.failures) == 0


@pytest.mark.slow
def test_everything_that_shows_progress_takes_a_callable(sandbox, client, partial_result, tmp_path):
    """All shortcuts, the retry and a sync."""
    names = sandbox.task_ids[:3]
    told = []
    tell = lambda *numbers: told.append(numbers)  # noqa: E731 - as users write it
    ha.fetch_tasks(names, client=client, progress=tell)
    ha.fetch_turns(names, client=client, progress=tell)
    ha.Archive(tmp_path / "archive").sync(names, client=client, progress=tell)
    assert told.count((3, 0, 3)) == 3
    partial_result.retry_failed(progress=tell)
    assert told[-1] == (1, 1, 1)


@pytest.mark.parametrize("wrong", [{"progress": "yes"}, {"progress": 1}, {"cancel": True}, {"cancel": "now"}])
def test_what_is_no_progress_and_no_event_is_refused(serve, tmp_path, wrong):
    """Before anything is sent."""
    server = serve(task_asked_for)
    (name,) = wrong
    with server.client() as client:
        calls: list[Callable[[], object]] = [lambda: fetch(["t1"], client=client, **wrong)]
        calls += [lambda: ha.Archive(tmp_path / "archive").sync(["t1"], client=client, **wrong)]
        if name == "cancel":
            calls += [lambda: ha.fetch_worker("w", client=client, **wrong)]
            calls += [lambda: client.retrieve_task("t1", **wrong)]
        for call in calls:
            with pytest.raises(ArgumentError, match=rf"^{name}: expected"):
                call()
    assert server.paths == []


@pytest.mark.slow
def test_bar_in_a_notebook_is_one_of_a_notebook():
    """It is a widget, and nothing is printed."""
    code = (
        "import handinger_analytics as ha\n"
        "with ha.Sandbox(tasks=3) as sandbox, sandbox.client() as client:\n"
        "    ha.fetch(sandbox.task_ids, client=client)\n"
        "None"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    nbclient.NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    outputs = notebook.cells[0].outputs
    assert [output.output_type for output in outputs] == ["display_data"]
    assert "application/vnd.jupyter.widget-view+json" in outputs[0].data


# Cancel

HANGING = {
    "retrieve_task": lambda client, cancel, _: client.retrieve_task("t1", cancel=cancel),
    "retrieve_worker": lambda client, cancel, _: client.retrieve_worker("w1", cancel=cancel),
    "fetch_worker": lambda client, cancel, _: ha.fetch_worker("w1", client=client, cancel=cancel),
    "fetch_schedules": lambda client, cancel, _: ha.fetch_schedules(["w1"], client=client, cancel=cancel),
    "discover": lambda client, cancel, _: ha.discover_task_ids("w1", client=client, cancel=cancel),
    "fetch_executions": lambda client, cancel, _: ha.fetch_executions("w1", client=client, cancel=cancel),
    "archive.discover": lambda client, cancel, path: ha.Archive(path).discover(
        "w1", client=client, cancel=cancel
    ),
}


def ended_soon(call, server):
    """Set the event that a call takes once the server was asked; return what comes of it within seconds."""
    cancel = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(call, cancel)
        while not server.paths:
            time.sleep(0.01)
        cancel.set()
        return future.result(timeout=8)


@pytest.mark.slow
@pytest.mark.parametrize("session", [None, requests.Session()], ids=["own", "given"])
@pytest.mark.parametrize("call", HANGING.values(), ids=HANGING)
def test_call_at_a_server_that_hangs_is_cancelled(serve, tmp_path, call, session):
    """It ends with an error that says so, and the client serves the next call at once."""
    server = serve(Reply(b"", wait=60), task_asked_for)
    with server.client(max_connections=1, session=session) as client:
        with pytest.raises(HandingerError, match=r"cancelled$"):
            ended_soon(lambda cancel: call(client, cancel, tmp_path / "archive"), server)
        assert client.retrieve_task("t2").task.id == "t2"
        server.stop()


def test_call_that_is_cancelled_already_asks_nothing(serve):
    """Nothing is sent."""
    server = serve(task_asked_for)
    cancel = threading.Event()
    cancel.set()
    with server.client() as client, pytest.raises(HandingerError, match="task 't1': cancelled"):
        client.retrieve_task("t1", cancel=cancel)
    assert server.paths == []


@pytest.mark.slow
@pytest.mark.parametrize("function", [ha.fetch_tasks, ha.fetch_turns])
def test_shortcut_that_is_cancelled_gives_what_is_there(serve, function):
    """Rows come back, incomplete; the client serves the next call at once."""
    server = serve(task_asked_for, Reply(b"", wait=60), task_asked_for)
    with server.client(max_connections=1) as client:
        names = ["t1", "t2", "t3"]
        cancel = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(function, names, client=client, cancel=cancel)
            while len(server.paths) < 2:
                time.sleep(0.01)
            cancel.set()
            frame = future.result(timeout=8)
        assert frame["task_id"].tolist() == ["t1"]
        assert not frame.attrs["handinger"]["complete"]
        assert client.retrieve_task("t2").task.id == "t2"
        server.stop()


@pytest.mark.slow
def test_retry_and_sync_that_are_cancelled_say_what_is_left(serve, tmp_path):
    """Nothing that was not asked for counts as done."""
    server = serve(task_asked_for, Reply(b"", 404), task_asked_for, Reply(b"", wait=60))
    with server.client(max_connections=1) as client:
        result = fetch(["t1", "t2", "t3"], client=client, on_error="collect")
        server.paths.clear()
    hanging = serve(Reply(b"", wait=60))
    with hanging.client(max_connections=1) as client:
        again = ended_soon(lambda cancel: result.retry_failed(client=client, cancel=cancel), hanging)
    assert again.tasks["task_id"].tolist() == ["t1", "t3"]
    assert not again.complete
    hanging.stop()

    server = serve(task_asked_for, Reply(b"", wait=60))
    archive = ha.Archive(tmp_path / "archive")
    cancel = threading.Event()
    with server.client(max_connections=1) as client, ThreadPoolExecutor(1) as pool:
        future = pool.submit(archive.sync, ["t1", "t2", "t3"], client=client, cancel=cancel)
        while len(server.paths) < 2:
            time.sleep(0.01)
        cancel.set()
        report = future.result(timeout=8)
    assert (report.fetched, report.left, report.complete) == (1, 2, False)
    assert "2 tasks not asked for" in repr(report)
    assert archive.tasks()["task_id"].tolist() == ["t1"]
    assert not archive.status().complete
    server.stop()


def test_interrupt_unpickles_with_its_rows(partial_result):
    """As it comes out of a pool of processes."""
    error = FetchInterrupted("interrupted after 9 of 10 tasks", partial_result)
    travelled = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert len(travelled.result.tasks) == 9
