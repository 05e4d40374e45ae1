from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cli.errand_view import ErrandView, describe_duration, describe_effort, describe_errand
from producer.continuity import Hole
from producer.errand import Mission
from producer.healing import HealReceipt
from producer.intervals import IntervalSet
from producer.ledger import Ledger

if TYPE_CHECKING:
    from producer.healing import Outcome


class Errand:
    """As far as it is shown."""

    state = "fetching"

    def __init__(self, *holes: Hole, receipts: list[HealReceipt] | None = None) -> None:
        self.mission = Mission(named=holes)
        self.expected = 5_000
        self.receipts = receipts or []

    @property
    def missing(self) -> int:
        return sum(len(hole.missing) for hole in self.mission.holes)


class Producer:
    """Likewise."""

    class journal:  # noqa: N801 - it stands for an attribute
        pending, backlog_pending = 300, 4

    class delivery:  # noqa: N801 - likewise
        trouble = ""

    def __init__(self) -> None:
        self.ledger = Ledger()


def hole(first: int, last: int) -> Hole:
    missing = IntervalSet([(first, last)])
    return Hole("A-B", first, last, before=None, after=None, reason="stalled", missing=missing)


def receipt(of: Hole, outcome: Outcome, why: str | None) -> HealReceipt:
    return HealReceipt(of, outcome, of.expected, of.expected - len(of.missing), why)


def view(errand: Any, times: list[float]) -> ErrandView:
    return ErrandView(errand, Producer(), clock=iter(times).__next__)  # type: ignore[arg-type]


def test_progress_says_how_far_how_fast_and_how_long_yet() -> None:
    patient = hole(1, 5_000)
    errand = Errand(patient)
    showing = view(errand, [10.0, 14.0])
    assert "fetching: 0 of 5,000 trades, 0/s | REST nothing yet | 304 lines pending" == showing.line()
    patient.missing.remove(3_001, 5_000)

    assert "fetching: 2,000 of 5,000 trades, 500/s, 6 s left | REST nothing yet | 304 lines pending" == showing.line()


def test_trouble_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    showing = view(Errand(hole(1, 5_000)), [10.0, 12.0])
    showing._producer.ledger.rest.update({"200": 3, "429": 1})
    showing._producer.delivery.trouble = "Firehose is away."
    showing.show()
    assert ("", "") == tuple(capsys.readouterr())
    showing.show()

    assert "REST 3 x 200, 1 x 429 | 304 lines pending | TROUBLE: Firehose is away.\n" in capsys.readouterr().err


def test_the_receipt_balances_and_lists_what_is_still_missing() -> None:
    healed, partly, untouched = hole(1, 10), hole(20, 29), hole(40, 49)
    healed.missing.remove(1, 10)
    partly.missing.remove(20, 24)
    receipts = [receipt(healed, "healed", None), receipt(partly, "partly_healed", "gone")]
    errand = Errand(healed, partly, untouched, receipts=receipts)
    errand.expected = 30

    assert [
        "errand     fetching: 3 holes = 1 healed + 1 partly healed + 0 not healed + 1 still open",
        "  trades     30 missing = 15 fetched + 15 still missing",
        "  A-B 20..29: 5 trades missing: gone",
    ] == list(describe_errand(errand))  # type: ignore[arg-type]


def test_a_long_list_is_cut_and_says_so() -> None:
    holes = [hole(at, at) for at in range(1, 60, 2)]
    errand = Errand(*holes, receipts=[receipt(each, "unhealed", "gone") for each in holes])

    assert "  and 10 holes more: `ticklake query holes`" == list(describe_errand(errand))[-1]  # type: ignore[arg-type]


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0 s"), (61, "1 min 1 s"), (7_260, "2 h 1 min")])
def test_durations(seconds: float, text: str) -> None:
    assert text == describe_duration(seconds)


def test_the_effort_is_in_pages_and_at_the_rate_that_is_kept() -> None:
    assert "861,276 trades, about 862 pages, 1 min 48 s at least" == describe_effort(861_276)
