from __future__ import annotations

import json

from producer.fetched import ON_THE_WAY_US, Fetched
from producer.segment import Entry

NOW_US = 1_795_401_019_123_456


def remembered(fetched: Fetched, at_us: int = NOW_US) -> dict[str, object]:
    memory: dict[str, object] = json.loads(json.dumps({"fetched": fetched.to_memory(at_us)}))
    return memory


def some(*trade_ids: int) -> Fetched:
    fetched = Fetched()
    for trade_id in trade_ids:
        fetched.add("A-B", trade_id)
    return fetched


def test_what_was_fetched_is_known_as_ranges_of_its_product() -> None:
    assert [(1, 3), (7, 7)] == list(some(3, 2, 1, 7).ranges("A-B"))
    assert [] == list(some(1).ranges("C-D"))


def test_it_survives_two_restarts_and_is_forgotten_after_an_hour() -> None:
    second = Fetched.inherit(remembered(some(1, 2)), [], now_us=NOW_US + 1)
    second.add("A-B", 3)
    third = Fetched.inherit(remembered(second, NOW_US + ON_THE_WAY_US // 2), [], now_us=NOW_US + ON_THE_WAY_US - 1)
    fourth = Fetched.inherit(remembered(third, NOW_US + ON_THE_WAY_US), [], now_us=NOW_US + ON_THE_WAY_US)

    assert [(1, 3)] == list(third.ranges("A-B"))
    assert [(3, 3)] == list(fourth.ranges("A-B"))
    assert [] == list(Fetched.inherit({}, [], now_us=NOW_US).ranges("A-B"))


def test_lines_written_after_the_checkpoint_count_too() -> None:
    lines = [
        b'{"v":1,"kind":"trade","product_id":"A-B","message":{"trade_id":5}}',
        b'{"v":1,"kind":"trade","product_id":"A-B","message":{"trade_id":"6"}}',
        b'{"v":1,"kind":"trade","message":{"trade_id":7}}',
        b'{"v":1,"kind":"trade","product_id":"A-B"',
        b'{"v":1,"kind":"ticker","product_id":"A-B","message":{"trade_id":8}}',
    ]
    fetched = Fetched.inherit(remembered(some(1)), [Entry(0, line) for line in lines], now_us=NOW_US)

    assert [(1, 1), (5, 5)] == list(fetched.ranges("A-B"))
