"""The second seed: a worker's state, messages, files, sources and output as frames."""

from __future__ import annotations

import pandas as pd
import pytest

from handinger_analytics import (
    APIResponseValidationError,
    NotFoundError,
    PermissionDeniedError,
    fetch_schedules,
    fetch_worker,
)
from handinger_analytics.tables.schema import (
    SCHEDULES,
    WORKER_FILES,
    WORKER_MESSAGES,
    WORKER_OUTPUT,
    WORKER_SOURCES,
    WORKER_STATE,
)
from tests.samples import FILES, WORKER, encoded
from tests.scripted import Reply

PARTS = {
    "state": WORKER_STATE,
    "messages": WORKER_MESSAGES,
    "files": WORKER_FILES,
    "sources": WORKER_SOURCES,
    "output": WORKER_OUTPUT,
}


def worker_from(serve, **changes):
    """Return the frames of the documented worker with some fields changed."""
    with serve(Reply(encoded(WORKER | changes))).client() as client:
        return fetch_worker("wrk_1", client=client)


@pytest.mark.parametrize("usage", [{"credits": 7.0, "durationMs": 900.0}, {"credits": 7, "durationMs": 900}])
def test_worker_of_the_first_step_of_the_api(serve, usage):
    """A worker without address, structured output and sizes of files is read, its numbers typed float."""
    files = [{name: value for name, value in file.items() if name != "size"} for file in FILES]
    missing = ("url", "structured_output")
    body = {name: value for name, value in WORKER.items() if name not in missing}
    with serve(Reply(encoded(body | {"usage": usage, "files": files}))).client() as client:
        worker = fetch_worker("wrk_1", client=client)
    (state,) = worker.state.to_dict("records")
    assert (state["url"], state["credits"], state["duration_ms"]) == ("", 7, 900)
    assert pd.isna(state["structured_output"])
    assert worker.files["size"].isna().all()


def test_documented_worker_becomes_these_frames(serve):
    """Value by value."""
    worker = worker_from(serve)
    (state,) = worker.state.to_dict("records")
    assert state == state | {
        "worker_id": "wrk_1",
        "object": "worker",
        "status": "completed",
        "running": False,
        "created_at": pd.Timestamp("2025-05-11 21:46:40", tz="UTC"),
        "credits": 7,
        "duration_ms": 900,
        "output_text": "one two",
        "structured_output": '{"foo": "bar"}',
        "metadata": '{"foo": "bar"}',
        "url": "https://v3.handinger.com/worker/wrk_1",
    }
    assert pd.isna(state["error"])
    assert pd.isna(state["incomplete_details"])
    assert worker.messages["seq"].tolist() == [0, 1]
    assert worker.messages["message"].tolist() == ["{}", '{"role": "user", "content": "Hello"}']
    assert worker.files["filename"].tolist()[0] == "a.csv"
    assert worker.files["filename"].isna().tolist() == [False, True]
    assert worker.files["url"].tolist() == [file["url"] for file in FILES]
    assert worker.files["size"].tolist() == [1204, pd.NA]
    assert worker.sources[["source_id", "type", "url"]].to_numpy().tolist() == [
        ["src_1", "url", "https://example.com"]
    ]
    assert worker.sources["title"].isna().all()
    assert worker.output[["output_id", "part", "text"]].to_numpy().tolist() == [
        ["out_1", 0, "one"],
        ["out_1", 1, "two"],
    ]


@pytest.mark.parametrize("usage", [{"durationMs": 900}, {}, None])
def test_usage_without_credits_is_missing_not_zero(serve, usage):
    """What the server does not say is null."""
    state = worker_from(serve, usage=usage).state
    assert state["credits"].isna().all()
    assert state["credits"].dtype == "Int64"


@pytest.mark.parametrize("backend", ["numpy", "pyarrow"])
@pytest.mark.parametrize("part", PARTS)
def test_frames_have_their_documented_columns_even_without_rows(serve, backend, part):
    """A worker that has done nothing has the same columns and dtypes as a busy one."""
    idle = {"messages": [], "files": [], "sources": [], "output": []}
    server = serve(Reply(encoded(WORKER)), Reply(encoded(WORKER | idle)))
    with server.client() as client:
        busy = getattr(fetch_worker("wrk_1", client=client, dtype_backend=backend), part)
        empty = getattr(fetch_worker("wrk_1", client=client, dtype_backend=backend), part)
    assert busy.columns.tolist() == [column.name for column in PARTS[part]]
    pd.testing.assert_series_equal(busy.dtypes, empty.dtypes)
    assert len(empty) == (part == "state")


@pytest.mark.parametrize(
    ("sent", "moment"),
    [
        (0, "1970-01-01"),
        (1747000000, "2025-05-11 21:46:40"),
        (1747000000123, "2025-05-11 21:46:40.123"),
        (-1, "1969-12-31 23:59:59"),
        (None, None),
    ],
)
def test_creation_is_an_epoch_in_seconds_or_milliseconds(serve, sent, moment):
    """The unit is not documented, and told by the size."""
    (created,) = worker_from(serve, created_at=sent).state["created_at"]
    if moment is None:
        assert pd.isna(created)
    else:
        assert created == pd.Timestamp(moment, tz="UTC")


@pytest.mark.parametrize("sent", [2**62, -(2**62), 10**17])
def test_creation_beyond_all_calendars_is_an_error_of_ours(serve, sent):
    """It says what was found."""
    with pytest.raises(APIResponseValidationError, match=rf"worker 'wrk_1': created_at: .*found {sent}"):
        worker_from(serve, created_at=sent)


def test_messages_may_be_any_json(serve):
    """Each is the text that was sent; a null among them does not shift the others."""
    messages = worker_from(serve, messages=[{"a": 1.0}, "text", None, [1], 5]).messages
    assert messages["seq"].tolist() == [0, 1, 2, 3, 4]
    assert messages["message"].fillna("null").tolist() == ['{"a": 1.0}', '"text"', "null", "[1]", "5"]


def test_unknown_fields_and_states_are_kept_or_ignored(serve):
    """A newer server breaks nothing."""
    worker = worker_from(serve, status="dreaming", novelty={"x": 1}, object="robot")
    assert worker.state["status"].tolist() == ["dreaming"]
    assert worker.state["object"].tolist() == ["robot"]


def test_output_without_text_is_still_a_row(serve):
    """A message with no content is not lost."""
    output = worker_from(serve, output=[WORKER["output"][0] | {"content": []}]).output
    assert output[["output_id", "part", "text"]].to_numpy().tolist() == [["out_1", 0, ""]]


def test_worker_of_the_sandbox_in_either_generation(sandbox, client, generation):
    """Credits are there in generation A and missing in B; a task may be named."""
    found = {"credits": 0, "rows": 0}
    for worker_id in sandbox.worker_ids:
        worker = fetch_worker(worker_id, client=client)
        assert worker.state["worker_id"].tolist() == [worker_id]
        found["rows"] += 1
        found["credits"] += int(worker.state["credits"].notna().sum())
    assert found["rows"] > 1
    assert (found["credits"] > 0) == (generation == "A")
    answer = client.retrieve_task(sandbox.task_ids[0])
    named = fetch_worker(answer.task.worker_id, answer.task.id, client=client)
    assert named.output["text"].tolist()[-1:] == [answer.turns[-1].output_text] or named.output.empty


def test_links_name_worker_and_task(serve):
    """Of a dashboard link the worker is taken where a worker is meant, and the task where a task is."""
    link = "https://v3.handinger.com/worker/wrk_5/task/tsk_2"
    server = serve(Reply(encoded(WORKER)), Reply(encoded({"schedules": [], "workerId": "wrk_5"})))
    with server.client() as client:
        fetch_worker(link, task_id=link, client=client)
        fetch_schedules([link, "wrk_5"], client=client)
    assert server.paths == ["/api/workers/wrk_5?taskId=tsk_2", "/api/workers/wrk_5/schedules"]


def test_worker_says_what_it_is(serve):
    """Its repr has the id, the state and the counts."""
    assert repr(worker_from(serve)) == (
        "WorkerState('wrk_1', 'completed': 2 messages, 2 files, 1 sources, 2 output)"
    )


def test_worker_out_of_reach_is_an_error(sandbox, client):
    """Not found and not permitted, each by its name."""
    with pytest.raises(NotFoundError, match="worker 'wrk_nope'"):
        fetch_worker("wrk_nope", client=client)
    with pytest.raises(PermissionDeniedError, match=sandbox.forbidden_worker_id):
        fetch_worker(sandbox.forbidden_worker_id, client=client)
    with pytest.raises(NotFoundError, match="worker"):
        fetch_worker(sandbox.worker_ids[0], "tsk_nope", client=client)


def test_client_comes_from_the_environment(sandbox, monkeypatch):
    """Without ``client=`` the variables are enough, and the connection is closed after use."""
    monkeypatch.setenv("HANDINGER_API_KEY", sandbox.api_key)
    monkeypatch.setenv("HANDINGER_BASE_URL", sandbox.url)
    assert len(fetch_worker(sandbox.worker_ids[0]).state) == 1


SCHEDULE = {
    "id": "sch_1",
    "budget": "low",
    "input": "Go",
    "nextRunAt": "2026-07-01T08:00:00.000Z",
    "type": "scheduled",
}


def test_schedules_of_each_type_become_rows(serve):
    """What a type does not have is missing."""
    schedules = [
        SCHEDULE,
        SCHEDULE | {"id": "sch_2", "type": "delayed", "delayInSeconds": 60},
        SCHEDULE | {"id": "sch_3", "type": "cron", "cron": "0 8 * * *", "budget": "boundless"},
        SCHEDULE | {"id": "sch_4", "type": "interval", "intervalSeconds": 3600.0},
    ]
    server = serve(
        Reply(encoded({"schedules": schedules, "workerId": "wrk_1", "timezone": "Europe/Madrid"})),
        Reply(encoded({"schedules": [], "workerId": "wrk_2"})),
    )
    with server.client() as client:
        frame = fetch_schedules(["wrk_1", "wrk_2"], client=client)
    assert frame["schedule_id"].tolist() == ["sch_1", "sch_2", "sch_3", "sch_4"]
    assert frame["worker_id"].unique().tolist() == ["wrk_1"]
    assert frame["delay_seconds"].tolist() == [pd.NA, 60, pd.NA, pd.NA]
    assert frame["interval_seconds"].tolist() == [pd.NA, pd.NA, pd.NA, 3600]
    assert frame["cron"].dropna().tolist() == ["0 8 * * *"]
    assert frame["budget"].tolist() == ["low", "low", "boundless", "low"]
    assert frame["timezone"].unique().tolist() == ["Europe/Madrid"]
    assert frame["next_run_at"].tolist() == [pd.Timestamp("2026-07-01 08:00", tz="UTC")] * 4


@pytest.mark.parametrize("backend", ["numpy", "pyarrow"])
def test_no_schedules_have_the_columns_of_many(serve, backend):
    """Zero rows, same dtypes."""
    server = serve(
        Reply(encoded({"schedules": [SCHEDULE], "workerId": "w"})),
        Reply(encoded({"schedules": [], "workerId": "w"})),
    )
    with server.client() as client:
        some = fetch_schedules("w", client=client, dtype_backend=backend)
        none = fetch_schedules("w", client=client, dtype_backend=backend)
    assert none.columns.tolist() == [column.name for column in SCHEDULES]
    pd.testing.assert_series_equal(some.dtypes, none.dtypes)


def test_schedules_of_the_sandbox(sandbox, client, generation):
    """Every worker's, in the order given; the time zone since generation B only."""
    frame = fetch_schedules(sandbox.worker_ids, client=client)
    assert len(frame) > 0
    order = frame["worker_id"].drop_duplicates().tolist()
    assert order == [worker_id for worker_id in sandbox.worker_ids if worker_id in set(order)]
    assert frame["timezone"].notna().all() == (generation == "B")
