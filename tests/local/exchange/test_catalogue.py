from local.exchange.catalogue import CATALOGUE, describe_product


def test_the_catalogue_has_thick_and_thin_products_in_several_quotes() -> None:
    rates = [product.trades_per_s for product in CATALOGUE.values()]
    assert max(rates) > 1
    assert min(rates) < 1 / 60
    assert {product_id.rpartition("-")[2] for product_id in CATALOGUE} >= {"USD", "EUR", "GBP", "BTC"}
    assert any(product.price_places == 8 for product in CATALOGUE.values())


def test_a_price_is_many_increments() -> None:
    for product in CATALOGUE.values():
        assert product.base_price * 10**product.price_places > 50
        assert product.book_places >= product.price_places


def test_a_product_is_described_as_rest_does() -> None:
    described = describe_product("SOL-USD", CATALOGUE["SOL-USD"])
    assert ("SOL-USD", "SOL", "USD") == (described["id"], described["base_currency"], described["quote_currency"])
    assert ("0.01", "0.00000001") == (described["quote_increment"], described["base_increment"])
    assert ("online", False) == (described["status"], described["trading_disabled"])


def test_a_product_of_a_recording_alone_is_described_too() -> None:
    assert "0.00000001" == describe_product("BAND-GBP")["quote_increment"]


def test_whole_units_have_an_increment_of_one() -> None:
    assert "1" == describe_product("SHIB-USD", CATALOGUE["SHIB-USD"])["base_increment"]
