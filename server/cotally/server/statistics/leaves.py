"""The leaves into which a column's units are cut, and the tree above them."""

from collections.abc import Sequence
from fractions import Fraction
from math import ceil
from typing import Final

from ..model.catalog import Column
from ..model.plan import LeafScale, Leaves

MOST: Final = 1024
DEFAULT_TREE: Final = 256


def starts(column: Column, leaves: Leaves) -> tuple[int, ...]:
    """The first unit of each leaf, ascending; a leaf that begins where the next one does is empty.

    >>> from cotally.server.model.catalog import ColumnType
    >>> age = Column("age", ColumnType.INTEGER, upper=Fraction(99))
    >>> starts(age, Leaves(LeafScale.EVEN, 8))
    (0, 13, 25, 38, 50, 62, 75, 87)
    >>> starts(age, logarithmic(age))
    (0, 1, 2, 4, 8, 16, 32, 64)
    """
    if leaves.scale is LeafScale.EVEN:
        return tuple(-(-leaf * max(column.units, 1) // leaves.count) for leaf in range(leaves.count))
    return (0, *_powers(column))


def logarithmic(column: Column) -> Leaves:
    """Leaves that begin at the lower bound, at 0 and at +-resolution * 2^i, where these lie inside."""
    return Leaves(LeafScale.LOG, 1 + len(_powers(column)))


def value(column: Column, unit: int) -> Fraction:
    """What *unit* stands for."""
    return column.lower + column.resolution * unit


def ancestors(leaf_totals: Sequence[int]) -> list[int]:
    """The tree's nodes level by level below the root, the leaves last, each the sum of its two children.

    >>> ancestors([1, 2, 3, 4])
    [3, 7, 1, 2, 3, 4]
    """
    levels = [list(leaf_totals)]
    while len(levels[0]) > 2:
        below = levels[0]
        levels.insert(0, [a + b for a, b in zip(below[::2], below[1::2], strict=True)])
    return [node for level in levels for node in level]


def _powers(column: Column) -> tuple[int, ...]:
    """The units, 1..M, at which the logarithmic leaves after the first begin."""
    found = {_unit(column, Fraction(0))}
    size = column.resolution
    while size <= max(abs(column.lower), abs(column.upper)):
        found |= {_unit(column, size), _unit(column, -size)}
        size *= 2
    return tuple(sorted(unit for unit in found if 0 < unit <= column.units))


def _unit(column: Column, at: Fraction) -> int:
    return ceil((at - column.lower) / column.resolution)
