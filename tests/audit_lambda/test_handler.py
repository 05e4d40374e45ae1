"""The audit's function against S3, SNS and Athena on loopback; only the clock is real, and the lake long past."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from audit_lambda.handler import CANDLES_UNTIL_S, MARGIN_S, NothingAnswered, check_answered, handler
from audit_lambda.inventory import LOOKED_KEY, inventory_key
from audit_lambda.report import decode_report
from audit_lambda.spans import EventRefused
from infra.environment import SettingsRefused
from tests.audit_lambda.hosted import EVENT, KEY, REPORT, HostedAws, host_aws, write_lake
from tests.audit_lambda.samples import NOT_RUN

if TYPE_CHECKING:
    from collections.abc import Iterator


class Context:
    """Lambda's context, with so much time left, for so many looks at it; then only what is kept back."""

    def __init__(self, left_s: float = 900, *, looks: int = 10_000) -> None:
        self._left_s, self._looks = left_s, looks

    def get_remaining_time_in_millis(self) -> int:
        self._looks -= 1
        return int(1000 * (self._left_s if self._looks >= 0 else MARGIN_S))


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostedAws]:
    with host_aws(write_lake(tmp_path_factory.mktemp("lake"))) as account:
        yield account


@pytest.fixture
def aws(account: HostedAws, monkeypatch: pytest.MonkeyPatch) -> Iterator[HostedAws]:
    for name, value in account.environment.items():
        monkeypatch.setenv(name, value)
    yield account
    for key in account.keys():  # noqa: SIM118  # it is no dictionary
        account.s3.delete_object(Bucket="lake", Key=key)
    for notice in account.notices():
        account.sqs.delete_message(QueueUrl=account.queue_url, ReceiptHandle=notice["ReceiptHandle"])


def emf(caplog: pytest.LogCaptureFixture) -> dict[str, Any]:
    (line,) = [json.loads(text) for text in caplog.messages if "_aws" in text]
    return dict(line)


def test_a_lake_is_audited_the_report_kept_and_who_is_to_be_told_is_told(
    aws: HostedAws, caplog: pytest.LogCaptureFixture
) -> None:
    answer = handler(EVENT, Context())
    assert {"verdict": "damaged", "report": f"s3://lake/{REPORT}report.html", "notice": True} == answer
    latest = "reports/coinbase/hourly/latest/"
    places = {f"{folder}report.{form}" for folder in (REPORT, latest) for form in ("html", "json")}
    assert places | {LOOKED_KEY, inventory_key("2025/06/02")} == aws.keys()

    report = decode_report(json.loads(aws.read(f"{REPORT}report.json")["Body"].read()))
    assert [] == [check for check in report.checks if check.state == "not_run"]
    assert {"completeness", "consistency", "integrity"} <= {check.group for check in report.checks}
    missing = [each for check in report.checks for each in check.findings if each.first_id == 20]
    assert (20, 23, 4, "damage") == (
        missing[0].first_id,
        missing[0].last_id,
        missing[0].amount,
        missing[0].severity,
    )
    page = aws.read(f"{REPORT}report.html")
    assert ("aws:kms", KEY) == (page["ServerSideEncryption"], page["SSEKMSKeyId"])
    assert page["Body"].read().lower().startswith(b"<!doctype html>")

    told = emf(caplog)
    assert (1, "ticklake", "hourly") == (told["Audits"], told["Lake"], told["Span"])
    assert told["AuditMissingUnnamed"] >= 4
    (notice,) = aws.notices()
    assert "ticklake ticklake: damaged (hourly audit, worse)" == json.loads(notice["Body"])["Subject"]
    assert f"The report: s3://lake/{REPORT}report.html" in json.loads(notice["Body"])["Message"]


# Each of the following asks all questions again, which takes seconds.


@pytest.mark.slow
def test_the_same_event_again_writes_the_same_objects_and_tells_nobody_what_they_know(aws: HostedAws) -> None:
    first = handler(EVENT, Context())
    keys = aws.keys()
    assert {**first, "notice": False} == handler(EVENT, Context())
    assert keys == aws.keys()
    assert 1 == len(aws.notices())


@pytest.mark.slow
def test_what_there_was_no_time_for_is_not_run(aws: HostedAws) -> None:
    answer = handler({"from": "2025-06-02T02:00", "to": "2025-06-02T05:00"}, Context(looks=5))
    assert answer["notice"] is False, "who asked has the answer"
    (key,) = [key for key in aws.keys() if key.endswith("/report.json")]  # noqa: SIM118  # it is no dictionary
    assert "reports/coinbase/asked/20250602T020000Z-20250602T050000Z/report.json" == key
    report = decode_report(json.loads(aws.read(key)["Body"].read()))
    states = [check.state for check in report.checks if check.group != "integrity"]
    assert "not_run" not in states[:3]
    assert {"not_run"} == set(states[3:])
    assert report.verdict in {"unproven", "damaged"}


@pytest.fixture
def coinbase() -> Iterator[str]:
    """An exchange that has no candles of any product."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b'{"message": "NotFound"}'
            self.send_response(404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.mark.slow
@pytest.mark.parametrize(("left_s", "state"), [(900, "found"), (CANDLES_UNTIL_S, "not_run")])
def test_a_day_is_compared_with_coinbases_candles_if_there_is_time(
    aws: HostedAws, monkeypatch: pytest.MonkeyPatch, coinbase: str, left_s: float, state: str
) -> None:
    monkeypatch.setenv("TICKLAKE_CANDLES_URL", coinbase)
    handler({"span": "daily", "at": "2025-06-03T02:15:00Z"}, Context(left_s))
    told = aws.read("reports/coinbase/daily/2025/06/02/report.json")
    checks = {each.name: each for each in decode_report(json.loads(told["Body"].read())).checks}
    assert (state, True) == (checks["candles"].state, bool(checks["candles"].findings))
    assert "not_run" == checks["readable"].state if state == "not_run" else "passed" == checks["readable"].state


def test_without_any_answer_there_is_no_report_and_lambda_tries_again() -> None:
    with pytest.raises(NothingAnswered, match=r"so there is no report.*because: time was"):
        check_answered([NOT_RUN, NOT_RUN])
    check_answered([NOT_RUN, replace(NOT_RUN, state="passed")])
    check_answered([])


def test_an_event_that_says_no_span_is_refused(aws: HostedAws) -> None:
    with pytest.raises(EventRefused, match="no span 'weekly'"):
        handler({"span": "weekly"}, Context())
    assert set() == aws.keys()


def test_an_environment_that_says_nothing_is_refused(aws: HostedAws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TICKLAKE_WORKGROUP")
    with pytest.raises(SettingsRefused, match="TICKLAKE_WORKGROUP is not set"):
        handler(EVENT, Context())
    assert set() == aws.keys()


def test_what_aws_refuses_is_raised(aws: HostedAws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TICKLAKE_LAKE_BUCKET", "elsewhere")
    with pytest.raises(ClientError, match="NoSuchBucket"):
        handler(EVENT, Context())
    assert set() == aws.keys()
