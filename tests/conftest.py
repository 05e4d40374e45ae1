"""What several rooms' tests share: where recorded traffic is, and how the program is run as a user would."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import botocore.loaders
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

# No test asserts how long something takes: these machines are shared.
settings.register_profile("ticklake", deadline=None)
settings.load_profile("ticklake")

ROOT = Path(__file__).parents[1]
RECORDED = ROOT.parent / "shared" / "data"


class RunTicklake(Protocol):
    """Runs `ticklake ARGS…` to its end."""

    def __call__(self, *args: object, timeout_s: float = 150) -> subprocess.CompletedProcess[str]: ...


@pytest.fixture(scope="session", autouse=True)
def models_read_once() -> Iterator[None]:
    """botocore parses megabytes of JSON for each session's first client, and here are hundreds of sessions: once a file does, as within one session."""
    read = botocore.loaders.JSONFileLoader.load_file

    @cache
    def load(path: str) -> Any:
        return read(botocore.loaders.JSONFileLoader(), path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.loaders.JSONFileLoader, "load_file", lambda _, path: load(path))
        yield


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


@pytest.fixture
def self_signed(tmp_path: Path) -> ssl.SSLContext:
    """A server's TLS context with a certificate for 127.0.0.1 that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "self-signed")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ) + certificate.public_bytes(serialization.Encoding.PEM)
    path = tmp_path / "self-signed.pem"
    path.write_bytes(pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context
