"""COUNT(*) and COUNT(column): people-rows, each person's bounded; or their survey weights."""

from collections.abc import Sequence
from fractions import Fraction

from ..model.plan import BlockKind
from .encoding import Encoding, Reach, linear, rows
from .forms import plain
from .request import Basis, Request

BASIS = Basis.EXACT


def encodings(request: Request) -> tuple[Encoding, ...]:
    """One block: rows in which the column is not NULL, or the weights of these rows."""
    if request.weight is not None:
        return (linear(BlockKind.SUM, plain(request.weight), request.present),)
    return (rows(*request.columns),)


def decode(integers: Sequence[Fraction], request: Request) -> Fraction:
    """The count, from the block's unrefined total."""
    return integers[0] * encodings(request)[0].step


def leverages(request: Request, people: Fraction) -> tuple[Fraction, ...]:
    """Squared worth of an integer."""
    return (encodings(request)[0].step ** 2,)


def half_width_squared(reach: Reach, request: Request, people: Fraction) -> Fraction:
    """Squared half-width of the count's interval."""
    return reach[0] * leverages(request, people)[0]
