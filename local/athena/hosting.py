"""
The small Athena in a thread of its own, for whoever tests against it; and as a program, to try it out.

Laws: what is hosted ends with its `with`; as a program it serves loopback until it is told to stop.
Refuses to know: what the calls mean.
"""

from __future__ import annotations

import argparse
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3

from local.athena.server import AthenaServer
from local.hosting import HostedLoop

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class HostedAthena:
    """A server that is being hosted, and its endpoint."""

    url: str
    server: AthenaServer

    def client(self, service: str = "athena") -> Any:
        """A boto3 client of `athena` or `glue` that talks to it."""
        return _session().client(service, endpoint_url=self.url)  # type: ignore[call-overload]  # the name is the caller's


@cache
def _session() -> boto3.Session:
    """One session: it keeps the services' models, which take longer to load than most statements to run."""
    return boto3.Session("a", "b", region_name="us-east-1")


@contextmanager
def host_athena(lake: Path, *, port: int = 0, **options: Any) -> Iterator[HostedAthena]:
    """
    The lake behind Athena's protocol, for as long as the `with` lasts. Shapes: `options` are AthenaServer's.

    Raises: OSError if the port is taken.
    """
    server = AthenaServer(lake, **options)
    with HostedLoop("athena") as loop:
        url = loop.call(server.start(port))
        try:
            yield HostedAthena(url, server)
        finally:
            loop.call(server.stop())


def main(arguments: list[str] | None = None, *, stop: threading.Event | None = None) -> None:
    """`python -m local.athena.hosting --lake lake`: serve until Ctrl-C, or until `stop` is set."""
    parser = argparse.ArgumentParser(description="Athena's protocol over a lake's folder, on loopback.")
    parser.add_argument("--lake", type=Path, default=Path("lake"), help="the lake's folder")
    parser.add_argument("--port", type=int, default=4574, help="0 takes a free one")
    parser.add_argument("--workgroup", default="primary")
    parser.add_argument("--database", default="ticklake")
    parser.add_argument("--bucket", default="lake", help="the bucket that the folder stands for")
    given = vars(parser.parse_args(arguments))
    lake, port = given.pop("lake"), given.pop("port")
    with host_athena(lake, port=port, **given) as hosted, suppress(KeyboardInterrupt):
        print(f"Athena for {lake} is at {hosted.url} (AWS_ENDPOINT_URL_ATHENA, AWS_ENDPOINT_URL_GLUE)", flush=True)  # noqa: T201  # a program's own line
        (stop or threading.Event()).wait()


if __name__ == "__main__":
    main()
