from __future__ import annotations

from local.athena.errors import USER, StatementFailed, invalid


def test_a_refused_call_has_the_codes_that_clients_look_at() -> None:
    refused = invalid("no such thing", "NOT_SUPPORTED")
    assert ("InvalidRequestException", "NOT_SUPPORTED", 400) == (refused.code, refused.athena_code, refused.http_status)
    assert "InvalidRequestException: no such thing" == str(refused)


def test_a_failed_statement_is_the_users_fault_unless_said_otherwise() -> None:
    assert (USER, False) == (StatementFailed("x").category, StatementFailed("x").retryable)
