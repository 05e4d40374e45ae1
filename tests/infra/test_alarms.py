"""
Every alarm is quiet on an ordinary half-hour and is fired by the metric it watches; every alarm has its entry in the runbook.

What our own programs tell is made by them here: the producer's minutes, the transform's lines, the delivery engine's statistics. What
only AWS tells (Lambda's own metrics) is put in by hand, under AWS's names.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest

from audit_lambda.findings import VERDICTS
from audit_lambda.metrics import metrics_line as audit_line
from audit_lambda.report import Slo
from compact_lambda.metrics import metrics_line as compact_line
from compact_lambda.run import Outcome
from infra import ROOT
from infra.stacks import WATCHED
from local.firehose.config import Column, Conversion, TableSchema
from local.firehose.guesses import Guesses
from producer.health import UNDELIVERED_MAX_S
from producer.ledger import Ledger, Receipt
from producer.metrics import FeedReading, MinuteOfMetrics, Reading
from producer.quota import Use
from producer.settings import Settings
from tests.audit_lambda.samples import NOT_RUN, finding, report
from tests.infra.cloudwatch import MINUTE_MS, CloudWatch, Sample, matches
from tests.infra.templates import properties, tree_of
from tests.local.firehose.conftest import NOON_MS, Rig, answer_each, plain_stream, transforming_stream
from transform_lambda.handler import handler

if TYPE_CHECKING:
    from collections.abc import Callable

    from audit_lambda.report import Report
    from local.firehose.metrics import Metrics

STREAM: Final = "ticklake"
FUNCTION: Final = "local-transform"
HALF_HOUR: Final = 30
HOUR_MS: Final = 60 * MINUTE_MS
PREFIX: Final = "local-"  # the stack's name in these tests
ALARMS: Final = {
    alarm["AlarmName"].removeprefix(PREFIX): alarm
    for stack in WATCHED
    for alarm in properties(stack, "AWS::CloudWatch::Alarm").values()
}
GOOD_LINE: Final = (ROOT.parent / "contract/examples/line/line.ticker.pass.json").read_bytes()


def parameter(name: str) -> int:
    return int(tree_of("pipeline")["Parameters"][name]["Default"])


# ---------------------------------------------------------------------- what is told, by those who tell it


class Producers:
    """One producer's minutes: what it tells, made by its own code from where it stands."""

    def __init__(self, watch: CloudWatch) -> None:
        self._watch = watch
        self._minute = MinuteOfMetrics(Settings(stream=STREAM))
        self._lines = 0
        self.ledger = Ledger()

    def tell(self, minute: int, *, frames: int = 60, **stands: Any) -> None:
        self.ledger.frames["ticker"] += frames
        self._lines += 60
        refused: Counter[str] = stands.get("refused", Counter())
        receipt = Receipt(
            session="01JDB3M7Q8RSTVWXYZ01234567",
            written=self._lines + stands.get("lost", 0),
            delivered=self._lines - refused.total(),
            pending=0,
            refused=dict(refused),
            backlog_pending=0,
            ledger=self.ledger,
        )
        now = Reading(
            receipt=receipt,
            journal_fill=stands.get("fill", 0.01),
            oldest_pending_age_us=stands.get("age_us", 4_000_000),
            busiest=stands.get("busiest", Use(records=5, requests=1, sent_bytes=20_000)),
            feed=FeedReading(1, 1 - stands.get("polling", 0), stands.get("polling", 0), 0.5, 0, 10.0),
            at_us=minute * 60_000_000,
        )
        self._watch.put_emf(self._minute.line(now, at_ms=NOON_MS + minute * MINUTE_MS))


def tell_stream(watch: CloudWatch, metrics: Metrics, *names: str) -> None:
    """Hand the delivery engine's statistics over, as CloudWatch would have them."""
    for name in names:
        for each in metrics.statistics(name):
            sample = Sample(each.minute_ms, each.total, each.maximum)
            watch.put("AWS/Firehose", name, {"DeliveryStreamName": STREAM}, sample)


DIMENSION: Final = {"AWS/Lambda": "FunctionName", "AWS/SQS": "QueueName", "AWS/Firehose": "DeliveryStreamName"}


def by_hand(
    watch: CloudWatch, namespace: str, metric: str, value: float, minutes: range, *, of: str | None = None
) -> None:
    dimension = DIMENSION[namespace]
    name = of or (FUNCTION if namespace == "AWS/Lambda" else STREAM)
    for minute in minutes:
        watch.put(namespace, metric, {dimension: name}, Sample(NOON_MS + minute * MINUTE_MS, value, value))


def ordinary(watch: CloudWatch, minutes: range = range(HALF_HOUR)) -> None:
    """A half-hour in which all is well."""
    producers = Producers(watch)
    for minute in minutes:
        producers.tell(minute)
    by_hand(watch, "AWS/Firehose", "IncomingRecords", 12, minutes)
    by_hand(watch, "AWS/Firehose", "ThrottledRecords", 0, minutes)
    by_hand(watch, "AWS/Lambda", "Errors", 0, minutes)
    by_hand(watch, "AWS/Lambda", "Duration", 900, minutes)
    longest_s = float(parameter("TransformBufferSeconds") + 1.5 * parameter("LakeBufferSeconds"))
    for name in ("DeliveryToS3.DataFreshness", "BackupToS3.DataFreshness"):
        by_hand(watch, "AWS/Firehose", name, longest_s, minutes)
    upkeep(watch)


def upkeep(watch: CloudWatch, audit: Report | None = None, compaction: Outcome | None = None) -> None:
    """The hours up to the end of the half-hour: audits and compactions that ended well, and then, if any is said, one that did not."""
    end_ms = NOON_MS + HALF_HOUR * MINUTE_MS
    for hours in range(36):
        at_ms = end_ms - end_ms % HOUR_MS - hours * HOUR_MS - MINUTE_MS
        is_last = hours == 0
        watch.put_emf(audit_line(audit if audit and is_last else report(), "hourly", now_ms=at_ms))
        watch.put_emf(compact_line(compaction if compaction and is_last else Outcome(), lake="ticklake", now_ms=at_ms))
        if (at_ms // HOUR_MS) % 24 == 2 or (audit and is_last):
            watch.put_emf(audit_line(audit if audit and is_last else report(), "daily", now_ms=at_ms))


# ---------------------------------------------------------------------- what fires each


def producers_that(**stands: Any) -> Callable[[CloudWatch], None]:
    def fire(watch: CloudWatch) -> None:
        producers = Producers(watch)
        for minute in range(HALF_HOUR):
            producers.tell(minute, **stands)

    return fire


def producers_whose_ledger(change: Callable[[Ledger], None]) -> Callable[[CloudWatch], None]:
    def fire(watch: CloudWatch) -> None:
        producers = Producers(watch)
        for minute in range(HALF_HOUR):
            change(producers.ledger)
            producers.tell(minute)

    return fire


def producers_with_a_refused_line(watch: CloudWatch) -> None:
    producers = Producers(watch)
    for minute in range(HALF_HOUR):
        producers.tell(minute, refused=Counter(line_too_long=int(minute >= 26)))


def a_trade_is_missing(ledger: Ledger) -> None:
    ledger.product("BTC-USD").missing = 1


def a_line_is_not_written(ledger: Ledger) -> None:
    ledger.lines_not_written += 1


def nothing_more_comes(watch: CloudWatch) -> None:
    ordinary(watch, range(5))


def the_store_is_down(watch: CloudWatch) -> None:
    rig = Rig(plain_stream(name=STREAM))
    rig.store.is_down = True
    rig.put(b"a")
    for _ in range(HALF_HOUR):
        rig.turn(60)
    tell_stream(watch, rig.engine.metrics, "DeliveryToS3.DataFreshness")


def the_quota_is_used_up(watch: CloudWatch) -> None:
    rig = Rig(plain_stream(name=STREAM))
    for _ in range(HALF_HOUR):
        rig.engine.refused(1, rig.now_ms)
        rig.turn(60)
    tell_stream(watch, rig.engine.metrics, "ThrottledRecords")


def a_row_does_not_convert(watch: CloudWatch) -> None:
    schema = TableSchema(database="d", table="t", columns=(Column("n", "bigint"),), catalog_id="1", region="us-east-1")
    config = transforming_stream(name=STREAM, conversion=Conversion(schema=schema))
    rig = Rig(config, handler=answer_each(lambda _: {"data": b'{"n": "no number"}'})).turn(26 * 60)
    rig.put(b"x").turn(90)
    tell_stream(watch, rig.engine.metrics, "FailedConversion.Records")


def too_many_partitions(watch: CloudWatch) -> None:
    target = replace(plain_stream().target, prefix="data/!{partitionKeyFromLambda:k}/")
    config = transforming_stream(name=STREAM, target=target, dynamic_partitioning=True)
    sorting = answer_each(lambda body: {"data": body, "metadata": {"partitionKeys": {"k": body.decode()}}})
    rig = Rig(config, handler=sorting, guesses=Guesses(active_partitions_limit=2)).turn(26 * 60)
    rig.put(b"a", b"b", b"c").turn(90)
    tell_stream(watch, rig.engine.metrics, "PartitionCountExceeded")


def access_is_denied(watch: CloudWatch) -> None:
    (filtered,) = properties("pipeline", "AWS::Logs::MetricFilter").values()
    (made,) = filtered["MetricTransformations"]
    event = {
        "deliveryStreamARN": "arn",
        "destination": "arn:aws:s3:::lake",
        "errorCode": "S3.AccessDenied",
        "message": "…",
    }
    assert matches(filtered["FilterPattern"], event)
    value = float(made["MetricValue"])
    watch.put(made["MetricNamespace"], made["MetricName"], {}, Sample(NOON_MS + 26 * MINUTE_MS, value, value))


def lines_are_refused(watch: CloudWatch, caplog: pytest.LogCaptureFixture) -> int:
    """The transform is called with too many bad lines; the instant it says that was."""
    records = [
        {"recordId": str(n), "approximateArrivalTimestamp": NOON_MS, "data": "Pz8="}
        for n in range(parameter("RefusedLinesThreshold") + 1)
    ]
    handler({"deliveryStreamArn": f"arn:aws:firehose:r:1:deliverystream/{STREAM}", "records": records}, None)
    for message in caplog.messages:
        watch.put_emf(message)
    return int(json.loads(caplog.messages[-1])["_aws"]["Timestamp"])


def lambda_tells(metric: str, value: float, function: str = FUNCTION) -> Callable[[CloudWatch], None]:
    return lambda watch: by_hand(watch, "AWS/Lambda", metric, value, range(26, HALF_HOUR), of=function)


def waits_in(queue: str) -> Callable[[CloudWatch], None]:
    metric, name = "ApproximateNumberOfMessagesVisible", properties("upkeep", "AWS::SQS::Queue")[queue]["QueueName"]
    return lambda watch: by_hand(watch, "AWS/SQS", metric, 1, range(26, HALF_HOUR), of=name)


def an_audit_of(audit: Report) -> Callable[[CloudWatch], None]:
    return lambda watch: upkeep(watch, audit=audit)


def a_compaction_of(**outcome: Any) -> Callable[[CloudWatch], None]:
    return lambda watch: upkeep(watch, compaction=Outcome(**outcome))


def nothing_runs(_: CloudWatch) -> None:
    """Not a word."""


def the_backup_is_old(watch: CloudWatch) -> None:
    rig = Rig(plain_stream(name=STREAM, backup=plain_stream().target))
    rig.store.is_down = True
    rig.put(b"a")
    for _ in range(HALF_HOUR):
        rig.turn(60)
    tell_stream(watch, rig.engine.metrics, "BackupToS3.DataFreshness")


FIRED_BY: Final[dict[str, Callable[[CloudWatch], None]]] = {
    "audit-budget": an_audit_of(report(slo=Slo("0.9999", 10_000, 1, "0.9999", "1"))),
    "audit-damaged": an_audit_of(report(verdict="damaged")),
    "audit-day-not-run": nothing_runs,
    "audit-errors": lambda_tells("Errors", 1, "local-audit"),
    "audit-incomplete": an_audit_of(report(verdict="unproven", checks=(NOT_RUN,))),
    "audit-missing-ids": an_audit_of(report(finding("damage", 1))),
    "audit-not-run": nothing_runs,
    "audit-slow": lambda_tells("Duration", 720_001, "local-audit"),
    "audit-throttled": lambda_tells("Throttles", 1, "local-audit"),
    "audit-undone": waits_in("AuditUndone"),
    "compact-errors": lambda_tells("Errors", 1, "local-compact"),
    "compact-frozen": a_compaction_of(frozen=("2026/11/23/02",)),
    "compact-late": a_compaction_of(waiting=("2026/11/23/02",), oldest_age=timedelta(hours=6, seconds=1)),
    "compact-not-run": nothing_runs,
    "compact-slow": lambda_tells("Duration", 720_001, "local-compact"),
    "compact-throttled": lambda_tells("Throttles", 1, "local-compact"),
    "compact-undone": waits_in("CompactUndone"),
    "backup-stale": the_backup_is_old,
    "books-unbalanced": producers_that(lost=1),
    "conversion-failed": a_row_does_not_convert,
    "feed-fallback": producers_that(polling=1),
    "feed-silent": producers_that(frames=0),
    "journal-full": producers_that(fill=0.5),
    "journal-old": producers_that(age_us=300_001_000),
    "lines-not-written": producers_whose_ledger(a_line_is_not_written),
    "lines-undeliverable": producers_with_a_refused_line,
    "partitions-exceeded": too_many_partitions,
    "quota-near": producers_that(busiest=Use(records=1, requests=1, sent_bytes=900_000)),
    "stream-denied": access_is_denied,
    "stream-silent": nothing_more_comes,
    "stream-stale": the_store_is_down,
    "stream-throttled": the_quota_is_used_up,
    "trades-missing": producers_whose_ledger(a_trade_is_missing),
    "transform-errors": lambda_tells("Errors", 1),
    "transform-slow": lambda_tells("Duration", 96_001),
    "transform-throttled": lambda_tells("Throttles", 1),
}


def fires(watch: CloudWatch, name: str) -> bool:
    return watch.fires(ALARMS[name], NOON_MS + HALF_HOUR * MINUTE_MS)


@pytest.mark.parametrize("name", sorted(ALARMS))
def test_an_ordinary_half_hour_fires_nothing(name: str) -> None:
    watch = CloudWatch()
    ordinary(watch)
    assert not fires(watch, name)


@pytest.mark.parametrize("name", sorted(FIRED_BY))
def test_an_alarm_is_fired_by_what_it_watches(name: str) -> None:
    watch = CloudWatch()
    FIRED_BY[name](watch)
    assert fires(watch, name)


def test_refused_lines_fire_their_alarm(caplog: pytest.LogCaptureFixture) -> None:
    watch = CloudWatch()
    at_ms = lines_are_refused(watch, caplog)
    assert watch.fires(ALARMS["lines-refused"], at_ms + 5 * MINUTE_MS)


def test_every_alarm_is_fired_by_a_test() -> None:
    assert {*FIRED_BY, "lines-refused"} == set(ALARMS)


@pytest.mark.parametrize(
    "name", ["feed-silent", "stream-silent", "audit-not-run", "audit-day-not-run", "compact-not-run"]
)
def test_silence_is_no_metric_at_all_as_well(name: str) -> None:
    assert fires(CloudWatch(), name)


# ---------------------------------------------------------------------- arithmetic


def ordinary_age_s(transform_buffer_s: int, lake_buffer_s: int) -> float:
    """The oldest that a record gets while all is well: dynamic partitioning may take half as long again as the buffer, AWS says."""
    (transform,) = properties("pipeline", "AWS::Lambda::Function").values()
    return transform_buffer_s + int(transform["Timeout"]) + 1.5 * lake_buffer_s


def test_what_is_ordinary_is_not_stale() -> None:
    age_s = ordinary_age_s(parameter("TransformBufferSeconds"), parameter("LakeBufferSeconds"))
    assert age_s < parameter("FreshnessAlarmSeconds")


def test_the_runbook_computes_the_same() -> None:
    age_s = ordinary_age_s(parameter("TransformBufferSeconds"), parameter("LakeBufferSeconds"))
    assert f"= {age_s:.0f} seconds, and the alarm is at {parameter('FreshnessAlarmSeconds')}" in RUNBOOK


def test_a_slow_transform_is_told_before_it_runs_out_of_time() -> None:
    (transform,) = properties("pipeline", "AWS::Lambda::Function").values()
    assert 0.8 * 1000 * int(transform["Timeout"]) == float(ALARMS["transform-slow"]["Threshold"])


@pytest.mark.parametrize("name", ["Audit", "Compact"])
def test_slow_upkeep_is_told_before_it_runs_out_of_time(name: str) -> None:
    function = properties("upkeep", "AWS::Lambda::Function")[name]
    assert 0.8 * 1000 * int(function["Timeout"]) == float(ALARMS[f"{name.lower()}-slow"]["Threshold"])


def test_a_damaged_lake_is_the_worst_verdict_there_is() -> None:
    assert VERDICTS.index("damaged") == len(VERDICTS) - 1 == int(ALARMS["audit-damaged"]["Threshold"])


def test_what_runs_each_hour_may_come_late_within_two() -> None:
    """An audit due at ten to the hour ends before or after it: two in one hour and none in the next is ordinary."""
    for name in ("audit-not-run", "compact-not-run"):
        assert (3600, 3) == (int(ALARMS[name]["Period"]), int(ALARMS[name]["EvaluationPeriods"]))


def test_a_daily_audit_is_missed_only_after_more_than_a_day() -> None:
    alarm = ALARMS["audit-day-not-run"]
    looked_at_s = int(alarm["Period"]) * int(alarm["EvaluationPeriods"])
    assert 86_400 + int(alarm["Period"]) <= looked_at_s <= 604_800  # the most that an alarm may look at


def test_an_old_journal_is_told_before_the_producer_is_started_anew() -> None:
    told_s = float(ALARMS["journal-old"]["Threshold"]) / 1000 + 60 * int(ALARMS["journal-old"]["EvaluationPeriods"])
    assert 60 * Settings().linger_s <= float(ALARMS["journal-old"]["Threshold"]) / 1000
    assert told_s < UNDELIVERED_MAX_S


def test_a_watching_producer_is_never_silent() -> None:
    """A coverage line a minute and product, and at most linger_s until its pack goes: several packs in every period."""
    for name in ("feed-silent", "stream-silent"):
        assert 3 * (60 + Settings().linger_s) < int(ALARMS[name]["Period"])


def test_an_alarm_has_a_description_a_topic_and_a_way_back() -> None:
    for name, alarm in ALARMS.items():
        assert alarm["AlarmDescription"].endswith(f"(docs/operations.md#{name})"), name
        (topic,) = alarm["AlarmActions"]
        assert alarm["AlarmActions"] == alarm["OKActions"], name
        assert topic.endswith("local-Topic"), name
        assert alarm["TreatMissingData"] in {"breaching", "notBreaching"}, name


# ---------------------------------------------------------------------- the runbook

RUNBOOK: Final = (ROOT.parent / "docs/operations.md").read_text(encoding="utf-8")
ENTRIES: Final = dict(re.findall(r"^### ([a-z-]+)\n(.*?)(?=^##|\Z)", RUNBOOK, flags=re.MULTILINE | re.DOTALL))


def test_every_alarm_has_an_entry_and_every_entry_an_alarm() -> None:
    (budget,) = properties("pipeline", "AWS::Budgets::Budget").values()
    named = budget["Budget"]["BudgetName"].removeprefix(PREFIX).removesuffix("-us-east-1")
    assert {*ALARMS, named} == set(ENTRIES)


@pytest.mark.parametrize("name", sorted(ENTRIES))
def test_an_entry_says_what_it_means_where_to_look_and_what_to_do(name: str) -> None:
    assert ["Means", "Look", "Do"] == re.findall(r"^\*\*(\w+)\.\*\* \S", ENTRIES[name], flags=re.MULTILINE)


def test_the_dashboards_alarms_exist() -> None:
    (dashboard,) = properties("pipeline", "AWS::CloudWatch::Dashboard").values()
    shown = json.loads(dashboard["DashboardBody"])["widgets"][0]["properties"]["alarms"]
    assert len(shown) == len(set(shown))
    assert all("Alarm" in arn for arn in shown)
