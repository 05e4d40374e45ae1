from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_lambda.findings import VERDICTS
from audit_lambda.notice import LEVELS, MOST_SHOWN, Notice, decide_notice
from audit_lambda.report import Evidence
from tests.audit_lambda.samples import NOT_RUN, finding, report

PAGE = "s3://lake/reports/coinbase/hourly/2026/11/23/04/report.html"


def noticed(now: Any, before: Any = None, kind: Any = "hourly") -> Notice | None:
    return decide_notice(now, kind, before=before, page=PAGE)


def said(now: Any, before: Any = None) -> Notice:
    notice = noticed(now, before)
    assert notice is not None
    return notice


@pytest.mark.parametrize(
    ("before", "now", "change"),
    [
        (None, "whole", ""),
        (None, "healed", ""),
        (None, "holes", "worse"),
        ("whole", "healed", ""),
        ("whole", "damaged", "worse"),
        ("healed", "whole", ""),
        ("healed", "holes", "worse"),
        ("holes", "holes", ""),
        ("holes", "damaged", "worse"),
        ("damaged", "damaged", ""),
        ("damaged", "holes", "better again"),
        ("holes", "healed", "better again"),
        ("damaged", "whole", "better again"),
        ("whole", "unproven", "not known"),
        ("damaged", "unproven", "not known"),
        ("unproven", "whole", "better again"),
        ("unproven", "damaged", "worse"),
    ],
)
def test_a_change_for_the_worse_or_the_better_is_told_and_nothing_else(before: Any, now: Any, change: str) -> None:
    notice = noticed(report(verdict=now), report(verdict=before) if before else None)
    assert bool(change) == (notice is not None)
    assert notice is None or notice.subject == f"ticklake ticklake: {now} (hourly audit, {change})"


def test_who_asked_for_an_audit_has_its_answer() -> None:
    assert noticed(report(verdict="damaged"), kind="asked") is None


def test_older_hours_audited_anew_say_nothing_about_now() -> None:
    now = report(verdict="damaged")
    assert noticed(now, replace(now, verdict="whole", to_us=now.to_us + 1)) is None
    assert noticed(now, replace(now, verdict="whole")) is not None


def test_a_notice_says_what_was_found_worst_first_and_where_the_report_lies() -> None:
    now = report(finding("hole", 900), finding("damage", 5), finding("healed", 3), verdict="damaged")
    notice = said(replace(now, checks=(*now.checks, NOT_RUN)), report(verdict="holes"))
    damage, hole = (notice.message.index(text) for text in ("damage, completeness/trade_ids, BTC-USD: 5", "hole, comp"))
    assert damage < hole
    assert "3 trade ids" not in notice.message
    assert "2026-11-23 02:00:00 to 2026-11-23 05:00:00 UTC, says: damaged." in notice.message
    assert "said: holes." in notice.message
    assert re.search(r"^Not run: readable \(time was.+up\)\.$", notice.message, flags=re.MULTILINE)
    assert f"The report: {PAGE}" in notice.message


def test_a_long_list_is_cut_and_the_rest_counted() -> None:
    message = said(report(*[finding("hole", n + 1) for n in range(MOST_SHOWN + 5)], verdict="holes")).message
    assert MOST_SHOWN == message.count("- hole, ")
    assert "- and 5 more in the report" in message


@given(st.text(), st.text(min_size=1))
def test_text_from_outside_cannot_break_subject_or_message(lake: str, what: str) -> None:
    notice = said(report(finding("damage", 1, what=what, product_id=what), lake=lake, verdict="damaged"))
    assert notice.subject.isascii()
    assert notice.subject.isprintable()
    assert len(notice.subject) <= 100
    assert 1 == sum(line.startswith("- damage, ") for line in notice.message.split("\n"))
    assert not [char for char in notice.message if unicodedata.category(char) == "Cc" and char != "\n"]
    assert len(notice.message.encode()) < 256_000


def test_every_verdict_has_a_level() -> None:
    assert set(VERDICTS) == set(LEVELS)


PASSED = replace(NOT_RUN, state="passed", why="")
EMPTY = report(verdict="unproven", evidence=Evidence(0, 0, 0), checks=(PASSED,))


def test_nobody_is_told_each_hour_that_no_producer_has_begun() -> None:
    assert noticed(EMPTY) is None
    assert noticed(EMPTY, EMPTY) is None


def test_that_nobody_watches_any_more_is_told_once() -> None:
    notice = said(EMPTY, report())
    assert notice.subject.endswith("unproven (hourly audit, not known)")
    assert "Nothing was to be judged in this time" in notice.message


def test_that_there_is_something_to_judge_is_told_with_what_it_is() -> None:
    assert said(report(), EMPTY).subject.endswith("whole (hourly audit, something to judge now)")
    assert said(report(verdict="damaged"), EMPTY).subject.endswith("damaged (hourly audit, something to judge now)")


def test_an_audit_that_could_not_ask_is_told_though_nothing_was_there_before() -> None:
    unasked = replace(EMPTY, evidence=Evidence(0, 0, 0, why="it is Sunday"))
    assert noticed(unasked) is not None
    assert noticed(replace(EMPTY, evidence=Evidence(1, 0, 0))) is not None
    assert (
        noticed(unasked, EMPTY) is None
    )  # as little is known as before; an alarm of its own says that checks were not run
