"""STDDEV(column): the root of the variance."""

from collections.abc import Sequence
from fractions import Fraction

from ..dp.rounding import root_up
from . import moments, variance
from .encoding import Encoding, Reach
from .half_widths import linearised
from .request import Basis, Request

BASIS = Basis.EVEN


def encodings(request: Request) -> tuple[Encoding, ...]:
    """The blocks of the variance."""
    return variance.encodings(request)


def decode(integers: Sequence[Fraction], request: Request) -> Fraction | None:
    """The root of the variance, rounded up by 2^-60 at most; None where noise makes that negative."""
    found = variance.decode(integers, request)
    return None if found is None or found < 0 else root_up(found)


def leverages(request: Request, people: Fraction) -> tuple[Fraction, ...]:
    """The variance's, since d sd = d variance / (2 sd), with the sd of values spread evenly."""
    (half,) = moments.half_ranges(request)
    slope = 1 / (4 * moments.even_variance(half))
    return tuple(slope * each for each in variance.leverages(request, people))


def half_width_squared(reach: Reach, request: Request, people: Fraction) -> Fraction | None:
    """Squared half-width for *people* rows whose values are spread evenly over the bounds."""
    return linearised(reach, leverages(request, people), people)
