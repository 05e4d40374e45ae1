"""
The transform, called as Lambda calls it: JSON text in, JSON text out, nothing shared but the text.

Laws: the handler never sees the engine's objects; what it raises is a function error; more than 6 MB either way is a failure, as in a
synchronous invocation. The engine's side reads and writes with orjson, the runtime's side with json, as Lambda's does.
Refuses to know: verdicts, retries. In-process code cannot be stopped: a call that outlives its time is let finish, and then failed.
Source: AWS Lambda, "Lambda quotas" (6 MB), "Define Lambda function handler in Python"; event keys and their order as seen in real events.
"""
# ruff: noqa: N818  # errors are named for what happened

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import orjson
import pybase64

from local.firehose.effects import Answered, Invoke
from local.firehose.errors import EngineError

if TYPE_CHECKING:
    from local.firehose.config import LambdaConfig

PAYLOAD_LIMIT_BYTES = 6 * 1_048_576  # synchronous invocation, each way
FIREHOSE_WAITS_S = 300  # whatever the function's own time-out
_log = logging.getLogger(__name__)

Handler = Callable[[Any, Any], Any]


class HandlerMissing(EngineError):
    """A template's Handler that cannot be imported, or none at all."""

    def __init__(self, *, function: str, handler: str | None, problem: str) -> None:
        self.function = function
        self.handler = handler
        super().__init__(
            f"the transform {function} cannot run here: its Handler {handler!r} {problem}; run from the project's folder, or name the handler"
        )


@dataclass(frozen=True, slots=True)
class LambdaContext:
    """The parts of Lambda's context object that a handler may look at."""

    aws_request_id: str
    function_name: str
    function_version: str
    invoked_function_arn: str
    memory_limit_in_mb: str
    log_group_name: str
    log_stream_name: str
    deadline_s: float
    identity: None = None
    client_context: None = None

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the function's time-out, by this machine's monotonic clock."""
        return max(0, int((self.deadline_s - time.monotonic()) * 1000))


def encode_event(invoke: Invoke) -> bytes:
    """The event's JSON text: for Direct PUT exactly these keys, in this order, arrival in integer milliseconds."""
    encode = pybase64.b64encode_as_string
    return orjson.dumps(
        {
            "invocationId": invoke.invocation_id,
            "deliveryStreamArn": invoke.stream_arn,
            "region": invoke.region,
            "records": [
                {"recordId": line.record_id, "approximateArrivalTimestamp": line.arrival_ms, "data": encode(line.body)}
                for line in invoke.lines
            ],
        }
    )


def import_handler(transform: LambdaConfig) -> Handler:
    """
    The function that the template's dotted Handler names.

    Raises: HandlerMissing.
    """
    module_name, _, attribute = (transform.handler or "").rpartition(".")
    problem = "names no module and function"
    if module_name:
        try:
            handler = getattr(import_module(module_name), attribute, None)
        except ImportError as error:
            handler, problem = None, f"cannot be imported ({error})"
        if callable(handler):
            return handler  # type: ignore[no-any-return]  # a module's attribute has no type until it is called
    raise HandlerMissing(function=transform.function_name, handler=transform.handler, problem=problem)


class InProcessInvoker:
    """
    Calls the handler in this process, on the caller's thread.

    Caller must import nothing of the transform itself; `handlers` may give one directly, by function name.
    """

    def __init__(self, handlers: dict[str, Handler] | None = None) -> None:
        self._handlers: dict[str, Handler] = dict(handlers or {})

    def prepare(self, transform: LambdaConfig) -> None:
        """Import the handler now, so that a wrong template fails at start and not at the first line."""
        if transform.function_name not in self._handlers:
            self._handlers[transform.function_name] = import_handler(transform)

    def __call__(self, invoke: Invoke) -> Answered:
        """One invocation's outcome."""
        try:
            self.prepare(invoke.transform)
        except HandlerMissing as missing:
            # A stream made by a call may name a function that nobody has: AWS finds out when it invokes it.
            return Answered(error_code="Lambda.ResourceNotFound", message=str(missing))
        event = encode_event(invoke)
        if len(event) > PAYLOAD_LIMIT_BYTES:
            return Answered(error_code="Lambda.InvocationFailure", message=describe_excess("event", len(event)))
        started_s = time.monotonic()
        answered = self._run(invoke, event, started_s)
        taken_s = time.monotonic() - started_s
        if taken_s > min(invoke.transform.timeout_s, FIREHOSE_WAITS_S):
            return Answered(error_code="Lambda.FunctionTimedOut", message=f"Task timed out after {taken_s:.2f} seconds")
        return Answered(answered.payload, answered.error_code, answered.message, round(taken_s * 1000))

    def _run(self, invoke: Invoke, event: bytes, started_s: float) -> Answered:
        context = lambda_context(invoke, started_s)
        try:
            payload = json.dumps(self._handlers[invoke.transform.function_name](json.loads(event), context)).encode()
        except Exception:  # noqa: BLE001 -- a handler may raise anything; Lambda's runtime catches it all and reports a function error
            _log.exception("the transform %s raised", invoke.transform.function_name)
            return Answered(error_code="Lambda.FunctionError")
        if len(payload) > PAYLOAD_LIMIT_BYTES:
            # Lambda itself answers a function error (Function.ResponseSizeTooLarge) here.
            return Answered(error_code="Lambda.FunctionError", message=describe_excess("response", len(payload)))
        return Answered(payload=payload)


def lambda_context(invoke: Invoke, started_s: float) -> LambdaContext:
    """The context object of one invocation."""
    transform = invoke.transform
    return LambdaContext(
        aws_request_id=invoke.invocation_id,
        function_name=transform.function_name,
        function_version="$LATEST",
        invoked_function_arn=transform.arn,
        memory_limit_in_mb=str(transform.memory_mib),
        log_group_name=f"/aws/lambda/{transform.function_name}",
        log_stream_name=f"local/[$LATEST]{invoke.invocation_id}",
        deadline_s=started_s + transform.timeout_s,
    )


def describe_context(invoke: Invoke) -> dict[str, object]:
    """The same for a function in another process, with its time-out instead of a deadline."""
    context = asdict(lambda_context(invoke, 0))
    return {name: value for name, value in context.items() if name != "deadline_s"} | {
        "timeout_s": invoke.transform.timeout_s
    }


def describe_excess(what: str, payload_bytes: int) -> str:
    """The sentence for a payload over the limit."""
    return f"The {what} has {payload_bytes} bytes; a synchronous invocation carries at most {PAYLOAD_LIMIT_BYTES}."
