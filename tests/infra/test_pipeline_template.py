"""The pipeline's template: what a stranger may rely on without reading it whole."""

from __future__ import annotations

import re
from typing import Any

import pytest

from contract import load_schema
from sql.glue import read_table, read_template

HIVE_TYPES = {"string": "string", "integer": "bigint"}
# Where AWS lets the template's author say what a thing is for.
DESCRIBED = {
    "AWS::Lambda::Function": ("Description",),
    "AWS::Glue::Database": ("DatabaseInput", "Description"),
    "AWS::Glue::Table": ("TableInput", "Description"),
}


def row_properties() -> dict[str, Any]:
    properties: dict[str, Any] = load_schema("row")["properties"]
    return properties


def test_the_tables_columns_are_the_rows_fields_in_their_order() -> None:
    assert list(row_properties()) == [column.name for column in read_table("delivered").columns]


@pytest.mark.parametrize("column", read_table("delivered").columns, ids=lambda column: column.name)
def test_a_column_has_the_type_of_its_field_and_a_comment(column: Any) -> None:
    schema = row_properties()[column.name]
    types = set(schema.get("type", ["string", "null"] if "enum" in schema else []))
    types = {"string"} if schema.get("type") == "string" else types - {"null"}
    assert {column.type} == {HIVE_TYPES[name] for name in types}
    assert column.comment


def test_every_kind_of_row_but_the_refused_has_a_partition_of_its_own() -> None:
    values = read_table("delivered").parameters["projection.lake_kind.values"].split(",")
    kinds = [kind for kind in row_properties()["kind"]["enum"] if kind != "refused"]
    assert [*kinds, "mixed"] == values


def test_the_prefix_of_the_stream_and_the_template_of_the_table_name_the_same_keys() -> None:
    stream = read_template()["Resources"]["Stream"]["Properties"]["ExtendedS3DestinationConfiguration"]
    written = re.sub(r"!\{partitionKeyFromLambda:(\w+)\}", r"<\1>", stream["Prefix"])
    table = read_table("delivered").parameters["storage.location.template"]
    read = (
        table.split("/", 3)[3].replace("${lake_kind}", "<kind>").replace("${lake_hour}", "<year>/<month>/<day>/<hour>")
    )
    assert written == read


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (
            "processed/coinbase/ticker/2026/11/23/02/ticklake-1-2026-11-23-02-30-19-uuid.parquet",
            ("ticker", "2026/11/23/02"),
        ),
        ("processed/coinbase/mixed/2026/11/23/02/x", ("mixed", "2026/11/23/02")),
        ("processed/coinbase/other/2026/11/23/02/x", None),
        ("processed/coinbase/ticker/2026/11/23/x", None),
        ("processed/coinbase/ticker/2026/11/23/02/deeper/x", None),
        ("errors/processed/coinbase/ticker/2026/11/23/02/x", None),
    ],
)
def test_a_key_says_its_kind_and_hour_or_does_not_belong(key: str, expected: tuple[str, str] | None) -> None:
    match = re.match(read_table("delivered").key_pattern, key)
    assert expected == (match.groups() if match else None)


def test_every_resource_that_can_say_what_it_is_for_says_so() -> None:
    for name, resource in read_template()["Resources"].items():
        described = resource.get("Properties", {})
        for key in DESCRIBED.get(resource["Type"], ()):
            described = described.get(key, "")
        assert described, name
