"""
`ticklake audit`: is the lake whole? A lake in a folder or a deployed one is found, asked and reported on.

Laws: the exit code is the verdict's; nothing is written but the report and the inventory of objects beside it; an object that cannot be read
keeps nobody from reporting that.
Refuses to know: what is asked (infra/queries/audit), what findings make of a lake (audit_lambda), how a report is told (reports.py).
"""

from __future__ import annotations

import sys
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from audit_lambda.audit import ThresholdUnknown, audit_lake, refuse_nonsense
from audit_lambda.candle_fetch import COINBASE, CandleClient
from audit_lambda.candles import check_candles
from audit_lambda.inventory import InventoryDamaged
from audit_lambda.spans import Span, report_folder
from audit_lambda.verdict import TARGET
from cli.answers import printable
from cli.athena import describe_cost, find_athena, metered
from cli.progress import ProgressLine
from cli.reports import SETTLED, leave_report, print_report
from cli.spans import decode_span, from_option, lake_option, name_option, refuse_two_lakes, region_option, to_option
from cli.stock import keep_in_folder, look_at_deployed, look_at_folder
from local.lake.folder import LakeError, open_lake, require_lake
from local.lake.mending import MendingEngine
from sql.dialect import SqlRefused
from sql.engine import Answer, EngineFailed
from sql.hours import EPOCH
from sql.questions import QueryError, plan_query, query_from_sql

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlglot import exp

    from audit_lambda.audit import Progress
    from audit_lambda.findings import Verdict
    from audit_lambda.report import CheckResult, Report
    from sql.engine import Engine

# 1 and 2 are click's, for an error and for a wrong option.
EXIT_CODES: Final[Mapping[Verdict, int]] = {"whole": 0, "healed": 0, "holes": 3, "damaged": 4, "unproven": 5}
_SETTLE: Final = "20m"
_RUNNING: Final = "SELECT count(*) FROM (SELECT session FROM sessions GROUP BY session HAVING max(IF(event = 'closed', 1, 0)) = 0) AS s"


@dataclass(frozen=True, slots=True)
class _Asked:
    """What was said on the command line."""

    values: Mapping[str, str]
    thresholds: Mapping[str, str]
    settle: str | None
    target: Decimal
    candles: str | None
    now: datetime
    unread: bool

    @property
    def span(self) -> Span:
        to_us = (self.now - EPOCH) // timedelta(microseconds=1)
        from_us, wanted_us = decode_span(self.values.get("from"), self.values.get("to"))
        return Span("asked", from_us, min(wanted_us, to_us))


@click.command("audit")
@lake_option("The lake to audit.")
@from_option
@to_option
@click.option("--product", help="One product, such as BTC-USD, where a question is about products.")
@click.option(
    "--set",
    "others",
    metavar="CHECK.THRESHOLD=VALUE",
    multiple=True,
    help="A check's threshold, such as trades.lead=2d.",
)
@click.option(
    "--settle",
    metavar="DURATION",
    help=f"How long lines may be on their way; {_SETTLE}, at home nothing once every session has closed.",
)
@click.option(
    "--slo",
    default=f"{TARGET * 100:f}",
    show_default=True,
    metavar="PERCENT",
    help="The objective: of each day's trade ids.",
)
@click.option("--candles", metavar="URL", help=f"Compare with an exchange's candles too, such as {COINBASE}.")
@click.option(
    "--report",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write report.json and report.html here; at home by default under the lake's reports/.",
)
@click.option("--athena", is_flag=True, help="Audit the deployed lake through Athena, instead of a folder.")
@click.option(
    "--unread",
    is_flag=True,
    help="With --athena: list the lake's objects, and read none of them here; what leaves AWS is billed.",
)
@name_option
@region_option
def command(
    *,
    lake: Path,
    from_: str | None,
    to: str | None,
    product: str | None,
    others: tuple[str, ...],
    settle: str | None,
    slo: str,
    candles: str | None,
    report: Path | None,
    athena: bool,
    unread: bool,
    prefix: str,
    region: str | None,
) -> None:
    """
    Ask the lake itself whether it is whole: every line a row or a refusal, every trade there or named as missing, every row as it was sent.

    \b
    Exit code: 0 whole or healed, 3 holes (named), 4 damaged, 5 unproven (a check could not run, or nothing was to be judged).
    """  # noqa: D301  # \b is click's own mark: keep these lines as they are
    if athena:
        refuse_two_lakes("audits")
    given = {"product": product, "from": from_, "to": to}
    asked = _Asked(
        values={name: text for name, text in given.items() if text is not None},
        thresholds=_decode_thresholds(others),
        settle=settle,
        target=_decode_target(slo),
        candles=candles,
        now=datetime.now(UTC),
        unread=unread,
    )
    if unread and not athena:
        raise click.UsageError("--unread is for --athena: a folder's objects are always read.")
    if candles is not None and not candles.startswith(("http://", "https://")):
        raise click.UsageError(f"--candles wants a URL, such as {COINBASE}.")
    if asked.span.from_us >= asked.span.to_us:
        raise click.UsageError("--from has to be before now.")
    try:
        refuse_nonsense(values=asked.values, now=asked.now, thresholds=asked.thresholds, settle=settle)
        made = _audit_athena(asked, prefix, region) if athena else _audit_folder(lake, asked)
    except (ThresholdUnknown, QueryError, SqlRefused) as error:
        raise click.UsageError(str(error)) from error
    except (LakeError, EngineFailed, InventoryDamaged, OSError) as error:
        raise click.ClickException(printable(str(error))) from error
    print_report(made)
    if product is not None and not made.slo.expected:
        click.echo(
            printable(f"No trade of {product} is known in this time: is that how the exchange writes it?"), err=True
        )
    folder = report or (None if athena else lake / report_folder(asked.span))
    if folder is not None:
        leave_report(folder, made)
    sys.exit(EXIT_CODES[made.verdict])


def _decode_thresholds(others: tuple[str, ...]) -> dict[str, str]:
    pairs = [other.partition("=") for other in others]
    if any(not sign for _, sign, _ in pairs):
        raise click.UsageError("--set wants CHECK.THRESHOLD=VALUE.")
    return {name: text for name, _, text in pairs}


def _decode_target(percent: str) -> Decimal:
    try:
        target = Decimal(percent).scaleb(-2)
    except InvalidOperation:
        target = Decimal(-1)
    if not target.is_finite() or not 0 <= target <= 1:
        raise click.UsageError("--slo wants a percentage between 0 and 100, such as 99.99.")
    return target


class _Unreadable:
    """A lake that DuckDB cannot open: every question fails for that reason."""

    name = "DuckDB"

    def __init__(self, why: str) -> None:
        self._why = why

    def ask(self, _: exp.Query) -> Answer:
        """Raises: EngineFailed."""
        raise EngineFailed(engine=self.name, why=self._why)


def _audit_folder(lake: Path, asked: _Asked) -> Report:
    """The report of a lake in a folder, its objects included. Raises: LakeError, InventoryDamaged, OSError."""
    require_lake(lake)
    # At home a late object reopens its hour at once: nothing waits for the next compaction.
    asked = replace(asked, thresholds={"history.fold": SETTLED, **asked.thresholds})
    stock = look_at_folder(lake.resolve(), asked.span, now=asked.now)
    with ExitStack() as stack:
        try:
            engine: Engine = MendingEngine(stack.enter_context(open_lake(lake)))
            settle = asked.settle or _decide_settle(engine)
        except (LakeError, EngineFailed) as error:
            engine, settle = _Unreadable(str(error).rstrip(".")), asked.settle or _SETTLE
        made = _ask(engine, str(lake), asked, settle=settle, extra=stock.results)
    keep_in_folder(lake.resolve(), stock)
    return replace(made, figures=(*made.figures, stock.figure))


def _audit_athena(asked: _Asked, prefix: str, region: str | None) -> Report:
    """The report of a deployed lake, its objects included. Raises: EngineFailed, InventoryDamaged, click.ClickException."""
    with metered() as on_progress:
        athena = find_athena(prefix, region, on_progress)
        integrity, figure = look_at_deployed(prefix, region, asked.span, now=asked.now, unread=asked.unread)
        made = _ask(athena, prefix, asked, settle=asked.settle or _SETTLE, extra=integrity)
    if figure is not None:
        made = replace(made, figures=(*made.figures, figure))
    click.echo(describe_cost(made.scanned_bytes or 0), err=True)
    return made


def _ask(engine: Engine, lake: str, asked: _Asked, *, settle: str, extra: list[CheckResult]) -> Report:
    if asked.candles is not None:
        with closing(CandleClient(asked.candles)) as client:
            extra = [*extra, check_candles(engine, client, values=asked.values, now=asked.now)]
    with ProgressLine() as line:
        return audit_lake(
            engine,
            lake=lake,
            values=asked.values,
            now=asked.now,
            thresholds=asked.thresholds,
            settle=settle,
            target=asked.target,
            on_progress=partial(_show, line),
            extra=extra,
        )


def _decide_settle(engine: Engine) -> str:
    """Nothing is on its way in a lake whose sessions have all closed. Raises: EngineFailed."""
    ((running,),) = engine.ask(plan_query(query_from_sql(_RUNNING), {})).rows
    return _SETTLE if running else SETTLED


def _show(line: ProgressLine, progress: Progress) -> None:
    said = "not run" if progress.why else "answered" if progress.found is None else f"{progress.found} found"
    line.show(f"{progress.number}/{progress.count}  {progress.name}: {said}", is_news=True)
