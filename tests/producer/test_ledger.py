from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from producer.ledger import Ledger, ProductView, Receipt

COUNT = st.integers(0, 10**9)


def receipt(*, written: int, delivered: int, pending: int, refused: dict[str, int]) -> Receipt:
    return Receipt(
        session="S",
        written=written,
        delivered=delivered,
        pending=pending,
        refused=refused,
        backlog_pending=0,
        ledger=Ledger(),
    )


@given(COUNT, COUNT, st.dictionaries(st.sampled_from(["a", "b"]), COUNT))
def test_a_receipt_balances_or_says_by_how_much_not(delivered: int, pending: int, refused: dict[str, int]) -> None:
    accounted = delivered + pending + sum(refused.values())

    assert 0 == receipt(written=accounted, delivered=delivered, pending=pending, refused=refused).unbalanced
    assert 3 == receipt(written=accounted + 3, delivered=delivered, pending=pending, refused=refused).unbalanced
    assert -2 == receipt(written=accounted - 2, delivered=delivered, pending=pending, refused=refused).unbalanced


def test_a_products_view_is_made_once() -> None:
    ledger = Ledger()
    ledger.product("BTC-USD").ticks += 1
    ledger.product("BTC-USD").ticks += 1

    assert {"BTC-USD": ProductView(ticks=2)} == ledger.products


def test_two_ledgers_share_nothing() -> None:
    one, other = Ledger(), Ledger()
    one.calls_failed["x"] += 1
    one.quota.note(1, 1, 0.0)

    assert 0 == other.calls_failed.total() + other.quota.peak.requests
