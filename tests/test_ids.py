"""Task ids from whatever people have at hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from handinger_analytics import TaskIdError, fetch
from handinger_analytics.api.identifiers import id_in_link
from handinger_analytics.fetching.ids import normalize_task_ids

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
        " ",
        "\n",
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


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA, pd.NaT, 12, b"tsk_1", ["tsk_1"]])
def test_what_is_no_text_is_refused_with_its_position(missing):
    """The error says where the odd one is, and how to get rid of it."""
    with pytest.raises(TaskIdError, match=r"^task_ids\[2\]: expected a non-empty string, found .*dropna"):
        normalize_task_ids(["tsk_1", "tsk_2", missing])


def test_empty_text_is_refused_with_its_position():
    """An empty string cannot be an id."""
    with pytest.raises(TaskIdError, match=r"^task_ids\[1\]: expected a non-empty string, found ''"):
        normalize_task_ids(["tsk_1", ""])


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
