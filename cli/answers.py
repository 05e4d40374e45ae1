"""
An engine's answer for people and programs: a table on the terminal, CSV, JSON, Parquet.

Laws: what a lake holds is untrusted text: nothing of it reaches a terminal as a control sequence; decimals are written exactly.
Refuses to know: which engine answered, and what it was asked.
"""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from typing import TYPE_CHECKING, Any, Final

import click
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sql.engine import encode_cell

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sql.engine import Answer

FORMATS: Final = ("table", "csv", "json", "parquet")
# What steers a terminal: C0, DEL and C1, and Unicode's separators and directions.
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
# Wide enough that nothing is folded where no terminal sets a width.
_NO_TERMINAL_COLUMNS: Final = 1000
_ARROW_TYPES: Final[Mapping[str, pa.DataType]] = {
    "tinyint": pa.int8(),
    "smallint": pa.int16(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "real": pa.float32(),
    "float": pa.float32(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "varchar": pa.string(),
    "timestamp": pa.timestamp("us"),
    "timestamp with time zone": pa.timestamp("us"),
}
_DECIMAL: Final = re.compile(r"decimal\((\d+),(\d+)\)")


def write_answer(answer: Answer, form: str, output: Path | None) -> None:
    """
    Write an answer in this form to this file, or to standard output.

    Raises: click.ClickException.
    """
    try:
        if form == "parquet":
            assert output is not None
            pq.write_table(to_arrow(answer), output, compression="zstd")
        elif form == "table" and output is None:
            print_answer(answer, Console())
        elif output is None:
            text = encode_answer(answer, form)
            click.echo("\n".join(map(printable, text.split("\n"))) if sys.stdout.isatty() else text, nl=False)
        else:
            output.write_text(encode_answer(answer, form), encoding="utf-8", newline="")
    except OSError as error:
        raise click.ClickException(f"The answer could not be written to {output}: {error.strerror}.") from error


def encode_answer(answer: Answer, form: str) -> str:
    """An answer as text."""
    text = io.StringIO()
    if form == "csv":
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(answer.columns)
        rows.writerows([encode_text(cell) for cell in row] for row in answer.rows)
    elif form == "json":
        objects = [dict(zip(answer.columns, map(encode_cell, row), strict=True)) for row in answer.rows]
        text.write(json.dumps(objects, indent=1, ensure_ascii=False, default=encode_cell) + "\n")
    else:
        print_answer(answer, Console(file=text, width=_NO_TERMINAL_COLUMNS, color_system=None))
    return text.getvalue()


def to_arrow(answer: Answer) -> pa.Table:
    """An answer as an Arrow table: each column of its own type; one of a type that is not known here as its values are."""
    cells = zip(*answer.rows, strict=True) if answer.rows else (() for _ in answer.columns)
    arrays = [pa.array(list(column), _arrow_type(kind)) for column, kind in zip(cells, answer.types, strict=True)]
    return pa.Table.from_arrays(arrays, names=list(answer.columns))


def _arrow_type(kind: str) -> pa.DataType | None:
    if decimal := _DECIMAL.fullmatch(kind):
        return pa.decimal128(int(decimal[1]), int(decimal[2]))
    return _ARROW_TYPES.get(kind)


def print_answer(answer: Answer, console: Console) -> None:
    """Print an answer as a table; nothing in it reaches the terminal as a control sequence."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name, kind in zip(answer.columns, answer.types, strict=True):
        arrow_type = _arrow_type(kind)
        right = arrow_type is not None and _is_number(arrow_type)
        table.add_column(Text(printable(name)), justify="right" if right else "left", overflow="fold")
    for row in answer.rows:
        table.add_row(*(Text(printable(encode_text(cell))) for cell in row))
    if not console.is_terminal:
        console.width = _NO_TERMINAL_COLUMNS
    console.print(table)
    if not answer.rows:
        console.print("(no rows)")


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_decimal(kind) or pa.types.is_floating(kind)


def printable(text: str) -> str:
    """Text in which nothing steers a terminal."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def encode_text(cell: Any) -> str:
    """One cell as text: as JSON has it, but nothing for null."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return "" if cell is None else str(encode_cell(cell))
