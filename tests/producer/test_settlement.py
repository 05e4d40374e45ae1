from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.errors import AnswerMismatch, DeliveryAmbiguous, DeliveryFailed, DeliveryRefused, DeliveryThrottled
from producer.packing import Pack
from producer.settlement import ADVICE, CONTENT_CODES, THROTTLING_CODES, PutAnswer, classify_call_error, settle

OK = PutAnswer("id")
SLOW = PutAnswer(None, "ServiceUnavailableException", "Slow down.")
BROKEN = PutAnswer(None, "InternalFailure", "?")
BAD = PutAnswer(None, "ValidationException", "no")


def packs(count: int) -> list[Pack]:
    return [Pack("S", n, n, 1, b"x\n") for n in range(count)]


@given(st.lists(st.sampled_from([OK, SLOW, BROKEN, BAD]), max_size=30))
def test_every_pack_is_settled_once_by_its_own_index(answers: list[PutAnswer]) -> None:
    sent = packs(len(answers))
    settlement = settle(sent, answers)

    assert [pack for pack, answer in zip(sent, answers, strict=True) if answer is OK] == list(settlement.delivered)
    assert [pack for pack, answer in zip(sent, answers, strict=True) if answer in {SLOW, BROKEN}] == list(
        settlement.again
    )
    assert [pack for pack, answer in zip(sent, answers, strict=True) if answer is BAD] == [
        p for p, _ in settlement.refused
    ]
    assert (SLOW in answers) == settlement.throttled


def test_an_unknown_code_and_an_empty_answer_are_tried_again() -> None:
    settlement = settle(packs(3), [PutAnswer(None, "NeverSeen"), PutAnswer(None), PutAnswer("id", "Both")])

    assert 3 == len(settlement.again)


def test_a_refusal_carries_its_code() -> None:
    assert ["firehose_ValidationException"] == [reason for _, reason in settle(packs(1), [BAD]).refused]


def test_an_answer_of_another_length_settles_nothing() -> None:
    with pytest.raises(AnswerMismatch, match="answered 1 entries to 2 records"):
        settle(packs(2), [OK])


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        *((code, 400, DeliveryThrottled) for code in sorted(THROTTLING_CODES)),
        *((code, 400, DeliveryRefused) for code in sorted(ADVICE)),
        *((code, 400, DeliveryRefused) for code in sorted(CONTENT_CODES)),
        ("InternalFailure", 500, DeliveryAmbiguous),
        ("ReadTimeoutError", None, DeliveryAmbiguous),
        ("Unknown", 503, DeliveryAmbiguous),
        ("Unknown", 400, DeliveryRefused),
    ],
)
def test_a_whole_calls_error_is_classified(code: str, status: int | None, expected: type[DeliveryFailed]) -> None:
    error = classify_call_error(code, "message", status)

    assert expected is type(error)
    assert code in str(error)


@pytest.mark.parametrize("code", sorted(ADVICE))
def test_every_known_refusal_says_what_to_do(code: str) -> None:
    assert str(classify_call_error(code, "message", 400)).endswith(ADVICE[code])
