"""What the transform answers, and what becomes of the record: each row of the verdict table, through the whole engine."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

from local.firehose.effects import Answered, Invoke
from local.firehose.guesses import Guesses
from tests.local.firehose.conftest import LAMBDA_ARN, NOON_MS, answer_each, transforming_stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.local.firehose.conftest import Event, Rig


def _one_bad(decide_bad: dict[str, Any]) -> Callable[[Event], Any]:
    """Ok for every record but b'bad'."""
    return answer_each(lambda body: decide_bad if body == b"bad" else {"data": body + b"\n"})


def _delivered(rig: Rig) -> bytes:
    return b"".join(rig.objects("data/").values())


def _only_error(rig: Rig) -> dict[str, Any]:
    """The one error of a batch whose other record was delivered, after a minute and a half."""
    rig.put(b"good", b"bad").turn(90)
    assert b"good\n" == _delivered(rig)
    [error] = rig.errors()
    assert b"bad" == base64.b64decode(error["rawData"])
    rig.assert_balanced()
    return error


def test_ok_with_data_is_delivered_decoded(rig: type[Rig]) -> None:
    stream = rig(transforming_stream(), handler=answer_each(lambda body: {"data": body.upper()}))
    assert b"AB" == _delivered(stream.put(b"a", b"b").turn(90))
    stream.assert_balanced()


def test_dropped_vanishes_without_a_trace_and_counts_as_success(rig: type[Rig]) -> None:
    stream = rig(transforming_stream(), handler=_one_bad({"result": "Dropped"})).put(b"good", b"bad").turn(90)
    assert b"good\n" == _delivered(stream)
    assert [] == stream.errors()
    assert 1 == stream.engine.snapshot(stream.now_ms).lines_dropped
    assert 2 == stream.engine.metrics.total("SucceedProcessing.Records")
    stream.assert_balanced()


def test_dropped_needs_no_data_and_its_data_is_not_delivered(rig: type[Rig]) -> None:
    stream = rig(transforming_stream(), handler=_one_bad({"result": "Dropped", "data": b"never"}))
    assert b"good\n" == _delivered(stream.put(b"good", b"bad").turn(90))


def test_processing_failed_goes_to_the_error_prefix_after_one_attempt(rig: type[Rig]) -> None:
    error = _only_error(rig(transforming_stream(), handler=_one_bad({"result": "ProcessingFailed"})))
    assert "Lambda.ProcessingFailedStatus" == error["errorCode"]
    assert "ProcessingFailed status set for record" == error["errorMessage"]
    assert 1 == error["attemptsMade"]
    assert NOON_MS == error["arrivalTimestamp"]
    assert NOON_MS + 10_000 == error["attemptEndingTimestamp"]
    assert LAMBDA_ARN == error["lambdaARN"]


def test_a_missing_id_goes_to_the_error_prefix(rig: type[Rig]) -> None:
    def handler(event: Event) -> Any:
        return {
            "records": answer_each(lambda body: {"data": body + b"\n"})({"records": event["records"][:1]})["records"]
        }

    error = _only_error(rig(transforming_stream(), handler=handler))
    assert ("Lambda.MissingRecordId", 1) == (error["errorCode"], error["attemptsMade"])
    assert error["errorMessage"].startswith("One or more record Ids were not returned.")


@pytest.mark.parametrize("answer", [{}, {"records": None}, None])
def test_no_records_at_all_miss_every_id(rig: type[Rig], answer: Any) -> None:
    stream = rig(transforming_stream(), handler=lambda _: answer).put(b"a", b"b").turn(90)
    assert ["Lambda.MissingRecordId"] * 2 == [error["errorCode"] for error in stream.errors()]
    assert 1 == len(stream.invocations)


def test_an_id_returned_twice_goes_to_the_error_prefix(rig: type[Rig]) -> None:
    def handler(event: Event) -> Any:
        records = answer_each(lambda body: {"data": body + b"\n"})(event)["records"]
        return {"records": [*records, records[1]]}

    error = _only_error(rig(transforming_stream(), handler=handler))
    assert ("Lambda.DuplicatedRecordId", 1) == (error["errorCode"], error["attemptsMade"])


def test_an_unknown_id_is_ignored(rig: type[Rig]) -> None:
    def handler(event: Event) -> Any:
        records = answer_each(lambda body: {"data": body})(event)["records"]
        return {"records": [*records, {"recordId": "nobody's", "result": "Ok", "data": "AAAA"}]}

    stream = rig(transforming_stream(), handler=handler).put(b"a").turn(90)
    assert b"a" == _delivered(stream)
    assert [] == stream.errors()


def test_ok_without_data_goes_to_the_error_prefix(rig: type[Rig]) -> None:
    error = _only_error(rig(transforming_stream(), handler=_one_bad({"result": "Ok"})))
    assert ("Lambda.InvalidReturnFormat", 1) == (error["errorCode"], error["attemptsMade"])
    assert error["errorMessage"].startswith("The data field cannot be null when the SourceType is DirectPut")


def test_ok_with_empty_data_is_delivered_as_nothing(rig: type[Rig]) -> None:
    stream = rig(transforming_stream(), handler=_one_bad({"data": b""})).put(b"good", b"bad").turn(90)
    assert b"good\n" == _delivered(stream)
    assert [] == stream.errors()


def _raise(_: Event) -> Any:
    raise RuntimeError("the transform is broken")


def test_a_function_that_raises_is_retried_and_then_the_whole_batch_fails(rig: type[Rig]) -> None:
    stream = rig(transforming_stream(), handler=_raise).put(b"a", b"b").turn(300)
    assert 4 == len(stream.invocations)
    errors = stream.errors()
    assert ["a", "b"] == [base64.b64decode(error["rawData"]).decode() for error in errors]
    assert {"Lambda.FunctionError"} == {error["errorCode"] for error in errors}
    message = "The Lambda function was successfully invoked but it returned an error result."
    assert {message} == {error["errorMessage"] for error in errors}
    assert {4} == {error["attemptsMade"] for error in errors}
    took_ms = errors[0]["attemptEndingTimestamp"] - NOON_MS - 10_000
    assert 15_000 <= took_ms <= 35_000  # three retries' back-off, as two objects of the real service showed
    stream.assert_balanced()


def test_a_function_that_recovers_loses_nothing(rig: type[Rig]) -> None:
    outcomes = iter([Answered(error_code="Lambda.FunctionError"), Answered(error_code="Lambda.InvokeLimitExceeded")])
    healthy = answer_each(lambda body: {"data": body})

    def invoke(invoke: Invoke) -> Answered:
        import orjson  # noqa: PLC0415 -- only this case needs it

        records = [{"recordId": line.record_id, "data": base64.b64encode(line.body).decode()} for line in invoke.lines]
        return next(outcomes, None) or Answered(payload=orjson.dumps(healthy({"records": records})))

    stream = rig(transforming_stream(), invoke=invoke).put(b"a").turn(300)
    assert b"a" == _delivered(stream)
    assert [1, 2, 3] == [invocation.attempt for invocation in stream.invocations]
    stream.assert_balanced()


@pytest.mark.parametrize(
    "code",
    ["Lambda.InvokeAccessDenied", "Lambda.InvokeLimitExceeded", "Lambda.FunctionTimedOut", "Lambda.InvocationFailure"],
)
def test_a_failed_invocation_is_retried_and_then_named(rig: type[Rig], code: str) -> None:
    stream = rig(transforming_stream(), invoke=lambda _: Answered(error_code=code, message="why")).put(b"a").turn(300)
    [error] = stream.errors()
    assert (code, "why", 4) == (error["errorCode"], error["errorMessage"], error["attemptsMade"])


def test_an_answer_over_6_mb_is_retried_and_then_the_batch_fails(rig: type[Rig]) -> None:
    stream = rig(transforming_stream(), handler=answer_each(lambda _: {"data": bytes(5_000_000)})).put(b"a").turn(300)
    [error] = stream.errors()
    assert ("Lambda.FunctionError", 4) == (error["errorCode"], error["attemptsMade"])
    assert "response" in error["errorMessage"]


def test_an_event_over_6_mb_is_retried_and_then_the_batch_fails(rig: type[Rig]) -> None:
    tiny = [b"x"] * 27_500  # each has about 240 bytes of envelope in the event
    stream = rig(transforming_stream(), handler=answer_each(lambda body: {"data": body})).put(*tiny).turn(300)
    errors = stream.errors()
    assert 27_500 == len(errors)
    assert ("Lambda.InvocationFailure", 4) == (errors[0]["errorCode"], errors[0]["attemptsMade"])
    stream.assert_balanced()


def test_an_unknown_result_has_a_code_that_can_be_chosen(rig: type[Rig]) -> None:
    handler = _one_bad({"result": "Perhaps", "data": b"x"})
    assert "Lambda.FunctionError" == _only_error(rig(transforming_stream(), handler=handler))["errorCode"]
    chosen = rig(transforming_stream(), handler=handler, guesses=Guesses(unknown_result_code="Lambda.Other"))
    assert "Lambda.Other" == _only_error(chosen)["errorCode"]


@pytest.mark.parametrize("encoded", ["not base64!", "AAA", 7, ["AAAA"]])
def test_undecodable_data_goes_to_the_error_prefix(rig: type[Rig], encoded: Any) -> None:
    error = _only_error(rig(transforming_stream(), handler=_one_bad({"data": encoded})))
    assert "Lambda.JsonMappingException" == error["errorCode"]


@pytest.mark.parametrize("answer", ["text", [1, 2], {"records": {"a": 1}}, float("nan")])
def test_an_unreadable_answer_fails_the_batch_at_once(rig: type[Rig], answer: Any) -> None:
    stream = rig(transforming_stream(), handler=lambda _: answer).put(b"a", b"b").turn(90)
    assert ["Lambda.JsonProcessingException"] * 2 == [error["errorCode"] for error in stream.errors()]
    stream.assert_balanced()


@pytest.mark.parametrize("entry", [None, 1, {}, {"recordId": 5}, {"recordId": None, "result": "Ok"}])
def test_an_entry_without_an_id_is_ignored(rig: type[Rig], entry: Any) -> None:
    stream = rig(transforming_stream(), handler=lambda _: {"records": [entry]}).put(b"a").turn(90)
    assert ["Lambda.MissingRecordId"] == [error["errorCode"] for error in stream.errors()]


def test_no_retry_means_one_attempt(rig: type[Rig]) -> None:
    from dataclasses import replace  # noqa: PLC0415 -- only this case needs it

    config = transforming_stream()
    assert config.transform is not None
    config = replace(config, transform=replace(config.transform, retries_count=0))
    stream = rig(config, handler=_raise).put(b"a").turn(90)
    assert [1] == [error["attemptsMade"] for error in stream.errors()]
