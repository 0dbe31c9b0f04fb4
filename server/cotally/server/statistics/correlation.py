"""CORR(y, x): the covariance over the root of the variances' product."""

from collections.abc import Sequence
from fractions import Fraction

from ..dp.rounding import root_up
from . import moments, regression
from .encoding import Encoding, Reach
from .half_widths import linearised
from .request import Basis, Request

BASIS = Basis.EVEN


def encodings(request: Request) -> tuple[Encoding, ...]:
    """The blocks of REGR(y, x): count, both centred sums, the products y y, y x and x x."""
    return regression.encodings(request)


def decode(integers: Sequence[Fraction], request: Request) -> Fraction | None:
    """The correlation, clamped to [-1, 1]; None where a variance is not positive."""
    found = moments.moments(integers, request, moments.every_pair(request))
    if found is None or min(found.covariances[0, 0], found.covariances[1, 1]) <= 0:
        return None
    unclamped = found.covariances[0, 1] / root_up(found.covariances[0, 0] * found.covariances[1, 1])
    return min(max(unclamped, Fraction(-1)), Fraction(1))


def leverages(request: Request, people: Fraction) -> tuple[Fraction, ...]:
    """Those of a regression: all blocks matter alike."""
    return regression.leverages(request, people)


def half_width_squared(reach: Reach, request: Request, people: Fraction) -> Fraction | None:
    """Squared half-width where y and x are spread evenly and independent: the product's noise alone."""
    of_y, of_x = map(moments.even_variance, moments.half_ranges(request))
    y, x = moments.scales(request)
    worth = (y.step * x.step / people) ** 2 / (of_y * of_x)
    zero = Fraction(0)
    return linearised(reach, (zero, zero, zero, zero, worth, zero), people)
