"""A report in words: what each verdict says, shares that never round to better, text that hides nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_lambda.findings import VERDICTS
from audit_lambda.report import Evidence, Figure, Slo, SloDay
from audit_lambda.words import (
    VERDICT_WORDS,
    say_budget,
    say_instant,
    say_objective,
    say_share,
    say_span,
    say_why,
    visible,
)
from tests.audit_lambda.samples import NOT_RUN, finding, report

if TYPE_CHECKING:
    from audit_lambda.findings import Verdict

SLO = Slo(target="0.9999", expected=1_014_387, missing=861_276, share="0.150939434357", budget_used="8490.605656421071")
PRODUCTS = Figure("products", "?", ("product_id", "healed"), (("BTC-USD", 3), ("ETH-USD", 4)))


@pytest.mark.parametrize("verdict", VERDICTS)
def test_every_verdict_has_a_word_and_a_sentence(verdict: Verdict) -> None:
    assert VERDICT_WORDS[verdict]
    assert say_why(report(verdict=verdict)).endswith(".")


def test_a_whole_lake_says_how_many_ids_are_here() -> None:
    assert "All 100,000 trade ids are here, and nothing contradicts it." == say_why(report())


def test_a_whole_lake_says_what_looks_odd() -> None:
    said = say_why(report(finding("warning", 1)))
    assert said.endswith("1 thing looks odd, below.")


def test_a_healed_lake_counts_what_was_fetched() -> None:
    said = say_why(report(verdict="healed", figures=(PRODUCTS,)))
    assert "7 trades that did not come by themselves were fetched afterwards. Nothing is missing now." == said


def test_one_trade_came_not_by_itself() -> None:
    one = Figure("products", "?", ("product_id", "healed"), (("BTC-USD", 1),))
    assert say_why(report(verdict="healed", figures=(one,))).startswith(
        "1 trade that did not come by itself was fetched"
    )


def test_holes_are_counted_against_what_was_expected() -> None:
    said = say_why(report(finding("hole", 5), verdict="holes", slo=SLO))
    assert "861,276 of 1,014,387 trade ids are missing, and the holes are named below." == said


def test_damage_names_the_checks_that_found_it() -> None:
    found = [finding("damage", 1, check=name) for name in ("objects", "raw_rows", "copies", "books")]
    said = say_why(report(*found, verdict="damaged", slo=SLO))
    assert (
        "The lake contradicts itself or its producers: see the checks objects, raw rows, copies and 1 more. "
        "861,276 of 1,014,387 trade ids are missing."
    ) == said


def test_what_was_not_run_is_said_with_every_verdict() -> None:
    made = report(finding("hole", 1), verdict="holes")
    said = say_why(replace(made, checks=(*made.checks, NOT_RUN)))
    assert said.endswith("1 of 2 checks was not run.")
    partly = replace(NOT_RUN, name="candles", state="partly")
    said = say_why(replace(made, checks=(*made.checks, NOT_RUN, partly)))
    assert said.endswith("1 of 3 checks was not run. 1 of 3 checks was run in part.")
    assert say_why(replace(made, checks=(partly,))).endswith("1 of 1 checks was run in part.")


def test_a_share_below_all_never_rounds_to_all() -> None:
    slo = replace(SLO, expected=10**9, missing=1, share="0.999999999", budget_used="0.00001")
    assert "99.9999\u00a0% of 1,000,000,000 trade ids are here;" == say_share(slo)


def test_a_share_of_all_is_all() -> None:
    assert say_share(replace(SLO, share="1")).startswith("100\u00a0% ")


def test_without_trades_there_is_no_share() -> None:
    assert "No trade id was to be expected;" == say_share(replace(SLO, expected=0, missing=0, share=None))


def test_an_objective_that_was_not_counted_says_why() -> None:
    assert "Not counted: the engine is away;" == say_share(Slo("0.9999", 0, 0, None, None, why="the engine is away"))


def test_days_that_missed_the_objective_are_counted() -> None:
    days = (
        SloDay("2026-11-22", 100, 0, "1", "0", met=True),
        SloDay("2026-11-23", 100, 9, "0.91", "900", met=False),
    )
    said = say_objective(replace(SLO, days=days))
    assert "the objective is 99.99\u00a0% of each day, missed on 1 of 2 days, most on 2026-11-23." == said


@pytest.mark.parametrize(
    ("used", "said"),
    [
        ("0", "Error budget: 0\u00a0% used."),
        ("0.131", "Error budget: 14\u00a0% used."),
        ("2.2111", "Error budget: 222\u00a0% used."),
        ("8490.6", "Error budget: used 8,491 times over."),
    ],
)
def test_a_budget_is_rounded_up(used: str, said: str) -> None:
    assert f"{said} 861,276 missing, 101 allowed." == say_budget(replace(SLO, budget_used=used))


def test_an_objective_of_all_has_no_budget() -> None:
    assert "1 missing, and no budget for it." == say_budget(Slo("1", 10, 1, "0.9", None))


def test_an_audit_from_the_beginning_names_the_time_that_is_known() -> None:
    minutes = Figure(
        "minutes", "?", ("product_id", "start_us", "cell_us", "cells"), (("BTC-USD", 60_000_000, 60_000_000, 2),)
    )
    assert "1970-01-01 00:01:00 to 1970-01-01 00:03:00 UTC, all that is known" == say_span(
        report(from_us=0, figures=(minutes,))
    )
    assert "everything until 1970-01-01 00:00:01 UTC" == say_span(report(from_us=0, to_us=1_000_000))


def test_an_instant_beyond_the_calendar_is_said() -> None:
    assert ("1970-01-01 00:00:00 UTC", "the end of time") == (say_instant(0), say_instant(2**60))


def test_hidden_characters_are_written_out() -> None:
    assert "a\u27e8U+202E\u27e9b\u27e8U+0000\u27e9\u27e8U+D800\u27e9 \u05d0" == visible("a\u202eb\x00\ud800 \u05d0")


def test_a_long_text_is_cut_and_says_how_long_it_was() -> None:
    assert "aaa\u2026 (1,000 characters)" == visible("a" * 1000, 3)


@given(st.text(alphabet=st.characters()))
def test_visible_text_can_be_encoded_and_hides_nothing(text: str) -> None:
    shown = visible(text)
    assert shown.encode().decode() == shown
    assert visible(shown, 10_000) == shown


def test_an_audit_of_nothing_says_that_nothing_was_to_be_judged() -> None:
    slo = replace(SLO, expected=0, missing=0, share=None)
    passed = replace(NOT_RUN, state="passed", why="")
    nothing = report(verdict="unproven", slo=slo, evidence=Evidence(0, 0, 0), checks=(passed,))
    assert (
        "Nothing was to be judged in this time: no trade is known, and nobody testified to having watched."
        == say_why(nothing)
    )
    unasked = replace(nothing, evidence=Evidence(0, 0, 0, why="it is Sunday."))
    assert "Whether there was anything to be judged could not be asked: it is Sunday." == say_why(unasked)


def test_a_quiet_time_says_how_long_somebody_watched() -> None:
    quiet = report(slo=replace(SLO, expected=0, missing=0, share=None), evidence=Evidence(0, 60, 0))
    assert "No trade came in 60 minutes of a product that somebody watched, and nothing contradicts it." == say_why(
        quiet
    )
    polled = replace(quiet, evidence=Evidence(0, 0, 1))
    assert "1 polled price is here, and nothing contradicts it." == say_why(polled)
