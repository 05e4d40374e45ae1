from __future__ import annotations

import json
from typing import Any, get_args

from contract.reasons import Reason
from transform_lambda.answer import Tally
from transform_lambda.metrics import LOGGED_REFUSALS, metrics_line, refusal_lines
from transform_lambda.verdict import Accepted, Refusal, Refused

NOW_MS = 1_795_401_020_000
ARN = "arn:aws:firehose:eu-west-1:123456789012:deliverystream/ticks"


def emf(tally: Tally, now_ms: int = NOW_MS, arn: object = ARN) -> dict[str, Any]:
    """The line as CloudWatch reads it: one line, every named metric a number at the root."""
    text = metrics_line(tally, stream_arn=arn, now_ms=now_ms)
    assert "\n" not in text
    metrics: dict[str, Any] = json.loads(text)
    (directive,) = metrics["_aws"]["CloudWatchMetrics"]
    assert len(directive["Metrics"]) <= 100
    assert all(isinstance(metrics[metric["Name"]], int) for metric in directive["Metrics"])
    assert all(isinstance(metrics[name], str) for names in directive["Dimensions"] for name in names)
    assert set(metrics) == {"_aws", *(metric["Name"] for metric in directive["Metrics"]), *directive["Dimensions"][0]}
    return metrics


def refusal(reason: Reason = "line_not_json", line_count: int = 1) -> Refusal:
    return Refusal(None, None, reason, "x", line_count)


def refused(count: int) -> Tally:
    tally = Tally()
    for n in range(count):
        tally.refuse(f"id-{n}", Refused([refusal()]))
    return tally


def test_counts_stand_under_the_streams_name() -> None:
    tally = Tally(record_count=3, slow_line_count=4)
    packs = (
        Accepted(b"", {}, 5, 1_795_401_019_123_456, [refusal("book_crossed")]),
        Accepted(b"", {}, 1, 1_795_401_019_999_999),
    )
    tally.accept(packs)
    tally.set_aside("a", packs[0].set_aside)
    tally.refuse("c", Refused([refusal(), refusal("book_crossed")]))
    metrics = emf(tally)
    assert NOW_MS == metrics.pop("_aws")["Timestamp"]
    assert {
        "Stream": "ticks",
        "Records": 3,
        "WholePacks": 2,
        "Rows": 6,
        "Refused": 1,
        "RefusedLines": 3,
        "Refused.book_crossed": 2,
        "Refused.line_not_json": 1,
        "SetAside": 1,
        "SlowPath": 4,
        "RefusedNotLogged": 0,
        "OldestLineAge": 877,
    } == metrics


def test_the_namespace_is_ours_and_ages_are_milliseconds() -> None:
    directive = emf(Tally(oldest_receive_time_us=0))["_aws"]["CloudWatchMetrics"][0]
    units = {metric["Name"]: metric["Unit"] for metric in directive["Metrics"]}
    assert ("ticklake", "Milliseconds", "Count") == (directive["Namespace"], units["OldestLineAge"], units["Rows"])


def test_a_producer_whose_clock_is_ahead_makes_no_negative_age() -> None:
    assert 0 == emf(Tally(oldest_receive_time_us=NOW_MS * 1000 + 60_000_000))["OldestLineAge"]


def test_without_rows_there_is_no_age() -> None:
    assert "OldestLineAge" not in emf(Tally())


def test_every_reason_at_once_stays_within_a_directive() -> None:
    tally = Tally(oldest_receive_time_us=1)
    tally.refuse("a", Refused([refusal(reason) for reason in get_args(Reason)]))
    assert len(get_args(Reason)) == emf(tally)["RefusedLines"]


def test_an_event_without_an_arn_is_still_counted() -> None:
    assert "unknown" == emf(Tally(), arn=None)["Stream"]


def test_a_refusal_says_which_line_why_and_what_was_found() -> None:
    tally = Tally()
    tally.refuse("id-1", Refused([Refusal("01JDB3M8ZK4Q6W7X8Y9ABCDEFG", 42, "time_invalid", 'time: "\n')]))
    (line,) = refusal_lines(tally)
    assert "\n" not in line
    assert {
        "event": "refused",
        "recordId": "id-1",
        "session": "01JDB3M8ZK4Q6W7X8Y9ABCDEFG",
        "n": 42,
        "lines": 1,
        "reason": "time_invalid",
        "detail": 'time: "\n',
    } == json.loads(line)


def test_a_flood_of_refusals_is_logged_up_to_the_cap_and_the_rest_counted() -> None:
    tally = refused(LOGGED_REFUSALS + 7)
    assert LOGGED_REFUSALS == len(list(refusal_lines(tally)))
    assert 7 == emf(tally)["RefusedNotLogged"]


def test_at_the_cap_nothing_is_left_out() -> None:
    assert 0 == emf(refused(LOGGED_REFUSALS))["RefusedNotLogged"]
