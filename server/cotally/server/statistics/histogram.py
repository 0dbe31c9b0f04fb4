"""HISTOGRAM(column, bins): people-rows in bins of equal width over the public bounds."""

from collections.abc import Sequence
from fractions import Fraction

from ..model.plan import BlockKind, LeafScale, Leaves
from .encoding import Encoding, Reach, one_hot
from .request import Basis, Request

BASIS = Basis.EXACT


def encodings(request: Request) -> tuple[Encoding, ...]:
    """One block of cells; a person's are whole numbers that add up to min(n, k)."""
    leaves = Leaves(LeafScale.EVEN, request.statistic.bins)
    return (one_hot(BlockKind.CELLS, request.number, leaves),)


def decode(integers: Sequence[Fraction], request: Request) -> tuple[Fraction, ...]:
    """The bins' counts."""
    return tuple(integers)


def leverages(request: Request, people: Fraction) -> tuple[Fraction, ...]:
    """A row is worth one."""
    return (Fraction(1),)


def half_width_squared(reach: Reach, request: Request, people: Fraction) -> Fraction:
    """Squared half-width of one bin's interval."""
    return reach[0]
