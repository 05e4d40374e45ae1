"""
Interleaved rounds in fresh processes, and the ratios between what they measured.

A machine drifts while it measures: so variants take turns within a round, the order turns round every other time, and only figures of
the same round are divided by each other.
"""

from __future__ import annotations

import os
import platform
import statistics
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from multiprocessing import get_context
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

ROUNDS: Final = 5
_LIBRARIES: Final = ("websockets", "orjson", "boto3", "pybase64", "fastjsonschema", "pyarrow")

Samples = dict[str, list[float]]


@dataclass(frozen=True, slots=True)
class Ratio:
    """One line of the table: `what` costs so many times `against`; one value a round, or a single one where nothing varies."""

    what: str
    against: str
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle one of the rounds."""
        return statistics.median(self.values)


def interleave(variants: Mapping[str, Callable[[], float]], *, rounds: int) -> Samples:
    """
    What each variant returned in each round, every call in a fresh process.

    Caller must: pass functions of a module's top level (or partials of them), since they travel to another process.
    """
    samples: Samples = {name: [] for name in variants}
    # A worker for one task each: no variant meets the heap, the caches or the imports of another.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        for at in range(rounds):
            names = list(variants)[:: 1 if at % 2 == 0 else -1]
            for name in names:
                samples[name].append(pool.submit(variants[name]).result())
    return samples


def ratio(samples: Samples, what: str, against: str) -> Ratio:
    """One variant by another, round by round."""
    pairs = zip(samples[what], samples[against], strict=True)
    return Ratio(what, against, tuple(one / other for one, other in pairs))


def table(ratios: Sequence[Ratio]) -> str:
    """The ratios as text, one a line: median, and the lowest and highest of the rounds."""
    rows = [("what", "against", "ratio", "min - max")]
    for each in ratios:
        places, spread = 3, "counted"
        if len(each.values) > 1:
            places, spread = 2, f"{min(each.values):.2f} - {max(each.values):.2f}"
        rows.append((each.what, each.against, f"{each.median:.{places}f}", spread))
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def machine() -> str:
    """What the figures were taken on."""
    libraries = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    return f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}; {libraries}"
