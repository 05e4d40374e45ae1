"""Lambda at home: its runtime API for one event, and its own runtime client over an unpacked package, with nothing of this checkout on its path."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import threading
import time
import zipfile
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

# The client and what it needs, and what AWS's Python runtimes bring beside it.
OF_THE_RUNTIME: Final = (
    "awslambdaric",
    "simplejson",
    "snapshot_restore_py.py",
    "runtime_client*.so",
    "boto3",
    "botocore",
    "s3transfer",
    "jmespath",
    "dateutil",
    "six.py",
    "urllib3",
)
LIFE_MS: Final = 900_000  # what a function may live
# Lambda's own client, with the unpacked package first on the path.
RUN_CLIENT: Final = """
import sys
folder, libraries = sys.argv[1:3]
sys.path[:0] = [folder]
sys.path.append(libraries)
from awslambdaric.__main__ import main
main(["awslambdaric", sys.argv[3]])
"""


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
                self.send_header("Lambda-Runtime-Deadline-Ms", str(time.time_ns() // 1_000_000 + LIFE_MS))
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

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._events.put(b"{}")
        self._server.shutdown()
        self._server.server_close()


@dataclass(frozen=True, slots=True)
class Answered:
    """What the function answered (`path` says whether with a response or an error), and the JSON lines it printed."""

    path: str
    body: bytes
    lines: list[dict[str, Any]]
    errors: str


def unpack(content: bytes, folder: Path) -> Path:
    """The package as Lambda unpacks it, in an empty folder."""
    (folder / "package.zip").write_bytes(content)
    task = folder / "task"
    with zipfile.ZipFile(folder / "package.zip") as archive:
        archive.extractall(task)
    return task


def runtime_libraries(folder: Path) -> Path:
    """A folder with the runtime's own libraries, as links to this environment's, and no others."""
    site = Path(sysconfig.get_paths()["purelib"])
    made = folder / "runtime"
    made.mkdir()
    for pattern in OF_THE_RUNTIME:
        for path in site.glob(pattern):
            (made / path.name).symlink_to(path)
    return made


def invoke(
    task: Path, libraries: Path, handler: str, event: dict[str, Any], environment: Mapping[str, str], *, within_s: float
) -> Answered:
    """One event through the runtime client."""
    own = {
        "PATH": os.environ["PATH"],
        "AWS_LAMBDA_FUNCTION_NAME": "f",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "LAMBDA_TASK_ROOT": str(task),
        **environment,
    }
    command = [sys.executable, "-I", "-S", "-B", "-c", RUN_CLIENT, str(task), str(libraries), handler]
    pipe = subprocess.PIPE
    with (
        RuntimeApi(event) as api,
        subprocess.Popen(
            command, env=own | {"AWS_LAMBDA_RUNTIME_API": api.address}, cwd=task, text=True, stdout=pipe, stderr=pipe
        ) as client,
    ):
        try:
            path, body = api.answers.get(timeout=within_s)
        finally:
            client.kill()
            printed, errors = client.communicate()
    return Answered(path, body, [json.loads(line) for line in printed.splitlines() if line.startswith("{")], errors)
