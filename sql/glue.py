"""
The lake's table as the CloudFormation template declares it: columns in their order, and what its object keys say.

Laws: the template is the truth; nothing of it is written down a second time.
Refuses to know: files, SQL engines, how a stream is configured (local/template.py).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import yaml

from infra import PIPELINE_TEMPLATE

try:
    from yaml import CSafeLoader as SafeLoader
except ImportError:  # a PyYAML that was built without libyaml reads the same in ten times the time
    from yaml import SafeLoader  # type: ignore[assignment]

# Java date letters of projection.<column>.format, as digits; more letters than these no partition of ours needs.
_DATE_LETTERS: Final = {"yyyy": r"\d{4}", "MM": r"\d{2}", "dd": r"\d{2}", "HH": r"\d{2}"}
_BUCKET: Final = re.compile(r"^s3://[^/]+/")


@dataclass(frozen=True, slots=True)
class Column:
    """A column's name, its Hive type (`string`, `bigint`) and what it means."""

    name: str
    type: str
    comment: str


@dataclass(frozen=True, slots=True)
class GlueTable:
    """
    One Glue table of the template.

    Shapes: `prefix` is the table's place in the bucket, such as `processed/coinbase/`; `key_pattern` (a regular
    expression, one group per partition, in their order) matches an object's key from the bucket's root.
    """

    name: str
    columns: tuple[Column, ...]
    partitions: tuple[Column, ...]
    prefix: str
    key_pattern: str
    parameters: dict[str, str]


class _Template(SafeLoader):
    """CloudFormation's YAML, its short functions (`!Sub`, `!Ref`) left as their own text."""


def _keep(loader: SafeLoader, _suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    assert isinstance(node, yaml.MappingNode)
    return loader.construct_mapping(node, deep=True)


_Template.add_multi_constructor("!", _keep)


@cache
def read_template() -> dict[str, Any]:
    """The pipeline's template as plain data; a short function stands as its argument."""
    template: dict[str, Any] = yaml.load(PIPELINE_TEMPLATE.read_text(encoding="utf-8"), Loader=_Template)  # noqa: S506  # a SafeLoader
    return template


@cache
def read_table(name: str) -> GlueTable:
    """
    The Glue table of this name.

    Raises: LookupError if the template declares no such table.
    """
    for resource in read_template()["Resources"].values():
        if resource["Type"] == "AWS::Glue::Table" and resource["Properties"]["TableInput"]["Name"] == name:
            return decode_table(resource["Properties"]["TableInput"])
    raise LookupError(f"{PIPELINE_TEMPLATE.name} declares no Glue table named {name}.")


def decode_table(table_input: dict[str, Any]) -> GlueTable:
    """A template's TableInput as columns, partitions and a pattern for keys."""
    parameters = {name: _joined(value) for name, value in table_input["Parameters"].items()}
    partitions = _columns(table_input.get("PartitionKeys", []))
    prefix = _BUCKET.sub("", table_input["StorageDescriptor"]["Location"])
    template = _BUCKET.sub("", parameters.get("storage.location.template", prefix))
    return GlueTable(
        name=table_input["Name"],
        columns=_columns(table_input["StorageDescriptor"]["Columns"]),
        partitions=partitions,
        prefix=prefix,
        key_pattern=_key_pattern(template, parameters),
        parameters=parameters,
    )


def _joined(value: Any) -> Any:
    """A !Join of texts and names as one text; anything else as it is."""
    return value[0].join(value[1]) if isinstance(value, list) else value


def _columns(declared: list[dict[str, str]]) -> tuple[Column, ...]:
    return tuple(Column(name=c["Name"], type=c["Type"], comment=c.get("Comment", "")) for c in declared)


def _key_pattern(template: str, parameters: dict[str, str]) -> str:
    pieces = re.split(r"\$\{([a-z_]+)\}", template)
    literals, names = pieces[0::2], pieces[1::2]
    groups = [f"({_value_pattern(name, parameters)})" for name in names] + [""]
    return "^" + "".join(re.escape(text) + group for text, group in zip(literals, groups, strict=True)) + "[^/]+$"


def _value_pattern(partition: str, parameters: dict[str, str]) -> str:
    if parameters[f"projection.{partition}.type"] == "enum":
        return "|".join(re.escape(value) for value in parameters[f"projection.{partition}.values"].split(","))
    form = re.split("(yyyy|MM|dd|HH)", parameters[f"projection.{partition}.format"])
    return "".join(_DATE_LETTERS.get(piece, re.escape(piece)) for piece in form)
