"""
Lambda's way in: Firehose's event to its answer, and what happened to standard output.

Laws: the only module that reads a clock or the environment; never raises for what a record holds. Two calls with one event give one
answer (Firehose retries). In Lambda, log lines are the message and nothing else, so that CloudWatch reads the metrics in them;
elsewhere the host of this module decides where `transform_lambda`'s log goes.
Refuses to know: how anything is decided.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from typing import TYPE_CHECKING, Any, Final

from transform_lambda.answer import answer_event
from transform_lambda.metrics import metrics_line, refusal_lines

if TYPE_CHECKING:
    from collections.abc import Mapping

log: Final = logging.getLogger("transform_lambda")
log.setLevel(logging.INFO)


def print_bare_lines() -> None:
    """Send the log to standard output, each message a line without a prefix, and nowhere else."""
    bare = logging.StreamHandler(sys.stdout)
    bare.setFormatter(logging.Formatter("%(message)s"))
    log.addHandler(bare)
    log.propagate = False  # the runtime's own handler on the root logger would print each line again, with a prefix


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    print_bare_lines()


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    """
    Firehose's answer: `Ok` with rows and partition keys, or `ProcessingFailed`, for every recordId once and in order.

    A record is one line (Firehose divided the pack) or a whole pack (it did not). In a whole pack, a bad line is set aside without
    sinking its neighbours: rows of one kind and hour keep their partition only if every line is good; otherwise all go to partition
    `mixed` of the hour of arrival, and each bad line goes with them as a row of kind `refused` that holds its reason and its text. A
    record whose lines are all bad is `ProcessingFailed`: Firehose writes its bytes to the error prefix under a fixed message, so the
    reason stands in the log and in the metrics.

    Shapes: the event and answer of Firehose's data transformation; an answer has at most ANSWER_LIMIT_BYTES as JSON.
    Clock: reads it once, for the age of the oldest line and the metrics' time.
    """
    answer, tally = answer_event(event)
    for line in refusal_lines(tally):
        log.warning("%s", line)
    log.info("%s", metrics_line(tally, stream_arn=event.get("deliveryStreamArn"), now_ms=time.time_ns() // 1_000_000))
    return answer
