"""All benchmarks, or those named, in one table: python -m benchmarks [NAME...] [--rounds N]."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Final

from benchmarks import audit, engine, ingest, lake, put, transform
from benchmarks.rounds import ROUNDS, machine, table

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.rounds import Ratio

BENCHMARKS: Final[dict[str, Callable[..., list[Ratio]]]] = {
    "ingest": ingest.measure,
    "put": put.measure,
    "transform": transform.measure,
    "engine": engine.measure,
    "lake": lake.measure,
    "audit": audit.measure,
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Ratios against bare libraries.")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"{', '.join(BENCHMARKS)}; all of them if none is named"
    )
    parser.add_argument(
        "--rounds", type=int, default=ROUNDS, help="interleaved rounds, each in a fresh process (%(default)s)"
    )
    asked = parser.parse_args()
    if unknown := set(asked.names) - set(BENCHMARKS):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    if asked.rounds < 1:
        parser.error("at least one round")
    ratios = [found for name in asked.names or BENCHMARKS for found in BENCHMARKS[name](rounds=asked.rounds)]
    print(machine())
    print(f"CPU time of the measured process, {asked.rounds} interleaved rounds, median of the rounds' ratios\n")
    print(table(ratios))


if __name__ == "__main__":
    main()
