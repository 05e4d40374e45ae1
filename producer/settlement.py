"""
What Firehose's answer means: per record by index, or for the call as a whole.

Laws: pure; a pack is delivered only if *its* index carries a RecordId; whatever is not known to be permanent is tried again.
Refuses to know: the journal, HTTP, and when to try again (pacing.py).
Source: PutRecordBatch, API reference; per-record throttling as `ServiceUnavailableException` / "Slow down." (observed by others).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from producer.errors import (
    AnswerMismatch,
    DeliveryAmbiguous,
    DeliveryFailed,
    DeliveryRefused,
    DeliveryThrottled,
    DeliveryUnreachable,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from producer.packing import Pack


@dataclass(frozen=True, slots=True)
class PutAnswer:
    """One entry of RequestResponses: a record id, or an error code and its message."""

    record_id: str | None
    error_code: str | None = None
    error_message: str = ""


@dataclass(frozen=True, slots=True)
class Settlement:
    """One answered batch, divided; `refused` pairs a pack with the reason it can never be delivered."""

    delivered: tuple[Pack, ...]
    again: tuple[Pack, ...]
    refused: tuple[tuple[Pack, str], ...]
    throttled: bool


# Per-record codes after which the same bytes can never be accepted. The API reference names only two per-record codes
# (ServiceUnavailableException, InternalFailure), both transient; these would be the record's own fault.
PERMANENT_RECORD_CODES: Final = frozenset(
    {"InvalidArgumentException", "ValidationException", "SerializationException", "InvalidRecordException"}
)
THROTTLING_CODES: Final = frozenset(
    {
        "ServiceUnavailableException",
        "ServiceUnavailable",
        "ThrottlingException",
        "Throttling",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "TooManyRequestsException",
        "LimitExceededException",
        "SlowDown",
    }
)
# Call-level codes that the packs themselves may have caused: the batch is divided until the one at fault stands alone.
CONTENT_CODES: Final = frozenset({"InvalidArgumentException", "ValidationException", "SerializationException"})
# The client library's names for a connection that never came to be (botocore.exceptions).
UNREACHABLE_CODES: Final = frozenset({"EndpointConnectionError", "ConnectTimeoutError", "ProxyConnectionError"})
ADVICE: Final = {
    "ResourceNotFoundException": "Check the stream's name (--stream) and the region (AWS_REGION): it must exist there.",
    "AccessDeniedException": "Give the producer's role firehose:PutRecordBatch on the stream.",
    "AccessDenied": "Give the producer's role firehose:PutRecordBatch on the stream.",
    "InvalidKMSResourceException": "The stream's key is unusable: enable it, and give the producer's role "
    "kms:GenerateDataKey and kms:Decrypt on it.",
    "InvalidSourceException": "The stream takes only CloudWatch Logs: switch its Decompression processor off.",
    "ExpiredTokenException": "The credentials have expired: renew them.",
    "ExpiredToken": "The credentials have expired: renew them.",
    "UnrecognizedClientException": "The credentials are unknown in this region: check AWS_PROFILE, the keys and AWS_REGION.",
    "InvalidClientTokenId": "The credentials are unknown: check AWS_PROFILE or the keys.",
    "InvalidSignatureException": "The signature was not accepted: check the secret key and the machine's clock.",
    "SignatureDoesNotMatch": "The signature was not accepted: check the secret key and the machine's clock.",
    "IncompleteSignature": "The signature was not accepted: check the credentials.",
    "MissingAuthenticationToken": "No credentials were sent: give the producer a role, a profile or keys.",
    "NoCredentials": "Give the producer a role, a profile or keys (AWS_PROFILE, AWS_ACCESS_KEY_ID, an instance or task role).",
    "NoRegion": "Say which region: AWS_REGION, or the profile's region.",
    "BadEndpoint": "Say a whole URL: AWS_ENDPOINT_URL_FIREHOSE=https://…, or leave it out.",
    "ProfileNotFound": "AWS_PROFILE has to name a profile of ~/.aws/config (or AWS_CONFIG_FILE).",
    "OptInRequired": "The account has no access to Firehose in this region.",
}


def settle(sent: Sequence[Pack], answers: Sequence[PutAnswer]) -> Settlement:
    """
    Divide one answered batch into delivered, again and refused packs.

    Shapes: `answers[i]` answers `sent[i]`; equal lengths; order kept.
    Raises: AnswerMismatch if the lengths differ.
    """
    if len(sent) != len(answers):
        raise AnswerMismatch(sent=len(sent), answered=len(answers))
    delivered: list[Pack] = []
    again: list[Pack] = []
    refused: list[tuple[Pack, str]] = []
    for pack, answer in zip(sent, answers, strict=True):
        if answer.record_id and not answer.error_code:
            delivered.append(pack)
        elif answer.error_code in PERMANENT_RECORD_CODES:
            refused.append((pack, f"firehose_{answer.error_code}"))
        else:
            again.append(pack)
    throttled = any(answer.error_code in THROTTLING_CODES for answer in answers)
    return Settlement(tuple(delivered), tuple(again), tuple(refused), throttled)


def classify_call_error(code: str, message: str, http_status: int | None) -> DeliveryFailed:
    """
    A whole call's error, as what to do about it.

    Shapes: code is AWS's, or the client library's own class name where no answer came (then http_status is None).
    """
    server_fault_from = 500
    if code in THROTTLING_CODES:
        return DeliveryThrottled(code=code, message=message)
    if code in UNREACHABLE_CODES or (code == "SSLError" and "CERTIFICATE_VERIFY_FAILED" in message):
        return DeliveryUnreachable(code=code, message=message)
    if code in ADVICE or code in CONTENT_CODES:
        return DeliveryRefused(code=code, message=message, advice=ADVICE.get(code, ""))
    if http_status is None or http_status >= server_fault_from:
        return DeliveryAmbiguous(code=code, message=message)
    return DeliveryRefused(code=code, message=message)
