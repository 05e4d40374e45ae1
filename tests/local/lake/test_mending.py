"""A line that is no text keeps nothing from being asked: the others are judged, and of it what can be read."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest

from audit_lambda.audit import audit_lake
from audit_lambda.legible import LONGEST_LINE_BYTES
from local.lake.answers import LakeEngine
from local.lake.folder import open_lake
from local.lake.mending import MendingEngine, make_legible, mend_texts
from sql.engine import EngineFailed
from sql.questions import plan_query, query_from_sql
from tests.audit_lambda.whole import NOW, build

if TYPE_CHECKING:
    from pathlib import Path

    from sql.engine import Engine

RAW = "raw/coinbase/2025/03/03/03"
ERRORS = "errors/coinbase/processing-failed/2025/03/03/03"
LINES = {
    "not UTF-8": b"b\xffd",
    "too long": b"x" * (LONGEST_LINE_BYTES + 5),
    "carriage return": b"b\rd",
    "delimiter": b"b\x01d",
}


def put(root: Path, key: str, text: bytes) -> None:
    (root / key).parent.mkdir(parents=True, exist_ok=True)
    (root / key).write_bytes(gzip.compress(text, 1) if key.endswith(".gz") else text)


def ask(engine: Engine, sql: str) -> list[tuple[object, ...]]:
    return list(engine.ask(plan_query(query_from_sql(sql), {})).rows)


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
@pytest.mark.parametrize("name", ["one.gz", "one"])
def test_one_bad_line_leaves_the_others_to_be_asked(tmp_path: Path, name: str, line: bytes) -> None:
    put(tmp_path, f"{RAW}/{name}", b"before\n" + line + b"\nafter\n")
    put(tmp_path, f"{RAW}/other.gz", b"good\n")
    sql = "SELECT line, lake_hour FROM raw ORDER BY length(line) DESC, line"
    with open_lake(tmp_path) as lake:
        with pytest.raises(EngineFailed):
            ask(LakeEngine(lake), sql)
        rows = ask(MendingEngine(lake), sql)
    hour = "2025/03/03/03"
    assert [("after", hour), ("before", hour), ("good", hour)] == sorted(
        row for row in rows if row[0] != make_legible(line)
    )
    assert (make_legible(line), hour) in rows


def test_a_bad_envelope_of_an_error_object_is_mended_too(tmp_path: Path) -> None:
    put(tmp_path, f"{ERRORS}/one", b'{"rawData":"Zm9v"}\nb\xffd\n')
    with open_lake(tmp_path) as lake:
        rows = ask(MendingEngine(lake), "SELECT envelope FROM errors")
    assert {("b\ufffdd",), ('{"rawData":"Zm9v"}',)} == set(rows)


def test_what_is_good_is_not_touched_and_what_fails_otherwise_fails(tmp_path: Path) -> None:
    put(tmp_path, f"{RAW}/one.gz", b"good\n")
    with open_lake(tmp_path) as lake:
        assert [] == mend_texts(lake)
        with pytest.raises(EngineFailed, match="nowhere"):
            ask(MendingEngine(lake), "SELECT * FROM nowhere")


def test_a_damaged_object_is_not_mended(tmp_path: Path) -> None:
    put(tmp_path, f"{RAW}/one.gz", b"b\xffd\n" + bytes(range(32, 127)) * 9)
    path = tmp_path / RAW / "one.gz"
    path.write_bytes(path.read_bytes()[:-9])
    with open_lake(tmp_path) as lake:
        assert [] == mend_texts(lake)


def test_an_audit_judges_every_other_line_of_a_lake_with_a_bad_one(tmp_path: Path) -> None:
    build(tmp_path)
    with open_lake(tmp_path) as lake:
        before = audit_lake(LakeEngine(lake), lake="x", values={}, now=NOW)
    put(tmp_path, f"{RAW}/foreign.gz", b"b\xffd\n")
    path = next((tmp_path / RAW).glob("[0-9]*.gz"))
    lines = gzip.decompress(path.read_bytes()).split(b"\n")
    place = next(place for place, line in enumerate(lines) if b'"price":"1' in line)
    lines[place] = lines[place].replace(b'"price":"1', b'"price":"\xff')
    put(tmp_path, f"{RAW}/{path.name}", b"\n".join(lines))
    with open_lake(tmp_path) as lake:
        after = audit_lake(MendingEngine(lake), lake="x", values={}, now=NOW)
    found = {check.name: set(check.findings) for check in before.checks}
    assert [] == [check.why for check in after.checks if check.state == "not_run"]
    new = {
        check.name: [(f.severity, f.amount, f.what[:31]) for f in set(check.findings) - found[check.name]]
        for check in after.checks
    }
    assert {
        "lines": [("damage", 1, "lines without a name in raw/ th")],
        "contents": [("damage", 1, "a row is not as its line was se")],
    } == {name: some for name, some in new.items() if some}
