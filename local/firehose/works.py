"""
One object on its way from a sealed buffer to the store: its key, its bytes, its next try.

Laws: the key is made once, when the buffer is sealed, with the configuration of that moment, and every try uses it: a try whose answer was
lost overwrites itself and makes no duplicate.
Refuses to know: buffers, the order of works, whether a try succeeded.
Source: Amazon Data Firehose, "Understand custom prefixes", "Configure Amazon S3 object name format".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

from local.firehose.effects import Convert, Effect, Put
from local.firehose.naming import content_encoding, extension_for, object_name
from local.firehose.prefix import Occasion, error_prefix, evaluate_prefix, object_prefix

if TYPE_CHECKING:
    from random import Random

    from local.firehose.buffers import Sealed
    from local.firehose.config import Compression, Conversion, StreamConfig
    from local.firehose.guesses import Guesses
    from local.firehose.verdicts import Transformed

Kind = Literal["rows", "errors", "backup"]


class PartitionKeys(NamedTuple):
    """What makes one partition: the values its prefix asks for, from the Lambda and from the query."""

    from_lambda: tuple[tuple[str, str], ...] = ()
    from_query: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        """The values as a live view shows them."""
        return "/".join(value for _, value in self.from_lambda + self.from_query)


@dataclass(slots=True)
class Work:
    """
    One object under way.

    Shapes: `rows` waits for `conversion`; once that is done, `parts` holds the finished body.
    Clock: `next_ms` is None while the shell holds the work; `is_stuck` once a flush gave up on it.
    """

    work_id: int
    kind: Kind
    bucket: str
    key: str
    compression: Compression
    lines_count: int
    held_bytes: int
    oldest_arrival_ms: int
    next_ms: int | None
    parts: list[bytes] = field(default_factory=list)
    rows: list[Transformed] = field(default_factory=list)
    conversion: Conversion | None = None
    converted_to: str | None = None
    rows_count: int = 0
    partition: PartitionKeys | None = None
    tries_count: int = 0
    is_stuck: bool = False

    def effect(self) -> Effect:
        """What the shell is to do next with this work."""
        if self.conversion is not None:
            return Convert(self.work_id, [row.body for row in self.rows], self.conversion)
        return Put(
            work_id=self.work_id,
            kind=self.kind,
            bucket=self.bucket,
            key=self.key,
            parts=self.parts,
            compression=self.compression,
            content_encoding=content_encoding(compression=self.compression, converted_to=self.converted_to),
        )


class WorkMaker:
    """Makes works of sealed buffers for one configuration."""

    def __init__(self, config: StreamConfig, *, guesses: Guesses, random: Random) -> None:
        self._config = config
        self._guesses = guesses
        self._random = random

    def rows(self, sealed: Sealed[Transformed], keys: PartitionKeys, *, work_id: int, now_ms: int) -> Work:
        """The object of one partition; with conversion its bytes are still to be made."""
        target, conversion = self._config.target, self._config.conversion
        converted_to = conversion.serializer if conversion is not None else None
        compression: Compression = "UNCOMPRESSED" if conversion is not None else target.compression
        prefix = object_prefix(target.prefix, unless=self._guesses.default_prefix_unless)
        occasion = Occasion(
            arrival_ms=sealed.oldest_arrival_ms,
            time_zone=target.time_zone,
            lambda_keys=dict(keys.from_lambda),
            query_keys=dict(keys.from_query),
        )
        extension = extension_for(compression=compression, given=target.extension, converted_to=converted_to)
        return Work(
            work_id=work_id,
            kind="rows",
            bucket=target.bucket,
            key=self._key(prefix, occasion, extension),
            compression=compression,
            lines_count=len(sealed.entries),
            held_bytes=sealed.held_bytes,
            oldest_arrival_ms=sealed.oldest_arrival_ms,
            next_ms=now_ms,
            parts=[] if conversion is not None else self._delimited(sealed.entries),
            rows=sealed.entries if conversion is not None else [],
            conversion=conversion,
            converted_to=converted_to,
            rows_count=len(sealed.entries),
            partition=keys,
        )

    def errors(self, sealed: Sealed[bytes], output_type: str, *, work_id: int, now_ms: int) -> Work:
        """The object of one kind of error."""
        target = self._config.target
        gzipped = self._guesses.gzip_error_objects and target.compression == "GZIP"
        compression: Compression = "GZIP" if gzipped else "UNCOMPRESSED"
        occasion = Occasion(
            arrival_ms=sealed.oldest_arrival_ms, time_zone=target.time_zone, error_output_type=output_type
        )
        extension = extension_for(compression=compression, given="", converted_to=None)
        return Work(
            work_id=work_id,
            kind="errors",
            bucket=target.bucket,
            key=self._key(error_prefix(target.error_prefix, target.prefix), occasion, extension),
            compression=compression,
            lines_count=len(sealed.entries),
            held_bytes=sealed.held_bytes,
            oldest_arrival_ms=sealed.oldest_arrival_ms,
            next_ms=now_ms,
            parts=sealed.entries,
        )

    def backup(self, sealed: Sealed[bytes], *, work_id: int, now_ms: int) -> Work:
        """The object of source records, verbatim."""
        target = self._config.backup
        assert target is not None, "only a stream with a backup seals one"
        occasion = Occasion(arrival_ms=sealed.oldest_arrival_ms, time_zone=target.time_zone)
        prefix = object_prefix(target.prefix, unless=self._guesses.default_prefix_unless)
        extension = extension_for(compression=target.compression, given=target.extension, converted_to=None)
        return Work(
            work_id=work_id,
            kind="backup",
            bucket=target.bucket,
            key=self._key(prefix, occasion, extension),
            compression=target.compression,
            lines_count=len(sealed.entries),
            held_bytes=sealed.held_bytes,
            oldest_arrival_ms=sealed.oldest_arrival_ms,
            next_ms=now_ms,
            parts=sealed.entries,
        )

    def _key(self, prefix: str, occasion: Occasion, extension: str) -> str:
        return evaluate_prefix(prefix, occasion, self._random) + object_name(
            stream=self._config.name,
            version=self._config.version,
            arrival_ms=occasion.arrival_ms,
            time_zone=occasion.time_zone,
            extension=extension,
            random=self._random,
        )

    def _delimited(self, rows: list[Transformed]) -> list[bytes]:
        delimiter = self._config.append_delimiter
        if delimiter is None:
            return [row.body for row in rows]
        parts = [part for row in rows for part in (row.body, delimiter)]
        return parts if self._guesses.trailing_delimiter else parts[:-1]
