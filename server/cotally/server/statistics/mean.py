"""AVG(column): a count of non-NULL rows and the sum of their distances from the middle of the bounds."""

from collections.abc import Sequence
from fractions import Fraction

from ..dp.rounding import root_up
from ..model.catalog import Column
from ..model.plan import BlockKind
from .encoding import Encoding, Reach, rows


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


def half_width_squared(reach: Reach, column: Column | None, people: Fraction) -> Fraction | None:
    """Squared half-width of Fieller's interval for *people* rows, in the column's terms.

    The count's noise matters in proportion to the mean's distance from the centre, which is not
    known beforehand: the farther bound is taken. None where the count may be zero, so that the
    interval is the whole line (Fieller 1954).
    """
    of_count, of_sum = reach
    step, distance = _scale(column)
    lead = people**2 - of_count
    if lead <= 0:
        return None
    return (of_count * (people * distance) ** 2 + of_sum * lead) * (step / lead) ** 2


def affordable(shape: Reach, column: Column | None, people: Fraction, error: Fraction) -> Fraction:
    """The multiple x of *shape* at which the half-width is *error*, rounded down.

    With the variances' shape (C, S), n people, distance D and E = error/step, x is the smaller root of
    (E^2 C^2 + S C) x^2 - (2 E^2 n^2 C + C n^2 D^2 + S n^2) x + E^2 n^4 = 0.
    """
    of_count, of_sum = shape
    step, distance = _scale(column)
    square, rows_squared = (error / step) ** 2, people**2
    quadratic = square * of_count**2 + of_sum * of_count
    linear = rows_squared * (2 * square * of_count + of_count * distance**2 + of_sum)
    constant = square * rows_squared**2
    discriminant = root_up(linear**2 - 4 * quadratic * constant)
    return 2 * constant / (linear + discriminant)


def _scale(column: Column | None) -> tuple[Fraction, Fraction]:
    """The worth of an integer, and how many integers a mean can lie from the centre."""
    assert column is not None
    centred = encodings(column)[1]
    farthest = max(column.upper - centred.centre, centred.centre - column.lower)
    return centred.step, farthest / centred.step
