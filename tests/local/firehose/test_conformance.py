"""The engine's conformance list: one test or more for each of its twelve lines."""

from __future__ import annotations

import base64
import gzip
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from local.firehose.config import MIB, BufferHints, Conversion, DeAggregation, S3Target, TableSchema
from local.firehose.errors import CallRefused
from local.firehose.guesses import Guesses
from local.firehose.limits import check_batch, check_record
from local.firehose.quota import Quota, QuotaLimits
from tests.local.firehose.conftest import NOON_MS, answer_each, plain_stream, transforming_stream

if TYPE_CHECKING:
    from tests.local.firehose.conftest import Rig


def _refusal(records: list[bytes], guesses: Guesses | None = None) -> CallRefused:
    with pytest.raises(CallRefused) as refused:
        check_batch(records, guesses or Guesses())
    return refused.value


# 1. PutRecordBatch's limits


def test_line_1_a_batch_holds_1_to_500_records() -> None:
    check_batch([b""] * 500, Guesses())
    assert "less than or equal to 500" in _refusal([b""] * 501).message
    assert "greater than or equal to 1" in _refusal([]).message


def test_line_1_a_record_holds_1_024_000_bytes() -> None:
    check_record(bytes(1_024_000))
    refused = _refusal([b"", bytes(1_024_001)])
    assert ("ValidationException", 400) == (refused.code, refused.http_status)
    assert "at 'records.2.member.data'" in refused.message
    with pytest.raises(CallRefused, match=r"record\.data"):
        check_record(bytes(1_024_001))


def test_line_1_a_batch_holds_4_mib_before_base64_unless_told_otherwise() -> None:
    full = [bytes(1_024_000)] * 4 + [bytes(4 * MIB - 4 * 1_024_000)]
    check_batch(full, Guesses())
    refused = _refusal([*full, b"x"])
    assert ("InvalidArgumentException", "Records size exceeds 4 MB limit") == (refused.code, refused.message)
    assert "InvalidArgumentException" == _refusal(full, Guesses(batch_limit_counts="base64")).code


# 2. Quota


def test_line_2_throttled_records_are_named_one_by_one() -> None:
    quota = Quota(QuotaLimits(records_per_s=3, requests_per_s=2, bytes_per_s=100), NOON_MS)
    assert [True, True, True, False] == quota.admit([1] * 4, NOON_MS)
    assert [False] == quota.admit([1], NOON_MS)
    assert quota.admit([1], NOON_MS) is None  # no request left: the call itself
    assert [True] == quota.admit([1], NOON_MS + 1000)


# 3. Two buffers, each with its clock


def test_line_3_the_lakes_clock_starts_when_the_transform_has_answered(rig: type[Rig]) -> None:
    stream = rig(transforming_stream(), handler=answer_each(lambda body: {"data": body})).put(b"a")
    stream.turn(9.999)
    assert 0 == len(stream.invocations)
    stream.turn(0.001)
    assert 1 == len(stream.invocations)
    stream.turn(59.999)
    assert {} == stream.objects()
    assert 1 == len(stream.turn(0.001).objects("data/"))


def test_line_3_a_full_buffer_waits_for_no_clock(rig: type[Rig]) -> None:
    stream = rig(transforming_stream(), handler=answer_each(lambda body: {"data": body}))
    stream.put(bytes(1_000_000), bytes(48_576)).turn(0)
    assert 1 == len(stream.invocations)
    assert [MIB] == [len(body) for body in stream.objects("data/").values()]


# 4. Verdicts: test_verdict_table.py, and processing that is not switched on


def test_line_4_processing_is_off_unless_enabled() -> None:
    from local.firehose.properties import Properties, read_processors  # noqa: PLC0415 -- only this case needs them

    processors = [{"Type": "Lambda", "Parameters": []}]
    given = {"ProcessingConfiguration": {"Processors": processors}}
    assert () == read_processors(Properties(given, "x"))
    given["ProcessingConfiguration"]["Enabled"] = True  # type: ignore[assignment]  # a literal's inferred type
    assert 1 == len(read_processors(Properties(given, "x")))


# 5. Error lines


def test_line_5_an_error_line_has_the_form_seen_and_the_original_bytes(rig: type[Rig]) -> None:
    stream = rig(transforming_stream(), handler=answer_each(lambda _: {"result": "ProcessingFailed"}))
    original = b"\x00\xff not text"
    [(key, body)] = stream.put(original).turn(90).objects("errors/").items()
    assert body.endswith(b"\n")
    envelope = json.loads(body)
    order = [
        "rawData",
        "errorCode",
        "errorMessage",
        "attemptsMade",
        "arrivalTimestamp",
        "attemptEndingTimestamp",
        "lambdaARN",
    ]
    assert order == list(envelope)
    assert original == base64.b64decode(envelope["rawData"])
    assert NOON_MS == envelope["arrivalTimestamp"]
    assert key.startswith("errors/processing-failed/s-1-2026-11-23-12-00-00-")
    assert "" == key.rpartition("-")[2].partition(".")[2]  # no extension


# 6. Prefixes: test_prefix.py, test_instants.py, test_validation.py


def test_line_6_one_instant_names_the_object_the_oldest_arrival(rig: type[Rig]) -> None:
    stream = rig(plain_stream(target=replace(plain_stream().target, prefix="d/!{timestamp:mm/ss}/")))
    stream.put(b"a").turn(30).put(b"b").turn(90)
    [key] = stream.objects("d/")
    assert key.startswith("d/00/00/s-1-2026-11-23-12-00-00-")


# 7. Names


def test_line_7_an_update_raises_the_version_in_names(rig: type[Rig]) -> None:
    stream = rig(plain_stream()).put(b"a")
    stream.engine.reconfigure(replace(stream.engine.config, version=2), stream.now_ms)
    stream.put(b"b").turn(90)
    assert ["data/12/s-1-", "data/12/s-2-"] == [key[:12] for key in stream.objects("data/")]
    assert b"ab" == b"".join(stream.objects("data/").values())
    stream.assert_balanced()


@pytest.mark.parametrize(
    ("compression", "extension", "encoding"),
    [
        ("UNCOMPRESSED", "", ""),
        ("GZIP", ".gz", "gzip"),
        ("ZIP", ".zip", "zip"),
        ("Snappy", ".snappy", "snappy-java"),
        ("HADOOP_SNAPPY", ".snappy", "hadoop-snappy"),
    ],
)
def test_line_7_a_compression_has_its_extension_and_encoding(
    rig: type[Rig], compression: str, extension: str, encoding: str
) -> None:
    stream = rig(plain_stream(target=replace(plain_stream().target, compression=compression))).put(b"a").turn(90)  # type: ignore[arg-type]  # a Literal out of a parameter
    [key] = stream.objects("data/")
    assert extension == key[len("data/12/s-1-2026-11-23-12-00-00-") + 36 :]
    assert encoding == stream.store.encodings[key]


def test_line_7_a_file_extension_replaces_the_default_and_changes_nothing_else(rig: type[Rig]) -> None:
    target = replace(plain_stream().target, compression="GZIP", extension=".jsonl.gz")
    stream = rig(plain_stream(target=target)).put(b"a").turn(90)
    [(key, body)] = stream.objects("data/").items()
    assert key.endswith(".jsonl.gz")
    assert b"a" == gzip.decompress(body)


# 8. Concatenation


def test_line_8_records_stand_together_with_nothing_between(rig: type[Rig]) -> None:
    stream = rig(plain_stream()).put(b"abc", b"abc", b"abc").turn(90)
    assert [b"abcabcabc"] == list(stream.objects("data/").values())


def test_line_8_the_size_counts_before_compression(rig: type[Rig]) -> None:
    stream = rig(plain_stream(target=replace(plain_stream().target, compression="GZIP")))
    stream.put(bytes(600_000), bytes(600_000)).turn(0)
    assert [600_000] == [len(gzip.decompress(body)) for body in stream.objects("data/").values()]


def test_line_8_a_delimiter_is_put_between_records_when_asked_for(rig: type[Rig]) -> None:
    stream = rig(plain_stream(append_delimiter=b"\n")).put(b"a", b"b").turn(90)
    assert [b"a\nb"] == list(stream.objects("data/").values())


# 9. A store that fails


def test_line_9_a_store_that_comes_back_within_a_day_gets_everything_once(rig: type[Rig]) -> None:
    stream = rig(plain_stream())
    stream.store.is_down = True
    stream.put(b"a").turn(23 * 3600)
    assert stream.store.tries > 10
    stream.assert_balanced()
    stream.store.is_down = False
    stream.turn(600)
    assert [b"a"] == list(stream.objects().values())
    stream.assert_balanced()


def test_line_9_after_24_hours_the_record_is_dropped_and_counted_and_never_an_error_object(rig: type[Rig]) -> None:
    stream = rig(plain_stream())
    stream.store.is_down = True
    stream.put(b"a").turn(25 * 3600)
    stream.store.is_down = False
    stream.turn(3600)
    assert {} == stream.objects()
    assert 1 == stream.engine.snapshot(stream.now_ms).lines_lost
    stream.assert_balanced()


# 10. Deletion drops, a local stop flushes: test_runner.py, test_server.py


def test_line_10_a_flush_delivers_everything_without_waiting(rig: type[Rig]) -> None:
    stream = rig(transforming_stream(), handler=answer_each(lambda body: {"data": body})).put(b"a").flush()
    assert [b"a"] == list(stream.objects("data/").values())
    assert not stream.engine.has_work()


# 11. Metrics: test_metrics.py for the names


def test_line_11_a_minute_has_awss_metrics(rig: type[Rig]) -> None:
    stream = rig(transforming_stream(), handler=answer_each(lambda body: {"data": body}))
    stream.put(b"abc", b"de").turn(120)
    metrics = stream.engine.metrics
    assert (NOON_MS, 2.0) == (
        metrics.statistics("IncomingRecords")[0].minute_ms,
        metrics.statistics("IncomingRecords")[0].total,
    )
    assert 5 == metrics.total("IncomingBytes")
    assert 1 == metrics.total("ExecuteProcessing.Success")
    assert (2, 5, 1, 1) == tuple(
        metrics.total(f"DeliveryToS3.{name}") for name in ("Records", "Bytes", "ObjectCount", "Success")
    )
    assert 70 == metrics.statistics("DeliveryToS3.DataFreshness")[1].maximum


# 12. Known unknowns stay configurable


def test_line_12_error_objects_are_compressed_only_if_told_so(rig: type[Rig]) -> None:
    config = transforming_stream(target=replace(plain_stream().target, compression="GZIP"))
    handler = answer_each(lambda _: {"result": "ProcessingFailed"})
    [body] = rig(config, handler=handler).put(b"a").turn(90).objects("errors/").values()
    assert b"{" == body[:1]
    told = rig(config, handler=handler, guesses=Guesses(gzip_error_objects=True)).put(b"a").turn(90)
    [(key, body)] = told.objects("errors/").items()
    assert key.endswith(".gz")
    assert b"{" == gzip.decompress(body)[:1]


def test_line_12_the_last_delimiter_is_left_out_unless_told_otherwise(rig: type[Rig]) -> None:
    told = rig(plain_stream(append_delimiter=b"\n"), guesses=Guesses(trailing_delimiter=True)).put(b"a", b"b").turn(90)
    assert [b"a\nb\n"] == list(told.objects().values())


def test_line_12_what_a_failed_conversion_keeps_can_be_chosen(rig: type[Rig]) -> None:
    schema = TableSchema(database="d", table="t", columns=())
    config = transforming_stream(conversion=Conversion(schema=schema))
    handler = answer_each(lambda _: {"data": b"not json"})
    guesses = Guesses(conversion_error_raw="source", conversion_error_names="bare")
    [transformed] = rig(config, handler=handler).put(b"source").flush().errors("format-conversion-failed")
    [source] = rig(config, handler=handler, guesses=guesses).put(b"source").flush().errors("format-conversion-failed")
    assert b"not json" == base64.b64decode(transformed["rawData"])
    assert b"source" == base64.b64decode(source["rawData"])
    assert "DataFormatConversion.ParseError" == transformed["lastErrorCode"] == source["ErrorCode"]


def test_the_501st_line_of_a_pack_switches_deaggregation_off(rig: type[Rig]) -> None:
    how = DeAggregation(kind="DELIMITED", delimiter=b"\n")
    config = transforming_stream(deaggregation=how)
    handler = answer_each(lambda body: {"data": body + b"|"})
    divided = rig(config, handler=handler).put(b"x\n" * 500).flush()
    assert 500 == divided.engine.snapshot(divided.now_ms).lines_accepted
    whole = rig(config, handler=handler).put(b"x\n" * 501).flush()
    assert [b"x\n" * 501 + b"|"] == list(whole.objects("data/").values())
    snapshot = whole.engine.snapshot(whole.now_ms)
    assert (1, 1) == (snapshot.lines_accepted, snapshot.records_undivided)


def test_the_backup_holds_every_source_record_verbatim_whatever_the_transform_did(rig: type[Rig]) -> None:
    backup = S3Target("lake", "raw/!{timestamp:HH}/", "", BufferHints(MIB, 60), compression="GZIP")
    config = transforming_stream(backup=backup, deaggregation=DeAggregation(kind="DELIMITED", delimiter=b"\n"))
    stream = rig(config, handler=answer_each(lambda _: {"result": "Dropped"})).put(b"a\nb\n", b"c\n").turn(90)
    [(key, body)] = stream.objects().items()
    assert key.startswith("raw/12/")
    assert b"a\nb\nc\n" == gzip.decompress(body)
    stream.assert_balanced()
