"""The leaves into which a column's units are cut, and their edges in the column's terms."""

from fractions import Fraction
from math import ceil
from typing import Final

from cotally.v1 import catalog_pb2, round_pb2
from cotally.v1.refusals import Refusal, Refused

from .published import Units

MOST: Final = 1024
DEFAULT_TREE: Final = 256  # leaves of a quantile that states none


def even(count: int) -> round_pb2.Leaves:
    """Return *count* leaves of equal numbers of units, or as near as may be."""
    return round_pb2.Leaves(scale=round_pb2.LEAF_SCALE_EVEN, count=count)


def logarithmic(column: catalog_pb2.Column) -> round_pb2.Leaves:
    """Return leaves that begin at the lower bound, 0 and +-resolution * 2^i inside the bounds."""
    return round_pb2.Leaves(scale=round_pb2.LEAF_SCALE_LOG, count=1 + len(_powers(Units.of(column))))


def edges(column: catalog_pb2.Column, leaves: round_pb2.Leaves) -> tuple[Fraction, ...]:
    """Return where each leaf begins, and last the upper bound: one more than there are leaves.

    >>> age = catalog_pb2.Column(name="age", type=catalog_pb2.COLUMN_TYPE_INTEGER, lower="0", upper="99")
    >>> [int(edge) for edge in edges(age, even(4))]
    [0, 25, 50, 75, 99]
    """
    units = Units.of(column)
    if leaves.scale == round_pb2.LEAF_SCALE_EVEN:
        starts = [-(-leaf * max(units.most, 1) // leaves.count) for leaf in range(leaves.count)]
    else:
        starts = [0, *_powers(units)]
    if len(starts) != leaves.count:
        raise Refused(
            Refusal.PLAN_MISMATCH, f"the plan cuts {column.name!r} into other leaves than the catalog"
        )
    return (*(min(units.value(unit), units.upper) for unit in starts), units.upper)


def _powers(units: Units) -> tuple[int, ...]:
    """Return the units, 1..M, at which the logarithmic leaves after the first begin."""
    at = {Fraction(0)}
    size = units.resolution
    while size <= max(abs(units.lower), abs(units.upper)):
        at |= {size, -size}
        size *= 2
    found = {ceil((value - units.lower) / units.resolution) for value in at}
    return tuple(sorted(unit for unit in found if 0 < unit <= units.most))
