from __future__ import annotations

import pytest

from local.athena.errors import CallRefused
from local.athena.statements import decode_statement


def test_a_select_is_a_question() -> None:
    statement = decode_statement("WITH a AS (SELECT 1 AS x) SELECT x FROM a;")
    assert ("SELECT", "DML") == (statement.verb, statement.kind)


@pytest.mark.parametrize(("text", "replaces"), [("CREATE VIEW", False), ("create or replace view", True)])
def test_a_view_keeps_its_select_as_it_was_written(text: str, replaces: bool) -> None:
    statement = decode_statement(f"{text} v AS\nSELECT 1  AS x -- as is\nFROM t;")
    assert ("CREATE_VIEW", "DDL", "v", replaces) == (statement.verb, statement.kind, statement.name, statement.replaces)
    assert "SELECT 1  AS x -- as is\nFROM t" == statement.select_sql


@pytest.mark.parametrize(("text", "if_exists"), [("DROP VIEW v", False), ("DROP VIEW IF EXISTS d.v", True)])
def test_a_view_is_dropped(text: str, if_exists: bool) -> None:
    statement = decode_statement(text)
    assert ("DROP_VIEW", "v", if_exists) == (statement.verb, statement.name, statement.replaces)


def test_rows_are_inserted_into_the_columns_that_are_named() -> None:
    statement = decode_statement('INSERT INTO history ("price", N) SELECT 1, 2')
    assert ("INSERT", "history", ("price", "n")) == (statement.verb, statement.name, statement.columns)
    assert () == decode_statement("INSERT INTO history SELECT 1").columns


def test_an_hour_is_unloaded_into_a_folder() -> None:
    statement = decode_statement(
        "UNLOAD (SELECT x FROM (VALUES (1)) AS t (x)) TO 's3://b/o''clock/' WITH (format = 'PARQUET', compression = 'ZSTD')"
    )
    assert ("UNLOAD", "s3://b/o'clock/") == (statement.verb, statement.location)
    assert {"format": "PARQUET", "compression": "ZSTD"} == statement.options


@pytest.mark.parametrize(
    ("text", "athena_code"),
    [
        ("SELEC 1", "MALFORMED_QUERY"),
        ("SELECT 1; SELECT 2", "MALFORMED_QUERY"),
        ("UNLOAD (SELECT 1)", "MALFORMED_QUERY"),
        ("UNLOAD (SELEC 1) TO 's3://b/' WITH (format = 'PARQUET')", "MALFORMED_QUERY"),
        ("UNLOAD (SELECT 1) TO 's3://b/' WITH (format = 'PARQUET', compression = 'best')", "MALFORMED_QUERY"),
        ("UNLOAD (SELECT 1) TO 's3://b/' WITH (format = 'PARQUET', a = b)", "MALFORMED_QUERY"),
        ("UNLOAD (SELECT 1) TO 's3://b/' WITH (format = 'AVRO')", "NOT_SUPPORTED"),
        ("DROP TABLE history", "NOT_SUPPORTED"),
        ("DELETE FROM history", "NOT_SUPPORTED"),
        ("CREATE TABLE t AS SELECT 1 AS x", "NOT_SUPPORTED"),
    ],
)
def test_what_is_not_served_is_refused_at_once(text: str, athena_code: str) -> None:
    with pytest.raises(CallRefused) as refused:
        decode_statement(text)
    assert athena_code == refused.value.athena_code
    assert "\x1b" not in refused.value.message
