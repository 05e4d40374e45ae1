"""The data dictionary against the schemas, the reasons and the table, both ways."""

from __future__ import annotations

import json
import re
from typing import Any

import fastjsonschema
import pytest

from contract import ROOT, load_reasons, load_schema
from sql.glue import read_table
from transform_lambda.decode import decode_line
from transform_lambda.row import build_row

TEXT = (ROOT / "dictionary.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    match = re.search(rf"^(#+) {re.escape(title)}\n(.*?)(?=^#{{1,3}} |\Z)", TEXT, flags=re.MULTILINE | re.DOTALL)
    assert match, title
    return match[2]


def tables(title: str) -> list[list[list[str]]]:
    """The section's tables, each a list of rows of cells, without header and rule."""
    found = re.findall(r"(?:^\|.*\|\n)+", section(title), flags=re.MULTILINE)
    return [
        [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()[2:]] for table in found
    ]


def rows(title: str) -> list[list[str]]:
    return [[cell.strip().removesuffix(" |").removeprefix("| ") for cell in row] for row in tables(title)[0]]


def names(title: str) -> list[str]:
    return [row[0].strip("`") for row in rows(title)]


def schema_fields(schema: dict[str, Any], within: str = "") -> list[str]:
    fields = []
    for name, declared in schema["properties"].items():
        fields.append(within + name)
        if "properties" in declared:
            fields += schema_fields(declared, f"{within}{name}.")
    return fields


def test_every_field_of_a_line_is_explained_in_its_order() -> None:
    assert list(load_schema("line")["properties"]) == names("The line")


def test_every_field_of_a_row_is_explained_in_its_order() -> None:
    assert list(load_schema("row")["properties"]) == names("The row")


def test_every_column_and_partition_of_the_table_is_explained() -> None:
    table = read_table("delivered")
    assert [column.name for column in table.columns] == names("The row")
    assert [column.name for column in table.partitions] == [row[0].strip("`") for row in tables("The row")[1]]


def test_every_kind_of_a_line_or_a_row_is_explained() -> None:
    of_lines = set(load_schema("line")["properties"]["kind"]["enum"])
    of_rows = set(load_schema("row")["properties"]["kind"]["enum"])
    assert of_lines | of_rows == set(names("Kinds"))
    text = {row[0].strip("`"): row[1] for row in rows("Kinds")}
    assert of_lines - of_rows == {kind for kind in text if "Kind of a line only" in text[kind]}
    assert of_rows - of_lines == {kind for kind in text if "Kind of a row only" in text[kind]}


def test_every_source_is_explained() -> None:
    assert load_schema("line")["properties"]["source"]["enum"] == names("Sources")


@pytest.mark.parametrize(("about", "title"), [("refusal", "Reasons of refusals"), ("gap", "Reasons of gaps")])
def test_every_reason_is_explained_in_the_same_words(about: str, title: str) -> None:
    assert load_reasons(about) == {row[0].strip("`"): row[1].removesuffix(" |") for row in rows(title)}


@pytest.mark.parametrize("kind", ["gap", "coverage", "session", "unreadable"])
def test_every_field_of_testimony_is_explained_in_its_order(kind: str) -> None:
    assert schema_fields(load_schema(f"testimony/{kind}")) == names(kind)


@pytest.mark.parametrize("form", ["ticker", "rest_ticker", "rest_trade", "spot"])
def test_every_field_of_a_frame_has_its_column_or_none(form: str) -> None:
    mapped = [row for row in rows("What a frame's fields become") if row[0] == form]
    fields = [name for name in schema_fields(load_schema(f"frames/{form}")) if name != "data"]
    assert fields == [row[1].strip("`") for row in mapped]
    columns = {row[2].strip("`| ") for row in mapped} - {""}
    assert columns <= set(load_schema("row")["properties"])


@pytest.mark.parametrize("shape", ["line", "row"])
def test_its_example_is_valid(shape: str) -> None:
    match = re.search(rf"^```json {shape}\n(.*?)\n```", TEXT, flags=re.MULTILINE | re.DOTALL)
    assert match
    example = json.loads(match[1])
    fastjsonschema.validate(load_schema(shape), example)
    assert list(load_schema(shape)["properties"])[: len(example)] == list(example) or shape == "line"


def test_the_example_of_a_row_is_what_the_transform_makes_of_the_example_of_a_line() -> None:
    line, row = re.findall(r"^```json (?:line|row)\n(.*?)\n```", TEXT, flags=re.MULTILINE | re.DOTALL)
    nothing = dict.fromkeys(load_schema("row")["properties"])
    assert json.loads(row) == nothing | json.loads(build_row(decode_line(line.encode())).text)


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_the_taker_of_a_rest_trade_is_the_other_one(side: str) -> None:
    (example,) = re.findall(r"^```json line\n(.*?)\n```", TEXT, flags=re.MULTILINE | re.DOTALL)
    trade = {"time": "2026-11-23T02:30:19Z", "trade_id": 1, "price": "1", "size": "1", "side": side}
    line = {**json.loads(example), "kind": "trade", "source": "rest_heal", "product_id": "BTC-USD", "message": trade}
    assert {"buy": "sell", "sell": "buy"}[side] == json.loads(build_row(decode_line(json.dumps(line).encode())).text)[
        "taker_side"
    ]


def test_the_examples_of_fields_are_those_of_the_whole_examples() -> None:
    whole = {
        name: json.loads(text)
        for name, text in re.findall(r"^```json (line|row)\n(.*?)\n```", TEXT, flags=re.MULTILINE | re.DOTALL)
    }
    for shape, title in (("line", "The line"), ("row", "The row")):
        for row in rows(title):
            name, example = row[0].strip("`"), row[-1].strip("`| ")
            if example and name not in {"product_id", "detail"}:
                assert str(whole[shape][name]) == example
