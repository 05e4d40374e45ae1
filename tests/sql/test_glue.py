"""The Glue table as the template declares it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from sql.glue import decode_table, read_table


def table_input(template: str | list[Any], **parameters: str) -> dict[str, Any]:
    return {
        "Name": "t",
        "Parameters": {"storage.location.template": template, **parameters},
        "PartitionKeys": [{"Name": "day", "Type": "string"}],
        "StorageDescriptor": {
            "Location": "s3://${Bucket}/a.b/",
            "Columns": [{"Name": "x", "Type": "bigint", "Comment": "What."}],
        },
    }


def test_a_key_is_cut_where_the_template_says() -> None:
    declared = {"projection.day.type": "date", "projection.day.format": "yyyy-MM-dd"}
    table = decode_table(table_input(["", ["s3://", "Bucket", "/a.b/day=${day}/"]], **declared))
    assert "a.b/" == table.prefix
    match = re.match(table.key_pattern, "a.b/day=2026-11-23/object")
    assert match
    assert ("2026-11-23",) == match.groups()
    assert not re.match(table.key_pattern, "axb/day=2026-11-23/object")
    assert not re.match(table.key_pattern, "a.b/day=2026-11-2x/object")


def test_an_enum_takes_its_values_and_no_others() -> None:
    table = decode_table(
        table_input("s3://b/a.b/${day}/", **{"projection.day.type": "enum", "projection.day.values": "mon,tue.x"})
    )
    assert re.match(table.key_pattern, "a.b/tue.x/object")
    assert not re.match(table.key_pattern, "a.b/tuesx/object")
    assert not re.match(table.key_pattern, "a.b/wed/object")


def test_columns_keep_their_order_types_and_comments() -> None:
    (column,) = decode_table(table_input("s3://b/", **{"projection.day.type": "date"})).columns
    assert ("x", "bigint", "What.") == (column.name, column.type, column.comment)


def test_a_table_that_is_not_declared_is_an_error() -> None:
    with pytest.raises(LookupError, match="no Glue table named nothing"):
        read_table("nothing")
