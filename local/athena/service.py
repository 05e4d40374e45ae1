"""
Athena's calls over one lake's folder: trees in, trees out; and Glue's two calls that say what the database holds.

Laws: a call of a shape that boto3's own model does not have is refused; a statement is answered for before it runs, and runs on a thread of
a pool, so that those beyond the pool are QUEUED.
Refuses to know: HTTP, signatures (they are not verified), JSON text.
Source: Amazon Athena API reference; AWS Glue API reference.
"""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

from local.athena.catalog import Catalog, StoredView
from local.athena.engine import Running, Where
from local.athena.errors import SYSTEM, CallRefused, StatementFailed, StatementStopped, invalid
from local.athena.executions import Execution, Executions
from local.athena.named import NamedQueries
from local.athena.statements import decode_statement
from local.athena.values import encode_row

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from pathlib import Path

    from botocore.model import Shape

    from local.athena.engine import Outcome
    from local.athena.guesses import Guesses
    from local.athena.statements import Statement

Tree = dict[str, Any]
Call = tuple[str, str]  # service, operation

PAGE_ROWS: Final = 1000
STATEMENT_LIMIT_BYTES: Final = 262_144
_LETTERS: Final = "abcdefghijkmnpqrstuvwxyz23456789"


class AthenaService:
    """
    One workgroup and one database.

    `before` is called with each statement's text on the thread that will run it, when it is RUNNING: a test holds it there, or raises
    StatementFailed. Clock: `now` gives the times that are told, and the names of objects.
    """

    def __init__(
        self,
        lake: Path,
        *,
        workgroup: str,
        database: str,
        bucket: str,
        guesses: Guesses,
        before: Callable[[str], None],
        workers: int,
        now: Callable[[], datetime],
    ) -> None:
        self.catalog = Catalog(database=database, bucket=bucket)
        self.executions = Executions()
        self._where = Where(lake.resolve(), bucket, database, guesses)
        self._workgroup = workgroup
        self._before = before
        self._now = now
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="athena")
        self._letters = "".join(secrets.choice(_LETTERS) for _ in range(5))
        named = NamedQueries()
        self._calls: Mapping[Call, Callable[[Tree], Tree]] = {
            ("athena", "StartQueryExecution"): self.start,
            ("athena", "GetQueryExecution"): self.describe,
            ("athena", "GetQueryResults"): self.results,
            ("athena", "StopQueryExecution"): self.stop,
            ("athena", "CreateNamedQuery"): named.create,
            ("athena", "ListNamedQueries"): named.list_,
            ("athena", "BatchGetNamedQuery"): named.batch_get,
            ("athena", "UpdateNamedQuery"): named.update,
            ("athena", "DeleteNamedQuery"): named.delete,
            ("glue", "GetTable"): self.catalog.get_table,
            ("glue", "GetTables"): self.catalog.get_tables,
        }

    def close(self) -> None:
        """Stop what runs, and wait for its threads."""
        for execution in self.executions.all():
            self._stop(execution)
        self._pool.shutdown(wait=True, cancel_futures=True)

    def answer(self, service: str, operation: str, request: Tree) -> Tree:
        """
        One call's answer.

        Raises: CallRefused.
        """
        call = self._calls.get((service, operation))
        if call is None:
            raise CallRefused("UnknownOperationException", f"The operation {operation} is not served here.")
        report = ParamValidator().validate(request, _input_shape(service, operation))
        if report.has_errors():
            raise invalid(report.generate_report())
        if request.get("WorkGroup", self._workgroup) != self._workgroup:
            raise invalid(f"WorkGroup {request['WorkGroup']} is not found.")
        return call(request)

    # ------------------------------------------------------------------ calls

    def start(self, request: Tree) -> Tree:
        """StartQueryExecution."""
        text = request["QueryString"]
        if len(text.encode()) > STATEMENT_LIMIT_BYTES:
            raise invalid(f"Query string is longer than {STATEMENT_LIMIT_BYTES} bytes.")
        if request.get("ExecutionParameters"):
            raise invalid("The small Athena at home takes no execution parameters.", "NOT_SUPPORTED")
        statement = decode_statement(text)
        database = request.get("QueryExecutionContext", {}).get("Database", self.catalog.database)
        execution, is_new = self.executions.take(
            statement, request, workgroup=self._workgroup, database=database, now=self._now()
        )
        if is_new:
            self._pool.submit(self._work, execution)
        return {"QueryExecutionId": execution.id}

    def describe(self, request: Tree) -> Tree:
        """GetQueryExecution."""
        execution = self.executions.find(request["QueryExecutionId"])
        ended = execution.ended or self._now()
        milliseconds = max(0, round((ended - execution.submitted).total_seconds() * 1000))
        status: Tree = {"State": execution.state, "SubmissionDateTime": execution.submitted.timestamp()}
        if execution.ended is not None:
            status["CompletionDateTime"] = execution.ended.timestamp()
        if execution.reason:
            status["StateChangeReason"] = execution.reason
        if execution.failure is not None:
            status["AthenaError"] = {
                "ErrorCategory": execution.failure.category,
                "ErrorType": 1,
                "Retryable": execution.failure.retryable,
                "ErrorMessage": execution.reason,
            }
        return {
            "QueryExecution": {
                "QueryExecutionId": execution.id,
                "Query": execution.statement.text,
                "StatementType": execution.statement.kind,
                "SubstatementType": execution.statement.verb,
                "QueryExecutionContext": {"Database": execution.database},
                "ResultConfiguration": {"OutputLocation": f"s3://{self._where.bucket}/results/{execution.id}.csv"},
                "WorkGroup": execution.workgroup,
                "EngineVersion": {"EffectiveEngineVersion": "Athena engine version 3"},
                "Status": status,
                "Statistics": {
                    "DataScannedInBytes": execution.outcome.scanned_bytes,
                    "EngineExecutionTimeInMillis": milliseconds,
                    "TotalExecutionTimeInMillis": milliseconds,
                },
            }
        }

    def results(self, request: Tree) -> Tree:
        """GetQueryResults: a page; the first one of a SELECT begins with the columns' names."""
        execution = self.executions.find(request["QueryExecutionId"])
        if execution.state in {"QUEUED", "RUNNING"}:
            raise invalid(f"Query has not yet finished. Current state: {execution.state}", "QUERY_NOT_FINISHED")
        if execution.state != "SUCCEEDED":
            raise invalid(f"Query did not finish successfully. Final query state: {execution.state}")
        count = request.get("MaxResults", PAGE_ROWS)
        if count > PAGE_ROWS:
            raise invalid(f"MaxResults is more than maximum allowed length {PAGE_ROWS}.")
        outcome = execution.outcome
        header = [tuple(column["Name"] for column in outcome.columns)] if execution.statement.verb == "SELECT" else []
        first = _decode_token(request.get("NextToken"))
        whole = len(header) + len(outcome.rows)
        shown = (header + outcome.rows[:count])[:count] if first == 0 else outcome.rows[first - len(header) :][:count]
        page: Tree = {
            "ResultSet": {
                "Rows": [encode_row(row) for row in shown],
                "ResultSetMetadata": {"ColumnInfo": outcome.columns if execution.statement.kind == "DML" else []},
            },
            "UpdateCount": outcome.update_count or 0,
        }
        return page | ({"NextToken": f"at-{first + count}"} if first + count < whole else {})

    def stop(self, request: Tree) -> Tree:
        """StopQueryExecution; an ended one stays as it ended."""
        self._stop(self.executions.find(request["QueryExecutionId"]))
        return {}

    # ------------------------------------------------------------------ running

    def _stop(self, execution: Execution) -> None:
        if self.executions.advance(execution, "stop", self._now(), reason="Query cancelled by user"):
            running = execution.running
            if running is not None:
                running.stop()

    def _work(self, execution: Execution) -> None:
        """On a thread of the pool: run it, and say how it ended."""
        statement = execution.statement
        name = f"{self._now():%Y%m%d_%H%M%S}_{execution.number:05}_{self._letters}"
        running = Running(self._where, statement, self.catalog.queries(), query_name=name)
        if not self.executions.advance(execution, "start", self._now(), running=running):
            return
        try:
            self._before(statement.text)
            self.catalog.check_schema(execution.database)
            outcome = running.run()
            self._apply(statement, outcome)
            self.executions.advance(execution, "succeed", self._now(), outcome=outcome)
        except StatementStopped:
            return
        except StatementFailed as failed:
            self._fail(execution, failed)
        except Exception as error:  # a fault of ours must end the statement, or whoever waits for it waits for ever
            self._fail(execution, StatementFailed(f"GENERIC_INTERNAL_ERROR: {error!r}", category=SYSTEM))
            raise

    def _fail(self, execution: Execution, failed: StatementFailed) -> None:
        self.executions.advance(execution, "fail", self._now(), reason=failed.reason, failure=failed)

    def _apply(self, statement: Statement, outcome: Outcome) -> None:
        if statement.verb == "CREATE_VIEW":
            assert statement.query is not None
            view = StoredView(statement.name, statement.select_sql, statement.query, outcome.columns, self._now())
            self.catalog.put_view(view, replaces=statement.replaces)
        elif statement.verb == "DROP_VIEW":
            self.catalog.drop_view(statement.name, if_exists=statement.replaces)


def _decode_token(token: str | None) -> int:
    if token is None:
        return 0
    if not token.startswith("at-") or not token[3:].isdecimal():
        raise invalid("Invalid next token")
    return int(token[3:])


@lru_cache(maxsize=32)
def _input_shape(service: str, operation: str) -> Shape:
    model = ServiceModel(Loader().load_service_model(service, "service-2"), service)
    shape = model.operation_model(operation).input_shape
    assert shape is not None, "every operation served here has an input"
    return shape
