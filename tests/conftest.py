"""What several rooms' tests share: where recorded traffic is, and how the program is run as a user would."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Protocol

import pytest

ROOT = Path(__file__).parents[1]
RECORDED = ROOT.parent / "shared" / "data"


class RunTicklake(Protocol):
    """Runs `ticklake ARGS…` to its end."""

    def __call__(self, *args: object, timeout_s: float = 150) -> subprocess.CompletedProcess[str]: ...


@pytest.fixture
def recorded() -> Path:
    """The folder of recorded Coinbase traffic, which is not part of this repository."""
    if not RECORDED.is_dir():
        pytest.skip("the recorded traffic is not on this machine")
    return RECORDED


@pytest.fixture
def ticklake() -> RunTicklake:
    """The console program of this checkout, as a process of its own."""

    def run(*args: object, timeout_s: float = 150) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", "from cli.main import main; main()", *map(str, args)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    return run
