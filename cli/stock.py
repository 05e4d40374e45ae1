"""
The objects of the lake that is audited, at home or in S3: looked at, with progress on the terminal, and remembered at home.

Laws: in S3 nothing is written, for the deployed audit keeps the inventory there; where the bucket cannot be found or listed, the checks are not
run, with the reason, and the others are asked all the same.
Refuses to know: options, reports, what is found.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import click
from botocore.exceptions import BotoCoreError, ClientError

from audit_lambda.bucket import BucketStore
from audit_lambda.objects import Pace, unasked
from audit_lambda.stock import keep_stock, take_stock
from cli.answers import printable
from cli.athena import describe_bytes
from cli.deployed import read_outputs
from cli.deploying import connect
from cli.progress import ProgressLine
from infra.errors import DeployError
from local.lake.store import FolderStore
from sql.hours import EPOCH

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from audit_lambda.objects import Progress
    from audit_lambda.report import CheckResult, Figure
    from audit_lambda.spans import Span
    from audit_lambda.stock import Stock


def look_at_folder(root: Path, span: Span, *, now: datetime) -> Stock:
    """The group `integrity` of the whole lake in this folder. Raises: InventoryDamaged, OSError."""
    with ProgressLine() as line:
        return take_stock(
            FolderStore(root),
            span,
            reach="whole",
            now_us=(now - EPOCH) // timedelta(microseconds=1),
            expiry_days={},
            pace=Pace(),
            on_progress=partial(show_objects, line),
        )


def keep_in_folder(root: Path, stock: Stock) -> None:
    """Leave the inventory for the next audit; a lake that may only be read is audited all the same."""
    try:
        keep_stock(FolderStore(root), stock)
    except OSError as error:
        said = f"The inventory could not be kept ({error}): the next audit will not notice what changes or goes until then."
        click.echo(printable(said), err=True)


def look_at_deployed(
    prefix: str, region: str | None, span: Span, *, now: datetime, unread: bool
) -> tuple[list[CheckResult], Figure | None]:
    """
    The group `integrity` of a deployed lake, and when which days were looked at. Nothing is kept.

    Raises: InventoryDamaged.
    """
    try:
        session = connect(region)
        bucket = read_outputs(session, prefix, ("LakeBucketName",))["LakeBucketName"]
        store = BucketStore(session.client("s3"), bucket=bucket)
        with ProgressLine() as line:
            stock = take_stock(
                store,
                span,
                reach="near",
                now_us=(now - EPOCH) // timedelta(microseconds=1),
                expiry_days=store.read_expiry_days(),
                pace=Pace(may_read=lambda: not unread, why_not="--unread was said" if unread else ""),
                on_progress=partial(show_objects, line),
            )
    except (ClientError, BotoCoreError, DeployError) as error:
        return unasked(f"the lake's objects could not be listed: {error}"), None
    said = next(result.why for result in stock.results if result.name == "present")
    for sentence in filter(None, (said, store.doubt)):
        click.echo(printable(sentence), err=True)
    return stock.results, stock.figure


def show_objects(line: ProgressLine, progress: Progress) -> None:
    """How far the objects have come."""
    listed = f"{progress.listed_count:,} listed, {progress.read_count:,} read ({describe_bytes(progress.read_bytes)})"
    line.show(f"objects: {progress.day}, {listed}")
