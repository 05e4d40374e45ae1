from __future__ import annotations

from producer.quota import QuotaMeter, Use


def test_calls_within_one_second_add_up_and_the_busiest_second_stays() -> None:
    meter = QuotaMeter()
    meter.note(10, 1000, 5.1)
    meter.note(20, 500, 5.9)
    meter.note(5, 3000, 6.0)

    assert Use(records=30, requests=2, sent_bytes=3000) == meter.peak


def test_what_was_asked_for_starts_anew_and_the_peak_does_not() -> None:
    meter = QuotaMeter()
    meter.note(10, 1000, 1.0)
    assert Use(10, 1, 1000) == meter.take_recent()
    assert Use() == meter.take_recent()
    meter.note(2, 20, 9.0)

    assert Use(2, 1, 20) == meter.take_recent()
    assert Use(10, 1, 1000) == meter.peak
