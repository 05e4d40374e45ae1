"""A replay's bucket, through boto3: records by conditional puts, what was replaced copied before it is deleted."""

from __future__ import annotations

from datetime import timedelta

import boto3
from moto import mock_aws

from cli.replay_bucket import MOVE_AFTER, MOVED, put_replay, read_records, tidy
from compact_lambda.bucket import S3Bucket
from local.lake.replay import Receipt, ReplayPlan
from sql.replays import Record, kept_key, placed_key

FOLDER = "processed/coinbase/ticker/2026/11/23/02"
OLD, NEW = f"{FOLDER}/old.parquet", placed_key(FOLDER, "0" * 16, 0)
PLAN = ReplayPlan(
    Receipt("2026/11/23/02", 1, 0, 0, 1, 0, 0, 0), {NEW: b"rows"}, Record(1, "0" * 16, {"found": 1}, (NEW,), (OLD,))
)


def test_in_s3_a_plan_is_put_once_and_what_it_replaced_moves_later() -> None:
    with mock_aws():
        client = boto3.client("s3", "us-east-1", aws_access_key_id="a", aws_secret_access_key="b")  # moto
        client.create_bucket(Bucket="lake")
        bucket = S3Bucket(client, "lake")
        client.put_object(Bucket="lake", Key=OLD, Body=b"old rows")
        put_replay(bucket, PLAN)
        put_replay(bucket, PLAN)  # as after an answer that was lost
        ((record, stored),) = read_records(bucket)
        assert PLAN.record == record
        assert b"rows" == bucket.read_object(NEW)
        assert (0, 0) == tidy(bucket, [(record, stored)], now=stored.changed_at + MOVE_AFTER - timedelta(seconds=1))
        later = stored.changed_at + MOVE_AFTER
        assert (1, 0) == tidy(bucket, [(record, stored)], now=later)
        assert (0, 0) == tidy(bucket, [(record, stored)], now=later)
        keys = [each.key for each in bucket.find_objects("")]
        assert sorted([NEW, "replay/00000001.json", kept_key(1, OLD), f"{MOVED}00000001"]) == keys
        assert b"old rows" == bucket.read_object(kept_key(1, OLD))
