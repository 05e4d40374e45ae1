"""
What can go wrong between this checkout and a deployed stack; each error builds its own sentence.

Laws: what happened, what it means, what to do; AWS's own words are quoted, not interpreted.
Refuses to know: who shows the sentence.
"""

from __future__ import annotations


class DeployError(Exception):
    """Something on the way to a deployed stack failed."""


class PackageFailed(DeployError):  # noqa: N818 - the house names errors by what happened
    """A function's package could not be built."""

    def __init__(self, *, problem: str, advice: str) -> None:
        self.problem = problem
        super().__init__(f"A function's package was not built: {problem} {advice}")


class StackFailed(DeployError):  # noqa: N818
    """CloudFormation gave up on a stack; it has put back what was there before, or removes what it began."""

    def __init__(self, *, stack: str, status: str, resource: str, kind: str, reason: str) -> None:
        self.stack, self.status, self.resource, self.reason = stack, status, resource, reason
        what = f"{resource} ({kind}) failed: {reason}" if resource else reason or "CloudFormation names no resource."
        super().__init__(
            f"The stack {stack} is {status}. {what} Nothing else was changed; put that right and run the same command again."
        )


class ParameterMissing(DeployError):  # noqa: N818
    """A stack needs a value that no other stack gives."""

    def __init__(self, *, stack: str, names: tuple[str, ...]) -> None:
        self.names = names
        options = " ".join(f"--set {name}=…" for name in names)
        super().__init__(f"The stack {stack} needs values that nothing here can know: say {options}.")


class ParameterRefused(DeployError):  # noqa: N818
    """Values that CloudFormation would take and that cannot work together."""

    def __init__(self, *, problem: str, advice: str) -> None:
        super().__init__(f"{problem} {advice}")


class AwsRefused(DeployError):  # noqa: N818
    """A call to AWS was refused, or did not get there."""

    def __init__(self, *, doing: str, message: str) -> None:
        super().__init__(f"While {doing}, AWS said: {message}")
