from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

import pytest

from local.athena.catalog import Catalog, StoredView
from local.athena.errors import CallRefused, StatementFailed
from local.athena.tables import list_tables
from local.athena.values import column_info
from sql.dialect import parse_select


def view(name: str, select: str = "SELECT 1 AS x") -> StoredView:
    columns = [column_info("x", "BIGINT"), column_info("y", "DECIMAL(38,18)")]
    return StoredView(name, select, parse_select(select), columns, datetime(2026, 11, 23, tzinfo=UTC))


@pytest.fixture
def catalog() -> Catalog:
    return Catalog(database="d", bucket="b")


def test_a_view_is_told_in_the_envelope_that_athena_leaves_in_glue(catalog: Catalog) -> None:
    catalog.put_view(view("v", "SELECT 1  AS x"), replaces=False)
    told = catalog.get_table({"DatabaseName": "d", "Name": "V"})["Table"]
    text = told["ViewOriginalText"].removeprefix("/* Presto View: ").removesuffix(" */")
    envelope = json.loads(base64.b64decode(text))
    assert ("VIRTUAL_VIEW", "SELECT 1  AS x", "d") == (told["TableType"], envelope["originalSql"], envelope["schema"])
    assert [{"name": "x", "type": "bigint"}, {"name": "y", "type": "decimal(38,18)"}] == envelope["columns"]


def test_tables_are_the_templates(catalog: Catalog) -> None:
    catalog.put_view(view("v"), replaces=True)
    assert [*list_tables(), "v"] == [each["Name"] for each in catalog.get_tables({"DatabaseName": "d"})["TableList"]]
    told = catalog.get_table({"DatabaseName": "d", "Name": "history"})["Table"]
    assert "s3://b/history/coinbase/" == told["StorageDescriptor"]["Location"]


def test_a_view_is_made_anew_only_if_that_is_said(catalog: Catalog) -> None:
    catalog.put_view(view("v"), replaces=False)
    with pytest.raises(StatementFailed, match="TABLE_ALREADY_EXISTS"):
        catalog.put_view(view("v"), replaces=False)
    with pytest.raises(StatementFailed, match="TABLE_ALREADY_EXISTS"):
        catalog.put_view(view("history"), replaces=True)
    catalog.put_view(view("v", "SELECT 2 AS x"), replaces=True)
    assert {"v": "SELECT 2 AS x"} == catalog.view_texts()


def test_what_is_not_there_is_said(catalog: Catalog) -> None:
    for request in ({"DatabaseName": "d", "Name": "x"}, {"DatabaseName": "other", "Name": "history"}):
        with pytest.raises(CallRefused) as refused:
            catalog.get_table(request)
        assert "EntityNotFoundException" == refused.value.code
    catalog.drop_view("v", if_exists=True)
    with pytest.raises(StatementFailed, match="TABLE_NOT_FOUND"):
        catalog.drop_view("v", if_exists=False)
    with pytest.raises(CallRefused, match="Expression"):
        catalog.get_tables({"DatabaseName": "d", "Expression": "v.*"})
