"""A Firehose that refuses packs for good at random, testimony and fetched trades among them: the audit finds holes, and no damage."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from ulid import ULID

from cli.audit import command as audit
from local.lake.folder import claim_lake, open_lake
from producer.firehose import Firehose, connect_firehose
from producer.pipeline import Producer
from producer.settings import Settings
from producer.settlement import PutAnswer
from tests.chaos.conftest import PRODUCTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from producer.ledger import Receipt
    from producer.packing import Pack
    from tests.chaos.conftest import Stage

NEVER = PutAnswer(None, "ValidationException", "no")


class Picky:
    """Takes a share of the packs by content, the same ones whenever they come; the others never."""

    def __init__(self, firehose: Firehose, seed: int, *, refused_share: float) -> None:
        self.refused_share = refused_share
        self._firehose = firehose
        self._seed = seed

    def put(self, packs: Sequence[Pack]) -> list[PutAnswer]:
        refused = [self._is_refused(pack) for pack in packs]
        taken = [pack for pack, never in zip(packs, refused, strict=True) if not never]
        answers = iter(self._firehose.put(taken) if taken else [])
        return [NEVER if never else next(answers) for never in refused]

    def _is_refused(self, pack: Pack) -> bool:
        return random.Random(f"{self._seed}/{pack.session}/{pack.first_n}/{pack.last_n}").random() < self.refused_share


async def produce(stage: Stage, firehose: Picky, *, frames: int) -> Receipt:
    settings = Settings(
        ws_url=stage.exchange.ws_url,
        rest_url=stage.exchange.rest_url,
        products=PRODUCTS,
        journal=stage.journal,
        linger_s=0.05,
        drain_s=3.0,
        simulated=True,
    )
    producer = Producer(settings, firehose, session=str(ULID()), rng=random.Random(1))
    running = asyncio.create_task(producer.run())
    wanted = stage.truth().frame_count + frames
    while (
        stage.truth().frame_count < wanted
        or producer.intake.continuity.open_holes()
        or producer.journal.backlog
        or (firehose.refused_share and not producer.journal.live.refused)
    ):
        assert not running.done()
        await asyncio.sleep(0.02)
    producer.stop("enough")
    return await running


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_whatever_is_refused_for_good_is_a_hole_by_name_and_no_damage(stage: Stage, seed: int) -> None:
    claim_lake(stage.lake_path, "simulated", now=datetime.now(UTC))
    env = stage.env()
    client = connect_firehose(
        endpoint_url=env["AWS_ENDPOINT_URL_FIREHOSE"],
        region="us-east-1",
        access_key_id="any",
        secret_access_key="any",
    )
    firehose = Picky(Firehose(client, "ticklake"), seed, refused_share=0.35)
    first = asyncio.run(produce(stage, firehose, frames=600))
    firehose.refused_share = 0.0
    second = asyncio.run(produce(stage, firehose, frames=200))
    stage.flush()
    with open_lake(stage.lake_path) as lake:
        reasons = {row[0] for row in lake.connection.sql("SELECT DISTINCT reason FROM gaps").fetchall()}
        told = lake.connection.sql("SELECT count(*) FROM processed WHERE json_extract_string(detail, '$.event') = 'lines_lost'").fetchall()[0][0]  # fmt: skip
    result = CliRunner().invoke(audit, ["--lake", str(stage.lake_path), "--settle", "1ms"])

    assert (0, 0, 0, 0) == (first.unbalanced, second.unbalanced, second.pending, second.backlog_pending)
    assert "refused_by_firehose" in reasons
    assert told
    assert 3 == result.exit_code, result.output  # holes: lines that are named as refused
