from __future__ import annotations

import json
import random
import re
from collections import Counter
from typing import Any

import pytest

from contract import load_reasons
from local.exchange.chaos import draw_faults
from local.exchange.faults import Disconnect, Drop, Fault, RefuseConnections, RestDown, Silence, ZeroHeartbeat
from local.exchange.virtual import OPENED_US, VirtualExchange
from tests.producer.virtual import VirtualProducer, judge

PRODUCTS = ("BTC-USD", "ETH-USD", "SOL-USD")
# How long an outage's last holes may take: the retries for ids that REST does not have (72 s), back-off and rate limit before them.
CALM_S = 180.0


def run(*faults: Fault, seconds: float = 120.0, seed: int = 1, busy: float = 1.0) -> VirtualProducer:
    exchange = VirtualExchange(seed=seed, products=PRODUCTS, faults=faults, busy=busy)
    producer = VirtualProducer(exchange, PRODUCTS, seed=seed)
    producer.run(seconds)
    producer.run(CALM_S)
    producer.stop()
    return producer


def gaps_of(producer: VirtualProducer) -> list[dict[str, Any]]:
    messages = [json.loads(line) for line in producer.lines]
    return [line["message"] for line in messages if line["kind"] == "gap"]


def check_whole(producer: VirtualProducer) -> None:
    """Every trade that the market had while we watched is a tick or named in an unhealed gap, and never both."""
    judgement = judge(producer.lines)
    for product_id in PRODUCTS:
        ticks, unhealed = judgement.ticks.get(product_id, set()), judgement.unhealed.get(product_id, set())
        if not ticks:
            continue
        first, last = min(ticks), max(ticks)
        had = producer.exchange.truth.of(product_id).had.within(first, last)
        known = {number for low, high in had.ranges() for number in range(low, high + 1)}
        assert known - ticks - unhealed == set(), f"{product_id}: neither ticks nor named"
        assert ticks & unhealed == set(), f"{product_id}: both ticks and named as missing"
        assert ticks - known == set(), f"{product_id}: ticks that never were"


def test_a_calm_market_is_whole_without_a_single_gap() -> None:
    producer = run(seconds=60.0)

    assert gaps_of(producer) == []
    check_whole(producer)


def test_a_dropped_frame_is_a_hole_named_at_the_next_tick_and_healed_with_a_receipt() -> None:
    producer = run(Drop(at=40, count=3, product="BTC-USD"))
    opened, receipt = gaps_of(producer)

    assert ("dropped_by_exchange", "open", 3) == (opened["reason"], opened["status"], opened["missing"])
    assert ("healed", 3, []) == (receipt["status"], receipt["fetched"], receipt["still_missing"])
    check_whole(producer)


def test_what_rest_does_not_hold_stays_named() -> None:
    producer = run(Drop(at=40, count=3, product="BTC-USD", rest_holds="none"))
    receipt = gaps_of(producer)[-1]

    assert ("unhealed", 0) == (receipt["status"], receipt["fetched"])
    assert "the exchange's REST does not have them" == receipt["why"]
    check_whole(producer)


def test_a_lost_connection_is_healed_and_its_hole_says_disconnected() -> None:
    producer = run(Disconnect(from_s=20.0, code=1001), RefuseConnections(from_s=20.0, to_s=26.0))

    assert {"disconnected"} == {gap["reason"] for gap in gaps_of(producer)}
    assert {"open", "healed"} == {gap["status"] for gap in gaps_of(producer)}
    check_whole(producer)


@pytest.mark.parametrize("code", [1000, 1001, 1011, None])
def test_every_way_of_closing_is_followed_by_a_new_subscription(code: int | None) -> None:
    producer = run(Disconnect(from_s=20.0, code=code), seconds=60.0)

    assert producer.ledger.connections >= 2
    assert "live" == producer.link.state
    check_whole(producer)


def test_silence_is_a_stall() -> None:
    producer = run(Silence(from_s=20.0, to_s=60.0))

    assert 1 <= sum(producer.ledger.reconnects.values())
    assert "stalled" in {gap["reason"] for gap in gaps_of(producer)}
    check_whole(producer)


def test_heartbeats_without_trades_are_holes_and_then_a_stall() -> None:
    producer = run(Silence(from_s=20.0, to_s=80.0, beat=True))

    assert 1 <= producer.ledger.reconnects["heartbeats told of trades that did not come"]
    check_whole(producer)


def test_heartbeats_that_know_nothing_prove_nothing() -> None:
    assert [] == gaps_of(run(ZeroHeartbeat(from_s=0.0, to_s=60.0), seconds=60.0))


def test_ten_minutes_without_a_websocket_are_polled_and_then_healed() -> None:
    producer = run(Disconnect(from_s=30.0), RefuseConnections(from_s=30.0, to_s=630.0), seconds=660.0)
    judgement = judge(producer.lines)
    polled = [row for row in judgement.rows if row["kind"] == "ticker" and row["source"] == "exchange_rest"]
    minutes = {row["receive_time_us"] // 60_000_000 for row in polled}

    assert len(minutes) >= 10
    assert {} == {product: ids for product, ids in judgement.unhealed.items() if ids}
    assert max(Counter((row["product_id"], row["trade_id"]) for row in polled).values()) == 1
    check_whole(producer)


def test_a_websocket_that_flaps_does_not_flap_the_duty() -> None:
    flaps = [Disconnect(from_s=float(at)) for at in range(30, 90, 3)]
    producer = run(*flaps, seconds=120.0)

    assert producer.ledger.connections > 3
    check_whole(producer)


def test_rest_down_for_minutes_delays_the_healing_and_nothing_else() -> None:
    producer = run(Drop(at=40, count=5, product="BTC-USD"), RestDown(from_s=0.0, to_s=100.0))

    assert "healed" == gaps_of(producer)[-1]["status"]
    check_whole(producer)


def test_a_restart_heals_what_happened_while_no_process_ran() -> None:
    exchange = VirtualExchange(seed=3, products=PRODUCTS)
    before = VirtualProducer(exchange, PRODUCTS, seed=3)
    before.run(60.0)
    memory = before.kill()
    exchange.advance(300.0)
    after = VirtualProducer(exchange, PRODUCTS, seed=4, memory=memory)
    after.run(CALM_S)
    after.lines = before.lines + after.lines

    assert {"process_down"} == {gap["reason"] for gap in gaps_of(after)}
    check_whole(after)


def test_a_full_journal_is_a_gap_that_is_healed_when_there_is_room_again() -> None:
    exchange = VirtualExchange(seed=5, products=PRODUCTS)
    producer = VirtualProducer(exchange, PRODUCTS, seed=5)
    producer.run(30.0)
    producer.room = 0
    producer.run(30.0)
    producer.room = 10**9
    producer.run(CALM_S)

    assert {"journal_full"} == {gap["reason"] for gap in gaps_of(producer)}
    check_whole(producer)


def wild_ticker(exchange: VirtualExchange, trade_id: int) -> bytes:
    """The product's last ticker, with another id."""
    last = exchange.exchange.listings["BTC-USD"].last_ticker
    assert last is not None
    return re.sub(rb'"trade_id":\d+', b'"trade_id":%d' % trade_id, last.frame)


def test_a_wildly_wrong_id_is_written_and_makes_neither_a_hole_nor_a_stall(caplog: pytest.LogCaptureFixture) -> None:
    exchange = VirtualExchange(seed=3, products=PRODUCTS)
    producer = VirtualProducer(exchange, PRODUCTS, seed=3)
    producer.run(30.0)
    producer.ingest.channels[0].frame(wild_ticker(exchange, 10**12), exchange.now_us, producer.now)
    producer.run(CALM_S)
    producer.stop()
    rows = judge(producer.lines).rows

    assert 1 == sum(row["trade_id"] == 10**12 for row in rows if row["kind"] == "ticker")
    assert [] == gaps_of(producer)
    assert 1 == producer.ledger.connections
    assert "trade 1000000000000 is too far from those before to be believed" in caplog.text
    coverage = [json.loads(row["detail"]) for row in rows if row["kind"] == "coverage"]
    assert 10**12 not in {minute["last_trade_id"] for minute in coverage}


def test_every_minute_of_every_product_has_its_coverage_line() -> None:
    producer = run(seconds=240.0)
    coverage = [row for row in judge(producer.lines).rows if row["kind"] == "coverage"]
    whole = Counter(row["product_id"] for row in coverage if json.loads(row["detail"])["whole"])

    assert all(whole[product_id] >= 5 for product_id in PRODUCTS)


# What goes wrong on our own side of the socket, in half of the seeds each.
TROUBLES = ("killed", "no room", "slow disk")


def chaos(seed: int) -> set[str]:
    """One run under the exchange's seeded faults and our own; returns the reasons of its gaps."""
    rng = random.Random(f"troubles:{seed}")
    exchange = VirtualExchange(
        seed=seed, products=PRODUCTS, faults=draw_faults(seed, duration_s=180.0, products=PRODUCTS), busy=0.5
    )
    producer = VirtualProducer(exchange, PRODUCTS, seed=seed)
    for trouble in rng.sample(TROUBLES, k=rng.randint(0, 3)):
        producer.run(rng.uniform(5.0, 40.0))
        producer = TROUBLE[trouble](producer, rng)
    producer.run(max(0.0, 180.0 - (exchange.now_us - OPENED_US) / 1e6))
    producer.run(CALM_S)
    producer.stop()
    check_whole(producer)
    return {gap["reason"] for gap in gaps_of(producer)}


def be_killed(producer: VirtualProducer, rng: random.Random) -> VirtualProducer:
    """kill -9, some time without a process, and a new one that inherits what the journal has."""
    memory = producer.kill()
    producer.exchange.advance(rng.uniform(0.0, 60.0))
    return VirtualProducer(producer.exchange, PRODUCTS, seed=rng.randint(0, 999), memory=memory, lines=producer.lines)


def have_no_room(producer: VirtualProducer, rng: random.Random) -> VirtualProducer:
    producer.room = rng.randint(0, 50)
    producer.run(rng.uniform(1.0, 30.0))
    producer.room = 10**9
    return producer


def be_slow(producer: VirtualProducer, rng: random.Random) -> VirtualProducer:
    """The disk holds the reader up so long that the exchange drops us."""
    producer.ingest.channels[0].fell_behind()
    producer.hang_up()
    producer.run(rng.uniform(1.0, 5.0))
    return producer


TROUBLE = {"killed": be_killed, "no room": have_no_room, "slow disk": be_slow}


def test_under_any_faults_every_trade_is_a_tick_or_named_and_every_reason_is_reached() -> None:
    reasons: set[str] = set()
    for seed in (2, 4, 7, 8, 9, 10, 17, 20, 25, 42):  # of the first sixty those with most reasons each
        reasons |= chaos(seed)

    # The virtual producer has no disk that could lose lines, nor a Firehose that could refuse them: test_loss.py and test_witness.py have.
    assert set(load_reasons("gap")) - {"journal_damaged", "refused_by_firehose"} == reasons


@pytest.mark.slow
@pytest.mark.parametrize("block", range(40))
def test_under_thousands_of_faults_every_trade_is_a_tick_or_named(block: int) -> None:
    for seed in range(1_000 + block * 50, 1_000 + block * 50 + 50):
        chaos(seed)
