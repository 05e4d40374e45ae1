"""
Lambda's way in: a schedule's event to a report in S3, a line of metrics, and a notice if the lake got worse or better again.

    {"span": "hourly", "at": "2026-11-23T02:50:00Z"}, {"span": "daily", …} or {"from": …, "to": …} (audit_lambda/spans.py)

Needs: the environment of audit_lambda/settings.py; Athena on its workgroup, Glue's tables, the lake's objects to read, reports/ to write, the
topic to publish to (infra/upkeep.yaml has the exact statements); the internet for Coinbase's candles.
Laws: a call that is made twice writes the same objects; who is told is told before the report becomes the newest, so a call that dies between
tells twice rather than never. What there is no time for is in the report as not run. An audit whose every question failed is no audit: it
raises, and Lambda tries again.
Refuses to know: what is asked, and what that makes of the lake.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import boto3

from audit_lambda.audit import audit_lake
from audit_lambda.bucket import BucketStore
from audit_lambda.candle_fetch import CandleClient
from audit_lambda.candles import check_candles
from audit_lambda.metrics import metrics_line
from audit_lambda.notice import decide_notice
from audit_lambda.objects import Pace
from audit_lambda.page import render_page
from audit_lambda.patience import Patient
from audit_lambda.rounds import REACH_OF
from audit_lambda.settings import read_settings
from audit_lambda.shelf import Shelf
from audit_lambda.spans import decode_event
from audit_lambda.stock import keep_stock, take_stock
from sql.athena import connect_athena
from sql.hours import EPOCH

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from audit_lambda.report import CheckResult, Report
    from audit_lambda.settings import Settings
    from audit_lambda.spans import Span

log: Final = logging.getLogger("audit_lambda")
log.setLevel(logging.INFO)
# Kept back for the page, the reports and the notice.
MARGIN_S: Final = 60.0
# Other days of the lake may be listed, then objects read, then candles fetched, until this much is left: the questions come after them, and
# matter more. The span's own days are listed for somewhat longer: without that, reading says nothing of what is gone.
DAYS_UNTIL_S: Final = 750.0
OBJECTS_UNTIL_S: Final = 600.0
CANDLES_UNTIL_S: Final = 450.0
LISTING_UNTIL_S: Final = 400.0


def print_bare_lines() -> None:
    """Send the log to standard output, each message a line without a prefix, and nowhere else."""
    bare = logging.StreamHandler(sys.stdout)
    bare.setFormatter(logging.Formatter("%(message)s"))
    log.addHandler(bare)
    log.propagate = False  # the runtime's own handler on the root logger would print each line again, with a prefix


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    print_bare_lines()


class NothingAnswered(Exception):  # noqa: N818  # named for what happened, as in the design
    """The engine answered no question at all."""

    def __init__(self, *, why: str) -> None:
        self.why = why
        super().__init__(f"No check could be asked, so there is no report. The first one failed because: {why}.")


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """
    What the audit said, and where its report lies.

    Clock: reads it twice, for what may be judged by now and for the metrics' time; Lambda's context says how much time is left.
    Raises: SettingsRefused, EventRefused, InventoryDamaged, NothingAnswered; botocore's errors for what AWS refuses.
    """
    settings = read_settings(os.environ)
    now = datetime.now(UTC)
    span = decode_event(event, now_us=_us(now))
    session = boto3.Session()
    s3 = session.client("s3")
    shelf = Shelf(s3, settings.lake_bucket, complain=lambda text: log.warning("%s", json.dumps(text)))
    report = _audit(
        session, s3, settings, span, now=now, remaining_s=lambda: context.get_remaining_time_in_millis() / 1000
    )
    page = render_page(report)
    shelf.put_report(span, report, page)
    before = shelf.read_latest(span.kind)
    notice = decide_notice(report, span.kind, before=before, page=shelf.place(span))
    if notice is not None:
        session.client("sns").publish(TopicArn=settings.topic_arn, Subject=notice.subject, Message=notice.message)
    shelf.put_latest(span, report, page, before=before)
    log.info("%s", metrics_line(report, span.kind, now_ms=_us(datetime.now(UTC)) // 1000))
    return {"verdict": report.verdict, "report": shelf.place(span), "notice": notice is not None}


def _audit(
    session: boto3.Session, s3: Any, settings: Settings, span: Span, *, now: datetime, remaining_s: Callable[[], float]
) -> Report:
    def connect(patience_s: float) -> Any:
        return connect_athena(session, workgroup=settings.workgroup, database=settings.database, patience_s=patience_s)

    engine = Patient(connect, name="Athena", remaining_s=remaining_s, margin_s=MARGIN_S)
    values = {"from": _text(span.from_us), "to": _text(span.to_us)}
    store = BucketStore(s3, bucket=settings.lake_bucket)
    stock = take_stock(
        store,
        span,
        reach=REACH_OF[span.kind],
        now_us=_us(now),
        expiry_days=store.read_expiry_days(),
        pace=Pace(
            may_look=lambda: remaining_s() > DAYS_UNTIL_S,
            may_read=lambda: remaining_s() > OBJECTS_UNTIL_S,
            may_list=lambda: remaining_s() > LISTING_UNTIL_S,
        ),
        on_progress=lambda _: None,
    )
    if store.doubt:
        log.warning("%s", json.dumps(store.doubt))
    # Coinbase asks not to poll candles: once a day, and when somebody asks.
    candles = (
        [_cross_check(engine, settings.candles_url, values, now=now, remaining_s=remaining_s)]
        if settings.candles_url and span.kind != "hourly"
        else []
    )
    extra = [*stock.results, *candles]
    report = audit_lake(engine, lake=settings.database, values=values, now=now, extra=extra)
    check_answered(report.checks[: len(report.checks) - len(extra)])
    keep_stock(store, stock)
    return replace(report, figures=(*report.figures, stock.figure))


def _cross_check(
    engine: Patient, url: str, values: Mapping[str, str], *, now: datetime, remaining_s: Callable[[], float]
) -> CheckResult:
    with closing(CandleClient(url)) as client:
        return check_candles(engine, client, values=values, now=now, may_go_on=lambda: remaining_s() > CANDLES_UNTIL_S)


def check_answered(asked: Sequence[CheckResult]) -> None:
    """Raises: NothingAnswered if no check was answered."""
    if asked and all(check.state == "not_run" for check in asked):
        raise NothingAnswered(why=asked[0].why)


def _us(instant: datetime) -> int:
    return (instant - EPOCH) // timedelta(microseconds=1)


def _text(at_us: int) -> str:
    return (EPOCH + timedelta(microseconds=at_us)).isoformat()
