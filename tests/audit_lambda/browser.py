"""
A headless Chromium over its DevTools protocol: one page opened, looked at, clicked, typed into, and everything it complained of or asked for.

Laws: nothing waits for a time, only for an answer or an event; the browser and its profile are gone at the end.
Source: Chrome DevTools Protocol, domains Page, Runtime, Log, Network, Input, Emulation.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import tempfile
from contextlib import ExitStack, suppress
from threading import Thread
from typing import TYPE_CHECKING, Any, Final, Self

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
# As root there is no sandbox; the rest keeps the browser from asking its maker for anything.
_OPTIONS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--disable-dev-shm-usage",
    "--remote-debugging-port=0",
)
_PATIENCE_S: Final = 60
_KEYS: Final[Mapping[str, tuple[int, str]]] = {
    "Tab": (9, ""),
    "Enter": (13, "\r"),
    " ": (32, " "),
    "PageDown": (34, ""),
    "End": (35, ""),
    "Home": (36, ""),
    "ArrowLeft": (37, ""),
    "ArrowRight": (39, ""),
    "ArrowDown": (40, ""),
}


def find_chromium() -> str:
    """The browser's program; skips the test where there is none."""
    found = next((path for name in _NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("there is no Chromium on this machine (Debian: apt-get install chromium)")
    return found


class Browser:
    """
    A browser with one page.

    Shapes: `complaints` are errors and warnings of the console, the policy and the page's script; `requests` what it asked the network for.
    """

    def __init__(self) -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self._open = ExitStack()
        self._events: list[dict[str, Any]] = []
        self._number = 0
        self._session: str | None = None
        self._wire: ClientConnection

    def __enter__(self) -> Self:
        program = find_chromium()
        profile = self._open.enter_context(
            tempfile.TemporaryDirectory(prefix="ticklake-browser-", ignore_cleanup_errors=True)
        )
        process = self._open.enter_context(
            subprocess.Popen(
                [program, *_OPTIONS, f"--user-data-dir={profile}", "about:blank"],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
            )
        )
        assert process.stderr is not None
        address = next(
            (match[1] for line in process.stderr if (match := re.search(r"listening on (ws://\S+)", line))), None
        )
        assert address is not None, "the browser did not start"
        # What it goes on to say is read away, or the pipe would fill up and the browser stand still.
        drain = Thread(target=process.stderr.read, daemon=True)
        drain.start()
        self._open.callback(drain.join)
        self._open.callback(process.kill)
        self._wire = self._open.enter_context(
            connect(address, max_size=None, open_timeout=_PATIENCE_S, compression=None)
        )
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        return self

    def __exit__(self, *_: object) -> None:
        # Asked to close, it takes its helpers and their files along; killed, it would leave them behind for a moment.
        with suppress(ConnectionClosed, TimeoutError):
            self._wire.send(json.dumps({"id": 0, "method": "Browser.close"}))
            while True:
                self._wire.recv(timeout=_PATIENCE_S)
        self._open.close()

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """What the browser answers to one command."""
        self._number += 1
        command = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            command["sessionId"] = self._session
        self._wire.send(json.dumps(command))
        while True:
            message = self._receive()
            if message.get("id") == self._number:
                assert "error" not in message, f"{method}: {message['error']}"
                answer: dict[str, Any] = message["result"]
                return answer

    def _receive(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self._wire.recv(timeout=_PATIENCE_S))
        if "method" in message:
            self._note(message["method"], message["params"])
        return message

    def _note(self, method: str, told: dict[str, Any]) -> None:
        if method == "Runtime.consoleAPICalled" and told["type"] in {"error", "warning", "assert"}:
            self.complaints.append(" ".join(str(part.get("value", part.get("description"))) for part in told["args"]))
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(str(told["exceptionDetails"].get("exception", {}).get("description", told)))
        elif method == "Log.entryAdded":
            self.complaints.append(told["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])
        else:
            self._events.append({"method": method})

    def open(
        self, page: Path, *, width: int = 1280, height: int = 900, dark: bool = False, scripted: bool = True
    ) -> None:
        """Open a page of this machine at a window's size, and wait until it is drawn; one whose scripts are off draws nothing."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if width < 600 else 1,
            mobile=False,
        )
        self.call(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}],
        )
        self._events.clear()
        self.call("Page.navigate", url=page.as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self._events):
            self._receive()
        if scripted:
            self.settle()

    def settle(self) -> None:
        """Wait until what was to be drawn is drawn: two frames."""
        self.ask(
            "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => requestAnimationFrame(() => done(1)))))"
        )

    def ask(self, expression: str) -> Any:
        """The value of an expression in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def click(self, selector: str) -> None:
        """Click in the middle of an element, with the mouse."""
        self.ask(
            f"document.querySelector({json.dumps(selector)}).scrollIntoView({{block: 'center', behavior: 'instant'}})"
        )
        self.settle()
        box = self.ask(
            f"(() => {{ const b = document.querySelector({json.dumps(selector)}).getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; }})()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)
        self.settle()

    def focus(self, selector: str) -> None:
        """Put the focus on an element, as the keyboard would."""
        self.ask(f"document.querySelector({json.dumps(selector)}).focus({{focusVisible: true}})")

    def press(self, key: str) -> None:
        """Press and release a key."""
        code, text = _KEYS[key]
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code, text=text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)
        self.settle()

    def photograph(self, picture: Path) -> None:
        """The whole page as a PNG."""
        whole = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": whole["width"], "height": min(whole["height"], 12_000), "scale": 1}
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_bytes(base64.b64decode(shot["data"]))
