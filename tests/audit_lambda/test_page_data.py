"""What the page's script is given: figures by name, lists as numbers, findings worst first, bounded."""

from __future__ import annotations

import json
from dataclasses import replace

from audit_lambda.page_data import decode_page, figure_rows
from audit_lambda.report import Figure, Slo
from tests.audit_lambda.samples import NOT_RUN, finding, report

MINUTES = Figure(
    "minutes",
    "?",
    ("product_id", "start_us", "cell_us", "cells", "states", "products_in_all"),
    (("BTC-USD", 60_000_000, 60_000_000, 3, "5oq", 7), ("ETH-USD", 60_000_000, 60_000_000, 3, "nnn", 7)),
)
PRICES = Figure(
    "prices",
    "?",
    ("product_id", "start_us", "width_us", "points", "places", "lows", "highs", "closes"),
    (("BTC-USD", 5, 10, 2, "0,4", "1.5,2", "3,4", "2.25,0.00000001"), ("ETH-USD", 5, 10, 0, "", "", "", "")),
)


def test_a_strip_is_a_product_and_its_letters() -> None:
    page = decode_page(report(figures=(MINUTES,)))
    assert {"product": "BTC-USD", "start": 60_000_000, "cell": 60_000_000, "states": "5oq"} == page["strips"][0]
    assert 7 == page["strips_in_all"]


def test_price_lists_become_numbers_and_an_empty_one_is_left_out() -> None:
    (series,) = decode_page(report(figures=(PRICES,)))["prices"]
    assert ([0, 4], [1.5, 2.0], [2.25, 1e-8]) == (series["places"], series["lows"], series["closes"])


def test_figures_that_are_absent_are_empty() -> None:
    page = decode_page(report())
    assert [[], [], [], [], []] == [page[name] for name in ("strips", "prices", "products", "latency", "refusals")]


def test_what_could_not_be_asked_is_there_with_its_reason() -> None:
    unanswered = Figure("prices", "?", (), (), why="out of memory")
    slo = Slo("0.9999", 0, 0, None, None, why="too slow")
    page = decode_page(report(figures=(unanswered,), slo=slo))
    assert {"prices": "out of memory", "error budget": "too slow"} == page["unanswered"]


def test_findings_stand_worst_and_largest_first() -> None:
    page = decode_page(report(finding("notice", 9), finding("hole", 1), finding("hole", 5), finding("damage", 1)))
    found = [(each["severity"], each["amount"]) for each in page["findings"]]
    assert [("damage", 1), ("hole", 5), ("hole", 1), ("notice", 9)] == found


def test_findings_are_bounded_and_all_are_counted() -> None:
    page = decode_page(report(*(finding("hole", n) for n in (1, 2, 3))), most=2)
    assert (2, 3) == (len(page["findings"]), page["findings_in_all"])


def test_only_what_a_price_did_is_a_flag() -> None:
    spike = finding("warning", 1, group="consistency", check="spikes", first_us=5, what="jumps")
    page = decode_page(report(spike, finding("hole", 1), replace(spike, first_us=None)))
    assert [{"product": "BTC-USD", "at": 5, "check": "spikes", "what": "jumps"}] == page["flags"]


def test_a_check_has_its_worst_severity_or_the_reason_it_was_not_run() -> None:
    made = report(finding("warning", 1), finding("hole", 1))
    found, not_run = decode_page(replace(made, checks=(*made.checks, NOT_RUN)))["checks"]
    assert ("hole", None) == (found["worst"], not_run["worst"])
    assert "time was up" == not_run["why"]


def test_an_integer_that_a_browser_would_round_is_text() -> None:
    big = Figure("products", "?", ("product_id", "last_trade_id"), (("BTC-USD", 2**53),))
    assert [{"product_id": "BTC-USD", "last_trade_id": "9007199254740992"}] == figure_rows(
        report(figures=(big,)), "products"
    )


def test_it_is_json_without_remainder() -> None:
    page = decode_page(report(finding("hole", 1), figures=(MINUTES, PRICES)))
    assert page == json.loads(json.dumps(page, allow_nan=False))
