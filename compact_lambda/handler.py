"""
Lambda's way in: `compact_lambda.handler.handler`, called every hour with any event; what happened goes to the log.

Settings: compact_lambda/settings.py. It has to have a time-out of 900 s, to run alone (reserved concurrency 1; two at once would do no harm, and pay
twice), and to be allowed
  athena: StartQueryExecution, GetQueryExecution, GetQueryResults, StopQueryExecution, on the workgroup;
  glue: GetDatabase, GetTable, GetTables, GetPartitions, GetPartition on the catalogue, the database and its tables (for Athena, and of `history` for
    its first hour); CreateTable, UpdateTable on its table `uncompacted`, the view it moves;
  the lake's bucket: s3:GetBucketLocation, ListBucket; GetObject on processed/, history/, compacted/, replay/; PutObject on history/, compacted/;
    DeleteObject on history/ (versions stay as long as the lake's rules say);
  the work bucket: s3:GetBucketLocation, ListBucket, ListBucketMultipartUploads; GetObject, PutObject, DeleteObject, AbortMultipartUpload,
    ListMultipartUploadParts on results/;
  kms: Decrypt, GenerateDataKey on the lake's key; logs: CreateLogStream, PutLogEvents on its own group.
Metrics: compact_lambda/metrics.py, dimension Lake (the database). Alarms that mean something: no `Compactions` for three hours; `HoursFailed` above
0; `OldestWaitingAge` above a few hours, but for the first days on a big lake; `HoursFrozen` above 0.
Laws: the only module that reads a clock or the environment. A failed hour, and whatever else went wrong, is raised once all is told, so that
Lambda counts it and tries again; trying again is harmless.
Refuses to know: how anything is decided.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from datetime import UTC, datetime
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Final, Protocol

import boto3
import botocore
from botocore.config import Config

from compact_lambda.bucket import S3Bucket, check_sdk
from compact_lambda.hour import Place
from compact_lambda.metrics import hour_line, metrics_line
from compact_lambda.patience import Bounded
from compact_lambda.run import CompactionFailed, Rim, Wanted, compact_lake
from compact_lambda.settings import read_settings
from compact_lambda.tables import read_first_hour
from sql.athena import connect_athena

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

check_sdk(botocore.__version__)  # the runtime's own: the package brings none (infra/recipes.py)
log: Final = logging.getLogger("compact_lambda")
log.setLevel(logging.INFO)

NONCE_BYTES: Final = 4


class Context(Protocol):
    """What is needed of Lambda's context."""

    def get_remaining_time_in_millis(self) -> int:
        """How long this call may still take."""


def print_bare_lines() -> None:
    """Send the log to standard output, each message a line without a prefix, and nowhere else."""
    bare = logging.StreamHandler(sys.stdout)
    bare.setFormatter(logging.Formatter("%(message)s"))
    log.addHandler(bare)
    log.propagate = False  # the runtime's own handler on the root logger would print each line again, with a prefix


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    print_bare_lines()


def handler(event: Mapping[str, Any], context: Context) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    """
    How many hours were compacted, and from which hour on the view `uncompacted` reads.

    Clock: reads it for what is closed, for the ages of objects and for the metrics' time.
    Raises: SettingsRefused, CompactionFailed, EngineFailed, ManifestDamaged, botocore's errors.
    """
    settings = read_settings(os.environ)
    session = boto3.Session()
    s3 = session.client("s3", config=Config(retries={"mode": "standard"}))
    place = Place(
        lake=S3Bucket(s3, settings.lake_bucket),
        work=S3Bucket(s3, settings.work_bucket),
        athena=Bounded(
            lambda patience_s: connect_athena(
                session, workgroup=settings.workgroup, database=settings.database, patience_s=patience_s
            ),
            remaining_ms=context.get_remaining_time_in_millis,
        ),
        first_hour=read_first_hour(session.client("glue"), database=settings.database),
    )
    return compact(place, lake=settings.database, remaining_ms=context.get_remaining_time_in_millis)


def compact(place: Place, *, lake: str, remaining_ms: Callable[[], int]) -> dict[str, Any]:
    """
    What `handler` answers, at a place that is given.

    Raises: as `handler`, but for SettingsRefused.
    """
    rim = Rim(
        clock=lambda: datetime.now(UTC),
        nonce=lambda: token_hex(NONCE_BYTES),
        remaining_ms=remaining_ms,
        tell=lambda hour: log.info("%s", hour_line(hour)),
    )
    out = compact_lake(place, rim, Wanted())
    log.info("%s", metrics_line(out, lake=lake, now_ms=time.time_ns() // 1_000_000))
    if out.failures:
        raise CompactionFailed(failures=out.failures)
    return {"compacted": len(out.done), "waiting": len(out.waiting), "first_hour": out.first_hour}
