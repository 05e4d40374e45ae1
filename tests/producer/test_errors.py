from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from producer import errors
from producer.errors import TicklakeError

FIELDS: dict[str, dict[str, Any]] = {
    "SettingsError": {"name": "linger_s", "value": -1, "why": "not negative"},
    "FeedLost": {"url": "wss://x", "why": "silence", "code": 1006},
    "FeedRefused": {"url": "wss://x", "message": "no", "reason": "DOGE-EUR is not a product"},
    "KeyRefused": {"url": "wss://x", "message": "no", "reason": "invalid signature", "signed": True},
    "RestSilent": {"path": "/products/A-B/trades", "why": "HTTP 503", "waited_s": 600.0},
    "RestRefused": {"path": "/products/A-B/trades", "why": "HTTP 404"},
    "BodyUnreadable": {"what": "trades", "why": "not JSON", "head": "<html>"},
    "DeliveryFailed": {"code": "C", "message": "m.", "advice": "Do this."},
    "DeliveryThrottled": {"code": "C", "message": "m.", "advice": ""},
    "DeliveryUnreachable": {"code": "C", "message": "m.", "advice": ""},
    "DeliveryAmbiguous": {"code": "C", "message": "m.", "advice": ""},
    "DeliveryRefused": {"code": "C", "message": "m.", "advice": "Do this."},
    "DeliveryUnprepared": {"code": "C", "message": "m.", "advice": "Do this."},
    "AnswerMismatch": {"sent": 3, "answered": 2},
    "JournalLocked": {"path": Path("/j"), "holder": "process 7"},
    "JournalFull": {"path": Path("/j"), "why": "no room"},
    "JournalDamaged": {"path": Path("/j/x"), "why": "bad"},
}
CLASSES: dict[str, Any] = {
    name: each
    for name, each in inspect.getmembers(errors, inspect.isclass)
    if issubclass(each, TicklakeError) and each is not TicklakeError
}


def test_each_error_has_an_example_here_and_a_place_in_the_drawn_tree() -> None:
    assert set(CLASSES) == set(FIELDS)
    assert [] == [name for name in CLASSES if name not in (errors.__doc__ or "")]


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_an_error_keeps_its_fields_and_makes_one_sentence_or_more_of_them(name: str) -> None:
    fields = FIELDS[name]
    error = CLASSES[name](**fields)
    text = str(error)

    assert fields == {key: getattr(error, key) for key in fields}
    assert text.endswith((".", "is intact."))
    assert "\n" not in text
    assert ".." not in text


@pytest.mark.parametrize("name", ["DeliveryRefused", "AnswerMismatch", "JournalFull"])
def test_a_traceback_shows_the_fields(name: str) -> None:
    assert all(repr(value) in repr(CLASSES[name](**FIELDS[name])) for value in FIELDS[name].values())


def test_advice_comes_last() -> None:
    error = CLASSES["DeliveryRefused"](code="AccessDeniedException", message="no", advice="Give it the right.")

    assert (
        "Firehose answered AccessDeniedException: no. Nothing was accepted; the journal keeps filling and delivery"
        " is tried again. Give it the right."
    ) == str(error)


def test_what_was_never_sent_does_not_say_that_firehose_answered() -> None:
    for name in ("DeliveryUnreachable", "DeliveryUnprepared", "DeliveryAmbiguous"):
        assert "answered" not in str(CLASSES[name](**FIELDS[name]))
