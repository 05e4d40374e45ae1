"""
CloudFormation text to plain values: YAML with short-form intrinsics, or JSON, and the functions resolved against parameters.

Laws: a value that cannot be known is an error that names its place, never a blank. What a deployed resource would be called (its Ref
and its ARN) is worked out from its own properties, so that two places that name the same resource still agree.
Refuses to know: what any resource means; no file, no network (Fn::Transform and AWS::Include are refused).
Source: AWS CloudFormation User Guide, "Intrinsic function reference" and "Pseudo parameters reference".
"""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from local.firehose.errors import TemplateUnreadable

try:
    from yaml import CSafeLoader as SafeLoader
except ImportError:  # a PyYAML that was built without libyaml reads the same in ten times the time
    from yaml import SafeLoader  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Tree = Any  # a JSON-like tree: what YAML holds is not known before it is read

_NO_VALUE = object()
_SUBSTITUTION = re.compile(r"\$\{(!?)([^}]+)\}")
# The property that names a resource, by type; anything else is called <stack>-<logical id>, as CloudFormation would generate.
_NAMING_PROPERTY: Mapping[str, tuple[str, ...]] = {
    "AWS::Glue::Database": ("DatabaseInput", "Name"),
    "AWS::Glue::Table": ("TableInput", "Name"),
    "AWS::IAM::Role": ("RoleName",),
    "AWS::KinesisFirehose::DeliveryStream": ("DeliveryStreamName",),
    "AWS::Lambda::Function": ("FunctionName",),
    "AWS::Logs::LogGroup": ("LogGroupName",),
    "AWS::Logs::LogStream": ("LogStreamName",),
    "AWS::S3::Bucket": ("BucketName",),
}
_ARN_SHAPE: Mapping[str, str] = {
    "AWS::IAM::Role": "arn:{partition}:iam::{account}:role/{name}",
    "AWS::KMS::Key": "arn:{partition}:kms:{region}:{account}:key/{name}",
    "AWS::KinesisFirehose::DeliveryStream": "arn:{partition}:firehose:{region}:{account}:deliverystream/{name}",
    "AWS::Lambda::Function": "arn:{partition}:lambda:{region}:{account}:function:{name}",
    "AWS::Logs::LogGroup": "arn:{partition}:logs:{region}:{account}:log-group:{name}:*",
    "AWS::S3::Bucket": "arn:{partition}:s3:::{name}",
}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the AWS pseudo parameters say on this machine."""

    region: str = "us-east-1"
    account: str = "000000000000"
    partition: str = "aws"
    stack: str = "local"

    def pseudo(self) -> Mapping[str, object]:
        """The pseudo parameters by name."""
        return {
            "AWS::AccountId": self.account,
            "AWS::NoValue": _NO_VALUE,
            "AWS::Partition": self.partition,
            "AWS::Region": self.region,
            "AWS::StackId": f"arn:{self.partition}:cloudformation:{self.region}:{self.account}:stack/{self.stack}/local",
            "AWS::StackName": self.stack,
            "AWS::URLSuffix": "amazonaws.com",
        }


class _Loader(SafeLoader):
    """YAML as CloudFormation reads it: tags become long-form intrinsics, and a date stays the text it is."""


def _construct_tag(loader: _Loader, suffix: str, node: yaml.Node) -> Tree:
    name = suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        scalar = loader.construct_scalar(node)
        return {name: str(scalar).split(".", 1) if suffix == "GetAtt" else scalar}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    if isinstance(node, yaml.MappingNode):
        return {name: loader.construct_mapping(node, deep=True)}
    raise yaml.constructor.ConstructorError(None, None, f"cannot read !{suffix}", node.start_mark)


_Loader.add_multi_constructor("!", _construct_tag)
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in SafeLoader.yaml_implicit_resolvers.items()
}


def parse_template(text: str, *, template: str) -> Mapping[str, Tree]:
    """
    The template's tree with short forms written out; JSON is YAML enough to be read the same way.

    Raises: TemplateUnreadable if it is not a mapping with Resources.
    """
    try:
        tree = yaml.load(text, Loader=_Loader)  # noqa: S506 -- a SafeLoader subclass that only adds CloudFormation's tags
    except yaml.YAMLError as error:
        raise TemplateUnreadable(
            template=template, place="the file", problem=f"is not YAML or JSON ({error})"
        ) from error
    if not isinstance(tree, dict) or not isinstance(tree.get("Resources"), dict):
        raise TemplateUnreadable(
            template=template, place="the file", problem="has no Resources, so it is no CloudFormation template"
        )
    return tree


@dataclass(slots=True)
class Resolver:
    """One template with its parameters: resolves trees, names resources."""

    template: str
    tree: Mapping[str, Tree]
    parameters: Mapping[str, str]
    surroundings: Surroundings = field(default_factory=Surroundings)

    def resolve(self, tree: Tree, place: str) -> Tree:
        """The tree with every intrinsic replaced by its value; AWS::NoValue removes its property."""
        if isinstance(tree, dict):
            if len(tree) == 1:
                name, argument = next(iter(tree.items()))
                if name in _FUNCTIONS:
                    return _FUNCTIONS[name](self, argument, place)
                if name.startswith("Fn::"):
                    raise self.unreadable(place, f"uses {name}, which cannot be worked out here")
            resolved = {key: self.resolve(value, f"{place}.{key}") for key, value in tree.items()}
            return {key: value for key, value in resolved.items() if value is not _NO_VALUE}
        if isinstance(tree, list):
            items = [self.resolve(value, f"{place}[{index}]") for index, value in enumerate(tree)]
            return [item for item in items if item is not _NO_VALUE]
        return tree

    def properties(self, logical_id: str) -> Mapping[str, Tree]:
        """The resolved properties of one resource."""
        resource = self._resource(logical_id, "Resources")
        resolved = self.resolve(resource.get("Properties") or {}, f"Resources.{logical_id}")
        if not isinstance(resolved, dict):
            raise self.unreadable(f"Resources.{logical_id}", "has Properties that are no mapping")
        return resolved

    def name_of(self, logical_id: str, place: str) -> str:
        """What Ref answers for a resource: its given name, or the one that CloudFormation would make up."""
        resource = self._resource(logical_id, place)
        found: Tree = resource.get("Properties") or {}
        for key in _NAMING_PROPERTY.get(resource["Type"], ("",)):
            found = found.get(key) if isinstance(found, dict) else None
        made_up = f"{self.surroundings.stack}-{logical_id}"
        return made_up if found is None else str(self.resolve(found, f"Resources.{logical_id}"))

    def arn_of(self, logical_id: str, place: str) -> str:
        """What GetAtt .Arn answers for a resource."""
        kind = str(self._resource(logical_id, place)["Type"])
        service = kind.split("::")[1].lower()
        shape = _ARN_SHAPE.get(kind, "arn:{partition}:" + service + ":{region}:{account}:{name}")
        around = self.surroundings
        name = self.name_of(logical_id, place)
        return shape.format(partition=around.partition, region=around.region, account=around.account, name=name)

    def of_type(self, kind: str) -> tuple[str, ...]:
        """The logical ids of the resources of one type whose condition holds, in the template's order."""
        resources = self.tree["Resources"]
        return tuple(
            logical_id
            for logical_id, resource in resources.items()
            if isinstance(resource, dict)
            and resource.get("Type") == kind
            and ("Condition" not in resource or self.holds(resource["Condition"], f"Resources.{logical_id}"))
        )

    def holds(self, condition: Tree, place: str) -> bool:
        """Whether a condition, by name or written out, is true."""
        if isinstance(condition, str):
            conditions = self.tree.get("Conditions") or {}
            if condition not in conditions:
                raise self.unreadable(place, f"names the condition {condition}, which the template does not have")
            return self.holds(conditions[condition], f"Conditions.{condition}")
        answer = self.resolve(condition, place)
        return answer is True or answer == "true"

    def unreadable(self, place: str, problem: str) -> TemplateUnreadable:
        """The error that names this template and the place."""
        return TemplateUnreadable(template=self.template, place=place, problem=problem)

    def reference(self, name: str, place: str) -> Tree:
        """What Ref answers: a pseudo parameter, a parameter, or a resource's name."""
        pseudo = self.surroundings.pseudo()
        if name in pseudo:
            return pseudo[name]
        declared = self.tree.get("Parameters") or {}
        if name in declared:
            if name not in self.parameters:
                raise self.unreadable(place, f"the parameter {name} has no default and was not given")
            given = self.parameters[name]
            is_list = "List" in str(declared[name].get("Type", ""))
            return [part.strip() for part in given.split(",")] if is_list else given
        return self.name_of(name, place)

    def _resource(self, logical_id: str, place: str) -> Mapping[str, Tree]:
        resource = self.tree["Resources"].get(logical_id)
        if not isinstance(resource, dict) or "Type" not in resource:
            raise self.unreadable(
                place, f"names {logical_id}, which is neither a parameter nor a resource of the template"
            )
        return resource


def _get_att(resolver: Resolver, argument: Tree, place: str) -> Tree:
    logical_id, attribute = argument.split(".", 1) if isinstance(argument, str) else argument
    if attribute in {"Arn", "TopicArn"}:
        return resolver.arn_of(logical_id, place)
    return f"{resolver.name_of(logical_id, place)}.{attribute}"


def _sub(resolver: Resolver, argument: Tree, place: str) -> Tree:
    text, given = (argument, {}) if isinstance(argument, str) else argument
    values = {key: resolver.resolve(value, place) for key, value in given.items()}

    def replaced(match: re.Match[str]) -> str:
        literal, name = match.groups()
        if literal:
            return "${" + name + "}"
        if name in values:
            return str(values[name])
        return str(_get_att(resolver, name, place) if "." in name else resolver.reference(name, place))

    return _SUBSTITUTION.sub(replaced, str(text))


def _join(resolver: Resolver, argument: Tree, place: str) -> Tree:
    delimiter, parts = argument
    return str(delimiter).join(str(part) for part in resolver.resolve(parts, place))


def _select(resolver: Resolver, argument: Tree, place: str) -> Tree:
    index, parts = resolver.resolve(argument, place)
    return parts[int(index)]


def _split(resolver: Resolver, argument: Tree, place: str) -> Tree:
    delimiter, text = resolver.resolve(argument, place)
    return str(text).split(str(delimiter))


def _if(resolver: Resolver, argument: Tree, place: str) -> Tree:
    condition, when_true, when_false = argument
    return resolver.resolve(when_true if resolver.holds(condition, place) else when_false, place)


def _find_in_map(resolver: Resolver, argument: Tree, place: str) -> Tree:
    names = resolver.resolve(argument, place)
    found: Tree = resolver.tree.get("Mappings") or {}
    for name in names[:3]:
        if not isinstance(found, dict) or name not in found:
            raise resolver.unreadable(place, f"Mappings has no {'.'.join(map(str, names))}")
        found = found[name]
    return found


def _equals(resolver: Resolver, argument: Tree, place: str) -> Tree:
    left, right = resolver.resolve(argument, place)
    return str(left) == str(right)


def _base64(resolver: Resolver, argument: Tree, place: str) -> Tree:
    return b64encode(str(resolver.resolve(argument, place)).encode()).decode()


_FUNCTIONS: Mapping[str, Callable[[Resolver, Tree, str], Tree]] = {
    "Ref": lambda resolver, argument, place: resolver.reference(argument, place),
    "Condition": lambda resolver, argument, place: resolver.holds(argument, place),
    "Fn::And": lambda resolver, argument, place: all(resolver.holds(part, place) for part in argument),
    "Fn::Base64": _base64,
    "Fn::Equals": _equals,
    "Fn::FindInMap": _find_in_map,
    "Fn::GetAtt": _get_att,
    "Fn::If": _if,
    "Fn::Join": _join,
    "Fn::Not": lambda resolver, argument, place: not resolver.holds(argument[0], place),
    "Fn::Or": lambda resolver, argument, place: any(resolver.holds(part, place) for part in argument),
    "Fn::Select": _select,
    "Fn::Split": _split,
    "Fn::Sub": _sub,
}
