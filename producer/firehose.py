"""
One PutRecordBatch call: packs in, one answer per pack out, or an error that says whose turn it is.

boto3 keeps its credentials, endpoints, signing and TLS; only its serialiser is passed by, because it costs three times the rest
of the call: the client is asked to send one empty record, and botocore's documented `before-call` event puts the real
body in its place before it is signed. Retries are off: a retried call would hide a possible duplicate from the ledger.

Laws: the only `import boto3`; one call, no decisions, nothing kept between calls but the connection.
Refuses to know: the journal, pacing, and what happens to a refused pack.
Source: botocore's developer reference, Events (`before-call.<service>.<operation>`); PutRecordBatch, API reference.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

import boto3
import botocore.exceptions
from botocore.config import Config
from botocore.parsers import ResponseParserError
from pybase64 import b64encode

from producer.errors import AnswerMismatch, DeliveryFailed, DeliveryUnprepared
from producer.packing import BODY_HEAD_BYTES, MAX_BATCH_BODY_BYTES, PACK_HEAD_BYTES
from producer.settlement import ADVICE, PutAnswer, classify_call_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mypy_boto3_firehose.client import FirehoseClient

    from producer.packing import Pack

CONNECT_TIMEOUT_S: Final = 5.0
# AWS advises generous client time-outs: a call given up on may have been stored, and then makes a duplicate.
READ_TIMEOUT_S: Final = 60.0
_NO_CREDENTIALS_CODE: Final = "NoCredentials"
# Raised before anything is sent: there are no credentials, or those there were cannot be renewed.
_NO_CREDENTIALS: Final = (
    botocore.exceptions.NoCredentialsError,
    botocore.exceptions.PartialCredentialsError,
    botocore.exceptions.CredentialRetrievalError,
    botocore.exceptions.TokenRetrievalError,
    botocore.exceptions.SSOError,
)


def connect_firehose(
    *,
    endpoint_url: str | None = None,
    region: str | None = None,
    access_key_id: str | None = None,
    secret_access_key: str | None = None,
    read_timeout_s: float = READ_TIMEOUT_S,
) -> FirehoseClient:
    """
    A boto3 Firehose client; everything left out comes from AWS's standard variables, files and roles.

    Raises: DeliveryUnprepared if no region is set, the endpoint is no URL, the profile asked for does not exist, or credentials
    cannot be had now.
    """
    try:
        session = boto3.Session(
            aws_access_key_id=access_key_id,
            aws_secret_access_key=secret_access_key,
            # AWS's other SDKs and its containers say AWS_REGION; boto3 alone reads only AWS_DEFAULT_REGION.
            region_name=region or os.environ.get("AWS_REGION") or None,
        )
        return session.client(
            "firehose",
            endpoint_url=endpoint_url,
            config=Config(
                connect_timeout=CONNECT_TIMEOUT_S,
                read_timeout=read_timeout_s,
                retries={"total_max_attempts": 1, "mode": "standard"},
                max_pool_connections=1,
            ),
        )
    except botocore.exceptions.NoRegionError as wrong:
        raise _unprepared("NoRegion", wrong) from wrong
    except _NO_CREDENTIALS as wrong:
        raise _unprepared(_NO_CREDENTIALS_CODE, wrong) from wrong
    except botocore.exceptions.BotoCoreError as wrong:
        raise _unprepared(type(wrong).__name__, wrong) from wrong
    except ValueError as wrong:  # how botocore refuses an endpoint that is no URL
        raise _unprepared("BadEndpoint", wrong) from wrong


def _unprepared(code: str, wrong: Exception) -> DeliveryUnprepared:
    return DeliveryUnprepared(code=code, message=str(wrong), advice=ADVICE.get(code, ""))


def body_bytes(packs: Sequence[Pack]) -> int:
    """How long the body of a call is at most."""
    return BODY_HEAD_BYTES + sum(pack.base64_bytes + PACK_HEAD_BYTES for pack in packs)


def encode_body(stream: str, packs: Sequence[Pack], into: bytearray) -> memoryview:
    """
    The JSON body of a PutRecordBatch call, written over what `into` held.

    Caller must: give it `body_bytes(packs)` of room, and be done with the body of the call before.
    """
    body, at = memoryview(into), 0
    for part in _parts(stream, packs):
        body[at : at + len(part)] = part
        at += len(part)
    return body[:at]


def _parts(stream: str, packs: Sequence[Pack]) -> Iterator[bytes]:
    yield b'{"DeliveryStreamName":"%b","Records":[' % stream.encode()
    for at, pack in enumerate(packs):
        yield b',{"Data":"' if at else b'{"Data":"'
        yield b64encode(pack.content)
        yield b'"}'
    yield b"]}"


class Firehose:
    """Puts packs into one delivery stream; for one thread at a time."""

    def __init__(self, client: FirehoseClient, stream: str) -> None:
        self._client = client
        self._stream = stream  # settings.py has checked its form: it needs no escaping in JSON
        # Kept from call to call: where a body of megabytes is made anew for each, page faults cost more than the rest of the call.
        self._buffer = bytearray(MAX_BATCH_BODY_BYTES)
        self._body = memoryview(b"")
        client.meta.events.register("before-call.firehose.PutRecordBatch", self._swap_body)

    def _swap_body(self, params: dict[str, Any], **_: object) -> None:
        params["body"] = self._body

    def put(self, packs: Sequence[Pack]) -> list[PutAnswer]:
        """
        One call; blocks until it is answered.

        Shapes: one answer per pack, in order, if the service keeps its promise (settle checks).
        Raises: DeliveryThrottled, DeliveryUnreachable, DeliveryAmbiguous or DeliveryRefused for the call as a whole;
        AnswerMismatch if the answer is none.
        """
        if len(self._buffer) < body_bytes(packs):  # a new one: what an error still points at cannot be resized
            self._buffer = bytearray(body_bytes(packs))
        self._body = encode_body(self._stream, packs, self._buffer)
        try:
            answer = self._client.put_record_batch(DeliveryStreamName=self._stream, Records=[{"Data": b""}])
        except botocore.exceptions.ClientError as wrong:
            raise _from_client_error(wrong) from wrong
        except _NO_CREDENTIALS as wrong:
            raise _unprepared(_NO_CREDENTIALS_CODE, wrong) from wrong
        except (botocore.exceptions.BotoCoreError, ResponseParserError) as wrong:
            raise classify_call_error(type(wrong).__name__, str(wrong), None) from wrong
        except (AttributeError, KeyError, TypeError, ValueError) as wrong:
            # Our arguments are constant, so this is botocore's parser meeting an answer of another shape: it trusts the service.
            raise classify_call_error("UnreadableAnswer", f"{type(wrong).__name__}: {wrong}", None) from wrong
        finally:
            self._body = memoryview(b"")
        # Something between us and Firehose may answer 200 with anything (a captive portal does).
        entries = answer.get("RequestResponses")
        if not isinstance(entries, list):
            raise AnswerMismatch(sent=len(packs), answered=0)
        return [_answer_of(entry) for entry in entries]


def _answer_of(entry: object) -> PutAnswer:
    """What an entry says; one that is none, or whose record id is no text, accepts nothing."""
    told = entry if isinstance(entry, dict) else {}
    record_id, code, message = (told.get(key) for key in ("RecordId", "ErrorCode", "ErrorMessage"))
    return PutAnswer(record_id if isinstance(record_id, str) else None, str(code) if code else None, str(message or ""))


class LateFirehose:
    """
    A Firehose that is connected now or, while credentials cannot be had, at a later put.

    So a producer that starts beside expired credentials journals what it receives until they are renewed.
    Raises: DeliveryUnprepared for everything else that keeps `connect` from making a client.
    """

    def __init__(self, connect: Callable[[], FirehoseClient], stream: str) -> None:
        self._connect = connect
        self._stream = stream
        self._firehose: Firehose | None = None
        try:
            self._connected()
        except DeliveryUnprepared as unprepared:
            if unprepared.code != _NO_CREDENTIALS_CODE:
                raise

    def put(self, packs: Sequence[Pack]) -> list[PutAnswer]:
        """As Firehose.put. Raises: also DeliveryUnprepared."""
        return self._connected().put(packs)

    def _connected(self) -> Firehose:
        if self._firehose is None:
            self._firehose = Firehose(self._connect(), self._stream)
        return self._firehose


def _from_client_error(wrong: botocore.exceptions.ClientError) -> DeliveryFailed:
    error = wrong.response.get("Error", {})
    status = wrong.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return classify_call_error(error.get("Code", "Unknown"), error.get("Message", ""), status)
