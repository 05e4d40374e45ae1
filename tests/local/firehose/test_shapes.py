"""Requests of the control calls, held against Firehose's own model."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.firehose.errors import CallRefused
from local.firehose.shapes import fit_request
from tests.local.firehose.conftest import plain_stream

if TYPE_CHECKING:
    from tests.local.firehose.conftest import Served

_OPERATIONS = (
    "CreateDeliveryStream",
    "DeleteDeliveryStream",
    "DescribeDeliveryStream",
    "ListDeliveryStreams",
    "ListTagsForDeliveryStream",
    "StartDeliveryStreamEncryption",
    "StopDeliveryStreamEncryption",
    "TagDeliveryStream",
    "UntagDeliveryStream",
    "UpdateDestination",
)


_TO_S3 = {"RoleARN": "arn:aws:iam::000000000000:role/r", "BucketARN": "arn:aws:s3:::lake"}


def _create(**destination: Any) -> dict[str, Any]:
    return {"DeliveryStreamName": "s", "ExtendedS3DestinationConfiguration": {**_TO_S3, **destination}}


def _refusal(operation: str, request_tree: Any) -> tuple[str, str]:
    with pytest.raises(CallRefused) as refused:
        fit_request(operation, request_tree)
    return refused.value.code, refused.value.message


@pytest.mark.parametrize(
    ("operation", "request_tree", "breach"),
    [
        ("DescribeDeliveryStream", {}, "Value null at 'deliveryStreamName' failed to satisfy constraint: Member must not be null"),
        ("PutRecord", {"DeliveryStreamName": "s", "Record": {}}, "Value null at 'record.data' failed to satisfy constraint: Member must not be null"),
        ("PutRecordBatch", {"DeliveryStreamName": "s", "Records": [None]}, "Value null at 'records.1.member' failed to satisfy constraint: Member must not be null"),
        ("ListDeliveryStreams", {"Limit": 10_001}, "Value '10001' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 10000"),
        ("DeleteDeliveryStream", {"DeliveryStreamName": "x" * 65}, f"Value '{'x' * 65}' at 'deliveryStreamName' failed to satisfy constraint: Member must have length less than or equal to 64"),
        ("DeleteDeliveryStream", {"DeliveryStreamName": "a b"}, "Value 'a b' at 'deliveryStreamName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"),
        ("UntagDeliveryStream", {"DeliveryStreamName": "s", "TagKeys": []}, "Value at 'tagKeys' failed to satisfy constraint: Member must have length greater than or equal to 1"),
        ("CreateDeliveryStream", _create(S3BackupMode="on"), "Value 'on' at 'extendedS3DestinationConfiguration.s3BackupMode' failed to satisfy constraint: Member must satisfy enum value set: [Disabled, Enabled]"),
        ("CreateDeliveryStream", _create(RoleARN="r"), "Value 'r' at 'extendedS3DestinationConfiguration.roleARN' failed to satisfy constraint: Member must satisfy regular expression pattern: arn:.*:iam::\\d{12}:role/[a-zA-Z_0-9+=,.@\\-_/]+"),
    ],
)  # fmt: skip
def test_a_member_that_breaks_the_model_is_named_in_awss_words(operation: str, request_tree: Any, breach: str) -> None:
    assert ("ValidationException", f"1 validation error detected: {breach}") == _refusal(operation, request_tree)


def test_every_breach_is_named() -> None:
    _, message = _refusal("TagDeliveryStream", {"DeliveryStreamName": "", "Tags": [{"Key": "aws:x"}, {}]})
    assert message.startswith("4 validation errors detected: ")
    assert all(place in message for place in ("'deliveryStreamName'", "'tags.1.member.key'", "'tags.2.member.key'"))


@pytest.mark.parametrize(
    ("operation", "request_tree", "said"),
    [
        ("ListDeliveryStreams", {"Limit": "many"}, "limit is no integer"),
        ("ListDeliveryStreams", {"Limit": True}, "limit is no integer"),
        ("TagDeliveryStream", {"DeliveryStreamName": "s", "Tags": "x"}, "tags is no list"),
        ("DeleteDeliveryStream", {"DeliveryStreamName": ["s"]}, "deliveryStreamName is no string"),
        ("PutRecord", {"DeliveryStreamName": "s", "Record": {"Data": 7}}, "record.data is no blob"),
        ("PutRecord", {"DeliveryStreamName": "s", "Record": {"Data": "?"}}, "record.data is not base64 (Non-base64 digit found)"),
    ],
)  # fmt: skip
def test_a_value_of_another_type_cannot_be_read(operation: str, request_tree: Any, said: str) -> None:
    assert ("SerializationException", said) == _refusal(operation, request_tree)


def test_nulls_and_unknown_members_are_left_out() -> None:
    request_tree = {"Limit": 3, "ExclusiveStartDeliveryStreamName": None, "ThingOfNextYear": {"a": 1}}
    assert {"Limit": 3} == fit_request("ListDeliveryStreams", request_tree)
    assert _create(Prefix="p") == fit_request("CreateDeliveryStream", _create(Prefix="p", CompressionFormat=None))


def test_letters_of_every_script_may_stand_in_a_tag() -> None:
    tags = [{"Key": "Größe/Ümlaut", "Value": "дa 1+1=2"}]
    fit_request("TagDeliveryStream", {"DeliveryStreamName": "s", "Tags": tags})


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
_members = st.sampled_from(
    ["DeliveryStreamName", "Tags", "Limit", "ExtendedS3DestinationConfiguration", "DestinationId"]
)


@given(st.sampled_from(_OPERATIONS), st.dictionaries(_members, _json, max_size=4))
def test_any_request_is_checked_without_breaking(operation: str, request_tree: dict[str, Any]) -> None:
    assert _code(operation, request_tree) in {"", "SerializationException", "ValidationException"}


def _code(operation: str, request_tree: dict[str, Any]) -> str:
    """The code that a request is refused with; empty if it is not."""
    try:
        fit_request(operation, request_tree)
    except CallRefused as refused:
        return refused.code
    return ""


@pytest.mark.parametrize("operation", _OPERATIONS)
@pytest.mark.parametrize(
    "request_tree", [{"DeliveryStreamName": 7}, {"DeliveryStreamName": "s", "Tags": 7, "Limit": "x"}]
)
def test_the_server_answers_a_misshapen_call_in_json(served: type[Served], operation: str, request_tree: Any) -> None:
    with served(plain_stream()) as firehose:
        target = {"X-Amz-Target": f"Firehose_20150804.{operation}"}
        request = urllib.request.Request(firehose.url, data=json.dumps(request_tree).encode(), headers=target)
        status, answer = _answer(request)
        assert status in {200, 400}
        assert status == 200 or answer["__type"].endswith("Exception")


def _answer(request: urllib.request.Request) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.loads(refused.read())
