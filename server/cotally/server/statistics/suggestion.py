"""SUGGEST BOUNDS FOR column: people-rows in bins on a log scale over the public outer bounds."""

from collections.abc import Sequence
from fractions import Fraction

from ..model.plan import BlockKind
from .encoding import Encoding, Reach, one_hot
from .leaves import logarithmic
from .request import Basis, Request

BASIS = Basis.EXACT


def encodings(request: Request) -> tuple[Encoding, ...]:
    """One block of cells that begin at powers of two."""
    return (one_hot(BlockKind.CELLS, request.number, logarithmic(request.number)),)


def decode(integers: Sequence[Fraction], request: Request) -> tuple[Fraction, ...]:
    """The bins' counts."""
    return tuple(integers)


def leverages(request: Request, people: Fraction) -> tuple[Fraction, ...]:
    """A row is worth one."""
    return (Fraction(1),)


def half_width_squared(reach: Reach, request: Request, people: Fraction) -> Fraction:
    """Squared half-width of one bin's interval."""
    return reach[0]
