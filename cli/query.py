"""
`ticklake query`: ask a lake on this machine a question of infra/queries, or a SELECT of one's own.

Laws: what a lake holds is untrusted text: nothing of it reaches a terminal as a control sequence; decimals are written exactly.
Refuses to know: how a question is planned (sql/questions.py).
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
import sys
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table
from rich.text import Text

from local.lake.answers import Result, run_query
from local.lake.folder import LakeError, open_lake
from sql.dialect import SqlRefused
from sql.questions import Query, QueryError, list_queries, load_query, query_from_sql

if TYPE_CHECKING:
    from collections.abc import Iterator

_FORMATS: Final = ("table", "csv", "json", "parquet")
# What steers a terminal: C0, DEL and C1, and Unicode's separators and directions.
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
# Wide enough that nothing is folded where no terminal sets a width.
_NO_TERMINAL_COLUMNS: Final = 1000


@click.command("query")
@click.argument("question", required=False)
@click.option(
    "--lake",
    type=click.Path(path_type=Path),
    default=Path("lake"),
    envvar="TICKLAKE_LAKE",
    show_default=True,
    show_envvar=True,
    help="The lake to ask.",
)
@click.option("--product", help="One product, such as BTC-USD.")
@click.option("--from", "from_", metavar="INSTANT", help="From this instant on, such as 2026-11-23T02:30 (UTC).")
@click.option("--to", metavar="INSTANT", help="Before this instant.")
@click.option("--interval", metavar="DURATION", help="Width of an interval, such as 10s, 1m or 4h.")
@click.option("--set", "others", metavar="NAME=VALUE", multiple=True, help="Any other value the question takes.")
@click.option(
    "--format",
    "form",
    type=click.Choice(_FORMATS),
    help="How to write the answer; by default as FILE's ending says, or a table.",
)
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write the answer here."
)
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Draw the bars of ohlcv into this PNG or SVG file, instead of writing them.",
)
@click.option("--list", "list_", is_flag=True, help="List the questions and what each may be told.")
def command(
    *,
    question: str | None,
    lake: Path,
    product: str | None,
    from_: str | None,
    to: str | None,
    interval: str | None,
    others: tuple[str, ...],
    form: str | None,
    output: Path | None,
    plot: Path | None,
    list_: bool,
) -> None:
    """
    Ask the lake QUESTION: the name of a query (see --list), or a whole SELECT in Athena's dialect.

    \b
    ticklake query ohlcv --product BTC-USD --interval 5m
    ticklake query "SELECT count(*) AS trades FROM ticks"
    """  # noqa: D301  # \b is click's own mark: keep these lines as they are
    if list_:
        click.echo(_describe_queries())
        return
    if question is None:
        raise click.UsageError("Say what to ask: a query's name (--list shows them) or a SELECT in quotes.")
    given = {"product": product, "from": from_, "to": to, "interval": interval}
    values = {name: value for name, value in given.items() if value is not None} | _decode_others(others)
    form = form or _form_by_ending(output)
    if form == "parquet" and output is None:
        raise click.UsageError("Parquet is not text: name a file with --output.")
    if plot is not None and plot.suffix not in {".png", ".svg"}:
        raise click.UsageError("--plot draws PNG or SVG: name a file that ends in .png or .svg.")
    try:
        asked = query_from_sql(question) if re.search(r"\s", question) else load_query(question)
        with open_lake(lake) as opened:
            result = run_query(opened, asked, values)
    except (LakeError, QueryError, SqlRefused) as error:
        raise click.ClickException(str(error)) from error
    if plot is None:
        _write_answer(result, form, output)
    else:
        _plot_answer(result, plot)


def _plot_answer(result: Result, plot: Path) -> None:
    # Imported here: it takes longer than most questions.
    from cli.plot import plot_bars  # noqa: PLC0415

    try:
        plot_bars(result, plot)
    except OSError as error:
        raise click.ClickException(f"The picture could not be written to {plot}: {error.strerror}.") from error


def _decode_others(others: tuple[str, ...]) -> dict[str, str]:
    pairs = [other.partition("=") for other in others]
    if any(not sign for _, sign, _ in pairs):
        raise click.UsageError("--set wants NAME=VALUE.")
    return {name: value for name, _, value in pairs}


def _form_by_ending(output: Path | None) -> str:
    ending = output.suffix.removeprefix(".") if output else ""
    return ending if ending in _FORMATS else "table"


def _describe_queries() -> str:
    return "\n".join(line for name in list_queries() for line in _describe(load_query(name)))


def _describe(query: Query) -> Iterator[str]:
    yield f"{query.name}: {query.question}"
    for parameter in query.parameters:
        option = (
            f"--{parameter.name}"
            if parameter.name in {"product", "from", "to", "interval"}
            else f"--set {parameter.name}="
        )
        yield f"    {option:<12} {parameter.type}, by default {parameter.default}"


def _write_answer(result: Result, form: str, output: Path | None) -> None:
    try:
        if form == "parquet":
            assert output is not None
            pq.write_table(result.table, output, compression="zstd")
        elif form == "table" and output is None:
            print_result(result, Console())
        elif output is None:
            text = _encode(result, form)
            click.echo("\n".join(map(_printable, text.split("\n"))) if sys.stdout.isatty() else text, nl=False)
        else:
            output.write_text(_encode(result, form), encoding="utf-8", newline="")
    except OSError as error:
        raise click.ClickException(f"The answer could not be written to {output}: {error.strerror}.") from error


def _encode(result: Result, form: str) -> str:
    text = io.StringIO()
    if form == "csv":
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(result.columns)
        rows.writerows([encode_cell(cell) for cell in row] for row in result.rows)
    elif form == "json":
        objects = [dict(zip(result.columns, map(_json_cell, row), strict=True)) for row in result.rows]
        text.write(json.dumps(objects, indent=1, ensure_ascii=False) + "\n")
    else:
        print_result(result, Console(file=text, width=_NO_TERMINAL_COLUMNS, color_system=None))
    return text.getvalue()


def print_result(result: Result, console: Console) -> None:
    """Print an answer as a table; nothing in it reaches the terminal as a control sequence."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name, column_type in zip(result.columns, result.table.schema.types, strict=True):
        right = (
            pa.types.is_integer(column_type) or pa.types.is_decimal(column_type) or pa.types.is_floating(column_type)
        )
        table.add_column(Text(_printable(name)), justify="right" if right else "left", overflow="fold")
    for row in result.rows:
        table.add_row(*(Text(_printable(encode_cell(cell))) for cell in row))
    if not console.is_terminal:
        console.width = _NO_TERMINAL_COLUMNS
    console.print(table)
    if not result.rows:
        console.print("(no rows)")


def _printable(text: str) -> str:
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def encode_cell(cell: Any) -> str:
    """One value as text: decimals in full without idle zeros, times as RFC 3339 in UTC, nothing for null."""
    if isinstance(cell, Decimal):
        plain = format(cell, "f")
        return plain.rstrip("0").rstrip(".") if "." in plain else plain
    if isinstance(cell, datetime):
        return cell.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return "" if cell is None else str(cell)


def _json_cell(cell: Any) -> Any:
    if isinstance(cell, float) and not math.isfinite(cell):
        return str(cell)  # JSON has no word for it
    return cell if cell is None or isinstance(cell, int | float | str | list | dict) else encode_cell(cell)
