"""
Athena as the engine of questions: a statement started, followed to its end, its answer fetched page by page.

Laws: a statement that was started is followed to its end or stopped, whatever interrupts the wait; a start that is repeated starts nothing
twice (client request token).
Refuses to know: which questions there are, what a lake holds, terminals, how a page is read (result_set.py).
Source: Amazon Athena API reference (StartQueryExecution, GetQueryExecution, GetQueryResults, StopQueryExecution).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import botocore.exceptions
from botocore.config import Config

from sql.dialect import ATHENA
from sql.engine import Answer, EngineFailed
from sql.prices import query_cost
from sql.result_set import column_type, decode_rows, read_pages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    import boto3
    from sqlglot import exp

# A longer one is refused (StartQueryExecution, QueryString).
STATEMENT_LIMIT_BYTES: Final = 262_144
FIRST_WAIT_S: Final = 0.1
LONGEST_WAIT_S: Final = 2.0
_WAIT_GROWTH: Final = 1.5
_ENDED: Final = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})
_CONNECT_TIMEOUT_S: Final = 10
_READ_TIMEOUT_S: Final = 60
# What Athena's reason says -> what to do.
ADVICE: Final[Mapping[str, str]] = {
    "Bytes scanned limit": "Narrow it with --from and --product, or raise the limit: `ticklake deploy --set QueryScanLimitBytes=…`.",
    "TABLE_NOT_FOUND": "`ticklake deploy` makes the tables and views; `ticklake status` says which are there.",
    "does not exist": "`ticklake deploy` makes the tables and views; `ticklake status` says which are there.",
    "AccessDenied": "docs/deploy.md says what whoever asks has to be allowed.",
    "Access Denied": "docs/deploy.md says what whoever asks has to be allowed.",
    "not authorized": "docs/deploy.md says what whoever asks has to be allowed.",
    "WorkGroup": "`ticklake status` names the workgroup of the stack.",
    "NoCredentials": "Give this process AWS credentials (docs/deploy.md).",
    "TooManyRequests": "Too many queries run at once in this account; ask again in a minute.",
}
_RETRYABLE: Final = "Athena says that the same again may succeed."


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a statement has come. `state` is Athena's word: QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELLED."""

    query_id: str
    state: str
    scanned_bytes: int
    waited_s: float


@dataclass(frozen=True, slots=True)
class Statistics:
    """What a statement that succeeded took. `kind` is Athena's StatementType: DML, DDL or UTILITY."""

    query_id: str
    kind: str
    scanned_bytes: int
    engine_ms: int

    @property
    def cost(self) -> Decimal:
        """What Athena bills for it, in US dollars at list price; DDL is free."""
        return query_cost(self.scanned_bytes) if self.kind == "DML" else Decimal(0)


class QueryEnded(EngineFailed):
    """A statement that Athena took and that did not succeed. `state` is FAILED or CANCELLED."""

    def __init__(self, *, query_id: str, state: str, why: str, scanned_bytes: int, retryable: bool) -> None:
        self.query_id, self.state, self.scanned_bytes, self.retryable = query_id, state, scanned_bytes, retryable
        said = f"{why.strip().rstrip('.') or 'it gives no reason'} ({state}, query {query_id})"
        super().__init__(engine="Athena", why=said, advice=_advise(why) or (_RETRYABLE if retryable else ""))


def _advise(why: str) -> str:
    return next((advice for said, advice in ADVICE.items() if said in why), "")


def ignore(_: Progress) -> None:
    """Progress that nobody wants to see."""


class Athena:
    """
    One workgroup and database of Athena, asked through a boto3 client of the service `athena`.

    Clock: `clock` is in seconds and only measures; `sleep` waits between two looks. After `patience_s` a statement is stopped, and no
    further page of an answer fetched.
    """

    name = "Athena"

    def __init__(
        self,
        client: Any,
        *,
        workgroup: str,
        database: str,
        on_progress: Callable[[Progress], None] = ignore,
        patience_s: float | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._workgroup = workgroup
        self._database = database
        self._on_progress = on_progress
        self._patience_s = patience_s
        self._sleep = sleep
        self._clock = clock

    def ask(self, question: exp.Query) -> Answer:
        """
        The answer of a SELECT in Athena's dialect.

        Raises: EngineFailed.
        """
        began = self._clock()
        ended = self._execute(question.sql(ATHENA, comments=False))
        with _failing():
            pages = self._client.get_paginator("get_query_results").paginate(QueryExecutionId=ended.query_id)
            columns, rows = read_pages(self._while_patient(pages, began))
        names, types = tuple(each["Name"] for each in columns), tuple(map(column_type, columns))
        return Answer(
            columns=names, types=types, rows=list(decode_rows(rows, names, types)), scanned_bytes=ended.scanned_bytes
        )

    def _while_patient(self, pages: Iterable[Mapping[str, Any]], began: float) -> Iterator[Mapping[str, Any]]:
        """The pages of an answer, as long as there is time to fetch another: a big one takes longer than the statement did."""
        remaining = iter(pages)
        while (page := next(remaining, None)) is not None:
            yield page
            if self._patience_s is not None and "NextToken" in page and self._clock() - began >= self._patience_s:
                raise EngineFailed(
                    engine=self.name,
                    why=f"its answer took longer to fetch than the {self._patience_s:g} s it had",
                    advice="Ask for less at once.",
                )

    def run(self, statement: str) -> Statistics:
        """
        What a statement that answers with no rows took: CREATE VIEW, INSERT.

        Raises: EngineFailed.
        """
        return self._execute(statement)

    def _execute(self, statement: str) -> Statistics:
        if len(statement.encode()) > STATEMENT_LIMIT_BYTES:
            raise EngineFailed(
                engine=self.name,
                why=f"the statement has more than {STATEMENT_LIMIT_BYTES} bytes",
                advice="Ask for less at once.",
            )
        request = {
            "QueryString": statement,
            "QueryExecutionContext": {"Database": self._database},
            "WorkGroup": self._workgroup,
            "ClientRequestToken": str(uuid4()),
        }
        query_id = ""
        try:
            query_id = self._start(request)
            return self._follow(query_id)
        except QueryEnded:
            raise
        except EngineFailed as failed:
            if not query_id:
                raise
            note = self._abandon(query_id, request)
            raise EngineFailed(engine=self.name, why=failed.why, advice=f"{note} {failed.advice}".rstrip()) from failed
        except (
            BaseException
        ) as interrupted:  # Ctrl-C above all: the statement must not run on unseen, and what interrupted goes on
            interrupted.add_note(self._abandon(query_id, request))
            raise

    def _start(self, request: Mapping[str, Any]) -> str:
        with _failing():
            return str(self._client.start_query_execution(**request)["QueryExecutionId"])

    def _follow(self, query_id: str) -> Statistics:
        began, wait_s = self._clock(), FIRST_WAIT_S
        while True:
            execution = self._look(query_id)
            status, statistics = execution["Status"], execution.get("Statistics", {})
            scanned_bytes = int(statistics.get("DataScannedInBytes", 0))
            waited_s = self._clock() - began
            self._on_progress(Progress(query_id, status["State"], scanned_bytes, waited_s))
            if status["State"] in _ENDED:
                break
            if self._patience_s is not None and waited_s >= self._patience_s:
                raise EngineFailed(engine=self.name, why=f"it took longer than {self._patience_s:g} s")
            self._sleep(wait_s)
            wait_s = min(wait_s * _WAIT_GROWTH, LONGEST_WAIT_S)
        if status["State"] != "SUCCEEDED":
            why, retryable = status.get("StateChangeReason", ""), bool(status.get("AthenaError", {}).get("Retryable"))
            raise QueryEnded(
                query_id=query_id, state=status["State"], why=why, scanned_bytes=scanned_bytes, retryable=retryable
            )
        engine_ms = int(statistics.get("EngineExecutionTimeInMillis", 0))
        return Statistics(query_id, execution.get("StatementType", "DML"), scanned_bytes, engine_ms)

    def _look(self, query_id: str) -> dict[str, Any]:
        with _failing():
            execution: dict[str, Any] = self._client.get_query_execution(QueryExecutionId=query_id)["QueryExecution"]
        return execution

    def _abandon(self, query_id: str, request: Mapping[str, Any]) -> str:
        """Stop a statement, and say what became of it."""
        try:
            # The same token again answers with the same id, should the answer to the start be what was interrupted.
            query_id = query_id or self._start(request)
            with _failing():
                self._client.stop_query_execution(QueryExecutionId=query_id)
        except EngineFailed as failed:
            return f"Query {query_id or 'just started'} could not be stopped and may run on: {failed.why}."
        return f"Query {query_id} was stopped in Athena, which bills what it had scanned."


class _failing:  # noqa: N801  # it reads as a verb: with _failing()
    """What AWS refuses, and what keeps a call from AWS, as EngineFailed."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, botocore.exceptions.ClientError):
            said = error.response.get("Error", {})
            why = f"{said.get('Code', '')}: {said.get('Message', '')}"
            raise EngineFailed(engine="Athena", why=why, advice=_advise(why)) from error
        if isinstance(error, botocore.exceptions.BotoCoreError):
            raise EngineFailed(engine="Athena", why=str(error), advice=_advise(type(error).__name__)) from error


def connect_athena(
    session: boto3.Session,
    *,
    workgroup: str,
    database: str,
    on_progress: Callable[[Progress], None] = ignore,
    patience_s: float | None = None,
) -> Athena:
    """
    Athena as this session reaches it: TLS verified, endpoint and credentials by AWS's standard settings (AWS_ENDPOINT_URL_ATHENA …).

    Raises: EngineFailed where there are no credentials or no endpoint to be had.
    """
    config = Config(
        connect_timeout=_CONNECT_TIMEOUT_S,
        read_timeout=_READ_TIMEOUT_S,
        retries={"mode": "standard", "total_max_attempts": 5},
    )
    with _failing():
        client = session.client("athena", config=config)
    return Athena(client, workgroup=workgroup, database=database, on_progress=on_progress, patience_s=patience_s)
