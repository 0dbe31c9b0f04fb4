"""COUNT(*) and COUNT(column): people-rows, each person's bounded."""

from collections.abc import Sequence
from fractions import Fraction

from ..model.catalog import Column
from .encoding import Encoding, rows


def encodings(column: Column | None) -> tuple[Encoding, ...]:
    """One block: rows, or rows in which *column* is not NULL."""
    return (rows(column),)


def decode(integers: Sequence[Fraction], column: Column | None) -> Fraction:
    """The count, from the block's unrefined total."""
    return integers[0]


def slopes(column: Column | None, people: Fraction) -> tuple[Fraction, ...]:
    """How far the count moves per unrefined integer of noise."""
    return (Fraction(1),)
