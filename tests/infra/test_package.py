"""The package: what is in it, that its bytes depend on nothing else, and that it answers a real event where Lambda would run it."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import sysconfig
import threading
import zipfile
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from infra.recipes import RECIPES, TRANSFORM
from local.firehose.zip_invoker import ZipInvoker
from tests.infra.templates import properties
from tests.local.firehose.test_invoker import TRANSFORM as CONFIG
from tests.local.firehose.test_invoker import invocation

if TYPE_CHECKING:
    from collections.abc import Iterator
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


def built(target: Target, recipe: Recipe = TRANSFORM) -> Package:
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
        ("audit", b"_yaml.cpython-313-aarch64-linux-gnu.so"),
        ("compact", b"_yaml.cpython-313-aarch64-linux-gnu.so"),
    ],
)
def test_two_builds_for_the_templates_function_are_the_same_and_for_its_machine(name: str, binary: bytes) -> None:
    function = FUNCTIONS[name]
    target = target_of(runtime=function["Runtime"], architecture=function["Architectures"][0])
    one, other = built(target, RECIPES[name]), built(target, RECIPES[name])
    assert one.content == other.content
    assert one.key == other.key
    assert one.key.startswith(f"code/{name}-")
    assert one.unzipped_bytes < UNZIPPED_LIMIT_BYTES
    assert f"sha256 {one.sha256}" in describe(one)
    assert binary in one.content


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


class RuntimeApi:
    """Lambda's runtime API for one event: it is handed out once, and whoever asks again waits. A context manager."""

    def __init__(self, event: dict[str, Any]) -> None:
        answers: Queue[tuple[str, bytes]] = Queue()
        events: Queue[bytes] = Queue()
        events.put(json.dumps(event).encode())

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = events.get()
                self.send_response(200)
                self.send_header("Lambda-Runtime-Aws-Request-Id", "request-1")
                self.send_header("Lambda-Runtime-Deadline-Ms", "9999999999999")
                self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:r:1:function:f")
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                answers.put((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.answers = answers
        self._events = events
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._events.put(b"{}")
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def runtime_api() -> Iterator[RuntimeApi]:
    record = {"recordId": "r", "approximateArrivalTimestamp": 1795401020000, "data": base64.b64encode(LINE).decode()}
    arn = "arn:aws:firehose:us-east-1:000000000000:deliverystream/ticklake"
    api = RuntimeApi({"invocationId": "i", "deliveryStreamArn": arn, "region": "us-east-1", "records": [record]})
    yield api
    api.close()


# Lambda's own client, with the unpacked package first on the path and nothing of this checkout on it.
RUN_CLIENT = """
import sys
folder, libraries = sys.argv[1:3]
sys.path[:0] = [folder]
sys.path.append(libraries)
from awslambdaric.__main__ import main
main(["awslambdaric", sys.argv[3]])
"""


def test_lambdas_own_runtime_client_runs_it(artefact: Path, runtime_api: RuntimeApi, tmp_path: Path) -> None:
    pytest.importorskip("awslambdaric", reason="Lambda's runtime client has wheels for Linux only")
    with zipfile.ZipFile(artefact) as archive:
        archive.extractall(tmp_path)
    environment = {
        "PATH": os.environ["PATH"],
        "AWS_LAMBDA_RUNTIME_API": runtime_api.address,
        "AWS_LAMBDA_FUNCTION_NAME": "f",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "LAMBDA_TASK_ROOT": str(tmp_path),
    }
    arguments = [str(tmp_path), sysconfig.get_paths()["purelib"], FUNCTION["Handler"]]
    command = [sys.executable, "-I", "-S", "-c", RUN_CLIENT, *arguments]
    with subprocess.Popen(
        command, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as client:
        try:
            path, body = runtime_api.answers.get(timeout=60)
        finally:
            client.kill()
            printed, errors = client.communicate()
    assert "/2018-06-01/runtime/invocation/request-1/response" == path, (body, errors)
    (answer,) = json.loads(body)["records"]
    assert ("r", "Ok", "ticker") == (answer["recordId"], answer["result"], answer["metadata"]["partitionKeys"]["kind"])
    (metrics,) = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    assert (1, "ticklake") == (metrics["Rows"], metrics["Stream"])
