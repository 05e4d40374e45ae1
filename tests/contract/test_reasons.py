from __future__ import annotations

from typing import get_args

from contract import load_reasons
from contract.reasons import DETAIL_LIMIT_CHARS, LineRefused, Reason


def test_the_reasons_are_the_contracts() -> None:
    assert set(load_reasons("refusal")) == set(get_args(Reason))


def test_a_strangers_text_is_cut() -> None:
    refused = LineRefused("line_invalid", "x" * 10_000)
    assert DETAIL_LIMIT_CHARS == len(refused.detail)


def test_a_refusal_says_what_happened_and_what_it_means() -> None:
    assert "refused (book_crossed): ask below bid. The line is set aside; sent again it is refused again." == str(
        LineRefused("book_crossed", "ask below bid")
    )
