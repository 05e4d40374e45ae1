from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from cli.journal import EXIT_DAMAGED, command
from cli.main import main
from infra import PIPELINE_TEMPLATE
from local.firehose.faults import Faults, parse_fault
from local.firehose.invoker import InProcessInvoker
from local.firehose.server import FirehoseServer
from local.firehose.store import MemoryStore
from local.firehose.template import read_template
from local.hosting import HostedLoop
from producer.continuity import Continuity
from producer.fetched import Fetched
from producer.inherit import inherit_continuity
from producer.journal import Journal
from producer.legacy import look_at_legacy
from producer.line import LineEncoder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from click.testing import Result

SESSION = "01JDB3M7Q8RSTVWXYZ01234567"
OTHER = "01JDB3M7Q8RSTVWXYZ01234568"
AT_US = 1_795_435_200_000_000


def fill(path: Path, count: int, *, session: str = SESSION, memory: dict[str, Any] | None = None) -> Journal:
    journal = Journal(path, session, fsync="never")
    encoder = LineEncoder(session)
    for n in range(count):
        message = b'{"type":"ticker","product_id":"BTC-USD","trade_id":%d}' % (n + 1)
        journal.append(encoder.encode(n=n, kind="ticker", source="simulated", receive_us=AT_US + n, message=message))
    journal.checkpoint(memory or {})
    return journal


def flip(path: Path) -> None:
    (segment,) = path.rglob("*.seg")
    content = bytearray(segment.read_bytes())
    content[len(content) // 2] ^= 1
    segment.write_bytes(content)


def run(*args: object) -> Result:
    result = CliRunner().invoke(main, ["journal", *map(str, args)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> Iterator[FirehoseServer]:
    """A local delivery stream that AWS's own variables point at."""
    standins = {
        "LakeBucketName": "lake",
        "LakeKeyArn": "arn:aws:kms:x",
        "CodeBucketName": "code",
        "TransformCodeKey": "t",
    }
    config = read_template(PIPELINE_TEMPLATE, standins=standins).streams[0]
    with HostedLoop("firehose") as loop:
        server = FirehoseServer(streams=[config], store=MemoryStore(), invoker=InProcessInvoker())
        monkeypatch.setenv("AWS_ENDPOINT_URL_FIREHOSE", loop.call(server.start()))
        for name, value in (("REGION", "us-east-1"), ("ACCESS_KEY_ID", "any"), ("SECRET_ACCESS_KEY", "any")):
            monkeypatch.setenv(f"AWS_{name}", value)
        yield server
        loop.call(server.stop(flush=True))


def test_inspect_says_what_is_there_and_who_has_it(tmp_path: Path) -> None:
    journal = fill(tmp_path, 20)
    journal.live.settle(0, 4)
    journal.checkpoint({})
    result = run("inspect", "--journal", tmp_path)

    assert 0 == result.exit_code
    assert f"in use by process {os.getpid()}, session {SESSION}" in result.output
    assert "20 = 5 delivered + 15 pending + 0 refused" in result.output
    assert "n 0 to 19" in result.output
    assert "received 2026-11-23T12:00:00.000005Z" in result.output
    journal.close()
    assert "not in use" in run("inspect", "--journal", tmp_path).output


def test_inspect_of_an_empty_folder_and_of_none(tmp_path: Path) -> None:
    assert "0 sessions, 0 lines pending" in run("inspect", "--journal", tmp_path).output
    assert 2 == run("inspect", "--journal", tmp_path / "nowhere").exit_code


def test_verify_ends_with_0_if_intact_and_1_with_file_and_offset_if_not(tmp_path: Path) -> None:
    fill(tmp_path, 20).close()
    intact = run("verify", "--journal", tmp_path)
    assert (0, "20 lines in 1 sessions: all intact\n") == (intact.exit_code, intact.output)
    flip(tmp_path)
    damaged = run("verify", "--journal", tmp_path)

    assert EXIT_DAMAGED == damaged.exit_code
    assert "00000000000000000000.seg, offset " in damaged.output
    assert "were counted, are not settled, and are not there" in damaged.output


def test_repair_makes_a_new_journal_that_drains(tmp_path: Path, stream: FirehoseServer) -> None:
    fill(tmp_path / "old", 20).close()
    flip(tmp_path / "old")
    repaired = run("repair", "--journal", tmp_path / "old", "--into", tmp_path / "new")
    assert (0, True) == (repaired.exit_code, "balanced" in repaired.output)
    assert "19 lines salvaged" in repaired.output
    assert "lost       1 lines" in repaired.output
    assert 0 == run("verify", "--journal", tmp_path / "new").exit_code
    drained = run("drain", "--journal", tmp_path / "new")

    assert (0, True) == (drained.exit_code, "19 lines delivered" in drained.output)
    assert 19 == stream.snapshot("ticklake").lines_accepted
    assert EXIT_DAMAGED == run("verify", "--journal", tmp_path / "old").exit_code


def test_repair_writes_into_no_folder_that_exists(tmp_path: Path) -> None:
    fill(tmp_path / "old", 1).close()
    (tmp_path / "new").mkdir()
    result = run("repair", "--journal", tmp_path / "old", "--into", tmp_path / "new")

    assert (2, True) == (result.exit_code, "name a folder that does not" in result.output)


def test_a_journal_in_use_is_neither_repaired_nor_drained(tmp_path: Path, stream: FirehoseServer) -> None:
    journal = fill(tmp_path / "old", 20)
    for args in (["repair", "--into", tmp_path / "new"], ["drain"]):
        result = run(*args, "--journal", tmp_path / "old")
        assert (1, True) == (result.exit_code, "is in use by process" in result.output)
    journal.close()

    assert not (tmp_path / "new").exists()
    assert 0 == stream.snapshot("ticklake").lines_accepted


def test_export_writes_lines_and_only_lines(tmp_path: Path) -> None:
    journal = fill(tmp_path / "j", 20)
    journal.live.settle(0, 4)
    journal.checkpoint({})
    everything = run("export", "--journal", tmp_path / "j")
    pending = run("export", "--journal", tmp_path / "j", "--pending", "--out", tmp_path / "lines")

    assert list(range(20)) == [json.loads(each)["n"] for each in everything.stdout.splitlines()]
    assert list(range(5, 20)) == [json.loads(each)["n"] for each in (tmp_path / "lines").read_text().splitlines()]
    assert (0, "20 lines\n", "15 lines\n") == (everything.exit_code, everything.stderr, pending.stderr)
    journal.close()


def test_export_names_what_it_leaves_out(tmp_path: Path) -> None:
    fill(tmp_path, 20).close()
    flip(tmp_path)
    result = run("export", "--journal", tmp_path)

    assert (EXIT_DAMAGED, 19) == (result.exit_code, len(result.stdout.splitlines()))
    assert "damaged bytes left out" in result.stderr


def test_drain_delivers_every_session_and_keeps_what_the_next_producer_must_know(
    tmp_path: Path, stream: FirehoseServer
) -> None:
    known = Continuity()
    known.observe("BTC-USD", 30, "2026-11-23T12:00:00.000000Z")
    fill(tmp_path, 700).close()
    fill(tmp_path, 30, session=OTHER, memory={"continuity": known.to_memory()}).close()
    result = run("drain", "--journal", tmp_path)
    assert (0, True) == (result.exit_code, "730 lines delivered" in result.output)
    assert 730 == stream.snapshot("ticklake").lines_accepted
    again = run("drain", "--journal", tmp_path)
    assert (0, True) == (again.exit_code, "0 lines delivered in 0 calls, 0 pending" in again.output)
    next_one = Journal(tmp_path, "01ZZZZZZZZZZZZZZZZZZZZZZZZ")

    assert 30 == inherit_continuity(*next_one.inherited()).last_trade_id("BTC-USD")


def test_drain_that_cannot_deliver_in_time_says_so_with_code_3(tmp_path: Path, stream: FirehoseServer) -> None:
    fill(tmp_path, 30).close()
    stream.faults.put_in_force([parse_fault("busy")])
    result = run("drain", "--journal", tmp_path, "--within-s", "0.3")

    assert (3, True) == (result.exit_code, "30 pending" in result.output)
    assert "Slow down" in result.output or "ServiceUnavailable" in result.output
    stream.faults.put_in_force([])
    assert 0 == run("drain", "--journal", tmp_path).exit_code
    assert isinstance(stream.faults, Faults)


def test_each_test_that_the_documentation_names_exists() -> None:
    root = Path(__file__).parents[2]
    named = re.findall(r"`(\w+/test_\w+\.py)(?:::(\w+))?`", (root / "docs" / "journal.md").read_text())
    missing = [(path, name) for path, name in named if f"def {name}" not in (root / "tests" / path).read_text()]

    assert len(named) > 10
    assert missing == []


def test_each_command_and_each_of_its_options_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "journal.md").read_text()
    group: Any = command
    options = {option for each in group.commands.values() for param in each.params for option in param.opts}

    assert [] == [name for name in (*group.commands, *options) if name not in text]


def test_a_wrong_stream_name_is_a_usage_error(tmp_path: Path) -> None:
    result = run("drain", "--journal", tmp_path, "--stream", "arn:aws:firehose:x")

    assert (2, True) == (result.exit_code, "not an ARN" in result.output)


@pytest.mark.usefixtures("stream")
def test_draining_does_not_forget_what_was_fetched(tmp_path: Path) -> None:
    fill(tmp_path, 3, memory={"fetched": [[time.time_ns() // 1000, "A-B", [[5, 9]]]]}).close()
    assert 0 == run("drain", "--journal", tmp_path).exit_code
    legacy = look_at_legacy(tmp_path)

    assert [(5, 9)] == list(Fetched.inherit(legacy.memory, legacy.since, now_us=time.time_ns() // 1000).ranges("A-B"))
