"""
JSON records to one Parquet object by the Glue table's columns.

Laws: a record converts whole or fails whole, alone, with a code; several documents may stand in one record; an array at the top is malformed;
keys that the table does not have are left out, columns that a document does not have are null.
Refuses to know: buffers, keys, stores. Source: Amazon Data Firehose, "Convert input data format", "Error handling for data format
conversion". ORC is not written: creation refuses it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from local.firehose.deaggregation import split_documents
from local.firehose.effects import ConversionFailure, Converted
from local.firehose.hive_types import arrow_type, coerce_value, openx_timestamp
from local.firehose.timestamp_formats import timestamp_reader

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from local.firehose.config import Column, Conversion

PARSE_ERROR = "DataFormatConversion.ParseError"
MALFORMED = "DataFormatConversion.MalformedData"
_NOT_JSON = "Encountered malformed JSON."

Document = dict[str, Any]
_CODECS: Mapping[str, Literal["none", "snappy", "gzip"]] = {"UNCOMPRESSED": "none", "SNAPPY": "snappy", "GZIP": "gzip"}


def convert_records(bodies: Sequence[bytes], conversion: Conversion) -> Converted:
    """The object of the records that convert, and the failures of those that do not."""
    failures: list[ConversionFailure] = []
    documents: list[Document] = []
    owners: list[int] = []
    for index, body in enumerate(bodies):
        found = parse_documents(body)
        if found is None:
            failures.append(ConversionFailure(index, PARSE_ERROR, _NOT_JSON))
        else:
            documents += found
            owners += [index] * len(found)
    bad: dict[int, str] = {}
    arrays = _columns(documents, owners, conversion, bad)
    if bad:
        # Rare: some value did not fit its column, so its record leaves and the columns are built again without it.
        failures += [ConversionFailure(index, MALFORMED, message) for index, message in sorted(bad.items())]
        kept = [position for position, owner in enumerate(owners) if owner not in bad]
        documents = [documents[position] for position in kept]
        arrays = _columns(documents, [owners[position] for position in kept], conversion, {})
    if not documents:
        return Converted(body=None, rows_count=0, failures=failures)
    return Converted(body=_write(arrays, conversion), rows_count=len(documents), failures=failures)


def parse_documents(body: bytes) -> list[Document] | None:
    """The JSON objects of one record; None if there is anything else in it, or nothing."""
    try:
        trees = [orjson.loads(body)]
    except orjson.JSONDecodeError:
        found = _parse_several(body)
        if found is None:
            return None
        trees = found
    return trees if trees and all(isinstance(tree, dict) for tree in trees) else None


def _parse_several(body: bytes) -> list[Any] | None:
    try:
        try:
            return [orjson.loads(line) for line in body.split(b"\n") if line.strip()]
        except orjson.JSONDecodeError:
            texts = split_documents(body.decode())
            return None if texts is None else [orjson.loads(text) for text in texts]
    except ValueError:  # orjson's refusal of NaN and the like, or bytes that are not UTF-8
        return None


def _columns(
    documents: list[Document], owners: list[int], conversion: Conversion, bad: dict[int, str]
) -> list[pa.Array[Any]]:
    if conversion.case_insensitive and conversion.deserializer == "openx":
        documents = [{key.lower(): value for key, value in document.items()} for document in documents]
    if conversion.dots_to_underscores:
        documents = [{key.replace(".", "_"): value for key, value in document.items()} for document in documents]
    return [_column(column, documents, owners, conversion, bad) for column in conversion.schema.columns]


def _column(
    column: Column, documents: list[Document], owners: list[int], conversion: Conversion, bad: dict[int, str]
) -> pa.Array[Any]:
    key = (conversion.key_of_column or {}).get(column.name, column.name)
    values = [document.get(key) for document in documents]
    kind = arrow_type(column.hive_type)
    if _is_plain(kind):
        try:
            return pa.array(values, type=kind)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
            pass  # some value is of another kind: the slow road below says which, and what becomes of it
    reader = timestamp_reader(conversion.timestamp_formats) if conversion.deserializer == "hive" else openx_timestamp
    fitted: list[Any] = []
    for owner, value in zip(owners, values, strict=True):
        try:
            fitted.append(coerce_value(value, column.hive_type, reader))
        except (ValueError, OverflowError) as error:
            fitted.append(None)
            bad.setdefault(owner, f"The column {column.name} ({column.hive_type}) cannot hold the value: {error}")
    return pa.array(fitted, type=kind)


def _is_plain(kind: pa.DataType) -> bool:
    """Whether Arrow's own strictness is the SerDe's: text and whole numbers (it refuses booleans, floats and what overflows)."""
    return pa.types.is_string(kind) or pa.types.is_int64(kind) or pa.types.is_int32(kind)


def _write(arrays: list[pa.Array[Any]], conversion: Conversion) -> bytes:
    table = pa.Table.from_arrays(arrays, names=[column.name for column in conversion.schema.columns])
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        compression=_CODECS[conversion.compression],
        use_deprecated_int96_timestamps=True,  # what Hive's writer does, and Athena reads
        store_schema=False,
        write_page_checksum=True,  # a flipped byte is found by reading
    )
    return sink.getvalue().to_pybytes()
