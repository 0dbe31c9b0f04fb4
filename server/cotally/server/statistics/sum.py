"""SUM(column): bounded values, uncentred, since centring a sum would need a count to undo."""

from collections.abc import Sequence
from fractions import Fraction
from math import gcd

from ..model.catalog import Column
from ..model.plan import BlockKind
from .encoding import Encoding, Reach


def encodings(column: Column | None) -> tuple[Encoding, ...]:
    """One block whose integers are worth q = gcd(lower, resolution) each.

    >>> from cotally.server.model.catalog import ColumnType
    >>> encodings(Column("age", ColumnType.INTEGER, lower=Fraction(20), upper=Fraction(90)))[0].high
    90
    """
    assert column is not None
    step = _common_measure(column.lower, column.resolution)
    factor, shift = int(column.resolution / step), int(column.lower / step)
    return (
        Encoding(
            BlockKind.SUM, column.name, factor, shift, step, Fraction(0),
            low=shift, high=factor * column.units + shift,
        ),
    )


def decode(integers: Sequence[Fraction], column: Column | None) -> Fraction:
    """The sum in the column's terms, from the block's unrefined total."""
    return integers[0] * encodings(column)[0].step


def half_width_squared(reach: Reach, column: Column | None, people: Fraction) -> Fraction:
    """Squared half-width of the sum's interval, in the column's terms."""
    return reach[0] * encodings(column)[0].step ** 2


def affordable(shape: Reach, column: Column | None, people: Fraction, error: Fraction) -> Fraction:
    """The multiple of *shape* at which the half-width is *error*."""
    return error**2 / half_width_squared(shape, column, people)


def _common_measure(first: Fraction, second: Fraction) -> Fraction:
    """The largest rational of which both are integer multiples."""
    return Fraction(
        gcd(first.numerator * second.denominator, second.numerator * first.denominator),
        first.denominator * second.denominator,
    )
