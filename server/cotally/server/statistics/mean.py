"""AVG(column): a count of non-NULL rows and the sum of their distances from the middle of the bounds."""

from collections.abc import Sequence
from fractions import Fraction

from ..model.catalog import Column
from ..model.plan import BlockKind
from .encoding import Encoding, rows


def encodings(column: Column | None) -> tuple[Encoding, ...]:
    """Two blocks, count first; the count of a column declared non-null is the count of rows.

    >>> from cotally.server.model.catalog import ColumnType
    >>> centred = encodings(Column("age", ColumnType.INTEGER, upper=Fraction(99)))[1]
    >>> centred.low, centred.high, centred.centre
    (-49, 50, Fraction(49, 1))
    """
    assert column is not None
    middle = column.units // 2
    centred = Encoding(
        BlockKind.CENTRED_SUM, column.name, 1, -middle, column.resolution,
        centre=column.lower + column.resolution * middle, low=-middle, high=column.units - middle,
    )
    return rows(column), centred


def decode(integers: Sequence[Fraction], column: Column | None) -> Fraction | None:
    """The mean in the column's terms, clamped to its bounds; None where the count is not positive."""
    assert column is not None
    count, total = integers
    if count <= 0:
        return None
    centred = encodings(column)[1]
    mean = centred.centre + centred.step * total / count
    return min(max(mean, column.lower), column.upper)


def slopes(column: Column | None, people: Fraction) -> tuple[Fraction, ...]:
    """How far the mean of *people* rows moves per unrefined integer of noise in count and sum.

    The count's noise matters in proportion to the mean's distance from the centre, which is not
    known beforehand: the largest is taken, half of the bounds' width.
    """
    centred = encodings(column)[1]
    return centred.magnitude * centred.step / people, centred.step / people
