from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from infra import PIPELINE_TEMPLATE
from local.firehose.faults import Faults, parse_fault
from local.firehose.invoker import InProcessInvoker
from local.firehose.server import FirehoseServer
from local.firehose.store import MemoryStore
from local.firehose.template import read_template
from local.hosting import HostedLoop
from producer.errors import (
    AnswerMismatch,
    DeliveryAmbiguous,
    DeliveryRefused,
    DeliveryThrottled,
    DeliveryUnprepared,
    DeliveryUnreachable,
)
from producer.firehose import Firehose, LateFirehose, body_bytes, connect_firehose, encode_body
from producer.line import LineEncoder
from producer.packing import MAX_BATCH_BODY_BYTES, MAX_BATCH_PACKS, Pack, plan_batch
from producer.settlement import PutAnswer, settle

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

SESSION = "01JDB3M7Q8RSTVWXYZ01234567"
KEY, SECRET, REGION = "AKIDEXAMPLE", "a/secret+key", "eu-west-1"
JSON = "application/x-amz-json-1.1"


def pack_of(*lines: bytes) -> Pack:
    return Pack(SESSION, 0, len(lines) - 1, len(lines), b"".join(line + b"\n" for line in lines))


def tick(n: int) -> bytes:
    message = (
        b'{"type":"ticker","sequence":1,"product_id":"BTC-USD","price":"1","open_24h":"1","volume_24h":"1","low_24h":"1",'
        b'"high_24h":"1","volume_30d":"1","best_bid":"1","best_bid_size":"1","best_ask":"1","best_ask_size":"1",'
        b'"side":"buy","time":"2026-11-23T12:00:00.000000Z","trade_id":%d,"last_size":"1"}' % (n + 1)
    )
    return LineEncoder(SESSION).encode(
        n=n, kind="ticker", source="simulated", receive_us=1_795_435_200_000_000, message=message
    )


@contextmanager
def firehose_at(url: str, *, stream: str = "ticklake", read_timeout_s: float = 20.0) -> Iterator[Firehose]:
    client = connect_firehose(
        endpoint_url=url, region=REGION, access_key_id=KEY, secret_access_key=SECRET, read_timeout_s=read_timeout_s
    )
    try:
        yield Firehose(client, stream)
    finally:
        client.close()


# ------------------------------------------------------------------ against the local engine


@contextmanager
def engine(*faults: str) -> Iterator[tuple[FirehoseServer, MemoryStore, str]]:
    standins = {
        "LakeBucketName": "lake",
        "LakeKeyArn": "arn:aws:kms:x",
        "CodeBucketName": "code",
        "TransformCodeKey": "t",
    }
    stream = read_template(PIPELINE_TEMPLATE, standins=standins).streams[0]
    store = MemoryStore()
    with HostedLoop("firehose") as loop:
        server = FirehoseServer(
            streams=[stream],
            store=store,
            invoker=InProcessInvoker(),
            faults=Faults([parse_fault(each) for each in faults]),
        )
        url = loop.call(server.start())
        try:
            yield server, store, url
        finally:
            loop.call(server.stop(flush=True))


def test_packs_arrive_byte_for_byte_and_are_answered_by_index() -> None:
    packs = [pack_of(tick(0), tick(1)), pack_of(tick(2))]
    with engine() as (server, store, url):
        with firehose_at(url) as firehose:
            answers = firehose.put(packs)
        snapshot = server.snapshot("ticklake")

    assert [True, True] == [bool(answer.record_id) and answer.error_code is None for answer in answers]
    assert (2, 3) == (snapshot.records_accepted, snapshot.lines_accepted)
    raw = [body for key, body in store.objects.items() if key.startswith("raw/")]
    assert 1 == len(raw)


def test_refused_records_are_told_apart_by_index() -> None:
    with engine("refuse=#1") as (_, _store, url), firehose_at(url) as firehose:
        answers = firehose.put([pack_of(tick(n)) for n in range(3)])

    assert [None, "InternalFailure", None] == [answer.error_code for answer in answers]


def test_throttled_records_say_slow_down() -> None:
    with engine("throttle") as (_, _store, url), firehose_at(url) as firehose:
        (answer,) = firehose.put([pack_of(tick(0))])

    assert PutAnswer(None, "ServiceUnavailableException", "Slow down.") == answer


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("busyx1", DeliveryThrottled),
        ("failx1", DeliveryAmbiguous),
        ("resetx1", DeliveryAmbiguous),
        ("lost-answer=1:2x1", DeliveryAmbiguous),
    ],
)
def test_a_call_is_made_once_and_its_failure_is_said(fault: str, expected: type[Exception]) -> None:
    with engine(fault) as (server, _, url), firehose_at(url, read_timeout_s=0.5) as firehose:
        with pytest.raises(expected):
            firehose.put([pack_of(tick(0))])
        taken = server.snapshot("ticklake").records_accepted
        assert (1 if fault.startswith("lost") else 0) == taken  # no retry behind our back
        assert [True] == [bool(answer.record_id) for answer in firehose.put([pack_of(tick(0))])]


def test_a_missing_stream_is_named_with_what_to_check() -> None:
    with (
        engine() as (_, _store, url),
        firehose_at(url, stream="other") as firehose,
        pytest.raises(DeliveryRefused, match=r"Firehose other under account .* not found\..*Check the stream's name"),
    ):
        firehose.put([pack_of(tick(0))])


def test_the_largest_batch_that_is_planned_is_taken() -> None:
    packs = [Pack(SESSION, n, n, 1, b"x" * 6_500 + b"\n") for n in range(600)]
    batch = packs[: plan_batch(packs)]
    assert (
        MAX_BATCH_BODY_BYTES - 12_000
        < len(encode_body("s" * 64, batch, bytearray(MAX_BATCH_BODY_BYTES)))
        <= MAX_BATCH_BODY_BYTES
    )
    with engine() as (server, _, url):
        with firehose_at(url) as firehose:
            assert all(answer.record_id for answer in firehose.put(batch))
            assert all(answer.record_id for answer in firehose.put([pack_of(tick(n)) for n in range(MAX_BATCH_PACKS)]))
        assert len(batch) + MAX_BATCH_PACKS == server.snapshot("ticklake").records_accepted


# ------------------------------------------------------------------ against a server that says anything


@dataclass
class Seen:
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)


@contextmanager
def server(answer: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> Iterator[tuple[str, Seen]]:
    seen = Seen()

    async def handle(request: web.Request) -> web.StreamResponse:
        seen.headers.append({name.lower(): value for name, value in request.headers.items()})
        seen.bodies.append(await request.read())
        return await answer(request)

    async def start() -> tuple[web.AppRunner, str]:
        app = web.Application(client_max_size=2**25)
        app.router.add_post("/", handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"

    with HostedLoop("server") as loop:
        runner, url = loop.call(start())
        try:
            yield url, seen
        finally:
            loop.call(runner.cleanup())


def says(status: int, body: object, content_type: str = JSON) -> Callable[[web.Request], Awaitable[web.Response]]:
    content = body if isinstance(body, bytes) else orjson.dumps(body)

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=status, body=content, content_type=content_type)

    return answer


OK = {"FailedPutCount": 0, "RequestResponses": [{"RecordId": "r"}]}


def signature_of(headers: dict[str, str], body: bytes) -> str:
    """Signature Version 4 of a request to `/`, computed from the documentation and not by the library."""
    _, _, rest = headers["authorization"].partition(" ")
    parts = dict(part.split("=", 1) for part in rest.split(", "))
    names = parts["SignedHeaders"].split(";")
    canonical = "\n".join(
        [
            *("POST", "/", ""),
            *(f"{name}:{headers[name].strip()}" for name in names),
            *("", parts["SignedHeaders"], hashlib.sha256(body).hexdigest()),
        ]
    )
    scope = parts["Credential"].split("/", 1)[1]
    text = "\n".join(["AWS4-HMAC-SHA256", headers["x-amz-date"], scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{SECRET}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def test_what_is_signed_is_what_is_sent_and_both_are_the_packs() -> None:
    packs = [pack_of(tick(0), tick(1)), pack_of(tick(2))]
    with server(says(200, OK)) as (url, seen), firehose_at(url) as firehose:
        firehose.put(packs)
    (headers,), (body,) = seen.headers, seen.bodies
    request = json.loads(body)

    assert signature_of(headers, body) == headers["authorization"].rpartition("Signature=")[2]
    assert str(len(body)) == headers["content-length"]
    assert "Firehose_20150804.PutRecordBatch" == headers["x-amz-target"]
    assert f"/{REGION}/firehose/aws4_request" in headers["authorization"]
    assert "ticklake" == request["DeliveryStreamName"]
    assert [pack.content for pack in packs] == [base64.b64decode(each["Data"]) for each in request["Records"]]


def test_one_call_after_another_carries_its_own_packs() -> None:
    with server(says(200, OK)) as (url, seen), firehose_at(url) as firehose:
        for n in range(3):
            firehose.put([pack_of(tick(n))])

    assert [tick(n) + b"\n" for n in range(3)] == [
        base64.b64decode(json.loads(body)["Records"][0]["Data"]) for body in seen.bodies
    ]


@given(st.lists(st.binary(min_size=1, max_size=200), min_size=1, max_size=20))
def test_the_body_is_json_and_says_the_packs(contents: list[bytes]) -> None:
    packs = [Pack(SESSION, n, n, 1, content) for n, content in enumerate(contents)]
    body = encode_body("a.b-c_D", packs, bytearray(body_bytes(packs)))
    tree = json.loads(bytes(body))

    assert ["DeliveryStreamName", "Records"] == list(tree)
    assert contents == [base64.b64decode(record["Data"], validate=True) for record in tree["Records"]]
    assert len(body) <= 256 + sum(pack.base64_bytes + 16 for pack in packs)  # what plan_batch reckons with


@pytest.mark.parametrize(
    ("entry", "accepted"),
    [
        (None, False),
        ({}, False),
        ({"RecordId": 7}, False),
        ({"RecordId": "r", "ErrorCode": 7}, False),
        ({"RecordId": "r", "ErrorCode": None, "ErrorMessage": None}, True),
        ({"RecordId": "r", "ErrorCode": ""}, True),
    ],
)
def test_an_entry_that_says_nothing_accepts_nothing(entry: object, *, accepted: bool) -> None:
    with (
        server(says(200, {"FailedPutCount": 0, "RequestResponses": [entry]}, JSON)) as (url, _),
        firehose_at(url) as firehose,
    ):
        pack = pack_of(tick(0))
        settlement = settle([pack], firehose.put([pack]))
    assert ((pack,), ()) == (
        (settlement.delivered, settlement.again) if accepted else (settlement.again, settlement.delivered)
    )


@pytest.mark.parametrize(
    ("status", "body", "content_type", "expected"),
    [
        (200, {}, JSON, AnswerMismatch),
        (200, {"RequestResponses": "no"}, JSON, DeliveryAmbiguous),
        (200, {"RequestResponses": [3]}, JSON, DeliveryAmbiguous),
        (200, {"RequestResponses": None}, JSON, AnswerMismatch),
        (200, [], JSON, DeliveryAmbiguous),
        (200, b"<html>log in</html>", "text/html", AnswerMismatch),
        (200, b"", JSON, AnswerMismatch),
        (500, {"__type": "InternalFailure"}, JSON, DeliveryAmbiguous),
        (502, b"<html>bad gateway</html>", "text/html", DeliveryAmbiguous),
        (503, {"__type": "ServiceUnavailableException", "message": "busy"}, JSON, DeliveryThrottled),
        (503, b"", "text/plain", DeliveryAmbiguous),
        (400, {"__type": "ThrottlingException"}, JSON, DeliveryThrottled),
        (400, {"__type": "com.amazonaws#ResourceNotFoundException", "message": "gone"}, JSON, DeliveryRefused),
        (400, {"__type": "ExpiredTokenException", "message": "old"}, JSON, DeliveryRefused),
        (400, {"__type": "UnrecognizedClientException", "message": "who"}, JSON, DeliveryRefused),
        (400, {"__type": "InvalidKMSResourceException", "code": "Disabled", "message": "key"}, JSON, DeliveryRefused),
        (403, {"__type": "AccessDeniedException", "Message": "no"}, JSON, DeliveryRefused),
        (413, b"too large", "text/plain", DeliveryRefused),
        (301, b"", "text/plain", DeliveryRefused),
    ],
)
def test_whatever_comes_back_is_one_of_our_errors(
    status: int, body: object, content_type: str, expected: type[Exception]
) -> None:
    with server(says(status, body, content_type)) as (url, seen), firehose_at(url) as firehose:
        with pytest.raises(expected) as raised:
            firehose.put([pack_of(tick(0))])
        assert expected is type(raised.value)
    assert 1 == len(seen.bodies)


@pytest.mark.parametrize(
    ("body", "advice"),
    [
        ({"__type": "ExpiredTokenException", "message": "old"}, "renew them"),
        ({"__type": "InvalidKMSResourceException", "message": "disabled"}, "kms:GenerateDataKey"),
        ({"__type": "AccessDeniedException", "message": "no"}, "firehose:PutRecordBatch"),
        ({"__type": "InvalidSignatureException", "message": "no"}, "the machine's clock"),
    ],
)
def test_what_a_person_has_to_change_is_said(body: dict[str, str], advice: str) -> None:
    with (
        server(says(400, body)) as (url, _),
        firehose_at(url) as firehose,
        pytest.raises(DeliveryRefused, match=advice),
    ):
        firehose.put([pack_of(tick(0))])


def test_no_secret_stands_in_an_error() -> None:
    with server(says(403, {"__type": "SignatureDoesNotMatch", "message": "no"})) as (url, _), firehose_at(url) as fh:
        with pytest.raises(DeliveryRefused) as raised:
            fh.put([pack_of(tick(0))])
        assert SECRET not in str(raised.value)
        assert SECRET not in repr(raised.value)


def test_silence_is_ambiguous() -> None:
    async def answer(_request: web.Request) -> web.Response:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    with (
        server(answer) as (url, _),
        firehose_at(url, read_timeout_s=0.3) as firehose,
        pytest.raises(DeliveryAmbiguous, match="ReadTimeoutError"),
    ):
        firehose.put([pack_of(tick(0))])


def test_a_reset_and_a_cut_answer_are_ambiguous() -> None:
    async def reset(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        raise web.HTTPInternalServerError

    async def cut(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "500", "Content-Type": JSON})
        await response.prepare(request)
        await response.write(b'{"RequestResponses":[')
        assert request.transport is not None
        request.transport.close()
        return response

    for answer in (reset, cut):
        with (
            server(answer) as (url, _),
            firehose_at(url) as firehose,
            pytest.raises((DeliveryAmbiguous, AnswerMismatch)),  # a half answer says nothing of any index
        ):
            firehose.put([pack_of(tick(0))])


def test_a_closed_port_is_unreachable_and_not_ambiguous() -> None:
    with server(says(200, OK)) as (url, _):
        pass
    with firehose_at(url) as firehose, pytest.raises(DeliveryUnreachable, match="Nothing was sent"):
        firehose.put([pack_of(tick(0))])


# ------------------------------------------------------------------ AWS's own settings


@pytest.fixture
def bare_aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """A machine on which nothing of AWS is set up."""
    for name in (
        "AWS_PROFILE",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_FIREHOSE",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return monkeypatch


def test_a_missing_region_is_said_at_start(bare_aws: pytest.MonkeyPatch) -> None:  # noqa: ARG001 - it clears the environment
    with pytest.raises(DeliveryUnprepared, match="AWS_REGION"):
        connect_firehose()


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_either_variable_says_the_region(bare_aws: pytest.MonkeyPatch, name: str) -> None:
    bare_aws.setenv(name, "eu-central-1")
    client = connect_firehose(access_key_id=KEY, secret_access_key=SECRET)
    assert "eu-central-1" == client.meta.region_name
    client.close()


def test_a_profile_that_is_nowhere_is_said_at_start(bare_aws: pytest.MonkeyPatch) -> None:
    bare_aws.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(DeliveryUnprepared, match=r"nobody.*AWS_PROFILE"):
        connect_firehose(region=REGION)


def test_an_endpoint_that_is_no_url_is_said_at_start(bare_aws: pytest.MonkeyPatch) -> None:
    bare_aws.setenv("AWS_ENDPOINT_URL_FIREHOSE", "localhost:4566")
    with pytest.raises(DeliveryUnprepared, match="AWS_ENDPOINT_URL_FIREHOSE"):
        connect_firehose(region=REGION)


def test_missing_credentials_are_said_when_a_call_is_made(bare_aws: pytest.MonkeyPatch) -> None:
    with server(says(200, OK)) as (url, seen):
        bare_aws.setenv("AWS_ENDPOINT_URL_FIREHOSE", url)
        client = connect_firehose(region=REGION)
        with pytest.raises(DeliveryUnprepared, match="a role, a profile or keys"):
            Firehose(client, "ticklake").put([pack_of(tick(0))])
        client.close()
    assert [] == seen.bodies


def test_credentials_that_fail_at_start_are_asked_for_again_at_every_call(
    bare_aws: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "config").write_text("[profile p]\ncredential_process = false\n")
    bare_aws.setenv("AWS_PROFILE", "p")
    with server(says(200, OK)) as (url, seen):
        clients: list[Any] = []

        def connect() -> Any:
            clients.append(connect_firehose(region=REGION, endpoint_url=url))
            return clients[-1]

        firehose = LateFirehose(connect, "ticklake")  # no error: the journal is to be filled meanwhile
        with pytest.raises(DeliveryUnprepared, match="a role, a profile or keys"):
            firehose.put([pack_of(tick(0))])
        assert [] == seen.bodies
        keys = json.dumps({"Version": 1, "AccessKeyId": KEY, "SecretAccessKey": SECRET})
        (tmp_path / "keys").write_text(keys)
        (tmp_path / "config").write_text(f"[profile p]\ncredential_process = cat {tmp_path}/keys\n")
        assert [PutAnswer("r")] == firehose.put([pack_of(tick(0))])
        for each in clients:
            each.close()


def test_the_standard_endpoint_variable_is_heeded(bare_aws: pytest.MonkeyPatch) -> None:
    with server(says(200, OK)) as (url, seen):
        bare_aws.setenv("AWS_ENDPOINT_URL_FIREHOSE", url)
        client = connect_firehose(region=REGION, access_key_id=KEY, secret_access_key=SECRET)
        Firehose(client, "ticklake").put([pack_of(tick(0))])
        client.close()
    assert 1 == len(seen.bodies)
