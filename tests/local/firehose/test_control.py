"""Streams made, changed and removed by calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from local.firehose.config import Column, TableSchema
from local.firehose.control import merge_destination
from local.firehose.properties import Catalogue
from tests.local.firehose.conftest import answer_each, plain_stream

if TYPE_CHECKING:
    from tests.local.firehose.conftest import Served

_ROLE = "arn:aws:iam::000000000000:role/r"
_TO_S3: Any = {"RoleARN": _ROLE, "BucketARN": "arn:aws:s3:::lake"}
_LAMBDA_PARAMETERS = {"LambdaArn": "arn:aws:lambda:us-east-1:000000000000:function:f"}


def _processing(**parameters: str) -> Any:
    pairs = [
        {"ParameterName": name, "ParameterValue": value} for name, value in {**_LAMBDA_PARAMETERS, **parameters}.items()
    ]
    return {"ProcessingConfiguration": {"Enabled": True, "Processors": [{"Type": "Lambda", "Parameters": pairs}]}}


def _create(firehose: Served, name: str = "made", **destination: Any) -> str:
    configuration: Any = {**_TO_S3, **destination}
    answer = firehose.client.create_delivery_stream(
        DeliveryStreamName=name, ExtendedS3DestinationConfiguration=configuration
    )
    return answer["DeliveryStreamARN"]


def _described(firehose: Served, name: str = "made") -> Any:
    return firehose.client.describe_delivery_stream(DeliveryStreamName=name)["DeliveryStreamDescription"]


def test_a_created_stream_delivers_with_awss_defaults(served: type[Served]) -> None:
    with served() as firehose:
        assert "arn:aws:firehose:us-east-1:000000000000:deliverystream/made" == _create(firehose)
        described = _described(firehose)
        assert ("ACTIVE", "1", "DirectPut") == (
            described["DeliveryStreamStatus"],
            described["VersionId"],
            described["DeliveryStreamType"],
        )
        destination = described["Destinations"][0]["ExtendedS3DestinationDescription"]
        assert {"SizeInMBs": 5, "IntervalInSeconds": 300} == destination["BufferingHints"]
        assert ("UNCOMPRESSED", "Disabled") == (destination["CompressionFormat"], destination["S3BackupMode"])
        firehose.put(b"a", stream="made")
    [key] = firehose.store.objects
    assert key.startswith("2026/11/23/12/made-1-2026-11-23-12-00-00-")


def test_a_created_stream_calls_its_lambda(served: type[Served]) -> None:
    with served(handler=answer_each(lambda body: {"data": body.upper()})) as firehose:
        _create(firehose, **_processing())
        firehose.put(b"a", stream="made")
    assert [b"A"] == list(firehose.store.objects.values())


def test_what_was_not_said_of_a_lambda_is_described_with_awss_defaults(served: type[Served]) -> None:
    with served() as firehose:
        _create(firehose, **_processing(NumberOfRetries="0"))
        processing = _described(firehose)["Destinations"][0]["ExtendedS3DestinationDescription"][
            "ProcessingConfiguration"
        ]
        [processor] = processing["Processors"]
        assert {
            **_LAMBDA_PARAMETERS,
            "NumberOfRetries": "0",
            "RoleArn": _ROLE,
            "BufferSizeInMBs": "1",
            "BufferIntervalInSeconds": "60",
        } == {parameter["ParameterName"]: parameter["ParameterValue"] for parameter in processor["Parameters"]}


def test_a_lambda_that_nobody_has_is_found_out_when_it_is_called(served: type[Served]) -> None:
    with served() as firehose:
        _create(firehose, **_processing(LambdaArn="arn:aws:lambda:us-east-1:000000000000:function:nobody"))
        firehose.put(b"a", stream="made")
    assert {"Lambda.ResourceNotFound": 1} == firehose.snapshots["made"].errors_by_code


def test_a_stream_cannot_be_made_twice(served: type[Served]) -> None:
    with served(plain_stream()) as firehose:
        code, message, _ = firehose.refusal(lambda: _create(firehose, "s"))
        assert ("ResourceInUseException", "Firehose s under accountId 000000000000 already exists") == (code, message)


@pytest.mark.parametrize(
    ("destination", "code"),
    [
        ({"Prefix": "!{timestamp:yyyy}/"}, "InvalidArgumentException"),
        ({"CompressionFormat": "LZ4"}, "ValidationException"),
        (
            {"DataFormatConversionConfiguration": {"SchemaConfiguration": {"DatabaseName": "d", "TableName": "t"}}},
            "InvalidArgumentException",
        ),
    ],
)
def test_what_aws_would_not_create_is_refused(served: type[Served], destination: Any, code: str) -> None:
    with served() as firehose:
        assert code == firehose.refusal(lambda: _create(firehose, **destination))[0]
        assert [] == firehose.client.list_delivery_streams()["DeliveryStreamNames"]


def test_conversion_needs_a_table_of_the_catalogue(served: type[Served]) -> None:
    table = TableSchema(database="d", table="t", columns=(Column("a", "int"),))
    with served(catalogue=Catalogue(tables={("d", "t"): table}, functions={})) as firehose:
        schema = {"DatabaseName": "d", "TableName": "t"}
        _create(firehose, DataFormatConversionConfiguration={"SchemaConfiguration": schema})
        firehose.put(b'{"a":1}', stream="made")
    [key] = firehose.store.objects
    assert key.endswith(".parquet")


@pytest.mark.parametrize(
    "destinations",
    [
        {},
        {"ExtendedS3DestinationConfiguration": _TO_S3, "S3DestinationConfiguration": _TO_S3},
        {
            "HttpEndpointDestinationConfiguration": {
                "EndpointConfiguration": {"Url": "https://x"},
                "S3Configuration": _TO_S3,
            }
        },
    ],
)
def test_exactly_one_destination_and_only_s3(served: type[Served], destinations: Any) -> None:
    with served() as firehose:
        create = firehose.client.create_delivery_stream
        code, _, _ = firehose.refusal(lambda: create(DeliveryStreamName="x", **destinations))
        assert "InvalidArgumentException" == code


def test_other_sources_than_direct_put_are_refused(served: type[Served]) -> None:
    with served() as firehose:
        create = firehose.client.create_delivery_stream
        _, message, _ = firehose.refusal(
            lambda: create(
                DeliveryStreamName="x",
                DeliveryStreamType="KinesisStreamAsSource",
                ExtendedS3DestinationConfiguration=_TO_S3,
            )
        )
        assert "this engine serves DirectPut streams only" == message


def test_a_name_is_checked(served: type[Served]) -> None:
    with served() as firehose:
        assert "ValidationException" == firehose.refusal(lambda: _create(firehose, "no/slash"))[0]


def test_streams_are_listed_by_name_page_by_page(served: type[Served]) -> None:
    with served() as firehose:
        for name in ("c", "a", "b"):
            _create(firehose, name)
        first = firehose.client.list_delivery_streams(Limit=2)
        assert (["a", "b"], True) == (first["DeliveryStreamNames"], first["HasMoreDeliveryStreams"])
        assert [] == firehose.client.list_delivery_streams(DeliveryStreamType="MSKAsSource")["DeliveryStreamNames"]
        rest = firehose.client.list_delivery_streams(ExclusiveStartDeliveryStreamName="b")
        assert (["c"], False) == (rest["DeliveryStreamNames"], rest["HasMoreDeliveryStreams"])


def _update(firehose: Served, version: str, **given: Any) -> None:
    update: Any = given
    firehose.client.update_destination(
        DeliveryStreamName="made",
        CurrentDeliveryStreamVersionId=version,
        DestinationId="destinationId-000000000001",
        ExtendedS3DestinationUpdate=update,
    )


def test_an_update_raises_the_version_and_changes_later_objects_only(served: type[Served]) -> None:
    with served() as firehose:
        _create(firehose, Prefix="old/")
        firehose.put(b"a", stream="made")
        _update(firehose, "1", Prefix="new/")
        firehose.put(b"b", stream="made")
        described = _described(firehose)
        assert "2" == described["VersionId"]
        assert "LastUpdateTimestamp" in described
        assert "new/" == described["Destinations"][0]["ExtendedS3DestinationDescription"]["Prefix"]
    keys = sorted(firehose.store.objects)
    assert [True, True] == [
        keys[0].startswith("new/2026/11/23/12/made-2-"),
        keys[1].startswith("old/2026/11/23/12/made-1-"),
    ]
    assert firehose.snapshots["made"].is_balanced


def test_an_update_of_another_version_or_destination_is_refused(served: type[Served]) -> None:
    with served() as firehose:
        _create(firehose)
        assert "ConcurrentModificationException" == firehose.refusal(lambda: _update(firehose, "7", Prefix="x"))[0]
        wrong: Any = {
            "DeliveryStreamName": "made",
            "CurrentDeliveryStreamVersionId": "1",
            "DestinationId": "other",
            "ExtendedS3DestinationUpdate": {},
        }
        assert "InvalidArgumentException" == firehose.refusal(lambda: firehose.client.update_destination(**wrong))[0]
        assert (
            "ErrorOutputPrefix cannot be null"
            in firehose.refusal(lambda: _update(firehose, "1", Prefix="!{timestamp:HH}"))[1]
        )


def test_partitioning_cannot_be_switched_and_a_backup_not_switched_off(served: type[Served]) -> None:
    backup: Any = {"S3BackupMode": "Enabled", "S3BackupConfiguration": {**_TO_S3, "Prefix": "raw/"}}
    with served() as firehose:
        _create(firehose, **_processing(), **backup)
        assert "cannot be disabled" in firehose.refusal(lambda: _update(firehose, "1", S3BackupMode="Disabled"))[1]
        partitioned: Any = {
            "Prefix": "!{partitionKeyFromLambda:k}/",
            "ErrorOutputPrefix": "e/!{firehose:error-output-type}/",
            "DynamicPartitioningConfiguration": {"Enabled": True},
        }
        assert "Dynamic Partitioning can only" in firehose.refusal(lambda: _update(firehose, "1", **partitioned))[1]


def test_an_update_replaces_processing_whole_and_merges_conversion_and_backup() -> None:
    current = {
        "Prefix": "p/",
        "ProcessingConfiguration": {"Enabled": True, "Processors": [1]},
        "DataFormatConversionConfiguration": {"Enabled": True, "SchemaConfiguration": {"DatabaseName": "d"}},
        "S3BackupConfiguration": {"Prefix": "raw/", "CompressionFormat": "GZIP"},
    }
    update = {
        "ProcessingConfiguration": {"Enabled": False},
        "DataFormatConversionConfiguration": {"Enabled": False},
        "S3BackupUpdate": {"Prefix": "other/"},
    }
    assert {
        "Prefix": "p/",
        "ProcessingConfiguration": {"Enabled": False},
        "DataFormatConversionConfiguration": {"Enabled": False, "SchemaConfiguration": {"DatabaseName": "d"}},
        "S3BackupConfiguration": {"Prefix": "other/", "CompressionFormat": "GZIP"},
    } == merge_destination(current, update)


def test_a_deleted_stream_drops_what_it_had_and_its_name_is_free(served: type[Served]) -> None:
    with served() as firehose:
        _create(firehose)
        firehose.put(b"lost", stream="made")
        firehose.client.delete_delivery_stream(DeliveryStreamName="made")
        assert "ResourceNotFoundException" == firehose.refusal(lambda: firehose.put(b"x", stream="made"))[0]
        _create(firehose)
        firehose.put(b"kept", stream="made")
    assert [b"kept"] == list(firehose.store.objects.values())


def test_tags_are_kept_page_by_page(served: type[Served]) -> None:
    with served() as firehose:
        client = firehose.client
        client.create_delivery_stream(
            DeliveryStreamName="made", ExtendedS3DestinationConfiguration=_TO_S3, Tags=[{"Key": "b", "Value": "1"}]
        )
        client.tag_delivery_stream(
            DeliveryStreamName="made", Tags=[{"Key": "a"}, {"Key": "b", "Value": "2"}, {"Key": "c"}]
        )
        client.untag_delivery_stream(DeliveryStreamName="made", TagKeys=["c", "nobody"])
        page = client.list_tags_for_delivery_stream(DeliveryStreamName="made", Limit=1)
        assert ([{"Key": "a", "Value": ""}], True) == (page["Tags"], page["HasMoreTags"])
        rest = client.list_tags_for_delivery_stream(DeliveryStreamName="made", ExclusiveStartTagKey="a")
        assert ([{"Key": "b", "Value": "2"}], False) == (rest["Tags"], rest["HasMoreTags"])
        many: Any = [{"Key": f"k{index}"} for index in range(49)]
        tag = client.tag_delivery_stream
        assert "LimitExceededException" == firehose.refusal(lambda: tag(DeliveryStreamName="made", Tags=many))[0]


def test_encryption_is_said_by_every_answer(served: type[Served]) -> None:
    with served(plain_stream()) as firehose:
        client = firehose.client
        client.start_delivery_stream_encryption(DeliveryStreamName="s")
        assert firehose.put(b"a")["Encrypted"]
        expected = {"KeyType": "AWS_OWNED_CMK", "Status": "ENABLED"}
        assert expected == _described(firehose, "s")["DeliveryStreamEncryptionConfiguration"]
        client.stop_delivery_stream_encryption(DeliveryStreamName="s")
        assert not firehose.put(b"b")["Encrypted"]
        assert {"Status": "DISABLED"} == _described(firehose, "s")["DeliveryStreamEncryptionConfiguration"]
        key = "arn:aws:kms:us-east-1:000000000000:key/k"
        customer: Any = {"KeyType": "CUSTOMER_MANAGED_CMK", "KeyARN": key}
        client.start_delivery_stream_encryption(
            DeliveryStreamName="s", DeliveryStreamEncryptionConfigurationInput=customer
        )
        assert key == _described(firehose, "s")["DeliveryStreamEncryptionConfiguration"]["KeyARN"]
        start = client.start_delivery_stream_encryption
        without_key: Any = {"KeyType": "CUSTOMER_MANAGED_CMK"}
        refusal = firehose.refusal(
            lambda: start(DeliveryStreamName="s", DeliveryStreamEncryptionConfigurationInput=without_key)
        )
        assert "InvalidArgumentException" == refusal[0]
