"""The template is the truth: what it says is what the engine does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from local.firehose.config import MIB, StreamConfig
from local.firehose.errors import TemplateUnreadable
from local.firehose.intrinsics import Surroundings
from local.firehose.template import plan_standins, read_template, resolve_template
from tests.local.firehose.conftest import answer_each

if TYPE_CHECKING:
    from tests.local.firehose.conftest import Rig

_PIPELINE = Path(__file__).parents[3] / "infra" / "pipeline.yaml"
_CANDIDATES = ("local", "1", "arn:aws:kms:us-east-1:000000000000:key/local")


def _stream(text: str, **parameters: str) -> StreamConfig:
    standins = plan_standins(_PIPELINE, {}, _CANDIDATES)
    template = resolve_template(
        text, template="pipeline.yaml", parameters=parameters, standins=standins, surroundings=Surroundings()
    )
    return template.streams[0]


def _pipeline() -> str:
    return _PIPELINE.read_text(encoding="utf-8")


def test_the_projects_own_template_becomes_its_stream() -> None:
    stream = _stream(_pipeline())
    assert "ticklake" == stream.name
    assert stream.transform is not None
    assert "transform_lambda.handler.handler" == stream.transform.handler
    assert stream.transform.arn.endswith(":$LATEST")
    assert stream.deaggregation is not None
    assert ("DELIMITED", b"\n") == (stream.deaggregation.kind, stream.deaggregation.delimiter)
    assert stream.dynamic_partitioning
    assert stream.conversion is not None
    assert ("kind", "string") == (
        stream.conversion.schema.columns[0].name,
        stream.conversion.schema.columns[0].hive_type,
    )
    assert stream.backup is not None
    assert "GZIP" == stream.backup.compression


def test_parameters_override_defaults() -> None:
    stream = _stream(_pipeline(), StreamName="other", LakeBufferSeconds="120", TransformBufferSeconds="7")
    assert stream.transform is not None
    assert ("other", 120, 7) == (stream.name, stream.target.hints.interval_s, stream.transform.hints.interval_s)


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        ({"LakeBufferSeconds": "10"}, "10 lies outside 60 to 900"),
        ({"LakeBufferSeconds": "soon"}, "'soon' is not a number"),
        ({"StreamName": "a b"}, "'a b' does not match"),
        ({"Nobody": "1"}, "has no parameter named Nobody"),
    ],
)
def test_a_wrong_parameter_is_refused_by_name(parameters: dict[str, str], problem: str) -> None:
    with pytest.raises(TemplateUnreadable, match=problem):
        _stream(_pipeline(), **parameters)


def test_a_missing_parameter_is_an_error_unless_the_caller_passes_a_stand_in() -> None:
    with pytest.raises(TemplateUnreadable, match="LakeBucketName has no default and was not given"):
        read_template(_PIPELINE)
    standins = plan_standins(_PIPELINE, {"LakeBucketName": "mine"}, _CANDIDATES)
    assert "LakeBucketName" not in standins
    assert "arn:aws:kms:us-east-1:000000000000:key/local" == standins["LakeKeyArn"]
    assert (
        "mine"
        == read_template(_PIPELINE, parameters={"LakeBucketName": "mine"}, standins=standins)
        .stream("ticklake")
        .target.bucket
    )


_ROW = {
    "data": b'{"kind":"ticker"}\n',
    "metadata": {"partitionKeys": dict.fromkeys(["year", "month", "day", "hour"], "1")},
}


def _answer(_: bytes) -> dict[str, Any]:
    return {**_ROW, "metadata": {"partitionKeys": {"kind": "ticker", **_ROW["metadata"]["partitionKeys"]}}}  # type: ignore[index]  # a literal's inferred type


def _run(rig: type[Rig], text: str, *, seconds: float, packs: int = 1) -> Rig:
    stream = _stream(text)
    assert stream.transform is not None
    from dataclasses import replace  # noqa: PLC0415 -- only here: the rig's handler answers to the name f

    stream = replace(stream, transform=replace(stream.transform, function_name="f"))
    return rig(stream, handler=answer_each(_answer)).put(*[b"x" * 700_000 + b"\n"] * packs).turn(seconds)


def _changed(old: str, new: str) -> str:
    text = _pipeline()
    assert old in text, "the template no longer says this: change the test with it"
    return text.replace(old, new)


def test_changing_a_buffering_interval_in_the_template_changes_when_objects_appear(rig: type[Rig]) -> None:
    assert [] == list(_run(rig, _pipeline(), seconds=200).objects("processed/"))
    shorter = _changed("IntervalInSeconds: !Ref LakeBufferSeconds", "IntervalInSeconds: 60")
    assert 1 == len(_run(rig, shorter, seconds=200).objects("processed/"))


def test_changing_the_transforms_buffer_size_in_the_template_changes_when_it_is_called(rig: type[Rig]) -> None:
    assert 1 == len(_run(rig, _pipeline(), seconds=1, packs=2).invocations)
    larger = _changed(
        'ParameterName: BufferSizeInMBs, ParameterValue: "1"', 'ParameterName: BufferSizeInMBs, ParameterValue: "3"'
    )
    assert 0 == len(_run(rig, larger, seconds=1, packs=2).invocations)


def test_changing_a_prefix_in_the_template_changes_keys(rig: type[Rig]) -> None:
    assert 1 == len(_run(rig, _pipeline(), seconds=900).objects("processed/coinbase/ticker/"))
    moved = _changed('Prefix: "processed/coinbase/', 'Prefix: "elsewhere/')
    assert 1 == len(_run(rig, moved, seconds=900).objects("elsewhere/ticker/"))


def test_changing_the_tables_columns_changes_the_parquet(rig: type[Rig]) -> None:
    import io  # noqa: PLC0415 -- only this case reads Parquet

    import pyarrow.parquet as pq  # noqa: PLC0415 -- as above

    renamed = _changed("- {Name: kind, Type: string,", "- {Name: sort, Type: string,")
    [body] = _run(rig, renamed, seconds=900).objects("processed/").values()
    assert "sort" == pq.read_schema(io.BytesIO(body)).names[0]


_MINIMAL = """
Resources:
  S:
    Type: AWS::KinesisFirehose::DeliveryStream
    Properties:
      %s: {BucketARN: arn:aws:s3:::b, RoleARN: r}
"""


def _plain(text: str) -> StreamConfig:
    return resolve_template(text, template="t", parameters={}, standins={}, surroundings=Surroundings()).streams[0]


def test_a_bare_stream_has_awss_defaults() -> None:
    stream = _plain(_MINIMAL % "ExtendedS3DestinationConfiguration")
    assert ("local-S", "b") == (stream.name, stream.target.bucket)
    assert (5 * MIB, 300) == (stream.target.hints.bound_bytes, stream.target.hints.interval_s)
    assert (None, None, None, False) == (
        stream.transform,
        stream.backup,
        stream.conversion,
        stream.dynamic_partitioning,
    )


def test_the_older_destination_is_read_the_same_way() -> None:
    assert "b" == _plain(_MINIMAL % "S3DestinationConfiguration").target.bucket


def test_a_destination_that_is_not_s3_is_refused() -> None:
    with pytest.raises(TemplateUnreadable, match="has no S3 destination"):
        _plain(_MINIMAL % "RedshiftDestinationConfiguration")


def test_what_aws_would_not_create_is_refused_with_awss_sentence() -> None:
    with pytest.raises(TemplateUnreadable, match="ErrorOutputPrefix cannot be null or empty"):
        _plain((_MINIMAL % "ExtendedS3DestinationConfiguration").replace("RoleARN: r", "Prefix: '!{timestamp:yyyy}/'"))
