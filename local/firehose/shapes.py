"""
Whether a control call has the shape that Firehose's own model gives it: members, types, what is required.

Laws: the model is the one that boto3 carries, so no second copy of it stands here; a call of another shape is refused before anything reads it.
Refuses to know: what values mean (validation), the two put calls (service checks those itself, for speed).
Source: botocore's service model of Firehose, 2015-08-04.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

from local.firehose.errors import CallRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from botocore.model import Shape


def check_request(operation: str, request: Mapping[str, Any]) -> None:
    """
    Refuse a request whose members do not fit the operation's shape. Caller must know that the operation exists.

    Raises: CallRefused (ValidationException), naming each member that does not fit.
    """
    report = ParamValidator().validate(dict(request), _input_shape(operation))
    if report.has_errors():
        raise CallRefused("ValidationException", report.generate_report())


@lru_cache(maxsize=32)
def _input_shape(operation: str) -> Shape:
    model = ServiceModel(Loader().load_service_model("firehose", "service-2"), "firehose")
    shape = model.operation_model(operation).input_shape
    assert shape is not None, "every operation of Firehose has an input"
    return shape
