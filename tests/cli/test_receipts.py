from __future__ import annotations

from collections import Counter
from dataclasses import replace

from cli.receipts import describe_engine, describe_producer, is_stored
from local.firehose.counters import EngineSnapshot
from producer.ledger import Ledger, ProductView, Receipt

LEDGER = Ledger(
    frames=Counter(ticker=90, heartbeat=10),
    lines=Counter(ticker=90, session=2),
    calls=3,
    packs_delivered=4,
    bytes_delivered=10_000,
    bytes_billed=20_480,
    products={"A-B": ProductView(holes=2, healed=3, missing=7)},
)
RECEIPT = Receipt(
    session="01JDB3M7Q8RSTVWXYZ01234567",
    written=92,
    delivered=80,
    pending=11,
    refused={"line_too_long": 1},
    backlog_pending=0,
    ledger=LEDGER,
)
ENGINE = EngineSnapshot(
    stream="ticklake",
    at_ms=0,
    records_accepted=4,
    bytes_accepted=10_000,
    records_refused=0,
    records_undivided=0,
    lines_accepted=80,
    invocations=1,
    invocations_failed=0,
    lines_dropped=0,
    lines_delivered=79,
    rows_delivered=79,
    objects_delivered=2,
    bytes_delivered=9_000,
    lines_in_errors=1,
    error_objects=1,
    lines_lost=0,
    backup_records=4,
    backup_bytes=10_000,
    backup_objects=1,
    backup_records_lost=0,
    store_failures=0,
    errors_by_code={"Lambda.ProcessingFailedStatus": 1},
    lines_pending=0,
    backup_records_pending=0,
    lag_ms=0,
    buffers=(),
)


def test_the_producers_numbers_stand_in_one_balanced_line() -> None:
    text = "\n".join(describe_producer(RECEIPT))

    assert "92 = 80 delivered + 11 pending + 1 refused (line_too_long 1)   balanced" in text
    assert "billed as 2.048 times that" in text
    assert "2 in trade ids, each named in a gap row; 3 trades healed, 7 still missing" in text


def test_what_does_not_balance_says_by_how_much() -> None:
    assert "NOT BALANCED: off by 5" in "\n".join(describe_producer(replace(RECEIPT, delivered=75)))
    assert "NOT BALANCED: off by -3" in "\n".join(describe_engine(replace(ENGINE, lines_accepted=77), {}))


def test_what_was_accepted_and_is_not_in_the_lake_is_said() -> None:
    assert "NOT STORED" not in "\n".join(describe_engine(ENGINE, {}))
    assert is_stored(ENGINE)
    for left in (
        replace(ENGINE, lines_pending=3),
        replace(ENGINE, lines_lost=3),
        replace(ENGINE, backup_records_pending=1),
        replace(ENGINE, backup_records_lost=1),
    ):
        assert not is_stored(left)
        assert "NOT STORED" in "\n".join(describe_engine(left, {}))


def test_trouble_is_told_only_where_there_was_some() -> None:
    calm = "\n".join(describe_producer(RECEIPT))
    assert not any(word in calm for word in ("again", "ambiguous", "earlier", "reconnects", "no room", "spots"))
    rough = replace(
        LEDGER,
        packs_throttled=3,
        calls_failed=Counter(Throttled=2),
        ambiguous_lines=9,
        backlog_delivered=5,
        reconnects=Counter({"the connection broke": 1}),
        lines_not_written=4,
    )
    text = "\n".join(describe_producer(replace(RECEIPT, ledger=rough)))

    assert all(word in text for word in ("3 packs throttled", "9 lines were in calls", "5 lines of earlier", "broke 1"))


def test_spot_prices_are_told_where_they_were_asked_for() -> None:
    quiet = replace(LEDGER, spot_prices=12)
    rough = replace(quiet, spot_failed=Counter({"HTTP 503": 3, "none": 1}), spot_missed=2)

    assert "  spots      12 spot prices, 0 due and missed" in list(describe_producer(replace(RECEIPT, ledger=quiet)))
    assert "  spots      12 spot prices, 2 due and missed; requests without one: HTTP 503 3, none 1" in list(
        describe_producer(replace(RECEIPT, ledger=rough))
    )


def test_the_engines_numbers_balance_and_name_the_reasons() -> None:
    text = "\n".join(describe_engine(ENGINE, {"message_invalid": 1}))

    assert "80 lines = 79 rows + 1 errors   balanced" in text
    assert "refused by reason: message_invalid 1" in text
