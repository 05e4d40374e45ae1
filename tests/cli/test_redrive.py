"""`ticklake redrive` on a lake with refused lines, and its sending against every pattern of answers."""

from __future__ import annotations

import base64
import json
import random
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from cli.redrive import command, plan_redrive_packs, send_packs
from local.lake.answers import run_query
from local.lake.folder import open_lake
from local.lake.redrive import NamedLine, SentFile
from producer.errors import AnswerMismatch, DeliveryAmbiguous, DeliveryRefused, DeliveryThrottled
from producer.settlement import PutAnswer
from sql.questions import query_from_sql

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from click.testing import Result

    from local.lake.redrive import Name
    from producer.packing import Pack

SESSION = "01KAR2M9Q4T8W6X0Y5Z7B3C1DF"
ACCEPTED = PutAnswer("id")
SLOW_DOWN = PutAnswer(None, "ServiceUnavailableException", "Slow down.")
BAD = PutAnswer(None, "InvalidArgumentException", "no")


def line(n: int, price: str = "1.5") -> bytes:
    frame = {
        "type": "ticker",
        "sequence": n,
        "product_id": "BTC-USD",
        "price": price,
        "side": "buy",
        "time": "2026-11-23T01:00:00Z",
        "trade_id": n + 1,
        "last_size": "1",
    }
    whole = {
        "v": 1,
        "session": SESSION,
        "n": n,
        "kind": "ticker",
        "source": "exchange_ws",
        "receive_time": "2026-11-23T01:00:00.000000Z",
    }
    return json.dumps({**whole, "message": frame}, separators=(",", ":")).encode()


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """Three refused lines that pass today, one of them twice, and one that does not."""
    folder = tmp_path / "lake/errors/coinbase/processing-failed/2026/11/23/02"
    folder.mkdir(parents=True)
    raws = [line(1) + b"\n" + line(2) + b"\n", line(3), line(3), line(4, "-1")]
    (folder / "x").write_text("".join(json.dumps({"rawData": base64.b64encode(raw).decode()}) + "\n" for raw in raws))
    return tmp_path / "lake"


def redrive(lake: Path, *args: str) -> Result:
    return CliRunner().invoke(command, ["--lake", str(lake), *args])


def rows(lake: Path) -> list[int]:
    with open_lake(lake) as opened:
        return [n for (n,) in run_query(opened, query_from_sql("SELECT n FROM processed ORDER BY n"), {}).rows]


def test_what_passes_today_becomes_rows_and_a_second_run_sends_nothing(lake: Path) -> None:
    first = redrive(lake)
    assert (0, "") == (first.exit_code, first.stderr)
    assert (
        "5 refused lines = 3 sent + 0 in the lake already + 0 sent before + 1 copies + 1 refused today as well   balanced"
        in first.stdout
    )
    assert "price_not_positive: 1" in first.stdout
    assert [1, 2, 3] == rows(lake)
    second = redrive(lake)
    assert (
        "5 refused lines = 0 sent + 3 in the lake already + 0 sent before + 1 copies + 1 refused today as well   balanced"
        in second.stdout
    )
    assert [1, 2, 3] == rows(lake)


def test_a_dry_run_touches_nothing(lake: Path) -> None:
    before = sorted(lake.rglob("*"))
    assert "= 3 would be sent +" in redrive(lake, "--dry-run").stdout
    assert before == sorted(lake.rglob("*"))


def test_lines_on_their_way_are_not_sent_again(lake: Path) -> None:
    with SentFile(lake) as sent_file:
        sent_file.append([(SESSION, 1), (SESSION, 3)])
    assert "= 1 sent + 0 in the lake already + 2 sent before +" in redrive(lake).stdout
    assert [2] == rows(lake)


def test_two_at_once_are_refused(lake: Path) -> None:
    with SentFile(lake):
        result = redrive(lake)
    assert 1 == result.exit_code
    assert "Another redrive holds" in result.stderr


@pytest.mark.parametrize("stream", ["", 'x","Records":[', "arn:aws:firehose:us-east-1:1:deliverystream/x", "x" * 65])
def test_a_stream_has_a_name_of_its_own(lake: Path, stream: str) -> None:
    result = redrive(lake, "--stream", stream)
    assert 2 == result.exit_code
    assert "--stream wants" in result.stderr


def test_a_lake_without_refusals_has_nothing_to_send(tmp_path: Path) -> None:
    (tmp_path / "lake").mkdir()
    assert redrive(tmp_path / "lake").stdout.startswith("0 refused lines = 0 sent")


def lines(count: int, width: int = 10) -> list[NamedLine]:
    return [NamedLine((SESSION, n), b"x" * width) for n in range(count)]


def test_packs_keep_every_line_in_order_within_firehoses_limits() -> None:
    for given in (lines(1_203), lines(30, 100_000), lines(1, 1_024_000), []):
        packs = plan_redrive_packs(given)
        assert [each.name for each in given] == [name for each in packs for name in each.names]
        assert all(each.pack.line_count == len(each.names) <= 500 for each in packs)
        assert all(len(each.pack.content) <= 1_024_000 for each in packs)
        assert [each.line for each in given] == [text for each in packs for text in each.pack.content.splitlines()]


class Cloud:
    """Answers each call by a script: answers per pack, or an error; after the script everything is accepted."""

    def __init__(self, *script: list[PutAnswer] | Exception) -> None:
        self._script: Iterator[list[PutAnswer] | Exception] = iter(script)
        self.stored: list[Name] = []
        self.waits_s: list[float] = []

    def put(self, packs: Sequence[Pack]) -> list[PutAnswer]:
        step = next(self._script, [ACCEPTED] * len(packs))
        if isinstance(step, Exception):
            raise step
        return step

    def send(self, given: Sequence[NamedLine]) -> int:
        return send_packs(
            plan_redrive_packs(given), self.put, self.stored.extend, rng=random.Random(1), sleep=self.waits_s.append
        )


def test_only_packs_accepted_by_index_are_written_down() -> None:
    cloud = Cloud([ACCEPTED, SLOW_DOWN, BAD], [ACCEPTED])
    assert 1_000 == cloud.send(lines(1_500))
    assert [*range(1_000)] == [n for _, n in cloud.stored]


@pytest.mark.parametrize("error", [DeliveryThrottled(code="x", message=""), DeliveryAmbiguous(code="x", message="")])
def test_what_may_pass_is_tried_again_and_given_up_after_a_while(error: Exception) -> None:
    assert 10 == Cloud(error, error).send(lines(10))
    given_up = Cloud(*[error] * 100)
    assert 0 == given_up.send(lines(10))
    assert 8 == len(given_up.waits_s)
    throttled = Cloud(*[[SLOW_DOWN]] * 100)
    assert 0 == throttled.send(lines(10))
    assert not throttled.stored


@pytest.mark.parametrize("step", [DeliveryRefused(code="x", message=""), [ACCEPTED, ACCEPTED]])
def test_what_a_person_has_to_change_is_raised(step: list[PutAnswer] | Exception) -> None:
    with pytest.raises((DeliveryRefused, AnswerMismatch)):
        Cloud(step).send(lines(10))
