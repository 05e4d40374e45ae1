"""
What one invocation tells the operator: one CloudWatch EMF line of counts, and a JSON line per refused line, up to a cap.

Counts (namespace `ticklake`, dimension `Stream`; unit Count but for the age):
  Records, WholePacks      records of the event; those of them that held more than one line
  Rows                     lines that became rows
  Refused                  records answered ProcessingFailed
  RefusedLines             lines refused, all reasons; Refused.<reason> (lines) for each reason that occurred
  SetAside                 refused lines that travel as rows of kind `refused` in their pack (RefusedLines counts them too)
  SlowPath                 lines that the fast way did not recognise; nearly all lines: Coinbase has changed its field order
  RefusedNotLogged         refused lines beyond LOGGED_REFUSALS
  OldestLineAge            milliseconds from the oldest row's receive time to now; never below 0 (clocks differ), absent without rows
Laws: lines of the event = Rows + RefusedLines. Text from outside is JSON-escaped and cut, so that it can neither pass for a metric nor
flood the log.
Refuses to know: the clock, and where its lines are printed.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from transform_lambda.answer import Tally

NAMESPACE: Final = "ticklake"
LOGGED_REFUSALS: Final = 100  # per invocation: enough to see a pattern; the bytes of all are under the error prefix
NAME_LIMIT_CHARS: Final = 256  # of a recordId (160 seen) or a stream's name (64 allowed)


def metrics_line(tally: Tally, *, stream_arn: object, now_ms: int) -> str:
    """One line of CloudWatch's embedded metric format."""
    counts = _counts(tally)
    metrics = [{"Name": name, "Unit": "Count"} for name in counts]
    values: dict[str, Any] = {**counts}
    if tally.oldest_receive_time_us is not None:
        metrics.append({"Name": "OldestLineAge", "Unit": "Milliseconds"})
        values["OldestLineAge"] = max(0, now_ms - tally.oldest_receive_time_us // 1000)
    directive = {"Namespace": NAMESPACE, "Dimensions": [["Stream"]], "Metrics": metrics}
    stream = str(stream_arn).rpartition("/")[2][:NAME_LIMIT_CHARS] if stream_arn else "unknown"
    return json.dumps({"_aws": {"Timestamp": now_ms, "CloudWatchMetrics": [directive]}, "Stream": stream, **values})


def refusal_lines(tally: Tally) -> Iterator[str]:
    """A JSON line for each of the first LOGGED_REFUSALS refusals."""
    for record_id, refusal in tally.complaints[:LOGGED_REFUSALS]:
        yield json.dumps(
            {
                "event": "refused",
                "recordId": str(record_id)[:NAME_LIMIT_CHARS],
                "session": refusal.session,
                "n": refusal.n,
                "lines": refusal.line_count,
                "reason": refusal.reason,
                "detail": refusal.detail,
            },
        )


def _counts(tally: Tally) -> Mapping[str, int]:
    not_logged = sum(refusal.line_count for _, refusal in tally.complaints[LOGGED_REFUSALS:])
    return {
        "Records": tally.record_count,
        "WholePacks": tally.whole_pack_count,
        "Rows": tally.row_count,
        "Refused": tally.refused_record_count,
        "RefusedLines": tally.refused_lines.total(),
        "SetAside": tally.set_aside_count,
        "SlowPath": tally.slow_line_count,
        "RefusedNotLogged": not_logged,
        **{f"Refused.{reason}": count for reason, count in sorted(tally.refused_lines.items())},
    }
