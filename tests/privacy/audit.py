"""What an adversary's guesses prove about a mechanism, and how far a person moved what was measured."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.stats import beta

from cotally.server.model.plan import Block
from tests.privacy.federation import Vector

CONFIDENCE: Final = 0.999
_EACH: Final = (1 - CONFIDENCE) / 2  # two rates are bounded, and both bounds have to hold


@dataclass(frozen=True, slots=True)
class Guesses:
    """How often an event, fixed beforehand, happened in as many trials with a person as without."""

    trials: int
    present: int
    absent: int

    def __add__(self, other: "Guesses") -> "Guesses":
        return Guesses(self.trials + other.trials, self.present + other.present, self.absent + other.absent)

    @property
    def epsilon(self) -> float:
        """A lower bound on the pure loss (Clopper and Pearson 1934, on both rates)."""
        least, most = self._rates()
        return math.log(least / most) if least > 0 else -math.inf

    @property
    def mu(self) -> float:
        """A lower bound on the distance of two normal laws of variance 1 that are told apart as well."""
        least, most = self._rates()
        normal = NormalDist()
        return normal.inv_cdf(least) - normal.inv_cdf(most) if least > 0 and most < 1 else -math.inf

    def _rates(self) -> tuple[float, float]:
        """The least rate of true positives and the most of false ones."""
        least = float(beta.ppf(_EACH, self.present, self.trials - self.present + 1)) if self.present else 0.0
        missed = self.trials - self.absent
        return least, float(beta.ppf(1 - _EACH, self.absent + 1, missed)) if missed else 1.0


def by_group(vector: Vector, blocks: Sequence[Block], groups: int) -> npt.NDArray[np.int64]:
    """groups x coordinates: what *blocks* hold of each group."""
    return np.concatenate(
        [vector[block.offset:block.offset + block.cells].reshape(groups, -1) for block in blocks], axis=1)


def furthest(moved: npt.NDArray[np.int64]) -> tuple[int, int]:
    """The largest L1 norm and the largest squared L2 norm of the rows of *moved*, exactly."""
    exact = moved if moved.shape[1] * int(abs(moved).max(initial=0)) ** 2 < 2**63 else moved.astype(object)
    return int(abs(exact).sum(axis=1).max()), int((exact**2).sum(axis=1).max())
