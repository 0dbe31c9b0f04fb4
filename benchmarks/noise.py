"""The workloads of `cotally bench noise`: exact noise per value, against OpenDP's samplers.

    python -m benchmarks.noise [--values N] [--rounds N]

Ours and OpenDP's both draw a vector of independent discrete Laplace (or Gaussian) integers of one
scale; a value's time is the vector's divided by its length. OpenDP draws a shorter vector, for its
time per value does not depend on the length.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from cotally.server.dp import exact, law
from cotally.server.model.plan import Dyadic
from cotally.server.ops.bench.rows import Row
from cotally.server.ops.bench.timing import ROUNDS, Work, compare

from .peers import opendp
from .processors import two_against_one
from .program import Workload, work_through

SCALE: Final = 1_000
SCALES: Final = (4, 10, 100, 10**4, 10**6, 2**30, 2**40)  # beside it
PEER_VALUES: Final = 2_000
FEW: Final = 300  # the coordinates of a usual question, drawn by either side at once

Draw = Callable[[int, int], Callable[[], object]]  # scale, count -> what draws once


@dataclass(frozen=True, slots=True)
class Setting:
    """Values a draw of ours, and rounds."""

    values: int
    rounds: int


def laplace(scale: int, count: int) -> Callable[[], object]:
    """What draws *count* discrete Laplace integers of *scale* with our sampler."""
    chosen = law.laplace(dyadic(scale))
    return lambda: exact.draw(chosen, count)


def gaussian(scale: int, count: int) -> Callable[[], object]:
    """What draws *count* discrete Gaussian integers of standard deviation *scale* with our sampler."""
    chosen = law.gaussian(dyadic(scale))
    return lambda: exact.draw(chosen, count)


def dyadic(scale: int) -> Dyadic:
    """*scale* as an odd number times a power of two."""
    exponent = (scale & -scale).bit_length() - 1
    return Dyadic(scale >> exponent, exponent)


def _workload(name: str, ours: Draw, theirs: Draw) -> Workload[Setting]:
    row = f"noise_{name}_vs_opendp"

    def measure(setting: Setting) -> Iterator[Row]:
        for scale in (SCALE, *SCALES):
            peer = Work(theirs(scale, PEER_VALUES), PEER_VALUES)
            mine = Work(ours(scale, setting.values), setting.values)
            at = f"_at_{scale}" if scale != SCALE else ""
            yield compare(mine, peer, setting.rounds).row(row + at, opendp.NAME, "values")
        few = compare(Work(ours(SCALE, FEW), FEW), Work(theirs(SCALE, FEW), FEW), setting.rounds)
        yield few.row(f"{row}_few", opendp.NAME, "values")
        yield two_against_one(ours(SCALE, setting.values), setting.values, setting.rounds,
                              f"noise_{name}_threads_2_vs_1", "values")

    return Workload((row, *(f"{row}_at_{scale}" for scale in SCALES), f"{row}_few",
                     f"noise_{name}_threads_2_vs_1"), measure)


def main() -> int:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--values", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    args = parser.parse_args()
    return work_through([_workload("laplace", laplace, opendp.laplace),
                         _workload("gaussian", gaussian, opendp.gaussian)],
                        Setting(args.values, args.rounds), values=args.values, rounds=args.rounds)


if __name__ == "__main__":
    sys.exit(main())
