"""Workers by their names: what may be given, what frames and people see."""

from __future__ import annotations

import functools

import numpy as np
import pandas as pd
import pytest

from handinger_analytics.errors import ArgumentError
from handinger_analytics.metrics.anomalies import anomalies
from handinger_analytics.metrics.durations import durations
from handinger_analytics.metrics.engines import SUMS
from handinger_analytics.metrics.names import check_names, shown_names, with_names, with_shown_names
from handinger_analytics.metrics.spend import spend
from handinger_analytics.metrics.summarize import summarize
from handinger_analytics.metrics.tokens import tokens
from handinger_analytics.metrics.top_tasks import top_tasks
from handinger_analytics.metrics.waste import waste
from tests.metrics.turns_by_hand import turns_table

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
        ({"wrk_a": np.array(["A", "B"])}, r"^names\['wrk_a'\]: expected a name, which is text, found array"),
        ({"wrk_a": pd.Series(["A", "B"])}, r"^names\['wrk_a'\]: expected a name, which is text, found 0 +A"),
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


@pytest.mark.parametrize("name", ["\u200d", "\u00ad", "\u034f", "\ufe0f \u200b", "\u3164", "\u2800"])
def test_a_name_that_nobody_sees_is_blank(name):
    """Whatever the characters are that show nothing."""
    assert check_names({"wrk_a": name, "wrk_b": f"B{name}"}).keys() == {"wrk_b"}


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
        pytest.param(
            {"wrk_a": "Caf\u00e9", "wrk_b": "Cafe\u0301", "wrk_c": "Caf\u00e9\u034f"},
            ["Caf\u00e9 (wrk_a)", "Cafe\u0301 (wrk_b)", "Caf\u00e9\u034f (wrk_c)"],
            id="composed or not",
        ),
        pytest.param(
            {"wrk_a": "(none)", "wrk_b": "(empty)", "wrk_c": "other (1,203)"},
            ["(none) (wrk_a)", "(empty) (wrk_b)", "other (1,203) (wrk_c)"],
            id="words of the plots",
        ),
        pytest.param({"wrk_a": "total"}, ["total (wrk_a)", "wrk_b", "wrk_c"], id="the sum in a plot"),
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


@pytest.mark.parametrize(
    ("ids", "names", "seen"),
    [
        pytest.param(
            ["organization_4711_production_worker_0001", "organization_4711_production_worker_0002"],
            ["Invoices for the customers in Europe"] * 2,
            ["Invoices for the… (organization_…r_0001)", "Invoices for the… (organization_…r_0002)"],
            id="ids",
        ),
        pytest.param(
            ["organization_4711_worker_0001_production", "organization_4711_worker_0002_production"],
            ["Invoices"] * 2,
            [
                "Invoices (organization_4711_worker_0001_production)",
                "Invoices (organization_4711_worker_0002_production)",
            ],
            id="ids of the same ends",
        ),
        pytest.param(
            ["wrk_a", "wrk_b"],
            [
                "Invoices for all of our customers in the north of Europe",
                "Invoices for all of our customers in the south of Europe",
            ],
            ["Invoices for all of…the north of Europe", "Invoices for all of…the south of Europe"],
            id="names",
        ),
        pytest.param(
            ["wrk_a", "wrk_b"],
            [
                f"Invoices for all of the customers in the {where} of Europe, Asia and Africa"
                for where in ("N", "S")
            ],
            ["Invoices for all of the custome… (wrk_a)", "Invoices for all of the custome… (wrk_b)"],
            id="names of the same ends",
        ),
        pytest.param(
            ["wrk_a"],
            ["Invoices for the customers in Europe, Asia"],
            ["Invoices for the customers in Europe, A…"],
            id="one",
        ),
    ],
)
def test_what_is_cut_stays_apart(ids, names, seen):
    """A name at its end or in its middle, an id in its middle, and not where two would be the same."""
    assert list(shown_names(ids, dict(zip(ids, names, strict=True)), 40, 40).values()) == seen


@pytest.mark.parametrize("dtype", ["int64", "Int64", "object"])
def test_ids_that_are_numbers_stay(dtype):
    """In a table for people no row loses its worker because others have names."""
    frame = pd.DataFrame({"worker_id": pd.Series([4711, 2], dtype=dtype)})
    assert with_shown_names(frame, {"wrk_a": "Invoices"})["worker_id"].tolist() == ["4711", "2"]


def test_a_missing_id_has_no_name():
    """It is left out: what stands in its place is up to the chart or table."""
    assert shown_names(["wrk_a", None, pd.NA, np.nan], {"wrk_a": "Invoices"}) == {"wrk_a": "Invoices"}


METRICS = {
    "spend": spend,
    "spend by day": functools.partial(spend, freq="D"),
    "durations": durations,
    "tokens": tokens,
    "waste": waste,
    "summarize": summarize,
    "anomalies": anomalies,
}
"""The metrics that take names and groups."""
ROWS = [
    {"credits": 3},
    {"credits": 2, "worker_id": "wrk_b", "triggered_by": "ui"},
    {"credits": 1, "worker_id": "wrk_c", "status": "error"},
]
SAME = {"wrk_a": "Invoices", "wrk_b": "Invoices"}


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
@pytest.mark.parametrize("by", ["worker_id", ["triggered_by", "worker_id"]])
def test_a_metric_puts_names_beside_ids(metric, by):
    """Two workers of one name stay two rows, and nothing else changes."""
    turns = turns_table(ROWS).to_pandas()
    turns.attrs["handinger"] = {"complete": False}
    named, plain = metric(turns, by=by, names=SAME), metric(turns, by=by)
    assert list(named)[list(named).index("worker_id") + 1] == "worker_name"
    seen = dict(zip(named["worker_id"], named["worker_name"], strict=True))
    assert seen == {"wrk_a": "Invoices", "wrk_b": "Invoices", "wrk_c": "wrk_c"}
    assert named.attrs == plain.attrs
    pd.testing.assert_frame_equal(named.drop(columns="worker_name"), plain)


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_names_where_no_worker_is(metric):
    """They change nothing."""
    turns = turns_table(ROWS).to_pandas()
    named = metric(turns, by="triggered_by", names=SAME)
    pd.testing.assert_frame_equal(named, metric(turns, by="triggered_by"))


@pytest.mark.parametrize("metric", [*METRICS.values(), top_tasks], ids=[*METRICS, "top_tasks"])
def test_a_metric_refuses_names_that_are_none(metric):
    """Also where nobody would see them."""
    with pytest.raises(ArgumentError, match="names: expected a mapping or Series"):
        metric(turns_table([]), names="names.csv")


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_a_column_of_the_user_keeps_its_name(metric):
    """Their own ``worker_name`` is a column to group by, unless ours would take its place."""
    turns = turns_table(ROWS).to_pandas().assign(worker_name="mine")
    assert set(metric(turns, by=["worker_id", "worker_name"])["worker_name"]) == {"mine"}
    with pytest.raises(ArgumentError, match=r"by: expected columns with other names .* found 'worker_name'"):
        metric(turns, by=["worker_id", "worker_name"], names=SAME)


def test_the_tasks_that_cost_most_have_the_names_of_their_workers():
    """After the id of the worker."""
    top = top_tasks(turns_table(ROWS), names=SAME)
    assert list(top)[:5] == ["task_id", "task_title", "worker_id", "worker_name", "credits"]
    assert top["worker_name"].tolist() == ["Invoices", "Invoices", "wrk_c"]


def test_names_on_every_engine(read, files):
    """Whichever engine computes, the names are beside the ids."""
    turns = read(files["turns"])
    first = spend(turns, by="worker_id")["worker_id"].iloc[0]
    table = spend(turns, by="worker_id", names={first: "Invoices"}, price=0.5, currency="EUR")
    assert list(table) == ["worker_id", "worker_name", *SUMS, "cost", "currency"]
    assert table["worker_name"].tolist() == ["Invoices", *table["worker_id"][1:]]
