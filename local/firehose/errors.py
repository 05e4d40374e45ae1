"""
The engine's error tree.

    EngineError
      TemplateUnreadable    ours: the template cannot be read as CloudFormation, or a value in it is missing
      SettingRefused        the caller's: a stream's configuration breaks a rule (AWS: InvalidArgumentException at creation)
      CallRefused           the caller's: one API call is answered with an AWS error code
      StoreFailed           the store's: an object was not written; the engine tries again

Laws: an error carries fields and builds its sentence from them: what happened, what it means, what to do.
"""
# ruff: noqa: N818  # errors are named for what happened

from __future__ import annotations


class EngineError(Exception):
    """Anything the engine refuses to do."""


class TemplateUnreadable(EngineError):
    """A template, or one value in it, that cannot be resolved."""

    def __init__(self, *, template: str, place: str, problem: str) -> None:
        self.template = template
        self.place = place
        self.problem = problem
        super().__init__(
            f"{template}: {place}: {problem}; no stream was built from it, so correct the template or pass the value"
        )


class SettingRefused(EngineError):
    """A configuration that AWS would refuse to create; `message` is AWS's wording where it is known."""

    def __init__(self, message: str, *, code: str = "InvalidArgumentException") -> None:
        self.code = code
        self.message = message
        super().__init__(message)


class CallRefused(EngineError):
    """One API call answered with an error: AWS's code, its sentence and the HTTP status."""

    def __init__(
        self, code: str, message: str, *, http_status: int = 400, fields: dict[str, str] | None = None
    ) -> None:
        self.code = code
        self.message = message
        self.http_status = http_status
        self.fields = fields or {}
        super().__init__(f"{code}: {message}")


class StoreFailed(EngineError):
    """An object that was not stored; the engine holds its bytes and tries again until 24 hours have passed."""

    def __init__(self, *, key: str, problem: str) -> None:
        self.key = key
        self.problem = problem
        super().__init__(f"{key} was not stored ({problem}); the engine keeps it and tries again")
