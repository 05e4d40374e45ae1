from __future__ import annotations

import base64
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from contract import ROOT
from transform_lambda.answer import Tally, answer_event
from transform_lambda.verdict import ANSWER_LIMIT_BYTES

LINES = ROOT / "examples/line"
TICKER = (LINES / "line.ticker.pass.json").read_bytes().rstrip(b"\n")
SESSION_LINE = (LINES / "line.session_closed.pass.json").read_bytes().rstrip(b"\n")
BAD = (LINES / "line.book_crossed.fail.json").read_bytes()
CUT = (LINES / "line.line_not_json-cut.fail.txt").read_bytes()
ARRIVAL_MS = 1_795_401_020_000


def event_of(*texts: bytes, record_id: str = "shardId-%d") -> dict[str, Any]:
    return {
        "invocationId": "f8e3d0c2",
        "deliveryStreamArn": "arn:aws:firehose:eu-west-1:123456789012:deliverystream/ticks",
        "region": "eu-west-1",
        "records": [
            {
                "recordId": record_id % index,
                "approximateArrivalTimestamp": ARRIVAL_MS,
                "data": base64.b64encode(text).decode(),
            }
            for index, text in enumerate(texts)
        ],
    }


def answer(event: dict[str, Any]) -> tuple[list[dict[str, Any]], Tally]:
    """The answer as Firehose gets it: text, under the limit, every id once and in order."""
    given_back, tally = answer_event(event)
    text = json.dumps(given_back)
    assert len(text) <= ANSWER_LIMIT_BYTES
    answers: list[dict[str, Any]] = json.loads(text)["records"]
    assert [record["recordId"] for record in event["records"]] == [record["recordId"] for record in answers]
    return answers, tally


def long_line(n: int, length: int) -> bytes:
    """A good line of about `length` bytes."""
    return SESSION_LINE.replace(b'"n":42', b'"n":%d' % n).replace(b"asked to stop", b"x" * length)


def test_a_good_and_a_bad_record_do_not_touch_each_other() -> None:
    answers, tally = answer(event_of(TICKER, BAD, TICKER, CUT))
    assert ["Ok", "ProcessingFailed", "Ok", "ProcessingFailed"] == [record["result"] for record in answers]
    assert {"recordId": "shardId-1", "result": "ProcessingFailed"} == answers[1]
    assert {"kind": "ticker", "year": "2026", "month": "11", "day": "23", "hour": "02"} == answers[0]["metadata"][
        "partitionKeys"
    ]
    assert (4, 2, 2, {"book_crossed": 1, "line_not_json": 1}) == (
        tally.record_count,
        tally.row_count,
        tally.refused_record_count,
        tally.refused_lines,
    )


def test_data_is_text_that_decodes_to_a_row_and_a_newline() -> None:
    answers, _ = answer(event_of(TICKER))
    assert b"\n" == base64.b64decode(answers[0]["data"], validate=True)[-1:]


def test_an_event_without_records_gets_an_answer_without_records() -> None:
    assert ([], Tally()) == answer(event_of())


def test_lines_set_aside_count_as_refused_lines_of_an_accepted_record() -> None:
    _, tally = answer(event_of(TICKER + b"\n" + BAD))
    assert (1, 0, 1, 1, {"book_crossed": 1}) == (
        tally.row_count,
        tally.refused_record_count,
        tally.set_aside_count,
        tally.whole_pack_count,
        tally.refused_lines,
    )


def test_what_does_not_fit_is_refused_and_what_follows_still_fits() -> None:
    big = [long_line(n, 900_000) for n in range(6)]
    answers, tally = answer(event_of(*big, TICKER))
    assert ["Ok", "Ok", "Ok", "Ok", "ProcessingFailed", "ProcessingFailed", "Ok"] == [
        record["result"] for record in answers
    ]
    assert {"response_full": 2} == tally.refused_lines
    assert [("shardId-4", 4), ("shardId-5", 5)] == [(record_id, refusal.n) for record_id, refusal in tally.complaints]


def test_a_pack_that_does_not_fit_counts_all_its_lines() -> None:
    pack = b"\n".join(long_line(n, 300_000) for n in range(3))
    _, tally = answer(event_of(*[pack] * 5))
    assert (12, {"response_full": 3}, 1) == (tally.row_count, tally.refused_lines, len(tally.complaints))


def test_a_pack_that_grows_tenfold_when_set_aside_does_not_pass_the_limit() -> None:
    _, tally = answer(event_of(TICKER + b"\n" + b"\x00" * 1_000_000))
    assert {"response_full": 2} == tally.refused_lines


@given(st.lists(st.sampled_from([TICKER, SESSION_LINE, BAD, TICKER + b"\n" + BAD]), max_size=4), st.text(max_size=9))
def test_the_answers_length_is_known_to_the_byte_before_it_is_written(texts: list[bytes], name: str) -> None:
    event = event_of(*texts, TICKER, record_id="%d" + name.replace("%", ""))
    whole, _ = answer_event(event)
    length = len(json.dumps(whole))
    assert whole == answer_event(event, limit_bytes=length)[0]
    short, tally = answer_event(event, limit_bytes=length - 1)
    assert 1 == tally.refused_lines["response_full"]
    assert "ProcessingFailed" == short["records"][-1]["result"]


@given(
    st.lists(st.one_of(st.sampled_from([TICKER, BAD, CUT, TICKER + b"\n" + BAD]), st.binary(max_size=30)), max_size=6)
)
def test_lines_are_rows_or_refused_and_nothing_else(texts: list[bytes]) -> None:
    _, tally = answer(event_of(*texts))
    line_count = sum(text.removesuffix(b"\n").count(b"\n") + 1 for text in texts)
    assert line_count == tally.row_count + tally.refused_lines.total()


def test_the_same_event_twice_gets_the_same_answer() -> None:
    event = event_of(TICKER, BAD, TICKER + b"\n" + CUT)
    assert answer_event(event) == answer_event(event)


def test_a_record_without_arrival_or_data_is_answered() -> None:
    event = {"records": [{"recordId": "a"}, {"recordId": "b", "data": base64.b64encode(TICKER).decode()}]}
    assert ["ProcessingFailed", "Ok"] == [record["result"] for record in answer(event)[0]]


def test_a_record_from_a_kinesis_stream_is_answered_alike() -> None:
    event = event_of(TICKER)
    event["sourceKinesisStreamArn"] = "arn:aws:kinesis:eu-west-1:123456789012:stream/s"
    event["records"][0]["kinesisRecordMetadata"] = {"subsequenceNumber": ""}
    assert answer(event_of(TICKER)) == answer(event)
