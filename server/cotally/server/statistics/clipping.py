"""The share of persons whom bounds change: with values clipped low or high, or more than k rows."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Final

from ..model.plan import BlockKind
from ..model.query import StatisticKind
from .encoding import Encoding, Reach, of_people
from .half_widths import of_ratio
from .request import Basis, Request

BASIS = Basis.PEOPLE

_KINDS: Final = {
    StatisticKind.CLIPPED_LOW: BlockKind.CLIPPED_LOW,
    StatisticKind.CLIPPED_HIGH: BlockKind.CLIPPED_HIGH,
    StatisticKind.TRUNCATED: BlockKind.TRUNCATED,
}


def encodings(request: Request) -> tuple[Encoding, ...]:
    """Two blocks: persons, and those of them who are changed."""
    changed = of_people(_KINDS[request.statistic.kind], request.statistic.column)
    return of_people(BlockKind.PERSONS), changed


def decode(integers: Sequence[Fraction], request: Request) -> Fraction | None:
    """The share, clamped to [0, 1]; None where the number of persons is not positive."""
    persons, changed = integers
    return min(max(changed / persons, Fraction(0)), Fraction(1)) if persons > 0 else None


def leverages(request: Request, people: Fraction) -> tuple[Fraction, ...]:
    """Squared worth of a person where noise is small and the share is one, the worst case."""
    return (1 / people**2, 1 / people**2)


def half_width_squared(reach: Reach, request: Request, people: Fraction) -> Fraction | None:
    """Squared half-width of Fieller's interval for *people* persons, at worst over all shares."""
    return of_ratio(reach, people, Fraction(1))
