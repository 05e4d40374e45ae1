"""A built artefact in a process of its own."""

from __future__ import annotations

import json
import logging
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from local.firehose.invoker import HandlerMissing
from local.firehose.zip_invoker import ZipInvoker
from tests.local.firehose.test_invoker import TRANSFORM, invocation

if TYPE_CHECKING:
    from pathlib import Path

    from local.firehose.effects import Answered

_CODE = """
import logging, os, sys, time

def echo(event, context):
    print("printed")
    logging.getLogger().warning("logged")
    return {"ids": [record["recordId"] for record in event["records"]], "name": context.function_name,
            "left": context.get_remaining_time_in_millis() > 0, "arn": context.invoked_function_arn}

def look(event, context):
    return {"aws": sorted(name for name in os.environ if name.startswith("AWS_")), "mine": os.environ.get("MINE"),
            "project": any(name.split(".")[0] == "local" for name in sys.modules), "path": sys.path,
            "session": os.getsid(0) == os.getpid()}

def fail(event, context):
    raise ValueError("broken")

def sleep(event, context):
    time.sleep(60)

def leave(event, context):
    os._exit(3)

def big(event, context):
    return "x" * 7_000_000
"""
_NEEDS_A_LIBRARY = "import orjson\ndef handler(event, context):\n    return orjson.loads(b'[1]')\n"


def _artefact(folder: Path, code: str = _CODE, **extra: str) -> Path:
    path = folder / "artefact.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in {"code/fn.py": code, **{f"code/{name}.py": text for name, text in extra.items()}}.items():
            archive.writestr(name.removeprefix("code/"), text)
    return path


def _call(folder: Path, handler: str, **changes: Any) -> Answered:
    with ZipInvoker(_artefact(folder)) as invoker:
        return invoker(invocation(b"a", b"b", transform=replace(TRANSFORM, handler=handler, **changes)))


def test_the_artefact_answers_and_its_lines_are_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "test.lambda"), ZipInvoker(_artefact(tmp_path), logger="test.lambda") as invoker:
        transform = replace(TRANSFORM, handler="fn.echo")
        answers = [invoker(invocation(b"a", b"b", transform=transform)) for _ in range(2)]
    expected = {"ids": ["r0", "r1"], "name": "f", "left": True, "arn": "arn:f:$LATEST"}
    assert [expected, expected] == [json.loads(answer.payload or b"") for answer in answers]


def test_the_artefact_sees_its_environment_and_nothing_of_the_project(tmp_path: Path) -> None:
    answer = _call(tmp_path, "fn.look", environment={"MINE": "yes"})
    seen = json.loads(answer.payload or b"")
    assert (["AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_NAME"], "yes", False) == (
        seen["aws"],
        seen["mine"],
        seen["project"],
    )
    assert seen["session"], "Ctrl-C must not reach it"
    assert not any("site-packages" in place for place in seen["path"])


@pytest.mark.parametrize("handler", ["fn.fail", "fn.leave", "fn.big"])
def test_a_handler_that_breaks_is_a_function_error(tmp_path: Path, handler: str) -> None:
    assert "Lambda.FunctionError" == _call(tmp_path, handler).error_code


def test_a_handler_that_outlives_its_time_is_killed_and_the_next_call_is_served(tmp_path: Path) -> None:
    with ZipInvoker(_artefact(tmp_path)) as invoker:
        slow = invoker(invocation(b"a", transform=replace(TRANSFORM, handler="fn.sleep", timeout_s=1)))
        assert "Lambda.FunctionTimedOut" == slow.error_code
        assert invoker(invocation(b"a", transform=replace(TRANSFORM, handler="fn.echo"))).payload is not None


@pytest.mark.parametrize("handler", ["fn.nothing", "nobody.handler"])
def test_an_artefact_without_the_handler_is_refused_by_name(tmp_path: Path, handler: str) -> None:
    with (
        ZipInvoker(_artefact(tmp_path)) as invoker,
        pytest.raises(HandlerMissing, match=r"artefact\.zip cannot be used"),
    ):
        invoker.prepare(replace(TRANSFORM, handler=handler))


def test_libraries_built_for_another_machine_are_replaced_and_that_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    foreign = "raise ImportError('built for another machine')"
    with ZipInvoker(_artefact(tmp_path, _NEEDS_A_LIBRARY, orjson=foreign)) as invoker:
        answer = invoker(invocation(b"a", transform=replace(TRANSFORM, handler="fn.handler")))
    assert b"[1]" == answer.payload
    assert "built for another machine" in caplog.text
