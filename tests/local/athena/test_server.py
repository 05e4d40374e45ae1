"""The protocol below the calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import pytest
import urllib3

from local.athena.hosting import HostedAthena, host_athena

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def hosted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostedAthena]:
    with host_athena(tmp_path_factory.mktemp("lake")) as hosted:
        yield hosted


@pytest.mark.parametrize(
    ("target", "body", "code"),
    [
        ("AmazonAthena.StartQueryExecution", b"{", "SerializationException"),
        ("AmazonAthena.StartQueryExecution", b"[]", "SerializationException"),
        ("AmazonAthena.StartQueryExecution", b"{}", "InvalidRequestException"),
        ("AmazonAthena.DoWhatIMean", b"{}", "UnknownOperationException"),
        ("Firehose_20150804.PutRecord", b"{}", "UnknownOperationException"),
        ("", b"", "UnknownOperationException"),
    ],
)
def test_what_is_no_call_is_refused_in_the_protocols_words(
    hosted: HostedAthena, target: str, body: bytes, code: str
) -> None:
    with urllib3.PoolManager() as pool:
        answer = pool.request("POST", hosted.url, body=body, headers={"X-Amz-Target": target}, retries=False)
    assert (400, "application/x-amz-json-1.1") == (answer.status, answer.headers["Content-Type"])
    assert code == orjson.loads(answer.data)["__type"]


def test_it_answers_on_loopback_only(hosted: HostedAthena) -> None:
    assert hosted.url.startswith("http://127.0.0.1:")
