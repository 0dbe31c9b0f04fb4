"""Discrete Laplace noise: every department adds all of it, so one honest department suffices.

P(x) is proportional to exp(-|x|/b). It is (L1/b)-DP, which is its price where a population counts in
epsilon; and an epsilon-DP mechanism is (epsilon^2/2)-zCDP (Bun and Steinke 2016, Proposition 1.4).
"""

from fractions import Fraction
from math import ceil
from typing import Final

from ..model.account import PICO, Account
from ..model.plan import Dyadic
from .rounding import scale_of_square

LEAST_SCALE: Final = 4  # of the noise, in refined integers: rounding to integers is then unfelt


def epsilon(l1: int, scale: Dyadic) -> Fraction:
    """Pure epsilon of one block, exactly.

    >>> epsilon(1, Dyadic(1, 2))
    Fraction(1, 4)
    """
    return l1 / scale.fraction()


def price(l1: int, scale: Dyadic, account: Account) -> int:
    """What one block costs in *account*, in its pico-units, rounded up.

    >>> price(1, Dyadic(1, 2), Account.RHO), price(1, Dyadic(1, 2), Account.EPSILON)
    (31250000000, 250000000000)
    """
    return ceil(loss(epsilon(l1, scale), account) * PICO)


def loss(epsilon: Fraction, account: Account) -> Fraction:
    """What a pure *epsilon* costs in *account*, exactly."""
    return epsilon if account is Account.EPSILON else epsilon**2 / 2


def share_scale(l1: int, squared_epsilon: Fraction) -> Dyadic:
    """The scale for which the square of `epsilon` is at most *squared_epsilon* (twice the rho)."""
    return scale_of_square(l1**2 / squared_epsilon)


def refinement(l1: int, squared_epsilon: Fraction) -> int:
    """The smallest power of two by which integers are multiplied so that the noise is wide enough."""
    square = l1**2 / squared_epsilon
    factor = 1
    while square * factor**2 < LEAST_SCALE**2:
        factor *= 2
    return factor
