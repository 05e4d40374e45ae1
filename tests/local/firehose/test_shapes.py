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
from local.firehose.shapes import check_request
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


@pytest.mark.parametrize(
    ("operation", "request_tree", "named"),
    [
        ("DescribeDeliveryStream", {}, "DeliveryStreamName"),
        ("ListDeliveryStreams", {"Limit": "many"}, "Limit"),
        ("TagDeliveryStream", {"DeliveryStreamName": "s", "Tags": "x"}, "Tags"),
        ("UpdateDestination", {"DeliveryStreamName": "s"}, "CurrentDeliveryStreamVersionId"),
        ("CreateDeliveryStream", {"DeliveryStreamName": "s", "ExtendedS3DestinationConfiguration": {}}, "BucketARN"),
        ("DeleteDeliveryStream", {"DeliveryStreamName": ["s"]}, "DeliveryStreamName"),
    ],
)
def test_a_member_that_does_not_fit_is_named(operation: str, request_tree: Any, named: str) -> None:
    with pytest.raises(CallRefused, match=named):
        check_request(operation, request_tree)


def test_a_request_that_fits_passes() -> None:
    check_request("ListDeliveryStreams", {"Limit": 3})


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
    assert _code(operation, request_tree) in {"", "ValidationException"}


def _code(operation: str, request_tree: dict[str, Any]) -> str:
    """The code that a request is refused with; empty if it is not."""
    try:
        check_request(operation, request_tree)
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
