"""What the last days cost and how large objects are, as SQL: against plain Python, the price list and `ticklake cost`."""

from __future__ import annotations

import gzip
import json
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from local.lake.answers import run_query
from local.lake.cost import Packing, count_sent, measure_stored, plan_bill
from local.lake.folder import open_lake
from sql.prices import load_prices
from sql.questions import load_query

if TYPE_CHECKING:
    from pathlib import Path

START = datetime(2026, 11, 22, 23, 58, tzinfo=UTC)


def line(session: str, n: int, seconds: float, text: str = "x") -> bytes:
    received = (START + timedelta(seconds=seconds)).isoformat(timespec="microseconds").replace("+00:00", "Z")
    message = {"v": 1, "session": session, "n": n, "receive_time": received, "message": {"text": text}}
    return json.dumps(message, ensure_ascii=False).encode() + b"\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Four minutes around midnight: two sessions, one of them with more lines in a linger than a pack holds, and text beyond ASCII."""
    lines = [line("A", n, n * 0.3, "é" * (n % 50)) for n in range(800)]
    lines += [line("B", n, 130 + n * 0.001) for n in range(1_200)]
    by_hour: dict[str, list[bytes]] = defaultdict(list)
    for each in lines:
        received = json.loads(each)["receive_time"]
        by_hour[received[:13].replace("-", "/").replace("T", "/")].append(each)
    for hour, some in by_hour.items():
        folder = tmp_path / "raw/coinbase" / hour
        folder.mkdir(parents=True)
        (folder / "a.gz").write_bytes(gzip.compress(b"".join(some[::2])))
        (folder / "b.gz").write_bytes(gzip.compress(b"".join(some[1::2])))
    for hour, length in (("2026/11/22/23", 10), ("2026/11/23/00", 20), ("2026/11/23/01", 30)):
        folder = tmp_path / "errors/coinbase/processing-failed" / hour
        folder.mkdir(parents=True)
        (folder / "e").write_bytes(b"\n" * length)
    return tmp_path


def ask(root: Path, name: str, **values: str) -> list[tuple[Any, ...]]:
    with open_lake(root) as lake:
        return run_query(lake, load_query(name), values).rows


def test_prices_are_those_of_the_price_list() -> None:
    numbers = {p.name: p.default for p in load_query("cost_of_day").parameters if p.type == "number"}
    listed = {name: entry["price"] for name, entry in load_prices()["prices"].items()}
    assert {name: listed[name] for name in numbers} == numbers
    assert {"kms_key_month", "athena_tb"} == listed.keys() - numbers.keys()


def test_each_day_is_billed_as_plain_python_bills_it(root: Path) -> None:
    packs: dict[str, Counter[tuple[str, int, int]]] = defaultdict(Counter)
    lines_of: Counter[str] = Counter()
    filled: Counter[tuple[str, str, int]] = Counter()
    for path in sorted((root / "raw").rglob("*.gz")):
        day = "/".join(path.parts[-5:-2])
        every = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
        lines_of[day] += len(every)
    everything = sorted(
        (
            each
            for path in (root / "raw").rglob("*.gz")
            for each in gzip.decompress(path.read_bytes()).splitlines(keepends=True)
        ),
        key=lambda each: (json.loads(each)["session"], json.loads(each)["n"]),
    )
    for each in everything:
        said = json.loads(each)
        received = datetime.fromisoformat(said["receive_time"])
        window = int(received.timestamp() * 1000) // 5000
        day = received.strftime("%Y/%m/%d")
        place = filled[day, said["session"], window] // 500
        filled[day, said["session"], window] += 1
        packs[day][said["session"], window, place] += len(each)
    billed = {day: sum(-(-size // 5120) * 5120 for size in some.values()) for day, some in packs.items()}
    answer = {(day, item, unit): (amount, cost) for day, item, amount, unit, cost in ask(root, "cost_of_day")}
    assert ["2026/11/23", "2026/11/22"] == list(dict.fromkeys(day for day, *_ in answer))
    for day, billed_bytes in billed.items():
        amount, cost = answer[day, "Firehose ingest", "GB"]
        assert round(Decimal(billed_bytes) / 2**30, 10) == amount
        assert amount * Decimal("0.029") == cost
        assert Decimal(lines_of[day]) / 100_000 == answer[day, "Lambda time", "GB-seconds"][0]
        assert (4 if day == "2026/11/23" else 3) == answer[day, "S3 PUT requests", "objects"][0]
        assert 0 == answer[day, "Firehose partitioning", "objects"][0]


def test_it_is_near_what_ticklake_cost_says(root: Path) -> None:
    with open_lake(root) as lake:
        ordered = lake.connection.sql("SELECT line FROM raw ORDER BY line->>'receive_time'").fetchall()
    sent = count_sent((text.encode() + b"\n" for (text,) in ordered), Packing(500, 1_000_000, 5_000_000))
    said = {(item.name, item.unit): item.cost for item in plan_bill(sent, measure_stored(root)).once}
    answer: Counter[tuple[str, str]] = Counter()
    for _, item, _, unit, cost in ask(root, "cost_of_day"):
        answer[item, unit] += cost
    for key in (
        ("Firehose ingest", "GB"),
        ("Firehose conversion", "GB"),
        ("S3 PUT requests", "objects"),
        ("KMS requests", "requests"),
    ):
        assert 0.9 < answer[key] / said[key] < 1.1


def test_a_price_of_ones_own_is_taken(root: Path) -> None:
    costs = {item: cost for day, item, _, _, cost in ask(root, "cost_of_day", s3_put="0.5") if day == "2026/11/22"}
    assert Decimal("1.5") == costs["S3 PUT requests"]


def test_a_span_takes_whole_days(root: Path) -> None:
    assert {"2026/11/23"} == {row[0] for row in ask(root, "cost_of_day", **{"from": "2026-11-23T12:00"})}
    assert {"2026/11/22"} == {row[0] for row in ask(root, "cost_of_day", to="2026-11-22T00:00")}


def test_sizes_are_those_of_the_files(root: Path) -> None:
    sizes: dict[tuple[str, str], list[int]] = defaultdict(list)
    for path in root.rglob("*"):
        if path.is_file():
            parts = path.relative_to(root).parts
            sizes[parts[0], "/".join(parts[-5:-1])].append(path.stat().st_size)
    expected = [
        (*key, len(some), sum(some), min(some), sorted(some)[(len(some) - 1) // 2], max(some))
        for key, some in sorted(sizes.items())
    ]
    assert expected == ask(root, "object_sizes")
    assert [row for row in expected if row[1] >= "2026/11/23/00"] == ask(
        root, "object_sizes", **{"from": "2026-11-23T00:30"}
    )
