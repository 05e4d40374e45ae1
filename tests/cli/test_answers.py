from __future__ import annotations

import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal

import click
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from cli.answers import encode_answer, encode_text, print_answer, printable, to_arrow, write_answer
from sql.engine import Answer

AT = datetime.fromisoformat("2026-11-23T02:30:19.123456")
ANSWER = Answer(
    columns=("price", "n", "at", "word", "whole", "share", "day"),
    types=("decimal(38,18)", "bigint", "timestamp", "varchar", "boolean", "double", "date"),
    rows=[
        (Decimal("0.000000000000000001"), 9007199254740993, AT, "a,b", True, 0.5, date(2026, 11, 23)),
        (None, None, None, None, None, None, None),
    ],
)


def test_an_answer_is_csv_with_nothing_for_null() -> None:
    lines = encode_answer(ANSWER, "csv").splitlines()
    assert [
        "price,n,at,word,whole,share,day",
        '0.000000000000000001,9007199254740993,2026-11-23T02:30:19.123456Z,"a,b",true,0.5,2026-11-23',
        ",,,,,,",
    ] == lines


def test_an_answer_is_json_with_null_and_exact_text_for_decimals() -> None:
    first, second = json.loads(encode_answer(ANSWER, "json"))
    assert ("0.000000000000000001", 9007199254740993, True, 0.5) == (
        first["price"],
        first["n"],
        first["whole"],
        first["share"],
    )
    assert {None} == set(second.values())


def test_what_is_nested_is_json_too() -> None:
    answer = Answer(columns=("x",), types=("array(decimal(3,1))",), rows=[([Decimal("1.50"), None],)])
    assert [{"x": ["1.5", None]}] == json.loads(encode_answer(answer, "json"))


def test_an_answer_is_arrow_of_its_own_types_also_without_rows() -> None:
    expected = [
        pa.decimal128(38, 18),
        pa.int64(),
        pa.timestamp("us"),
        pa.string(),
        pa.bool_(),
        pa.float64(),
        pa.date32(),
    ]
    for rows in (ANSWER.rows, []):
        table = to_arrow(Answer(columns=ANSWER.columns, types=ANSWER.types, rows=rows))
        assert (expected, [*rows]) == (
            table.schema.types,
            list(zip(*(column.to_pylist() for column in table.columns), strict=True)),
        )


def test_a_type_without_a_name_here_is_what_its_values_are() -> None:
    answer = Answer(columns=("x", "y"), types=("array(bigint)", "unknown"), rows=[([1, 2], None)])
    assert [pa.list_(pa.int64()), pa.null()] == to_arrow(answer).schema.types


def test_a_time_with_a_zone_is_written_in_utc() -> None:
    answer = Answer(columns=("x",), types=("timestamp with time zone",), rows=[(datetime(2026, 11, 23, tzinfo=UTC),)])
    assert [datetime.fromisoformat("2026-11-23")] == to_arrow(answer)["x"].to_pylist()


def test_numbers_stand_right_and_text_left() -> None:
    text = io.StringIO()
    answer = Answer(columns=("number", "word"), types=("bigint", "varchar"), rows=[(1, "x"), (22, "yy")])
    print_answer(answer, Console(file=text))
    assert ["number  word", "     1  x", "    22  yy"] == [line.rstrip() for line in text.getvalue().splitlines()]


def test_no_answer_steers_a_terminal() -> None:
    assert "\\x1b[31m\\u202e" == printable("\x1b[31m\u202e")


@pytest.mark.parametrize(("cell", "text"), [(None, ""), (False, "false"), (Decimal("1.50"), "1.5"), (1.5, "1.5")])
def test_a_cell_as_text(cell: object, text: str) -> None:
    assert text == encode_text(cell)


def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("x")
    write_answer(ANSWER, "parquet", folder / "a.parquet")
    assert 2 == pq.read_metadata(folder / "a.parquet").num_rows
    for form in ("parquet", "csv"):
        with pytest.raises(click.ClickException, match="could not be written to"):
            write_answer(ANSWER, form, folder / "nowhere" / "a")
