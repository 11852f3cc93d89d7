"""Task ids from whatever people have at hand."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from handinger_analytics import Archive, TaskIdError, fetch, fetch_schedules, fetch_tasks, fetch_turns
from handinger_analytics.api.identifiers import id_in_link
from handinger_analytics.fetching.ids import normalize_task_ids
from tests.samples import body_a
from tests.scripted import Reply

LINK = "https://v3.handinger.com/worker/wrk_1/task/tsk_2"


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(["tsk_b", "tsk_a", "tsk_b"], id="list"),
        pytest.param(("tsk_b", "tsk_a"), id="tuple"),
        pytest.param(iter(["tsk_b", "tsk_a", "tsk_a"]), id="iterator"),
        pytest.param(pd.Series(["tsk_b", "tsk_a"], index=[5, 5]), id="series"),
        pytest.param(pd.Series(["tsk_b", "tsk_a"], dtype="string[pyarrow]"), id="arrow-series"),
        pytest.param(pd.Categorical(["tsk_b", "tsk_a"]), id="categorical"),
        pytest.param(np.array(["tsk_b", "tsk_a"]), id="array"),
        pytest.param({"tsk_b": 1, "tsk_a": 2}, id="dict"),
    ],
)
def test_any_iterable_keeps_its_order_and_loses_its_repeats(given):
    """Order is the caller's, repeats count once."""
    assert normalize_task_ids(given) == ["tsk_b", "tsk_a"]


def test_one_string_is_one_id():
    """A string is not taken apart."""
    assert normalize_task_ids("tsk_1") == ["tsk_1"]


@pytest.mark.parametrize(
    ("link", "task_id"),
    [
        (LINK, "tsk_2"),
        (f"{LINK}/", "tsk_2"),
        (f"{LINK}?tab=files#top", "tsk_2"),
        ("http://localhost:3000/de/worker/t_org_1_w_01/task/tsk_2", "tsk_2"),
        ("https://v3.handinger.com/worker/wrk_1/task/a%2Fb%20%C3%A9", "a/b é"),
    ],
)
def test_dashboard_links_give_their_task(link, task_id):
    """Query, fragment, trailing slash and percent-encoding are no part of the id."""
    assert normalize_task_ids([link]) == [task_id]


def test_a_link_and_its_id_are_the_same_task():
    """A task named twice in different ways is fetched once."""
    assert normalize_task_ids([LINK, "tsk_2", "tsk_1"]) == ["tsk_2", "tsk_1"]


@pytest.mark.parametrize(
    "odd",
    [
        "a/b",
        "..",
        "#1",
        "my own id",
        "🙂",
        "tsk_1?x#y%2F",
        "worker/wrk_1/task/tsk_2",
        "https://example.com/",
        "https://[not-an-address",
        "https://v3.handinger.com/worker/wrk_1/task/",
    ],
)
def test_any_other_text_is_an_id_as_it_stands(odd):
    """A client may choose its own task ids, so any text that is no task's link can be one."""
    assert normalize_task_ids([odd]) == [odd]
    assert id_in_link(odd, "task") is None


@pytest.mark.parametrize(
    ("odd", "advice"),
    [
        (None, r"drop missing values first, for example with Series\.dropna"),
        (float("nan"), "drop missing values"),
        (np.float32("nan"), "drop missing values"),
        (pd.NA, "drop missing values"),
        (pd.NaT, "drop missing values"),
        (12, "ids are text: .* dtype=str"),
        (123.0, "ids are text"),
        (np.int64(12), "ids are text"),
        (b"tsk_1", r"decode it first, such as value\.decode"),
        (["tsk_1"], "give each id by itself, in one flat list"),
        (np.array(["tsk_1", "tsk_2"]), "give each id by itself"),
        (Path("ids.csv"), r"ha\.task_ids_from reads the ids in a file"),
        ("", "leave blank ones out"),
        (" \ufeff\u200b\xa0\n", "leave blank ones out"),
    ],
)
def test_what_is_no_id_is_refused_with_its_position_and_what_to_do(odd, advice):
    """The error says where the odd one is, and what to do about one of its kind."""
    with pytest.raises(
        TaskIdError, match=rf"^task_ids\[2\]: expected a non-empty string, found .*; {advice}"
    ):
        normalize_task_ids(["tsk_1", "tsk_2", odd])


AROUND = ["tsk_2 ", "tsk_2\n", "\ttsk_2", "tsk_2\xa0", "\ufefftsk_2", "\u200btsk_2 \u200b\r\n", f" {LINK}\n"]


@pytest.mark.parametrize("padded", AROUND)
def test_white_space_around_an_id_is_left_out_and_said_once(padded):
    """Whatever ids are copied from, what is around them is no part of them; one warning tells of all."""
    message = f"task_ids: white space around 2 of 3 ids was removed, the first is {padded!r}"
    with pytest.warns(UserWarning, match=re.escape(message)) as caught:
        assert normalize_task_ids(["tsk_1", padded, padded]) == ["tsk_1", "tsk_2"]
    assert len(caught) == 1


def test_white_space_encoded_in_a_link_is_part_of_the_id():
    """A link names an id exactly; white space in the middle of an id is part of it, too."""
    link = "https://v3.handinger.com/worker/wrk_1/task/%20a%0A"
    assert normalize_task_ids([link, "a  b"]) == [" a\n", "a  b"]


@pytest.mark.parametrize(
    "call",
    [
        lambda client, _: client.retrieve_task("tsk_1\n").task.id,
        lambda client, _: fetch(["tsk_1\n"], client=client).tasks["task_id"].item(),
        lambda client, _: fetch_tasks("tsk_1\n", client=client)["task_id"].item(),
        lambda client, place: (
            Archive(place).sync(["tsk_1\n"], client=client) and Archive(place).tasks()["task_id"].item()
        ),
    ],
    ids=["retrieve", "fetch", "fetch_tasks", "sync"],
)
def test_whoever_takes_an_id_asks_for_it_without_the_line_break(serve, tmp_path, call):
    """What is sent, returned and remembered is the id; the warning stands in the user's own line."""
    server = serve(Reply(body_a("tsk_1")))
    with (
        server.client() as client,
        pytest.warns(UserWarning, match=r"white space around .*'tsk_1\\n'") as caught,
    ):
        assert call(client, str(tmp_path / "archive")) == "tsk_1"
    assert server.paths == ["/api/tasks/tsk_1"]
    assert [warning.filename for warning in caught] == [__file__]


def test_a_worker_is_asked_for_without_white_space(serve):
    """Ids of workers are read as those of tasks."""
    server = serve(Reply(b'{"schedules": [], "workerId": "wrk_1"}'))
    with (
        server.client() as client,
        pytest.warns(UserWarning, match="worker_ids: white space around 1 of 1 id"),
    ):
        fetch_schedules(["wrk_1 "], client=client)
    assert server.paths == ["/api/workers/wrk_1/schedules"]


@pytest.mark.parametrize("name", ["tasks.csv", "My tasks.XLSX", "ids.tsv.gz", "a/b.txt", Path("ids.parquet")])
@pytest.mark.parametrize("call", [fetch, fetch_tasks, fetch_turns, Archive("nowhere").sync])
def test_the_name_of_a_file_is_not_asked_for(name, call):
    """Whoever gives a file where ids are expected learns what reads it."""
    with pytest.raises(TaskIdError, match=r"^task_ids: expected ids or .*; ha\.task_ids_from reads the ids"):
        call(name)


def test_an_id_that_is_called_like_a_file_can_be_given():
    """In a list it is an id as any other, alone it is given as a link."""
    assert normalize_task_ids(["tasks.csv"]) == ["tasks.csv"]
    assert normalize_task_ids("https://v3.handinger.com/worker/w/task/tasks.csv") == ["tasks.csv"]


@pytest.mark.parametrize("given", [None, 5])
def test_what_is_no_iterable_is_refused(given):
    """The error says what was given and what is expected."""
    with pytest.raises(TaskIdError, match=rf"^task_ids: expected a string, or strings .*, found {given}"):
        normalize_task_ids(given)


def test_bad_ids_are_found_before_anything_is_fetched(sandbox, client):
    """One bad id among good ones costs no request."""
    before = sandbox.stats.requests
    with pytest.raises(TaskIdError, match=r"task_ids\[1\]"):
        fetch([sandbox.task_ids[0], None], client=client)
    assert sandbox.stats.requests == before


def test_a_frame_is_not_taken_for_its_column_names():
    """Iterating a DataFrame gives its column names, which are no ids."""
    pattern = r"^task_ids: expected .*; give its column of ids, such as frame\['task_id'\]"
    with pytest.raises(TaskIdError, match=pattern):
        normalize_task_ids(pd.DataFrame({"task_id": ["tsk_1"]}))
