"""Properties of a stream, as a template or a call gives them."""

from __future__ import annotations

from typing import Any

import pytest

from local.firehose.config import MIB, Column, StreamConfig, TableSchema
from local.firehose.errors import SettingRefused
from local.firehose.properties import Catalogue, FunctionFacts, Properties, read_stream, unescape

_ARN = "arn:aws:lambda:us-east-1:1:function:f"
_TABLE = TableSchema(database="d", table="t", columns=(Column("a", "int"),))
_CATALOGUE = Catalogue(
    tables={("d", "t"): _TABLE},
    functions={
        _ARN: FunctionFacts(arn=_ARN, name="f", handler="m.h", timeout_s=9, memory_mib=512, environment={"A": "b"})
    },
)


def _read(destination: dict[str, Any]) -> StreamConfig:
    return read_stream(
        name="s", arn="arn", region="r", account="a", destination=destination, encryption={}, catalogue=_CATALOGUE
    )


def _processed(*processors: tuple[str, dict[str, str]]) -> dict[str, Any]:
    entries = [
        {
            "Type": kind,
            "Parameters": [{"ParameterName": name, "ParameterValue": value} for name, value in parameters.items()],
        }
        for kind, parameters in processors
    ]
    return {"ProcessingConfiguration": {"Enabled": True, "Processors": entries}}


def test_a_lambda_without_buffering_has_awss_defaults_and_what_the_template_knows() -> None:
    transform = _read(_processed(("Lambda", {"LambdaArn": _ARN}))).transform
    assert transform is not None
    assert (MIB, 60, 3) == (transform.hints.bound_bytes, transform.hints.interval_s, transform.retries_count)
    assert ("m.h", "f", 9, {"A": "b"}) == (
        transform.handler,
        transform.function_name,
        transform.timeout_s,
        transform.environment,
    )


def test_an_unqualified_arn_is_called_by_latest_and_a_qualified_one_by_itself() -> None:
    plain, aliased = (_read(_processed(("Lambda", {"LambdaArn": arn}))).transform for arn in (_ARN, f"{_ARN}:live"))
    assert plain is not None
    assert aliased is not None
    assert (f"{_ARN}:$LATEST", f"{_ARN}:live", "m.h") == (plain.arn, aliased.arn, aliased.handler)


def test_a_lambda_that_no_template_explains_has_a_name_and_no_handler() -> None:
    transform = _read(_processed(("Lambda", {"LambdaArn": "arn:aws:lambda:us-east-1:1:function:other:3"}))).transform
    assert transform is not None
    assert ("other", None) == (transform.function_name, transform.handler)


def test_buffer_sizes_may_be_fractions_written_as_text() -> None:
    given = {"LambdaArn": _ARN, "BufferSizeInMBs": "0.2", "BufferIntervalInSeconds": "0", "NumberOfRetries": "0"}
    transform = _read(_processed(("Lambda", given))).transform
    assert transform is not None
    assert (209_715, 0, 0) == (transform.hints.bound_bytes, transform.hints.interval_s, transform.retries_count)


def test_conversion_is_on_unless_switched_off_and_raises_the_default_size() -> None:
    conversion = {"SchemaConfiguration": {"DatabaseName": "d", "TableName": "t"}}
    converted = _read({"DataFormatConversionConfiguration": conversion})
    assert converted.conversion is not None
    assert (_TABLE, "parquet", "SNAPPY", "openx", True) == (
        converted.conversion.schema,
        converted.conversion.serializer,
        converted.conversion.compression,
        converted.conversion.deserializer,
        converted.conversion.case_insensitive,
    )
    assert 128 * MIB == converted.target.hints.bound_bytes
    assert _read({"DataFormatConversionConfiguration": {**conversion, "Enabled": False}}).conversion is None


def test_a_table_that_is_not_there_is_refused_as_glue_would() -> None:
    schema = {"DatabaseName": "d", "TableName": "nobody"}
    with pytest.raises(SettingRefused, match="EntityNotFoundException"):
        _read({"DataFormatConversionConfiguration": {"SchemaConfiguration": schema}})


def test_a_delimiter_is_base64_and_what_is_appended_is_text_with_escapes() -> None:
    given = _processed(
        ("RecordDeAggregation", {"SubRecordType": "DELIMITED", "Delimiter": "Cg=="}),
        ("AppendDelimiterToRecord", {"Delimiter": "\\n"}),
    )
    stream = _read(given)
    assert stream.deaggregation is not None
    assert (b"\n", b"\n") == (stream.deaggregation.delimiter, stream.append_delimiter)
    assert b"\t|" == unescape("\\t|")
    with pytest.raises(SettingRefused, match="Delimiter must be base64"):
        _read(_processed(("RecordDeAggregation", {"SubRecordType": "DELIMITED", "Delimiter": "?"})))


def test_an_unknown_compression_is_a_validation_error_as_on_the_wire() -> None:
    with pytest.raises(SettingRefused, match="failed to satisfy constraint") as refused:
        _read({"CompressionFormat": "LZ4"})
    assert "ValidationException" == refused.value.code


@pytest.mark.parametrize(
    "read",
    [
        lambda props: props.number("a", 0),
        lambda props: props.flag("a", default=False),
        lambda props: props.child("a"),
        lambda props: props.children("a"),
        lambda props: props.texts("a"),
        lambda props: props.mapping("a"),
        lambda props: props.text("b"),
        lambda _: Properties([], "x"),
    ],
)
def test_a_value_of_the_wrong_shape_is_refused_with_its_path(read: Any) -> None:
    with pytest.raises(SettingRefused, match=r"^x"):
        read(Properties({"a": "text", "b": {}}, "x"))


def test_absent_values_have_their_defaults() -> None:
    props = Properties({"none": None}, "x")
    assert ("d", 1, True, (), {}, ()) == (
        props.text("none", "d"),
        props.number("none", 1),
        props.flag("none", default=True),
        props.children("none"),
        props.mapping("none"),
        props.texts("none"),
    )
    assert "none" not in props
