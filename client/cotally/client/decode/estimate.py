"""One released number with what is known of its error, made from one or two noised totals."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from cotally.v1 import round_pb2

from ..published import rational
from ..verify.claims import scale_of
from .noise import Noise, ratio_quantile

UNSTABLE: Final = "unstable"  # flag: the denominator could be zero


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value, its standard error and interval; None where there is none, and then a flag says why.

    `adjusted` is what `consistent = true` shows beside the value. A statistic of several numbers has
    them in `cells`, and no value of its own; `covariance` is that of the errors of these, None where they
    are independent.
    """

    value: float | None
    se: float | None
    low: float | None
    high: float | None
    flag: str | None = None
    adjusted: float | None = None
    cells: tuple["Cell", ...] = ()
    covariance: tuple[tuple[float, ...], ...] | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """One of the numbers of a statistic: a bin with its edges, or a coefficient with its term."""

    label: tuple[tuple[str, str | float], ...]
    estimate: Estimate


def several(cells: Sequence[Cell], covariance: Sequence[Sequence[float]] | None = None) -> Estimate:
    """Return the estimate of a statistic that is these numbers."""
    rows = None if covariance is None else tuple(tuple(float(each) for each in row) for row in covariance)
    return Estimate(None, None, None, None, None, None, tuple(cells), rows)


@dataclass(frozen=True, slots=True)
class Measured:
    """A block's units and noise: a total is worth total * worth in the column's terms.

    The worth is exact; `noise` is in refined integers.
    """

    worth: Fraction
    centre: float
    noise: Noise

    @classmethod
    def of(cls, block: round_pb2.Block, mechanism: int, departments: int) -> "Measured":
        """Return the units and noise of *block* when *departments* added their shares."""
        return cls(
            worth=rational(block.step, "step") / block.refinement,
            centre=float(rational(block.centre, "centre")),
            noise=Noise(mechanism, float(scale_of(block)), departments))

    @property
    def variance(self) -> float:
        """Variance of the noise, in the column's terms squared."""
        return self.noise.variance * float(self.worth) ** 2

    def value(self, total: int) -> float:
        """Return *total* in the column's terms, rounded once."""
        return total * self.worth.numerator / self.worth.denominator  # of integers: correctly rounded

    def half_width(self, confidence: float) -> float:
        """Return the half-width of an interval for one total, in the column's terms."""
        return float(self.noise.half_width(confidence) * self.worth)


def linear(block: Measured, total: int, confidence: float) -> Estimate:
    """Return the estimate of a count or a sum: unbiased, negative or fractional as the noise will have it.

    The interval covers the bounded truth with probability *confidence* or slightly more, exactly.
    """
    reach = block.noise.half_width(confidence)
    return Estimate(
        block.value(total), math.sqrt(block.variance),
        block.value(total - reach), block.value(total + reach))


def ratio(top: Measured, bottom: Measured, above: int, below: int, confidence: float) -> Estimate:
    """Return the estimate of a mean: centre + (centred sum) / (rows), with Fieller's interval.

    Fieller 1954: all theta with |S - theta C| <= k sqrt(var S + theta^2 var C). Where C is not
    significantly positive these thetas are no interval, and the estimate is flagged; where it is not
    even positive there is no value. The value is not clamped to the column's bounds.
    """
    s, c = top.value(above), bottom.value(below)
    var_s, var_c = top.variance, bottom.variance
    k = ratio_quantile(top.noise.mechanism, top.noise.departments, confidence)
    lead = c * c - k * k * var_c
    if c <= 0 or lead <= 0:
        return Estimate(top.centre + s / c if c > 0 else None, None, None, None, UNSTABLE)
    reach = k * math.sqrt(var_c * s * s + var_s * lead)
    theta = s / c
    return Estimate(
        top.centre + theta, math.sqrt(var_s + theta * theta * var_c) / c,
        top.centre + (s * c - reach) / lead, top.centre + (s * c + reach) / lead)
