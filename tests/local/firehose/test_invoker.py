"""The transform called as Lambda calls it."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from local.firehose.config import MIB, BufferHints, LambdaConfig
from local.firehose.effects import Invoke
from local.firehose.invoker import HandlerMissing, InProcessInvoker, encode_event, import_handler
from local.firehose.verdicts import Line

TRANSFORM = LambdaConfig(
    arn="arn:f:$LATEST", hints=BufferHints(MIB, 60), retries_count=3, function_name="f", timeout_s=60
)


def invocation(*bodies: bytes, transform: LambdaConfig = TRANSFORM) -> Invoke:
    return Invoke(
        invocation_id="id",
        attempt=1,
        transform=transform,
        stream_arn="arn:s",
        region="us-east-1",
        lines=[Line(f"r{index}", 1000 + index, body) for index, body in enumerate(bodies)],
    )


def test_the_event_has_exactly_firehoses_keys_in_order() -> None:
    event = json.loads(encode_event(invocation(b"a", b"\xff")))
    assert ["invocationId", "deliveryStreamArn", "region", "records"] == list(event)
    assert [
        {"recordId": "r0", "approximateArrivalTimestamp": 1000, "data": "YQ=="},
        {"recordId": "r1", "approximateArrivalTimestamp": 1001, "data": "/w=="},
    ] == event["records"]


def test_the_handler_gets_text_and_gives_text_and_a_context() -> None:
    seen: list[Any] = []

    def handler(event: Any, context: Any) -> Any:
        seen.append((event, context))
        event["records"].clear()
        return {"records": ({"n": 1},)}

    invoke = invocation(b"a")
    answered = InProcessInvoker({"f": handler})(invoke)
    assert answered.payload is not None
    assert {"records": [{"n": 1}]} == json.loads(answered.payload)
    assert 1 == len(invoke.lines)
    _, context = seen[0]
    assert ("id", "f", "$LATEST", "arn:f:$LATEST", "128") == (
        context.aws_request_id,
        context.function_name,
        context.function_version,
        context.invoked_function_arn,
        context.memory_limit_in_mb,
    )
    assert 0 < context.get_remaining_time_in_millis() <= 60_000


@pytest.mark.parametrize("result", [b"bytes", {1, 2}, object()])
def test_an_answer_that_is_no_json_is_a_function_error(result: Any) -> None:
    assert "Lambda.FunctionError" == InProcessInvoker({"f": lambda *_: result})(invocation(b"a")).error_code


def test_what_a_handler_raises_is_a_function_error_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    def handler(*_: Any) -> Any:
        raise KeyError("oops")

    assert "Lambda.FunctionError" == InProcessInvoker({"f": handler})(invocation(b"a")).error_code
    assert "the transform f raised" in caplog.text


def test_a_call_that_outlives_its_time_fails() -> None:
    invoke = invocation(b"a", transform=replace(TRANSFORM, timeout_s=0))
    assert "Lambda.FunctionTimedOut" == InProcessInvoker({"f": lambda *_: None})(invoke).error_code


def test_a_template_s_dotted_handler_is_imported() -> None:
    transform = replace(TRANSFORM, handler="json.dumps")
    assert "dumps" == import_handler(transform).__name__
    InProcessInvoker().prepare(transform)


@pytest.mark.parametrize("handler", [None, "", "alone", "json.nothing", "no.such.module.handler", "json.decoder"])
def test_a_handler_that_is_not_there_is_refused_by_name(handler: str | None) -> None:
    with pytest.raises(HandlerMissing, match="the transform f cannot run here"):
        import_handler(replace(TRANSFORM, handler=handler))


def test_a_function_that_nobody_has_is_not_found_when_it_is_invoked() -> None:
    assert "Lambda.ResourceNotFound" == InProcessInvoker()(invocation(b"a")).error_code


def test_the_projects_own_transform_answers_every_record() -> None:
    transform = replace(TRANSFORM, handler="transform_lambda.handler.handler")
    answered = InProcessInvoker()(invocation(b"not a line", transform=transform))
    assert answered.payload is not None
    [record] = json.loads(answered.payload)["records"]
    assert ("r0", "ProcessingFailed") == (record["recordId"], record["result"])
    assert b"not a line" == base64.b64decode(record.get("data", base64.b64encode(b"not a line")))
