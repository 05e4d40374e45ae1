"""`ticklake firehose` as a person runs it: a process, a client, Ctrl-C."""

from __future__ import annotations

import gzip
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import boto3
import pytest
from click.testing import CliRunner

from cli.firehose import command
from local.firehose.faults import FaultName
from local.firehose.guesses import Guesses

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_firehose import FirehoseClient

ROOT = Path(__file__).parents[2]
_PIPELINE = str(ROOT / "infra" / "pipeline.yaml")


class _Running:
    """The program, and what it had printed until it served."""

    def __init__(self, process: subprocess.Popen[str], said: list[str]) -> None:
        self.process = process
        self.said = said
        self.url = said[-1].removeprefix("AWS_ENDPOINT_URL_FIREHOSE=").strip()
        self.books = ""

    def client(self) -> FirehoseClient:
        return boto3.client(
            "firehose",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="any",
            aws_secret_access_key="any",
        )

    def interrupt(self) -> int:
        """Ctrl-C; the exit code, with the last lines kept."""
        self.process.send_signal(signal.SIGINT)
        self.books, _ = self.process.communicate(timeout=60)
        return self.process.returncode


@contextmanager
def _running(*arguments: str) -> Iterator[_Running]:
    program = "from cli.main import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", program, "firehose", "--port", "0", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if line.startswith("AWS_ENDPOINT_URL_FIREHOSE="):
                break
        try:
            yield _Running(process, said)
        finally:
            process.kill()


def _put(client: FirehoseClient, stream: str, *records: bytes) -> int:
    answer = client.put_record_batch(DeliveryStreamName=stream, Records=[{"Data": record} for record in records])
    client.close()
    return answer["FailedPutCount"]


def test_a_templates_stream_is_served_and_ctrl_c_delivers_what_is_buffered(tmp_path: Path) -> None:
    with _running("--template", _PIPELINE, "--store", str(tmp_path), "--buffer-s", "5") as running:
        assert any("LakeBucketName=local stands in" in line for line in running.said)
        assert any("the lake buffer waits 5 s instead of 300 s" in line for line in running.said)
        assert 0 == _put(running.client(), "ticklake", b"not a line\n")
        assert 0 == running.interrupt()
    assert "1 lines = 0 delivered + 1 in error objects + 0 dropped + 0 lost + 0 undelivered" in running.books
    [backup] = tmp_path.glob("raw/coinbase/*/*/*/*/*.gz")
    assert b"not a line\n" == gzip.decompress(backup.read_bytes())


def test_without_a_template_streams_are_made_by_calls_and_buckets_told_apart(tmp_path: Path) -> None:
    with _running("--store", str(tmp_path), "--no-quota") as running:
        client = running.client()
        to_s3: Any = {"RoleARN": "arn:aws:iam::000000000000:role/r", "BucketARN": "arn:aws:s3:::mine"}
        client.create_delivery_stream(DeliveryStreamName="made", ExtendedS3DestinationConfiguration=to_s3)
        assert 0 == _put(client, "made", b"a", b"b")
        assert 0 == running.interrupt()
    assert [b"ab"] == [path.read_bytes() for path in tmp_path.glob("mine/*/*/*/*/made-1-*")]


def test_faults_strike_by_their_seed_and_an_undelivered_record_is_exit_code_1(tmp_path: Path) -> None:
    arguments = ("--template", _PIPELINE, "--store", str(tmp_path), "--fault", "throttle=0.5", "--seed", "3")
    with _running(*arguments, "--fault", "store-down") as running:
        assert 20 < _put(running.client(), "ticklake", *[b"x\n"] * 100) < 80
        assert 1 == running.interrupt()
    assert " undelivered" in running.books
    assert " 0 undelivered" not in running.books


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--fault", "sorcery"], "is no fault"),
        (["--template", _PIPELINE, "--set", "nothing"], "--set wants NAME=VALUE"),
        (["--template", _PIPELINE, "--set", "Nobody=1"], "has no parameter named Nobody"),
        (["--lambda", "f"], "--lambda wants FUNCTION=module.handler"),
        (["--lambda", "f=no.such.handler"], "No module named 'no'"),
    ],
)
def test_a_wrong_option_is_one_sentence(arguments: list[str], sentence: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(command, [*arguments, "--port", "0", "--store", str(tmp_path)])
    assert 0 != result.exit_code
    assert sentence in result.output
    assert "Traceback" not in result.output


def test_every_option_fault_and_guess_is_documented() -> None:
    text = (ROOT / "docs" / "engine.md").read_text(encoding="utf-8")
    options = [name for option in command.params for name in (*option.opts, *option.secondary_opts)]
    guesses = [field.name for field in fields(Guesses)]
    assert [] == [name for name in [*options, *get_args(FaultName), *guesses] if f"`{name}" not in text]
