"""
The nouns of an audit: what a check found, how bad it is, and what that makes of the lake.

Laws: a finding says which rows it means; severities and verdicts are closed sets, in order.
Refuses to know: SQL, engines, reports.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, cast, get_args

if TYPE_CHECKING:
    from collections.abc import Sequence

# From harmless to worst. `notice`: worth knowing, nothing is wrong (a market that moved). `warning`: looks wrong, and nothing proves it.
# `healed`: was a hole, is filled. `hole`: missing, and named, with its reason. `damage`: missing and not named, or not what was sent.
Severity = Literal["notice", "warning", "healed", "hole", "damage"]
# `unproven`: nothing worse than healed was found, and a check could not run, or there was nothing to be judged.
Verdict = Literal["whole", "healed", "unproven", "holes", "damaged"]
Group = Literal["completeness", "conservation", "consistency", "integrity", "candles"]

SEVERITIES: Final[tuple[Severity, ...]] = get_args(Severity)
VERDICTS: Final[tuple[Verdict, ...]] = get_args(Verdict)
# The columns that every check's SELECT has, in this order: `check` and `group` are the file's name and folder.
FINDING_COLUMNS: Final = (
    "severity",
    "product_id",
    "session",
    "first_us",
    "last_us",
    "first_id",
    "last_id",
    "amount",
    "what",
)


@dataclass(frozen=True, slots=True)
class Finding:
    """
    One thing that a check found.

    Shapes: `first_id` and `last_id` are trade ids of `product_id`, or `n` of `session` (inclusive); None where the finding is not about ids.
    `amount` counts what is meant: trades, lines, minutes or objects, as `what` says in words. `what` is a sentence's worth of text for people.
    Units: first_us and last_us are event time in microseconds since the epoch; None where no time is known.
    """

    check: str
    group: Group
    severity: Severity
    product_id: str | None
    session: str | None
    first_us: int | None
    last_us: int | None
    first_id: int | None
    last_id: int | None
    amount: int
    what: str


def decode_findings(check: str, group: Group, rows: Sequence[Sequence[Any]]) -> list[Finding]:
    """
    A check's rows as findings.

    Shapes: each row has FINDING_COLUMNS, in their order.
    Raises: ValueError for a severity that is none: the check's SQL is wrong.
    """
    return [_decode(check, group, row) for row in rows]


def _decode(check: str, group: Group, row: Sequence[Any]) -> Finding:
    severity, product_id, session, *numbers, what = row
    if severity not in SEVERITIES:
        raise ValueError(
            f"the check {group}/{check} gave the severity {severity!r}; it may be one of {', '.join(SEVERITIES)}"
        )
    # An engine may call a sum a decimal without places.
    first_us, last_us, first_id, last_id, amount = (None if number is None else int(number) for number in numbers)
    return Finding(
        check=check,
        group=group,
        severity=cast("Severity", severity),
        product_id=product_id,
        session=session,
        first_us=first_us,
        last_us=last_us,
        first_id=first_id,
        last_id=last_id,
        amount=amount or 0,
        what=what,
    )
