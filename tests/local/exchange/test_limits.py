from local.exchange.limits import Limits, TokenBucket

SECOND_US = 1_000_000


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    bucket = TokenBucket(rate=10, burst=15)
    assert 15 == sum(bucket.take(0) for _ in range(100))
    assert 10 == sum(bucket.take(SECOND_US) for _ in range(100))


def test_a_rested_bucket_holds_no_more_than_its_burst() -> None:
    bucket = TokenBucket(rate=10, burst=15)
    bucket.take(0)
    assert 15 == sum(bucket.take(3600 * SECOND_US) for _ in range(100))


def test_a_clock_that_steps_back_fills_nothing() -> None:
    bucket = TokenBucket(rate=10, burst=1)
    assert bucket.take(5 * SECOND_US)
    assert not bucket.take(0)
    assert bucket.take(6 * SECOND_US)


def test_each_api_has_a_limit_of_its_own() -> None:
    limits = Limits()
    assert limits.rest is limits.of_path("/products")
    assert limits.app is limits.of_path("/v2/prices/A-B/spot")
