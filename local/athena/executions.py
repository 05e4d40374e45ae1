"""
The statements that were taken, and the state of each.

Laws: states change by the table below and by nothing else; an ended one never changes; a client's token names one statement for ever.
Touched from the server's loop and from the threads that run statements, each time under one lock.
Refuses to know: SQL, how a statement runs.
Source: Amazon Athena API reference, QueryExecutionStatus, StartQueryExecution (ClientRequestToken).
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal
from uuid import uuid4

from local.athena.engine import Outcome
from local.athena.errors import StatementFailed, invalid

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from local.athena.engine import Running
    from local.athena.statements import Statement

State = Literal["QUEUED", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED"]
Event = Literal["start", "succeed", "fail", "stop"]

STEPS: Final[Mapping[tuple[State, Event], State]] = {
    ("QUEUED", "start"): "RUNNING",
    ("QUEUED", "stop"): "CANCELLED",
    ("RUNNING", "succeed"): "SUCCEEDED",
    ("RUNNING", "fail"): "FAILED",
    ("RUNNING", "stop"): "CANCELLED",
}


@dataclass(slots=True)
class Execution:
    """One statement that was taken. Clock: `submitted` and `ended` are the server's."""

    id: str
    number: int
    statement: Statement
    workgroup: str
    database: str
    submitted: datetime
    state: State = "QUEUED"
    reason: str = ""
    failure: StatementFailed | None = None
    ended: datetime | None = None
    outcome: Outcome = field(default_factory=Outcome)
    running: Running | None = None


class Executions:
    """All of them, by id and by token."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_id: dict[str, Execution] = {}
        self._by_token: dict[str, tuple[dict[str, Any], str]] = {}

    def take(
        self, statement: Statement, request: Mapping[str, Any], *, workgroup: str, database: str, now: datetime
    ) -> tuple[Execution, bool]:
        """
        The execution of a request, and whether it is new; the same token with the same request is the one it was.

        Raises: CallRefused for a token that came with another request.
        """
        token = request.get("ClientRequestToken")
        with self._lock:
            if token is not None and token in self._by_token:
                before, id_ = self._by_token[token]
                if before != dict(request):
                    raise invalid("Idempotent parameters do not match")
                return self._by_id[id_], False
            execution = Execution(str(uuid4()), len(self._by_id) + 1, statement, workgroup, database, now)
            self._by_id[execution.id] = execution
            if token is not None:
                self._by_token[token] = (dict(request), execution.id)
            return execution, True

    def find(self, id_: str) -> Execution:
        """
        The execution of this id.

        Raises: CallRefused.
        """
        with self._lock:
            if id_ not in self._by_id:
                raise invalid(f"QueryExecution {id_} was not found")
            return self._by_id[id_]

    def all(self) -> list[Execution]:
        """Every execution, in the order they were taken."""
        with self._lock:
            return list(self._by_id.values())

    def advance(self, execution: Execution, event: Event, now: datetime, **changes: Any) -> bool:
        """Whether the event changed the state; `changes` are made with it."""
        with self._lock:
            step = STEPS.get((execution.state, event))
            if step is None:
                return False
            for name, value in changes.items():
                setattr(execution, name, value)
            execution.state = step
            if step not in {"QUEUED", "RUNNING"}:
                execution.ended = now
            return True
