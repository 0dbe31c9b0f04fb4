"""Where a rising curve, known with noise, has not yet reached zero.

Were the curve zero at an edge, the largest noisy value up to that edge would hardly ever be as low as some
are; that edge is refuted. (Testing edges by their own values alone holds for any curve; but such tests leave
gaps, and the interval around all that they leave covers far too often.)

How low is rare depends on how steeply the curve comes up to the edge. It is counted in releases that might
have been (a parametric bootstrap: Efron and Tibshirani 1993, chapter 6), drawn around the rising curve that
fits the noisy one best. That curve is too flat just where an edge looks refuted, since the same low noise
makes both; it is taken as steeper. Right to first order, not for every curve whatever (`docs/statistics.md`).
"""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np

_FEWEST: Final = 10  # draws by which something rare may be told
_STEEPER: Final = 1.3  # times the fit, chosen on simulated curves: 1 covers too seldom on some, 1.5 too often
_REACH: Final = 3.0  # standard deviations: hardly any noise lifts a value by more


@dataclass(frozen=True, slots=True)
class Noises:
    """Edges x draws of the noise's law, its standard deviations, and its quantile `k` in these."""

    draws: np.ndarray
    deviations: np.ndarray
    confidence: float
    k: float

    def mirrored(self) -> Self:
        """Return the same for the curve that is told from right to left, with the other sign."""
        return type(self)(-self.draws[::-1], self.deviations[::-1], self.confidence, self.k)

    def refuted(self, values: np.ndarray, curve: np.ndarray) -> np.ndarray:
        """Return which edges surely lie before the crossing; *curve* is the rising fit of *values*.

        None from the first value that is not negative.
        """
        highest = np.maximum.accumulate(values)
        first = int(np.searchsorted(curve, -(self.k + _REACH) * float(self.deviations.max())))
        last = int(np.searchsorted(highest, 0.0))
        near = slice(min(first, last), last)
        found = np.arange(len(values)) < last
        rare = int((1 - self.confidence) / 2 * (self.draws.shape[1] + 1))
        if rare < _FEWEST:
            found[near] = highest[near] < -self.k * self.deviations[near]
        else:
            largest = np.maximum.accumulate(self.draws[near] + _STEEPER * curve[near, None], axis=0)
            found[near] = (largest <= (highest + _STEEPER * curve)[near, None]).sum(axis=1) < rare
        return np.logical_and.accumulate(found)


def rising(values: np.ndarray) -> np.ndarray:
    """Return the rising sequence nearest to *values* (least squares; Ayer et al. 1955).

    >>> rising(np.array([1.0, 3.0, 2.0, 4.0])).tolist()
    [1.0, 2.5, 2.5, 4.0]
    """
    means: list[float] = []
    sizes: list[int] = []
    for value in values.tolist():
        mean, size = value, 1
        while means and means[-1] > mean:
            other = sizes.pop()
            mean, size = (means.pop() * other + mean * size) / (other + size), other + size
        means.append(mean)
        sizes.append(size)
    return np.repeat(means, sizes)
