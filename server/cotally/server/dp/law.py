"""Symmetric laws of integer noise, P(x) proportional to exp(-(linear |x| + square x^2)), exactly."""

from dataclasses import dataclass
from fractions import Fraction

from ..model.plan import Dyadic


@dataclass(frozen=True, slots=True)
class Law:
    """The two coefficients of the exponent, both at least 0 and one of them positive.

    >>> laplace(Dyadic(1, 2)).exponent(-3), gaussian(Dyadic(1, 1)).exponent(-3)
    (Fraction(3, 4), Fraction(9, 8))
    """

    linear: Fraction
    square: Fraction

    def __post_init__(self) -> None:
        if self.linear < 0 or self.square < 0 or self.linear == self.square == 0:
            raise ValueError("a law's weights must fall away from zero")

    def exponent(self, x: int) -> Fraction:
        """What x costs: its weight is exp(-exponent)."""
        return self.linear * abs(x) + self.square * x**2

    def stretched(self, step: int) -> "Law":
        """The law whose exponent at y is this one's at step * y."""
        return Law(self.linear * step, self.square * step**2)


def laplace(scale: Dyadic) -> Law:
    """Discrete Laplace of scale b: P(x) proportional to exp(-|x|/b)."""
    return Law(1 / scale.fraction(), Fraction(0))


def gaussian(scale: Dyadic) -> Law:
    """Discrete Gaussian of parameter s: P(x) proportional to exp(-x^2/(2 s^2))."""
    return Law(Fraction(0), 1 / (2 * scale.fraction() ** 2))
