"""The whole machine under arbitrary traffic, on virtual time."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from local.firehose.config import BufferHints, DeAggregation, S3Target
from local.firehose.effects import Answered
from local.firehose.guesses import Guesses
from tests.local.firehose.conftest import Rig, answer_each, plain_stream, transforming_stream

if TYPE_CHECKING:
    from local.firehose.config import StreamConfig

_BOUND = 400
_PREFIX = "data/!{partitionKeyFromLambda:k}/"


def _partitioned(**changes: Any) -> StreamConfig:
    target = replace(plain_stream().target, prefix=_PREFIX, hints=BufferHints(_BOUND, 60))
    backup = S3Target("lake", "raw/!{timestamp:HH}/", "", BufferHints(_BOUND, 60))
    return transforming_stream(**({"target": target, "backup": backup, "dynamic_partitioning": True} | changes))


def _by_first_letter(body: bytes) -> dict[str, Any]:
    kind = body[:1]
    if kind == b"d":
        return {"result": "Dropped"}
    if kind == b"f":
        return {"result": "ProcessingFailed"}
    return {"data": body + b"\n", "metadata": {"partitionKeys": {"k": kind.decode()}}}


_records = st.lists(
    st.tuples(st.sampled_from("xyzdf"), st.integers(0, 2 * _BOUND), st.floats(0, 40)), min_size=1, max_size=25
)


@settings(max_examples=60, deadline=None)
@given(_records, st.integers(0, 3), st.booleans())
def test_every_accepted_byte_comes_out_once_in_order_and_no_object_is_over_its_bound(
    records: list[tuple[str, int, float]], failures: int, store_fails: bool
) -> None:
    rig = Rig(_partitioned(), handler=answer_each(_by_first_letter))
    broken = iter([Answered(error_code="Lambda.FunctionError")] * failures)
    real = rig._invoke
    rig._invoke = lambda invoke: next(broken, None) or real(invoke)
    sent = [f"{letter}{index:04d}".encode() + b"." * length for index, (letter, length, _) in enumerate(records)]
    rig.store.is_down = store_fails
    for body, (_, _, pause_s) in zip(sent, records, strict=True):
        rig.put(body).turn(pause_s)
        rig.assert_balanced()
    rig.store.is_down = False
    rig.turn(600)
    rig.assert_balanced()
    assert not rig.engine.has_work()
    for letter in "xyz":
        # Retries may reorder whole objects; within each, and across them when the store never failed, order is kept.
        objects = rig.objects(f"data/{letter}/").values()
        pieces = [line for body in objects for line in body.splitlines()]
        expected = [body for body in sent if body[:1] == letter.encode()]
        assert sorted(expected) == sorted(pieces)
        assert all(body.splitlines() == sorted(body.splitlines()) for body in objects)
        assert all(len(body) <= _BOUND or len(body.splitlines()) == 1 for body in objects)
    failed = [base64.b64decode(error["rawData"]) for error in rig.errors()]
    assert sorted(body for body in sent if body[:1] == b"f") == sorted(failed)
    assert sorted(b"".join(sent)) == sorted(b"".join(rig.objects("raw/").values()))
    assert len([body for body in sent if body[:1] == b"d"]) == rig.engine.snapshot(rig.now_ms).lines_dropped


def test_the_same_traffic_and_seed_give_the_same_keys(rig: type[Rig]) -> None:
    def keys(seed: int) -> list[str]:
        stream = rig(_partitioned(), handler=answer_each(_by_first_letter), seed=seed)
        return list(stream.put(b"x1", b"y2", b"f3").turn(200).objects())

    assert keys(1) == keys(1)
    assert keys(1) != keys(2)


def test_partitions_have_buffers_and_clocks_of_their_own(rig: type[Rig]) -> None:
    stream = rig(_partitioned(), handler=answer_each(_by_first_letter))
    stream.put(b"x1").turn(30).put(b"y1").turn(41)
    assert [b"x1\n"] == list(stream.objects("data/").values())
    stream.turn(30)
    assert [b"x1\n", b"y1\n"] == list(stream.objects("data/").values())


def test_a_missing_null_or_empty_partition_key_goes_to_the_error_prefix(rig: type[Rig]) -> None:
    answers = iter([{}, {"k": None}, {"k": ""}, {"other": "x"}])
    handler = answer_each(lambda body: {"data": body, "metadata": {"partitionKeys": next(answers)}})
    stream = rig(_partitioned(), handler=handler).put(b"1", b"2", b"3", b"4").turn(90)
    errors = stream.errors("metadata-extraction-failed")
    assert [b"1", b"2", b"3", b"4"] == sorted(base64.b64decode(error["rawData"]) for error in errors)
    assert {"DynamicPartitioning.MetadataExtractionFailed"} == {error["errorCode"] for error in errors}
    assert {"partitionKeys values must not be null or empty"} == {error["errorMessage"] for error in errors}
    stream.assert_balanced()


def test_a_number_serves_as_a_partition_key(rig: type[Rig]) -> None:
    handler = answer_each(lambda body: {"data": body, "metadata": {"partitionKeys": {"k": 2026}}})
    [key] = rig(_partitioned(), handler=handler).put(b"1").turn(90).objects("data/")
    assert key.startswith("data/2026/")


def test_metadata_of_another_shape_has_no_keys(rig: type[Rig]) -> None:
    handler = answer_each(lambda body: {"data": body, "metadata": ["k"]})
    assert 1 == len(rig(_partitioned(), handler=handler).put(b"1").turn(90).errors("metadata-extraction-failed"))


def test_a_partition_beyond_the_limit_goes_to_the_error_prefix(rig: type[Rig]) -> None:
    handler = answer_each(lambda body: {"data": body, "metadata": {"partitionKeys": {"k": body.decode()}}})
    stream = rig(_partitioned(), handler=handler, guesses=Guesses(active_partitions_limit=2))
    stream.put(b"a", b"b", b"c", b"a").turn(90)
    assert [b"aa", b"b"] == list(stream.objects("data/").values())
    [error] = stream.errors("metadata-extraction-failed")
    assert "DynamicPartitioning.ActivePartitionsLimitExceeded" == error["errorCode"]
    assert 1 == stream.engine.metrics.total("PartitionCountExceeded")
    stream.put(b"c").turn(90)
    assert 3 == len(stream.objects("data/"))


def test_keys_come_out_of_the_record_by_query(rig: type[Rig]) -> None:
    target = replace(plain_stream().target, prefix="data/!{partitionKeyFromQuery:customer}/")
    config = plain_stream(target=target, dynamic_partitioning=True, partition_query="{customer: .who.id}")
    stream = rig(config).put(b'{"who":{"id":7}}', b'{"who":{}}', b"not json").turn(90)
    [key] = stream.objects("data/")
    assert key.startswith("data/7/")
    assert 2 == len(stream.errors("metadata-extraction-failed"))
    stream.assert_balanced()


def test_an_error_of_a_stream_without_a_transform_names_no_lambda(rig: type[Rig]) -> None:
    target = replace(plain_stream().target, prefix="data/!{partitionKeyFromQuery:k}/")
    config = plain_stream(target=target, dynamic_partitioning=True, partition_query="{k: .k}")
    [error] = rig(config).put(b"{}").turn(90).errors("metadata-extraction-failed")
    assert "lambdaARN" not in error


def test_json_documents_in_one_record_are_divided(rig: type[Rig]) -> None:
    config = plain_stream(deaggregation=DeAggregation(kind="JSON"))
    stream = rig(config).put(b'{"a":1} {"a":2}\n{"a":3}').turn(90)
    assert 3 == stream.engine.snapshot(stream.now_ms).lines_accepted
    assert [{"a": 1}, {"a": 2}, {"a": 3}] == [
        json.loads(text) for body in stream.objects().values() for text in body.replace(b"}{", b"}\n{").splitlines()
    ]


def test_a_stream_that_loses_its_transform_still_delivers_what_waits_for_it(rig: type[Rig]) -> None:
    stream = rig(transforming_stream(), handler=answer_each(lambda body: {"data": body.upper()})).put(b"a")
    stream.engine.reconfigure(plain_stream(version=2), stream.now_ms)
    stream.put(b"b").turn(90)
    assert b"bA" == b"".join(sorted(stream.objects("data/").values(), reverse=True))
    stream.assert_balanced()


def test_a_stream_that_gains_a_transform_uses_it_from_then_on(rig: type[Rig]) -> None:
    stream = rig(plain_stream(), handler=answer_each(lambda body: {"data": body.upper()})).put(b"a")
    stream.engine.reconfigure(transforming_stream(version=2), stream.now_ms)
    stream.put(b"b").turn(90)
    assert [b"a", b"B"] == list(stream.objects("data/").values())


def test_lag_is_the_age_of_the_oldest_record_that_is_not_stored(rig: type[Rig]) -> None:
    stream = rig(plain_stream()).put(b"a").turn(20)
    assert 20_000 == stream.engine.snapshot(stream.now_ms).lag_ms
    stream.turn(60)
    assert 0 == stream.engine.snapshot(stream.now_ms).lag_ms


def test_record_ids_have_the_length_and_shape_seen_and_are_unique(rig: type[Rig]) -> None:
    stream = rig(transforming_stream(), handler=answer_each(lambda body: {"data": body})).put(*[b"a"] * 10).turn(20)
    ids = [line.record_id for line in stream.invocations[0].lines]
    assert {160} == {len(record_id) for record_id in ids}
    assert all(record_id.startswith("shardId-000000000000") for record_id in ids)
    assert 10 == len(set(ids))


def test_a_flush_gives_up_on_a_store_that_stays_down_and_says_so(rig: type[Rig]) -> None:
    stream = rig(plain_stream())
    stream.store.is_down = True
    stream.put(b"a").flush()
    assert not stream.engine.has_work()
    assert 1 == stream.engine.snapshot(stream.now_ms).lines_pending
    stream.assert_balanced()


def test_a_flush_makes_no_more_objects_than_it_must(rig: type[Rig]) -> None:
    stream = rig(transforming_stream(), handler=answer_each(lambda _: {"data": b"."}))
    stream.put(*[bytes(1_000_000)] * 5).flush()
    assert 5 == len(stream.invocations)
    assert [b"....."] == list(stream.objects("data/").values())


def test_a_flush_shortens_the_transforms_back_off_but_not_its_attempts(rig: type[Rig]) -> None:
    stream = rig(transforming_stream(), invoke=lambda _: Answered(error_code="Lambda.FunctionError")).put(b"a").flush()
    assert 4 == len(stream.invocations)
    assert [4] == [error["attemptsMade"] for error in stream.errors()]
