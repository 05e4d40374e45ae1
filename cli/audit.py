"""
`ticklake audit`: is the lake whole? The verdict first, then what was found, and a report as JSON and as a page.

Laws: the exit code is the verdict's; nothing is written but the report and the inventory of objects beside it; an object that cannot be read
keeps nobody from reporting that. What a lake holds reaches no terminal as a control sequence.
Refuses to know: what is asked (infra/queries/audit), and what findings make of a lake (audit_lambda).
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from click.core import ParameterSource
from rich.console import Console

from audit_lambda.audit import ThresholdUnknown, audit_lake, refuse_nonsense
from audit_lambda.candle_fetch import COINBASE, CandleClient
from audit_lambda.candles import check_candles
from audit_lambda.findings import SEVERITIES
from audit_lambda.inventory import InventoryDamaged
from audit_lambda.page import render_page
from audit_lambda.report import encode_report
from audit_lambda.spans import Span, report_folder
from audit_lambda.verdict import TARGET
from audit_lambda.words import VERDICT_WORDS, say_budget, say_instant, say_objective, say_share, say_span, say_why
from cli.answers import print_answer, printable
from cli.athena import describe_cost, find_athena, metered
from cli.progress import ProgressLine
from cli.spans import decode_span, from_option, lake_option, name_option, region_option, to_option
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
    from audit_lambda.findings import Finding, Verdict
    from audit_lambda.report import CheckResult, Report
    from sql.engine import Engine

# 1 and 2 are click's, for an error and for a wrong option.
EXIT_CODES: Final[Mapping[Verdict, int]] = {"whole": 0, "healed": 0, "holes": 3, "damaged": 4, "unproven": 5}
# Every session of the lake has closed: what is delivered is there, and nothing is on its way.
_SETTLED_AT_HOME: Final = "1ms"
_SETTLE: Final = "20m"
_MOST_SHOWN: Final = 40
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
@click.pass_context
def command(
    context: click.Context,
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
    if athena and context.get_parameter_source("lake") is ParameterSource.COMMANDLINE:
        raise click.UsageError("--lake is a folder's, --athena audits a deployed lake: say one of them.")
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
    _print_report(made)
    if product is not None and not made.slo.expected:
        click.echo(
            printable(f"No trade of {product} is known in this time: is that how the exchange writes it?"), err=True
        )
    folder = report or (None if athena else lake / report_folder(asked.span))
    if folder is not None:
        _leave_report(folder, made)
    sys.exit(EXIT_CODES[made.verdict])


def _leave_report(folder: Path, report: Report) -> None:
    try:
        _write_report(folder, report)
    except OSError as error:
        raise click.ClickException(
            printable(f"The report could not be written: {error}. Name a folder with --report.")
        ) from error
    click.echo(f"\nReport: {folder / 'report.html'}")


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
    asked = replace(asked, thresholds={"history.fold": _SETTLED_AT_HOME, **asked.thresholds})
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
    return _SETTLE if running else _SETTLED_AT_HOME


def _show(line: ProgressLine, progress: Progress) -> None:
    said = "not run" if progress.why else "answered" if progress.found is None else f"{progress.found} found"
    line.show(f"{progress.number}/{progress.count}  {progress.name}: {said}", is_news=True)


def _write_report(folder: Path, report: Report) -> None:
    # The page first: what reads the JSON may then rely on the page.
    _put(folder / "report.html", render_page(report).encode())
    _put(folder / "report.json", json.dumps(encode_report(report), ensure_ascii=False).encode())


def _put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_bytes(content)
    aside.replace(path)


def _print_report(report: Report) -> None:
    click.echo(printable(f"{VERDICT_WORDS[report.verdict]}. {say_why(report)}"))
    slo = report.slo
    click.echo(printable(f"{say_span(report)}. {say_share(slo)} {say_objective(slo)} {say_budget(slo)}"))
    if waits := _settles(report):
        click.echo(
            f"Not judged yet: what came in the last {' or '.join(waits)}, for more may be on its way (--settle)."
        )
    for state, said in (("not_run", "Not run"), ("partly", "Run in part")):
        for why, names in _by_reason(report, state).items():
            click.echo(printable(f"{said}: {', '.join(names)}: {why.rstrip('.')}."))
    console = Console()
    findings = sorted(
        (f for check in report.checks for f in check.findings), key=lambda f: (-SEVERITIES.index(f.severity), -f.amount)
    )
    if findings:
        click.echo()
        columns = ("severity", "check", "about", "from", "to", "first", "last", "amount", "what")
        types = (*["varchar"] * 5, "bigint", "bigint", "bigint", "varchar")
        print_answer(Answer(columns, types, [_row(finding) for finding in findings[:_MOST_SHOWN]]), console)
    count = sum(check.found_count for check in report.checks)
    if count > _MOST_SHOWN:
        click.echo(f"{count - _MOST_SHOWN} more are in the report.")


def _settles(report: Report) -> list[str]:
    """How long before now lines are not judged; none in a lake at rest, or of a time that is over."""
    if report.to_us < report.made_us:
        return []
    return sorted({check.thresholds.get("settle", _SETTLED_AT_HOME) for check in report.checks} - {_SETTLED_AT_HOME})


def _by_reason(report: Report, state: str) -> dict[str, list[str]]:
    """By the reason, which checks: one broken object may keep most of them from being asked."""
    names: dict[str, list[str]] = {}
    for check in report.checks:
        if check.state == state:
            names.setdefault(check.why, []).append(check.name)
    return names


def _row(finding: Finding) -> tuple[str | int | None, ...]:
    about = " ".join(part for part in (finding.product_id, finding.session) if part)
    times = (None if at_us is None else say_instant(at_us) for at_us in (finding.first_us, finding.last_us))
    return (
        *(finding.severity, finding.check, about, *times, finding.first_id, finding.last_id),
        *(finding.amount, finding.what),
    )
