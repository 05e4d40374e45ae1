import gzip
import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from local.exchange.errors import RecordingUnreadable
from local.exchange.recording import GZIP_MAGIC, cut_message, decode_tick, open_recording, read_lines
from local.exchange.tick import Tick, Trade

SHARED = Path(__file__).parents[3] / ".." / "shared" / "data" / "exchange"


def ticker(product_id: str = "BTC-USD", trade_id: int = 7, event_time: str = "2025-11-24T15:08:18.223332Z") -> bytes:
    return (
        f'{{"type":"ticker","sequence":{trade_id * 10},"product_id":"{product_id}","price":"86468.04","side":"buy",'
        f'"time":"{event_time}","trade_id":{trade_id},"last_size":"0.5"}}'
    ).encode()


def line(message: bytes, n: int, *, kind: str = "ticker", source: str = "exchange_ws", product: str = "") -> bytes:
    named = f',"product_id":"{product}"' if product else ""
    envelope = (
        f'{{"v":1,"session":"01JDB30000000000000000000{n % 10}","n":{n},"kind":"{kind}","source":"{source}",'
        f'"receive_time":"2025-11-24T15:08:18.300000Z"{named},"message":'
    )
    return envelope.encode() + message + b"}"


def write_jsonl(path: Path, frames: list[bytes]) -> Path:
    path.write_bytes(b"".join(frame + b"\n" for frame in frames))
    return path


def decoded(frame: bytes) -> Tick:
    tick = decode_tick(frame, 5)
    assert isinstance(tick, Tick)
    return tick


def test_frames_leave_as_they_stand_in_the_file(tmp_path: Path) -> None:
    frames = [ticker(trade_id=1), b"{ spaced : out", b"\xff\xfe not text", b"[1,2]", b'{"type":7}', ticker(trade_id=2)]
    recording = open_recording(write_jsonl(tmp_path / "r.jsonl", frames))
    assert frames == [tick.frame for tick in recording.ticks()]


@given(st.lists(st.binary(min_size=1, max_size=60).filter(lambda text: b"\n" not in text), min_size=1, max_size=8))
def test_bytes_that_mean_nothing_are_kept_too(tmp_path_factory: pytest.TempPathFactory, frames: list[bytes]) -> None:
    assume(not frames[0].startswith(GZIP_MAGIC))  # such a file is packed, and nothing else
    path = write_jsonl(tmp_path_factory.mktemp("r") / "r.jsonl", frames)
    assert frames == list(read_lines(path))


def test_a_packed_file_is_known_by_its_first_bytes(tmp_path: Path) -> None:
    path = tmp_path / "object-without-a-suffix"
    path.write_bytes(gzip.compress(ticker(trade_id=1) + b"\n" + ticker(trade_id=2)))
    assert [1, 2] == [tick.trade_id for tick in open_recording(path).ticks()]


def test_a_frame_that_names_no_product_is_for_everybody_and_due_with_its_neighbour() -> None:
    for odd in (b"not json", b"\xff", b"[]", b"7", b'{"type":"ticker"}'):
        tick = decoded(odd)
        assert ("ticker", None, 5) == (tick.channel, tick.product_id, tick.due_us)


def test_a_ticker_tells_its_trade() -> None:
    tick = decoded(ticker(trade_id=7))
    assert Trade(7, "86468.04", "0.5", "2025-11-24T15:08:18.223332Z", "buy") == tick.trade
    assert ("BTC-USD", 7, 70, 1_763_996_898_223_332) == (tick.product_id, tick.trade_id, tick.sequence, tick.due_us)


def test_a_match_names_the_makers_side() -> None:
    frame = b'{"type":"last_match","trade_id":3,"side":"sell","size":"70","price":"0.4","product_id":"NU-GBP",'
    tick = decoded(frame + b'"sequence":9,"time":"2021-04-17T16:43:18.435588Z"}')
    assert "matches" == tick.channel
    assert tick.trade is not None
    assert ("buy", "sell") == (tick.trade.taker_side, tick.trade.maker_side)


def test_a_time_that_is_not_sane_makes_no_trade_and_no_wait() -> None:
    tick = decoded(ticker(event_time="0001-01-01T00:00:00.000000Z"))
    assert (5, None, 7) == (tick.due_us, tick.trade, tick.trade_id)


@pytest.mark.parametrize("price", ["1e5", "", "NaN", "-5", ".5", "1 ", "9" * 21, "0." + "1" * 19, "\u0661"])
def test_a_price_that_is_no_plain_decimal_is_sent_as_it_is_and_makes_no_trade(price: str) -> None:
    frame = ticker().replace(b"86468.04", price.encode())
    tick = decoded(frame)
    assert (frame, 7, None) == (tick.frame, tick.trade_id, tick.trade)


def test_other_types_are_skipped_and_counted(tmp_path: Path) -> None:
    others = [b'{"type":"heartbeat","product_id":"BTC-USD"}', b'{"type":"subscriptions","channels":[]}']
    recording = open_recording(write_jsonl(tmp_path / "r.jsonl", [others[0], ticker(), others[1], others[0]]))
    assert [ticker()] == [tick.frame for tick in recording.ticks()]
    assert {"heartbeat": 2, "subscriptions": 1} == recording.skipped


def test_products_are_told_in_order_of_appearance(tmp_path: Path) -> None:
    frames = [ticker("ETH-USD"), b"odd", ticker("BTC-USD"), ticker("ETH-USD")]
    recording = open_recording(write_jsonl(tmp_path / "r.jsonl", frames))
    assert (("ETH-USD", "BTC-USD"), 4) == (recording.product_ids, recording.survey().frame_count)


def test_products_can_be_picked_and_odd_frames_stay(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "r.jsonl", [ticker("ETH-USD"), b"odd", ticker("BTC-USD")])
    recording = open_recording(path, products=["BTC-USD"])
    assert [b"odd", ticker("BTC-USD")] == [tick.frame for tick in recording.ticks()]
    assert ("BTC-USD",) == recording.product_ids


def test_a_lakes_raw_folder_is_read_in_the_order_of_delivery(tmp_path: Path) -> None:
    for hour, n in (("03", 2), ("02", 0)):
        part = tmp_path / "raw" / "coinbase" / "2025" / "11" / "24" / hour / f"ticks-1-2025-11-24-{hour}-00-00-x.gz"
        part.parent.mkdir(parents=True)
        lines = [line(ticker(trade_id=n + 1), n), line(ticker(trade_id=n + 2), n + 1)]
        part.write_bytes(gzip.compress(b"\n".join(lines) + b"\n"))
    for folder in (tmp_path, tmp_path / "raw"):
        assert [1, 2, 3, 4] == [tick.trade_id for tick in open_recording(folder).ticks()]


def test_the_message_is_cut_out_of_a_line_byte_for_byte() -> None:
    message = b'{ "type":"ticker",\t"product_id":"BTC-USD" , "note":",\\"message\\":{}" }'
    assert cut_message(line(message, 1), Counter()) == message


def test_lines_that_hold_no_websocket_frame_are_counted_by_kind(tmp_path: Path) -> None:
    lines = [
        line(b'{"trade_id":5}', 0, kind="trade", source="rest_heal", product="BTC-USD"),
        line(b'{"reason":"x"}', 1, kind="gap", source="producer"),
        line(b'{"price":"1"}', 2, kind="ticker", source="simulated", product="BTC-USD"),
        line(ticker(), 3, source="simulated"),
    ]
    recording = open_recording(write_jsonl(tmp_path / "r.jsonl", lines))
    assert [ticker()] == [tick.frame for tick in recording.ticks()]
    assert {"trade of rest_heal": 1, "gap of producer": 1, "ticker of simulated": 1} == recording.skipped


def test_a_missing_recording_is_said(tmp_path: Path) -> None:
    with pytest.raises(RecordingUnreadable, match="no such file or folder"):
        open_recording(tmp_path / "nowhere.jsonl")


def test_an_empty_recording_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_bytes(b"\n\n")
    with pytest.raises(RecordingUnreadable, match="holds no line"):
        open_recording(tmp_path / "empty.jsonl")
    (tmp_path / "folder").mkdir()
    with pytest.raises(RecordingUnreadable, match="holds no file"):
        open_recording(tmp_path / "folder")


def test_a_recording_that_breaks_off_is_said_with_its_place(tmp_path: Path) -> None:
    whole = gzip.compress(b"\n".join(ticker(trade_id=n) for n in range(1, 4000)), compresslevel=0)
    path = tmp_path / "cut.jsonl.gz"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RecordingUnreadable, match=r"cannot be read .* after line \d+"):
        open_recording(path).survey()


@pytest.mark.skipif(not SHARED.is_dir(), reason="the recordings are not on this machine")
def test_the_thin_products_of_2021_are_read_with_their_matches() -> None:
    for name, channel in (("ticker_2021_illiquid.jsonl", "ticker"), ("matches_2021.jsonl", "matches")):
        ticks = list(open_recording(SHARED / name).ticks())
        assert 107 == len(ticks)
        assert {channel} == {tick.channel for tick in ticks}
        assert all(tick.trade is not None for tick in ticks)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the recordings are not on this machine")
def test_a_quiet_hour_is_surveyed_whole() -> None:
    survey = open_recording(SHARED / "ticker_quiet_hour_2025-11-25T04.jsonl.gz").survey()
    assert 7990 == survey.frame_count
    assert {"BTC-USD", "ETH-USD", "SOL-USD"} == set(survey.products)
    assert {} == survey.skipped


def test_a_ticker_of_this_test_is_json() -> None:
    assert json.loads(line(ticker(), 1))["message"] == json.loads(ticker())
