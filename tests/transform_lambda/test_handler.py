from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from contract import ROOT
from transform_lambda.handler import handler

if TYPE_CHECKING:
    import pytest

TICKER = (ROOT / "examples/line/line.ticker.pass.json").read_bytes()
HOUSE = Path(__file__).parents[2]
FOREIGN = {"boto3", "botocore", "aws_lambda_powertools", "jsonschema", "pydantic", "producer", "local", "infra", "cli"}


def event_of(*datas: object) -> dict[str, object]:
    records = [
        {"recordId": str(index), "approximateArrivalTimestamp": 1795401020000, "data": data}
        for index, data in enumerate(datas)
    ]
    return {
        "invocationId": "1",
        "deliveryStreamArn": "arn:aws:firehose:a:1:deliverystream/s",
        "region": "a",
        "records": records,
    }


def encoded(text: bytes) -> str:
    return base64.b64encode(text).decode()


def in_a_new_process(program: str, **environment: str) -> list[str]:
    command = [sys.executable, "-c", program]
    kept = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    done = subprocess.run(command, cwd=HOUSE, env=kept | environment, capture_output=True, text=True, check=True)
    assert "" == done.stderr
    return done.stdout.splitlines()


def test_metrics_and_refusals_go_to_the_log_the_host_chose(caplog: pytest.LogCaptureFixture) -> None:
    handler(event_of(encoded(TICKER), encoded(b"?")), None)
    lines = [json.loads(message) for message in caplog.messages]
    assert ["line_not_json", None] == [line.get("reason") for line in lines]
    assert (1, 1, "s") == (lines[1]["Rows"], lines[1]["Refused"], lines[1]["Stream"])


CALL = f"""
import logging
logging.basicConfig(format="runtime's prefix %(message)s", level="INFO")  # what the Lambda runtime's root handler does
from transform_lambda.handler import handler
handler({event_of(encoded(TICKER), encoded(b"?"))!r}, None)
"""


def test_in_lambda_each_log_line_is_bare_json_on_standard_output() -> None:
    lines = [json.loads(line) for line in in_a_new_process(CALL, AWS_LAMBDA_FUNCTION_NAME="t")]
    assert ["refused", None] == [line.get("event") for line in lines]
    assert "_aws" in lines[1]


def test_elsewhere_nothing_is_printed_unless_the_host_asks() -> None:
    assert [] == in_a_new_process(CALL.replace("logging.basicConfig", "dict").replace(encoded(b"?"), encoded(TICKER)))


def test_a_cold_start_imports_nothing_it_does_not_need() -> None:
    (names,) = in_a_new_process("import sys; from transform_lambda.handler import handler; print(*sys.modules)")
    assert set() == FOREIGN & {name.partition(".")[0] for name in names.split()}


@given(
    st.lists(st.one_of(st.none(), st.integers(), st.text(max_size=40), st.binary(max_size=60).map(encoded)), max_size=5)
)
def test_no_data_makes_it_raise_and_every_id_is_answered_once(datas: list[object]) -> None:
    answer = handler(event_of(*datas), None)
    assert [str(index) for index in range(len(datas))] == [record["recordId"] for record in answer["records"]]
    assert {"ProcessingFailed"} >= {record["result"] for record in answer["records"]}
