"""
Whether a call has the shape that Firehose's own model gives it: members, types, what is required, lengths, ranges, patterns and closed sets.

Laws: the model is the one that boto3 carries, so no second copy of it stands here; a call of another shape is refused before anything reads it.
As with AWS, a null is a member that was not given, and a member that the model does not know is not looked at: clients are older and newer than this.
Refuses to know: what values mean together (validation), how long records may be (limits).
Source: botocore's service model of Firehose, 2015-08-04; Smithy, "AWS JSON 1.1 protocol"; sentences as clients of the real service have shown them.
"""

from __future__ import annotations

import binascii
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import pybase64
from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, ServiceModel, StructureShape

from local.firehose.errors import CallRefused

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from botocore.model import Shape

_PYTHON_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "structure": (dict,),
    "map": (dict,),
    "list": (list,),
    "string": (str,),
    "blob": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "double": (int, float),
}
# Java's classes of letters, digits and spaces, which Python's `re` lacks; in the tags' patterns the underscore that `\w` adds is listed anyway.
_JAVA_CLASSES: Final = ((r"\p{L}", r"\w"), (r"\p{N}", r"\d"), (r"\p{Z}", r"\s"))


def fit_request(operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """
    What of a request its operation knows, without nulls. Caller must know that the operation exists.

    Raises: CallRefused: SerializationException for a value of another type, ValidationException naming every other member that does not fit.
    """
    breaches: list[str] = []
    fitted: dict[str, Any] = _fit(request, _input_shape(operation), "", breaches)
    if breaches:
        plural = "error" if len(breaches) == 1 else "errors"
        raise CallRefused("ValidationException", f"{len(breaches)} validation {plural} detected: {'; '.join(breaches)}")
    return fitted


def _fit(found: Any, shape: Shape, path: str, breaches: list[str]) -> Any:
    _check_type(found, shape, path)
    breaches += _breaches(found, shape, path)
    if isinstance(shape, StructureShape):
        return _fit_structure(found, shape, path, breaches)
    if isinstance(shape, ListShape):
        return [
            _fit(one, shape.member, f"{path}.{place}.member", breaches)
            for place, one in enumerate(found, start=1)
            if _is_given(one, f"{path}.{place}.member", breaches)
        ]
    if isinstance(shape, MapShape):
        return {key: _fit(one, shape.value, f"{path}.{key}", breaches) for key, one in found.items() if one is not None}
    return found


def _fit_structure(
    found: Mapping[str, Any], shape: StructureShape, path: str, breaches: list[str]
) -> Mapping[str, Any]:
    fitted = {}
    for name, member in shape.members.items():
        place = f"{path}.{name[0].lower()}{name[1:]}".removeprefix(".")
        if found.get(name) is not None:
            fitted[name] = _fit(found[name], member, place, breaches)
        elif name in shape.required_members:
            _is_given(None, place, breaches)
    return fitted


def _is_given(found: Any, path: str, breaches: list[str]) -> bool:
    if found is None:
        breaches.append(f"Value null at '{path}' failed to satisfy constraint: Member must not be null")
    return found is not None


def _check_type(found: Any, shape: Shape, path: str) -> None:
    wanted = _PYTHON_TYPES[shape.type_name]
    if not isinstance(found, wanted) or (isinstance(found, bool) and bool not in wanted):
        raise CallRefused("SerializationException", f"{path or 'the request'} is no {shape.type_name}")
    if shape.type_name == "blob" and isinstance(found, str):
        try:
            pybase64.b64decode(found, validate=True)
        except (ValueError, binascii.Error) as error:
            raise CallRefused("SerializationException", f"{path} is not base64 ({error})") from error


def _breaches(found: Any, shape: Shape, path: str) -> Iterator[str]:
    """Each constraint of the model that a value of the right type breaks, as AWS says it."""
    rules, what = shape.metadata, "length" if isinstance(found, (str, list)) else "value"
    shown = "" if isinstance(found, (list, dict)) or rules.get("sensitive") else f" '{found}'"
    said = f"Value{shown} at '{path}' failed to satisfy constraint: Member must"
    if shape.type_name in {"string", "integer", "long", "double", "list"}:
        size = len(found) if what == "length" else found
        if size < rules.get("min", size):
            yield f"{said} have {what} greater than or equal to {rules['min']}"
        if size > rules.get("max", size):
            yield f"{said} have {what} less than or equal to {rules['max']}"
    if "pattern" in rules and not _compiled(rules["pattern"]).fullmatch(found):
        yield f"{said} satisfy regular expression pattern: {rules['pattern']}"
    if "enum" in rules and found not in rules["enum"]:
        yield f"{said} satisfy enum value set: [{', '.join(rules['enum'])}]"


@lru_cache(maxsize=128)
def _compiled(pattern: str) -> re.Pattern[str]:
    for java, python in _JAVA_CLASSES:
        pattern = pattern.replace(java, python)
    return re.compile(pattern)


@lru_cache(maxsize=32)
def _input_shape(operation: str) -> Shape:
    model = ServiceModel(Loader().load_service_model("firehose", "service-2"), "firehose")
    shape = model.operation_model(operation).input_shape
    assert shape is not None, "every operation of Firehose has an input"
    return shape
