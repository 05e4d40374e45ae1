"""
Where a command that sends lines sends them: a delivery stream of AWS, or one on this machine that writes into a lake's folder.

Laws: at home an accepted line is on disk before its answer is given: whoever is killed after that has nothing to send again, and whoever
opens the lake next sees it. The stream's configuration is infra/pipeline.yaml's.
Refuses to know: what is sent.
"""

from __future__ import annotations

import random
from contextlib import contextmanager
from dataclasses import fields
from functools import cache
from typing import TYPE_CHECKING, Final

from infra import PIPELINE_TEMPLATE
from local.firehose.invoker import InProcessInvoker
from local.firehose.lambda_log import LambdaLog
from local.firehose.server import FirehoseServer
from local.firehose.store import FolderStore
from local.firehose.template import plan_standins, read_template
from local.hosting import HostedLoop
from producer.errors import DeliveryAmbiguous
from producer.firehose import Firehose, connect_firehose

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from local.firehose.config import StreamConfig
    from local.firehose.counters import EngineSnapshot
    from producer.packing import Pack
    from producer.settlement import PutAnswer

HOME_STREAM: Final = "ticklake"


class HomeStream:
    """A stream into one lake's folder; `put` returns once what it accepted is there. Units: `snapshot` counts as the engine does."""

    def __init__(self, server: FirehoseServer, firehose: Firehose, config: StreamConfig) -> None:
        self._server = server
        self._firehose = firehose
        self._config = config
        self._sum: dict[str, int] = {}

    def put(self, packs: Sequence[Pack]) -> list[PutAnswer]:
        """
        One call, and what it brought delivered to its end.

        Raises: DeliveryFailed; also if the folder did not take it, for then nothing is certain.
        """
        answers = self._firehose.put(packs)
        pending = self._settle()
        if pending:
            raise DeliveryAmbiguous(code="LakeNotWritten", message=f"the lake's folder did not take {pending} lines")
        return answers

    def _settle(self) -> int:
        """Deliver everything that is buffered, and begin anew; returns the lines that could not be delivered."""
        snapshot = self._server.service.stop(flush=True)[self._config.name]
        for each in fields(snapshot):
            count = getattr(snapshot, each.name)
            if isinstance(count, int):
                self._sum[each.name] = self._sum.get(each.name, 0) + count
        self._server.service.host(self._config)
        return snapshot.lines_pending + snapshot.backup_records_pending

    def snapshot(self) -> EngineSnapshot:
        """The books of all calls together."""
        now = self._server.snapshot(self._config.name)
        known = {each.name for each in fields(now)}
        counts = {name: count for name, count in self._sum.items() if name not in {"at_ms", "lag_ms"}}
        return type(now)(**({name: getattr(now, name) for name in known} | counts))


@cache
def _home_config() -> StreamConfig:
    parameters = {"StreamName": HOME_STREAM}
    standins = plan_standins(PIPELINE_TEMPLATE, parameters)
    return read_template(PIPELINE_TEMPLATE, parameters=parameters, standins=standins).stream(HOME_STREAM)


@contextmanager
def home_stream(lake: Path) -> Iterator[HomeStream]:
    """A stream into the lake; what the transform says of refused lines goes to the lake's logs."""
    config = _home_config()
    with HostedLoop("firehose") as loop, LambdaLog(lake / "logs" / "transform.log"):
        # Names of objects come from the seed: another one for each run, so that no run writes over another's.
        seed = random.SystemRandom().getrandbits(63)
        server = FirehoseServer(streams=[config], store=FolderStore(lake), invoker=InProcessInvoker(), seed=seed)
        endpoint = loop.call(server.start())
        client = connect_firehose(
            endpoint_url=endpoint,
            region="us-east-1",
            access_key_id="local",
            secret_access_key="local",  # noqa: S106 - the local stream checks no signature
        )
        try:
            yield HomeStream(server, Firehose(client, HOME_STREAM), config)
        finally:
            loop.call(server.stop(flush=True))
