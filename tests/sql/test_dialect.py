"""Athena's SQL on DuckDB: exact division, names that differ, text that is no SELECT."""

# the expected value stands on the left

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sql.dialect import DUCKDB_MACROS, SqlRefused, complaint, literal, parse_select, to_duckdb

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NUMERATORS = st.decimals(min_value=-(10**20) + 1, max_value=10**20 - 1, places=18)
DIVISORS = st.decimals(min_value=-(10**20) + 1, max_value=10**20 - 1, places=8).filter(lambda d: abs(d) >= 1)


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        opened.execute("SET TimeZone = 'UTC'")
        for macro in DUCKDB_MACROS:
            opened.execute(macro)
        yield opened


def answer(connection: duckdb.DuckDBPyConnection, sql: str) -> Any:
    row = connection.execute(to_duckdb(parse_select(sql))).fetchone()
    assert row is not None
    return row[0]


def quotient_sql(numerator: object, divisor: object) -> str:
    return (
        f"SELECT CAST(CAST('{numerator}' AS DECIMAL(38, 18)) / CAST('{divisor}' AS DECIMAL(38, 8)) AS DECIMAL(38, 18))"
    )


@given(numerator=NUMERATORS, divisor=DIVISORS)
def test_an_exact_quotient_is_rounded_half_up_at_eighteen_places(
    connection: duckdb.DuckDBPyConnection, numerator: Decimal, divisor: Decimal
) -> None:
    with localcontext(prec=120):
        expected = (numerator / divisor).quantize(Decimal(1).scaleb(-18), ROUND_HALF_UP)
    assert expected == answer(connection, quotient_sql(numerator, divisor))


@pytest.mark.parametrize(
    ("numerator", "divisor", "expected"),
    [
        ("1", "3", "0.333333333333333333"),
        ("2", "3", "0.666666666666666667"),
        ("0.000000000000000001", "2", "0.000000000000000001"),
        ("-0.000000000000000001", "2", "-0.000000000000000001"),
        ("0.000000000000000001", "2.00000001", "0"),
        ("0", "5", "0"),
        ("99999999999999999999.999999999999999999", "1", "99999999999999999999.999999999999999999"),
        ("99999999999999999999.999999999999999999", "99999999999999999999.99999999", "1"),
    ],
)
def test_quotients_at_the_edges(
    connection: duckdb.DuckDBPyConnection, numerator: str, divisor: str, expected: str
) -> None:
    assert Decimal(expected) == answer(connection, quotient_sql(numerator, divisor))


@pytest.mark.parametrize(("numerator", "divisor"), [("1", "100000000000000000000"), ("99999999999999999999", "0.5")])
def test_a_quotient_out_of_range_is_an_error(
    connection: duckdb.DuckDBPyConnection, numerator: str, divisor: str
) -> None:
    with pytest.raises((duckdb.ConversionException, duckdb.OutOfRangeException)):
        answer(connection, quotient_sql(numerator, divisor))


def test_nothing_divided_is_nothing(connection: duckdb.DuckDBPyConnection) -> None:
    assert answer(connection, quotient_sql("1", "3").replace("'1'", "NULL")) is None
    assert answer(connection, quotient_sql("1", "3").replace("'3'", "NULL")) is None


def test_a_division_by_zero_is_an_error_as_in_athena(connection: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(duckdb.InvalidInputException, match="Division by zero"):
        answer(connection, quotient_sql("1", "0"))


def test_a_divisor_with_more_than_eight_decimals_is_refused_rather_than_rounded(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    sql = quotient_sql("1", "3").replace("'3' AS DECIMAL(38, 8)", "'3.000000001' AS DECIMAL(38, 18)")
    with pytest.raises(duckdb.InvalidInputException, match="at most 8 decimals"):
        answer(connection, sql)


@pytest.mark.parametrize("dividend", ["7", "CAST(7 AS DECIMAL(38, 8))", "CAST(7 AS DECIMAL(38, 36))"])
def test_a_dividend_that_athena_would_divide_with_other_decimals_is_refused(
    connection: duckdb.DuckDBPyConnection, dividend: str
) -> None:
    with pytest.raises(duckdb.InvalidInputException, match="has 18 decimals"):
        answer(connection, f"SELECT CAST({dividend} / CAST(3 AS DECIMAL(38, 8)) AS DECIMAL(38, 18))")


@pytest.mark.parametrize(("function", "expected"), [("max_by", None), ("min_by", 3)])
def test_the_value_at_an_extreme_may_be_null(
    connection: duckdb.DuckDBPyConnection, function: str, expected: int | None
) -> None:
    rows = "(NULL, 2), (2, 1), (3, 0), (4, NULL)"
    assert expected == answer(connection, f"SELECT {function}(x, y) FROM (VALUES {rows}) AS t (x, y)")


@pytest.mark.parametrize(
    ("instant_us", "expected"),
    [
        (0, "1970-01-01 00:00:00"),
        (1_763_999_999_999_999, "2025-11-24 15:59:59.999999"),
        (4_102_444_799_999_999, "2099-12-31 23:59:59.999999"),
    ],
)
def test_microseconds_stay_exact(connection: duckdb.DuckDBPyConnection, instant_us: int, expected: str) -> None:
    sql = f"SELECT TIMESTAMP '1970-01-01 00:00:00.000' + {instant_us} / 1000 * INTERVAL '0.001' SECOND"
    assert expected == str(answer(connection, sql))
    sql = f"SELECT CAST(from_unixtime_nanos({instant_us} * 1000) AT TIME ZONE 'UTC' AS TIMESTAMP(6))"
    assert expected == str(answer(connection, sql))


def test_milliseconds_are_not_divided_again(connection: duckdb.DuckDBPyConnection) -> None:
    sql = "SELECT TIMESTAMP '1970-01-01 00:00:00.000' + (1000 + 1) * INTERVAL '0.001' SECOND"
    assert "1970-01-01 00:00:01.001000" == str(answer(connection, sql))


def test_an_instant_of_text_keeps_its_microseconds(connection: duckdb.DuckDBPyConnection) -> None:
    sql = "SELECT CAST(substr('2026-11-23 02:30:19.123456', 1, 23) AS TIMESTAMP)"
    assert "2026-11-23 02:30:19.123456" == str(answer(connection, sql))


@pytest.mark.parametrize(
    "text", ["2026-11-23T02:30:19.123456Z", "2026-11-23T04:30:19.123456+02:00", "2026-11-23T02:30:19.123456000Z"]
)
def test_rfc_3339_becomes_utc(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    sql = f"SELECT CAST(from_iso8601_timestamp_nanos('{text}') AT TIME ZONE 'UTC' AS TIMESTAMP(6))"
    assert "2026-11-23 02:30:19.123456" == str(answer(connection, sql))


@pytest.mark.parametrize(
    ("base64", "expected"), [("w7xiZXI=", "über"), ("gGE=", "\\x80a"), ("gApcbg==", "\\x80\n\\x5Cn"), ("", "")]
)
def test_bytes_become_text_whatever_they_are(connection: duckdb.DuckDBPyConnection, base64: str, expected: str) -> None:
    assert expected == answer(connection, f"SELECT from_utf8(from_base64('{base64}'))")


def test_a_number_of_json_beyond_a_double_stays_exact(connection: duckdb.DuckDBPyConnection) -> None:
    sql = """SELECT CAST(json_extract_scalar('{"a":{"b":9223372036854775807}}', '$.a.b') AS BIGINT)"""
    assert 9223372036854775807 == answer(connection, sql)


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "-- only a comment",
        "DROP TABLE processed",
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP TABLE processed",
        "COPY processed TO '/tmp/x'",
        "SET allowed_directories = ['/']",
        "ATTACH 'x.db'",
        "CREATE TABLE x AS SELECT 1",
        "INSERT INTO x VALUES (1)",
        "SELEC 1",
        "SELECT (",
        "ohlcv please",
        "PRAGMA version",
    ],
)
def test_what_is_not_one_select_is_refused_with_a_sentence(sql: str) -> None:
    with pytest.raises(SqlRefused, match=r"^The SQL cannot be run: .*one SELECT at a time\.$"):
        parse_select(sql)


@pytest.mark.parametrize(
    "sql",
    ["SELECT 1", "SELECT 1;", "WITH a AS (SELECT 1 AS x) SELECT x FROM a", "SELECT 1 UNION ALL SELECT 2", "(SELECT 1)"],
)
def test_selects_of_every_form_pass(sql: str) -> None:
    assert to_duckdb(parse_select(sql))


@given(text=st.text(st.characters(exclude_characters="\x00", codec="utf-8")))
def test_any_text_comes_back_from_its_literal(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    assert (text,) == connection.execute(f"SELECT {literal(text)}").fetchone()


def test_a_text_that_cannot_be_read_is_named_by_file_and_line_and_not_quoted(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"{}\n\xff\xfe secret\n")
    scan = f"FROM read_csv({literal(str(path))}, columns = {{'line': 'VARCHAR'}}, header = false, auto_detect = false)"
    with duckdb.connect() as own, pytest.raises(duckdb.Error) as failed:
        own.sql(scan).fetchall()
    said = complaint(failed.value)
    assert said.startswith(f"{path}, line 2: Invalid unicode")
    assert ("secret" in said, "\n" in said) == (False, False)
