from local.exchange.ranges import IdRanges
from local.exchange.truth import ProductTruth, Struck, Truth


def test_what_was_not_sent_whole_is_unsent_and_partly_healable() -> None:
    product = ProductTruth(had=IdRanges([(1, 10)]))
    for trade_id in (1, 2, 5):
        product.note_sent(trade_id)
    product.note_sent(6, garbled=True)
    product.withheld.add_range(7, 8)
    assert [(3, 4), (6, 10)] == product.unsent.ranges()
    assert [(3, 4), (6, 6), (9, 10)] == product.healable.ranges()


def test_a_whole_frame_makes_good_a_garbled_one_and_not_the_other_way() -> None:
    product = ProductTruth()
    product.note_sent(6, garbled=True)
    product.note_sent(6)
    product.note_sent(6, garbled=True)
    assert 0 == len(product.garbled)
    assert [6] == list(product.sent)


def test_a_frame_without_an_id_counts_for_nothing() -> None:
    product = ProductTruth()
    product.note_sent(0)
    assert 0 == len(product.sent)


def test_totals_run_over_products_and_frames_that_name_none() -> None:
    truth = Truth(unnamed_count=2)
    truth.of("BTC-USD").frame_count = 3
    truth.of("BTC-USD").note_sent(1)
    truth.of("ETH-USD").note_sent(1)
    assert (5, 2) == (truth.frame_count, truth.trade_count)


def test_a_copy_stands_apart() -> None:
    truth = Truth()
    truth.of("BTC-USD").note_sent(1)
    copy = truth.copy()
    truth.of("BTC-USD").note_sent(2)
    truth.of("BTC-USD").withheld.add(9)
    truth.struck.append(Struck("BTC-USD", 2, "drop"))
    truth.rest_count[200] += 1
    assert [1] == list(copy.of("BTC-USD").sent)
    assert 0 == len(copy.of("BTC-USD").withheld)
    assert [] == copy.struck
    assert {} == copy.rest_count
