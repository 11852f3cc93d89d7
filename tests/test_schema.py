"""The columns users build on, spelled out once more by hand."""

from __future__ import annotations

import pyarrow as pa
import pytest

from handinger_analytics import SCHEMA_VERSION
from handinger_analytics.tables import schema

TASKS = """task_id worker_id organization_id created_by_user_id? title status* triggered_by* created_at
completed_at? duration_ms credits turn_count url fetched_at? extra?"""
TURNS = """turn_id task_id seq role* status* started_at completed_at? duration_ms credits input_tokens
output_tokens input output_text structured_output? files worker_id organization_id created_by_user_id?
triggered_by* task_title fetched_at? extra?"""
FAILURES = "task_id stage error http_status? message attempts"

TABLES = [
    value
    for name, value in vars(schema).items()
    if isinstance(value, tuple) and isinstance(value[0], schema.Column)
]


@pytest.mark.parametrize(
    ("columns", "documented"), [(schema.TASKS, TASKS), (schema.TURNS, TURNS), (schema.FAILURES, FAILURES)]
)
def test_columns_are_the_documented_ones(columns, documented):
    """Names, order, what may be missing (?) and what is categorical (*)."""
    declared = [
        column.name + "?" * column.nullable + "*" * (column.categories is not None) for column in columns
    ]
    assert declared == documented.split()


def test_version_is_the_one_files_carry():
    """Version 2 brought ``fetched_at`` and ``extra``."""
    assert SCHEMA_VERSION == 2


def test_counts_are_int64_and_times_utc_milliseconds():
    """Credits, tokens and milliseconds are 64-bit integers; times know their zone."""
    fields = {field.name: field.type for field in schema.arrow_schema(schema.TURNS)}
    for name in ("seq", "duration_ms", "credits", "input_tokens", "output_tokens"):
        assert fields[name] == pa.int64()
    for name in ("started_at", "completed_at"):
        assert fields[name] == pa.timestamp("ms", tz="UTC")
    assert fields["status"] == pa.dictionary(pa.int32(), pa.string())
    assert fields["input"] == fields["output_text"] == fields["structured_output"] == pa.large_string()
    files = fields["files"].value_type
    assert [files.field(n).name for n in range(4)] == ["filename", "media_type", "url", "size"]
    assert [files.field(n).nullable for n in range(4)] == [True, False, False, True]


def test_what_people_and_models_wrote_is_marked_as_text():
    """A cost file can be shared without these columns, and needs no others left out."""
    assert [column.name for column in schema.TURNS if column.text] == [
        "input",
        "output_text",
        "structured_output",
        "files",
        "task_title",
        "extra",
    ]
    assert [column.name for column in schema.TASKS if column.text] == ["title", "extra"]


@pytest.mark.parametrize("columns", TABLES)
def test_every_column_is_named_once_and_explained(columns):
    """Snake case, no repeats, a meaning each."""
    names = [column.name for column in columns]
    assert len(set(names)) == len(names)
    for column in columns:
        assert column.name == column.name.lower()
        assert column.name.isidentifier()
        assert column.meaning
        if pa.types.is_timestamp(column.type):
            assert "UTC" in column.meaning


@pytest.mark.parametrize("columns", TABLES)
def test_json_that_may_be_null_may_be_missing(columns):
    """A JSON null is a missing value, so such a column has to allow for it."""
    for column in columns:
        assert column.nullable or not column.json, column.name
