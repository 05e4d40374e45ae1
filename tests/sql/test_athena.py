"""Athena as an engine: on answers that a fake client gives word for word, and over HTTP against the small Athena at home."""

from __future__ import annotations

import itertools
import json
import threading
from datetime import datetime
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from local.athena.errors import SYSTEM, StatementFailed
from local.athena.hosting import host_athena
from local.lake.answers import LakeEngine
from local.lake.folder import open_lake
from sql.athena import (
    LONGEST_WAIT_S,
    STATEMENT_LIMIT_BYTES,
    Athena,
    Progress,
    QueryEnded,
    Statistics,
    connect_athena,
)
from sql.catalog import plan_base_views
from sql.dialect import ATHENA, parse_select
from sql.engine import EngineFailed
from sql.prices import query_cost
from sql.questions import list_queries, load_query, plan_query
from sql.views import load_views
from tests.local.lake.trades import put, ticker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from local.athena.hosting import HostedAthena

BIGINT = {"Name": "n", "Type": "bigint", "Precision": 19, "Scale": 0}
TEXT = {"Name": "t", "Type": "varchar", "Precision": 2**31 - 1, "Scale": 0}


def cells(*texts: str | None) -> dict[str, Any]:
    return {"Data": [{} if text is None else {"VarCharValue": text} for text in texts]}


class FakeAthena:
    """A client whose statement goes through `states`, one a look, and whose answer is `pages`."""

    def __init__(
        self, *states: str, pages: tuple[list[dict[str, Any]], ...] = (), columns: tuple[dict[str, Any], ...] = ()
    ) -> None:
        self.states = list(states)
        self.pages = pages
        self.columns = columns
        self.reason = ""
        self.starts: list[dict[str, Any]] = []
        self.stopped: list[str] = []
        self.on_start: Callable[[], None] = lambda: None
        self.on_stop: Callable[[], None] = lambda: None

    def start_query_execution(self, **request: Any) -> dict[str, str]:
        self.starts.append(request)
        self.on_start()
        return {"QueryExecutionId": "q1"}

    def get_query_execution(self, *, QueryExecutionId: str) -> dict[str, Any]:  # noqa: N803
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        status = {"State": state, **({"StateChangeReason": self.reason} if self.reason else {})}
        scanned = {"DataScannedInBytes": 12_000_000, "EngineExecutionTimeInMillis": 7} if state != "QUEUED" else {}
        return {"QueryExecution": {"QueryExecutionId": QueryExecutionId, "Status": status, "Statistics": scanned}}

    def stop_query_execution(self, *, QueryExecutionId: str) -> None:  # noqa: N803
        self.on_stop()
        self.stopped.append(QueryExecutionId)

    def get_paginator(self, name: str) -> FakeAthena:
        assert "get_query_results" == name
        return self

    def paginate(self, *, QueryExecutionId: str) -> Iterator[dict[str, Any]]:  # noqa: N803
        assert "q1" == QueryExecutionId
        for rows in self.pages:
            yield {"ResultSet": {"Rows": rows, "ResultSetMetadata": {"ColumnInfo": list(self.columns)}}}


def connected(client: Any, **options: Any) -> Athena:
    ticks = itertools.count()
    chosen = {"sleep": lambda _: None, "clock": lambda: float(next(ticks)), **options}
    return Athena(client, workgroup="w", database="d", **chosen)


SELECT = parse_select("SELECT n, t FROM x")


# ---------------------------------------------------------------------- following


def test_the_header_stands_on_the_first_page_alone_and_a_row_that_looks_like_it_stays() -> None:
    pages = ([cells("t"), cells("a"), cells(None)], [cells("t"), cells("")])
    answer = connected(FakeAthena("SUCCEEDED", columns=(TEXT,), pages=pages)).ask(SELECT)
    assert ([("a",), (None,), ("t",), ("",)], ("t",), ("varchar",)) == (answer.rows, answer.columns, answer.types)
    assert 12_000_000 == answer.scanned_bytes


def test_a_statement_is_followed_to_its_end_and_each_look_is_told() -> None:
    told: list[Progress] = []
    waits: list[float] = []
    client = FakeAthena(*["QUEUED"] * 3, *["RUNNING"] * 9, "SUCCEEDED")
    statistics = connected(client, on_progress=told.append, sleep=waits.append).run("CREATE VIEW v AS SELECT 1")
    assert Statistics("q1", "DML", 12_000_000, 7) == statistics
    assert query_cost(12_000_000) == statistics.cost
    assert ["QUEUED"] * 3 + ["RUNNING"] * 9 + ["SUCCEEDED"] == [each.state for each in told]
    assert sorted(waits) == waits
    assert (0.1, LONGEST_WAIT_S) == (waits[0], waits[-1])
    (start,) = client.starts
    assert ("w", {"Database": "d"}) == (start["WorkGroup"], start["QueryExecutionContext"])
    assert 32 <= len(start["ClientRequestToken"]) <= 128


def test_ddl_is_free() -> None:
    assert 0 == Statistics("q", "DDL", 0, 1).cost


@pytest.mark.parametrize(
    ("reason", "advice"),
    [
        ("Bytes scanned limit was exceeded", "QueryScanLimitBytes"),
        ("TABLE_NOT_FOUND: line 1:15: Table 'ticks' does not exist", "`ticklake deploy` makes the tables and views"),
        ("Access Denied (Service: Amazon S3)", "docs/deploy.md"),
        ("GENERIC_USER_ERROR: no", ""),
    ],
)
def test_a_statement_that_failed_is_told_in_athenas_words_and_with_what_to_do(reason: str, advice: str) -> None:
    client = FakeAthena("RUNNING", "FAILED")
    client.reason = reason
    with pytest.raises(QueryEnded) as failed:
        connected(client).ask(SELECT)
    assert reason in str(failed.value)
    assert "(FAILED, query q1)" in str(failed.value)
    assert advice in failed.value.advice
    assert ([], 12_000_000) == (client.stopped, failed.value.scanned_bytes)


def test_what_interrupts_the_wait_stops_the_statement_and_goes_on() -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    client = FakeAthena("RUNNING")
    with pytest.raises(KeyboardInterrupt) as interrupted:
        connected(client, sleep=interrupt).ask(SELECT)
    assert ["q1"] == client.stopped
    assert ["Query q1 was stopped in Athena, which bills what it had scanned."] == interrupted.value.__notes__


def test_an_interrupted_start_is_asked_again_with_its_token_and_stopped() -> None:
    client = FakeAthena("RUNNING")

    def interrupt() -> None:
        if len(client.starts) == 1:
            raise KeyboardInterrupt

    client.on_start = interrupt
    with pytest.raises(KeyboardInterrupt):
        connected(client).run("SELECT 1")
    assert client.starts[0] == client.starts[1]
    assert ["q1"] == client.stopped


def test_a_statement_that_cannot_be_stopped_is_said_to_run_on() -> None:
    def refuse() -> None:
        raise EndpointConnectionError(endpoint_url="https://athena")

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    client = FakeAthena("RUNNING")
    client.on_stop = refuse
    with pytest.raises(KeyboardInterrupt) as interrupted:
        connected(client, sleep=interrupt).run("SELECT 1")
    assert "may run on: Could not connect" in interrupted.value.__notes__[0]


def test_patience_ends() -> None:
    client = FakeAthena("RUNNING")
    with pytest.raises(EngineFailed, match=r"it took longer than 5 s\. Query q1 was stopped"):
        connected(client, patience_s=5).run("SELECT 1")
    assert ["q1"] == client.stopped


def test_a_long_answer_is_fetched_only_while_there_is_time_and_one_that_is_there_is_answered() -> None:
    class Long(FakeAthena):
        fetched = 0

        def paginate(self, *, QueryExecutionId: str) -> Iterator[dict[str, Any]]:  # noqa: N803
            for page in super().paginate(QueryExecutionId=QueryExecutionId):
                self.fetched += 1
                yield page | ({"NextToken": "more"} if self.fetched < len(self.pages) else {})

    rows = [cells("t"), *([cells("a")] * 3)]
    client = Long("SUCCEEDED", columns=(TEXT,), pages=tuple([row] for row in rows))
    with pytest.raises(EngineFailed, match=r"its answer took longer to fetch than the 4 s it had"):
        connected(client, patience_s=4).ask(SELECT)
    assert 1 < client.fetched < len(rows)
    alone = Long("SUCCEEDED", columns=(TEXT,), pages=(rows,))
    assert [("a",)] * 3 == connected(alone, patience_s=1).ask(SELECT).rows


def test_a_statement_that_is_lost_from_sight_is_stopped() -> None:
    class Unseen(FakeAthena):
        def get_query_execution(self, *, QueryExecutionId: str) -> dict[str, Any]:  # noqa: N803
            raise EndpointConnectionError(endpoint_url=f"https://athena/{QueryExecutionId}")

    client = Unseen("RUNNING")
    with pytest.raises(EngineFailed, match=r"Could not connect .* Query q1 was stopped in Athena"):
        connected(client).run("SELECT 1")
    assert ["q1"] == client.stopped


def test_whoever_is_told_may_end_it() -> None:
    def fall_over(_: Progress) -> None:
        raise ZeroDivisionError

    client = FakeAthena("RUNNING")
    with pytest.raises(ZeroDivisionError):
        connected(client, on_progress=fall_over).run("SELECT 1")
    assert ["q1"] == client.stopped


def test_a_refused_call_is_a_sentence_and_stops_nothing() -> None:
    def refuse() -> None:
        error = {"Code": "TooManyRequestsException", "Message": "Rate exceeded"}
        raise ClientError({"Error": error}, "StartQueryExecution")  # type: ignore[typeddict-item]  # as it comes

    client = FakeAthena("RUNNING")
    client.on_start = refuse
    with pytest.raises(EngineFailed, match=r"TooManyRequestsException: Rate exceeded\. Too many queries run at once"):
        connected(client).run("SELECT 1")
    assert (1, []) == (len(client.starts), client.stopped)


def test_a_statement_that_is_too_long_is_not_sent() -> None:
    client = FakeAthena("RUNNING")
    with pytest.raises(EngineFailed, match="more than 262144 bytes"):
        connected(client).run("x" * (STATEMENT_LIMIT_BYTES + 1))
    assert [] == client.starts


# ---------------------------------------------------------------------- over HTTP


def line_of(n: int, kind: str, product_id: str | None = None, **detail: Any) -> dict[str, Any]:
    common = {key: value for key, value in ticker(n).items() if key in {"receive_time_us", "source", "session", "n"}}
    return {**common, "kind": kind, "product_id": product_id, "detail": json.dumps(detail)}


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("athena") / "lake"
    rows = [
        ticker(n, n * 7, product_id=product, price=f"{100 + n % 7}.{n:03}", best_bid="99.5", best_ask="107.25")
        for product in ("BTC-USD", "ETH-USD", "€-USD")
        for n in range(1, 400)
    ]
    put(root, "a", rows)
    put(root, "b", [ticker(n, n * 7, volume_24h="5") for n in range(1, 30)])
    put(root, "c", [line_of(1, "session", event="opened", products=[])], kind="session")
    put(
        root,
        "d",
        [line_of(2, "gap", product_id="BTC-USD", reason="sequence_jump", status="open", missing=2)],
        kind="gap",
    )
    minute = {
        "minute": "2026-11-23T02:01:00.000000Z",
        "ticks": 8,
        "first_trade_id": 9,
        "last_trade_id": 17,
        "whole": True,
    }
    put(root, "e", [line_of(3, "coverage", product_id="BTC-USD", **minute)], kind="coverage")
    put(root, "f", [line_of(4, "refused", reason="price_not_positive", line="{}")], kind="mixed")
    return root


@pytest.fixture(scope="module")
def hosted(lake: Path) -> Iterator[HostedAthena]:
    with host_athena(lake, workgroup="w", database="d") as hosted:
        engine = real(hosted)
        for statement in plan_base_views():
            engine.run(statement)
        for view in load_views().values():
            engine.run(f"CREATE OR REPLACE VIEW {view.name} AS {view.select.sql(ATHENA)}")
        yield hosted


def real(hosted: HostedAthena, **options: Any) -> Athena:
    """Through boto3, over the wire; looks follow each other as fast as answers come."""
    quick = {"sleep": lambda _: threading.Event().wait(0.005), **options}
    return Athena(hosted.client(), workgroup="w", database="d", **quick)


def in_milliseconds(cell: Any) -> Any:
    return cell.replace(microsecond=cell.microsecond // 1000 * 1000) if isinstance(cell, datetime) else cell


# What Athena is asked there is what the last audit listed, and no audit has listed anything here.
OF_THE_INVENTORY = {"cost_of_day", "object_sizes"}


QUICK = {"vwap", "holes", "refusals", "latency"}


@pytest.mark.parametrize(
    "name",
    [
        name if name in QUICK else pytest.param(name, marks=pytest.mark.slow)
        for name in sorted({*list_queries()} - OF_THE_INVENTORY)
    ],
)
def test_a_question_has_the_answer_that_it_has_at_home(hosted: HostedAthena, lake: Path, name: str) -> None:
    planned = plan_query(load_query(name), {})
    there = real(hosted).ask(planned)
    with open_lake(lake) as opened:
        here = LakeEngine(opened).ask(planned)
    assert (here.columns, [tuple(map(in_milliseconds, row)) for row in here.rows]) == (there.columns, there.rows)
    assert here.types == there.types
    assert (there.scanned_bytes or 0) > 0 or not here.rows


def test_a_thousand_rows_and_more_come_page_by_page(hosted: HostedAthena) -> None:
    rows = real(hosted).ask(parse_select("SELECT product_id, trade_id FROM ticks ORDER BY 1, 2")).rows
    expected = [(product, n) for product in ("BTC-USD", "ETH-USD", "€-USD") for n in range(1, 400)]
    assert expected == rows


def test_null_is_not_empty_text(hosted: HostedAthena) -> None:
    select = "SELECT '' AS empty, CAST(NULL AS VARCHAR) AS nothing, CAST(NULL AS BIGINT) AS none, 'null' AS word"
    assert [("", None, None, "null")] == real(hosted).ask(parse_select(select)).rows


def test_a_running_statement_is_stopped_there(lake: Path) -> None:
    runs, goes_on = threading.Event(), threading.Event()

    def hold(_: str) -> None:
        runs.set()
        goes_on.wait(30)

    def interrupt(_: float) -> None:
        if runs.is_set():
            raise KeyboardInterrupt

    with host_athena(lake, workgroup="w", database="d", before=hold) as hosted:
        states: list[Progress] = []
        with pytest.raises(KeyboardInterrupt):
            real(hosted, sleep=interrupt, on_progress=states.append).ask(parse_select("SELECT 1 AS x"))
        execution = hosted.client().get_query_execution(QueryExecutionId=states[0].query_id)["QueryExecution"]
        goes_on.set()
    assert "CANCELLED" == execution["Status"]["State"]


def test_failures_come_with_their_reason(hosted: HostedAthena, lake: Path) -> None:
    with pytest.raises(QueryEnded, match=r"TABLE_NOT_FOUND: Table 'awsdatacatalog.d.nowhere' does not exist"):
        real(hosted).ask(parse_select("SELECT * FROM nowhere"))
    with pytest.raises(EngineFailed, match="InvalidRequestException"):
        real(hosted).run("SELEC 1")
    with pytest.raises(EngineFailed, match=r"WorkGroup other is not found. `ticklake status`"):
        Athena(hosted.client(), workgroup="other", database="d").run("SELECT 1")

    def fail(_: str) -> None:
        raise StatementFailed("INTERNAL_ERROR_QUERY_ENGINE", category=SYSTEM, retryable=True)

    with host_athena(lake, workgroup="w", database="d", before=fail) as broken:
        with pytest.raises(QueryEnded, match="the same again may succeed") as failed:
            real(broken).run("SELECT 1")
        assert failed.value.retryable


def test_the_endpoint_is_what_awss_own_settings_say(hosted: HostedAthena, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_ATHENA", hosted.url)
    session = boto3.Session("a", "b", region_name="us-east-1")
    assert [(1,)] == connect_athena(session, workgroup="w", database="d").ask(parse_select("SELECT 1 AS x")).rows


def test_without_credentials_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    engine = connect_athena(boto3.Session(region_name="us-east-1"), workgroup="w", database="d")
    with pytest.raises(EngineFailed, match=r"Unable to locate credentials. Give this process AWS credentials"):
        engine.run("SELECT 1")
