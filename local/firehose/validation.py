"""
What AWS refuses to create, in its own words.

Laws: rules between properties stand here, and only rules; each message is the one AWS was seen to send, except those that say "this engine",
which refuse what is not built here rather than pretend.
Refuses to know: defaults (properties), HTTP. Source: validation messages collected by others from failed creations; Amazon Data Firehose API
reference for ranges.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import pytz

from local.firehose.errors import SettingRefused
from local.firehose.extraction import parse_query
from local.firehose.instants import REFUSED_LETTERS, has_open_quote, unusable_letters
from local.firehose.prefix import parse_prefix
from local.firehose.properties import Processor, Properties, read_processors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from local.firehose.guesses import Guesses

_EVALUATED_LIMIT: Final = 512
_RAW_LIMIT: Final = 1024
_NAMESPACES: Final = {"timestamp", "firehose", "partitionKeyFromLambda", "partitionKeyFromQuery"}
_FIREHOSE_VALUES: Final = {"random-string", "error-output-type"}
_PROCESSOR_KINDS: Final = {
    "RecordDeAggregation",
    "Decompression",
    "CloudWatchLogProcessing",
    "Lambda",
    "MetadataExtraction",
    "AppendDelimiterToRecord",
}
_EXTENSION: Final = re.compile(r"^$|\.[0-9a-z!\-_.*'()]+")
_TIME_ZONE: Final = re.compile(r"^$|[a-zA-Z/_]+")


def check_destination(destination: Mapping[str, Any], guesses: Guesses) -> None:
    """
    Refuse an ExtendedS3DestinationConfiguration that AWS would not create, or that this engine cannot serve.

    Raises: SettingRefused, with AWS's sentence.
    """
    props = Properties(destination, "ExtendedS3DestinationConfiguration")
    is_partitioned = props.child("DynamicPartitioningConfiguration").flag("Enabled", default=False)
    is_converted = _is_converted(props)
    _check_hints(props, is_partitioned=is_partitioned, is_converted=is_converted)
    _check_prefixes(props, is_partitioned=is_partitioned)
    _check_names(props)
    _check_processors(props, is_partitioned=is_partitioned, guesses=guesses)
    _check_conversion(props, is_converted=is_converted)
    _check_backup(props)


def _is_converted(props: Properties) -> bool:
    conversion = props.child("DataFormatConversionConfiguration")
    return bool(conversion.tree()) and conversion.flag("Enabled", default=True)


def _check_hints(props: Properties, *, is_partitioned: bool, is_converted: bool) -> None:
    hints = props.child("BufferingHints")
    given = {name for name in ("SizeInMBs", "IntervalInSeconds") if name in hints}
    if len(given) == 1:
        raise SettingRefused(
            "Both BufferSizeInMBs and BufferIntervalInSeconds are required to configure buffering for S3."
        )
    if not given:
        return
    size_mib, interval_s = hints.number("SizeInMBs", 0), hints.number("IntervalInSeconds", 0)
    _within("extendedS3DestinationConfiguration.bufferingHints.sizeInMBs", size_mib, 1, 128)
    _within("extendedS3DestinationConfiguration.bufferingHints.intervalInSeconds", interval_s, 0, 900)
    if is_partitioned and size_mib < 64:  # noqa: PLR2004 -- the number stands in AWS's own sentence
        raise SettingRefused("BufferingHints.SizeInMBs must be at least 64 when Dynamic Partitioning is enabled.")
    if is_partitioned and interval_s < 60:  # noqa: PLR2004 -- as above
        raise SettingRefused(
            "BufferingHints.IntervalInSeconds must be at least 60 when Dynamic Partitioning is enabled."
        )
    if is_converted and size_mib < 64:  # noqa: PLR2004 -- as above
        raise SettingRefused("BufferingHints.SizeInMBs must be at least 64 when data format conversion is enabled.")


def _within(name: str, value: float, low: float, high: float) -> None:
    if low <= value <= high:
        return
    bound = f"less than or equal to {high:g}" if value > high else f"greater than or equal to {low:g}"
    raise SettingRefused(
        f"1 validation error detected: Value '{value:g}' at '{name}' failed to satisfy constraint: Member must have value {bound}",
        code="ValidationException",
    )


def _check_prefixes(props: Properties, *, is_partitioned: bool) -> None:
    prefix, errors = props.text("Prefix"), props.text("ErrorOutputPrefix")
    check_prefix(prefix, "Prefix")
    check_prefix(errors, "ErrorOutputPrefix")
    parts = parse_prefix(prefix)
    expressions = [part for part in parts if part.namespace != "literal"]
    if expressions and not errors:
        raise SettingRefused(
            "Ths supplied prefix(es) do not satisfy the following constraint: "  # the typing error is AWS's
            "ErrorOutputPrefix cannot be null or empty when Prefix contains expressions"
        )
    if any(part.value == "error-output-type" for part in expressions):
        raise SettingRefused("Prefix must not contain any occurrence of !{firehose:error-output-type}")
    error_expressions = [part for part in parse_prefix(errors) if part.namespace != "literal"]
    if error_expressions and not any(part.value == "error-output-type" for part in error_expressions):
        raise SettingRefused("ErrorOutputPrefix must contain at least one occurrence of !{firehose:error-output-type}")
    if any(part.namespace.startswith("partitionKeyFrom") for part in error_expressions):
        raise SettingRefused("Dynamic Partitioning Namespaces can't be part of an error prefix expression")
    has_keys = any(part.namespace.startswith("partitionKeyFrom") for part in expressions)
    if is_partitioned and not has_keys:
        raise SettingRefused(
            "S3 Prefix should contain Dynamic Partitioning namespaces when Dynamic Partitioning is enabled"
        )
    if has_keys and not is_partitioned:
        raise SettingRefused(
            "Dynamic Partitioning namespaces can only be part of a prefix when Dynamic Partitioning is enabled"
        )


def check_prefix(prefix: str, name: str) -> None:
    """
    Refuse one prefix whose expressions AWS does not accept.

    Raises: SettingRefused.
    """
    if len(prefix) > _RAW_LIMIT:
        raise SettingRefused(
            f"1 validation error detected: Value at '{name}' failed to satisfy constraint: Member must have length less than"
            f" or equal to {_RAW_LIMIT}",
            code="ValidationException",
        )
    parts = parse_prefix(prefix)
    for part in parts:
        if part.namespace == "literal":
            if "!{" in part.value:
                raise SettingRefused("Invalid expression usage")
        elif part.namespace not in _NAMESPACES:
            raise SettingRefused(f"Namespace to the left of colon ({part.namespace}) is an invalid keyword!")
        elif part.namespace == "firehose" and part.value not in _FIREHOSE_VALUES:
            raise SettingRefused(f"Invalid value {part.value} for the namespace firehose in {name}")
        elif part.namespace == "timestamp":
            _check_pattern(part.value, name)
    evaluated = sum(len(part.value) for part in parts if part.namespace in {"literal", "timestamp"})
    if evaluated > _EVALUATED_LIMIT:
        raise SettingRefused(f"Length of evaluated {name} cannot be greater than {_EVALUATED_LIMIT}")


def _check_pattern(pattern: str, name: str) -> None:
    unusable = unusable_letters(pattern)
    if has_open_quote(pattern) or any(letter in REFUSED_LETTERS for letter in unusable):
        raise SettingRefused(f"Invalid conversion character used in the value of the expression in {name}")
    if unusable:
        raise SettingRefused(f"this engine does not write the letters {unusable} in the timestamp of {name}")


def _check_names(props: Properties) -> None:
    if not _EXTENSION.fullmatch(props.text("FileExtension")):
        raise SettingRefused(
            "1 validation error detected: Value at 'extendedS3DestinationConfiguration.fileExtension' failed to satisfy constraint:"
            f" Member must satisfy regular expression pattern: {_EXTENSION.pattern}",
            code="ValidationException",
        )
    zone = props.text("CustomTimeZone")
    if not _TIME_ZONE.fullmatch(zone):
        raise SettingRefused(
            "1 validation error detected: Value at 'extendedS3DestinationConfiguration.customTimeZone' failed to satisfy constraint:"
            f" Member must satisfy regular expression pattern: {_TIME_ZONE.pattern}",
            code="ValidationException",
        )
    if zone and zone not in pytz.all_timezones_set:
        raise SettingRefused(f"Invalid CustomTimeZone {zone}")


def _check_processors(props: Properties, *, is_partitioned: bool, guesses: Guesses) -> None:
    if not props.child("ProcessingConfiguration").flag("Enabled", default=False):
        return
    processors = read_processors(props)
    if not 1 <= len(processors) <= 5:  # noqa: PLR2004 -- the number stands in AWS's own sentence
        raise SettingRefused(
            "A maximum of 5 and a minimum of 1 processor needs to be supplied when processing is enabled."
        )
    kinds = [processor.kind for processor in processors]
    for kind in kinds:
        if kind not in _PROCESSOR_KINDS:
            raise SettingRefused(
                f"1 validation error detected: processor type {kind} is unknown", code="ValidationException"
            )
    if kinds.count("Lambda") > 1:
        raise SettingRefused("Cannot have more than 1 Lambda processor.")
    if "CloudWatchLogProcessing" in kinds and "Decompression" not in kinds:
        raise SettingRefused("CloudWatchLogProcessingProcessor can only be enabled with DecompressionProcessor")
    if "Decompression" in kinds:
        raise SettingRefused("this engine has no CloudWatch Logs as a source, so it does not serve Decompression")
    for processor in processors:
        _PROCESSOR_CHECKS.get(processor.kind, _check_nothing)(processor, props, is_partitioned, guesses)


def _check_nothing(processor: Processor, props: Properties, is_partitioned: bool, guesses: Guesses) -> None:
    """No rule: AppendDelimiterToRecord."""


def _check_lambda(processor: Processor, _props: Properties, _is_partitioned: bool, guesses: Guesses) -> None:
    parameters = processor.parameters
    if not parameters.text("LambdaArn"):
        raise SettingRefused("LambdaArn is required when Lambda processor is used.")
    given = {name for name in ("BufferSizeInMBs", "BufferIntervalInSeconds") if name in parameters}
    if len(given) == 1:
        raise SettingRefused(
            "Both BufferSizeInMBs and BufferIntervalInSeconds are required to configure buffering for lambda processor."
        )
    if not 0.2 <= parameters.number("BufferSizeInMBs", 1) <= 3:  # noqa: PLR2004 -- the numbers stand in AWS's own sentence
        raise SettingRefused("BufferSizeInMBs for lambda processor must be between 0.2 and 3.")
    if not 0 <= parameters.number("BufferIntervalInSeconds", 60) <= 900:  # noqa: PLR2004 -- as above
        raise SettingRefused("BufferIntervalInSeconds for lambda processor must be between 0 and 900.")
    if not 0 <= parameters.number("NumberOfRetries", 3) <= guesses.retries_upper_bound:
        raise SettingRefused(f"Number of retries for lambda must be between 0 and {guesses.retries_upper_bound}.")


def _check_deaggregation(processor: Processor, _props: Properties, is_partitioned: bool, _guesses: Guesses) -> None:
    _only_partitioned("RecordDeAggregationProcessor", is_partitioned)
    kind = processor.parameters.text("SubRecordType")
    if kind not in {"JSON", "DELIMITED"}:
        raise SettingRefused("SubRecordType has to be one of JSON, DELIMITED")
    if kind == "DELIMITED" and not processor.parameters.text("Delimiter"):
        raise SettingRefused("Delimiter should be present for DELIMITED")


def _check_extraction(processor: Processor, props: Properties, is_partitioned: bool, _guesses: Guesses) -> None:
    _only_partitioned("MetadataExtractionProcessor", is_partitioned)
    if processor.parameters.text("JsonParsingEngine") != "JQ-1.6":
        raise SettingRefused("MetaDataExtraction JSON Parsing Engine has to be one of JQ-1.6")
    found = {query.name for query in parse_query(processor.parameters.text("MetadataExtractionQuery"))}
    wanted = {part.value for part in parse_prefix(props.text("Prefix")) if part.namespace == "partitionKeyFromQuery"}
    if found - wanted:
        raise SettingRefused(
            "MetaDataExtraction JQ Query can't contain keys that are not present in the S3 Prefix expression"
        )
    if wanted - found:
        raise SettingRefused(
            "S3 Prefix expression can't contain keys that are not present in the MetaDataExtraction JQ Query"
        )


def _only_partitioned(processor: str, is_partitioned: bool) -> None:
    if not is_partitioned:
        raise SettingRefused(f"class {processor} can only be present when Dynamic Partitioning is enabled.")


_PROCESSOR_CHECKS: Final = {
    "Lambda": _check_lambda,
    "RecordDeAggregation": _check_deaggregation,
    "MetadataExtraction": _check_extraction,
}


def _check_conversion(props: Properties, *, is_converted: bool) -> None:
    if not is_converted:
        return
    if props.text("CompressionFormat", "UNCOMPRESSED") != "UNCOMPRESSED":
        raise SettingRefused("CompressionFormat must be UNCOMPRESSED when data format conversion is enabled.")
    conversion = props.child("DataFormatConversionConfiguration")
    serializer = conversion.child("OutputFormatConfiguration").child("Serializer")
    if "OrcSerDe" in serializer:
        raise SettingRefused("this engine writes Parquet only: it has no writer for ORC")
    compression = serializer.child("ParquetSerDe").text("Compression", "SNAPPY")
    if compression not in {"UNCOMPRESSED", "GZIP", "SNAPPY"}:
        raise SettingRefused(
            f"1 validation error detected: Parquet compression {compression} is unknown", code="ValidationException"
        )


def _check_backup(props: Properties) -> None:
    if props.text("S3BackupMode", "Disabled") != "Enabled":
        return
    backup = props.child("S3BackupConfiguration")
    if not backup.tree():
        raise SettingRefused("S3 backup destination configuration is required when enabling S3 backup.")
    check_prefix(backup.text("Prefix"), "Prefix")
    keys: Sequence[str] = [part.namespace for part in parse_prefix(backup.text("Prefix"))]
    if any(namespace.startswith("partitionKeyFrom") for namespace in keys):
        raise SettingRefused("Dynamic Partitioning namespaces can't be part of a backup prefix expression")
    if not _processes(props) and not _is_converted(props):
        raise SettingRefused("S3 backup needs data transformation or data format conversion to be enabled.")


def _processes(props: Properties) -> bool:
    return bool(read_processors(props))
