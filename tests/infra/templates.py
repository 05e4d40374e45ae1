"""The templates as CloudFormation would see them: resolved with stand-ins for the parameters that have no default."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

from infra import ROOT
from local.firehose.intrinsics import Resolver, parse_template

if TYPE_CHECKING:
    from collections.abc import Iterator

STACKS: Final = ("storage", "pipeline", "upkeep", "producer")
ACCOUNT: Final = "000000000000"
STANDINS: Final = {
    "LakeBucketName": "lake",
    "LakeKeyArn": f"arn:aws:kms:us-east-1:{ACCOUNT}:key/k",
    "CodeBucketName": "work",
    "TransformCodeKey": "code/t.zip",
    "AuditCodeKey": "code/a.zip",
    "CompactCodeKey": "code/c.zip",
    "DatabaseName": "ticklake",
    "WorkgroupName": "local",
    "TopicArn": f"arn:aws:sns:us-east-1:{ACCOUNT}:local-Topic",
    "ResultsBucketName": "work",
    "StreamName": "ticklake",
    "StreamArn": f"arn:aws:firehose:us-east-1:{ACCOUNT}:deliverystream/ticklake",
    "ImageUri": f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/ticklake-storage@sha256:{'0' * 64}",
    "VpcId": "vpc-1",
    "FirstSubnetId": "subnet-1",
    "SecondSubnetId": "subnet-2",
}


def text_of(stack: str) -> str:
    return (ROOT / f"{stack}.yaml").read_text(encoding="utf-8")


@cache
def tree_of(stack: str) -> dict[str, Any]:
    return dict(parse_template(text_of(stack), template=stack))


def resolver_of(stack: str, **given: str) -> Resolver:
    tree = tree_of(stack)
    values = {
        name: str(given.get(name, rules.get("Default", STANDINS.get(name))))
        for name, rules in tree["Parameters"].items()
    }
    return Resolver(template=stack, tree=tree, parameters=values)


def properties(stack: str, kind: str, **given: str) -> dict[str, dict[str, Any]]:
    """The resolved properties of every resource of one type, by logical id."""
    resolver = resolver_of(stack, **given)
    return {name: dict(resolver.properties(name)) for name in resolver.of_type(kind)}


def statements(stack: str, **given: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every policy statement of a template, with the path to it; conditional ones included."""
    resolver = resolver_of(stack, **given)
    for name in resolver.tree["Resources"]:
        yield from _walk(name, dict(resolver.properties(name)))


def _walk(path: str, tree: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(tree, dict):
        if "Effect" in tree and ("Action" in tree or "NotAction" in tree):
            yield path, tree
        for key, value in tree.items():
            yield from _walk(f"{path}.{key}", value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _walk(path, value)


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
