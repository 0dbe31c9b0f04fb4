"""QUANTILE(column, q) and MEDIAN: where a tree of counts over the public bounds reaches q."""

from collections.abc import Sequence
from fractions import Fraction

from ..dp.rounding import root_up
from ..model.plan import BlockKind, LeafScale, Leaves
from . import leaves
from .encoding import Encoding, Reach, one_hot
from .request import Basis, Request

BASIS = Basis.EVEN


def encodings(request: Request) -> tuple[Encoding, ...]:
    """One block: a tree, so that each count of rows below an edge is a sum of few noisy numbers."""
    return (one_hot(BlockKind.TREE, request.number, _leaves(request)),)


def decode(integers: Sequence[Fraction], request: Request) -> Fraction | None:
    """The least upper edge with at least q of all rows below it; None without a positive number of rows.

    Reads the top level for the number of rows and the fewest nodes that tile what lies below an edge.
    """
    column, cut, q = request.number, _leaves(request), request.statistic.quantile
    assert q is not None
    rows = integers[0] + integers[1]
    if rows <= 0:
        return None
    edges = (*leaves.starts(column, cut)[1:], None)
    for edge, unit in enumerate(edges, start=1):
        if unit is None or below(integers, edge, cut.count) >= q * rows:
            return column.upper if unit is None else leaves.value(column, unit)
    return None


def below(nodes: Sequence[Fraction], edge: int, count: int) -> Fraction:
    """Rows in the first *edge* of *count* leaves, from the fewest *nodes*.

    >>> below([Fraction(x) for x in (3, 7, 1, 2, 3, 4)], 3, 4)
    Fraction(6, 1)
    """
    total, start, level = Fraction(0), 0, 2
    while level <= count:
        size = count // level
        if edge & size:
            total += nodes[level - 2 + start // size]
            start += size
        level *= 2
    return total + (nodes[0] + nodes[1] if edge == count else 0)


def leverages(request: Request, people: Fraction) -> tuple[Fraction, ...]:
    """Squared worth of a node in the rank's error times the values per row."""
    return (_nodes(request) * (_range(request) / people) ** 2,)


def half_width_squared(reach: Reach, request: Request, people: Fraction) -> Fraction:
    """Squared half-width for *people* rows spread evenly over the bounds: the rank's error, and a leaf."""
    rank = root_up(reach[0] * leverages(request, people)[0])
    return (rank + _range(request) / _leaves(request).count) ** 2


def _nodes(request: Request) -> Fraction:
    """The most that noise of variance 1 per node adds to the variance of rows below, less q times all."""
    q, depth = request.statistic.quantile, _leaves(request).count.bit_length() - 1
    assert q is not None
    return depth * ((1 - q) ** 2 + q**2)


def _range(request: Request) -> Fraction:
    return max(request.number.upper - request.number.lower, request.number.resolution)


def _leaves(request: Request) -> Leaves:
    return Leaves(LeafScale.EVEN, request.statistic.bins or leaves.DEFAULT_TREE)
