"""
The child that runs a Lambda artefact: started by path with nothing of the project or its libraries importable.

    python -I -S lambda_process.py FOLDER HANDLER LIBRARIES

Laws: only the standard library, and what the artefact brought; JSON text in, JSON text out, each with four bytes of length before it; whatever
the handler prints goes to the log (standard error), never into the answers. Where the artefact's libraries were built for another machine, those
of LIBRARIES stand in for them, and the first message says so.
Refuses to know: Firehose.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import sys
import time
import traceback
from typing import Any, BinaryIO

_LENGTH_BYTES = 4


class Context:
    """The parts of Lambda's context object that a handler may look at."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self.__dict__.update(fields)
        self.identity = None
        self.client_context = None
        self._deadline_s = time.monotonic() + float(fields["timeout_s"])

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the function's time-out."""
        return max(0, int((self._deadline_s - time.monotonic()) * 1000))


def read_message(stream: BinaryIO) -> bytes | None:
    """The next message; None at the end."""
    head = stream.read(_LENGTH_BYTES)
    if len(head) < _LENGTH_BYTES:
        return None
    return stream.read(int.from_bytes(head, "big"))


def write_message(stream: BinaryIO, message: dict[str, Any]) -> None:
    """Send one message."""
    text = json.dumps(message).encode()
    stream.write(len(text).to_bytes(_LENGTH_BYTES, "big") + text)
    stream.flush()


def import_handler(folder: str, handler: str, libraries: str) -> tuple[Any, str]:
    """The artefact's handler, and why this machine's libraries stand in for the artefact's (empty if they do not)."""
    module, _, attribute = handler.replace("/", ".").rpartition(".")
    sys.path.insert(0, folder)
    try:
        return getattr(importlib.import_module(module), attribute), ""
    except ImportError as error:
        reason = str(error)
    for name, loaded in list(sys.modules.items()):
        if str(getattr(loaded, "__file__", None) or "").startswith(folder):
            del sys.modules[name]
    sys.path.insert(0, libraries)  # a folder, not a site: no .pth in it is obeyed, so the project's checkout stays out
    return getattr(importlib.import_module(module), attribute), reason


def main() -> None:
    """Serve invocations until standard input ends."""
    folder, handler, libraries = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    logging.basicConfig(stream=sys.stderr, format="%(message)s", level=logging.WARNING)  # Lambda's text format: WARNING
    try:
        function, substituted = import_handler(folder, handler, libraries)
    except (ImportError, AttributeError) as error:
        write_message(answers, {"unusable": str(error)})
        return
    write_message(answers, {"ready": True, "substituted": substituted})
    while (message := read_message(sys.stdin.buffer)) is not None:
        request = json.loads(message)
        try:
            write_message(answers, {"payload": json.dumps(function(request["event"], Context(request["context"])))})
        except Exception:  # noqa: BLE001 -- a handler may raise anything, as in Lambda's own runtime
            write_message(answers, {"error": traceback.format_exc()})


if __name__ == "__main__":
    main()
