"""
What the core asks its shell to do, and what it is told afterwards.

Laws: an effect is asked for once and answered once, through the engine's method of the same name; the core never does one itself.
Refuses to know: threads, Lambda runtimes, Parquet, disks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from local.firehose.config import Compression, Conversion, LambdaConfig
    from local.firehose.verdicts import Line


@dataclass(frozen=True, slots=True)
class Invoke:
    """Call the transform with these records, for the n-th time; answer with `engine.invoked`."""

    invocation_id: str
    attempt: int
    transform: LambdaConfig
    stream_arn: str
    region: str
    lines: Sequence[Line]


@dataclass(frozen=True, slots=True)
class Answered:
    """
    What came of an invocation: the answer's JSON text, or AWS's error code for what went wrong.

    Shapes: exactly one of `payload` and `error_code` is set.
    """

    payload: bytes | None = None
    error_code: str | None = None
    message: str = ""
    duration_ms: int = 0


@dataclass(frozen=True, slots=True)
class Convert:
    """Turn these JSON records into one columnar object; answer with `engine.converted`."""

    work_id: int
    bodies: Sequence[bytes]
    conversion: Conversion


@dataclass(frozen=True, slots=True)
class ConversionFailure:
    """One record that did not convert. Shapes: `index` counts in Convert.bodies."""

    index: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Converted:
    """The object (None if no record converted), the rows in it, and the records that failed."""

    body: bytes | None
    rows_count: int
    failures: Sequence[ConversionFailure]


@dataclass(frozen=True, slots=True)
class Put:
    """Store one object, compressed as said; answer with `engine.stored` or `engine.store_failed`."""

    work_id: int
    kind: Literal["rows", "errors", "backup"]
    bucket: str
    key: str
    parts: Sequence[bytes]
    compression: Compression
    content_encoding: str


Effect = Invoke | Convert | Put
