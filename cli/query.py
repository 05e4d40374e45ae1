"""
`ticklake query`: ask a lake, on this machine or in AWS, a question of infra/queries, or a SELECT of one's own.

Laws: thin; a question is the same for either engine.
Refuses to know: how a question is planned (sql/questions.py), how an answer is written (answers.py).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.answers import FORMATS, printable, write_answer
from cli.athena import describe_cost, find_athena, metered
from cli.spans import name_option, refuse_two_lakes, region_option
from local.lake.answers import run_query
from local.lake.folder import LakeError, open_lake
from sql.dialect import SqlRefused
from sql.engine import EngineFailed
from sql.questions import Query, QueryError, list_queries, load_query, plan_query, query_from_sql

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sql.engine import Answer


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
    type=click.Choice(FORMATS),
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
@click.option(
    "--athena", is_flag=True, help="Ask Athena, where a stack is deployed, instead of a lake on this machine."
)
@name_option
@region_option
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
    athena: bool,
    prefix: str,
    region: str | None,
    list_: bool,
) -> None:
    """
    Ask the lake QUESTION: the name of a query (see --list), or a whole SELECT in Athena's dialect.

    \b
    ticklake query ohlcv --product BTC-USD --interval 5m
    ticklake query "SELECT count(*) AS trades FROM ticks"
    ticklake query vwap --athena --from 2026-11-23
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
    if athena:
        refuse_two_lakes("asks")
    try:
        asked = query_from_sql(question) if re.search(r"\s", question) else load_query(question)
        answer = _ask_athena(asked, values, prefix, region) if athena else _ask_lake(asked, values, lake)
    except (LakeError, QueryError, SqlRefused, EngineFailed) as error:
        raise click.ClickException("\n".join(map(printable, str(error).split("\n")))) from error
    if plot is None:
        write_answer(answer, form, output)
    else:
        _plot_answer(answer, plot)


def _ask_lake(asked: Query, values: Mapping[str, str], lake: Path) -> Answer:
    with open_lake(lake) as opened:
        return run_query(opened, asked, values)


def _ask_athena(asked: Query, values: Mapping[str, str], prefix: str, region: str | None) -> Answer:
    planned = plan_query(asked, values)
    with metered() as on_progress:
        answer = find_athena(prefix, region, on_progress).ask(planned)
    click.echo(describe_cost(answer.scanned_bytes or 0), err=True)
    return answer


def _plot_answer(answer: Answer, plot: Path) -> None:
    # Imported here: it takes longer than most questions.
    from cli.plot import plot_bars  # noqa: PLC0415

    try:
        plot_bars(answer, plot)
    except OSError as error:
        raise click.ClickException(f"The picture could not be written to {plot}: {error.strerror}.") from error


def _decode_others(others: tuple[str, ...]) -> dict[str, str]:
    pairs = [other.partition("=") for other in others]
    if any(not sign for _, sign, _ in pairs):
        raise click.UsageError("--set wants NAME=VALUE.")
    return {name: value for name, _, value in pairs}


def _form_by_ending(output: Path | None) -> str:
    ending = output.suffix.removeprefix(".") if output else ""
    return ending if ending in FORMATS else "table"


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
