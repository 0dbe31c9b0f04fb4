"""AVG(column): a count of non-NULL rows and the sum of their distances from the middle of the bounds.

Weighted: the sum of weights, and the sum of weighted distances.
"""

from collections.abc import Sequence
from fractions import Fraction

from ..model.plan import BlockKind
from .encoding import Encoding, Reach, linear, product, rows
from .forms import centred, plain
from .half_widths import of_ratio
from .request import Basis, Request

BASIS = Basis.PEOPLE


def encodings(request: Request) -> tuple[Encoding, ...]:
    """Two blocks, count first; the count of a column declared non-null is the count of rows."""
    column, weight = request.number, request.weight
    if weight is None:
        return rows(column), linear(BlockKind.CENTRED_SUM, centred(column))
    limit = request.factor_limit
    return (
        linear(BlockKind.SUM, plain(weight), request.present),
        product(centred(column, limit), plain(weight, limit)),
    )


def decode(integers: Sequence[Fraction], request: Request) -> Fraction | None:
    """The mean in the column's terms, clamped to its bounds; None where the count is not positive."""
    count, total = encodings(request)
    below, above = integers[0] * count.step, integers[1] * total.step
    if below <= 0:
        return None
    return min(max(total.centre + above / below, request.number.lower), request.number.upper)


def leverages(request: Request, people: Fraction) -> tuple[Fraction, ...]:
    """Squared worth of an integer of either block where noise is small."""
    count, total = encodings(request)
    below = _denominator(request, people)
    return (count.step * max(_distance(request), total.step) / below) ** 2, (total.step / below) ** 2


def half_width_squared(reach: Reach, request: Request, people: Fraction) -> Fraction | None:
    """Squared half-width of Fieller's interval for *people* rows, in the column's terms.

    The mean's distance from the centre is not known beforehand: the farther bound is taken. Weights
    are taken to be halfway between their bounds.
    """
    count, total = encodings(request)
    own = reach[0] * count.step**2, reach[1] * total.step**2
    return of_ratio(own, _denominator(request, people), _distance(request))


def _denominator(request: Request, people: Fraction) -> Fraction:
    weight = request.weight
    return people if weight is None else people * max((weight.lower + weight.upper) / 2, weight.resolution)


def _distance(request: Request) -> Fraction:
    """How far a mean can lie from the centre."""
    centre = encodings(request)[1].centre
    return max(request.number.upper - centre, centre - request.number.lower)
