"""
The transform as it is deployed: the built zip, unpacked, in a process of its own that has nothing else to import.

Laws: the process is killed when its time is up, and a new one serves the next call; what it prints is logged line by line.
Refuses to know: verdicts, how artefacts are built. Caller must close it.
Source: AWS Lambda, "Working with .zip file archives for Python Lambda functions".
"""

from __future__ import annotations

import logging
import os
import select
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, Self

import orjson

from local.firehose.effects import Answered, Invoke
from local.firehose.invoker import (
    FIREHOSE_WAITS_S,
    PAYLOAD_LIMIT_BYTES,
    HandlerMissing,
    describe_context,
    describe_excess,
    encode_event,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from local.firehose.config import LambdaConfig

_CHILD: Final = Path(__file__).with_name("lambda_process.py")
_INIT_S: Final = 10.0  # Lambda's own limit for importing a function's code
_LENGTH_BYTES: Final = 4
_log = logging.getLogger(__name__)


class _OutOfTime(Exception):  # noqa: N818 -- named for what happened
    """The process did not answer in time."""


class ZipInvoker:
    """Invokes the handler of one artefact; a context manager."""

    def __init__(self, artefact: Path, *, logger: str = "transform_lambda") -> None:
        self._artefact = artefact
        self._logger = logging.getLogger(logger)
        self._folder = tempfile.TemporaryDirectory(prefix="ticklake-lambda-")
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        with zipfile.ZipFile(artefact) as archive:
            archive.extractall(self._folder.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the processes and remove what was unpacked."""
        for process in self._processes.values():
            _end(process)
        self._processes.clear()
        self._folder.cleanup()

    def prepare(self, transform: LambdaConfig) -> None:
        """Start the function's process, if none runs. Raises: HandlerMissing."""
        process = self._processes.get(transform.function_name)
        if process is None or process.poll() is not None:
            self._processes[transform.function_name] = self._start(transform)

    def __call__(self, invoke: Invoke) -> Answered:
        """One invocation's outcome."""
        event = encode_event(invoke)
        if len(event) > PAYLOAD_LIMIT_BYTES:
            return Answered(error_code="Lambda.InvocationFailure", message=describe_excess("event", len(event)))
        try:
            self.prepare(invoke.transform)
        except HandlerMissing as missing:
            return Answered(error_code="Lambda.FunctionError", message=str(missing))
        return self._ask(invoke, event)

    def _ask(self, invoke: Invoke, event: bytes) -> Answered:
        transform, process = invoke.transform, self._processes[invoke.transform.function_name]
        limit_s = min(transform.timeout_s, FIREHOSE_WAITS_S)
        started_s = time.monotonic()
        try:
            _send(process, orjson.dumps({"event": orjson.Fragment(event), "context": describe_context(invoke)}))
            answer = _receive(process, deadline_s=started_s + limit_s)
        except _OutOfTime:
            _end(process)
            return Answered(error_code="Lambda.FunctionTimedOut", message=f"Task timed out after {limit_s}.00 seconds")
        except (BrokenPipeError, EOFError):
            _end(process)
            return Answered(
                error_code="Lambda.FunctionError", message="The function's process ended before it answered."
            )
        if "error" in answer:
            self._logger.error("%s", answer["error"])
            return Answered(error_code="Lambda.FunctionError")
        payload = str(answer["payload"]).encode()
        if len(payload) > PAYLOAD_LIMIT_BYTES:
            return Answered(error_code="Lambda.FunctionError", message=describe_excess("response", len(payload)))
        return Answered(payload=payload, duration_ms=round((time.monotonic() - started_s) * 1000))

    def _start(self, transform: LambdaConfig) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(  # noqa: S603 -- this interpreter, our own file, a folder of ours and the template's handler
            [
                sys.executable,
                "-I",
                "-S",
                str(_CHILD),
                self._folder.name,
                transform.handler or "",
                sysconfig.get_paths()["purelib"],
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(transform),
            cwd=self._folder.name,
            start_new_session=True,  # Ctrl-C is for us: what is buffered still has to go through the transform
        )
        assert process.stderr is not None, "it was asked for"
        threading.Thread(target=self._log_lines, args=(process.stderr,), daemon=True).start()
        try:
            first = _receive(process, deadline_s=time.monotonic() + _INIT_S)
        except (_OutOfTime, EOFError):
            first = {"unusable": f"its process said nothing within {_INIT_S:g} s"}
        if "unusable" in first:
            _end(process)
            problem = f"of {self._artefact.name} cannot be used ({first['unusable']})"
            raise HandlerMissing(function=transform.function_name, handler=transform.handler, problem=problem)
        if first["substituted"]:
            _log.warning(
                "%s: its libraries do not load here (%s); this machine's stand in for them, its own code runs as built",
                self._artefact.name,
                first["substituted"],
            )
        return process

    def _log_lines(self, stderr: IO[bytes]) -> None:
        with stderr:
            for line in stderr:
                self._logger.info("%s", line.decode(errors="replace").rstrip("\n"))


def _environment(transform: LambdaConfig) -> Mapping[str, str]:
    """What the function sees of its surroundings: no credentials, nothing of this process."""
    return {
        "PATH": os.environ.get("PATH", ""),
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "AWS_LAMBDA_FUNCTION_NAME": transform.function_name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(transform.memory_mib),
        **(transform.environment or {}),
    }


def _send(process: subprocess.Popen[bytes], message: bytes) -> None:
    assert process.stdin is not None, "it was asked for"
    process.stdin.write(len(message).to_bytes(_LENGTH_BYTES, "big") + message)
    process.stdin.flush()


def _receive(process: subprocess.Popen[bytes], *, deadline_s: float) -> dict[str, Any]:
    assert process.stdout is not None, "it was asked for"
    length = int.from_bytes(_read_exactly(process.stdout.fileno(), _LENGTH_BYTES, deadline_s), "big")
    answer: dict[str, Any] = orjson.loads(_read_exactly(process.stdout.fileno(), length, deadline_s))
    return answer


def _read_exactly(descriptor: int, wanted: int, deadline_s: float) -> bytes:
    held = bytearray()
    while len(held) < wanted:
        left_s = deadline_s - time.monotonic()
        if left_s <= 0 or not select.select([descriptor], [], [], left_s)[0]:
            raise _OutOfTime
        piece = os.read(descriptor, wanted - len(held))
        if not piece:
            raise EOFError
        held += piece
    return bytes(held)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None and not pipe.closed:
            with suppress(BrokenPipeError):  # what was still to be written has no reader any more
                pipe.close()
