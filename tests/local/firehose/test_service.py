"""PutRecord and PutRecordBatch as boto3 sees them."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from local.firehose.faults import Fault, Faults
from local.firehose.quota import QuotaLimits
from tests.local.firehose.conftest import plain_stream

if TYPE_CHECKING:
    from tests.local.firehose.conftest import Served


def test_every_record_of_a_batch_has_an_id_of_its_own_in_order(served: type[Served]) -> None:
    with served(plain_stream()) as firehose:
        answer = firehose.put(b"a", b"b", b"")
        assert (0, False) == (answer["FailedPutCount"], answer["Encrypted"])
        ids = [entry["RecordId"] for entry in answer["RequestResponses"]]
        assert (3, {224}) == (len(set(ids)), {len(record_id) for record_id in ids})
        one = firehose.client.put_record(DeliveryStreamName="s", Record={"Data": b"c"})
        assert one["RecordId"] not in ids
    assert [b"abc"] == list(firehose.store.objects.values())


def test_a_call_over_a_limit_is_refused_whole_and_takes_nothing(served: type[Served]) -> None:
    with served(plain_stream()) as firehose:
        code, message, status = firehose.refusal(lambda: firehose.put(*[b"x"] * 501))
        assert ("ValidationException", 400) == (code, status)
        assert "less than or equal to 500" in message
        code, message, _ = firehose.refusal(lambda: firehose.put(*[bytes(1_000_000)] * 5))
        assert ("InvalidArgumentException", "Records size exceeds 4 MB limit") == (code, message)
        code, message, _ = firehose.refusal(lambda: firehose.put(b"ok", bytes(1_024_001)))
        assert "ValidationException" == code
        record: Any = {"Data": bytes(1_024_001)}
        code, _, _ = firehose.refusal(lambda: firehose.client.put_record(DeliveryStreamName="s", Record=record))
        assert "ValidationException" == code
        assert 0 == firehose.server.snapshot("s").records_accepted


def test_a_full_batch_is_taken(served: type[Served]) -> None:
    with served(plain_stream()) as firehose:
        assert 0 == firehose.put(*[b"x" * 8_000] * 500)["FailedPutCount"]


def test_an_unknown_stream_is_not_found(served: type[Served]) -> None:
    with served() as firehose:
        refusal = firehose.refusal(lambda: firehose.put(b"x", stream="nobody"))
        assert (
            "ResourceNotFoundException",
            "Firehose nobody under account 000000000000 not found.",
            400,
        ) == refusal


def test_throttled_records_say_slow_down_at_their_place(served: type[Served]) -> None:
    limits = QuotaLimits(records_per_s=2, requests_per_s=9, bytes_per_s=100)
    with served(plain_stream(), limits_of=lambda _: limits) as firehose:
        answer = firehose.put(b"a", b"b", b"c")
        assert 1 == answer["FailedPutCount"]
        refused = {"ErrorCode": "ServiceUnavailableException", "ErrorMessage": "Slow down."}
        assert refused == answer["RequestResponses"][2]
        assert "RecordId" in answer["RequestResponses"][1]
        firehose.clock.turn(1)
        assert 0 == firehose.put(b"c")["FailedPutCount"]
        assert 1 == firehose.server.statistics("s", "ThrottledRecords")[0].total
        assert 2 == firehose.server.statistics("s", "RecordsPerSecondLimit")[0].maximum
    assert [b"abc"] == list(firehose.store.objects.values())
    assert (3, 1) == (firehose.snapshots["s"].records_accepted, firehose.snapshots["s"].records_refused)


def test_a_throttled_put_record_is_refused_with_the_call(served: type[Served]) -> None:
    limits = QuotaLimits(records_per_s=1, requests_per_s=9, bytes_per_s=100)
    with served(plain_stream(), limits_of=lambda _: limits) as firehose:
        firehose.put(b"a")
        refusal = firehose.refusal(lambda: firehose.client.put_record(DeliveryStreamName="s", Record={"Data": b"b"}))
        assert ("ServiceUnavailableException", "Slow down.", 503) == refusal


def test_no_request_left_refuses_the_call(served: type[Served]) -> None:
    limits = QuotaLimits(records_per_s=9, requests_per_s=1, bytes_per_s=100)
    with served(plain_stream(), limits_of=lambda _: limits) as firehose:
        firehose.put(b"a")
        assert "ServiceUnavailableException" == firehose.refusal(lambda: firehose.put(b"b"))[0]


@pytest.mark.parametrize(
    ("fault", "refusal"),
    [
        ("busy", ("ServiceUnavailableException", "Slow down.", 503)),
        ("fail", ("InternalFailure", "Internal service failure.", 500)),
    ],
)
def test_a_whole_call_can_be_made_to_fail(served: type[Served], fault: Any, refusal: tuple[str, str, int]) -> None:
    with served(plain_stream(), faults=Faults([Fault(fault, at_most=1)])) as firehose:
        assert refusal == firehose.refusal(lambda: firehose.put(b"a"))
        firehose.put(b"b")
    assert [b"b"] == list(firehose.store.objects.values())


def test_one_record_of_every_call_can_be_made_to_fail(served: type[Served]) -> None:
    with served(plain_stream(), faults=Faults([Fault("refuse", index=1)])) as firehose:
        answer = firehose.put(b"a", b"b", b"c")
        assert [None, "InternalFailure", None] == [entry.get("ErrorCode") for entry in answer["RequestResponses"]]
    assert [b"ac"] == list(firehose.store.objects.values())


def test_records_can_be_throttled_at_random(served: type[Served]) -> None:
    with served(plain_stream(), faults=Faults([Fault("throttle", share=0.5)], seed=3)) as firehose:
        answer = firehose.put(*[b"x"] * 100)
        assert 20 < answer["FailedPutCount"] < 80
        assert 100 - answer["FailedPutCount"] == firehose.server.snapshot("s").records_accepted


def test_calls_are_counted_by_awss_names(served: type[Served]) -> None:
    with served(plain_stream()) as firehose:
        firehose.put(b"abc", b"d")
        firehose.client.put_record(DeliveryStreamName="s", Record={"Data": b"e"})
        names = (
            "IncomingPutRequests",
            "PutRecordBatch.Requests",
            "PutRecordBatch.Records",
            "PutRecordBatch.Bytes",
            "PutRecord.Requests",
            "PutRecord.Bytes",
            "IncomingRecords",
            "IncomingBytes",
        )
        assert [2, 1, 2, 4, 1, 1, 3, 5] == [firehose.server.statistics("s", name)[0].total for name in names]


@pytest.mark.parametrize(
    ("request_tree", "code"),
    [
        ({"DeliveryStreamName": "s", "Records": "x"}, "SerializationException"),
        ({"DeliveryStreamName": "s", "Records": {}}, "SerializationException"),
        ({"DeliveryStreamName": "s", "Records": [{}]}, "ValidationException"),
        ({"DeliveryStreamName": "s", "Records": [{"Data": None}]}, "ValidationException"),
        ({"DeliveryStreamName": "s"}, "ValidationException"),
        ({"DeliveryStreamName": "s", "Records": [7]}, "SerializationException"),
        ({"DeliveryStreamName": "s", "Records": [{"Data": "not base64!"}]}, "SerializationException"),
        ({"DeliveryStreamName": "s", "Records": []}, "ValidationException"),
        ({"Records": [{"Data": "YQ=="}]}, "ValidationException"),
        ({"DeliveryStreamName": "no such name!", "Records": [{"Data": "YQ=="}]}, "ValidationException"),
        ({"DeliveryStreamName": "nobody", "Records": [{"Data": "YQ=="}]}, "ResourceNotFoundException"),
        ({"DeliveryStreamName": ["s"], "Records": [{"Data": "YQ=="}]}, "SerializationException"),
        ([], "SerializationException"),
    ],
)
def test_a_request_of_another_shape_is_refused_and_breaks_nothing(
    served: type[Served], request_tree: Any, code: str
) -> None:
    with served(plain_stream()) as firehose:
        request = urllib.request.Request(
            firehose.url,
            data=json.dumps(request_tree).encode(),
            headers={"X-Amz-Target": "Firehose_20150804.PutRecordBatch"},
        )
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=20)
        with refused.value as answer:
            assert (400, code) == (answer.code, json.loads(answer.read())["__type"])
        firehose.put(b"a")
