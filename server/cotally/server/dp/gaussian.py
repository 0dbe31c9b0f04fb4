"""Noise shares of the discrete Gaussian: their scale, and the price of h of them summed.

Each department adds N_Z(0, s^2). Canonne, Kamath and Steinke 2020 price one share at
L2^2/(2 s^2) zCDP. A sum of h shares is not quite discrete Gaussian; Kairouz, Liu and Steinke 2021,
Theorem 1, price it at (L2/(sqrt(h) s) + tau sqrt(d))^2 / 2 over d coordinates.
"""

from decimal import ROUND_FLOOR, Context, Decimal
from fractions import Fraction
from math import ceil, isqrt
from typing import Final

from ..model.account import PICO
from ..model.plan import Dyadic
from .rounding import next_scale, scale_of_square

LEAST_VARIANCE: Final = 16  # of a share, in refined integers: tau is then below 1e-67

_FLOOR: Final = Context(prec=30, rounding=ROUND_FLOOR)
_TWICE_PI_SQUARED: Final = Decimal("19.7392088021787172")  # rounded down
_DEEPEST: Final = Decimal(400)  # exp(-400) stands for anything smaller
_TERMS: Final = 64  # summed one by one; the rest are bounded by the first of them


def tau(variance: Fraction, shares: int) -> Fraction:
    """An upper bound of 10 * sum over k = 1..shares-1 of exp(-2 pi^2 variance k/(k+1)).

    >>> tau(Fraction(16), 1)
    Fraction(0, 1)
    """
    if variance < Fraction(1, 4):
        raise ValueError("Theorem 1 asks for a standard deviation of at least 1/2")
    exact = sum((_term(variance, k) for k in range(1, min(shares, _TERMS + 1))), Fraction(0))
    rest = max(shares - 1 - _TERMS, 0)  # the terms fall with k
    return 10 * (exact + (rest * _term(variance, _TERMS + 1) if rest else 0))


def _term(variance: Fraction, k: int) -> Fraction:
    fraction = variance * Fraction(k, k + 1)
    depth = _FLOOR.multiply(_TWICE_PI_SQUARED, _FLOOR.divide(fraction.numerator, fraction.denominator))
    return Fraction(_FLOOR.next_plus(_FLOOR.exp(-min(depth, _DEEPEST))))


def price(l2_squared: int, scale: Dyadic, honest: int, coordinates: int) -> int:
    """Pico-rho, rounded up, of *honest* shares of *scale* over *coordinates* coordinates.

    `l2_squared` is the squared L2 sensitivity of the block, in the same integers as the scale.

    >>> price(1, Dyadic(1, 2), honest=2, coordinates=1)  # 1/(2 * 2 * 16), and a trace of tau
    15625000001
    """
    variance = scale.fraction() ** 2
    distance_squared = l2_squared / (honest * variance)  # a^2
    excess = tau(variance, honest) * (isqrt(coordinates) + 1)  # t >= tau sqrt(d)
    rho = distance_squared / 2
    if excess:
        distance = Fraction(isqrt(ceil(distance_squared * 4**40)) + 1, 2**40)  # a, rounded up
        rho += distance * excess + excess**2 / 2
    return ceil(rho * PICO)


def share_scale(l2_squared: int, pico_rho: int, honest: int, coordinates: int) -> Dyadic:
    """The scale of one share for which `price` is at most *pico_rho*."""
    scale = scale_of_square(Fraction(l2_squared * PICO, 2 * honest * pico_rho))
    while price(l2_squared, scale, honest, coordinates) > pico_rho:  # where the square is exact, tau is felt
        scale = next_scale(scale)
    return scale


def refinement(l2_squared: int, pico_rho: int, honest: int) -> int:
    """The smallest power of two by which integers are multiplied so that a share is wide enough."""
    variance = Fraction(l2_squared * PICO, 2 * honest * pico_rho)
    factor = 1
    while variance * factor**2 < LEAST_VARIANCE:
        factor *= 2
    return factor
