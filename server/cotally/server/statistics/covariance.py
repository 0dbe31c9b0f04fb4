"""COVAR(y, x) of the population: the mean product less the product of the means."""

from collections.abc import Sequence
from fractions import Fraction

from . import moments
from .encoding import Encoding, Reach
from .half_widths import linearised
from .request import Basis, Request

BASIS = Basis.PEOPLE

_PRODUCT = ((0, 1),)


def encodings(request: Request) -> tuple[Encoding, ...]:
    """Four blocks: count, centred sums of y and x, their product."""
    return moments.encodings(request, _PRODUCT)


def decode(integers: Sequence[Fraction], request: Request) -> Fraction | None:
    """The covariance in the product of the columns' terms."""
    found = moments.moments(integers, request, _PRODUCT)
    return None if found is None else found.covariances[0, 1]


def leverages(request: Request, people: Fraction) -> tuple[Fraction, ...]:
    """Squared worth of an integer of each block, at worst over all values within the bounds."""
    (of_y, of_x), (y, x) = moments.half_ranges(request), moments.scales(request)
    return (
        (of_y * of_x / people) ** 2,
        (of_x * y.step / people) ** 2,
        (of_y * x.step / people) ** 2,
        (y.step * x.step / people) ** 2,
    )


def half_width_squared(reach: Reach, request: Request, people: Fraction) -> Fraction | None:
    """Squared half-width for *people* rows, linear in the noise, whatever the values."""
    return linearised(reach, leverages(request, people), people)
