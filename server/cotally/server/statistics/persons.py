"""COUNT(DISTINCT unit): persons with a row in the group; where m > 1, incidences in departments."""

from collections.abc import Sequence
from fractions import Fraction

from ..model.plan import BlockKind
from .encoding import Encoding, Reach, of_people
from .request import Basis, Request

BASIS = Basis.EXACT


def encodings(request: Request) -> tuple[Encoding, ...]:
    """One block: a person is worth one in each of at most g groups."""
    return (of_people(BlockKind.PERSONS),)


def decode(integers: Sequence[Fraction], request: Request) -> Fraction:
    """The number of persons."""
    return integers[0]


def leverages(request: Request, people: Fraction) -> tuple[Fraction, ...]:
    """A person is worth one."""
    return (Fraction(1),)


def half_width_squared(reach: Reach, request: Request, people: Fraction) -> Fraction:
    """Squared half-width of the number's interval."""
    return reach[0]
