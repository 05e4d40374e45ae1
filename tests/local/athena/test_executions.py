from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, get_args

import pytest

from local.athena.errors import CallRefused
from local.athena.executions import STEPS, Event, Execution, Executions, State
from local.athena.statements import decode_statement

NOW = datetime(2026, 11, 23, tzinfo=UTC)
SELECT = decode_statement("SELECT 1 AS x")


def take(executions: Executions, **request: Any) -> tuple[Execution, bool]:
    return executions.take(SELECT, request, workgroup="w", database="d", now=NOW)


@pytest.mark.parametrize("state", get_args(State))
@pytest.mark.parametrize("event", get_args(Event))
def test_a_state_changes_as_the_table_says_and_an_ended_one_never(state: State, event: Event) -> None:
    executions = Executions()
    execution, _ = take(executions)
    execution.state = state
    after = STEPS.get((state, event))
    assert (after is not None) == executions.advance(execution, event, NOW, reason="why")
    assert (after or state, "why" if after else "") == (execution.state, execution.reason)
    assert (NOW if after not in {None, "RUNNING"} else None) == execution.ended
    assert state in {"QUEUED", "RUNNING"} or after is None


def test_a_token_is_one_statement_and_another_request_with_it_is_refused() -> None:
    executions = Executions()
    first, new = take(executions, ClientRequestToken="t", QueryString="a")
    again, new_again = take(executions, ClientRequestToken="t", QueryString="a")
    assert (True, False, first) == (new, new_again, again)
    with pytest.raises(CallRefused, match="Idempotent parameters do not match"):
        take(executions, ClientRequestToken="t", QueryString="b")
    assert first is not take(executions, QueryString="a")[0]
    assert 2 == len(executions.all())


def test_an_id_that_nobody_was_given_is_refused() -> None:
    with pytest.raises(CallRefused, match="QueryExecution x was not found"):
        Executions().find("x")
