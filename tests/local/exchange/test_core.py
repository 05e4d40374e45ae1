import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from local.exchange.actions import Accepted, Action, Close, Freeze, Refused, Send, Thaw
from local.exchange.core import Exchange
from local.exchange.faults import (
    Alter,
    BadProduct,
    ClockStep,
    Disconnect,
    Drop,
    Duplicate,
    Fault,
    ForgetProduct,
    IgnoreSubscribe,
    Jump,
    OddPages,
    PageOddity,
    RefuseConnections,
    RefuseSubscribe,
    Reorder,
    RestDown,
    RestStorm,
    Silence,
    SlowAccept,
    SlowRest,
    ZeroHeartbeat,
)
from local.exchange.recording import decode_tick
from local.exchange.settings import Settings
from local.exchange.tick import Tick, Trade

SECOND_US = 1_000_000
START_US = 1_763_996_400_000_000


@dataclass
class FakeSource:
    """Ticks a test wrote by hand."""

    frames: Sequence[bytes]
    endless: bool = False
    product_ids: tuple[str, ...] = ("BTC-USD", "ETH-USD")

    def ticks(self) -> Iterator[Tick]:
        before = START_US
        for frame in self.frames:
            tick = decode_tick(frame, before)
            assert isinstance(tick, Tick)
            before = tick.due_us
            yield tick
        if self.endless:
            yield Tick(START_US + 1_000_000 * SECOND_US, "ticker", None, b"far away")


def ticker(trade_id: int, product_id: str = "BTC-USD", at_s: float | None = None) -> bytes:
    at = trade_id if at_s is None else at_s
    return (
        f'{{"type":"ticker","sequence":{trade_id * 10},"product_id":"{product_id}","price":"86468.04","side":"buy",'
        f'"time":"2025-11-24T15:00:{at:09.6f}Z","trade_id":{trade_id},"last_size":"0.5"}}'
    ).encode()


def subscribe(*products: str, channels: Sequence[str] = ("ticker",)) -> str:
    named = [{"name": channel, "product_ids": list(products)} for channel in channels]
    return json.dumps({"type": "subscribe", "channels": named})


def replay(*frames: bytes, **settings: Any) -> Exchange:
    return Exchange(FakeSource(frames), Settings(limits=False, **settings), now_us=START_US)


def market(*frames: bytes, faults: Sequence[Fault] = (), limits: bool = False, oddities: bool = False) -> Exchange:
    """A market whose clock is the real one; a tick of second n falls due n seconds after the opening."""
    settings = Settings(limits=limits, faults=tuple(faults), oddities=oddities)
    return Exchange(FakeSource(frames, endless=True), settings, now_us=START_US)


def join(exchange: Exchange, *products: str, at_s: float = 0, channels: Sequence[str] = ("ticker",)) -> int:
    now_us = START_US + round(at_s * SECOND_US)
    accepted = exchange.connect(now_us)
    assert isinstance(accepted, Accepted)
    exchange.receive(accepted.connection, subscribe(*products, channels=channels), now_us)
    return accepted.connection


def step(exchange: Exchange, at_s: float, **limits: int) -> list[Action]:
    return exchange.step(START_US + round(at_s * SECOND_US), **limits)


def frames_of(actions: list[Action], connection: int | None = None) -> list[bytes]:
    return [action.frame for action in actions if isinstance(action, Send) and connection in (None, action.connection)]


def ids_of(actions: list[Action]) -> list[int]:
    return [json.loads(frame)["trade_id"] for frame in frames_of(actions)]


# A recording


def test_a_replay_waits_for_the_first_subscribe_and_then_keeps_its_pace() -> None:
    exchange = replay(ticker(1), ticker(2), ticker(4))
    assert [] == step(exchange, 100)
    join(exchange, "BTC-USD", at_s=100)
    assert [ticker(1)] == frames_of(step(exchange, 100))
    assert START_US + 101 * SECOND_US == exchange.next_due_us()
    assert [ticker(2)] == frames_of(step(exchange, 102.9))
    assert [ticker(4)] == frames_of(step(exchange, 103))


def test_a_subscribe_to_heartbeats_alone_starts_no_replay() -> None:
    exchange = replay(ticker(1))
    join(exchange, "BTC-USD", channels=["heartbeat"])
    assert [] == frames_of(step(exchange, 0.5))


def test_a_replay_can_wait_for_all_its_products() -> None:
    exchange = replay(ticker(1), ticker(2, "ETH-USD"), speed=None, start_after=frozenset({"BTC-USD", "ETH-USD"}))
    join(exchange, "BTC-USD")
    assert [] == step(exchange, 1)
    join(exchange, "ETH-USD")
    assert 2 == len(frames_of(step(exchange, 2)))


def test_at_full_speed_everything_goes_in_order_in_batches_as_large_as_asked() -> None:
    frames = [ticker(n) for n in range(1, 8)]
    exchange = replay(*frames, speed=None)
    join(exchange, "BTC-USD")
    assert frames[:5] == frames_of(step(exchange, 0, tick_limit=5))
    assert 0 == exchange.next_due_us()
    assert frames[5:] == frames_of(step(exchange, 0, tick_limit=5))


def test_at_full_speed_a_replay_waits_while_nobody_listens() -> None:
    exchange = replay(ticker(1), ticker(2), ticker(3), speed=None)
    first = join(exchange, "BTC-USD")
    assert [1] == ids_of(step(exchange, 0, tick_limit=1))
    exchange.disconnect(first)
    assert [] == step(exchange, 1)
    join(exchange, "BTC-USD", at_s=1)
    assert [2, 3] == ids_of(step(exchange, 1))


def test_frames_of_products_nobody_asked_for_are_passed_over() -> None:
    exchange = replay(ticker(1), ticker(1, "ETH-USD"), ticker(2), speed=None)
    join(exchange, "BTC-USD")
    assert [ticker(1), ticker(2)] == frames_of(step(exchange, 0))
    truth = exchange.truth.of("ETH-USD")
    assert (1, 0, [1], []) == (truth.passed_over_count, truth.frame_count, list(truth.had), list(truth.sent))


def test_a_frame_that_names_no_product_goes_verbatim_to_every_ticker_subscriber() -> None:
    exchange = replay(b"\xff odd", speed=None)
    one, other = join(exchange, "BTC-USD"), join(exchange, "ETH-USD")
    join(exchange, "ETH-USD", channels=["heartbeat"])
    actions = step(exchange, 0)
    assert [Send(one, b"\xff odd"), Send(other, b"\xff odd")] == [one for one in actions if isinstance(one, Send)]
    assert 1 == exchange.truth.unnamed_count


def test_at_its_end_every_subscriber_is_closed_with_1001_after_the_last_frame() -> None:
    exchange = replay(ticker(1), speed=None)
    connection = join(exchange, "BTC-USD")
    assert [Send(connection, ticker(1)), Close(connection, 1001, "the recording ends here")] == step(exchange, 0)
    assert exchange.ended


def test_after_the_end_there_are_last_tickers_and_heartbeats() -> None:
    exchange = replay(ticker(1), speed=None)
    join(exchange, "BTC-USD")
    step(exchange, 0)
    accepted = exchange.connect(START_US)
    assert isinstance(accepted, Accepted)
    text = subscribe("BTC-USD", channels=["ticker", "heartbeat"])
    answered = frames_of(exchange.receive(accepted.connection, text, START_US))
    assert [ticker(1)] == answered[1:]
    beats = [json.loads(frame) for frame in frames_of(step(exchange, 1))]
    assert [("heartbeat", 1, 10)] == [(beat["type"], beat["last_trade_id"], beat["sequence"]) for beat in beats]
    assert 1 == exchange.truth.of("BTC-USD").resent_count


def test_the_first_subscriber_of_a_replay_gets_each_frame_once() -> None:
    exchange = replay(ticker(1), ticker(2), speed=None)
    connection = exchange.connect(START_US)
    assert isinstance(connection, Accepted)
    answered = exchange.receive(connection.connection, subscribe("BTC-USD"), START_US)
    assert ["subscriptions"] == [json.loads(frame)["type"] for frame in frames_of(answered)]
    assert [1, 2] == ids_of(step(exchange, 0))


def test_recorded_matches_go_to_the_matches_channel() -> None:
    match = (
        b'{"type":"match","trade_id":3,"side":"sell","size":"70","price":"0.4","product_id":"BTC-USD","sequence":9,'
        b'"time":"2025-11-24T15:00:00.000000Z"}'
    )
    exchange = replay(match, ticker(3), speed=None)
    tickers, matches = join(exchange, "BTC-USD"), join(exchange, "BTC-USD", channels=["matches"])
    actions = step(exchange, 0)
    assert [ticker(3)] == frames_of(actions, tickers)
    assert [match] == frames_of(actions, matches)


def test_a_recordings_holes_are_the_markets_trades_and_rest_can_hold_them() -> None:
    exchange = replay(ticker(1), ticker(5), speed=None, hole_trades="all")
    join(exchange, "BTC-USD")
    step(exchange, 0)
    truth = exchange.truth.of("BTC-USD")
    assert ([(1, 5)], [(1, 1), (5, 5)], [(2, 4)]) == (truth.had.ranges(), truth.sent.ranges(), truth.unsent.ranges())
    assert [(2, 4)] == truth.healable.ranges()
    answer = exchange.rest("/products/BTC-USD/trades", {}, START_US)
    assert answer is not None
    assert [5, 4, 3, 2, 1] == [trade["trade_id"] for trade in json.loads(answer.body)]


# A market


def test_a_market_goes_on_while_nobody_listens_and_the_last_ticker_comes_first() -> None:
    exchange = market(ticker(1, at_s=0), ticker(2, at_s=1), ticker(3, at_s=2))
    step(exchange, 1.5)
    accepted = exchange.connect(START_US)
    assert isinstance(accepted, Accepted)
    answered = frames_of(exchange.receive(accepted.connection, subscribe("BTC-USD"), START_US + 1_500_000))
    assert [ticker(2, at_s=1)] == answered[1:]
    assert [3] == ids_of(step(exchange, 2))


def test_a_matches_subscriber_gets_the_last_match_and_then_each_one() -> None:
    exchange = market(ticker(1, at_s=0), ticker(2))
    accepted = exchange.connect(START_US)
    assert isinstance(accepted, Accepted)
    text = subscribe("BTC-USD", channels=["matches"])
    answered = frames_of(exchange.receive(accepted.connection, text, START_US))
    assert ["subscriptions", "last_match"] == [json.loads(frame)["type"] for frame in answered]
    [match] = [json.loads(frame) for frame in frames_of(step(exchange, 2))]
    assert ("match", 2, "sell") == (match["type"], match["trade_id"], match["side"])


def test_a_frame_goes_to_each_subscriber_and_counts_once() -> None:
    exchange = market(ticker(1))
    join(exchange, "BTC-USD")
    join(exchange, "BTC-USD", "ETH-USD")
    assert 2 == len(frames_of(step(exchange, 1)))
    assert 1 == exchange.truth.of("BTC-USD").frame_count


def test_who_does_not_subscribe_within_five_seconds_is_disconnected() -> None:
    exchange = market(ticker(1))
    accepted = exchange.connect(START_US)
    assert isinstance(accepted, Accepted)
    assert START_US + SECOND_US == exchange.next_due_us()
    assert [] == step(exchange, 4.9)
    [close] = step(exchange, 5)
    assert Close(accepted.connection, 1001, "no subscribe within 5 seconds") == close
    assert [] == exchange.receive(accepted.connection, subscribe("BTC-USD"), START_US + 6 * SECOND_US)


def test_a_heartbeat_tells_the_last_trade_that_was_sent_before_it() -> None:
    exchange = market(ticker(1, at_s=0.5), ticker(2, at_s=1.5))
    join(exchange, "BTC-USD", channels=["heartbeat"])
    [beat] = [json.loads(frame) for frame in frames_of(step(exchange, 1))]
    assert {
        "type": "heartbeat",
        "last_trade_id": 1,
        "product_id": "BTC-USD",
        "sequence": 10,
        "time": "2025-11-24T15:00:01.000000Z",
    } == beat
    [beat] = [json.loads(frame) for frame in frames_of(step(exchange, 2))]
    assert 2 == beat["last_trade_id"]


def test_a_status_lists_every_product() -> None:
    exchange = market()
    accepted = exchange.connect(START_US)
    assert isinstance(accepted, Accepted)
    exchange.receive(accepted.connection, '{"type":"subscribe","channels":["status"]}', START_US)
    [status] = [json.loads(frame) for frame in frames_of(step(exchange, 0))]
    assert ["BTC-USD", "ETH-USD"] == [product["id"] for product in status["products"]]


def test_a_refused_call_is_counted_and_nothing_else() -> None:
    exchange = market(ticker(1))
    join(exchange, "NOPE-USD")
    assert [] == step(exchange, 1)
    assert 1 == exchange.truth.refused_call_count


def test_a_demonstration_sends_an_odd_frame_after_ten_seconds() -> None:
    frames = [ticker(n) for n in range(1, 20)]
    exchange = market(*frames, oddities=True)
    join(exchange, "BTC-USD")
    sent = [frame for second in range(20) for frame in frames_of(step(exchange, second))]
    assert [9] == [at for at, (was, is_) in enumerate(zip(frames, sent, strict=True)) if was != is_]
    assert [(10, 10)] == exchange.truth.of("BTC-USD").garbled.ranges()
    assert list(range(1, 20)) == list(exchange.truth.of("BTC-USD").sent)


# Coinbase's limits


def test_connecting_too_fast_is_refused_with_429() -> None:
    exchange = market(limits=True)
    answers = [exchange.connect(START_US) for _ in range(25)]
    assert [Refused(429)] * 5 == [answer for answer in answers if isinstance(answer, Refused)]
    assert isinstance(exchange.connect(START_US + SECOND_US), Accepted)


def test_a_client_that_sends_too_much_is_told_and_disconnected() -> None:
    exchange = market(limits=True)
    connection = join(exchange, "BTC-USD")
    answers = [exchange.receive(connection, subscribe("BTC-USD"), START_US) for _ in range(1000)]
    [error, close] = answers[-1]
    assert isinstance(error, Send)
    assert "ErrSlowRead" == json.loads(error.frame)["message"]
    assert isinstance(close, Close)


def test_asking_rest_too_often_is_refused_with_429() -> None:
    exchange = market(limits=True)
    answers = [exchange.rest("/time", {}, START_US) for _ in range(20)]
    assert [200] * 15 + [429] * 5 == [answer.status for answer in answers if answer]
    assert answers[-1] is not None
    assert {"message": "Public rate limit exceeded"} == json.loads(answers[-1].body)
    assert {200: 15, 429: 5} == exchange.truth.rest_count


# Faults on frames


def test_a_dropped_frame_is_a_trade_that_rest_still_has() -> None:
    exchange = market(*map(ticker, (1, 2, 3, 4)), faults=[Drop(at=2, count=2)])
    join(exchange, "BTC-USD")
    assert [1, 4] == ids_of(step(exchange, 4))
    assert [(2, 3)] == exchange.truth.of("BTC-USD").healable.ranges()
    assert [(2, "drop"), (3, "drop")] == [(one.trade_id, one.how) for one in exchange.truth.struck]


def test_a_dropped_trade_can_be_lost_to_rest_too() -> None:
    exchange = market(*map(ticker, (1, 2, 3)), faults=[Drop(at=2, rest_holds="none")])
    join(exchange, "BTC-USD")
    step(exchange, 3)
    truth = exchange.truth.of("BTC-USD")
    assert ([(2, 2)], []) == (truth.unsent.ranges(), truth.healable.ranges())


def test_a_dropped_last_ticker_reaches_whoever_subscribes_next() -> None:
    exchange = market(*map(ticker, (1, 2)), faults=[Drop(at=2)])
    join(exchange, "BTC-USD")
    step(exchange, 2)
    assert [(2, 2)] == exchange.truth.of("BTC-USD").unsent.ranges()
    join(exchange, "BTC-USD", at_s=2)
    assert [] == exchange.truth.of("BTC-USD").unsent.ranges()


def test_a_frame_can_come_twice() -> None:
    exchange = market(*map(ticker, (1, 2, 3)), faults=[Duplicate(at=2, times=3)])
    join(exchange, "BTC-USD")
    assert [1, 2, 2, 2, 3] == ids_of(step(exchange, 3))
    assert 5 == exchange.truth.of("BTC-USD").frame_count


def test_a_frame_can_come_after_its_successors_of_the_same_product() -> None:
    frames = [ticker(1), ticker(2), ticker(1, "ETH-USD", 2.5), ticker(3), ticker(4), ticker(5)]
    exchange = market(*frames, faults=[Reorder(at=2, by=2, product="BTC-USD")])
    join(exchange, "BTC-USD", "ETH-USD")
    assert [frames[at] for at in (0, 2, 3, 4, 1, 5)] == frames_of(step(exchange, 9))
    assert [(1, 5)] == exchange.truth.of("BTC-USD").sent.ranges()


def test_a_frame_held_back_too_long_is_not_sent() -> None:
    exchange = market(*map(ticker, (1, 2, 3)), faults=[Reorder(at=2, by=5)])
    join(exchange, "BTC-USD")
    assert [1, 3] == ids_of(step(exchange, 3))
    assert [(2, 2)] == exchange.truth.of("BTC-USD").unsent.ranges()


def test_an_altered_frame_counts_as_sent_but_garbled() -> None:
    exchange = market(*map(ticker, (1, 2)), faults=[Alter(at=1, how="not_utf8")])
    join(exchange, "BTC-USD")
    odd, whole = frames_of(step(exchange, 2))
    assert b"\xff" in odd
    assert ticker(2) == whole
    truth = exchange.truth.of("BTC-USD")
    assert ([(1, 2)], [(1, 1)], [(1, 1)]) == (truth.sent.ranges(), truth.garbled.ranges(), truth.unsent.ranges())


def test_ids_jump_on_the_websocket_in_rest_and_in_heartbeats() -> None:
    exchange = market(*map(ticker, (1, 2, 3)), faults=[Jump(at=2, by=100)])
    join(exchange, "BTC-USD", channels=["ticker", "heartbeat"])
    told = [json.loads(frame) for frame in frames_of(step(exchange, 3))]
    assert [1, 102, 103] == [message["trade_id"] for message in told if message["type"] == "ticker"]
    assert [103] == [message["last_trade_id"] for message in told if message["type"] == "heartbeat"]
    assert [(2, 101)] == exchange.truth.of("BTC-USD").healable.ranges()
    assert exchange.listings["BTC-USD"].history.get(50) is not None


def test_frames_are_counted_only_when_somebody_would_get_them() -> None:
    exchange = market(*map(ticker, (1, 2, 3)), faults=[Drop(at=1)])
    step(exchange, 1)
    join(exchange, "BTC-USD", at_s=1)
    assert [3] == ids_of(step(exchange, 3))


# Faults on connections


@pytest.mark.parametrize("code", [None, 1000, 1001, 4000])
def test_a_connection_is_closed_with_any_code_or_none(code: int | None) -> None:
    exchange = market(*map(ticker, (1, 2)), faults=[Disconnect(from_s=1.5, code=code, reason="why")])
    connection = join(exchange, "BTC-USD")
    assert [1] == ids_of(step(exchange, 1))
    assert START_US + 1_500_000 == exchange.next_due_us()
    assert [Close(connection, code, "why")] == step(exchange, 1.5)
    assert [] == step(exchange, 2)
    assert [(2, 2)] == exchange.truth.of("BTC-USD").unsent.ranges()


def test_a_connection_is_closed_before_a_certain_frame() -> None:
    exchange = market(*map(ticker, (1, 2, 3)), faults=[Disconnect(at=2)])
    connection = join(exchange, "BTC-USD")
    assert [Send(connection, ticker(1)), Close(connection, None)] == step(exchange, 3)


def test_a_silence_swallows_ticks_and_heartbeats_and_spares_new_connections() -> None:
    exchange = market(*map(ticker, (1, 2, 3)), faults=[Silence(from_s=1.5, to_s=10)])
    old = join(exchange, "BTC-USD", channels=["ticker", "heartbeat"])
    assert 2 == len(frames_of(step(exchange, 1)))
    new = join(exchange, "BTC-USD", at_s=1.6)
    actions = step(exchange, 3)
    assert [] == frames_of(actions, old)
    assert [ticker(2), ticker(3)] == frames_of(actions, new)


def test_in_a_silence_heartbeats_may_go_on_and_tell_what_was_missed() -> None:
    exchange = market(*map(ticker, (1, 2, 3)), faults=[Silence(from_s=1.5, beat=True)])
    join(exchange, "BTC-USD", channels=["ticker", "heartbeat"])
    step(exchange, 1)
    [beat] = [json.loads(frame) for frame in frames_of(step(exchange, 3))]
    assert ("heartbeat", 3) == (beat["type"], beat["last_trade_id"])
    assert [(2, 3)] == exchange.truth.of("BTC-USD").unsent.ranges()


def test_one_product_can_fall_silent_alone() -> None:
    frames = [ticker(1), ticker(2, "ETH-USD")]
    exchange = market(*frames, faults=[Silence(product="BTC-USD", all_connections=True)])
    join(exchange, "BTC-USD", "ETH-USD")
    assert [frames[1]] == frames_of(step(exchange, 2))


def test_a_half_open_connection_is_frozen_and_thawed() -> None:
    exchange = market(ticker(2), faults=[Silence(from_s=1, to_s=3, deaf=True)])
    connection = join(exchange, "BTC-USD")
    assert [Freeze(connection)] == step(exchange, 1)
    assert [] == exchange.receive(connection, subscribe("ETH-USD"), START_US + SECOND_US)
    assert [] == step(exchange, 2)
    assert [Thaw(connection)] == step(exchange, 3)


def test_connections_can_be_refused_and_accepted_late() -> None:
    exchange = market(faults=[RefuseConnections(to_s=1, status=503), SlowAccept(from_s=1, delay_s=2.5)])
    assert Refused(503) == exchange.connect(START_US)
    assert START_US + SECOND_US == exchange.next_due_us()
    step(exchange, 1)
    assert Accepted(1, 2.5) == exchange.connect(START_US + SECOND_US)
    assert 1 == exchange.truth.refused_connection_count
    assert START_US + 8_500_000 == exchange.next_due_us()


def test_a_subscribe_can_be_refused_for_a_while() -> None:
    exchange = market(ticker(1), faults=[RefuseSubscribe(to_s=1, reason="not now")])
    accepted = exchange.connect(START_US)
    assert isinstance(accepted, Accepted)
    [send] = exchange.receive(accepted.connection, subscribe("BTC-USD"), START_US)
    assert isinstance(send, Send)
    assert {"type": "error", "message": "Failed to subscribe", "reason": "not now"} == json.loads(send.frame)
    assert 1 == len(exchange.receive(accepted.connection, subscribe("BTC-USD"), START_US + SECOND_US))
    assert [1] == ids_of(step(exchange, 1))


def test_an_ignored_subscribe_is_followed_by_nothing_at_all() -> None:
    exchange = market(ticker(1), faults=[IgnoreSubscribe()])
    accepted = exchange.connect(START_US)
    assert isinstance(accepted, Accepted)
    assert [] == exchange.receive(accepted.connection, subscribe("BTC-USD"), START_US)
    assert [] == step(exchange, 60)


def test_a_forgotten_product_is_missing_from_the_ack() -> None:
    exchange = market(faults=[ForgetProduct(product="ETH-USD")])
    accepted = exchange.connect(START_US)
    assert isinstance(accepted, Accepted)
    [ack] = frames_of(exchange.receive(accepted.connection, subscribe("BTC-USD", "ETH-USD"), START_US))
    assert [{"name": "ticker", "product_ids": ["BTC-USD"], "account_ids": None}] == json.loads(ack)["channels"]


def test_a_bad_product_voids_the_call_though_rest_lists_it() -> None:
    exchange = market(faults=[BadProduct(product="ETH-USD")])
    accepted = exchange.connect(START_US)
    assert isinstance(accepted, Accepted)
    [error] = frames_of(exchange.receive(accepted.connection, subscribe("BTC-USD", "ETH-USD"), START_US))
    assert "ETH-USD is not a valid product" == json.loads(error)["reason"]
    answer = exchange.rest("/products", {}, START_US)
    assert answer is not None
    assert ["BTC-USD", "ETH-USD"] == [product["id"] for product in json.loads(answer.body)]


def test_heartbeats_can_know_no_trade() -> None:
    exchange = market(ticker(1, at_s=0.5), faults=[ZeroHeartbeat()])
    join(exchange, "BTC-USD", channels=["heartbeat"])
    assert 0 == json.loads(frames_of(step(exchange, 1))[0])["last_trade_id"]


def test_a_clock_that_steps_steps_everywhere() -> None:
    exchange = market(ticker(5), faults=[ClockStep(step_s=-2)])
    join(exchange, "BTC-USD", channels=["ticker", "heartbeat"])
    told = [json.loads(frame)["time"] for frame in frames_of(step(exchange, 5))]
    assert ["2025-11-24T15:00:03.000000Z"] * 2 == told
    answer = exchange.rest("/products/BTC-USD/trades", {}, START_US + 5 * SECOND_US)
    assert answer is not None
    assert "2025-11-24T15:00:03Z" == json.loads(answer.body)[0]["time"]


# Faults on REST


def test_rest_can_be_down() -> None:
    exchange = market(faults=[RestDown(to_s=1)])
    assert exchange.rest("/time", {}, START_US) is None
    assert exchange.rest("/time", {}, START_US + SECOND_US) is not None
    assert {0: 1, 200: 1} == exchange.truth.rest_count


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (429, b'{"message":"Public rate limit exceeded"}'),
        (500, b'{"message":"Internal server error"}'),
        (502, b"error code: 502"),
    ],
)
def test_rest_can_storm(status: int, body: bytes) -> None:
    answer = market(faults=[RestStorm(status=status)]).rest("/time", {}, START_US)
    assert answer is not None
    assert (status, body) == (answer.status, answer.body)


def test_a_storm_can_hit_a_share() -> None:
    exchange = market(faults=[RestStorm(status=503, share=0.5)])
    for _ in range(200):
        exchange.rest("/time", {}, START_US)
    assert 70 < exchange.truth.rest_count[503] < 130


def test_a_fault_on_rest_can_hit_one_path_alone() -> None:
    down, storm, slow = RestDown(path="/v2/"), RestStorm(path="/products/ETH-USD"), SlowRest(path="/products/BTC-USD")
    exchange = market(faults=[down, storm, slow])
    eth, btc = (exchange.rest(f"/products/{each}", {}, START_US) for each in ("ETH-USD", "BTC-USD"))

    assert exchange.rest("/v2/prices/BTC-USD/spot", {}, START_US) is None
    assert eth is not None
    assert btc is not None
    assert [(503, 0), (200, 3)] == [(eth.status, eth.delay_s), (btc.status, btc.delay_s)]


def test_spot_prices_are_another_hosts_with_a_limit_and_words_of_its_own() -> None:
    exchange = market(limits=True)
    spots = [exchange.rest("/v2/prices/BTC-USD/spot", {}, START_US) for _ in range(30)]
    refused = spots[-1]

    assert refused is not None
    assert (429, b'{"errors":[{"id":"rate_limit_exceeded","message":"Too many requests"}]}') == (
        refused.status,
        refused.body,
    )
    assert 20 == sum(each is not None and each.status != 429 for each in spots)
    product = exchange.rest("/products/BTC-USD", {}, START_US)
    assert product is not None
    assert 200 == product.status


def test_rest_can_be_slow() -> None:
    answer = market(faults=[SlowRest(delay_s=4)]).rest("/time", {}, START_US)
    assert answer is not None
    assert (200, 4) == (answer.status, answer.delay_s)


@pytest.mark.parametrize(
    ("how", "ids"),
    [
        ("short", [5, 4]),
        ("empty", []),
        ("gappy", [5, 3, 2]),
        ("shuffled", [1, 2, 3, 4, 5]),
        ("no_cursor", [5, 4, 3, 2, 1]),
        ("stuck", [9, 8, 7, 6, 5, 4, 3, 2, 1]),
    ],
)
def test_pages_of_trades_can_be_odd(how: PageOddity, ids: list[int]) -> None:
    exchange = market(faults=[OddPages(how=how)])
    for number in range(1, 10):
        exchange.listings["ETH-USD"].history.add(Trade(number, "1", "1", "2026-11-23T00:00:00Z", "buy"))
    answer = exchange.rest("/products/ETH-USD/trades", {"after": "6"}, START_US)
    product = exchange.rest("/products/ETH-USD", {}, START_US)

    assert answer is not None
    assert product is not None
    assert ids == [trade["trade_id"] for trade in json.loads(answer.body)]
    cursor = {} if how in {"no_cursor", "empty"} else {"CB-BEFORE": str(ids[0]), "CB-AFTER": str(ids[-1])}
    assert (200, cursor) == (answer.status, dict(answer.headers))
    assert "ETH-USD" == json.loads(product.body)["id"]


def test_half_a_page_is_no_json() -> None:
    answer = market(faults=[OddPages(how="cut")]).rest("/products/ETH-USD/trades", {}, START_US)

    assert answer is not None
    assert b"[" == answer.body
