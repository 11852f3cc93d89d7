from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handinger_analytics import parse_bodies
from handinger_analytics.errors import ArgumentError, FrameError
from handinger_analytics.metrics.explode import explode_structured_output
from tests.metrics.turns_by_hand import tasks_table, turns_table
from tests.samples import TASK, TURN

KEYS = ["turn_id", "task_id", "seq", "worker_id", "started_at"]


def exploded(*outputs: object, prefix: str = "out.") -> pd.DataFrame:
    """Return the new columns for outputs, given as JSON text or as what becomes it."""
    texts = [one if one is None or isinstance(one, str) else json.dumps(one) for one in outputs]
    frame = turns_table([{"structured_output": text} for text in texts])
    return explode_structured_output(frame, prefix=prefix).drop(columns=KEYS)


def values(column: pd.Series) -> list:
    """Return the values of a column, None where one is missing."""
    return [None if pd.isna(value) else value for value in column]


def test_a_row_per_turn():
    """Every turn is a row with its keys, also one without an output, in the order given."""
    frame = turns_table(
        [
            {"turn_id": "trn_b", "structured_output": '{"n":1}', "worker_id": "wrk_x"},
            {"turn_id": "trn_a", "structured_output": None, "seq": 3},
        ]
    )
    result = explode_structured_output(frame)
    assert result.columns.tolist() == [*KEYS, "out.n"]
    assert result["turn_id"].tolist() == ["trn_b", "trn_a"]
    assert result["worker_id"].tolist() == ["wrk_x", "wrk_a"]
    assert result["seq"].tolist() == [0, 3]
    assert result["started_at"].iloc[0] == pd.Timestamp("2026-05-11T09:00Z")
    assert values(result["out.n"]) == [1, None]


def test_only_the_keys_that_are_there():
    """Turn id and output are enough."""
    frame = turns_table([{"structured_output": '{"n":1}'}]).select(["turn_id", "structured_output"])
    assert explode_structured_output(frame).columns.tolist() == ["turn_id", "out.n"]


@pytest.mark.parametrize(
    ("outputs", "dtype", "expected"),
    [
        pytest.param(['{"x":1}', '{"x":-2}', "{}"], "Int64", [1, -2, None], id="whole"),
        pytest.param(['{"x":1}', '{"x":2.5}', '{"x":null}'], "float64", [1.0, 2.5, None], id="numbers"),
        pytest.param(['{"x":1.0}', '{"x":2e3}'], "float64", [1.0, 2000.0], id="fractions"),
        pytest.param(['{"x":true}', '{"x":false}', "{}"], "boolean", [True, False, None], id="booleans"),
        pytest.param(['{"x":"a\\u00e9"}', '{"x":""}'], "str", ["aé", ""], id="text"),
        pytest.param(['{"x":[1, {"y":2}]}', '{"x":[]}'], "str", ['[1, {"y":2}]', "[]"], id="lists"),
        pytest.param(['{"x":null}'], "str", [None], id="nulls"),
        pytest.param(
            ['{"x":1}', '{"x":"1"}', '{"x":true}', '{"x":[1]}', '{"x":1.50}'],
            "str",
            ["1", "1", "true", "[1]", "1.50"],
            id="mixed",
        ),
        pytest.param(
            ['{"x":9223372036854775807}', '{"x":-9223372036854775808}'],
            "Int64",
            [2**63 - 1, -(2**63)],
            id="largest",
        ),
        pytest.param(
            ['{"x":9223372036854775808}', '{"x":1}'], "str", ["9223372036854775808", "1"], id="larger"
        ),
        pytest.param(["{\"x\":" + "7" * 5000 + "}"], "str", ["7" * 5000], id="huge"),
        pytest.param(['{"x":1e999}', '{"x":1}'], "str", ["1e999", "1"], id="no float"),
        pytest.param(
            ['{"x":9007199254740993}', '{"x":0.5}'], "str", ["9007199254740993", "0.5"], id="no exact float"
        ),
    ],
)  # fmt: skip
def test_dtypes(outputs: list[str], dtype: str, expected: list):
    """A column has the type of all its values, or is text that holds each as it was sent."""
    column = exploded(*outputs)["out.x"]
    wanted = pd.StringDtype(na_value=math.nan) if dtype == "str" else dtype
    assert column.dtype == wanted
    assert values(column) == expected


def test_nested():
    """Nested objects have a dot between their keys, columns the order in which they occur."""
    result = exploded({"a": {"b": {"c": 1}, "d": 2}, "e": 3}, {"f": 4, "a": {"b": {"g": 5}}})
    assert result.columns.tolist() == ["out.a.b.c", "out.a.d", "out.e", "out.f", "out.a.b.g"]
    assert values(result["out.a.b.c"]) == [1, None]


def test_object_or_value():
    """Where a field is an object in one turn and a value in another, both have their column."""
    result = exploded({"a": 5}, {"a": {"x": 1}}, {"a": {}}, {"a": [1]})
    assert values(result["out.a"]) == ["5", None, "{}", "[1]"]
    assert values(result["out.a.x"]) == [None, 1, None, None]


def test_top_level():
    """An output that is no object is in a column of its own, a JSON null is none."""
    result = exploded("5", "[1,2]", '"text"', "{}", " null ", {"a": 1})
    assert values(result["out"]) == ["5", "[1,2]", "text", "{}", None, None]
    assert values(result["out.a"]) == [None] * 5 + [1]
    assert exploded("true", prefix="")["value"].tolist() == [True]


def test_keys_that_would_collide():
    """Keys with dots, empty ones and ones in quotation marks are told apart from nested ones."""
    result = exploded({"a.b": 1, "a": {"b": 2, "": 3}, "": 4, '"a.b"': 5, '"': {".": 6}})
    assert result.iloc[0].to_dict() == {
        'out."a.b"': 1,
        "out.a.b": 2,
        'out.a.""': 3,
        'out.""': 4,
        'out."\\"a.b\\""': 5,
        'out."\\""."."': 6,
    }


def test_repeated_key():
    """An object with a repeated key stays whole, as all but one of its values would be lost."""
    result = exploded('{"a":{"x":1,"x":2},"b":3}', '{ "b" : 4 ,\n "a" : { "x" : 5 } }', '{"c":1, "c":2}')
    assert values(result["out.a"]) == ['{"x":1,"x":2}', None, None]
    assert values(result["out.a.x"]) == [None, 5, None]
    assert values(result["out.b"]) == [3, 4, None]
    assert values(result["out"]) == [None, None, '{"c":1, "c":2}']


def test_deep():
    """Objects more than 32 levels deep stay whole; nesting without end keeps the whole output."""
    deep = '{"k":' * 40 + "1" + "}" * 40
    (name,) = exploded(deep).columns
    assert name == "out" + ".k" * 32
    assert exploded(deep)[name].tolist() == ['{"k":' * 8 + "1" + "}" * 8]
    endless = '{"k":' * 100_000 + "1" + "}" * 100_000
    assert exploded(endless)["out"].tolist() == [endless]


@pytest.mark.parametrize("sent", [r'{"a":"\ud83d","b":1}', r'"\ud83d"'])
def test_half_a_surrogate_pair(sent: str):
    """What no text column can hold in pieces stays whole, as it was sent."""
    assert exploded(sent, {"b": 2})["out"].iloc[0] == sent


def test_many_keys():
    """A map from thousands of ids becomes one column of JSON, said in attrs; the rest stays columns."""
    outputs = [{"n": n, "by_id": {f"id_{n}_{m}": {"x": m, "y": m} for m in range(30)}} for n in range(100)]
    frame = turns_table([{"structured_output": json.dumps(one)} for one in outputs])
    result = explode_structured_output(frame)
    assert result.columns.tolist() == [*KEYS, "out.n", "out.by_id"]
    assert [json.loads(text) for text in result["out.by_id"]] == [one["by_id"] for one in outputs]
    assert result["out.n"].tolist() == list(range(100))
    assert result.attrs["handinger"] == {"folded": ["out.by_id"]}


def test_many_keys_at_the_top():
    """Where the outputs themselves are maps they stay whole."""
    result = exploded(*({f"id_{n}": n} for n in range(1001)))
    assert result.columns.tolist() == ["out"]
    assert result["out"].iloc[1000] == '{"id_1000": 1000}'
    assert exploded(*({f"id_{n}": n} for n in range(1000))).shape == (1000, 1000)


def keyed(count: int, value: object = 1, start: int = 0) -> dict[str, object]:
    """Return a map from ids, all with the same value."""
    return {f"id_{number}": value for number in range(start, start + count)}


PLAIN = {f"field_{number}": number for number in range(600)}
PAIR = {"x": 1, "y": 2}


@pytest.mark.parametrize(
    ("outputs", "folded"),
    [
        pytest.param([{**PLAIN, "by_id": keyed(500, PAIR)}], ["out.by_id"], id="map beside more fields"),
        pytest.param(
            [{"result": {**PLAIN, "by_id": keyed(500, PAIR)}, "ok": True}], ["out.result.by_id"], id="nested"
        ),
        pytest.param(
            [{**PLAIN, "large": keyed(900), "small": keyed(200)}],
            ["out.large"],
            id="the small one would not do",
        ),
        pytest.param(
            [{"large": keyed(900), "enough": keyed(700), "n": 1}] * 2, ["out.enough"], id="each would do"
        ),
        pytest.param(
            [
                {"address": {f"line_{n}": n for n in range(6)}, "by_id": keyed(10, start=10 * m)}
                for m in range(100)
            ],
            ["out.by_id"],
            id="few ids in each output",
        ),
        pytest.param(
            [{"a": keyed(900), "b": keyed(900), "c": keyed(800), "n": 1}],
            ["out.a", "out.b"],
            id="two of three",
        ),
        pytest.param(
            [{"all": {"a": keyed(900), "b": keyed(900), "c": keyed(800), "n": 1}, "m": 2}],
            ["out.all.a", "out.all.b"],
            id="two of three, nested",
        ),
        pytest.param(
            [{f"map_{n}": keyed(100) for n in range(20)}],
            [f"out.map_{n}" for n in range(11)],
            id="many maps",
        ),
        pytest.param([{"by_id": keyed(100, keyed(30)), "n": 1}], ["out.by_id"], id="objects in a map"),
        pytest.param([{"only": {"by_id": keyed(1001)}}], ["out.only.by_id"], id="innermost"),
        pytest.param([keyed(1001, PAIR)], ["out"], id="the whole"),
        pytest.param([{**keyed(1001), "address": PAIR}], ["out"], id="the whole, with an object"),
        pytest.param([{"a": keyed(1001)}, {"a": 5}, [1]], ["out.a"], id="now an object, now a value"),
    ],
)
def test_what_is_folded(outputs: list, folded: list[str]):
    """The object with fewest values that is enough is folded, or a few within it; the whole comes last."""
    frame = turns_table([{"structured_output": json.dumps(one)} for one in outputs])
    result = explode_structured_output(frame)
    assert result.attrs["handinger"]["folded"] == sorted(folded)
    assert len(result.columns) - len(KEYS) <= 1000
    for name in folded:
        there = outputs[0]
        for key in name.split(".")[1:]:
            there = there[key]
        assert json.loads(result[name].iloc[0]) == there


def test_another_column():
    """Any column of JSON text is opened, and the error for what is none names it."""
    table = turns_table([{"extra": '{"totals":{"usd":1.5}}'}, {}])
    result = explode_structured_output(table, column="extra", prefix="extra.")
    assert result.columns.tolist() == [*KEYS, "extra.totals.usd"]
    assert values(result["extra.totals.usd"]) == [1.5, None]
    broken = turns_table([{}, {"extra": "{"}])
    with pytest.raises(FrameError, match=r"turn 'trn_1': extra is not JSON text: .*found '{'"):
        explode_structured_output(broken, column="extra")
    with pytest.raises(FrameError, match=r"turns: no column 'extras'; it has .*extra"):
        explode_structured_output(table, column="extras")
    with pytest.raises(ArgumentError, match=r"column: expected the name of a column, found \['extra'\]"):
        explode_structured_output(table, column=["extra"])


def test_tasks():
    """Tasks are told apart by their own id."""
    tasks = tasks_table(
        [{"task_id": "tsk_1", "extra": '{"region":"eu"}'}, {"task_id": "tsk_2", "extra": "{}"}]
    )
    result = explode_structured_output(tasks, column="extra")
    assert result.columns.tolist() == ["task_id", "worker_id", "out.region", "out"]
    assert result["task_id"].tolist() == ["tsk_1", "tsk_2"]
    with pytest.raises(FrameError, match="task 'tsk_1': title is not JSON text"):
        explode_structured_output(tasks, column="title")
    with pytest.raises(FrameError, match="no column 'turn_id' or 'task_id', which says whose 'extra' it is"):
        explode_structured_output(tasks.select(["worker_id", "extra"]), column="extra")


def test_extra_of_an_answer():
    """What the server sent beyond the table becomes columns, of turns and of tasks."""
    task = TASK | {"region": "eu", "totals": TASK["totals"] | {"usd": 1.5}}
    body = json.dumps({"task": task, "turns": [TURN | {"model": {"name": "x", "version": 2}}]})
    result = parse_bodies([body])
    turns = explode_structured_output(result.turns, column="extra", prefix="extra.")
    assert turns.filter(like="extra").iloc[0].to_dict() == {"extra.model.name": "x", "extra.model.version": 2}
    tasks = explode_structured_output(result.tasks, column="extra", prefix="extra.")
    assert tasks.iloc[0].to_dict() == {
        "task_id": TASK["id"],
        "worker_id": TASK["workerId"],
        "extra.region": "eu",
        "extra.totals.usd": 1.5,
    }
    assert turns.attrs["handinger"]["complete"]


def parsed(*outputs: object) -> pd.DataFrame:
    """Return turns whose outputs are objects of Python in a pandas column."""
    frame = turns_table([{} for _ in outputs]).to_pandas()
    return frame.assign(structured_output=pd.Series(outputs, dtype=object))


def test_dicts():
    """Dicts and lists are taken as the JSON they are, whatever is missing in and beside them."""
    outputs = (
        {"a": 1, "b": {"c": [1, "x"]}},
        {"a": "one"},
        [1],
        '{"a": true}',
        None,
        np.nan,
        pd.NA,
        pd.NaT,
        {},
    )
    result = explode_structured_output(parsed(*outputs))
    assert result.columns.tolist() == [*KEYS, "out.a", "out.b.c", "out"]
    assert values(result["out.a"]) == ["1", "one", None, "true", *[None] * 5]
    assert values(result["out.b.c"]) == ['[1, "x"]'] + [None] * 8
    assert values(result["out"]) == [None, None, "[1]", *[None] * 5, "{}"]


def test_dicts_as_other_readers_give_them():
    """Values of NumPy and missing ones of pandas within a dict are what JSON has for them."""
    outputs = {"n": np.int64(3), "list": np.array([1, 2]), "gap": float("nan")}, {"n": 4, "gap": pd.NA}
    result = explode_structured_output(parsed(*outputs))
    assert result["out.n"].tolist() == [3, 4]
    assert values(result["out.list"]) == ["[1, 2]", None]
    assert values(result["out.gap"]) == [None, None]


def test_structs_of_other_engines():
    """Structs and lists of Arrow, DuckDB and Polars are dicts and lists as well, with exact numbers."""
    duckdb = pytest.importorskip("duckdb", reason="needs the extra [duckdb]")
    polars = pytest.importorskip("polars", reason="needs the extra [polars]")
    kind = pa.struct([("a", pa.int64()), ("b", pa.list_(pa.string()))])
    mine = pa.array([{"a": 2**60 + 1, "b": ["x"]}, None], kind)
    table = turns_table([{}, {}]).append_column("mine", mine)
    for turns in (table, polars.from_arrow(table), duckdb.from_arrow(table)):
        result = explode_structured_output(turns, column="mine")
        assert values(result["out.a"]) == [2**60 + 1, None]
        assert values(result["out.b"]) == ['["x"]', None]


@pytest.mark.parametrize(
    "value",
    [object(), {"a": [object()]}, {(1, 2): 3}, pd.Timestamp("2026-05-01")],
    ids=["object", "object in a list", "tuple as a key", "time"],
)
def test_objects_that_are_no_json(value: object):
    """What JSON does not have is refused with the turn it belongs to."""
    with pytest.raises(FrameError, match=r"turn 'trn_1': structured_output is not JSON text: .*; found"):
        explode_structured_output(parsed({"a": 1}, value))


def test_endless_dicts():
    """A dict that holds itself is refused."""
    endless: dict = {}
    endless["again"] = endless
    with pytest.raises(FrameError, match="turn 'trn_0': structured_output is not JSON text"):
        explode_structured_output(parsed(endless))


def test_workers_have_their_own_shapes():
    """The turns of one worker alone give the columns and types of that worker."""
    frame = turns_table(
        [
            {"worker_id": "wrk_a", "structured_output": '{"total":1,"a":true}'},
            {"worker_id": "wrk_b", "structured_output": '{"total":"many"}'},
        ]
    ).to_pandas()
    assert explode_structured_output(frame)["out.total"].tolist() == ["1", "many"]
    alone = explode_structured_output(frame[frame["worker_id"] == "wrk_a"])
    assert alone.dtypes[["out.total", "out.a"]].tolist() == ["Int64", "boolean"]
    others = explode_structured_output(frame[frame["worker_id"] == "wrk_b"])
    assert others.columns.tolist() == [*KEYS, "out.total"]


def test_attrs():
    """Provenance is carried."""
    frame = turns_table([{}]).to_pandas()
    frame.attrs["handinger"] = {"complete": False}
    assert explode_structured_output(frame).attrs["handinger"] == {"complete": False}


@pytest.mark.parametrize("text", ["nope", '{"a":1', "", "{'a':1}", "{}{}"])
def test_no_json(text: str):
    """Text that is no JSON is refused with the turn it belongs to."""
    with pytest.raises(FrameError, match="turn 'trn_0': structured_output is not JSON text"):
        exploded(text)


def test_prefix_that_collides():
    """A new column never takes the place of a key."""
    with pytest.raises(
        ArgumentError, match=r"prefix: expected .* no two columns the name 'turn_id', found ''"
    ):
        exploded({"turn_id": 1}, prefix="")


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=3),
)
keys = st.sampled_from(["a", "b", "a.b", "", '"', "ñ", '"a"'])
trees = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(keys, inner, max_size=3)
)


def leaves(tree: object, path: tuple = ()) -> dict[tuple, object]:
    """Return what is not an object, by the keys that lead there, and empty objects."""
    if not isinstance(tree, dict) or not tree:
        return {path: tree}
    return {where: leaf for key, inner in tree.items() for where, leaf in leaves(inner, (*path, key)).items()}


@pytest.mark.slow
@settings(max_examples=150)
@given(outputs=st.lists(trees, min_size=1, max_size=5))
def test_nothing_is_dropped(outputs: list):
    """Every value of every output is in its row, in as many columns as there are paths."""
    result = exploded(*(json.dumps(one, ensure_ascii=False) for one in outputs))
    found = [leaves(one) for one in outputs]
    paths = {path for its in found for path, leaf in its.items() if path or leaf is not None}
    assert len(result.columns) == len(paths)
    for (_, row), its in zip(result.iterrows(), found, strict=True):
        expected = sorted(as_text(leaf) for leaf in its.values() if leaf is not None)
        assert sorted(as_text(value) for value in row if not pd.isna(value)) == expected


def as_text(value: object) -> str:
    """Return a number as the float it is nearest to, text as it is, all else as JSON."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return str(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return repr(float(value))
    return json.dumps(value, sort_keys=True) if isinstance(value, dict | list | bool) else str(value)
