"""
Faults on demand: which call, record, invocation or object goes wrong, drawn from a seed.

    throttle=0.1        each record is refused with "Slow down." with this probability
    refuse=#3           the record at index 3 of every call is refused with InternalFailure
    busy=0.05           the whole call is refused with ServiceUnavailableException
    fail=0.05           the whole call is refused with InternalFailure
    lost-answer=0.02:5  the records are taken, then the connection hangs 5 s and is cut: the client's time-out
    slow=0.1:2          the answer waits 2 s
    reset=0.05          the connection is cut before anything is taken
    lambda-raise=0.1    the transform raises
    lambda-slow=0.1:400 the invocation takes 400 s longer (more than its time-out: it fails)
    store-down=0.5      an object is not stored
    ...x3               only the first three times

Laws: each fault draws from its own randomness, so switching one on does not change when another strikes; a fault decides, the rim acts.
Refuses to know: HTTP, streams, clocks. Source: the ways in which clients of the real service report it fails.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Final, Literal, cast, get_args

from local.firehose.effects import Answered, Invoke
from local.firehose.errors import SettingRefused, StoreFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from local.firehose.store import Store

FaultName = Literal[
    "throttle", "refuse", "busy", "fail", "lost-answer", "slow", "reset", "lambda-raise", "lambda-slow", "store-down"
]
_SPELLING: Final = re.compile(r"([a-z-]+)(?:=(?:#(\d+)|([0-9.]+)))?(?::([0-9.]+))?(?:x(\d+))?")
_FIREHOSE_WAITS_S: Final = 300


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: how often, for how long, at which index, how many times at most."""

    name: FaultName
    share: float = 1.0
    seconds: float = 0.0
    index: int | None = None
    at_most: int | None = None


def parse_fault(text: str) -> Fault:
    """
    A fault as the command line spells it (see this module's head).

    Raises: SettingRefused.
    """
    match = _SPELLING.fullmatch(text.strip())
    names = get_args(FaultName)
    if match is None or match[1] not in names:
        raise SettingRefused(
            f"{text!r} is no fault: write NAME[=SHARE or #INDEX][:SECONDS][xTIMES], NAME one of {', '.join(names)}"
        )
    try:
        share, seconds = float(match[3] or 1), float(match[4] or 0)
    except ValueError:
        raise SettingRefused(f"{text!r} has a number that is none") from None
    if not 0 <= share <= 1:
        raise SettingRefused(f"{text!r}: a share lies between 0 and 1")
    return Fault(
        name=cast("FaultName", match[1]),
        share=share,
        seconds=seconds,
        index=int(match[2]) if match[2] else None,
        at_most=int(match[5]) if match[5] else None,
    )


class Faults:
    """The faults in force. They may be changed while streams run; a change starts their counts and draws anew."""

    def __init__(self, faults: Iterable[Fault] = (), *, seed: int = 0) -> None:
        self._seed = seed
        self.put_in_force(faults)

    def put_in_force(self, faults: Iterable[Fault]) -> None:
        """Replace the faults."""
        chosen = {fault.name: fault for fault in faults}
        self._left: dict[FaultName, int | None] = {name: fault.at_most for name, fault in chosen.items()}
        self._random = {name: Random(f"{self._seed}/{name}") for name in chosen}  # noqa: S311 -- reproducible, no secret
        self._faults: Mapping[FaultName, Fault] = chosen

    def strike(self, name: FaultName, index: int | None = None) -> Fault | None:
        """The fault, if it strikes this time (at this record of the call)."""
        fault = self._faults.get(name)
        if fault is None or (fault.index is not None and fault.index != index):
            return None
        left = self._left[name]
        if left == 0 or self._random[name].random() >= fault.share:
            return None
        if left is not None:
            self._left[name] = left - 1
        return fault


class FaultyInvoker:
    """An invocation that fails when a fault strikes; `pause` waits on the rim's clock."""

    def __init__(self, invoke: Callable[[Invoke], Answered], faults: Faults, pause: Callable[[float], None]) -> None:
        self._invoke = invoke
        self._faults = faults
        self._pause = pause

    def __call__(self, invoke: Invoke) -> Answered:
        """One invocation's outcome."""
        if self._faults.strike("lambda-raise"):
            return Answered(error_code="Lambda.FunctionError")
        slow = self._faults.strike("lambda-slow")
        if slow is None:
            return self._invoke(invoke)
        limit_s = min(invoke.transform.timeout_s, _FIREHOSE_WAITS_S)
        self._pause(min(slow.seconds, limit_s))
        if slow.seconds > limit_s:
            message = f"Task timed out after {limit_s}.00 seconds"
            return Answered(error_code="Lambda.FunctionTimedOut", message=message, duration_ms=limit_s * 1000)
        answered = self._invoke(invoke)
        duration_ms = answered.duration_ms + round(slow.seconds * 1000)
        return Answered(answered.payload, answered.error_code, answered.message, duration_ms)


class FaultyStore:
    """A store that is down when a fault strikes."""

    def __init__(self, store: Store, faults: Faults) -> None:
        self._store = store
        self._faults = faults

    def put(self, *, bucket: str, key: str, body: bytes, content_encoding: str) -> None:
        """Store one object, or fail."""
        if self._faults.strike("store-down"):
            raise StoreFailed(key=key, problem="a fault was asked for: the store is down")
        self._store.put(bucket=bucket, key=key, body=body, content_encoding=content_encoding)
