"""VARIANCE(column) of the population: the mean square less the square of the mean."""

from collections.abc import Sequence
from fractions import Fraction

from . import moments
from .encoding import Encoding, Reach
from .half_widths import linearised
from .request import Basis, Request

BASIS = Basis.PEOPLE

_SQUARE = ((0, 0),)


def encodings(request: Request) -> tuple[Encoding, ...]:
    """Three blocks: count, centred sum, centred square."""
    return moments.encodings(request, _SQUARE)


def decode(integers: Sequence[Fraction], request: Request) -> Fraction | None:
    """The variance in the column's terms squared, negative where noise makes it so."""
    found = moments.moments(integers, request, _SQUARE)
    return None if found is None else found.covariances[0, 0]


def leverages(request: Request, people: Fraction) -> tuple[Fraction, ...]:
    """Squared worth of an integer of each block, at worst over all values within the bounds.

    A change of the sums by (dn, ds, dq) moves the variance by (dq - 2 mean ds - (msq - 2 mean^2) dn)/n.
    """
    (half,), (scaled,) = moments.half_ranges(request), moments.scales(request)
    return (
        (half**2 / people) ** 2,
        (2 * half * scaled.step / people) ** 2,
        (scaled.step**2 / people) ** 2,
    )


def half_width_squared(reach: Reach, request: Request, people: Fraction) -> Fraction | None:
    """Squared half-width for *people* rows, linear in the noise, whatever the values."""
    return linearised(reach, leverages(request, people), people)
