from __future__ import annotations

from transform_lambda.verdict import Accepted, Refusal, Refused

REFUSAL = Refusal(None, None, "line_not_json", "x")


def test_an_accepted_record_holds_its_rows_and_what_was_set_aside() -> None:
    assert (
        5 == Accepted(rows=b"", partition={}, row_count=3, oldest_receive_time_us=0, set_aside=[REFUSAL] * 2).line_count
    )


def test_a_refused_record_holds_all_lines_of_its_refusals() -> None:
    assert 4 == Refused([REFUSAL, REFUSAL._replace(line_count=3)]).line_count
