"""
The delivery streams of a CloudFormation template, resolved: the template is the truth, and this is its reader.

Laws: no buffer size, prefix, processor or column stands anywhere but in the template; a parameter without a value is an error, unless
the caller passes a stand-in for it. Refuses to know: what a stream does with its configuration.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from local.firehose.config import Column, StreamConfig, TableSchema
from local.firehose.errors import SettingRefused, TemplateUnreadable
from local.firehose.guesses import Guesses
from local.firehose.intrinsics import Resolver, Surroundings, Tree, parse_template
from local.firehose.properties import Catalogue, FunctionFacts, read_stream
from local.firehose.validation import check_destination

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

# For template parameters that nothing here depends on: names, numbers, ARNs.
_ACCOUNT = Surroundings().account
STANDINS = (
    "local",
    "1",
    f"arn:aws:kms:us-east-1:{_ACCOUNT}:key/local",
    f"arn:aws:sns:us-east-1:{_ACCOUNT}:local",
    "arn:aws:s3:::local",
)
_LAMBDA_TIMEOUT_S, _LAMBDA_MEMORY_MIB = 3, 128  # AWS::Lambda::Function: defaults


@dataclass(frozen=True, slots=True)
class Template:
    """What the engine takes from a template: its streams, and the tables and functions that streams may refer to."""

    streams: tuple[StreamConfig, ...]
    catalogue: Catalogue

    def stream(self, name: str) -> StreamConfig:
        """The stream of that name; KeyError if the template has none."""
        return next(stream for stream in self.streams if stream.name == name)


def read_template(
    path: Path,
    *,
    parameters: Mapping[str, str] | None = None,
    standins: Mapping[str, str] | None = None,
    surroundings: Surroundings | None = None,
) -> Template:
    """
    Every delivery stream of a template file, with the Glue tables and Lambda functions beside it.

    Shapes: `parameters` override the template's defaults; `standins` serve only parameters that have neither.
    Raises: TemplateUnreadable, naming the place; OSError if the file cannot be read.
    """
    return resolve_template(
        path.read_text(encoding="utf-8"),
        template=path.name,
        parameters=parameters or {},
        standins=standins or {},
        surroundings=surroundings or Surroundings(),
    )


def plan_standins(path: Path, given: Mapping[str, str], candidates: Sequence[str] = STANDINS) -> Mapping[str, str]:
    """For each parameter that has neither a default nor a given value, the first stand-in that its own rules allow."""
    declared = parse_template(path.read_text(encoding="utf-8"), template=path.name).get("Parameters") or {}
    missing = {name: rules for name, rules in declared.items() if name not in given and "Default" not in rules}
    found = {name: [value for value in candidates if _fits(name, value, rules)] for name, rules in missing.items()}
    return {name: values[0] for name, values in found.items() if values}


def _fits(name: str, value: str, rules: Mapping[str, Tree]) -> bool:
    try:
        _check_parameter(name, value, rules, "")
    except TemplateUnreadable:
        return False
    return True


def resolve_template(
    text: str, *, template: str, parameters: Mapping[str, str], standins: Mapping[str, str], surroundings: Surroundings
) -> Template:
    """The same from the template's text."""
    tree = parse_template(text, template=template)
    values = _parameter_values(tree.get("Parameters") or {}, template=template, given=parameters, standins=standins)
    resolver = Resolver(template=template, tree=tree, parameters=values, surroundings=surroundings)
    catalogue = Catalogue(tables=_tables(resolver), functions=_functions(resolver))
    streams = tuple(
        _stream(resolver, logical_id, catalogue)
        for logical_id in resolver.of_type("AWS::KinesisFirehose::DeliveryStream")
    )
    return Template(streams=streams, catalogue=catalogue)


def _parameter_values(
    declared: Mapping[str, Tree], *, template: str, given: Mapping[str, str], standins: Mapping[str, str]
) -> dict[str, str]:
    unknown = sorted(set(given) - set(declared))
    if unknown:
        raise TemplateUnreadable(
            template=template, place="Parameters", problem=f"has no parameter named {', '.join(unknown)}"
        )
    values = {}
    for name, rules in declared.items():
        value = given.get(name, rules.get("Default", standins.get(name)))
        if value is not None:
            values[name] = str(value)
            _check_parameter(name, str(value), rules, template)
    return values


def _check_parameter(name: str, value: str, rules: Mapping[str, Tree], template: str) -> None:
    place = f"Parameters.{name}"
    pattern = rules.get("AllowedPattern")
    if pattern is not None and re.fullmatch(str(pattern), value) is None:
        raise TemplateUnreadable(template=template, place=place, problem=f"{value!r} does not match {pattern}")
    allowed = rules.get("AllowedValues")
    if allowed is not None and value not in [str(item) for item in allowed]:
        raise TemplateUnreadable(template=template, place=place, problem=f"{value!r} is not one of {allowed}")
    if rules.get("Type") != "Number":
        return
    try:
        number = float(value)
    except ValueError:
        raise TemplateUnreadable(template=template, place=place, problem=f"{value!r} is not a number") from None
    low, high = float(rules.get("MinValue", "-inf")), float(rules.get("MaxValue", "inf"))
    if not low <= number <= high:
        raise TemplateUnreadable(template=template, place=place, problem=f"{value} lies outside {low:g} to {high:g}")


def _tables(resolver: Resolver) -> dict[tuple[str, str], TableSchema]:
    found = {}
    for logical_id in resolver.of_type("AWS::Glue::Table"):
        props = resolver.properties(logical_id)
        table = props["TableInput"]
        schema = TableSchema(
            database=str(props["DatabaseName"]),
            table=resolver.name_of(logical_id, logical_id),
            columns=tuple(
                Column(name=str(column["Name"]), hive_type=str(column.get("Type", "string")))
                for column in (table.get("StorageDescriptor") or {}).get("Columns") or []
            ),
            catalog_id=str(props.get("CatalogId", resolver.surroundings.account)),
            region=resolver.surroundings.region,
        )
        found[(schema.database, schema.table)] = schema
    return found


def _functions(resolver: Resolver) -> dict[str, FunctionFacts]:
    found = {}
    for logical_id in resolver.of_type("AWS::Lambda::Function"):
        props = resolver.properties(logical_id)
        arn = resolver.arn_of(logical_id, logical_id)
        variables = (props.get("Environment") or {}).get("Variables") or {}
        found[arn] = FunctionFacts(
            arn=arn,
            name=resolver.name_of(logical_id, logical_id),
            handler=str(props.get("Handler", "")),
            timeout_s=int(props.get("Timeout", _LAMBDA_TIMEOUT_S)),
            memory_mib=int(props.get("MemorySize", _LAMBDA_MEMORY_MIB)),
            environment={str(key): str(value) for key, value in variables.items()},
        )
    return found


def _stream(resolver: Resolver, logical_id: str, catalogue: Catalogue) -> StreamConfig:
    props = resolver.properties(logical_id)
    destination = props.get("ExtendedS3DestinationConfiguration") or props.get("S3DestinationConfiguration")
    if destination is None:
        raise resolver.unreadable(f"Resources.{logical_id}", "has no S3 destination, and the engine serves no other")
    try:
        check_destination(destination, Guesses())
        return read_stream(
            name=resolver.name_of(logical_id, logical_id),
            arn=resolver.arn_of(logical_id, logical_id),
            region=resolver.surroundings.region,
            account=resolver.surroundings.account,
            destination=destination,
            encryption=props.get("DeliveryStreamEncryptionConfigurationInput") or {},
            catalogue=catalogue,
        )
    except SettingRefused as error:
        raise resolver.unreadable(f"Resources.{logical_id}", error.message) from error
