"""
What one delivery stream is told to do, as frozen data: the meeting point of template, API and engine.

Laws: nothing here has a value of its own that a template or a call could have said; AWS's defaults are filled in by `properties`.
Units: bytes and seconds in the names. Refuses to know: where the configuration came from.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

MIB = 1_048_576  # Firehose's "MB" of buffer hints, as the console's MiB

Compression = Literal["UNCOMPRESSED", "GZIP", "ZIP", "Snappy", "HADOOP_SNAPPY"]


@dataclass(frozen=True, slots=True)
class BufferHints:
    """When a buffer is emptied: at this many bytes or after this many seconds, whichever comes first."""

    bound_bytes: int
    interval_s: int


@dataclass(frozen=True, slots=True)
class LambdaConfig:
    """
    The transform that the stream calls.

    `handler` is the dotted Handler of the template's function; None for an ARN that no template explains.
    """

    arn: str
    hints: BufferHints
    retries_count: int
    handler: str | None = None
    function_name: str = ""
    timeout_s: int = 300
    memory_mib: int = 128
    environment: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class DeAggregation:
    """How one record is divided into the transform's records."""

    kind: Literal["JSON", "DELIMITED"]
    delimiter: bytes = b""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a Glue table: its name and its Hive type."""

    name: str
    hive_type: str


@dataclass(frozen=True, slots=True)
class TableSchema:
    """The Glue table that conversion reads its schema from, without its partition keys."""

    database: str
    table: str
    columns: tuple[Column, ...]
    catalog_id: str = ""
    region: str = ""
    version: str = "LATEST"


@dataclass(frozen=True, slots=True)
class Conversion:
    """JSON rows in, columns out."""

    schema: TableSchema
    deserializer: Literal["openx", "hive"] = "openx"
    serializer: Literal["parquet", "orc"] = "parquet"
    compression: str = "SNAPPY"
    case_insensitive: bool = True
    dots_to_underscores: bool = False
    key_of_column: Mapping[str, str] | None = None
    timestamp_formats: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class S3Target:
    """Where objects go, under which keys, how large and how old they may grow."""

    bucket: str
    prefix: str
    error_prefix: str
    hints: BufferHints
    compression: Compression = "UNCOMPRESSED"
    extension: str = ""
    time_zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class StreamConfig:
    """
    One delivery stream.

    `described` is the destination's configuration as it was given (resolved), for DescribeDeliveryStream to echo.
    """

    name: str
    arn: str
    target: S3Target
    region: str = "us-east-1"
    account: str = "000000000000"
    version: int = 1
    transform: LambdaConfig | None = None
    deaggregation: DeAggregation | None = None
    partition_query: str | None = None
    dynamic_partitioning: bool = False
    append_delimiter: bytes | None = None
    conversion: Conversion | None = None
    backup: S3Target | None = None
    encryption_key_type: str | None = None
    encryption_key_arn: str | None = None
    described: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Shortened:
    """One buffering interval that was capped for a short run."""

    stream: str
    buffer: Literal["transform", "lake", "backup"]
    from_s: int
    to_s: int

    def __str__(self) -> str:
        """What was changed, for the run's output."""
        return f"{self.stream}: the {self.buffer} buffer waits {self.to_s} s instead of {self.from_s} s"


def shorten(config: StreamConfig, seconds: int) -> tuple[StreamConfig, tuple[Shortened, ...]]:
    """The same stream with every buffering interval capped, and the list of what that changed."""
    changed: list[Shortened] = []

    def cap(hints: BufferHints, buffer: Literal["transform", "lake", "backup"]) -> BufferHints:
        if hints.interval_s <= seconds:
            return hints
        changed.append(Shortened(stream=config.name, buffer=buffer, from_s=hints.interval_s, to_s=seconds))
        return replace(hints, interval_s=seconds)

    transform, backup = config.transform, config.backup
    if transform is not None:
        transform = replace(transform, hints=cap(transform.hints, "transform"))
    target = replace(config.target, hints=cap(config.target.hints, "lake"))
    if backup is not None:
        backup = replace(backup, hints=cap(backup.hints, "backup"))
    return replace(config, transform=transform, target=target, backup=backup), tuple(changed)
