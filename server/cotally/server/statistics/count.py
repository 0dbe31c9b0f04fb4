"""COUNT(*) and COUNT(column): people-rows, each person's bounded."""

from collections.abc import Sequence
from fractions import Fraction

from ..model.catalog import Column
from .encoding import Encoding, Reach, rows


def encodings(column: Column | None) -> tuple[Encoding, ...]:
    """One block: rows, or rows in which *column* is not NULL."""
    return (rows(column),)


def decode(integers: Sequence[Fraction], column: Column | None) -> Fraction:
    """The count, from the block's unrefined total."""
    return integers[0]


def half_width_squared(reach: Reach, column: Column | None, people: Fraction) -> Fraction:
    """Squared half-width of the count's interval."""
    return reach[0]


def affordable(shape: Reach, column: Column | None, people: Fraction, error: Fraction) -> Fraction:
    """The multiple of *shape* at which the half-width is *error*."""
    return error**2 / shape[0]
