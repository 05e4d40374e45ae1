"""The endpoint: an unmodified boto3 and the real template, and the faults that only a connection can have."""

from __future__ import annotations

import base64
import gzip
import json
import os
import shutil
import subprocess
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ConnectionClosedError

from local.firehose.faults import Fault, Faults
from local.firehose.invoker import HandlerMissing
from local.firehose.store import FolderStore
from local.firehose.template import plan_standins, read_template
from tests.local.firehose.conftest import answer_each, plain_stream, transforming_stream

if TYPE_CHECKING:
    from local.firehose.config import StreamConfig
    from tests.local.firehose.conftest import Served

_TEMPLATE = Path(__file__).parents[3] / "infra" / "pipeline.yaml"
_NODE_SDK = "TICKLAKE_NODE_MODULES"  # a folder with @aws-sdk/client-firehose installed


def _pipeline_stream() -> StreamConfig:
    standins = plan_standins(_TEMPLATE, {}, ("local", "arn:aws:kms:us-east-1:000000000000:key/local"))
    stream = read_template(_TEMPLATE, standins=standins).streams[0]
    assert stream.transform is not None
    return replace(stream, transform=replace(stream.transform, function_name="f"))


def _row_or_refusal(body: bytes) -> dict[str, Any]:
    line = json.loads(body)
    if "bad" in line:
        return {"result": "ProcessingFailed"}
    row = json.dumps({"kind": "ticker", "n": line["n"]}) + "\n"
    keys = {"kind": "ticker", "year": "2026", "month": "11", "day": "23", "hour": "12"}
    return {"data": row.encode(), "metadata": {"partitionKeys": keys}}


def test_packs_become_rows_errors_and_a_verbatim_backup(served: type[Served], tmp_path: Path) -> None:
    packs = [b'{"n":0}\n{"n":1}\n', b'{"n":2}\n{"bad":3}\n{"n":4}\n']
    with served(_pipeline_stream(), handler=answer_each(_row_or_refusal), store=FolderStore(tmp_path)) as firehose:
        answer = firehose.put(*packs, stream="ticklake")
        assert (0, True) == (answer["FailedPutCount"], answer["Encrypted"])
    snapshot = firehose.snapshots["ticklake"]
    assert snapshot.is_balanced
    assert (2, 5, 4, 1) == (
        snapshot.records_accepted,
        snapshot.lines_accepted,
        snapshot.rows_delivered,
        snapshot.lines_in_errors,
    )
    [rows] = (tmp_path / "processed/coinbase/ticker/2026/11/23/12").iterdir()
    assert [0, 1, 2, 4] == pq.ParquetFile(rows).read().column("n").to_pylist()
    [backup] = (tmp_path / "raw/coinbase/2026/11/23/12").iterdir()
    assert b"".join(packs) == gzip.decompress(backup.read_bytes())
    [errors] = (tmp_path / "errors/coinbase/processing-failed/2026/11/23/12").iterdir()
    assert b'{"bad":3}' == base64.b64decode(json.loads(errors.read_bytes())["rawData"])


def test_a_template_whose_handler_cannot_be_imported_fails_at_start(served: type[Served]) -> None:
    config = transforming_stream()
    assert config.transform is not None
    lost = replace(config, transform=replace(config.transform, function_name="nobody", handler="no.such.handler"))
    with pytest.raises(HandlerMissing, match="nobody cannot run here"), served(lost):
        pass


def test_several_streams_live_side_by_side(served: type[Served]) -> None:
    with served(plain_stream(), plain_stream(name="t")) as firehose:
        firehose.put(b"a", stream="s")
        firehose.put(b"b", stream="t")
        assert ["s", "t"] == firehose.client.list_delivery_streams()["DeliveryStreamNames"]
    assert {"s", "t"} == {key.split("/")[2].split("-")[0] for key in firehose.store.objects}


def test_a_lost_answer_has_stored_its_records_and_a_reset_has_not(served: type[Served]) -> None:
    faults = Faults([Fault("lost-answer", at_most=1)])
    with served(plain_stream(), faults=faults) as firehose:
        with pytest.raises(ConnectionClosedError):
            firehose.put(b"stored,")
        faults.put_in_force([Fault("reset", at_most=1)])
        with pytest.raises(ConnectionClosedError):
            firehose.put(b"not stored,")
        firehose.put(b"stored")
    assert [b"stored,stored"] == list(firehose.store.objects.values())


def test_a_slow_answer_still_comes(served: type[Served]) -> None:
    with served(plain_stream(), faults=Faults([Fault("slow", seconds=0.05)])) as firehose:
        assert 0 == firehose.put(b"a")["FailedPutCount"]


@pytest.mark.parametrize(
    ("target", "body", "code"),
    [
        ("", b"{}", "UnknownOperationException"),
        ("DynamoDB_20120810.PutItem", b"{}", "UnknownOperationException"),
        ("Firehose_20150804.Sorcery", b"{}", "UnknownOperationException"),
        ("Firehose_20150804.PutRecord", b"{", "SerializationException"),
        ("Firehose_20150804.PutRecord", b"[]", "SerializationException"),
    ],
)
def test_what_is_no_call_of_firehose_is_refused_in_json(
    served: type[Served], target: str, body: bytes, code: str
) -> None:
    with served() as firehose:
        request = urllib.request.Request(firehose.url, data=body, headers={"X-Amz-Target": target})
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=20)
        with refused.value as answer:
            assert (400, "application/x-amz-json-1.1") == (answer.code, answer.headers["Content-Type"])
            assert code == json.loads(answer.read())["__type"]


@pytest.mark.parametrize(
    ("method", "path", "encoding", "body_bytes", "expected"),
    [
        ("GET", "", "identity", 0, (404, "UnknownOperationException")),
        ("POST", "/elsewhere", "identity", 2, (404, "UnknownOperationException")),
        ("POST", "", "gzip", 2, (400, "MalformedHttpRequestException")),
        ("POST", "", "identity", 17 * 1_048_576, (413, "RequestEntityTooLargeException")),
    ],
)
def test_what_http_itself_refuses_is_said_in_json_too(
    served: type[Served], method: str, path: str, *, encoding: str, body_bytes: int, expected: tuple[int, str]
) -> None:
    with served() as firehose:
        headers = {"X-Amz-Target": "Firehose_20150804.PutRecord", "Content-Encoding": encoding}
        request = urllib.request.Request(firehose.url + path, data=bytes(body_bytes), headers=headers, method=method)
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=20)
        with refused.value as answer:
            assert expected == (answer.code, json.loads(answer.read())["__type"])
            assert answer.headers["x-amzn-RequestId"]


def test_a_body_may_be_compressed_and_chunked(served: type[Served]) -> None:
    record = json.dumps({"DeliveryStreamName": "s", "Record": {"Data": "YQ=="}}).encode()
    with served(plain_stream()) as firehose:
        headers = {"X-Amz-Target": "Firehose_20150804.PutRecord", "Content-Encoding": "gzip"}
        chunks = iter([gzip.compress(record)])  # urllib sends an iterator as chunks
        with urllib.request.urlopen(urllib.request.Request(firehose.url, data=chunks, headers=headers)) as answer:
            assert 200 == answer.status
    assert [b"a"] == list(firehose.store.objects.values())


def _environment(url: str) -> dict[str, str]:
    given = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any", "AWS_REGION": "us-east-1"}
    return {**os.environ, **given, "AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL_FIREHOSE": url}


def _run(arguments: list[str], url: str) -> str:
    done = subprocess.run(arguments, env=_environment(url), capture_output=True, text=True, timeout=60, check=False)
    assert 0 == done.returncode, done.stderr
    return done.stdout


def test_the_aws_command_line_drives_it(served: type[Served]) -> None:
    aws = shutil.which("aws")
    if aws is None or subprocess.run([aws, "--version"], capture_output=True, check=False).returncode:
        pytest.skip("the AWS command line is not on this machine")
    with served(plain_stream()) as firehose:
        assert "s" in _run([aws, "firehose", "list-delivery-streams", "--output", "text"], firehose.url)
        encoded = base64.b64encode(b"from the command line")
        record = json.dumps([{"Data": encoded.decode()}])
        arguments = ["firehose", "put-record-batch", "--delivery-stream-name", "s", "--records", record]
        assert 0 == json.loads(_run([aws, *arguments, "--output", "json"], firehose.url))["FailedPutCount"]
    # Version 1 takes the text as it stands, version 2 as base64.
    assert list(firehose.store.objects.values()) in ([encoded], [b"from the command line"])


_SCRIPT = """
const { FirehoseClient, PutRecordBatchCommand } = require("@aws-sdk/client-firehose");
new FirehoseClient({}).send(new PutRecordBatchCommand({
  DeliveryStreamName: "s", Records: [{ Data: Buffer.from("from node") }],
})).then((answer) => console.log(JSON.stringify(answer.FailedPutCount)));
"""


def test_a_client_that_is_not_python_drives_it(served: type[Served]) -> None:
    node, modules = shutil.which("node"), os.environ.get(_NODE_SDK)
    if node is None or modules is None:
        pytest.skip(f"set {_NODE_SDK} to a node_modules with @aws-sdk/client-firehose")
    with served(plain_stream()) as firehose:
        done = subprocess.run(
            [node, "-e", _SCRIPT],
            env={**_environment(firehose.url), "NODE_PATH": modules},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "0" == done.stdout.strip(), done.stderr
    assert [b"from node"] == list(firehose.store.objects.values())
