"""Two worlds, with a person at every place and without, and an adversary who guesses which one it is.

The adversary knows everything but that: all other records, the shares of some departments, the sampler.
A release over C places is C trials, since places share neither persons nor noise.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from cotally.server.dp.noise import Noise
from cotally.server.model.catalog import Table
from cotally.server.model.plan import Block
from tests.privacy.audit import Guesses, by_group
from tests.privacy.federation import Asked, Federation, Measured, ask
from tests.privacy.people import HEADER, catalog, table

PLACES: Final = 5000
Booleans = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.float64]
Event = Callable[["Trial", npt.NDArray[np.int64]], Booleans]


class Worlds:
    """Departments, the first of which has a person at every place in one of two worlds.

    A bystander is at every place in both. The person has one row more than count, all of them as extreme
    as the bounds allow and beyond.
    """

    def __init__(self, k: int, departments: Sequence[str], folder: Path) -> None:
        self._catalog = catalog(table(PLACES, k, 1, 1, departments))
        bystanders = [HEADER, *(f"b{place},{place},b,1,1.5,1" for place in range(PLACES))]
        person = [f"p{place},{place},a,99,1e300,7" for place in range(PLACES) for _ in range(k + 1)]
        others = {name: {"people": [HEADER]} for name in departments[1:]}
        self._worlds = [
            Federation(self._catalog, {departments[0]: {"people": text}, **others}, folder / name)
            for name, text in (("present", [*bystanders, *person]), ("absent", bystanders))]

    def ask(self, select: str, clause: str) -> Asked:
        """The question by place."""
        text = f"SELECT {select} FROM people GROUP BY BIN(place, 1) WITH PRIVACY ({clause})"
        return ask(text, self._catalog)

    def measure(self, asked: Asked, engine: Table | None = None) -> "Pair":
        """Both worlds; measured by another table than the plan's where an engine's fault is planted."""
        present, absent = (world.measure(asked, engine) for world in self._worlds)
        return Pair(asked, present, absent)


@dataclass(frozen=True, slots=True)
class Trial:
    """What the adversary knows beforehand of some blocks, place by place."""

    without: npt.NDArray[np.int64]  # the un-noised totals in the world without the person
    shift: npt.NDArray[np.int64]  # what the person adds
    variance: Numbers  # of a share, coordinate by coordinate


@dataclass(frozen=True, slots=True)
class Pair:
    """A question measured in both worlds."""

    asked: Asked
    present: Measured
    absent: Measured

    def trial(self, blocks: Sequence[Block]) -> Trial:
        """What is known of *blocks*."""
        without, with_ = (by_group(world.exact, blocks, PLACES) for world in (self.absent, self.present))
        variances = [np.full(block.width, float(block.scale.fraction()) ** 2) for block in blocks]
        return Trial(without, with_ - without, np.concatenate(variances))

    def guess(self, event: Event, among: Sequence[Sequence[Block]], trials: int, noise: Noise,
              known: Collection[str] = ()) -> list[Guesses]:
        """How often *event* happens in either world, for each of the lists of blocks in *among*."""
        before = [self.trial(blocks) for blocks in among]
        found = [Guesses(0, 0, 0)] * len(among)
        for _ in range(-(-trials // PLACES)):
            releases = [world.release(noise, known) for world in (self.present, self.absent)]
            for at, (blocks, trial) in enumerate(zip(among, before, strict=True)):
                seen = [int(event(trial, by_group(each, blocks, PLACES)).sum()) for each in releases]
                found[at] += Guesses(PLACES, *seen)
        return found

    def noises(self, releases: int, noise: Noise) -> Iterator[npt.NDArray[np.int64]]:
        """The noise of as many releases of the world without the person."""
        for _ in range(releases):
            yield self.absent.release(noise) - self.absent.exact


def beyond(trial: Trial, totals: npt.NDArray[np.int64]) -> Booleans:
    """Every coordinate is at least as far as the person would move it: the likeliest ratio for Laplace."""
    side = np.sign(trial.shift)
    return np.asarray((side * (totals - trial.without) >= side * trial.shift).all(axis=1))


def nearer(trial: Trial, totals: npt.NDArray[np.int64]) -> Booleans:
    """The totals are nearer to those with the person, measured in noise: the best test for normal laws."""
    weight = trial.shift / trial.variance
    moved = (weight * (totals - trial.without)).sum(axis=1)
    return np.asarray(moved >= (weight * trial.shift).sum(axis=1) / 2)
