"""SUM(column): bounded values, uncentred, since centring a sum would need a count to undo."""

from collections.abc import Sequence
from fractions import Fraction

from ..model.plan import BlockKind
from .encoding import Encoding, Reach, linear, product
from .forms import plain
from .request import Basis, Request

BASIS = Basis.EXACT


def encodings(request: Request) -> tuple[Encoding, ...]:
    """One block whose integers are worth q = gcd(lower, resolution) each; a product where weighted."""
    if request.weight is None:
        return (linear(BlockKind.SUM, plain(request.number)),)
    limit = request.factor_limit
    return (product(plain(request.number, limit), plain(request.weight, limit)),)


def decode(integers: Sequence[Fraction], request: Request) -> Fraction:
    """The sum in the column's terms, from the block's unrefined total."""
    return integers[0] * encodings(request)[0].step


def leverages(request: Request, people: Fraction) -> tuple[Fraction, ...]:
    """Squared worth of an integer."""
    return (encodings(request)[0].step ** 2,)


def half_width_squared(reach: Reach, request: Request, people: Fraction) -> Fraction:
    """Squared half-width of the sum's interval, in the column's terms."""
    return reach[0] * leverages(request, people)[0]
