from __future__ import annotations

from cli.destroy import describe_what_stays
from infra.stacks import StackState


def test_it_is_said_where_the_data_is() -> None:
    storage = StackState("t-storage", "CREATE_COMPLETE", outputs={"LakeBucketName": "lake", "LakeKeyArn": "arn:key"})
    producer = StackState("t-producer", "CREATE_COMPLETE", outputs={"JournalFileSystemId": "fs-1"})
    text = " ".join(describe_what_stays({"storage": storage, "producer": producer}))
    assert "s3://lake, encrypted with arn:key" in text
    assert "fs-1" in text
    assert [] == list(describe_what_stays({}))
