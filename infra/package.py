"""
A function's Lambda package: our own modules, the files they read and the pinned wheels, the same bytes for the same input.

    python -m infra.package OUT                 # the transform's
    python -m infra.package OUT --for audit     # or compact
    python -m infra.package OUT --here          # for this machine's Python, for `ticklake firehose --lambda-zip OUT`

Laws: versions and hashes are requirements/run.lock's; entries are sorted, dated 1980, readable by all, and stored, not deflated (the
bytes of deflate depend on the zlib at hand; what is stored is a mebibyte, or five). No .pyc goes in: it would serve one minor version of
Python, differ between builders, and save the transform's start some 25 ms (measured on Python 3.13).
Refuses to know: AWS, what belongs into a package (recipes.py), and which runtime the template names (the caller says).
Source: AWS Lambda, "Working with .zip file archives for Python Lambda functions".
"""

from __future__ import annotations

import argparse
import hashlib
import io
import re
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from infra import ROOT
from infra.errors import PackageFailed
from infra.recipes import RECIPES, TRANSFORM, own_files

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from infra.recipes import Recipe

HOUSE: Final = ROOT.parent
LOCK: Final = HOUSE / "requirements" / "run.lock"
UNZIPPED_LIMIT_BYTES: Final = 250 * 1024 * 1024  # Lambda quotas
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # the oldest date a zip can say
_PLATFORM: Final = {"arm64": "manylinux2014_aarch64", "x86_64": "manylinux2014_x86_64"}
_PINNED: Final = re.compile(r"^([a-zA-Z0-9._-]+)==(\S+)")


@dataclass(frozen=True, slots=True)
class Target:
    """What the package is for: a Python version such as 3.13, and a wheel platform, None for the machine at hand."""

    python: str
    platform: str | None


@dataclass(frozen=True, slots=True)
class Package:
    """A built package, of the function `name`. Shapes: `libraries` are name==version."""

    name: str
    content: bytes
    sha256: str
    unzipped_bytes: int
    libraries: tuple[str, ...]

    @property
    def key(self) -> str:
        """Where it goes: new content is a new key, so that a changed key is a changed function."""
        return f"code/{self.name}-{self.sha256[:32]}.zip"


def target_of(*, runtime: str, architecture: str) -> Target:
    """The target of a Lambda function's own settings, such as python3.13 and arm64."""
    return Target(python=runtime.removeprefix("python"), platform=_PLATFORM[architecture])


def here() -> Target:
    """This machine's own Python."""
    return Target(python=f"{sys.version_info.major}.{sys.version_info.minor}", platform=None)


def build_package(recipe: Recipe, target: Target, *, lock: Path = LOCK) -> Package:
    """
    A function's package for a target; fetches the wheels that the lock pins.

    Raises: PackageFailed.
    """
    if not lock.is_file():
        raise PackageFailed(problem=f"{lock} is not there.", advice="Run this from a checkout, where requirements/ is.")
    with tempfile.TemporaryDirectory(prefix="ticklake-wheels-") as folder:
        wanted = select_pins(lock.read_text(encoding="utf-8"), recipe.libraries)
        _fetch_wheels(wanted, target, Path(folder))
        files = {name: body for wheel in sorted(Path(folder).glob("*.whl")) for name, body in _of_wheel(wheel).items()}
    files |= own_files(recipe, HOUSE)
    content = pack(files)
    return Package(
        name=recipe.name,
        content=content,
        sha256=hashlib.sha256(content).hexdigest(),
        unzipped_bytes=sum(map(len, files.values())),
        libraries=tuple("==".join(match.groups()) for line in wanted if (match := _PINNED.match(line))),
    )


def select_pins(lock: str, names: Sequence[str]) -> list[str]:
    """
    The lock's entries for some libraries, their hashes with them: lines of a requirements file.

    Raises: PackageFailed if one is not pinned.
    """
    entries = [" ".join(entry.split()) for entry in lock.replace("\\\n", " ").splitlines()]
    found = {match[1]: entry for entry in entries if (match := _PINNED.match(entry)) and match[1] in names}
    missing = sorted(set(names) - set(found))
    if missing:
        raise PackageFailed(problem=f"the lock does not pin {', '.join(missing)}.", advice="Run make lock.")
    return [found[name] for name in names]


def pack(files: Mapping[str, bytes]) -> bytes:
    """A zip of these files whose bytes depend on nothing else."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system = 3  # Unix, wherever it is built: Lambda looks at the permissions
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, files[name])
    return content.getvalue()


def _of_wheel(wheel: Path) -> dict[str, bytes]:
    """What of a wheel is needed to run it, and its licence."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist() if is_needed(name)}


def is_needed(name: str) -> bool:
    """Whether a wheel's file goes into the package."""
    if name.endswith(("/", ".pyc", ".pyi", "py.typed")):
        return False
    return ".dist-info/" not in name or ".dist-info/licenses/" in name or name.endswith(".dist-info/METADATA")


def _fetch_wheels(wanted: Sequence[str], target: Target, folder: Path) -> None:
    requirements = folder / "requirements.txt"
    requirements.write_text("\n".join(wanted), encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary=:all:", "--require-hashes", "--requirement", str(requirements), "--dest", str(folder)]
    if target.platform is not None:
        command += ["--platform", target.platform, "--implementation", "cp", "--python-version", target.python]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - this interpreter's own pip
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines()
        problem = f"pip could not fetch its libraries ({'; '.join(said[:2])})."
        raise PackageFailed(
            problem=problem, advice="It needs the package index once; the versions stand in requirements/run.lock."
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Build the package into a file and say what it is."""
    parser = argparse.ArgumentParser(prog="python -m infra.package", description="Build a function's Lambda package.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--for", dest="name", default=TRANSFORM.name, choices=sorted(RECIPES))
    parser.add_argument("--here", action="store_true", help="for this machine's Python, to be run at home")
    parser.add_argument("--runtime", default="python3.13")
    parser.add_argument("--architecture", default="arm64", choices=sorted(_PLATFORM))
    given = parser.parse_args(arguments)
    target = here() if given.here else target_of(runtime=given.runtime, architecture=given.architecture)
    package = build_package(RECIPES[given.name], target)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_bytes(package.content)
    sys.stdout.write(f"{given.out}: {describe(package)}\n")


def describe(package: Package) -> str:
    """A package in one line: whose, size, libraries, hash."""
    return f"{package.name}: {len(package.content):,} bytes, {', '.join(package.libraries)}, sha256 {package.sha256}"


if __name__ == "__main__":
    main()
