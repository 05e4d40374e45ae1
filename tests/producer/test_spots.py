from __future__ import annotations

import json
import logging
import random
from typing import TYPE_CHECKING, Any

import pytest

from producer.continuity import Continuity
from producer.intake import Intake
from producer.ledger import Ledger
from producer.rest import RestAnswer
from producer.spotdesk import SpotDesk
from producer.spots import Spots

if TYPE_CHECKING:
    from collections.abc import Callable

GOOD = b'{"data":{"amount":"101.255","base":"A","currency":"B"}}'
AT_US = 1_795_401_019_123_456


class Journal:
    """Takes lines while it has room."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, bytes, str | None]] = []
        self.room = 10**9

    def write(self, kind: str, source: str, message: bytes, receive_us: int, product_id: str | None = None) -> bool:
        assert receive_us == AT_US
        if len(self.lines) >= self.room:
            return False
        self.lines.append((kind, source, message, product_id))
        return True


class Stage:
    """One product, A-B, every five minutes; the clock is a number."""

    def __init__(self, *, simulated: bool = False) -> None:
        self.journal, self.ledger, self.now = Journal(), Ledger(), 0.0
        nowhere: Callable[..., Any] = lambda *_: None  # noqa: E731 - nothing is set aside here
        intake = Intake(
            continuity=Continuity(),
            ledger=self.ledger,
            write=self.journal.write,
            set_aside=nowhere,
            simulated=simulated,
        )
        desk = SpotDesk(["A-B"], every_s=300.0, rng=random.Random(1), now=0.0)
        self.spots = Spots(desk, intake, self.ledger)

    def answer(self, answer: RestAnswer, *, at_s: float) -> None:
        """What comes for the request that is due at `at_s`."""
        self.spots.tick(at_s)
        assert "A-B" == self.spots.desk.next_ask(at_s)
        self.spots.answered("A-B", answer, now=at_s, receive_us=AT_US)

    @property
    def counts(self) -> tuple[int, dict[str, int], int]:
        return self.ledger.spot_prices, dict(self.ledger.spot_failed), self.ledger.spot_missed


def test_a_price_is_journaled_byte_for_byte_with_the_product_in_its_envelope() -> None:
    stage = Stage()
    stage.answer(RestAnswer(200, GOOD), at_s=0.0)

    assert [("spot", "spot_rest", GOOD, "A-B")] == stage.journal.lines
    assert (1, {}, 0) == stage.counts


def test_a_price_of_the_simulated_exchange_is_marked() -> None:
    stage = Stage(simulated=True)
    stage.answer(RestAnswer(200, GOOD), at_s=0.0)

    assert ["simulated"] == [source for _, source, _, _ in stage.journal.lines]


@pytest.mark.parametrize(
    ("answer", "counted_as"),
    [
        (RestAnswer(None, b"", "ReadTimeoutError"), "none"),
        (RestAnswer(429, b'{"errors":[{"id":"rate_limit_exceeded","message":"Too many requests"}]}'), "HTTP 429"),
        (RestAnswer(503, b"<html>"), "HTTP 503"),
        (RestAnswer(200, b"<html>"), "unreadable"),
        (RestAnswer(200, b"[]"), "unreadable"),
        (RestAnswer(200, b'{"data":"\xff"}'), "unreadable"),
    ],
)
def test_what_may_change_is_counted_and_asked_for_again_in_the_same_period(answer: RestAnswer, counted_as: str) -> None:
    stage = Stage()
    stage.answer(answer, at_s=0.0)
    stage.answer(RestAnswer(200, GOOD), at_s=10.0)

    assert (1, {counted_as: 1}, 0) == stage.counts
    assert 1 == len(stage.journal.lines)


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404])
def test_what_asking_again_cannot_change_is_an_error_in_the_log_and_missed(
    status: int, caplog: pytest.LogCaptureFixture
) -> None:
    stage = Stage()
    stage.answer(RestAnswer(status, b'{"errors":[{"id":"not_found"}]}'), at_s=0.0)
    stage.answer(RestAnswer(status, b'{"errors":[{"id":"not_found"}]}'), at_s=300.1)

    assert f'no spot price of A-B: HTTP {status}: {{"errors":[{{"id":"not_found"}}]}}' in caplog.text
    assert ["ERROR", "WARNING"] == [record.levelname for record in caplog.records]
    assert (0, {f"HTTP {status}": 2}, 1) == stage.counts


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (GOOD.replace(b"101.255", b"0"), "price_not_positive"),
        (GOOD.replace(b'"B"', b'"USD"'), "line_invalid"),
        (b'{"errors":[]}', "message_invalid"),
        (b'{"data":[{"amount":"1","base":"A","currency":"B"}]}', "message_invalid"),
    ],
)
def test_a_price_that_the_transform_will_refuse_is_journaled_and_missed(body: bytes, reason: str) -> None:
    stage = Stage()
    stage.answer(RestAnswer(200, body), at_s=0.0)

    assert [body] == [message for _, _, message, _ in stage.journal.lines]
    assert (0, {reason: 1}, 1) == stage.counts
    assert stage.spots.desk.next_ask(299.0) is None


def test_a_full_journal_is_counted_and_the_price_asked_for_again() -> None:
    stage = Stage()
    stage.journal.room = 0
    stage.answer(RestAnswer(200, GOOD), at_s=0.0)
    stage.journal.room = 1
    stage.answer(RestAnswer(200, GOOD), at_s=10.0)

    assert (1, {"journal_full": 1}, 0) == stage.counts


def test_the_log_says_when_prices_cease_and_when_they_come_again_and_nothing_in_between(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    stage = Stage()
    stage.answer(RestAnswer(200, GOOD), at_s=0.0)
    for period in range(1, 5):
        stage.answer(RestAnswer(502, b""), at_s=300.0 * period)
    stage.answer(RestAnswer(200, GOOD), at_s=1500.0)

    assert [
        "the spot price of A-B was due and did not come (HTTP 502)",
        "spot prices of A-B come again; 4 in a row did not",
    ] == caplog.messages
    assert (2, {"HTTP 502": 4}, 4) == stage.counts


def test_a_price_proves_nothing_about_trades() -> None:
    stage = Stage()
    stage.answer(RestAnswer(200, GOOD), at_s=0.0)

    assert {} == stage.ledger.products
    assert {"data"} == set(json.loads(stage.journal.lines[0][2]))
