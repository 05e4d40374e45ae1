"""What AWS refuses to create, by its sentences."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from local.firehose.errors import SettingRefused
from local.firehose.guesses import Guesses
from local.firehose.validation import check_destination, check_prefix

_ERRORS = "errors/!{firehose:error-output-type}/"
_LAMBDA = {"LambdaArn": "arn:aws:lambda:us-east-1:1:function:f"}


def _processor(kind: str, **parameters: str) -> dict[str, Any]:
    pairs = [{"ParameterName": name, "ParameterValue": value} for name, value in parameters.items()]
    return {"Type": kind, "Parameters": pairs}


def _processing(*processors: dict[str, Any]) -> dict[str, Any]:
    return {"ProcessingConfiguration": {"Enabled": True, "Processors": list(processors)}}


def _partitioned(*processors: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "Prefix": "d/!{partitionKeyFromLambda:k}/",
        "ErrorOutputPrefix": _ERRORS,
        "DynamicPartitioningConfiguration": {"Enabled": True},
        **_processing(_processor("Lambda", **_LAMBDA), *processors),
        **changes,
    }


_QUERY = {"MetadataExtractionQuery": "{k: .k}", "JsonParsingEngine": "JQ-1.6"}
_BY_QUERY = {"Prefix": "d/!{partitionKeyFromQuery:k}/"}
_CONVERSION = {"DataFormatConversionConfiguration": {"SchemaConfiguration": {"DatabaseName": "d"}}}


def _refused(destination: dict[str, Any], guesses: Guesses | None = None) -> SettingRefused:
    with pytest.raises(SettingRefused) as refused:
        check_destination(copy.deepcopy(destination), guesses or Guesses())
    return refused.value


@pytest.mark.parametrize(
    "destination",
    [
        {},
        {"Prefix": "plain"},
        {"Prefix": "!{timestamp:yyyy}/", "ErrorOutputPrefix": _ERRORS},
        {"Prefix": "plain", "ErrorOutputPrefix": "errors/"},
        {"BufferingHints": {"SizeInMBs": 1, "IntervalInSeconds": 0}},
        _processing(_processor("Lambda", **_LAMBDA, BufferSizeInMBs="0.2", BufferIntervalInSeconds="900")),
        _partitioned(),
        _partitioned(_processor("RecordDeAggregation", SubRecordType="JSON")),
        _partitioned(_processor("MetadataExtraction", **_QUERY), **_BY_QUERY),
        {"FileExtension": ".json.gz", "CustomTimeZone": "Europe/Berlin"},
        {
            **_processing(_processor("Lambda", **_LAMBDA)),
            "S3BackupMode": "Enabled",
            "S3BackupConfiguration": {"Prefix": "r/"},
        },
    ],
)
def test_what_aws_creates_passes(destination: dict[str, Any]) -> None:
    check_destination(destination, Guesses())


@pytest.mark.parametrize(
    ("destination", "message"),
    [
        (
            {"Prefix": "!{timestamp:yyyy}/"},
            "ErrorOutputPrefix cannot be null or empty when Prefix contains expressions",
        ),
        (
            {"Prefix": "!{timestamp:yyyy}/", "ErrorOutputPrefix": "!{timestamp:yyyy}/"},
            "ErrorOutputPrefix must contain at least one occurrence of !{firehose:error-output-type}",
        ),
        (
            {"Prefix": _ERRORS, "ErrorOutputPrefix": _ERRORS},
            "Prefix must not contain any occurrence of !{firehose:error-output-type}",
        ),
        ({"Prefix": "a!{b"}, "Invalid expression usage"),
        (
            {"Prefix": "!{nobody:x}", "ErrorOutputPrefix": _ERRORS},
            "Namespace to the left of colon (nobody) is an invalid keyword!",
        ),
        (
            {"Prefix": "!{timestamp:yyyyT}/", "ErrorOutputPrefix": _ERRORS},
            "Invalid conversion character used in the value of the expression in Prefix",
        ),
        (
            {"ErrorOutputPrefix": "!{firehose:error-output-type}/!{timestamp:p}/"},
            "Invalid conversion character used in the value of the expression in ErrorOutputPrefix",
        ),
        ({"Prefix": "x" * 513}, "Length of evaluated Prefix cannot be greater than 512"),
        ({"ErrorOutputPrefix": "x" * 513}, "Length of evaluated ErrorOutputPrefix cannot be greater than 512"),
        (
            _partitioned(ErrorOutputPrefix=_ERRORS + "!{partitionKeyFromLambda:k}"),
            "Dynamic Partitioning Namespaces can't be part of an error prefix expression",
        ),
        (
            {**_processing(_processor("Lambda", **_LAMBDA)), "S3BackupMode": "Enabled"},
            "S3 backup destination configuration is required when enabling S3 backup.",
        ),
        (
            _partitioned(BufferingHints={"SizeInMBs": 63, "IntervalInSeconds": 60}),
            "BufferingHints.SizeInMBs must be at least 64 when Dynamic Partitioning is enabled.",
        ),
        (_partitioned(Prefix="d/!{timestamp:yyyy}/"), "S3 Prefix should contain Dynamic Partitioning namespaces"),
        (
            _partitioned(
                _processor("MetadataExtraction", **{**_QUERY, "MetadataExtractionQuery": "{k:.k,o:.o}"}), **_BY_QUERY
            ),
            "MetaDataExtraction JQ Query can't contain keys that are not present in the S3 Prefix expression",
        ),
        (
            _partitioned(_processor("MetadataExtraction", **{**_QUERY, "JsonParsingEngine": "JQ-2"}), **_BY_QUERY),
            "MetaDataExtraction JSON Parsing Engine has to be one of JQ-1.6",
        ),
        (
            _partitioned(_processor("RecordDeAggregation", SubRecordType="CSV")),
            "SubRecordType has to be one of JSON, DELIMITED",
        ),
        (
            _partitioned(_processor("RecordDeAggregation", SubRecordType="DELIMITED")),
            "Delimiter should be present for DELIMITED",
        ),
        (
            _processing(_processor("RecordDeAggregation", SubRecordType="JSON")),
            "RecordDeAggregationProcessor can only be present when Dynamic Partitioning is enabled.",
        ),
        (
            _processing(_processor("MetadataExtraction", **_QUERY)),
            "MetadataExtractionProcessor can only be present when Dynamic Partitioning is enabled.",
        ),
        (
            _processing(_processor("CloudWatchLogProcessing")),
            "CloudWatchLogProcessingProcessor can only be enabled with DecompressionProcessor",
        ),
        (_processing(), "A maximum of 5 and a minimum of 1 processor needs to be supplied when processing is enabled."),
        (_processing(*[_processor("AppendDelimiterToRecord")] * 6), "A maximum of 5 and a minimum of 1 processor"),
        (_processing(*[_processor("Lambda", **_LAMBDA)] * 2), "Cannot have more than 1 Lambda processor."),
        (_processing(_processor("Lambda")), "LambdaArn is required when Lambda processor is used."),
        (
            _processing(_processor("Lambda", **_LAMBDA, BufferSizeInMBs="1")),
            "Both BufferSizeInMBs and BufferIntervalInSeconds are required to configure buffering for lambda processor.",
        ),
        (
            _processing(_processor("Lambda", **_LAMBDA, BufferSizeInMBs="4", BufferIntervalInSeconds="1")),
            "BufferSizeInMBs for lambda processor must be between 0.2 and 3.",
        ),
        (
            _processing(_processor("Lambda", **_LAMBDA, BufferSizeInMBs="1", BufferIntervalInSeconds="901")),
            "BufferIntervalInSeconds for lambda processor must be between 0 and 900.",
        ),
        (
            _processing(_processor("Lambda", **_LAMBDA, NumberOfRetries="301")),
            "Number of retries for lambda must be between 0 and 300.",
        ),
    ],
)
def test_what_aws_refuses_is_refused_in_its_words(destination: dict[str, Any], message: str) -> None:
    refused = _refused(destination)
    assert message in refused.message
    assert "InvalidArgumentException" == refused.code


@pytest.mark.parametrize(
    "destination",
    [
        {"BufferingHints": {"SizeInMBs": 0, "IntervalInSeconds": 60}},
        {"BufferingHints": {"SizeInMBs": 129, "IntervalInSeconds": 60}},
        {"BufferingHints": {"SizeInMBs": 5, "IntervalInSeconds": 901}},
        {"FileExtension": "gz"},
        {"CustomTimeZone": "Etc/GMT+5"},
        {"Prefix": "x" * 1025},
        _processing(_processor("Sorcery")),
        {
            **_CONVERSION,
            "DataFormatConversionConfiguration": {
                "OutputFormatConfiguration": {"Serializer": {"ParquetSerDe": {"Compression": "LZ4"}}}
            },
        },
    ],
)
def test_breaches_of_the_wire_format_are_validation_errors(destination: dict[str, Any]) -> None:
    assert "ValidationException" == _refused(destination).code


@pytest.mark.parametrize(
    "destination",
    [
        {"BufferingHints": {"SizeInMBs": 5}},
        {"CustomTimeZone": "Mars/Olympus"},
        {"Prefix": "!{firehose:sorcery}", "ErrorOutputPrefix": _ERRORS},
        {"Prefix": "!{timestamp:yyyy'}", "ErrorOutputPrefix": _ERRORS},
        {"Prefix": "!{partitionKeyFromLambda:k}/", "ErrorOutputPrefix": _ERRORS},
        _partitioned(BufferingHints={"SizeInMBs": 64, "IntervalInSeconds": 59}),
        _partitioned(
            Prefix="!{partitionKeyFromQuery:k}/!{partitionKeyFromQuery:o}/",
            **_processing(_processor("MetadataExtraction", **_QUERY)),
        ),
        {**_CONVERSION, "CompressionFormat": "GZIP"},
        {**_CONVERSION, "BufferingHints": {"SizeInMBs": 63, "IntervalInSeconds": 60}},
        {"S3BackupMode": "Enabled", "S3BackupConfiguration": {"Prefix": "r/"}},
        {
            **_processing(_processor("Lambda", **_LAMBDA)),
            "S3BackupMode": "Enabled",
            "S3BackupConfiguration": {"Prefix": "!{partitionKeyFromLambda:k}/"},
        },
    ],
)
def test_other_contradictions_are_refused(destination: dict[str, Any]) -> None:
    assert "InvalidArgumentException" == _refused(destination).code


@pytest.mark.parametrize(
    "destination",
    [
        {
            "DataFormatConversionConfiguration": {
                "OutputFormatConfiguration": {"Serializer": {"OrcSerDe": {"Compression": "ZLIB"}}}
            }
        },
        _processing(_processor("Decompression"), _processor("CloudWatchLogProcessing")),
        {"Prefix": "!{timestamp:yyyyB}/", "ErrorOutputPrefix": _ERRORS},
        _partitioned(
            _processor("MetadataExtraction", **{**_QUERY, "MetadataExtractionQuery": "{k: .k | ltrimstr(1)}"}),
            **_BY_QUERY,
        ),
    ],
)
def test_what_the_engine_cannot_do_it_says_instead_of_pretending(destination: dict[str, Any]) -> None:
    assert "this engine" in _refused(destination).message


def test_the_bound_on_retries_is_configurable() -> None:
    destination = _processing(_processor("Lambda", **_LAMBDA, NumberOfRetries="301"))
    check_destination(destination, Guesses(retries_upper_bound=1000))


def test_a_quoted_letter_is_literal() -> None:
    check_prefix("!{timestamp:yyyy'T'}/", "Prefix")
