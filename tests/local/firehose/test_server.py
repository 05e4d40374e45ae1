"""The endpoint, driven by an unmodified boto3 on loopback."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pyarrow.parquet as pq
import pytest

from local.firehose.clock import ManualClock
from local.firehose.invoker import InProcessInvoker
from local.firehose.server import FirehoseServer
from local.firehose.store import FolderStore
from local.firehose.template import read_template

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_firehose import FirehoseClient

    from local.firehose.counters import EngineSnapshot

_TEMPLATE = Path(__file__).parents[3] / "infra" / "pipeline.yaml"
_STANDINS = {
    "LakeBucketName": "lake",
    "LakeKeyArn": "arn:aws:kms:us-east-1:000000000000:key/none",
    "CodeBucketName": "code",
    "TransformCodeKey": "none",
}
_NOON_MS = 1_795_435_200_000  # 2026-11-23T12:00:00Z


def _to_rows(event: Any, context: Any) -> Any:
    assert context.get_remaining_time_in_millis() > 0
    return {"records": [_to_row(record) for record in event["records"]]}


def _to_row(record: Any) -> Any:
    line = json.loads(base64.b64decode(record["data"]))
    if "bad" in line:
        return {"recordId": record["recordId"], "result": "ProcessingFailed"}
    row = json.dumps({"kind": "ticker", "n": line["n"]}) + "\n"
    keys = {"kind": "ticker", "year": "2026", "month": "11", "day": "23", "hour": "12"}
    return {
        "recordId": record["recordId"],
        "result": "Ok",
        "data": base64.b64encode(row.encode()).decode(),
        "metadata": {"partitionKeys": keys},
    }


def _serve(root: Path, use: Callable[[FirehoseClient], None]) -> EngineSnapshot:
    """Serve the real template's stream, let `use` drive it from a thread, flush, and answer the last snapshot."""

    async def run() -> EngineSnapshot:
        config = read_template(_TEMPLATE, standins=_STANDINS).streams[0]
        server = FirehoseServer(
            streams=[config],
            store=FolderStore(root),
            invoker=InProcessInvoker({"local-transform": _to_rows}),
            clock=ManualClock(_NOON_MS),
        )
        url = await server.start()
        client = boto3.client(
            "firehose", endpoint_url=url, region_name="us-east-1", aws_access_key_id="any", aws_secret_access_key="any"
        )
        try:
            await asyncio.to_thread(use, client)
        finally:
            client.close()
            snapshots = await server.stop(flush=True)
        return snapshots["ticklake"]

    return asyncio.run(run())


def test_packs_become_rows_errors_and_a_verbatim_backup(tmp_path: Path) -> None:
    packs = [b'{"n":0}\n{"n":1}\n', b'{"n":2}\n{"bad":3}\n{"n":4}\n']

    def use(client: FirehoseClient) -> None:
        answer = client.put_record_batch(DeliveryStreamName="ticklake", Records=[{"Data": pack} for pack in packs])
        assert answer["FailedPutCount"] == 0
        assert len(answer["RequestResponses"]) == 2

    snapshot = _serve(tmp_path, use)
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


def test_an_unknown_stream_is_not_found(tmp_path: Path) -> None:
    def use(client: FirehoseClient) -> None:
        with pytest.raises(client.exceptions.ResourceNotFoundException):
            client.put_record(DeliveryStreamName="nobody", Record={"Data": b"x"})

    assert _serve(tmp_path, use).records_accepted == 0


def test_streams_are_listed_and_described(tmp_path: Path) -> None:
    def use(client: FirehoseClient) -> None:
        assert ["ticklake"] == client.list_delivery_streams()["DeliveryStreamNames"]
        described = client.describe_delivery_stream(DeliveryStreamName="ticklake")["DeliveryStreamDescription"]
        assert "ACTIVE" == described["DeliveryStreamStatus"]
        destination = described["Destinations"][0]["ExtendedS3DestinationDescription"]
        assert {"SizeInMBs": 128, "IntervalInSeconds": 300} == destination["BufferingHints"]

    _serve(tmp_path, use)
