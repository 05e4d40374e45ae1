"""The frames that are measured with are the exchange's, as this program reads them."""

from __future__ import annotations

from benchmarks.peers import build_frames
from producer.exchange import Ticker, decode_frame


def test_frames_are_tickers_without_a_hole() -> None:
    tickers = [decode_frame(frame) for frame in build_frames(2000)]
    last: dict[str, int] = {}
    for ticker in tickers:
        assert isinstance(ticker, Ticker)
        assert last.get(ticker.product_id, ticker.trade_id - 1) + 1 == ticker.trade_id
        last[ticker.product_id] = ticker.trade_id


def test_the_same_seed_gives_the_same_frames() -> None:
    assert build_frames(50) == build_frames(50)
