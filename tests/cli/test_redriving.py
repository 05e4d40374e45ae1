"""`ticklake redrive --athena`: a deployed lake, redriven as the same lake at home would be."""

from __future__ import annotations

import gzip
import json
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner

from cli.redrive import command
from cli.redrive_record import SENT, SIGN, BucketRecord, RedriveHeld
from cli.redriving import Deployed, redrive_deployed
from cli.streams import home_stream
from infra import PIPELINE_TEMPLATE
from infra.errors import AwsRefused
from local.firehose.invoker import InProcessInvoker
from local.firehose.server import FirehoseServer
from local.firehose.store import FolderStore
from local.firehose.template import plan_standins, read_template
from local.hosting import HostedLoop
from local.lake.redrive import ErrorObjectDamaged
from producer.settlement import PutAnswer
from sql.athena import Athena
from sql.catalog import plan_base_views
from sql.redriving import Hours
from tests.cli.deployed import DATABASE, WORKGROUP, deployed
from tests.compact_lambda.lakes import FolderAthena, FolderBucket
from tests.local.lake.refused import SESSION, envelope, line
from tests.local.lake.trades import put, select, ticker

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from sqlglot import exp

    from producer.delivery import Puts
    from producer.packing import Pack
    from sql.engine import Answer

NAMES = "SELECT session, n, trade_id, price FROM processed WHERE kind = 'ticker' ORDER BY n"


def envelopes(*raws: bytes) -> bytes:
    return b"".join(envelope(raw) + b"\n" for raw in raws)


OBJECTS = {
    "processing-failed/2026/11/23/02/a": envelopes(line(1) + b"\n" + line(2) + b"\n", line(3), line(3), line(4, "-1")),
    "format-conversion-failed/2026/11/23/02/b.gz": gzip.compress(envelopes(line(5), b'{"kind":"ticker"}')),
    "metadata-extraction-failed/2026/11/23/03/c": envelopes(line(6), line(7)) + b"{\n",
}


def fill(lake: Path) -> Path:
    """Refused lines in objects of all three kinds and among rows; lines 5 and 8 are rows already."""
    for name, content in OBJECTS.items():
        path = lake / "errors/coinbase" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    put(lake, "x", [ticker(5, session=SESSION), ticker(8, session=SESSION)])
    told = {"reason": "price_not_positive", "detail": "", "line": line(9).decode()}
    aside = {"kind": "refused", "session": SESSION, "n": 9, "detail": json.dumps(told)}
    put(lake, "y", [aside], kind="mixed")
    return lake


class NamedAthena(FolderAthena):
    """The small Athena, with a name."""

    name = "Athena"


class Stream:
    """A stream that accepts everything, unless it is told to break off, and keeps it."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.lines: list[bytes] = []
        self._error = error

    def put(self, packs: Sequence[Pack]) -> list[PutAnswer]:
        if self._error:
            raise self._error
        self.lines += [line for pack in packs for line in pack.content.splitlines()]
        return [PutAnswer("id") for _ in packs]


def redrive(
    lake: Path,
    *,
    stream: Puts | None = None,
    hours: Hours | None = None,
    bucket: FolderBucket | None = None,
    dry_run: bool = False,
) -> tuple[int, int | None]:
    """How many lines there were to send, and how many were sent."""
    there = Deployed(lake=bucket or FolderBucket(lake), engine=NamedAthena(lake), firehose=stream or Stream())
    plan, sent_count = redrive_deployed(there, hours or Hours(), dry_run=dry_run)
    assert plan.is_balanced
    return len(plan.to_send), sent_count


def test_the_same_lake_at_home_and_there_sends_the_same_lines(tmp_path: Path) -> None:
    home, there = fill(tmp_path / "home"), fill(tmp_path / "there")
    said = CliRunner().invoke(command, ["--lake", str(home)]).stdout
    assert "11 refused lines = 6 sent + 1 in the lake already + 0 sent before + 1 copies + 3 refused today" in said
    with home_stream(there) as stream:
        assert (6, 6) == redrive(there, stream=stream)
    rows = select(home, NAMES)
    assert [1, 2, 3, 5, 6, 7, 8, 9] == [n for _, n, _, _ in rows]
    assert rows == select(there, NAMES)
    assert (0, 0) == redrive(there)


def test_the_lines_own_bytes_are_sent_and_no_second_time_while_they_are_on_their_way(tmp_path: Path) -> None:
    lake, stream = fill(tmp_path), Stream()
    assert (6, 6) == redrive(lake, stream=stream)
    assert (0, 0) == redrive(lake, stream=stream)
    assert [line(n) for n in (6, 7, 1, 2, 3, 9)] == stream.lines


def test_hours_are_those_of_the_refusal(tmp_path: Path) -> None:
    lake = fill(tmp_path)
    assert (2, None) == redrive(lake, hours=Hours(first="2026/11/23/03"), dry_run=True)
    assert (4, None) == redrive(lake, hours=Hours(last="2026/11/23/02"), dry_run=True)


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    lake = fill(tmp_path)
    before = [each.key for each in FolderBucket(lake).find_objects("")]
    assert (6, None) == redrive(lake, dry_run=True, stream=Stream(AssertionError("nothing is sent")))
    assert before == [each.key for each in FolderBucket(lake).find_objects("")]


def test_an_interruption_says_what_stands_and_lets_go(tmp_path: Path) -> None:
    lake = fill(tmp_path)
    with pytest.raises(KeyboardInterrupt) as interrupted:
        redrive(lake, stream=Stream(KeyboardInterrupt()))
    assert ["Interrupted: what was accepted is written down, and the same command goes on with the rest."] == (
        interrupted.value.__notes__
    )
    assert "ended" == json.loads((lake / SIGN).read_bytes())["state"]


class Forgetful(FolderBucket):
    """A bucket that does not take what was sent."""

    def put_record(self, key: str, body: bytes, *, replacing: str | None) -> str:
        if key.startswith(SENT):
            raise ClientError({"Error": {"Code": "SlowDown", "Message": "please"}}, "PutObject")
        return super().put_record(key, body, replacing=replacing)


def test_a_crash_between_the_answer_and_the_record_leaves_copies_at_most(tmp_path: Path) -> None:
    lake, first, second = fill(tmp_path), Stream(), Stream()
    with pytest.raises(AwsRefused, match="SlowDown"):
        redrive(lake, stream=first, bucket=Forgetful(lake))
    assert (6, 6) == redrive(lake, stream=second)
    assert first.lines == second.lines


def test_two_at_once_are_refused(tmp_path: Path) -> None:
    lake, stream = fill(tmp_path), Stream()
    with BucketRecord(FolderBucket(lake), run="other", clock=lambda: datetime.now(UTC)), pytest.raises(RedriveHeld):
        redrive(lake, stream=stream)
    assert [] == stream.lines


class Busy(NamedAthena):
    """While this one is asked, another run comes and goes."""

    def ask(self, question: exp.Query) -> Answer:
        answer = super().ask(question)
        with BucketRecord(
            FolderBucket(self.root), run=f"other{len(self.statements)}", clock=lambda: datetime.now(UTC)
        ) as other:
            other.append([(SESSION, 1), (SESSION, 2)])
        return answer


def test_what_another_run_sent_while_the_lake_was_asked_is_not_sent_again(tmp_path: Path) -> None:
    lake, stream = fill(tmp_path), Stream()
    there = Deployed(lake=FolderBucket(lake), engine=Busy(lake), firehose=stream)
    plan, sent_count = redrive_deployed(there, Hours(), dry_run=False)
    assert (2, 4) == (plan.sent_before, sent_count)
    assert [line(n) for n in (6, 7, 3, 9)] == stream.lines


def test_a_damaged_error_object_stops_everything(tmp_path: Path) -> None:
    lake = fill(tmp_path)
    path = lake / "errors/coinbase/format-conversion-failed/2026/11/23/02/b.gz"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(ErrorObjectDamaged, match="s3://lake/errors/coinbase/format-conversion-failed"):
        redrive(lake)
    assert not (lake / SIGN).exists()


# ---------------------------------------------------------------------- as a person types it


@contextmanager
def firehose(lake: Path) -> Iterator[str]:
    """The local engine behind Firehose's protocol; what it took is in the lake when the `with` ends."""
    parameters = {"StreamName": "t-stream"}
    standins = plan_standins(PIPELINE_TEMPLATE, parameters)
    config = read_template(PIPELINE_TEMPLATE, parameters=parameters, standins=standins).stream("t-stream")
    with HostedLoop("firehose") as loop:
        server = FirehoseServer(streams=[config], store=FolderStore(lake), invoker=InProcessInvoker(), seed=1)
        yield loop.call(server.start())
        loop.call(server.stop(flush=True))


def client(service: str, variables: dict[str, str]) -> Any:
    session = boto3.Session("a", "b", region_name="us-east-1")
    return session.client(service, endpoint_url=variables["AWS_ENDPOINT_URL"])  # type: ignore[call-overload]


def make_stack(variables: dict[str, str], name: str, outputs: dict[str, str]) -> None:
    written = {key: {"Value": value} for key, value in outputs.items()}
    template = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}, "Outputs": written}
    client("cloudformation", variables).create_stack(StackName=name, TemplateBody=json.dumps(template))


@pytest.mark.slow  # three processes' worth of boto3 sessions
def test_a_stack_is_redriven_with_one_command(tmp_path: Path) -> None:
    lake = fill(tmp_path / "lake")
    with deployed(lake) as (hosted, variables), firehose(lake) as endpoint:
        engine = Athena(hosted.client(), workgroup=WORKGROUP, database=DATABASE)
        for statement in plan_base_views():
            engine.run(statement)
        variables["AWS_ENDPOINT_URL_FIREHOSE"] = endpoint
        variables["TICKLAKE_LAKE"] = str(lake)  # an environment for the folder's commands is not in the way
        make_stack(variables, "r-storage", {"LakeBucketName": "r-lake"})
        outputs = {"DatabaseName": DATABASE, "WorkgroupName": WORKGROUP, "StreamName": "t-stream"}
        make_stack(variables, "r-pipeline", outputs)
        s3 = client("s3", variables)
        s3.create_bucket(Bucket="r-lake")
        for name, content in OBJECTS.items():
            s3.put_object(Bucket="r-lake", Key=f"errors/coinbase/{name}", Body=content)
        run = [CliRunner(env=variables).invoke(command, ["--athena", "--name", "r"]) for _ in range(2)]
        wrong = CliRunner(env=variables).invoke(command, ["--athena", "--name", "t"])
    assert [0, 0, 1] == [each.exit_code for each in (*run, wrong)]
    assert "11 refused lines = 6 sent + 1 in the lake already + 0 sent before + 1 copies + 3 refused" in run[0].stdout
    assert "S3: 3 of 3 error objects, 10 refused lines\n" in run[0].stderr
    assert "Firehose: 6 of 6 lines accepted\n" in run[0].stderr
    assert "= 0 sent + 1 in the lake already + 6 sent before +" in run[1].stdout
    assert "they do not say LakeBucketName, StreamName" in wrong.stderr
    assert [1, 2, 3, 5, 6, 7, 8, 9] == [n for _, n, _, _ in select(lake, NAMES)]


@pytest.mark.parametrize("option", ["--lake", "--stream"])
def test_a_folder_or_another_stream_and_athena_are_not_said_together(tmp_path: Path, option: str) -> None:
    result = CliRunner().invoke(command, ["--athena", option, str(tmp_path)])
    assert 2 == result.exit_code
    assert option in result.stderr
