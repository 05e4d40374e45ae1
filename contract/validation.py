"""
A value against one of the contract's schemas, and what JSON Schema lets through that the contract does not mean: 1.0 for an integer.

Laws: the schema files are the rules, nothing is restated here; the first breach found is the refusal.
Refuses to know: bytes, and what the values mean (rules.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

from contract import load_schema
from contract.reasons import LineRefused

if TYPE_CHECKING:
    from contract.reasons import Reason

Validate = Callable[..., object]


def validate(schema: str, value: dict[str, Any], *, reason: Reason, name: str) -> None:
    """
    Nothing, if the schema (named as for load_schema) accepts the value.

    Raises: LineRefused with `reason`; its detail says where, the value being called `name`.
    """
    check, refusal = _validator(schema)
    try:
        check(value, name_prefix=name)
    except refusal as error:
        raise LineRefused(reason, str(error)) from error
    # Only our testimony holds integers below the first level.
    if schema.startswith("testimony/") or float in map(type, value.values()):
        definition = load_schema(schema)
        for path in _floats_for_integers(definition, definition, value, name):
            raise LineRefused(reason, f"{path} must be written as an integer")


@cache
def _validator(schema: str) -> tuple[Validate, type[Exception]]:
    """
    A schema's check and the exception of a breach, made at first use.

    All schemas cost 35 ms of processor time and the library another 5, which a cold start need not wait for: an event of nothing but
    tickers in their usual order needs none.
    """
    import fastjsonschema  # noqa: PLC0415

    return fastjsonschema.compile(load_schema(schema)), fastjsonschema.JsonSchemaValueException


def _floats_for_integers(schema: dict[str, Any], root: dict[str, Any], value: object, path: str) -> Iterator[str]:
    """Where JSON's 1.0 stands for an integer, which JSON Schema lets pass. Recursion ends with the schema, not with the value."""
    if "$ref" in schema:
        schema = root["definitions"][schema["$ref"].rpartition("/")[2]]
    if isinstance(value, float) and (schema.get("type") == "integer" or type(schema.get("const")) is int):
        yield path
    for alternative in schema.get("anyOf", ()):
        yield from _floats_for_integers(alternative, root, value, path)
    if isinstance(value, dict):
        for key, item in value.items():
            sub = schema.get("properties", {}).get(key, schema.get("additionalProperties"))
            if isinstance(sub, dict):
                yield from _floats_for_integers(sub, root, item, f"{path}.{key}")
    elif isinstance(value, list) and "items" in schema:
        for item in value:
            yield from _floats_for_integers(schema["items"], root, item, f"{path}[]")
