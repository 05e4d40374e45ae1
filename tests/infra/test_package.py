"""The package: what is in it, that its bytes depend on nothing else, and that it answers a real event where Lambda would run it."""

from __future__ import annotations

import base64
import json
import time
import zipfile
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_lambda.report import decode_report
from infra.errors import PackageFailed
from infra.package import (
    HOUSE,
    LOCK,
    UNZIPPED_LIMIT_BYTES,
    build_package,
    describe,
    here,
    is_needed,
    main,
    pack,
    select_pins,
    target_of,
)
from infra.recipes import AUDIT, COMPACT, RECIPES, TRANSFORM
from local.firehose.zip_invoker import ZipInvoker
from sql.hours import lake_hour
from tests.audit_lambda.hosted import EVENT, REPORT, host_aws, write_lake
from tests.infra.runtime import invoke, runtime_libraries, unpack
from tests.infra.templates import properties
from tests.local.firehose.test_invoker import TRANSFORM as CONFIG
from tests.local.firehose.test_invoker import invocation
from tests.local.lake.trades import put, ticker

if TYPE_CHECKING:
    from pathlib import Path

    from infra.package import Package, Target
    from infra.recipes import Recipe

FUNCTIONS = {
    function["FunctionName"].removeprefix("local-"): function
    for stack in ("pipeline", "upkeep")
    for function in properties(stack, "AWS::Lambda::Function").values()
}
FUNCTION = FUNCTIONS["transform"]
LINE = (HOUSE / "contract/examples/line/line.ticker.pass.json").read_bytes().rstrip(b"\n")
GAP = (HOUSE / "contract/examples/line/line.gap.pass.json").read_bytes().rstrip(b"\n")  # its schema has to be compiled


@cache
def built(target: Target, recipe: Recipe = TRANSFORM) -> Package:
    """One build of each, for all tests here."""
    try:
        return build_package(recipe, target)
    except PackageFailed as failed:
        if "onnection" in failed.problem or "No matching distribution" in failed.problem:
            pytest.skip(f"the package index cannot be reached: {failed.problem}")
        raise


@pytest.fixture(scope="module")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package for this machine's Python, as a file."""
    path = tmp_path_factory.mktemp("artefact") / "transform.zip"
    path.write_bytes(built(here()).content)
    return path


# ---------------------------------------------------------------------- what goes in


def test_only_what_runs_goes_in_and_licences() -> None:
    names = ["orjson/__init__.py", "orjson/x.so", "o.dist-info/METADATA", "o.dist-info/licenses/LICENSE"]
    others = ["orjson/__init__.pyi", "orjson/py.typed", "orjson/", "orjson/__pycache__/a.pyc", "o.dist-info/RECORD"]
    assert names == [name for name in names + others if is_needed(name)]


def test_pins_come_with_their_hashes() -> None:
    lock = "a==1 \\\n    --hash=sha256:00 \\\n    --hash=sha256:11\nb==2 ; python_version < '3.13' \\\n    --hash=sha256:22\n"
    assert ["b==2 ; python_version < '3.13' --hash=sha256:22", "a==1 --hash=sha256:00 --hash=sha256:11"] == select_pins(
        lock, ["b", "a"]
    )
    with pytest.raises(PackageFailed, match="does not pin c"):
        select_pins(lock, ["c"])
    for recipe in RECIPES.values():
        assert all("--hash=sha256:" in pin for pin in select_pins(LOCK.read_text(), recipe.libraries))


def test_without_a_lock_it_says_where_to_run(tmp_path: Path) -> None:
    with pytest.raises(PackageFailed, match="from a checkout"):
        build_package(TRANSFORM, here(), lock=tmp_path / "run.lock")


@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}(/[a-z]{1,8})?", fullmatch=True), st.binary(max_size=50), max_size=5))
def test_the_bytes_depend_on_names_and_contents_only(files: dict[str, bytes]) -> None:
    assert pack(files) == pack(dict(reversed(files.items())))


def test_an_entry_is_readable_by_all_and_undated(tmp_path: Path) -> None:
    (tmp_path / "p.zip").write_bytes(pack({"b": b"2", "a": b"1"}))
    with zipfile.ZipFile(tmp_path / "p.zip") as archive:
        entries = archive.infolist()
    assert [("a", 0o100644, 1980), ("b", 0o100644, 1980)] == [
        (e.filename, e.external_attr >> 16, e.date_time[0]) for e in entries
    ]


def test_every_function_of_the_templates_has_a_package_and_its_handler_is_in_it() -> None:
    assert set(RECIPES) == set(FUNCTIONS)
    for name, function in FUNCTIONS.items():
        assert f"{RECIPES[name].handler}.handler" == function["Handler"]


# Extension modules that say for which Python and machine they are.
@pytest.mark.parametrize(
    ("name", "binary"),
    [
        ("transform", b"orjson.cpython-313-aarch64-linux-gnu.so"),
        pytest.param("audit", b"_yaml.cpython-313-aarch64-linux-gnu.so", marks=pytest.mark.slow),
        pytest.param("compact", b"_yaml.cpython-313-aarch64-linux-gnu.so", marks=pytest.mark.slow),
    ],
)
def test_a_build_for_the_templates_function_is_for_its_machine_and_small_enough(name: str, binary: bytes) -> None:
    function = FUNCTIONS[name]
    package = built(target_of(runtime=function["Runtime"], architecture=function["Architectures"][0]), RECIPES[name])
    assert package.key.startswith(f"code/{name}-")
    assert package.unzipped_bytes < UNZIPPED_LIMIT_BYTES
    assert describe(package).startswith(f"{name}: ")
    assert f"sha256 {package.sha256}" in describe(package)
    assert binary in package.content


@pytest.mark.parametrize("name", ["transform", pytest.param("audit", marks=pytest.mark.slow)])
def test_two_builds_are_the_same(name: str) -> None:
    target = target_of(runtime=FUNCTION["Runtime"], architecture=FUNCTION["Architectures"][0])
    one, other = built(target, RECIPES[name]), build_package(RECIPES[name], target)
    assert (one.key, one.content) == (other.key, other.content)


@pytest.mark.slow
def test_the_command_writes_a_file_and_says_what_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    built(here())
    main([str(tmp_path / "new" / "t.zip"), "--here"])
    assert zipfile.is_zipfile(tmp_path / "new" / "t.zip")
    assert "orjson==" in capsys.readouterr().out


# ---------------------------------------------------------------------- where it runs


def test_the_local_engine_runs_it_with_its_own_libraries(artefact: Path, caplog: pytest.LogCaptureFixture) -> None:
    transform = replace(CONFIG, handler=FUNCTION["Handler"])
    with ZipInvoker(artefact) as invoker:
        answered = invoker(invocation(LINE, GAP, b"?", transform=transform))
    records = json.loads(answered.payload or b"")["records"]
    assert ["Ok", "Ok", "ProcessingFailed"] == [record["result"] for record in records]
    assert "stand in for them" not in caplog.text


AUDIT_TOLD = {
    "TICKLAKE_DATABASE": "ticklake",
    "TICKLAKE_WORKGROUP": "w",
    "TICKLAKE_LAKE_BUCKET": "lake",
    "TICKLAKE_TOPIC_ARN": "arn:aws:sns:us-east-1:000000000000:topic",
    "TICKLAKE_CANDLES_URL": "",
}
ANSWERED = "/2018-06-01/runtime/invocation/request-1/response"


def test_lambdas_own_runtime_client_runs_the_transform(artefact: Path, tmp_path: Path) -> None:
    pytest.importorskip("awslambdaric", reason="Lambda's runtime client has wheels for Linux only")
    record = {"recordId": "r", "approximateArrivalTimestamp": 1795401020000, "data": base64.b64encode(LINE).decode()}
    arn = "arn:aws:firehose:us-east-1:000000000000:deliverystream/ticklake"
    event = {"invocationId": "i", "deliveryStreamArn": arn, "region": "us-east-1", "records": [record]}
    task = unpack(artefact.read_bytes(), tmp_path)
    answered = invoke(task, runtime_libraries(tmp_path), FUNCTION["Handler"], event, {}, within_s=60)
    assert ANSWERED == answered.path, (answered.body, answered.errors)
    (answer,) = json.loads(answered.body)["records"]
    assert ("r", "Ok", "ticker") == (answer["recordId"], answer["result"], answer["metadata"]["partitionKeys"]["kind"])
    (metrics,) = answered.lines
    assert (1, "ticklake") == (metrics["Rows"], metrics["Stream"])


@pytest.mark.slow
def test_the_audits_package_needs_nothing_but_itself_and_the_runtime(tmp_path: Path) -> None:
    """All of it is imported before the event is looked at."""
    pytest.importorskip("awslambdaric", reason="Lambda's runtime client has wheels for Linux only")
    task = unpack(built(here(), AUDIT).content, tmp_path)
    told = {**dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "a"), **AUDIT_TOLD}
    handler, libraries = FUNCTIONS["audit"]["Handler"], runtime_libraries(tmp_path)
    answered = invoke(task, libraries, handler, {"span": "weekly"}, told, within_s=60)
    assert ANSWERED.replace("response", "error") == answered.path
    assert "EventRefused" == json.loads(answered.body)["errorType"], answered.body


@pytest.mark.slow
def test_lambdas_own_runtime_client_runs_the_audit(tmp_path: Path) -> None:
    pytest.importorskip("awslambdaric", reason="Lambda's runtime client has wheels for Linux only")
    task = unpack(built(here(), AUDIT).content, tmp_path)
    with host_aws(write_lake(tmp_path / "lake")) as account:
        handler, libraries = FUNCTIONS["audit"]["Handler"], runtime_libraries(tmp_path)
        answered = invoke(task, libraries, handler, dict(EVENT), account.environment, within_s=120)
        assert ANSWERED == answered.path, (answered.body, answered.errors)
        answer = json.loads(answered.body)
        assert {"verdict": "damaged", "report": f"s3://lake/{REPORT}report.html", "notice": True} == answer
        report = decode_report(json.loads(account.read(f"{REPORT}report.json")["Body"].read()))
        assert b"<html" in account.read(f"{REPORT}report.html")["Body"].read()
        assert 1 == len(account.notices())
    assert [] == [check for check in report.checks if check.state == "not_run"]
    (metrics,) = [line for line in answered.lines if "_aws" in line]
    assert (1, "ticklake") == (metrics["Audits"], metrics["Lake"])


@pytest.mark.slow
def test_lambdas_own_runtime_client_runs_the_compaction(tmp_path: Path) -> None:
    """Of an hour that is not closed: what Athena unloads lies in a folder here, and S3 is moto's, so no hour could be finished."""
    pytest.importorskip("awslambdaric", reason="Lambda's runtime client has wheels for Linux only")
    task = unpack(built(here(), COMPACT).content, tmp_path)
    now_us = time.time_ns() // 1000
    put(tmp_path / "lake", "a", [ticker(1, event_time_us=now_us)], hour=lake_hour(now_us))
    with host_aws(tmp_path / "lake") as account:
        handler, libraries = FUNCTIONS["compact"]["Handler"], runtime_libraries(tmp_path)
        told = account.environment | {"TICKLAKE_WORK_BUCKET": "lake"}
        answered = invoke(task, libraries, handler, {"at": "2025-06-02T05:40:00Z"}, told, within_s=120)
    assert ANSWERED == answered.path, (answered.body, answered.errors)
    answer = json.loads(answered.body)
    assert (0, 0) == (answer["compacted"], answer["waiting"])
    (metrics,) = [line for line in answered.lines if "_aws" in line]
    assert (1, 0, "ticklake") == (metrics["Compactions"], metrics["ObjectsNotLookedInto"], metrics["Lake"])
