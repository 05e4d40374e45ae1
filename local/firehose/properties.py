"""
A delivery stream's properties, as a template or CreateDeliveryStream gives them, to frozen configuration.

The template's ExtendedS3DestinationConfiguration and the API's have the same names, so both come through here.
Laws: AWS's defaults stand here and only here; a wrong type is refused with the property's path.
Refuses to know: the rules between properties (validation), files, HTTP.
Source: Amazon Data Firehose API reference, ExtendedS3DestinationConfiguration, ProcessorParameter, DataFormatConversionConfiguration.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from local.firehose.config import (
    MIB,
    BufferHints,
    Compression,
    Conversion,
    DeAggregation,
    LambdaConfig,
    S3Target,
    StreamConfig,
    TableSchema,
)
from local.firehose.errors import SettingRefused

_LAKE_MIB, _LAKE_S = 5, 300  # BufferingHints: defaults
_CONVERTED_MIB = 128  # BufferingHints with format conversion on: default
_LAMBDA_MIB, _LAMBDA_S, _LAMBDA_RETRIES = 1.0, 60, 3  # ProcessorParameter: defaults
_COMPRESSIONS = ("UNCOMPRESSED", "GZIP", "ZIP", "Snappy", "HADOOP_SNAPPY")


@dataclass(frozen=True, slots=True)
class FunctionFacts:
    """What a template says of a Lambda function that a stream may name by its ARN."""

    arn: str
    name: str
    handler: str
    timeout_s: int
    memory_mib: int
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The tables and functions that a stream's properties may refer to."""

    tables: Mapping[tuple[str, str], TableSchema]
    functions: Mapping[str, FunctionFacts]


class Properties:
    """A mapping that knows its path, so that what is wrong in it can be named."""

    __slots__ = ("_tree", "path")

    def __init__(self, tree: object, path: str) -> None:
        if not isinstance(tree, Mapping):
            raise SettingRefused(f"{path} must be a structure")
        self._tree: Mapping[str, Any] = tree
        self.path = path

    def __contains__(self, name: str) -> bool:
        return self._tree.get(name) is not None

    def text(self, name: str, default: str = "") -> str:
        """A text, or its default."""
        found = self._tree.get(name)
        if found is None:
            return default
        if isinstance(found, Mapping | list):
            raise SettingRefused(f"{self.path}.{name} must be a text")
        return str(found)

    def number(self, name: str, default: float) -> float:
        """A number, also one written as text (as a template's parameters and processor parameters are)."""
        found = self._tree.get(name)
        if found is None:
            return default
        try:
            return float(found)
        except (TypeError, ValueError):
            raise SettingRefused(f"{self.path}.{name} must be a number") from None

    def flag(self, name: str, *, default: bool) -> bool:
        """A boolean, also one written as text."""
        found = self._tree.get(name)
        if found is None:
            return default
        if isinstance(found, bool):
            return found
        if str(found).lower() in {"true", "false"}:
            return str(found).lower() == "true"
        raise SettingRefused(f"{self.path}.{name} must be true or false")

    def child(self, name: str) -> Properties:
        """A structure; an absent one is empty."""
        return Properties(self._tree.get(name) or {}, f"{self.path}.{name}")

    def children(self, name: str) -> tuple[Properties, ...]:
        """A list of structures; an absent one is empty."""
        found = self._tree.get(name) or []
        if not isinstance(found, list):
            raise SettingRefused(f"{self.path}.{name} must be a list")
        return tuple(Properties(item, f"{self.path}.{name}[{index}]") for index, item in enumerate(found))

    def mapping(self, name: str) -> Mapping[str, str]:
        """A map of texts; an absent one is empty."""
        return {str(key): str(value) for key, value in self.child(name).tree().items()}

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts; an absent one is empty."""
        found = self._tree.get(name) or []
        if not isinstance(found, Sequence) or isinstance(found, str):
            raise SettingRefused(f"{self.path}.{name} must be a list")
        return tuple(str(item) for item in found)

    def tree(self) -> Mapping[str, Any]:
        """The mapping itself."""
        return self._tree


@dataclass(frozen=True, slots=True)
class Processor:
    """One entry of ProcessingConfiguration.Processors, its parameters as a mapping."""

    kind: str
    parameters: Properties


def read_processors(destination: Properties) -> tuple[Processor, ...]:
    """The processors that are switched on; Enabled left out means off, as probes of AWS found."""
    processing = destination.child("ProcessingConfiguration")
    if not processing.flag("Enabled", default=False):
        return ()
    found = []
    for entry in processing.children("Processors"):
        pairs = {pair.text("ParameterName"): pair.text("ParameterValue") for pair in entry.children("Parameters")}
        found.append(Processor(kind=entry.text("Type"), parameters=Properties(pairs, f"{entry.path}.Parameters")))
    return tuple(found)


def read_stream(
    *,
    name: str,
    arn: str,
    region: str,
    account: str,
    destination: Mapping[str, Any],
    encryption: Mapping[str, Any],
    catalogue: Catalogue,
    version: int = 1,
) -> StreamConfig:
    """
    One stream's configuration with AWS's defaults filled in.

    Raises: SettingRefused for a value of the wrong shape, or a table that the catalogue does not have.
    """
    props = Properties(destination, "ExtendedS3DestinationConfiguration")
    processors = {processor.kind: processor.parameters for processor in read_processors(props)}
    conversion = _read_conversion(props.child("DataFormatConversionConfiguration"), catalogue)
    partitioned = props.child("DynamicPartitioningConfiguration").flag("Enabled", default=False)
    delimiter = processors.get("AppendDelimiterToRecord")
    extraction = processors.get("MetadataExtraction")
    has_backup = props.text("S3BackupMode", "Disabled") == "Enabled"
    return StreamConfig(
        name=name,
        arn=arn,
        region=region,
        account=account,
        version=version,
        target=_read_target(props, default_mib=_CONVERTED_MIB if conversion or partitioned else _LAKE_MIB),
        transform=_read_lambda(processors["Lambda"], catalogue) if "Lambda" in processors else None,
        deaggregation=_read_deaggregation(processors.get("RecordDeAggregation")),
        partition_query=extraction.text("MetadataExtractionQuery") if extraction is not None else None,
        dynamic_partitioning=partitioned,
        append_delimiter=None if delimiter is None else unescape(delimiter.text("Delimiter", "\\n")),
        conversion=conversion,
        backup=_read_target(props.child("S3BackupConfiguration"), default_mib=_LAKE_MIB) if has_backup else None,
        encryption_key_type=encryption.get("KeyType"),
        encryption_key_arn=encryption.get("KeyARN"),
        described=destination,
    )


def unescape(text: str) -> bytes:
    r"""A delimiter as it is meant: the two characters \n are one newline."""
    return text.replace("\\n", "\n").replace("\\t", "\t").encode()


def _read_hints(props: Properties, *, default_mib: float) -> BufferHints:
    hints = props.child("BufferingHints")
    return BufferHints(
        bound_bytes=round(hints.number("SizeInMBs", default_mib) * MIB),
        interval_s=round(hints.number("IntervalInSeconds", _LAKE_S)),
    )


def _read_target(props: Properties, *, default_mib: float) -> S3Target:
    compression = props.text("CompressionFormat", "UNCOMPRESSED")
    if compression not in _COMPRESSIONS:
        raise SettingRefused(
            "1 validation error detected: Value at 'extendedS3DestinationConfiguration.compressionFormat' failed to satisfy"
            f" constraint: Member must satisfy enum value set: [{', '.join(_COMPRESSIONS)}]",
            code="ValidationException",
        )
    return S3Target(
        bucket=props.text("BucketARN").rpartition(":")[2],
        prefix=props.text("Prefix"),
        error_prefix=props.text("ErrorOutputPrefix"),
        hints=_read_hints(props, default_mib=default_mib),
        compression=cast("Compression", compression),
        extension=props.text("FileExtension"),
        time_zone=props.text("CustomTimeZone") or "UTC",
    )


def _read_lambda(parameters: Properties, catalogue: Catalogue) -> LambdaConfig:
    arn = parameters.text("LambdaArn")
    unqualified = ":".join(arn.split(":")[:7])
    facts = catalogue.functions.get(unqualified)
    return LambdaConfig(
        # Error objects name the qualified ARN even where the configuration does not (observed: ...:function:f:$LATEST).
        arn=arn if arn != unqualified else f"{arn}:$LATEST",
        hints=BufferHints(
            bound_bytes=round(parameters.number("BufferSizeInMBs", _LAMBDA_MIB) * MIB),
            interval_s=round(parameters.number("BufferIntervalInSeconds", _LAMBDA_S)),
        ),
        retries_count=round(parameters.number("NumberOfRetries", _LAMBDA_RETRIES)),
        handler=facts.handler if facts else None,
        function_name=facts.name if facts else unqualified.rpartition(":")[2],
        timeout_s=facts.timeout_s if facts else 300,
        memory_mib=facts.memory_mib if facts else 128,
        environment=facts.environment if facts else None,
    )


def _read_deaggregation(parameters: Properties | None) -> DeAggregation | None:
    if parameters is None:
        return None
    if parameters.text("SubRecordType") == "JSON":
        return DeAggregation(kind="JSON")
    try:
        delimiter = b64decode(parameters.text("Delimiter"), validate=True)
    except binascii.Error:
        raise SettingRefused("Delimiter must be base64") from None
    return DeAggregation(kind="DELIMITED", delimiter=delimiter)


def _read_conversion(props: Properties, catalogue: Catalogue) -> Conversion | None:
    if not props.tree() or not props.flag("Enabled", default=True):
        return None
    schema = props.child("SchemaConfiguration")
    named = (schema.text("DatabaseName"), schema.text("TableName"))
    table = catalogue.tables.get(named)
    if table is None:
        raise SettingRefused(
            f"Unable to get table {named[1]} of database {named[0]} from Glue: EntityNotFoundException: Entity Not Found"
        )
    reading = props.child("InputFormatConfiguration").child("Deserializer")
    openx, hive = reading.child("OpenXJsonSerDe"), reading.child("HiveJsonSerDe")
    writing = props.child("OutputFormatConfiguration").child("Serializer")
    is_orc = "OrcSerDe" in writing
    return Conversion(
        schema=table,
        deserializer="hive" if "HiveJsonSerDe" in reading else "openx",
        serializer="orc" if is_orc else "parquet",
        compression=writing.child("OrcSerDe" if is_orc else "ParquetSerDe").text("Compression", "SNAPPY"),
        case_insensitive=openx.flag("CaseInsensitive", default=True),
        dots_to_underscores=openx.flag("ConvertDotsInJsonKeysToUnderscores", default=False),
        key_of_column=openx.mapping("ColumnToJsonKeyMappings"),
        timestamp_formats=hive.texts("TimestampFormats"),
    )
