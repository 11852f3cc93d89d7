"""Workers by their names: what may be given, what frames and people see."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from handinger_analytics.errors import ArgumentError
from handinger_analytics.metrics.names import check_names, shown_names, with_names

LINK = "https://v3.handinger.com/worker/wrk_a/task/tsk_1"


@pytest.mark.parametrize(
    "names",
    [
        pytest.param({LINK: "Invoices", "wrk_b": "Reports"}, id="a link"),
        pytest.param({"wrk_a": " Invoices\u200b", "wrk_b": "Reports", "wrk_c": " "}, id="white space"),
        pytest.param({"wrk_a": "Invoices", "wrk_b": "Reports", "wrk_c": None}, id="nothing"),
        pytest.param(pd.Series(["Invoices", "Reports"], ["wrk_a", "wrk_b"]), id="Series"),
        pytest.param(
            pd.Series(["Invoices", "Reports", pd.NA], ["wrk_a", "wrk_b", "wrk_c"], dtype="string"), id="NA"
        ),
        pytest.param(pd.Series(["Invoices", "Reports"], ["wrk_a", "wrk_b"], dtype="category"), id="category"),
        pytest.param(pd.Series(["Invoices"] * 2 + ["Reports"], ["wrk_a", LINK, "wrk_b"]), id="twice"),
    ],
)
def test_names_as_people_have_them(names):
    """Ids or links in a mapping or Series; blank and missing names are as if not there."""
    assert check_names(names) == {"wrk_a": "Invoices", "wrk_b": "Reports"}


def test_no_names():
    """None names nobody."""
    assert check_names(None) == {}


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ("names.csv", r"^names: expected a mapping or Series of worker ids to names, found 'names.csv'"),
        (["Invoices"], "found .'Invoices'.; of a frame: frame.set_index"),
        (pd.DataFrame({"worker_id": ["wrk_a"]}), r"names: expected a mapping or Series"),
        ({7: "Invoices"}, r"^names\[0\]: expected a non-empty string, found 7"),
        ({"wrk_a": "Invoices", "": "Reports"}, r"^names\[1\]: expected a non-empty string, found ''"),
        ({"wrk_a": 7}, r"^names\['wrk_a'\]: expected a name, which is text, found 7"),
        ({"wrk_a": ["Invoices"]}, r"^names\['wrk_a'\]: expected a name, which is text, found \['Invoices'\]"),
        (
            pd.Series(["Invoices", "Reports"], ["wrk_a", LINK]),
            r"names\['wrk_a'\]: expected one name for a worker, found \['Invoices', 'Reports'\]",
        ),
    ],
)
def test_names_that_are_none(names, text):
    """What is wrong is said with what was found."""
    with pytest.raises(ArgumentError, match=text):
        check_names(names)


def test_half_a_surrogate_pair_fits_into_a_frame():
    """It is replaced in a name, for no file could hold it."""
    named = with_names(pd.DataFrame({"worker_id": ["wrk_a"]}), {"wrk_a": "Invoices \ud83d"})
    assert named["worker_name"].tolist() == ["Invoices ?"]


@pytest.mark.parametrize("dtype", ["str", "object", "category", "string[pyarrow]"])
def test_a_frame_gets_the_names_after_the_ids(dtype):
    """An unknown id is its own name, a missing one has none; index, attrs and the frame given stay."""
    ids = pd.Series(["wrk_b", None, "wrk_a", "wrk_a"], dtype=dtype)
    frame = pd.DataFrame({"n": [1, 2, 3, 4], "worker_id": ids, "credits": 5}).set_index("n")
    frame.attrs["handinger"] = {"complete": True}
    named = with_names(frame, {"wrk_a": "Invoices"})
    assert list(named) == ["worker_id", "worker_name", "credits"]
    assert named["worker_name"].dtype == pd.StringDtype(na_value=np.nan)
    assert named["worker_name"].fillna("-").tolist() == ["wrk_b", "-", "Invoices", "Invoices"]
    assert named.index.equals(frame.index)
    assert named.attrs == frame.attrs
    assert list(frame) == ["worker_id", "credits"]


def test_a_frame_that_has_names_gets_the_new_ones():
    """Naming again replaces the column."""
    frame = pd.DataFrame({"worker_name": ["Old"], "worker_id": ["wrk_a"]})
    named = with_names(frame, {"wrk_a": "New"})
    assert named.to_dict("list") == {"worker_id": ["wrk_a"], "worker_name": ["New"]}


def test_a_frame_without_names_or_workers_is_the_frame_itself():
    """Nothing is copied where nothing is named."""
    workers, tasks = pd.DataFrame({"worker_id": ["wrk_a"]}), pd.DataFrame({"task_id": ["tsk_1"]})
    assert with_names(workers, None) is workers
    assert with_names(tasks, {"wrk_a": "Invoices"}) is tasks


@pytest.mark.parametrize(
    ("names", "seen"),
    [
        pytest.param(None, ["wrk_a", "wrk_b", "wrk_c"], id="no names"),
        pytest.param({"wrk_b": "Reports"}, ["wrk_a", "Reports", "wrk_c"], id="one name"),
        pytest.param(
            {"wrk_a": "Reports", "wrk_b": "Reports"},
            ["Reports (wrk_a)", "Reports (wrk_b)", "wrk_c"],
            id="two of one name",
        ),
        pytest.param(
            {"wrk_a": "Reports", "wrk_z": "Reports"},
            ["Reports (wrk_a)", "wrk_b", "wrk_c"],
            id="the other one elsewhere",
        ),
        pytest.param(
            {"wrk_a": "Re ports", "wrk_b": "Re\u200b  ports"},
            ["Re ports (wrk_a)", "Re\u200b  ports (wrk_b)", "wrk_c"],
            id="two that look the same",
        ),
        pytest.param({"wrk_a": "wrk_b"}, ["wrk_b (wrk_a)", "wrk_b", "wrk_c"], id="the id of another"),
        pytest.param({"wrk_a": "wrk_a"}, ["wrk_a", "wrk_b", "wrk_c"], id="its own id"),
        pytest.param(
            {"wrk_a": "x", "wrk_b": "x", "wrk_c": "x (wrk_a)"},
            ["x (wrk_a)", "x (wrk_b)", "x (wrk_a) (wrk_c)"],
            id="a name like a name with its id",
        ),
    ],
)
def test_people_see_names_that_tell_workers_apart(names, seen):
    """Each worker by its name alone where that is clear, else with its id; an unknown id stays an id."""
    shown = shown_names(["wrk_a", "wrk_b", "wrk_c"], names)
    assert list(shown.values()) == seen
    assert list(shown) == ["wrk_a", "wrk_b", "wrk_c"]


def test_a_missing_id_has_no_name():
    """It is left out: what stands in its place is up to the chart or table."""
    assert shown_names(["wrk_a", None, pd.NA, np.nan], {"wrk_a": "Invoices"}) == {"wrk_a": "Invoices"}
