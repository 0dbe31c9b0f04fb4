"""Square roots, scales and decimals that are rounded in a chosen direction, exactly.

Every party recomputes a plan and compares it, so nothing here touches floating point.
"""

from decimal import Decimal
from fractions import Fraction
from math import ceil, floor, isqrt

from ..model.plan import Dyadic

SCALE_BITS = 40  # significant bits of a noise scale: exact as a float, and 1e-12 of slack


def ceil_sqrt(square: Fraction) -> int:
    """The smallest integer whose square is at least *square* (> 0 or 0).

    >>> ceil_sqrt(Fraction(16)), ceil_sqrt(Fraction(33, 2))
    (4, 5)
    """
    whole = ceil(square)
    return isqrt(whole - 1) + 1 if whole > 0 else 0


def root_up(square: Fraction) -> Fraction:
    """A rational that is at least the root of *square* (>= 0), larger by at most 2**-60 of it.

    >>> root_up(Fraction(9, 4))
    Fraction(3, 2)
    """
    widen = max(64 - (square.numerator.bit_length() - square.denominator.bit_length()) // 2, 0)
    return Fraction(ceil_sqrt(square * 4**widen), 2**widen)


def scale_of_square(square: Fraction) -> Dyadic:
    """A dyadic s of at most SCALE_BITS bits with s*s >= square, larger than the root by at most 2**-38.

    >>> scale_of_square(Fraction(4)).fraction()
    Fraction(2, 1)
    """
    if square <= 0:
        raise ValueError("a noise scale must be positive")
    magnitude = square.numerator.bit_length() - square.denominator.bit_length()
    shift = SCALE_BITS - 1 - (magnitude + 1) // 2  # square * 4**shift has 2*SCALE_BITS bits, or 2 fewer
    return odd_dyadic(ceil_sqrt(square * Fraction(4) ** shift), -shift)


def odd_dyadic(mantissa: int, exponent: int) -> Dyadic:
    """mantissa * 2**exponent (> 0) with the mantissa made odd."""
    zeros = (mantissa & -mantissa).bit_length() - 1
    return Dyadic(mantissa >> zeros, exponent + zeros)


def next_scale(scale: Dyadic) -> Dyadic:
    """The next larger dyadic of at most SCALE_BITS bits."""
    widen = SCALE_BITS - scale.mantissa.bit_length()
    return odd_dyadic((scale.mantissa << widen) + 1, scale.exponent - widen)


def short_decimal_up(value: Fraction, digits: int) -> Fraction:
    """The smallest decimal of *digits* significant digits that is at least *value* (>= 0).

    >>> short_decimal_up(Fraction(1, 3), 3)
    Fraction(167, 500)
    """
    unit = _unit(value, digits)
    return ceil(value / unit) * unit


def short_decimal_down(value: Fraction, digits: int) -> Fraction:
    """The largest decimal of *digits* significant digits that is at most *value* (>= 0)."""
    unit = _unit(value, digits)
    return floor(value / unit) * unit


def decimal_text(value: Fraction) -> str:
    """*value* as people write it, to six significant digits.

    >>> decimal_text(Fraction(1, 8)), decimal_text(Fraction(10) ** -12)
    ('0.125', '1e-12')
    """
    digits, _, exponent = f"{Decimal(value.numerator) / Decimal(value.denominator):.6g}".partition("e")
    digits = digits.rstrip("0").rstrip(".") if "." in digits else digits
    return f"{digits}e{exponent}" if exponent else digits


def _unit(value: Fraction, digits: int) -> Fraction:
    """The worth of the last of *digits* significant digits of *value*."""
    if value == 0:
        return Fraction(1)
    exponent = len(str(value.numerator)) - len(str(value.denominator))  # of the first digit, or one above
    if value < Fraction(10) ** exponent:
        exponent -= 1
    return Fraction(10) ** (exponent - digits + 1)
