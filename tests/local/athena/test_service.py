"""The calls, by boto3 over HTTP, where the client of our own does not go."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from local.athena.hosting import HostedAthena, host_athena
from tests.local.lake.trades import put, ticker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("service") / "lake"
    put(root, "a", [ticker(n) for n in range(1, 8)])
    return root


@pytest.fixture(scope="module")
def hosted(lake: Path) -> Iterator[HostedAthena]:
    with host_athena(lake) as hosted:
        yield hosted


def start(client: Any, text: str, **more: Any) -> str:
    return str(client.start_query_execution(QueryString=text, **more)["QueryExecutionId"])


def look(client: Any, query_id: str) -> dict[str, Any]:
    found: dict[str, Any] = client.get_query_execution(QueryExecutionId=query_id)["QueryExecution"]
    return found


def end(client: Any, query_id: str) -> dict[str, Any]:
    while (found := look(client, query_id))["Status"]["State"] in {"QUEUED", "RUNNING"}:
        threading.Event().wait(0.005)
    return found


def texts(page: dict[str, Any]) -> list[str]:
    return [row["Data"][0]["VarCharValue"] for row in page["ResultSet"]["Rows"]]


def refusal(call: Any, **request: Any) -> tuple[str, str, str]:
    with pytest.raises(ClientError) as refused:
        call(**request)
    response: Any = refused.value.response
    return response["Error"]["Code"], response["Error"]["Message"], response.get("AthenaErrorCode", "")


def test_pages_have_so_many_rows_and_the_header_is_one_of_the_first(hosted: HostedAthena) -> None:
    client = hosted.client()
    query_id = start(client, "SELECT trade_id FROM delivered ORDER BY 1")
    assert ("SUCCEEDED", "DML", "SELECT") == (
        (ended := end(client, query_id))["Status"]["State"],
        ended["StatementType"],
        ended["SubstatementType"],
    )
    pages = list(
        client.get_paginator("get_query_results").paginate(QueryExecutionId=query_id, PaginationConfig={"PageSize": 3})
    )
    assert [["trade_id", "1", "2"], ["3", "4", "5"], ["6", "7"]] == [texts(page) for page in pages]
    one = client.get_query_results(QueryExecutionId=query_id, MaxResults=1)
    assert ["trade_id"] == texts(one)
    two = client.get_query_results(QueryExecutionId=query_id, MaxResults=1, NextToken=one["NextToken"])
    assert ["1"] == texts(two)


def test_wrong_calls_are_refused_as_botocore_expects(hosted: HostedAthena) -> None:
    client = hosted.client()
    query_id = start(client, "SELECT 1 AS x")
    end(client, query_id)
    failed = start(client, "SELECT nothing FROM delivered")
    end(client, failed)
    code = "InvalidRequestException"
    assert (code, "QueryExecution x was not found", "INVALID_INPUT") == refusal(
        client.get_query_execution, QueryExecutionId="x"
    )
    assert "MaxResults is more than" in refusal(client.get_query_results, QueryExecutionId=query_id, MaxResults=1001)[1]
    assert "Invalid next token" == refusal(client.get_query_results, QueryExecutionId=query_id, NextToken="x")[1]
    assert "Final query state: FAILED" in refusal(client.get_query_results, QueryExecutionId=failed)[1]
    assert "MALFORMED_QUERY" == refusal(client.start_query_execution, QueryString="SELEC")[2]
    assert (
        "WorkGroup w is not found." == refusal(client.start_query_execution, QueryString="SELECT 1", WorkGroup="w")[1]
    )
    assert "longer than 262144" in refusal(client.start_query_execution, QueryString="SELECT 1" + " " * 262_144)[1]
    assert (
        "NOT_SUPPORTED" == refusal(client.start_query_execution, QueryString="SELECT ?", ExecutionParameters=["1"])[2]
    )
    assert "UnknownOperationException" == refusal(client.list_databases, CatalogName="c")[0]
    token = "t" * 32
    start(client, "SELECT 1 AS x", ClientRequestToken=token)
    assert (
        "Idempotent parameters do not match"
        == refusal(client.start_query_execution, QueryString="SELECT 2 AS x", ClientRequestToken=token)[1]
    )


def test_what_is_beyond_the_pool_is_queued_and_may_be_stopped_there(lake: Path) -> None:
    goes_on = threading.Event()
    with host_athena(lake, workers=1, before=lambda _: goes_on.wait(30)) as hosted:
        client = hosted.client()
        first, second = (start(client, f"SELECT {n} AS x") for n in range(2))
        assert "QUEUED" == look(client, second)["Status"]["State"]
        assert "Current state: QUEUED" in refusal(client.get_query_results, QueryExecutionId=second)[1]
        client.stop_query_execution(QueryExecutionId=second)
        assert "CANCELLED" == look(client, second)["Status"]["State"]
        goes_on.set()
        assert "SUCCEEDED" == end(client, first)["Status"]["State"]
        client.stop_query_execution(QueryExecutionId=first)
        assert "SUCCEEDED" == look(client, first)["Status"]["State"]


def test_a_fault_of_its_own_ends_the_statement(lake: Path) -> None:
    def break_(_: str) -> None:
        raise ZeroDivisionError

    with host_athena(lake, before=break_) as hosted:
        ended = end(hosted.client(), start(hosted.client(), "SELECT 1 AS x"))
    assert ("FAILED", 1) == (ended["Status"]["State"], ended["Status"]["AthenaError"]["ErrorCategory"])


def test_another_database_is_not_there(hosted: HostedAthena) -> None:
    client = hosted.client()
    ended = end(client, start(client, "SELECT 1 AS x", QueryExecutionContext={"Database": "other"}))
    assert "SCHEMA_NOT_FOUND: Schema 'other' does not exist" == ended["Status"]["StateChangeReason"]


def test_a_view_is_there_for_statements_and_for_glue_until_it_is_dropped(hosted: HostedAthena) -> None:
    client, glue = hosted.client(), hosted.client("glue")
    assert (
        "DDL"
        == end(client, start(client, "CREATE VIEW few AS SELECT trade_id AS x FROM delivered WHERE trade_id < 3"))[
            "StatementType"
        ]
    )
    query_id = start(client, "SELECT count(*) AS n FROM few")
    end(client, query_id)
    assert ["n", "2"] == texts(client.get_query_results(QueryExecutionId=query_id))
    assert "VIRTUAL_VIEW" == glue.get_table(DatabaseName="ticklake", Name="few")["Table"]["TableType"]
    again = end(client, start(client, "CREATE VIEW few AS SELECT 1 AS x"))
    assert "TABLE_ALREADY_EXISTS" in again["Status"]["StateChangeReason"]
    dropped = start(client, "DROP VIEW few")
    end(client, dropped)
    assert [] == client.get_query_results(QueryExecutionId=dropped)["ResultSet"]["Rows"]
    assert "EntityNotFoundException" == refusal(glue.get_table, DatabaseName="ticklake", Name="few")[0]


def test_rows_that_were_inserted_are_counted(lake: Path, hosted: HostedAthena) -> None:
    client = hosted.client()
    query_id = start(client, "INSERT INTO history (trade_id, event_hour) SELECT trade_id, lake_hour FROM delivered")
    assert "INSERT" == end(client, query_id)["SubstatementType"]
    answer = client.get_query_results(QueryExecutionId=query_id)
    assert (7, []) == (answer["UpdateCount"], answer["ResultSet"]["Rows"])
    assert 1 == len(list((lake / "history").rglob("2026*_*")))
