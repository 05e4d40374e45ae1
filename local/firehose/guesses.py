"""
What nobody has documented, or where sources disagree: one field each, so that a test of yours can take the other side.

Laws: a default here is a guess or a choice between sources; docs/engine.md lists each with its reason. What AWS documents plainly is
not configurable.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Guesses:
    """The engine's open guesses, each with the default it runs by."""

    unknown_result_code: str = "Lambda.FunctionError"
    undecodable_code: str = "Lambda.JsonMappingException"
    unreadable_answer_code: str = "Lambda.JsonProcessingException"
    gzip_error_objects: bool = False
    batch_limit_counts: Literal["raw", "base64"] = "raw"
    trailing_delimiter: bool = False
    retries_upper_bound: int = 300
    default_prefix_unless: Literal["expression", "timestamp"] = "expression"
    conversion_error_names: Literal["last", "bare"] = "last"
    conversion_error_raw: Literal["transformed", "source"] = "transformed"
    active_partitions_code: str = "DynamicPartitioning.ActivePartitionsLimitExceeded"
    active_partitions_output_type: str = "metadata-extraction-failed"
    active_partitions_limit: int = 500
    lambda_backoff_first_ms: int = 3_500
    lambda_backoff_cap_ms: int = 60_000
    store_backoff_first_ms: int = 1_000
    store_backoff_cap_ms: int = 300_000
