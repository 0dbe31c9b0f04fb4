"""Bounds on exponentials and on sums of weights, as integers in units of 2**-precision.

An approximation here is an integer below the true number, with an error that it misses it by at
most: truth lies in [approximation, approximation + error] units. Only `exp_below` asks MPFR, which
rounds correctly in the direction it is told; the rest is integer arithmetic.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import gmpy2

from .law import Law

_GUARD: Final = 64  # bits of MPFR's beyond the units asked for
_EXP_ERROR: Final = 2  # units


def exp_below(exponent: Fraction, precision: int) -> int:
    """exp(-exponent) for exponent >= 0 from below, in units of 2**-precision; within 2 units of it.

    The quotient is rounded up, its negative's exponential down, and the units are counted down.

    >>> exp_below(Fraction(0), 8), exp_below(Fraction(1), 8)  # 256/e = 94.2
    (256, 94)
    """
    digits = precision + _GUARD
    with gmpy2.context(precision=digits, round=gmpy2.RoundUp):
        quotient = gmpy2.div(gmpy2.mpz(exponent.numerator), gmpy2.mpz(exponent.denominator))
    with gmpy2.context(precision=digits, round=gmpy2.RoundDown):
        return int(gmpy2.floor(gmpy2.mul_2exp(gmpy2.exp(-quotient), precision)))


@dataclass(frozen=True, slots=True)
class Sums:
    """What is known of S_j = w_0 + ... + w_j, where w_y = exp(-law.exponent(y)), and of their limit.

    S_j lies in [sums[j], sums[j] + error] units, the limit in [low, high]; w_(y+1)/w_y is at least
    ratios[y] units.
    """

    precision: int
    sums: list[int]
    ratios: list[int]
    error: int
    low: int
    high: int


def sum_weights(law: Law, bits: int) -> Sums:
    """The sums, up to where less than 2**-bits of the limit is left, in units of 2**-(bits + 128).

    Weights come from one another: w_(y+1) = w_y r_y, and r_(y+1) = r_y exp(-2 square), starting with
    r_0 = exp(-linear - square). Ratios never rise, so w_y and what follows it are together at most
    the geometric w_y / (1 - r_(y-1)), and just that where ratios never fall (the limit is 1/(1 - r) then).
    Elsewhere the sums go on until the unknown tail is 2**-64 of what *bits* can tell apart.
    """
    precision = bits + 2 * _GUARD
    one = 1 << precision
    geometric = law.square == 0
    far = bits if geometric else bits + _GUARD
    bend = exp_below(2 * law.square, precision)
    ratio, ratio_error = exp_below(law.exponent(1), precision), _EXP_ERROR
    weight, weight_error, total, error = one, 0, one, 0
    sums, ratios = [total], [ratio]
    while True:
        weight = weight * ratio >> precision
        weight_error += ratio_error + 1  # x y - X Y <= (x - X) + (y - Y) up to one; the shift loses a unit
        fall = one - ratio - ratio_error
        if (weight + weight_error) << far < (one if geometric else fall):
            break
        total += weight
        error += weight_error
        if not geometric:
            ratio = ratio * bend >> precision
            ratio_error += _EXP_ERROR + 1
        sums.append(total)
        ratios.append(ratio)
    most = -(-((weight + weight_error) << precision) // fall)
    least = (weight << precision) // (one - ratio) if geometric else 0
    return Sums(precision, sums, ratios, error, total + least, total + error + most)
