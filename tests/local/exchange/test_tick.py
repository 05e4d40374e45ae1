from local.exchange.tick import Trade


def test_the_maker_is_on_the_other_side() -> None:
    bought = Trade(1, "1", "1", "2025-11-24T15:08:18.223332Z", "buy")
    sold = Trade(2, "1", "1", "2025-11-24T15:08:18.223332Z", "sell")
    assert ("sell", "buy") == (bought.maker_side, sold.maker_side)
